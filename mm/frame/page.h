/* SPDX-License-Identifier: MIT */
/*
 * page.h - page size, page frame numbers (pfn), chunk and section sizes.
 *
 * A frame is 4 KiB of physical memory, identified by its number (pfn).  keel manages physical
 * addresses below PHYS_LIMIT, so a number fits in 32 bits, and none is PFN_NONE.
 */
#pragma once

#include "lib/types.h"

enum {
	PAGE_SHIFT = 12,
	PAGE_SIZE = 1 << PAGE_SHIFT,

	/* A chunk is 2 MiB: free blocks smaller than that are tracked in its bitmap. */
	CHUNK_ORDER = 9,
	CHUNK_FRAMES = 1 << CHUNK_ORDER,

	/* A section is 1 GiB: the unit in which metadata is populated. */
	SECTION_ORDER = 18,
	SECTION_FRAMES = 1 << SECTION_ORDER,
	SECTION_CHUNKS = SECTION_FRAMES / CHUNK_FRAMES,

	ORDER_MAX = SECTION_ORDER,
	ORDERS = ORDER_MAX + 1,
};

typedef uint32_t pfn_t;

#define PFN_NONE   UINT32_MAX
/* Memory from here up is ignored.  The last 2 GiB of 44 bits are where a processor with L1TF may
 * read for a non-present entry with a marker (arch/x86_64/pte.h). */
#define PHYS_LIMIT (TIB(16) - GIB(2))

static inline paddr_t pfn_to_paddr(pfn_t pfn)
{
	return paddr((uint64_t)pfn * PAGE_SIZE);
}

/* pa below PHYS_LIMIT. */
static inline pfn_t paddr_to_pfn(paddr_t pa)
{
	return (pfn_t)(pa.raw / PAGE_SIZE);
}
