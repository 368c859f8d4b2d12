/* SPDX-License-Identifier: MIT */
/*
 * cursor.h - the range lock of a page table, and the operations on a locked range.
 *
 * A cursor locks a virtual range and has a position, va, in it; each operation starts at va and
 * advances va past what it did.
 *
 *   struct cursor c;
 *   err = cursor_open(&c, &table, range, &gone);
 *   err = cursor_map_pa(&c, pa, len, prop, level_max);
 *   cursor_close(&c);
 *   tlb_batch_finish(&gone);
 *
 * Invariants while open:
 *   C1  range.start <= va <= end of range, va page-aligned
 *   C2  no translation outside the range changes (large entries that reach out of it may be split,
 *       and nodes are added and freed)
 *   C3  an operation that fails has advanced va over exactly what it did, and has done that part
 *       completely
 *   C4  progress is strict: an operation that succeeds on a length > 0 advances va
 *   C5  the cursor holds the lock of the lowest node that covers the range, and of every node below
 *       it that overlaps the range
 *
 * Protocol.  cursor_open() walks down from the root without locks, inside epoch_enter(), to the
 * lowest existing node that covers the range, and tries the lock of that node.  If the node is
 * locked or dead, the CPU that holds or killed it finishes soon, so the walk restarts.  With the
 * lock held, cursor_open() checks whether a lower covering node was added meanwhile; if so, it
 * unlocks the node and restarts.  Finally it locks the nodes below that overlap the range, in
 * pre-order: parents first, then by address.
 *
 *     root   o            passed without a lock
 *            |
 *          +-o-+          covers the range: locked first
 *          |   |
 *          o   o          overlap the range: locked after their parent, the left one first
 *
 * Mutual exclusion.  Assume two open cursors whose ranges overlap at an address, and let X be the
 * lowest node on the path to that address.  Both cursors hold the lock of X: X overlaps both
 * ranges, and each covering node is X or above X.  X has one lock, so this cannot be.  Nodes added
 * below X are allocated by the cursor that holds X, and are locked before they are linked.
 *
 * Deadlock freedom.  A cursor waits for its first lock while it holds none, and for further locks
 * only downwards: parent before child, and children by address.  So all cursors wait in pre-order.
 *
 * A locked node is in the tree.  A node is unlinked by a cursor that holds its lock and its
 * parent's, and is still locked when it dies: its lock word is not 0 again until its memory is a
 * node again, which is not before every reader has left that was inside epoch_enter() when the node
 * was unlinked.
 *
 * Empty nodes.  A covering node that a cursor leaves without entries is unlinked by cursor_close(),
 * with its parent locked: cursor_close() unlocks it, descends again and unlinks it if it is still
 * empty.  Where a table keeps a spare (mm/pt/page_table.h), the previous spare is unlinked instead.
 *
 * Memory: an operation that needs nodes allocates them before it changes anything, and returns
 * ERR_NO_MEMORY with the tree as C3 says.  cursor_open(), queries, unmapping and changing the
 * rights of whole entries allocate nothing.
 *
 * Locking: interrupts are off from cursor_open() to cursor_close(), so a cursor's thread is never
 * preempted; a CPU that waits for a node serves shootdowns meanwhile (kern/shootdown.h, T3).  A CPU
 * has at most one cursor of a table open.  Spinlocks of RANK_SECTION and inner ranks may be taken
 * meanwhile, those of outer ranks may not.  Source: Zhang et al., CortenMM, SOSP 2025 (two-phase
 * locking of a range).
 */
#pragma once

#include "mm/pt/page_table.h"
#include "mm/pt/batch.h"

struct cursor {
	struct page_table *pt;
	struct tlb_batch *gone;
	vaddr_t start;
	vaddr_t end;     /* last byte of the range */
	vaddr_t va;      /* 0 after the last page of the address space */
	bool done;       /* va is past the end of the range */
	bool met_pinned; /* by cursor_fork(): a private page of the range is pinned, and its leaf in
			  * the other table says so */
	unsigned level;
	struct frame *node; /* the covering node, of `level`, locked */
	uintptr_t irq;
};

