/* SPDX-License-Identifier: MIT */
/*
 * spot.h - locks the lowest existing entry for an address.
 *
 * A minimal cursor for a single page: the node that has the entry is locked by the protocol of
 * mm/pt/cursor.h, and the caller reads and writes the entry.  For page faults, each of which
 * changes one entry.
 *
 *   struct pt_spot spot;
 *   pt_spot_lock(&spot, &table, va);
 *   ... spot.pte, spot.level ...; pt_spot_fill(&spot, leaf);
 *   pt_spot_unlock(&spot);
 *
 * Locking: interrupts are off from pt_spot_lock() to pt_spot_unlock().  A caller that replaces an
 * entry puts what the old one owned, after a shootdown if a TLB may have it (mm/pt/batch.h).
 */
#pragma once

#include "mm/pt/page_table.h"
#include "mm/pt/cpu_format.h"

struct pt_spot {
	struct frame *node;
	_Atomic pte_t *entry;
	pte_t pte; /* as it was read; the CPU may set accessed and dirty in the entry meanwhile */
	unsigned level;
};

/* Lock the lowest existing node on the path to va, of level `stop` or above: step one of the
 * protocol.  Interrupts are off. */
struct frame *pt_lock_node(const struct page_table *pt, vaddr_t va, unsigned stop, unsigned *level);

/* Lock the entry for va, which is canonical. */
static inline void pt_spot_lock(struct pt_spot *s, const struct page_table *pt, vaddr_t va)
{
	s->node = pt_lock_node(pt, va, 1, &s->level);
	s->entry = &pt_node_entries(s->node)[pte_index(va, s->level)];
	s->pte = atomic_load_explicit(s->entry, memory_order_relaxed);
}

/* The entry `offset` entries behind the locked one, or before it, in the same node.  Debug builds
 * check that it is in that node. */
static inline _Atomic pte_t *pt_spot_at(const struct pt_spot *s, int offset)
{
	DASSERT((uint64_t)(s->entry - pt_node_entries(s->node) + offset) < PT_NODE_ENTRIES);
	return s->entry + offset;
}

/* Its value.  Relaxed: the node is locked. */
static inline pte_t pt_spot_get(const struct pt_spot *s, int offset)
{
	return atomic_load_explicit(pt_spot_at(s, offset), memory_order_relaxed);
}

/* Replace a marker, or a leaf that no CPU can write through, by a leaf of the same level.  The
 * accessed bit of an old leaf is lost. */
static inline void pt_spot_fill(struct pt_spot *s, pte_t leaf)
{
	/* release: the page's contents are visible before the mapping; the child count stays */
	atomic_store_explicit(s->entry, leaf, memory_order_release);
}

/* Flip bits that the CPU does not change. */
static inline void pt_spot_flip(struct pt_spot *s, pte_t bits)
{
	(void)atomic_fetch_xor_explicit(s->entry, bits, memory_order_acq_rel);
}

static inline void pt_spot_unlock(struct pt_spot *s)
{
	pt_node_unlock(s->node);
}
