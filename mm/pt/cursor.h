/* SPDX-License-Identifier: MIT */
/*
 * cursor.h - the exclusive hold of a virtual range of a page table, and what is done there.
 *
 * A cursor stands at an address inside its range; each operation works from there and moves on over
 * what it did.
 *
 *   struct cursor c;
 *   err = cursor_open(&c, &table, range, &gone);
 *   err = cursor_map_pa(&c, pa, len, prop, level_max);
 *   cursor_close(&c);
 *   tlb_batch_finish(&gone);
 *
 * Invariants while open:
 *   C1  range.start <= va <= end of range, va page-aligned
 *   C2  nothing outside the range changes its meaning (large entries that reach out of it may be
 *       split, and nodes come and go)
 *   C3  an operation that fails has moved on over exactly what it did; what it did is whole
 *   C4  progress is strict: an operation that succeeds on a length > 0 moves va
 *   C5  the cursor holds the lowest node that covers the range, and every node below it that has to
 *       do with the range
 *
 * The protocol.  cursor_open() goes down from the root without any lock, inside epoch_enter(), as
 * far as nodes exist, to the lowest node that covers the range.  It tries that node's lock.  Who
 * has it, or who killed the node, will be done soon: the search begins anew.  With the lock it
 * looks whether a lower covering node has come into being meanwhile; then it begins anew too.  At
 * last it locks the nodes below that overlap the range, in pre-order: parents first, then by
 * address.
 *
 *     root   o            passed without a lock
 *            |
 *          +-o-+          covers the range: locked first
 *          |   |
 *          o   o          overlap the range: locked after their parent, the left one first
 *
 * Why a range has one holder.  Take two cursors whose ranges overlap at an address, and the node X
 * lowest on the way to that address when both are open.  Both hold X: it has to do with both
 * ranges, and each one's covering node is X or above X.  X has one lock.  Nodes that come into
 * being below X are made by its holder and are locked before they are linked.
 *
 * Why nobody waits in a circle.  A cursor waits for a first lock holding none, and for others only
 * downwards: parent before child, and among children by address.  So all wait in pre-order.
 *
 * Why a lock means that the node is in the tree.  A node is taken out by a cursor that holds it and
 * its parent, and dies held: its lock word is never 0 again before its memory is a node anew, which
 * is not before everybody has left that was inside epoch_enter() when it was taken out.
 *
 * A covering node that a cursor leaves without entries is taken out afterwards, with its parent
 * held: cursor_close() lets it go and comes back from above, if it is still empty then.
 * Where a table keeps a spare (mm/pt/page_table.h), the one that was left before goes instead.
 *
 * Memory: an operation that needs nodes takes them before it changes anything, and gives
 * ERR_NO_MEMORY with the tree as C3 says.  cursor_open(), queries, unmapping and changing the
 * rights of whole entries need none.
 *
 * Locking: interrupts are off from cursor_open() to cursor_close(), so a holder is never switched
 * out; whoever waits serves shootdowns meanwhile (kern/shootdown.h, T3).  A CPU has one cursor of a
 * table open at a time.  Spinlocks of rank RANK_SECTION and further in may be taken meanwhile, not
 * those outside.  Source: Zhang et al., CortenMM, SOSP 2025 (the two-phase hold).
 */
#pragma once

#include "mm/pt/page_table.h"
#include "mm/pt/batch.h"

struct cursor {
	struct page_table *pt;
	struct tlb_batch *gone;
	vaddr_t start;
	vaddr_t end; /* last byte of the range */
	vaddr_t va;  /* 0 after the last page of the address space */
	bool done;   /* va stands behind the range */
	unsigned level;
	struct frame *node; /* covers the range, is of that level, and held */
	uintptr_t irq;
};

/* What the operations take out of the table goes to `gone`, which the caller finishes, before or
 * after cursor_close(); NULL for a cursor that only looks and maps, and that takes a spare
 * branch for mapped.  ERR_BAD_RANGE: see page_table_range_ok(); there is nothing to close then. */
err_t cursor_open(struct cursor *c, struct page_table *pt, struct vrange range,
		  struct tlb_batch *gone);
void cursor_close(struct cursor *c);

/* Bytes from va to the end of the range. */
static inline uint64_t cursor_left(const struct cursor *c)
{
	return c->done ? 0 : c->end - c->va + 1;
}

/* ---- looking and moving ---- */

/* What stands at va, cut to the range's end; kind ABSENT with len 0 at the end. */
struct pt_item cursor_query(const struct cursor *c);

/* Stand at va.  ERR_BAD_RANGE: outside the range or not page-aligned. */
err_t cursor_jump(struct cursor *c, vaddr_t va);
/* Step over `len` bytes, at most to the end. */
void cursor_move(struct cursor *c, uint64_t len);
/* Move on to the next item that is not absent, the one at va perhaps.  False: there is none, the
 * cursor stands at the end. */
