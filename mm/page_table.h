/* SPDX-License-Identifier: MIT */
/*
 * page_table.h - a table of four or five levels, and the cursor that changes it.
 *
 * A cursor is the hold of a virtual range.  It stands at an address inside the range; each
 * operation works from there and moves on over what it did.  The entry says everything about a
 * page: its frame, its rights, its cache type, whether it owns a count of the frame; an absent
 * page may carry a note, a number that means something to the owner of the range.
 *
 *   struct cursor c;
 *   err = cursor_open(&c, &table, range);
 *   err = cursor_map_pa(&c, pa, len, prop);
 *   cursor_close(&c);
 *
 * Invariants while open:
 *   C1  range.start <= va <= end of range, va page-aligned
 *   C2  nothing outside the range is changed (nodes that become empty aside)
 *   C3  an operation that fails has moved on over exactly what it did; what it did is whole
 *   C4  progress is strict: an operation that succeeds on a length > 0 moves va
 *
 * Nodes that become empty are freed, except those of level `keep` and up, which other tables
 * may share.  Query allocates nothing.
 *
 * Locking: this is the form for one user at a time: the owner of the table serialises cursors
 * (mm/kspace.c has a lock).  The concurrent form takes node locks here.
 */
#pragma once

#include "mm/pt_node.h"
#include "mm/tlb.h"

struct page_table {
	struct frame *root; /* (c) owns one count */
	unsigned levels;    /* (c) 4 or 5 */
	unsigned keep;      /* (c) nodes of this level and above are never freed */
};

/* What stands at an address: all pages of [start, start + len) alike. */
enum pt_item_kind {
	PT_ITEM_ABSENT,
	PT_ITEM_NOTE,
	PT_ITEM_LEAF,
};
struct pt_item {
	enum pt_item_kind kind;
	vaddr_t start;
	uint64_t len;          /* bytes: what one entry covers */
	paddr_t pa;            /* of `start`, LEAF */
	struct page_prop prop; /* LEAF */
	uint32_t note;         /* NOTE */
};

/* An empty table.  ERR_NO_MEMORY. */
err_t page_table_init(struct page_table *pt, unsigned levels);
/* No CPU uses it; everything that it owns goes. */
void page_table_destroy(struct page_table *pt);

/* Make sure that nodes exist from the root down to `level` over the range, and are kept; for what
 * other tables will share.  ERR_NO_MEMORY. */
err_t page_table_populate(struct page_table *pt, struct vrange range, unsigned level);

/* Page-aligned, not empty, no wrap, canonical at both ends and within one half. */
bool page_table_range_ok(const struct page_table *pt, struct vrange range);

/* Look up one address; total: an address that is not canonical is absent. */
struct pt_item page_table_query(const struct page_table *pt, vaddr_t va);

struct cursor {
	struct page_table *pt;
	vaddr_t start;
	vaddr_t end; /* last byte of the range */
	vaddr_t va;  /* 0 after the last page of the address space */
	bool done;   /* va stands behind the range */
};

/* ERR_BAD_RANGE: see page_table_range_ok(). */
err_t cursor_open(struct cursor *c, struct page_table *pt, struct vrange range);
void cursor_close(struct cursor *c);

/* Bytes from va to the end of the range. */
static inline uint64_t cursor_left(const struct cursor *c)
{
	return c->done ? 0 : c->end - c->va + 1;
}

/* What stands at va, cut to the range's end; kind ABSENT with len 0 at the end. */
struct pt_item cursor_query(const struct cursor *c);

/* Stand at va.  ERR_BAD_RANGE: outside the range or not page-aligned. */
err_t cursor_jump(struct cursor *c, vaddr_t va);
/* Step over `len` bytes, at most to the end. */
void cursor_move(struct cursor *c, uint64_t len);

/* Map [pa, pa + len) from va on with the largest pages that fit, up to level `level_most`;
 * untracked. ERR_IN_USE: something is mapped or noted there.  ERR_BAD_RANGE: alignment, or beyond
 * the range. ERR_NO_MEMORY.  C3 on errors. */
err_t cursor_map_pa(struct cursor *c, paddr_t pa, uint64_t len, struct page_prop prop,
		    unsigned level_most);

/* Map a frame, or a block whose order is that of a page size, and own its count; PROP_TRACKED is
 * set. On an error the caller keeps f.  Errors as above. */
err_t cursor_map(struct cursor *c, struct frame *f, struct page_prop prop);

/* Map n frames in a row that are counted one by one, and own their counts.  The caller keeps those
 * that the cursor did not come to (C3).  Errors as above. */
err_t cursor_map_run(struct cursor *c, pfn_t first, uint32_t n, struct page_prop prop);

/* Empty [va, va + len): leaves and notes.  What they owned goes to the batch.  Large pages that lie
 * in it in part are split first: ERR_NO_MEMORY, C3. */
err_t cursor_unmap(struct cursor *c, uint64_t len, struct tlb_batch *gone);

/* Give every leaf in [va, va + len) the rights and type of `prop`, keeping accessed, dirty and
 * tracked; absent pages stay absent.  ERR_NO_MEMORY when a large page must be split, C3. */
err_t cursor_protect(struct cursor *c, uint64_t len, struct page_prop prop, struct tlb_batch *gone);

/* Leave a note on one absent page.  ERR_IN_USE, ERR_NO_MEMORY. */
err_t cursor_note(struct cursor *c, uint32_t note);

/* N1..N3 of every node.  NULL, or what is wrong. */
__must_check const char *page_table_check(const struct page_table *pt);
/* Nodes of the table, the root included. */
uint64_t page_table_nodes(const struct page_table *pt);
