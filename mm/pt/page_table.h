/* SPDX-License-Identifier: MIT */
/*
 * page_table.h - a page table: a tree of nodes of four or five levels, walked by CPUs.
 *
 * The page table is the only record of its address space.  An entry holds the whole state of a
 * page: frame, rights, cache type, and whether it owns a count of the frame.  A non-present entry
 * may hold a marker, a number that is defined by the owner of the range.  A marker may be at any
 * level and applies to all that the entry covers.
 *
 * Tables are changed through cursors (mm/pt/cursor.h), many at once.  A lookup of one address takes
 * no lock: it runs inside epoch_enter(), so no node that it finds is freed before it leaves; it
 * allocates nothing, and its result was true at some moment of the call.
 *
 * Nodes that become empty are freed, except those of level `keep` and above.  Where pages are
 * mapped and unmapped often, a table may keep one spare: the branch that became empty last stays
 * until another one does, so that the next page there need not allocate three nodes.  Tables of
 * user spaces share the kernel's half: the entries of their roots lead to the same nodes, which the
 * kernel's table never frees, so that a change below them takes effect in all spaces at once.
 *
 * Provisions for extensions: nodes are reference-counted, so several entries may lead to one
 * (On-demand-fork, Zhao et al., EuroSys 2021); a table is little more than its root, so a space may
 * have two (page table isolation); all nodes come from mm/pt/node.h, which may allocate them from a
 * NUMA domain.
 *
 * Any context but NMI and machine check; for those there is mm/pt/walk.h.
 */
#pragma once

#include "mm/pt/node.h"

struct page_table {
	struct frame *root; /* (c) owns one count */
	unsigned levels;    /* (c) 4 or 5; IOMMU tables: 3 to 5 */
	bool breaks;        /* (c) a leaf is given up by all CPUs before it is split */
	unsigned keep; /* (c) after page_table_populate(): nodes from here up are never freed */
	void (*destroy)(struct page_table *pt); /* of its format; NULL: a CPU's table */
	_Atomic uint64_t spare;                 /* (a) the spare branch: its address | its level */
};

/* Values of `spare`: the table keeps none; it keeps one, but has none now. */
#define PT_SPARE_NEVER UINT64_C(0)
#define PT_SPARE_NONE  UINT64_MAX

/* The state of an address: the same for all pages of [start, start + len). */
enum pt_item_kind {
	PT_ITEM_ABSENT,
	PT_ITEM_MARKER,
	PT_ITEM_LEAF,
};
struct pt_item {
	enum pt_item_kind kind;
	vaddr_t start;
	uint64_t len;          /* bytes: what one entry covers */
	unsigned level;        /* of the entry */
	paddr_t pa;            /* of `start`, LEAF */
	struct page_prop prop; /* LEAF */
	uint32_t marker;       /* MARKER */
};

/* An empty table.  ERR_NO_MEMORY. */
err_t page_table_init(struct page_table *pt, unsigned levels);
/* Free the table, of any format, and all that it owns.  No walker uses it and no lookup is running.
 */
static inline void page_table_destroy(struct page_table *pt)
{
	if (pt->destroy != NULL)
		pt->destroy(pt);
	else
		frame_put(pt->root);
	pt->root = NULL;
}

/* Keep a spare branch from now on.  Before the table is in use. */
void page_table_keep_spare(struct page_table *pt);

/* From now on, no CPU has translations of two sizes for one address when a leaf is split.  For
 * tables that can do without the page for a moment, as the fault handler waits for the node; not
 * for the kernel's.  Before the table is in use. */
void page_table_break_before_split(struct page_table *pt);

/* Make sure that nodes exist from the root down to `level` over the range, and keep them; for nodes
 * that other tables will share.  Before the table is in use.  ERR_NO_MEMORY, ERR_BAD_RANGE. */
err_t page_table_populate(struct page_table *pt, struct vrange range, unsigned level);

/* Share the kernel's half of `kernel` with the new table `pt`: each shared node gets another count.
 * No entry in the root of `kernel` may change afterwards. */
void page_table_share_kernel(struct page_table *pt, const struct page_table *kernel);

/* Whether a range is page-aligned, not empty, does not wrap, and is canonical at both ends and
 * within one half. */
bool page_table_range_ok(const struct page_table *pt, struct vrange range);

/* The lookup of any address: a non-canonical one is absent. */
struct pt_item page_table_query(const struct page_table *pt, vaddr_t va);

/* The entry in which the walk for va ends (leaf, marker or empty), and its level.  va must be
 * canonical; nothing else is checked. */
pte_t page_table_lookup(const struct page_table *pt, vaddr_t va, unsigned *level);

/* The first page in [va, end) whose entry is not empty; `end`: there is none.  User half only.
 * While nodes are being unlinked, it may return a page whose entry is empty. */
vaddr_t page_table_next(const struct page_table *pt, vaddr_t va, vaddr_t end);

/* Checks N1..N4 of every node, without the kernel's half if that is shared.  The table must not
 * change meanwhile.  NULL, or a message. */
__must_check const char *page_table_check(const struct page_table *pt);
/* The number of nodes, the root included, under the same conditions. */
uint64_t page_table_nodes(const struct page_table *pt);