bool cursor_find(struct cursor *c, struct pt_item *item);

/* ---- mapping ---- */

/* Map [pa, pa + len) from va on with the largest pages that fit, up to level `level_max`;
 * untracked. ERR_IN_USE: something is mapped or marked there.  ERR_BAD_RANGE: alignment, or beyond
 * the range. ERR_NO_MEMORY.  C3 on errors. */
err_t cursor_map_pa(struct cursor *c, paddr_t pa, uint64_t len, struct page_prop prop,
		    unsigned level_max);

/* Map a frame, or a block whose order is that of a page size, and own its count; PROP_TRACKED is
 * set. On an error the caller keeps f.  Errors as above. */
err_t cursor_map(struct cursor *c, struct frame *f, struct page_prop prop);

/* Map n frames in a row that are counted one by one, and own their counts.  The caller keeps those
 * that the cursor did not come to (C3).  Errors as above. */
err_t cursor_map_run(struct cursor *c, pfn_t first, uint32_t n, struct page_prop prop);

/* One page of `level` at va, whatever stands there: nothing, a marker (split when it is larger) or
 * a leaf of that level, whose frame goes.  With PROP_TRACKED in prop the entry owns one count of
 * what is at pa; the caller keeps it on an error.  ERR_BAD_RANGE as above; ERR_IN_USE: there are
 * smaller pages, or a larger one; ERR_NO_MEMORY. */
err_t cursor_replace(struct cursor *c, paddr_t pa, struct page_prop prop, unsigned level);

/* Leave a marker, below 2^PT_MARKER_BITS, in the highest entries that [va, va + len) fills.
 * ERR_IN_USE, ERR_BAD_RANGE, ERR_NO_MEMORY; C3 on errors. */
err_t cursor_set_marker(struct cursor *c, uint64_t len, uint32_t marker);

/* There is a node of `level` for va: markers above are split, where nothing stands nodes are made.
 * ERR_IN_USE: there is a larger page; ERR_NO_MEMORY. */
err_t cursor_deepen(struct cursor *c, unsigned level);

/* ---- taking out ---- */

/* Empty [va, va + len): leaves and markers, whole trees of nodes where they lie in it.  Large pages
 * and markers that lie in it in part are split first: ERR_NO_MEMORY; ERR_IN_USE: such a page has
 * other owners, or is of 1 GiB and tracked.  C3. */
err_t cursor_unmap(struct cursor *c, uint64_t len);

/* ---- changing ---- */

/* What becomes of leaves and markers. */
struct pt_change {
	struct page_prop
		prop; /* of leaves; the accessed and dirty bits, tracked, shared, forked stay */
	uint32_t marker_keep; /* a marker becomes (marker & marker_keep) | marker_set */
	uint32_t marker_set;
};

/* Change every leaf and marker in [va, va + len); absent pages stay absent.  With PROP_WRITE and
 * PROP_COPY a leaf gets the one or the other: it becomes writable at once unless it is PROP_FORKED
 * and its frame has other owners still.  PROP_WRITE alone is for tables that are never forked.
 * Errors as those of cursor_unmap(). */
err_t cursor_protect(struct cursor *c, uint64_t len, const struct pt_change *change);

/* The leaf at va with PROP_COPY becomes writable itself, as nobody else owns its frame; a CPU that
 * has the old entry faults at most, so nothing is invalidated.  ERR_IN_USE: somebody does, or it is
 * no such leaf. */
err_t cursor_reuse(struct cursor *c);

/* Put into `to`, a table that nobody else uses yet, what is in the cursor's range: markers as they
 * are, private pages to be copied on the first write by either side, shared ones as they are.
 * Entries of `to` that are not empty stay.  The caller finishes the batch before he closes the
 * cursor.  ERR_NO_MEMORY: `to` has a part of it. */
err_t cursor_fork(struct cursor *c, struct page_table *to);

/* An entry begins at va: a larger one that reaches over it is split.  Errors as those of
 * cursor_unmap(), with no page changed.  At the end nothing happens: what is there is others'. */
err_t cursor_split(struct cursor *c);

/* The pages below the entry of `level` at va, of level - 1, become one page: they are all there,
 * in a row and aligned, alike but for the accessed and dirty bits, and the only owners of their
 * frames; else ERR_IN_USE, and nothing is changed.  ERR_BAD_RANGE: va or the range's end is inside.
 * A table in which the CPU may not take the two for each other's: not the kernel's.  Moves over it.
 */
err_t cursor_collapse(struct cursor *c, unsigned level);

/* How often large entries were taken apart and put together, of every table; each CPU writes its
 * own.  (a), relaxed. */
struct cursor_stats {
	_Atomic uint64_t splits, collapses;
};
extern struct cursor_stats cursor_stats; /* PER_CPU */
