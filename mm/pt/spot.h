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
 *   ... pt_spot_prop(&spot), spot.level ...; pt_spot_map(&spot, pa, prop);
 *   pt_spot_unlock(&spot);
 *
 * What an entry says is asked, and written, in terms of struct page_prop and markers: the entry
 * itself is opaque to callers, so that they do not depend on a format.
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

/* Read the locked entry again, after a change. */
static inline void pt_spot_read(struct pt_spot *s)
{
	s->pte = atomic_load_explicit(s->entry, memory_order_relaxed);
}

/* Lock the entry for va, which is canonical. */
static inline void pt_spot_lock(struct pt_spot *s, const struct page_table *pt, vaddr_t va)
{
	s->node = pt_lock_node(pt, va, 1, &s->level);
	s->entry = &pt_node_entries(s->node)[pte_index(va, s->level)];
	pt_spot_read(s);
}

/* ---- what the entry says ---- */

static inline bool pt_spot_is_empty(const struct pt_spot *s)
{
	return s->pte == 0;
}

static inline bool pt_spot_is_leaf(const struct pt_spot *s)
{
	return pt_is_present(&cpu_format, s->pte);
}

/* Of an entry that is neither empty nor a leaf. */
static inline uint32_t pt_spot_marker(const struct pt_spot *s)
{
	return pte_marker(s->pte);
}

/* ---- a leaf ---- */

static inline struct page_prop pt_spot_prop(const struct pt_spot *s)
{
	return pte_prop(s->pte);
}

static inline paddr_t pt_spot_paddr(const struct pt_spot *s)
{
	return paddr(pte_paddr(s->pte));
}

/* The frame of a tracked leaf. */
static inline struct frame *pt_spot_frame(const struct pt_spot *s)
{
	return pt_node_leaf_frame(s->pte);
}

static inline bool pt_spot_is_sole_owner(const struct pt_spot *s)
{
	return pt_leaf_is_sole_owner(s->pte, s->level);
}

/* Whether it is copy-on-write: a write is permitted, to a copy of the page. */
static inline bool pt_spot_needs_copy(const struct pt_spot *s)
{
	return (s->pte & (cpu_format.copy | cpu_format.write)) == cpu_format.copy;
}

static inline bool pt_spot_is_tracked(const struct pt_spot *s)
{
	return (s->pte & cpu_format.tracked) != 0;
}

static inline bool pt_spot_is_shared(const struct pt_spot *s)
{
	return (s->pte & cpu_format.shared) != 0;
}

/* The hint that pt_spot_map_hint() gave the leaf. */
static inline unsigned pt_spot_hint(const struct pt_spot *s)
{
	return pte_hint(s->pte);
}

/* ---- other entries of the node ---- */

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

static inline bool pt_spot_is_leaf_at(const struct pt_spot *s, int offset)
{
	return pt_is_present(&cpu_format, pt_spot_get(s, offset));
}

static inline struct page_prop pt_spot_prop_at(const struct pt_spot *s, int offset)
{
	return pte_prop(pt_spot_get(s, offset));
}

/* Whether it is equal to the locked one, as that was read. */
static inline bool pt_spot_is_same_at(const struct pt_spot *s, int offset)
{
	return pt_spot_get(s, offset) == s->pte;
}

/* Whether all entries of the node are the locked leaf, which owns nothing, or the marker. */
static inline bool pt_spot_node_is_untouched(const struct pt_spot *s, uint32_t marker)
{
	return pt_node_is_untouched(&cpu_format, s->node, s->pte, pte_make_marker(marker));
}

/* ---- changes ---- */

/* Replace a marker at `offset`, or a leaf that no CPU can write through, by a leaf of level 1.  The
 * accessed bit of an old leaf is lost. */
static inline void pt_spot_map_at(const struct pt_spot *s, int offset, paddr_t pa,
				  struct page_prop prop)
{
	/* release: the page's contents are visible before the mapping; the child count stays */
	atomic_store_explicit(pt_spot_at(s, offset), pte_make_leaf(pa.raw, prop, 1),
			      memory_order_release);
}

static inline void pt_spot_map(const struct pt_spot *s, paddr_t pa, struct page_prop prop)
{
	pt_spot_map_at(s, 0, pa, prop);
}

/* The same, with a number below 4 that the leaf keeps. */
static inline void pt_spot_map_hint(const struct pt_spot *s, paddr_t pa, struct page_prop prop,
				    unsigned hint)
{
	/* release: as in pt_spot_map() */
	atomic_store_explicit(s->entry, pte_make_leaf(pa.raw, prop, 1) | pte_hint_bits(hint),
			      memory_order_release);
}

/* Give the only owner of a copy-on-write page the right to write back. */
static inline void pt_spot_reuse(const struct pt_spot *s)
{
	/* atomic: the CPU may set the accessed and dirty bits meanwhile */
	(void)atomic_fetch_xor_explicit(s->entry, pt_forked_bits(&cpu_format),
					memory_order_acq_rel);
}

/* Replace the leaf by one that owns a copy of its page, at pa, with the same rights but the one to
 * write, which pt_spot_allow_write() gives when no CPU can read the old page any more. */
static inline void pt_spot_map_copy(const struct pt_spot *s, paddr_t pa)
{
	pte_t flip = pt_spot_needs_copy(s) ? PTE_COPY | PTE_FORKED : PTE_FORKED;
	pte_t kept = s->pte & ~(PTE_ADDRESS | PTE_HINT | PTE_PINNED);

	/* release: as in pt_spot_map(); accessed and dirty: no CPU writes to the entry meanwhile */
	atomic_store_explicit(s->entry,
			      (kept ^ flip) | pa.raw | PTE_TRACKED | PTE_ACCESSED | PTE_DIRTY,
			      memory_order_release);
}

static inline void pt_spot_allow_write(const struct pt_spot *s)
{
	(void)atomic_fetch_or_explicit(s->entry, cpu_format.write, memory_order_release);
}

/* Give the leaf PROP_PINNED. */
static inline void pt_spot_set_pinned(const struct pt_spot *s)
{
	(void)atomic_fetch_or_explicit(s->entry, cpu_format.pinned, memory_order_acq_rel);
}

/* Replace the leaf at `offset` by a marker; returns its frame.  For the batch: the page is not
 * added. */
static inline struct frame *pt_spot_set_marker_at(const struct pt_spot *s, int offset,
						  uint32_t marker)
{
	/* exchange: the CPU may set the accessed and dirty bits until now */
	pte_t leaf = atomic_exchange_explicit(pt_spot_at(s, offset), pte_make_marker(marker),
					      memory_order_acq_rel);

	return pt_node_leaf_frame(leaf);
}

static inline void pt_spot_unlock(struct pt_spot *s)
{
	pt_node_unlock(s->node);
}