/* Operations add what they remove from the table to `gone`; cursor_close() runs its first phase
 * before it unlocks the range, and the caller finishes it afterwards (mm/pt/batch.h).  NULL: the
 * cursor only queries and maps, and a spare branch counts as mapped.  ERR_BAD_RANGE: see
 * page_table_range_ok(); the cursor is not open then. */
err_t cursor_open(struct cursor *c, struct page_table *pt, struct vrange range,
		  struct tlb_batch *gone);
void cursor_close(struct cursor *c);

/* Bytes from va to the end of the range. */
static inline uint64_t cursor_left(const struct cursor *c)
{
	return c->done ? 0 : c->end - c->va + 1;
}

/* ---- query and position ---- */

/* The item at va, clipped to the end of the range; kind ABSENT with len 0 at the end. */
struct pt_item cursor_query(const struct cursor *c);

/* Set the position to va.  ERR_BAD_RANGE: outside the range or not page-aligned. */
err_t cursor_jump(struct cursor *c, vaddr_t va);
/* Advance by `len` bytes, at most to the end. */
void cursor_move(struct cursor *c, uint64_t len);
/* Advance to the first item at or after va that is not absent.  False: there is none, and the
 * cursor is at the end. */
bool cursor_find(struct cursor *c, struct pt_item *item);

/* ---- mapping ---- */

/* Map [pa, pa + len) at va with the largest pages that fit, up to level `level_max`; untracked.
 * ERR_IN_USE: a leaf or marker is there.  ERR_BAD_RANGE: alignment, or beyond the range.
 * ERR_NO_MEMORY.  C3 on errors. */
err_t cursor_map_pa(struct cursor *c, paddr_t pa, uint64_t len, struct page_prop prop,
		    unsigned level_max);

/* Map a frame, or a block whose order is that of a page size; the entry receives the caller's
 * reference and PROP_TRACKED is set.  On an error the caller keeps f.  Errors as above. */
err_t cursor_map(struct cursor *c, struct frame *f, struct page_prop prop);

/* Map n contiguous frames, each with its own count; the entries receive the caller's references.
 * On an error the caller keeps the frames from va on (C3).  Errors as above. */
err_t cursor_map_run(struct cursor *c, pfn_t first, uint32_t n, struct page_prop prop);

/* Map one page of `level` at va, replacing an empty entry, a marker (split when it is larger) or a
 * leaf of that level, whose frame is put.  A new writable page that replaces a leaf becomes
 * writable when no CPU uses the old one any more (mm/pt/batch.h); if the old one is writable, what
 * is written to it meanwhile is lost.  With PROP_TRACKED in prop the entry owns one count of
 * what is at pa; the caller keeps it on an error.  ERR_BAD_RANGE as above; ERR_IN_USE: smaller
 * pages or a larger one are mapped there; ERR_NO_MEMORY. */
err_t cursor_replace(struct cursor *c, paddr_t pa, struct page_prop prop, unsigned level);

/* Replace the 512 entries of a node of level 1 at va by one page of 2 MiB, if each is that leaf,
 * which owns nothing, or that marker; the rest as cursor_replace().  No CPU can read through an old
 * entry when the new one comes.  ERR_IN_USE: there is no such node. */
err_t cursor_replace_untouched(struct cursor *c, paddr_t pa, struct page_prop prop, pte_t leaf,
			       uint32_t marker);

/* Write a marker, below 2^PT_MARKER_BITS, into the highest entries that [va, va + len) fills.
 * ERR_IN_USE, ERR_BAD_RANGE, ERR_NO_MEMORY; C3 on errors. */
err_t cursor_set_marker(struct cursor *c, uint64_t len, uint32_t marker);

