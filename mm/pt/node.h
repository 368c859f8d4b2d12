/* SPDX-License-Identifier: MIT */
/*
 * node.h - one table of a page table: a typed frame of 512 entries.
 *
 * Its MetaSlot holds a lock, the level (1 has 4 KiB pages), how many entries are not empty, and
 * whether the node was taken out of its tree.  A node is counted: each entry that leads to it owns
 * one count, its creator the first.  When the last count goes, the node drops what its entries
 * own: tables below it, and frames of tracked leaves.
 *
 * Invariants, looked at by pt_node_check():
 *   N1  children = number of entries that are not 0 (present or marker)
 *   N2  a present entry that is no leaf leads to a node of level - 1 and owns one count of it
 *   N3  a tracked leaf owns one count of the frame or block behind it, of exactly its size
 *   N4  no entry leads to a dead node
 *
 * The life of a node, in its lock word:
 *
 *   0 (free) <----> CPU + 1 (held)        pt_node_try_lock(), pt_unlock()
 *                       |
 *                       `---> dead: never 0 again until the frame is a node anew
 *
 * Whoever takes a node out of the tree holds it and its parent; it dies held, so nobody who comes
 * late takes its lock: that is what the dead mark is for.  A dead node's lock word links it to the
 * next one, first in a batch (mm/pt/batch.h), then in the limbo lists
 * (mm/frame/epoch.h); frame 0 is never a node, so a link is never 0.  Its memory stays a node,
 * without entries at last, until nobody can be looking at it.
 *
 * Locking: whoever changes a node, or relies on what he reads in it, holds it, with interrupts off.
 * The CPU reads it at any time, and so does who looks without a hold (mm/pt/page_table.h), inside
 * epoch_enter(); so entries are stored whole, by one aligned 8-byte store.
 */
#pragma once

#include "mm/frame/frame.h"

enum {
	PT_NODE_ENTRIES = 512,
};

/* The lock word. */
#define PT_NODE_FREE UINT32_C(0)
#define PT_NODE_LAST UINT32_MAX /* of a dead node: no other follows */

/* A node without entries, count 1, not locked; NULL: no memory. */
__must_check __owns struct frame *pt_node_alloc(unsigned level);
/* The same, whose every entry the caller writes next; its child count is that of no entry. */
__must_check __owns struct frame *pt_node_alloc_unwritten(unsigned level);

static inline unsigned pt_node_level(const struct frame *node)
{
	return frame_slot(node)->u.node.level;
}

/* Put a node without entries.  Its memory is zero by itself, so a few per CPU are kept for
 * pt_node_alloc(), which then need not clear them.  Nobody else holds a count of it or looks. */
void pt_node_put_empty(struct frame *node) __takes(1);

/* Give what is kept back to the frame allocator: this CPU's. */
void pt_node_drain(void);

/* ---- the lock ---- */

static inline uint32_t pt_node_own_mark(void)
{
	return arch_cpu_id() + 1;
}

/* Hold a node that may be taken out of the tree meanwhile; the caller is inside epoch_enter().
 * False: somebody has it, or it is dead. */
__must_check static inline bool pt_node_try_lock(struct frame *node)
{
	uint32_t expected = PT_NODE_FREE;

	/* acquire pairs with pt_node_hand_over() */
	return atomic_compare_exchange_strong_explicit(&frame_slot(node)->u.node.lock, &expected,
						       pt_node_own_mark(), memory_order_acquire,
						       memory_order_relaxed);
}

/* Hold a node whose parent the caller holds; waits. */
void pt_node_lock_child(struct frame *node);

/* A new node is held before anybody can find it. */
static inline void pt_node_lock_new(struct frame *node)
{
	atomic_store_explicit(&frame_slot(node)->u.node.lock, pt_node_own_mark(),
			      memory_order_relaxed);
}

/* Let a node go: on the way down, with one below it held, or by pt_unlock(). */
static inline void pt_node_hand_over(struct frame *node)
{
	atomic_store_explicit(&frame_slot(node)->u.node.lock, PT_NODE_FREE, memory_order_release);
}

/* Whether this CPU is waiting for what it holds itself: a broken contract. */
static inline bool pt_node_is_own(const struct frame *node)
{
	const struct meta_slot *slot = frame_slot(node);

	/* acquire: a link is read as such together with the mark */
	return atomic_load_explicit(&slot->u.node.lock, memory_order_acquire) ==
		       pt_node_own_mark() &&
	       atomic_load_explicit(&slot->u.node.dead, memory_order_relaxed) == 0;
}

/* A held node that no entry leads to any more dies; `next` follows it in the caller's list. */
static inline void pt_node_kill(struct frame *node, pfn_t next)
{
	struct meta_slot *slot = frame_slot(node);

	atomic_store_explicit(&slot->u.node.dead, 1, memory_order_relaxed);
	/* release: as the acquire above */
	atomic_store_explicit(&slot->u.node.lock, next, memory_order_release);
}

/* The one behind a dead node, or PT_NODE_LAST. */
static inline pfn_t pt_node_next_dead(const struct frame *node)
{
	return atomic_load_explicit(&frame_slot(node)->u.node.lock, memory_order_relaxed);
}

/* A list of dead nodes, all nodes below them and all frames that their entries own are given back:
 * the frames at once, so no TLB may have them any more, the nodes when nobody can look at them
 * (mm/frame/epoch.h). */
void pt_node_retire(pfn_t first);

/* ---- entries ---- */

/* Entries that are not empty; a glance, when the node is not held. */
static inline unsigned pt_node_children(const struct frame *node)
{
	return atomic_load_explicit(&frame_slot(node)->u.node.children, memory_order_relaxed);
}

/* Entries that were empty are filled, or filled ones emptied, by whoever wrote them one by one. */
static inline void pt_node_count(struct frame *node, int entries)
{
	/* relaxed, and no exchange: the holder alone writes */
	atomic_store_explicit(&frame_slot(node)->u.node.children,
			      (uint16_t)((int)pt_node_children(node) + entries),
			      memory_order_relaxed);
}

static inline _Atomic pte_t *pt_node_entries(const struct frame *node)
{
	return arch_direct(frame_paddr(node));
}

/* Relaxed: entries of a held node change only through their accessed and dirty bits. */
static inline pte_t pt_node_get(const struct frame *node, unsigned index)
{
	return atomic_load_explicit(&pt_node_entries(node)[index], memory_order_relaxed);
}

/* Of a node that is not held.  Acquire: what a new table holds is there to see. */
static inline pte_t pt_node_get_unlocked(const struct frame *node, unsigned index)
{
	return atomic_load_explicit(&pt_node_entries(node)[index], memory_order_acquire);
}

/* N1..N4 for this node alone.  NULL, or what is wrong in words. */
__must_check const char *pt_node_check(const struct frame *node);

/* Tests: let the nth pt_node_alloc() from now fail, once.  0: none. */
void pt_node_inject_failure(unsigned nth);

/* Once, before the first node: says how nodes are dropped. */
void pt_node_init(void);
