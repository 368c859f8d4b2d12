/* SPDX-License-Identifier: MIT */
/*
 * format.h - struct pt_format: the entry format of one kind of page table.
 *
 * CPU page tables and IOMMU second-stage tables are trees of the same shape: each table is a page
 * of 512 entries of 8 bytes, and an entry leads to a table of the next level, to a page of 4 KiB,
 * 2 MiB or 1 GiB, or nowhere.  They differ in the bits for rights, cache type and software's use. A
 * struct pt_format describes these, and the page-table engine (mm/pt/engine.h) is written against
 * it; the CPU's is cpu_format (mm/pt/cpu_format.h).
 *
 * Tables of one format may differ, as their walkers do: units of an IOMMU have large pages or have
 * not, snoop the CPUs' caches or do not.  So the functions about that get the table, which is part
 * of what knows its walker.
 *
 * A format is a `static const` that is passed to static functions by its address, so a compiler
 * knows every field: the code of an instance contains no such table and no indirect call
 * (`make check` verifies this).
 *
 * Invariants:
 *   F1  no bit of `present` is set in an empty entry or a marker
 *   F2  `tracked`, `copy` and `forked` are bits that the walker ignores
 *   F3  make_leaf(pa, prop, level) is present, a leaf of that level, and leads to pa; prop() of it
 *       returns prop, as far as the format can express it
 *   F4  the entry of the next contiguous page is this page's entry plus the page size
 */
#pragma once

#include "arch/arch.h"
#include "mm/frame/page.h"

struct page_table;

struct pt_format {
	pte_t present;  /* an entry with any of these bits leads to a page or a table */
	pte_t large;    /* a present entry of level 2 or 3 with this bit is a leaf */
	pte_t address;  /* address of the table or page */
	pte_t cpu_bits; /* bits that the hardware walker sets in a leaf */
	pte_t kept;     /* bits that a change of rights preserves */
	pte_t write;
	/* software bits, see PROP_*; 0: tables of this format are not forked */
	pte_t tracked, copy, forked, shared;
	pte_t deny_write, deny_execute; /* likewise: rights that a change cannot add */
	pte_t pinned;                   /* likewise: a device may have pinned the page */
	/* neither present nor empty: an entry that is being split; 0: leaves are split in place */
	pte_t busy;

	/* An entry that leads to the table at `pa`, with all rights: the leaves restrict them. */
	pte_t (*make_table)(uint64_t pa);
	/* A present leaf of the table; `pa` is a multiple of the level's size. */
	pte_t (*make_leaf)(const struct page_table *pt, uint64_t pa, struct page_prop prop,
			   unsigned level);
	struct page_prop (*prop)(pte_t leaf);
	/* A non-present entry that stores a number below 2^PT_MARKER_BITS and leads to no memory;
	 * not the empty entry, even for 0.  NULL: tables of this format have no markers. */
	pte_t (*make_marker)(uint32_t marker);
	uint32_t (*marker)(pte_t pte);
	/* Whether a table of `levels` levels can map this address. */
	bool (*is_canonical)(vaddr_t va, unsigned levels);
	/* The highest level at which the table can have leaves. */
	unsigned (*leaf_level_max)(const struct page_table *pt);
	/* Write n entries of the table, from `first` on, back to memory if its walker does not
	 * snoop the caches.  NULL: all do. */
	void (*write_back)(const struct page_table *pt, const _Atomic pte_t *first, unsigned n);
	/* engine_retire() of this format. */
	void (*retire)(pfn_t first);
	/* engine_destroy() of this format, for page_table_destroy(); NULL: that of CPU tables. */
	void (*destroy)(struct page_table *pt);
};

static __forceinline bool pt_is_present(const struct pt_format *fmt, pte_t pte)
{
	return (pte & fmt->present) != 0;
}

/* Whether a present entry in a table of `level` is a leaf. */
static __forceinline bool pt_is_leaf(const struct pt_format *fmt, pte_t pte, unsigned level)
{
	return level == 1 || (level <= PT_LEAF_LEVEL_MAX && (pte & fmt->large) != 0);
}

/* Whether any entry in a table of level 2 or above leads to another table.  `large` is never set
 * above PT_LEAF_LEVEL_MAX. */
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

/* A writable private leaf has `write`, or after a fork `copy` and `forked`.  All three bits flip
 * when it is forked, and again when it is the only owner of its frame. */
static __forceinline pte_t pt_forked_bits(const struct pt_format *fmt)
{
	return fmt->write | fmt->copy | fmt->forked;
}

/* After writing n entries from `first` on: make them visible to the table's walker. */
static __forceinline void pt_wrote(const struct pt_format *fmt, const struct page_table *pt,
				   const _Atomic pte_t *first, unsigned n)
{
	if (fmt->write_back != NULL)
		fmt->write_back(pt, first, n);
}