/* Make sure that a node of `level` exists for va: markers above are split, missing nodes allocated.
 * ERR_IN_USE: a larger page is mapped there; ERR_NO_MEMORY. */
err_t cursor_deepen(struct cursor *c, unsigned level);

/* ---- unmapping ---- */

/* Empty [va, va + len): leaves, markers, and whole subtrees that lie in it.  Large pages and
 * markers that overlap it in part are split first, which takes a node (4 KiB) for each level:
 * ERR_NO_MEMORY; ERR_OVERFLOW: frames have SLOT_COUNT_MAX owners.  C3. */
err_t cursor_unmap(struct cursor *c, uint64_t len);

/* ---- changing ---- */

/* New contents of leaves and markers. */
struct pt_change {
	struct page_prop
		prop; /* of leaves; the accessed and dirty bits, tracked, shared, forked stay */
	uint32_t marker_keep; /* a marker becomes (marker & marker_keep) | marker_set */
	uint32_t marker_set;
};

/* Change every leaf and marker in [va, va + len); absent pages stay absent.  With PROP_WRITE and
 * PROP_COPY a leaf gets one of the two: it becomes writable at once unless it is PROP_FORKED and
 * its frame still has other owners.  PROP_WRITE alone is for tables that are never forked.  Without
 * PROP_READ a leaf keeps its page and allows no access.  ERR_DENIED: the entry at va excludes the
 * rights (PROP_DENY_*); other errors as those of cursor_unmap(); C3. */
err_t cursor_protect(struct cursor *c, uint64_t len, const struct pt_change *change);

/* The same; ERR_DENIED also for a marker with any bit of `denied`. */
err_t cursor_protect_unless(struct cursor *c, uint64_t len, const struct pt_change *change,
			    uint32_t denied);

/* Make the forked leaf at va (PROP_COPY, PROP_FORKED) writable in place, as it is the only owner of
 * its frame.  A CPU with the old entry in its TLB takes at most a fault, so nothing is invalidated.
 * ERR_IN_USE: the frame has other owners, or it is no such leaf. */
err_t cursor_reuse(struct cursor *c);

/* Copy the entries of the cursor's range into `to`, a table that is not in use yet: private pages
 * become copy-on-write in both tables, shared pages and markers are copied as they are.  Entries of
 * `to` that are not empty stay.  Where a write right is removed, the batch invalidates the whole
 * space.  ERR_NO_MEMORY, ERR_OVERFLOW (frames have SLOT_COUNT_MAX owners): `to` has a part of the
 * entries. */
err_t cursor_fork(struct cursor *c, struct page_table *to);

/* Split a larger entry that spans va, so that an entry begins at va.  Errors as those of
 * cursor_unmap(), with no page changed.  At the end of the range it does nothing: the entry there
 * is not locked by this cursor. */
err_t cursor_split(struct cursor *c);

/* Split the large page at va, if there is one, into pages of the next level.  Errors as above;
 * ERR_IN_USE: there is none. */
err_t cursor_split_page(struct cursor *c);

/* Collapse the pages of level - 1 below the entry of `level` at va into one page of `level`.  All
 * of them must be present, contiguous and aligned, equal but for the accessed and dirty bits, and
 * the only owners of their frames; else ERR_IN_USE, and nothing is changed.  Pages that are
 * copy-on-write are writable then.  ERR_BAD_RANGE: va or the end of the range is inside the page.
 * No CPU has translations of both sizes meanwhile, if the table asks for that
 * (page_table_break_before_split()).  Not for the kernel's table.  Advances va over the page. */
err_t cursor_collapse(struct cursor *c, unsigned level);

/* Splits and collapses of large entries in all tables; each CPU writes its own.  (a), relaxed. */
struct cursor_stats {
	_Atomic uint64_t splits, collapses;
};
extern struct cursor_stats cursor_stats; /* PER_CPU */
