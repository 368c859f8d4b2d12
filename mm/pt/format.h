/* SPDX-License-Identifier: MIT */
/*
 * format.h - what the entries of one kind of page table look like, as a constant.
 *
 * Tables that a processor walks, and tables that an IOMMU walks for devices, are trees of the same
 * shape: a page of 512 entries of 8 bytes on each level, which lead to the next level, to a page of
 * 4 KiB, 2 MiB or 1 GiB, or nowhere.  They differ in where rights, cache type and software's own
 * bits stand.  That is a struct pt_format, and the engine of page tables (mm/pt/engine.h) is
 * written against it: the CPU's is cpu_format (mm/pt/cpu_format.h).
 *
 * A format is a `static const` that is passed to static functions by its address, so a compiler
 * knows every field: what an instance of the engine compiles to holds no table and no call through
 * a pointer (`make check` looks).
 *
 * Invariants:
 *   F1  no bit of `present` is set in an empty entry or a marker
 *   F2  `tracked`, `copy` and `forked` are bits that the walker ignores
 *   F3  make_leaf(pa, prop, level) is present, a leaf of that level, and leads to pa; prop() of it
 *       is prop, for what the format can say
 *   F4  the entry of the next page in a row is the entry of the one before plus its size
 */
#pragma once

#include "arch/arch.h"

struct tlb_batch;

struct pt_format {
	pte_t present;  /* an entry with any of these is present */
	pte_t large;    /* with it a present entry of level 2 or 3 is a leaf */
	pte_t address;  /* where the address of a table or page stands */
	pte_t cpu_bits; /* what the walker sets by itself in a leaf */
	pte_t kept;     /* what a change of rights leaves as it is */
	pte_t write;
	/* software's, see PROP_*; 0: tables of this format are not forked */
	pte_t tracked, copy, forked;

	/* An entry that leads to the table at `pa`, with all rights: leaves decide. */
	pte_t (*make_table)(uint64_t pa);
	/* A present leaf; `pa` is a multiple of the level's size. */
	pte_t (*make_leaf)(uint64_t pa, struct page_prop prop, unsigned level);
	struct page_prop (*prop)(pte_t leaf);
	/* A non-present entry with a number below 2^PT_MARKER_BITS in it, also of 0 none that is
	 * empty; it leads to no memory.  NULL: tables of this format have no markers. */
	pte_t (*make_marker)(uint32_t marker);
	uint32_t (*marker)(pte_t pte);
	/* Whether a table of that many levels has this address. */
	bool (*is_canonical)(vaddr_t va, unsigned levels);
	/* The highest level that can have leaves. */
	unsigned (*leaf_level_max)(void);
	/* n entries from `first` on were written, and a walker must see them in memory: for walkers
	 * that do not look into caches.  NULL: they do. */
	void (*write_back)(const _Atomic pte_t *first, unsigned n);
	/* tlb_batch_finish(), or the like for other walkers. */
	void (*finish)(struct tlb_batch *gone);
};

static __forceinline bool pt_is_present(const struct pt_format *fmt, pte_t pte)
{
	return (pte & fmt->present) != 0;
}

/* Of a present entry in a table of `level`. */
static __forceinline bool pt_is_leaf(const struct pt_format *fmt, pte_t pte, unsigned level)
{
	return level == 1 || (level <= PT_LEAF_LEVEL_MAX && (pte & fmt->large) != 0);
}

/* Of any entry in a table of level 2 or above: whether it leads to another table.  `large` is never
 * set above PT_LEAF_LEVEL_MAX. */
static __forceinline bool pt_is_table(const struct pt_format *fmt, pte_t pte)
{
	return (pte & fmt->large) == 0 && (pte & fmt->present) != 0;
}

static __forceinline uint64_t pt_paddr(const struct pt_format *fmt, pte_t pte)
{
	return pte & fmt->address;
}

static __forceinline bool pt_is_marker(const struct pt_format *fmt, pte_t pte)
{
	return fmt->marker != NULL && !pt_is_present(fmt, pte) && pte != 0;
}

/* A private leaf that may be written has `write`, or, since a fork, both others: these flip when it
 * is forked, and when its frame is its own again. */
static __forceinline pte_t pt_forked_bits(const struct pt_format *fmt)
{
	return fmt->write | fmt->copy | fmt->forked;
}

/* n entries from `first` on are as a walker is to see them. */
static __forceinline void pt_wrote(const struct pt_format *fmt, const _Atomic pte_t *first,
				   unsigned n)
{
	if (fmt->write_back != NULL)
		fmt->write_back(first, n);
}
