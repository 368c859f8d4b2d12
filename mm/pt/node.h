/* SPDX-License-Identifier: MIT */
/*
 * node.h - one table of a page table: a typed frame of 512 entries.
 *
 * Its MetaSlot holds a lock, the level (1 has 4 KiB pages), the number of entries that are not
 * empty (children), and whether the node is dead, that is, unlinked from its tree.  A node is
 * reference-counted: each entry that leads to it owns one count, its creator the first.  When the
 * last count is put, the node releases what its entries own: tables below it, and frames of tracked
 * leaves.
 *
 * Invariants, checked by pt_node_check():
 *   N1  children = number of entries that are not 0 (present or marker)
 *   N2  a present entry that is no leaf leads to a node of level - 1 and owns one count of it
 *   N3  a tracked leaf owns the counts of the page that it maps (mm/frame/frame_page.h)
 *   N4  no entry leads to a dead node
 *
 * The life of a node, in its lock word:
 *
 *   0 (free) <----> CPU + 1 (locked)      pt_node_try_lock(), pt_unlock()
 *                       |
 *                       `---> dead: never 0 again until the frame is a new node
 *
 * A CPU that unlinks a node holds its lock and its parent's.  The node is still locked when it
 * dies, so a CPU that found it earlier cannot lock it: that is what the dead mark is for.  A dead
 * node's lock word links it to the next one, first in a batch (mm/pt/batch.h), then in the limbo
 * lists (mm/frame/epoch.h); frame 0 is never a node, so a link is never 0.  Its memory stays a
 * node, finally without entries, until no lockless reader can be reading it.
 *
 * Locking: a CPU that changes a node, or relies on what it reads there, holds its lock, with
 * interrupts off.  The hardware walker reads it at any time, and so do lockless lookups
 * (mm/pt/page_table.h), inside epoch_enter(); so each entry is written by one aligned 8-byte store.
 */
#pragma once

#include "lib/panic.h"
#include "mm/frame/frame.h"

enum {
	PT_NODE_ENTRIES = 512,
};

/* Values of the lock word. */
#define PT_NODE_FREE UINT32_C(0)
#define PT_NODE_LAST UINT32_MAX /* dead, and the last one of its list */

/* A node without entries, count 1, not locked; NULL: no memory. */
__must_check __owns struct frame *pt_node_alloc(unsigned level);
/* The same with uninitialised entries, all of which the caller writes next; child count 0. */
__must_check __owns struct frame *pt_node_alloc_unwritten(unsigned level);

static inline unsigned pt_node_level(const struct frame *node)
{
	return frame_slot(node)->u.node.level;
}

/* Free a node without entries.  Its memory is zero, so a per-CPU pool keeps a few nodes for
 * pt_node_alloc(), which need not clear them.  There must be no other count and no reader. */
void pt_node_put_empty(struct frame *node) __takes(1);

/* Drain this CPU's pool: return its nodes to the frame allocator. */
void pt_node_drain(void);

/* ---- the lock ---- */

static inline uint32_t pt_node_own_mark(void)
{
	return arch_cpu_id() + 1;
}

/* Try to lock a node that may be unlinked meanwhile; the caller is inside epoch_enter().  False: it
 * is locked or dead. */
__must_check static inline bool pt_node_try_lock(struct frame *node)
{
	uint32_t expected = PT_NODE_FREE;

	/* acquire pairs with pt_node_hand_over() */
	return atomic_compare_exchange_strong_explicit(&frame_slot(node)->u.node.lock, &expected,
						       pt_node_own_mark(), memory_order_acquire,
						       memory_order_relaxed);
}

/* Lock a node whose parent the caller has locked; waits. */
void pt_node_lock_child(struct frame *node);

/* Lock a new node, before it is linked. */
static inline void pt_node_lock_new(struct frame *node)
{
	atomic_store_explicit(&frame_slot(node)->u.node.lock, pt_node_own_mark(),
			      memory_order_relaxed);
}

/* Unlock a node: while a node below it stays locked (hand-over-hand), or from pt_unlock(). */
static inline void pt_node_hand_over(struct frame *node)
{
	atomic_store_explicit(&frame_slot(node)->u.node.lock, PT_NODE_FREE, memory_order_release);
}

/* Whether this CPU holds the lock itself, so that waiting for it would be a self-deadlock. */
static inline bool pt_node_is_own(const struct frame *node)
{
	const struct meta_slot *slot = frame_slot(node);

	/* acquire: pairs with pt_node_kill(), so a link is seen together with the mark */
	return atomic_load_explicit(&slot->u.node.lock, memory_order_acquire) ==
		       pt_node_own_mark() &&
	       atomic_load_explicit(&slot->u.node.dead, memory_order_relaxed) == 0;
}

/* Mark a locked, unlinked node dead; `next` follows it in the caller's list. */
static inline void pt_node_kill(struct frame *node, pfn_t next)
{
	struct meta_slot *slot = frame_slot(node);

	atomic_store_explicit(&slot->u.node.dead, 1, memory_order_relaxed);
	/* release: pairs with pt_node_is_own() */
	atomic_store_explicit(&slot->u.node.lock, next, memory_order_release);
}

/* The next node in the list of a dead one, or PT_NODE_LAST. */
static inline pfn_t pt_node_next_dead(const struct frame *node)
{
	return atomic_load_explicit(&frame_slot(node)->u.node.lock, memory_order_relaxed);
}

/* Retire a list of dead nodes with all nodes below them, and put all frames that their entries own.
 * The frames are put at once, so the shootdown must be over; the nodes are freed when no lockless
 * reader can read them (mm/frame/epoch.h). */
void pt_node_retire(pfn_t first);

/* ---- entries ---- */

/* The number of entries that are not empty; only a hint if the caller has not locked the node. */
static inline unsigned pt_node_children(const struct frame *node)
{
	return atomic_load_explicit(&frame_slot(node)->u.node.children, memory_order_relaxed);
}

/* Add `entries`, perhaps negative, to the child count, after writing entries directly. */
static inline void pt_node_count(struct frame *node, int entries)
{
	/* relaxed, no read-modify-write: only the lock holder writes */
	atomic_store_explicit(&frame_slot(node)->u.node.children,
			      (uint16_t)((int)pt_node_children(node) + entries),
			      memory_order_relaxed);
}

static inline _Atomic pte_t *pt_node_entries(const struct frame *node)
{
	return arch_direct(frame_paddr(node));
}

/* Debug builds check each index: one that is too large names an entry of another frame, which
 * neither the CPU nor ASan reports. */

/* Relaxed: in a locked node only the accessed and dirty bits change meanwhile. */
static inline pte_t pt_node_get(const struct frame *node, unsigned index)
{
	DASSERT(index < PT_NODE_ENTRIES);
	return atomic_load_explicit(&pt_node_entries(node)[index], memory_order_relaxed);
}

/* For a node that is not locked.  Acquire: the entries of a new table are visible. */
static inline pte_t pt_node_get_unlocked(const struct frame *node, unsigned index)
{
	DASSERT(index < PT_NODE_ENTRIES);
	return atomic_load_explicit(&pt_node_entries(node)[index], memory_order_acquire);
}

/* Checks N1..N4 for this node alone.  NULL, or a message. */
__must_check const char *pt_node_check(const struct frame *node);

/* Tests: make the nth pt_node_alloc() from now fail, once.  0: none. */
void pt_node_inject_failure(unsigned nth);

/* Once, before the first node: register the functions that release and free nodes. */
void pt_node_init(void);
