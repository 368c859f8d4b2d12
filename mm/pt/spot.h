/* SPDX-License-Identifier: MIT */
/*
 * spot.h - the hold of one entry: the lowest one that there is for an address.
 *
 * What a cursor is for a range, for a single page, and no more than that: the node in which the
 * entry stands is held by the protocol of mm/pt/cursor.h, and the entry is there to be read and
 * written.  For faults, which come one at a time and change one entry each.
 *
 *   struct pt_spot spot;
 *   pt_spot_lock(&spot, &table, va);
 *   ... spot.pte, spot.level ...; pt_spot_set(&spot, pte);
 *   pt_spot_unlock(&spot);
 *
 * Locking: interrupts are off from hold to unlock_page.  What an entry owned is its replacer's to
 * put, after a shootdown if a CPU may have it (mm/pt/batch.h).
 */
#pragma once

#include "mm/pt/page_table.h"
#include "mm/pt/cpu_format.h"

struct pt_spot {
	struct frame *node;
	_Atomic pte_t *entry;
	pte_t pte; /* as it was found; the CPU may set accessed and dirty in it meanwhile */
	unsigned level;
};

/* Hold the lowest node on the way to va that exists, of level `stop` or above: step one of the
 * protocol.  Interrupts are off. */
struct frame *pt_lock_node(const struct page_table *pt, vaddr_t va, unsigned stop, unsigned *level);

/* va is canonical. */
static inline void pt_spot_lock(struct pt_spot *s, const struct page_table *pt, vaddr_t va)
{
	s->node = pt_lock_node(pt, va, 1, &s->level);
	s->entry = &pt_node_entries(s->node)[pte_index(va, s->level)];
	s->pte = atomic_load_explicit(s->entry, memory_order_relaxed);
}

/* A leaf of this level where a marker stood. */
static inline void pt_spot_fill(struct pt_spot *s, pte_t leaf)
{
	/* release: what the page holds is visible before the page; the count of entries stays */
	atomic_store_explicit(s->entry, leaf, memory_order_release);
}

/* Another leaf where one stood. */
static inline void pt_spot_exchange(struct pt_spot *s, pte_t leaf)
{
	(void)atomic_exchange_explicit(s->entry, leaf, memory_order_acq_rel);
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
