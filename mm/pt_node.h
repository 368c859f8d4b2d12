/* SPDX-License-Identifier: MIT */
/*
 * pt_node.h - one table of a page table: a typed frame of 512 entries.
 *
 * Its MetaSlot holds the level (1 has 4 KiB pages) and how many entries are not empty.  A node is
 * counted: the entry that leads to it owns one count, its creator the first.  When the last
 * count goes, the node drops what its entries own: tables below it, and frames of tracked leaves.
 *
 * Invariants, looked at by pt_node_check():
 *   N1  children = number of entries that are not 0 (present or note)
 *   N2  a present entry that is no leaf leads to a node of level - 1 and owns one count of it
 *   N3  a tracked leaf owns one count of the frame or block behind it, of exactly its size
 *
 * pt_node_set() is the only way to write an entry; what the old entry owned is handed to the
 * caller with it (finding CON-02: replacing returns everything).
 *
 * Locking: whoever changes a node holds the part of the table that it is in; the CPU reads it at
 * any time, so entries are stored whole, by one aligned 8-byte store.
 */
#pragma once

#include "mm/frame.h"

enum {
	PT_NODE_ENTRIES = 512,
};

/* A node without entries, count 1; NULL: no memory. */
__owns __must_check struct frame *pt_node_alloc(unsigned level);

static inline unsigned pt_node_level(const struct frame *node)
{
	return frame_slot(node)->u.node.level;
}

/* Put a node without entries.  Its memory is zero by itself, so a few per CPU are kept for
 * pt_node_alloc(), which then need not clear them.  Nobody else holds a count of it. */
void pt_node_put_empty(struct frame *node) __takes(1);

/* Give what is kept back to the frame allocator: this CPU's. */
void pt_node_drain(void);

/* Entries that are not empty. */
static inline unsigned pt_node_children(const struct frame *node)
{
	return frame_slot(node)->u.node.children;
}

static inline _Atomic pte_t *pt_node_entries(const struct frame *node)
{
	return arch_direct(frame_paddr(node));
}

/* Relaxed: entries of a held part change only through their accessed and dirty bits. */
static inline pte_t pt_node_get(const struct frame *node, unsigned index)
{
	return atomic_load_explicit(&pt_node_entries(node)[index], memory_order_relaxed);
}

/* Replace an entry; returns the old one, with what it owned.  Exchanged, so that bits which the CPU
 * set until now are in the answer.  Release: a new table's entries are visible before the table. */
static inline pte_t pt_node_set(struct frame *node, unsigned index, pte_t pte)
{
	struct meta_slot *slot = frame_slot(node);
	pte_t old = atomic_load_explicit(&pt_node_entries(node)[index], memory_order_relaxed);

	if (pte_is_present(old))
		old = atomic_exchange_explicit(&pt_node_entries(node)[index], pte,
					       memory_order_acq_rel);
	else
		atomic_store_explicit(&pt_node_entries(node)[index], pte, memory_order_release);
	slot->u.node.children = (uint16_t)(slot->u.node.children + (pte != 0) - (old != 0));
	return old;
}

/* Entries that were empty are filled, or filled ones emptied, by whoever wrote them one by one. */
static inline void pt_node_count(struct frame *node, int entries)
{
	struct meta_slot *slot = frame_slot(node);

	slot->u.node.children = (uint16_t)(slot->u.node.children + entries);
}

/* The node that a present entry of `level` leads to, or NULL for leaves, notes and empty entries.
 */
static inline struct frame *pt_node_child(pte_t pte, unsigned level)
{
	if (!pte_is_present(pte) || pte_is_leaf(pte, level))
		return NULL;
	return frame_of_slot(meta_slot_of(paddr_to_pfn(paddr(pte_paddr(pte)))));
}

/* N1..N3 for this node alone.  NULL, or what is wrong in words. */
__must_check const char *pt_node_check(const struct frame *node);

/* Tests: let the nth pt_node_alloc() from now fail, once.  0: none. */
void pt_node_inject_failure(unsigned nth);

/* Once, before the first node: says how nodes are dropped. */
void pt_node_init(void);
