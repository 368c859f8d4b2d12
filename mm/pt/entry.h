/* SPDX-License-Identifier: MIT */
/*
 * entry.h - an entry of a node, in any format, and what it owns: a node of the next level, or
 * the frame or block of a tracked leaf.
 *
 * pt_set() replaces a single entry, updates the child count, and returns the old entry together
 * with what it owned (finding CON-02: replacing returns everything).  Code that writes several
 * consecutive entries directly calls pt_node_count() afterwards (mm/pt/engine.h).
 *
 * Locking: the caller holds the node's lock.  Short forms for CPU tables: mm/pt/cpu_format.h.
 */
#pragma once

#include "lib/panic.h"
#include "mm/frame/frame_page.h"
#include "mm/pt/format.h"
#include "mm/pt/node.h"

/* The node that a present entry of `level` leads to, or NULL for leaves, markers and empty entries.
 */
static __forceinline struct frame *pt_child(const struct pt_format *fmt, pte_t pte, unsigned level)
{
	if (!pt_is_present(fmt, pte) || pt_is_leaf(fmt, pte, level))
		return NULL;
	return frame_of_slot(meta_slot_at(paddr(pt_paddr(fmt, pte))));
}

/* Replace an entry of the table `pt`; returns the old one, with what it owned.  A present entry is
 * exchanged, so that the result has all bits that the CPU set.  Release: a new table's entries are
 * visible before the table. */
static __forceinline pte_t pt_set(const struct pt_format *fmt, const struct page_table *pt,
				  struct frame *node, unsigned index, pte_t pte)
{
	pte_t old = pt_node_get(node, index); /* which checks the index */

	if (pt_is_present(fmt, old))
		old = atomic_exchange_explicit(&pt_node_entries(node)[index], pte,
					       memory_order_acq_rel);
	else
		atomic_store_explicit(&pt_node_entries(node)[index], pte, memory_order_release);
	pt_wrote(fmt, pt, &pt_node_entries(node)[index], 1);
	pt_node_count(node, (pte != 0) - (old != 0));
	return old;
}

/* The first frame of the page that a present, tracked leaf maps. */
static __forceinline struct frame *pt_leaf_frame(const struct pt_format *fmt, pte_t pte)
{
	return frame_of_slot(meta_slot_at(paddr(pt_paddr(fmt, pte))));
}

/* The order of the page that a leaf of `level` maps. */
static __forceinline unsigned pt_page_order(unsigned level)
{
	return (level - 1) * PT_INDEX_BITS;
}

/* Whether a leaf of `level` is the only owner of its page. */
static __forceinline bool pt_is_sole_owner(const struct pt_format *fmt, pte_t pte, unsigned level)
{
	return (pte & fmt->tracked) != 0 &&
	       frame_page_is_sole(pt_leaf_frame(fmt, pte), pt_page_order(level));
}

/* Whether all entries of a node are that leaf, which owns nothing, or that marker. */
static inline bool pt_node_is_untouched(const struct pt_format *fmt, const struct frame *node,
					pte_t leaf, pte_t marker)
{
	leaf &= ~fmt->cpu_bits;
	for (unsigned i = 0; i < PT_NODE_ENTRIES; i++) {
		pte_t pte = pt_node_get(node, i);

		if (pte != marker && (pte & ~fmt->cpu_bits) != leaf)
			return false;
	}
	return true;
}

#ifdef KEEL_DEBUG
/* Panics if this CPU still holds the lock of a child of the node. */
static inline void pt_check_release(const struct pt_format *fmt, const struct frame *node)
{
	unsigned level = pt_node_level(node);

	for (unsigned i = 0; level > 1 && i < PT_NODE_ENTRIES; i++) {
		const struct frame *child = pt_child(fmt, pt_node_get(node, i), level);

		if (child != NULL && pt_node_is_own(child))
			panic("page table: a node of level %u is unlocked before one below it",
			      level);
	}
}
#endif

/* Unlock a node; the caller has unlocked all nodes below it (finding CUR-03). */
static __forceinline void pt_unlock(const struct pt_format *fmt, struct frame *node)
{
#ifdef KEEL_DEBUG
	pt_check_release(fmt, node);
#else
	(void)fmt;
#endif
	pt_node_hand_over(node);
}
