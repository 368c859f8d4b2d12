/* SPDX-License-Identifier: MIT */
/*
 * pte.h - the bits of a page-table entry, as pure arithmetic (SDM 3A 4.5, tables 4-14..4-20).
 *
 * No privileged instruction: the host and the provers compile the same bytes.
 */
#pragma once

#include "lib/types.h"

#define PTE_PRESENT  (UINT64_C(1) << 0)
#define PTE_WRITE    (UINT64_C(1) << 1)
#define PTE_PWT      (UINT64_C(1) << 3)
#define PTE_PCD      (UINT64_C(1) << 4)
#define PTE_LARGE    (UINT64_C(1) << 7)
#define PTE_GLOBAL   (UINT64_C(1) << 8)
#define PTE_NX       (UINT64_C(1) << 63)
#define PTE_UNCACHED (PTE_PCD | PTE_PWT)
#define PTE_ADDRESS  UINT64_C(0x000ffffffffff000)

enum {
	PT_ENTRIES = 512,
	PT_PAGE_BYTES = 4096,
	PT_INDEX_BITS = 9,
	PT_PAGE_SHIFT = 12,
};
#define PT_LARGE_BYTES MIB(2)
#define PT_HUGE_BYTES  GIB(1)

/* Index into the table of `level`: 1 has 4 KiB pages, 4 is the PML4. */
static inline unsigned pte_index(vaddr_t va, unsigned level)
{
	return (unsigned)(va >> (PT_PAGE_SHIFT + PT_INDEX_BITS * (level - 1))) % PT_ENTRIES;
}

/* Bytes that one entry of `level` covers. */
static inline uint64_t pte_span(unsigned level)
{
	return UINT64_C(1) << (PT_PAGE_SHIFT + PT_INDEX_BITS * (level - 1));
}

static inline uint64_t pte_paddr(uint64_t pte)
{
	return pte & PTE_ADDRESS;
}
