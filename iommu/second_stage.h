/* SPDX-License-Identifier: MIT */
/*
 * second_stage.h - VT-d second-stage page-table entries, which translate DMA addresses of devices,
 * as a format of the page-table engine (VT-d 9.8, "Second-Stage Paging Entries").
 *
 *   62 TM | 51:12 address | 11 SNP | 9 D | 8 A | 7 PS | 5:3 EMT | 2 X | 1 W | 0 R
 *
 * There is no present bit: an entry is present when it is readable or writable.  Addresses begin at
 * 0 and are not sign-extended; tables have three, four or five levels.  Hardware ignores bits
 * 61:52; keel uses bit 52 for an entry that owns a count of its frame.  A leaf with neither right
 * is not present, so callers must not make one (F3 of mm/pt/format.h).
 *
 * Pure arithmetic, except for what the instance provides: writing entries back to memory, as not
 * all units snoop the caches (ECAP.C), and freeing nodes.  The IOTLB is invalidated by the table's
 * struct tlb_walker, which gets the size of each page for the address mask, and may set the
 * invalidation hint unless a table went (struct tlb_pages).
 */
#pragma once

#include "kern/tlb_pages.h"
#include "mm/pt/format.h"
#include "mm/pt/page_table.h"

#define SECOND_STAGE_READ     (UINT64_C(1) << 0)
#define SECOND_STAGE_WRITE    (UINT64_C(1) << 1)
#define SECOND_STAGE_LARGE    (UINT64_C(1) << 7)
#define SECOND_STAGE_ACCESSED (UINT64_C(1) << 8)
#define SECOND_STAGE_DIRTY    (UINT64_C(1) << 9)
#define SECOND_STAGE_SNOOP    (UINT64_C(1) << 11)
#define SECOND_STAGE_ADDRESS  UINT64_C(0x000ffffffffff000)
#define SECOND_STAGE_TRACKED  (UINT64_C(1) << 52)

/* A table, and what the units that walk it can do: part of a domain. */
struct second_stage {
	struct page_table table;
	struct tlb_walker walker; /* invalidates the IOTLB, by the page or all of the domain */
	bool snoops;              /* (c) ECAP.C: the units read tables through the caches */
	bool snoop_control;       /* (c) ECAP.SC: leaves say that DMA snoops the caches */
	unsigned leaf_level_max;  /* (c) CAP.SLLPS: 1 to 3 */
};

static inline const struct second_stage *second_stage_of(const struct page_table *pt)
{
	return container_of(pt, struct second_stage, table);
}

static inline pte_t second_stage_make_leaf(const struct page_table *pt, uint64_t pa,
					   struct page_prop prop, unsigned level)
{
	pte_t pte = pa & SECOND_STAGE_ADDRESS;

	pte |= second_stage_of(pt)->snoop_control ? SECOND_STAGE_SNOOP : 0;

	pte |= (prop.flags & PROP_READ) != 0 ? SECOND_STAGE_READ : 0;
	pte |= (prop.flags & PROP_WRITE) != 0 ? SECOND_STAGE_WRITE : 0;
	pte |= (prop.flags & PROP_ACCESSED) != 0 ? SECOND_STAGE_ACCESSED : 0;
	pte |= (prop.flags & PROP_DIRTY) != 0 ? SECOND_STAGE_DIRTY : 0;
	pte |= (prop.flags & PROP_TRACKED) != 0 ? SECOND_STAGE_TRACKED : 0;
	return pte | (level > 1 ? SECOND_STAGE_LARGE : 0);
}

/* An entry that leads to the table at pa, with both rights: the leaves restrict them. */
static inline pte_t second_stage_make_table(uint64_t pa)
{
	return (pa & SECOND_STAGE_ADDRESS) | SECOND_STAGE_READ | SECOND_STAGE_WRITE;
}

static inline struct page_prop second_stage_prop(pte_t pte)
{
	unsigned flags = 0;

	flags |= (pte & SECOND_STAGE_READ) != 0 ? PROP_READ : 0u;
	flags |= (pte & SECOND_STAGE_WRITE) != 0 ? PROP_WRITE : 0u;
	flags |= (pte & SECOND_STAGE_ACCESSED) != 0 ? PROP_ACCESSED : 0u;
	flags |= (pte & SECOND_STAGE_DIRTY) != 0 ? PROP_DIRTY : 0u;
	flags |= (pte & SECOND_STAGE_TRACKED) != 0 ? PROP_TRACKED : 0u;
	return (struct page_prop){ (uint16_t)flags, MEM_WRITE_BACK };
}

/* Whether va fits into the address bits of `levels` levels. */
static inline bool second_stage_has(vaddr_t va, unsigned levels)
{
	return va >> (PT_PAGE_SHIFT + PT_INDEX_BITS * levels) == 0;
}

static inline unsigned second_stage_leaf_level_max(const struct page_table *pt)
{
	return second_stage_of(pt)->leaf_level_max;
}

/* Provided by the instance: writes the cache lines of n entries back to memory. */
void second_stage_write_lines(const _Atomic pte_t *first, unsigned n);
/* And what struct pt_format says of these. */
void second_stage_retire(pfn_t first);
void second_stage_destroy(struct page_table *pt);

static inline void second_stage_write_back(const struct page_table *pt, const _Atomic pte_t *first,
					   unsigned n)
{
	if (!second_stage_of(pt)->snoops)
		second_stage_write_lines(first, n);
}

static const struct pt_format second_stage_format = {
	.present = SECOND_STAGE_READ | SECOND_STAGE_WRITE,
	.large = SECOND_STAGE_LARGE,
	.address = SECOND_STAGE_ADDRESS,
	.cpu_bits = SECOND_STAGE_ACCESSED | SECOND_STAGE_DIRTY,
	.kept = SECOND_STAGE_ADDRESS | SECOND_STAGE_ACCESSED | SECOND_STAGE_DIRTY |
		SECOND_STAGE_TRACKED,
	.write = SECOND_STAGE_WRITE,
	.tracked = SECOND_STAGE_TRACKED,
	.make_table = second_stage_make_table,
	.make_leaf = second_stage_make_leaf,
	.prop = second_stage_prop,
	.is_canonical = second_stage_has,
	.leaf_level_max = second_stage_leaf_level_max,
	.write_back = second_stage_write_back,
	.retire = second_stage_retire,
	.destroy = second_stage_destroy,
};
