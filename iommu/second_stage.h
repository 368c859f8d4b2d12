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
 * Pure arithmetic, except for two functions of the instance: one that writes entries back to
 * memory, as walkers may not snoop the caches (ECAP.C), and one that invalidates the IOTLB.
 */
#pragma once

#include "mm/pt/format.h"

#define SECOND_STAGE_READ     (UINT64_C(1) << 0)
#define SECOND_STAGE_WRITE    (UINT64_C(1) << 1)
#define SECOND_STAGE_LARGE    (UINT64_C(1) << 7)
#define SECOND_STAGE_ACCESSED (UINT64_C(1) << 8)
#define SECOND_STAGE_DIRTY    (UINT64_C(1) << 9)
#define SECOND_STAGE_ADDRESS  UINT64_C(0x000ffffffffff000)
#define SECOND_STAGE_TRACKED  (UINT64_C(1) << 52)

static inline pte_t second_stage_make_leaf(uint64_t pa, struct page_prop prop, unsigned level)
{
	pte_t pte = pa & SECOND_STAGE_ADDRESS;

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

/* Units without large pages report it in CAP.SLLPS; the caller that maps passes the limit. */
static inline unsigned second_stage_leaf_level_max(void)
{
	return PT_LEAF_LEVEL_MAX;
}

/* Provided by the instance: see struct pt_format. */
void second_stage_write_back(const _Atomic pte_t *first, unsigned n);
void second_stage_invalidate(struct tlb_batch *gone);
void second_stage_finish(struct tlb_batch *gone);
void second_stage_destroy(struct page_table *pt);

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
	.invalidate = second_stage_invalidate,
	.unlock = second_stage_invalidate,
	.finish = second_stage_finish,
	.destroy = second_stage_destroy,
};
