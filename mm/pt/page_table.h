/* SPDX-License-Identifier: MIT */
/*
 * page_table.h - a tree of nodes: the table of four or five levels that a CPU walks.
 *
 * The table is the only truth about its address space.  An entry says everything about a page: its
 * frame, its rights, its cache type, whether it owns a count of the frame; an absent page may carry
 * a marker, a number that means something to the owner of the range.  A marker stands at any level,
 * for all that the entry covers.
 *
 * Tables are changed through cursors (mm/pt/cursor.h), many at once.  Looking one address up needs
 * no hold: it happens inside epoch_enter(), finds nodes that are retired no earlier than it leaves,
 * allocates nothing, and gives an answer that was true at some moment of the call.
 *
 * Nodes that become empty are freed, except those of level `keep` and up.  Where pages come and go
 * all the time, a table may keep one spare: the branch that became empty last stays until another
 * does, so that the next page there need not make three nodes again.  Tables of user spaces
 * share the kernel's half: the entries of their roots lead to the same nodes, which the kernel's
 * table keeps for ever, so that what happens below them is seen in all spaces at once.
 *
 * Doors that are kept open: a node is counted, so several entries may lead to it (On-demand-fork,
 * Zhao et al., EuroSys 2021); a table is little more than its root, so a space may have two (page
 * table isolation); nodes come from pt_node_alloc() alone, which may ask for memory of a NUMA
 * domain.
 *
 * Any context but NMI and machine check; for those there is mm/pt/walk.h.
 */
#pragma once

#include "mm/pt/node.h"

struct page_table {
	struct frame *root; /* (c) owns one count */
	unsigned levels;    /* (c) 4 or 5 */
	unsigned keep; /* (c) after page_table_populate(): nodes from here up are never freed */
	_Atomic uint64_t spare; /* (a) where a branch without entries is, its address | its level */
};

/* Of `spare`. */
#define PT_SPARE_NEVER UINT64_C(0)
#define PT_SPARE_NONE  UINT64_MAX

/* What stands at an address: all pages of [start, start + len) alike. */
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
/* No CPU uses it and nobody looks; everything that it owns goes. */
void page_table_destroy(struct page_table *pt);

/* The branch that became empty last stays, from now on.  Before anybody else uses the table. */
void page_table_keep_spare(struct page_table *pt);

/* Make sure that nodes exist from the root down to `level` over the range, and are kept; for what
 * other tables will share.  Before anybody else uses the table.  ERR_NO_MEMORY, ERR_BAD_RANGE. */
err_t page_table_populate(struct page_table *pt, struct vrange range, unsigned level);

/* The kernel's half of the new table `pt` is that of `kernel`, whose nodes are counted once more.
 * Of `kernel` no entry of the root changes any more. */
void page_table_share_kernel(struct page_table *pt, const struct page_table *kernel);

/* Page-aligned, not empty, no wrap, canonical at both ends and within one half. */
bool page_table_range_ok(const struct page_table *pt, struct vrange range);

/* Look up one address; total: an address that is not canonical is absent. */
struct pt_item page_table_query(const struct page_table *pt, vaddr_t va);

/* The entry that decides about va, which is canonical, and its level; nothing more is looked at. */
pte_t page_table_lookup(const struct page_table *pt, vaddr_t va, unsigned *level);

/* The first page from va on, below `end`, whose entry is not empty; `end`: there is none.  In
 * the user's half.  Where nodes are taken out meanwhile it may be one whose entry is empty. */
vaddr_t page_table_next(const struct page_table *pt, vaddr_t va, vaddr_t end);

/* N1..N4 of every node, of the user's half alone where the kernel's is shared; nobody changes the
 * table meanwhile.  NULL, or what is wrong. */
__must_check const char *page_table_check(const struct page_table *pt);
/* Nodes of the table, the root included, likewise. */
uint64_t page_table_nodes(const struct page_table *pt);
