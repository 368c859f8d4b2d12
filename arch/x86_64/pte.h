/* SPDX-License-Identifier: MIT */
/*
 * pte.h - the bits of a page-table entry, as pure arithmetic (SDM 3A 4.5, tables 4-14..4-20).
 *
 * No privileged instruction: the host and the provers compile the same bytes, so host tests walk
 * real x86-64 tables.
 *
 *   63 NX | 51:12 address | 11:9 software
 *   8 G | 7 PS or PAT | 6 D | 5 A | 4 PCD | 3 PWT | 2 U | 1 W | 0 P
 *
 * Software bits: 9: the entry owns a count of its frame; 10: copy-on-write; 11: a fork shares the
 * frame; 52: the frame may have other owners since a fork; 53, 54: the right to write or to execute
 * cannot be given (PROP_* of arch/page_prop.h); 55: the frame was pinned through this entry, and
 * may still be; 57:56: a hint for the caller that maps the page (mm/vm: the largest level that a
 * mapping allows whose page is the zero page).
 *
 * A leaf without PROP_READ is not present for the CPU, and says with bit 8 that it leads to a page
 * all the same.  The page is one that the entry's program may be given the right to read, so a
 * processor that speculates past the present bit (L1TF) learns nothing from it that is kept from
 * the program.  A non-present entry may also carry a marker, in bits 63:52 and 30:12.  Bits 51:31
 * are then ones: however many bits of an address a processor uses that speculates past the present
 * bit, it reads the last 2 GiB of its address space.  Those of 44 bits are where keel uses no
 * memory (PHYS_LIMIT).
 *
 * The PAT is set to: 0 write-back, 1 write-combining, 2 and 3 uncached (SDM 3A 11.12.4).
 */
#pragma once

#include "arch/page_prop.h"
#include "lib/types.h"

typedef uint64_t pte_t;

#define PTE_PRESENT      (UINT64_C(1) << 0)
#define PTE_WRITE        (UINT64_C(1) << 1)
#define PTE_USER         (UINT64_C(1) << 2)
#define PTE_PWT          (UINT64_C(1) << 3)
#define PTE_PCD          (UINT64_C(1) << 4)
#define PTE_ACCESSED     (UINT64_C(1) << 5)
#define PTE_DIRTY        (UINT64_C(1) << 6)
#define PTE_LARGE        (UINT64_C(1) << 7)
#define PTE_GLOBAL       (UINT64_C(1) << 8)
#define PTE_TRACKED      (UINT64_C(1) << 9)
#define PTE_COPY         (UINT64_C(1) << 10)
#define PTE_SHARED       (UINT64_C(1) << 11)
#define PTE_FORKED       (UINT64_C(1) << 52)
#define PTE_DENY_WRITE   (UINT64_C(1) << 53)
#define PTE_DENY_EXECUTE (UINT64_C(1) << 54)
#define PTE_PINNED       (UINT64_C(1) << 55)
#define PTE_HINT         (UINT64_C(3) << PTE_HINT_SHIFT)
#define PTE_HELD         (UINT64_C(1) << 8) /* not present: a leaf without access */
#define PTE_NX           (UINT64_C(1) << 63)
#define PTE_UNCACHED     (PTE_PCD | PTE_PWT)
#define PTE_ADDRESS      UINT64_C(0x000ffffffffff000)
#define PTE_NOT_MEMORY   UINT64_C(0x000fffff80000000) /* 51:31 */
#define PTE_BUSY         (PTE_NOT_MEMORY | PTE_LARGE) /* not present, and no marker */

/* Bits that a change of rights preserves. */
#define PTE_KEPT                                                                                   \
	(PTE_ADDRESS | PTE_ACCESSED | PTE_DIRTY | PTE_TRACKED | PTE_SHARED | PTE_FORKED |          \
	 PTE_DENY_WRITE | PTE_DENY_EXECUTE | PTE_PINNED | PTE_HINT)

/* MSR 277h: entries 0..7 from the low byte up. */
#define PAT_VALUE UINT64_C(0x0007010600070106) /* WB, WC, UC-, UC, twice, see pat below */

enum {
	PT_ENTRIES = 512,
	PT_PAGE_BYTES = 4096,
	PT_INDEX_BITS = 9,
	PT_PAGE_SHIFT = 12,
	PT_LEVEL_MAX = 5,
	PT_LEAF_LEVEL_MAX = 3, /* 1 GiB */
	PTE_HINT_SHIFT = 56,
	PT_MARKER_BITS = 31,
	PT_MARKER_LOW_BITS = 19,   /* from PT_PAGE_SHIFT on */
	PT_MARKER_HIGH_SHIFT = 52, /* the others */
};
#define PT_LARGE_BYTES MIB(2)
#define PT_HUGE_BYTES  GIB(1)

/* Bytes of each half of the canonical addresses with `levels` of paging: the user's from 0 up, the
 * kernel's down from the top (SDM 1 3.3.7.1). */
#define PT_HALF_BYTES(levels) (UINT64_C(1) << (PT_PAGE_SHIFT + PT_INDEX_BITS * (levels)-1))

static inline uint64_t pt_half_bytes(unsigned levels)
{
	return PT_HALF_BYTES(levels);
}

/* Index into the table of `level`: 1 has 4 KiB pages, 4 is the PML4. */
__must_check static inline unsigned pte_index(vaddr_t va, unsigned level)
{
	return (unsigned)(va >> (PT_PAGE_SHIFT + PT_INDEX_BITS * (level - 1))) % PT_ENTRIES;
}

/* Bytes that one entry of `level` covers. */
static inline uint64_t pte_span(unsigned level)
{
	return UINT64_C(1) << (PT_PAGE_SHIFT + PT_INDEX_BITS * (level - 1));
}

static inline uint64_t pte_paddr(pte_t pte)
{
	return pte & PTE_ADDRESS;
}

static inline bool pte_is_present(pte_t pte)
{
	return (pte & PTE_PRESENT) != 0;
}

/* Of a present entry in a table of `level`. */
static inline bool pte_is_leaf(pte_t pte, unsigned level)
{
	return level == 1 || (level <= PT_LEAF_LEVEL_MAX && (pte & PTE_LARGE) != 0);
}

static inline pte_t pte_type_bits(enum mem_type type)
{
	switch (type) {
	case MEM_WRITE_COMBINING: return PTE_PWT;
	case MEM_UNCACHED: return PTE_PCD | PTE_PWT;
	case MEM_WRITE_BACK:
	case MEM_TYPES: return 0;
	}
	return 0;
}

static inline enum mem_type pte_mem_type(pte_t pte)
{
	switch (pte & (PTE_PCD | PTE_PWT)) {
	case 0: return MEM_WRITE_BACK;
	case PTE_PWT: return MEM_WRITE_COMBINING;
	default: return MEM_UNCACHED;
	}
}

/* The flags of enum prop_flags that are bits of an entry, moved by a distance common to some. */
#define PTE_SAME_PLACE  (PROP_READ | PROP_WRITE | PROP_ACCESSED | PROP_DIRTY)
#define PTE_MOVED_BY_2  (PROP_TRACKED | PROP_COPY | PROP_SHARED)
#define PTE_MOVED_BY_42 (PROP_FORKED | PROP_DENY_WRITE | PROP_DENY_EXECUTE | PROP_PINNED)
_Static_assert((PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY) == PTE_SAME_PLACE,
	       "same place");
_Static_assert((PTE_TRACKED | PTE_COPY | PTE_SHARED) == PTE_MOVED_BY_2 << 2, "moved by 2");
_Static_assert((PTE_FORKED | PTE_DENY_WRITE | PTE_DENY_EXECUTE | PTE_PINNED) ==
		       (uint64_t)PTE_MOVED_BY_42 << 42,
	       "moved by 42");
_Static_assert(PTE_USER == PROP_USER >> 1 && PTE_GLOBAL == PROP_GLOBAL << 4, "moved");

/* A leaf; held without PROP_READ.  `pa` is a multiple of the level's span. */
static inline pte_t pte_make_leaf(uint64_t pa, struct page_prop prop, unsigned level)
{
	pte_t pte = (pa & PTE_ADDRESS) | pte_type_bits((enum mem_type)prop.type);

	pte |= prop.flags & PTE_SAME_PLACE;
	pte |= (pte_t)(prop.flags & PTE_MOVED_BY_2) << 2;
	pte |= (pte_t)(prop.flags & PTE_MOVED_BY_42) << 42;
	pte |= (prop.flags & PROP_USER) >> 1 | (prop.flags & PROP_GLOBAL) << 4;
	pte |= (prop.flags & PROP_READ) != 0 ? 0 : PTE_HELD;
	pte |= (prop.flags & PROP_EXECUTE) != 0 ? 0 : PTE_NX;
	return pte | (level > 1 ? PTE_LARGE : 0);
}

static __forceinline struct page_prop pte_prop(pte_t pte)
{
	unsigned flags = (unsigned)pte & PTE_SAME_PLACE;

	flags |= (unsigned)(pte >> 2) & PTE_MOVED_BY_2;
	flags |= (unsigned)(pte >> 42) & PTE_MOVED_BY_42;
	flags |= (unsigned)(pte & PTE_USER) << 1;
	if (pte_is_present(pte))
		flags |= (unsigned)(pte & PTE_GLOBAL) >> 4;
	flags |= (pte & PTE_NX) != 0 ? 0u : PROP_EXECUTE;
	return (struct page_prop){ (uint16_t)flags, (uint8_t)pte_mem_type(pte) };
}

/* An entry that points to the table at pa; with all rights, so that the leaves decide. */
static inline pte_t pte_make_table(uint64_t pa)
{
	return (pa & PTE_ADDRESS) | PTE_PRESENT | PTE_WRITE | PTE_USER;
}

/* A non-present entry with a number below 2^PT_MARKER_BITS in it; 0 differs from an empty entry. */
static inline pte_t pte_make_marker(uint32_t marker)
{
	uint64_t low = marker & ((UINT32_C(1) << PT_MARKER_LOW_BITS) - 1);
	uint64_t high = marker >> PT_MARKER_LOW_BITS;

	return PTE_NOT_MEMORY | low << PT_PAGE_SHIFT | high << PT_MARKER_HIGH_SHIFT;
}

/* A number below 4 in a leaf of level 1, for the caller that maps it. */
static inline pte_t pte_hint_bits(unsigned hint)
{
	return (pte_t)hint << PTE_HINT_SHIFT;
}

static inline unsigned pte_hint(pte_t leaf)
{
	return (unsigned)(leaf >> PTE_HINT_SHIFT) & 3;
}

static inline bool pte_is_held(pte_t pte)
{
	return !pte_is_present(pte) && (pte & PTE_HELD) != 0;
}

static inline bool pte_is_marker(pte_t pte)
{
	return !pte_is_present(pte) && pte != 0 && !pte_is_held(pte) && pte != PTE_BUSY;
}

static inline uint32_t pte_marker(pte_t pte)
{
	uint32_t low = (uint32_t)(pte >> PT_PAGE_SHIFT) & ((UINT32_C(1) << PT_MARKER_LOW_BITS) - 1);

	return low | (uint32_t)(pte >> PT_MARKER_HIGH_SHIFT) << PT_MARKER_LOW_BITS;
}

/* Whether va is canonical with `levels` of paging: bits above the top one equal it (SDM 1,
 * 3.3.7.1). */
static inline bool pte_is_canonical(vaddr_t va, unsigned levels)
{
	unsigned unused = 64 - (PT_PAGE_SHIFT + PT_INDEX_BITS * levels);

	return (uint64_t)((int64_t)(va << unused) >> unused) == va;
}

/* SDM 3A 4.2, 4.5: tables of one page, four levels for 48 bits and five for 57; any more would not
 * fit an address, and finding KSP-01 was a shift for three levels, below zero. */
_Static_assert(sizeof(pte_t) << PT_INDEX_BITS == PT_PAGE_BYTES, "a table is a page");
_Static_assert(PT_ENTRIES == 1 << PT_INDEX_BITS && PT_PAGE_BYTES == 1 << PT_PAGE_SHIFT, "indices");
_Static_assert(PT_PAGE_SHIFT + PT_INDEX_BITS * 4 == 48, "SDM 3A 4.5: four levels");
_Static_assert(PT_PAGE_SHIFT + PT_INDEX_BITS * 5 == 57, "SDM 3A 4.5.4: five levels");
_Static_assert(PT_PAGE_SHIFT + PT_INDEX_BITS * PT_LEVEL_MAX < 64, "at most five levels");
_Static_assert(PT_HALF_BYTES(4) - 1 == UINT64_C(0x00007fffffffffff) &&
		       0 - PT_HALF_BYTES(4) == UINT64_C(0xffff800000000000),
	       "SDM 1 3.3.7.1: 48 bits");
_Static_assert(PT_HALF_BYTES(5) - 1 == UINT64_C(0x00ffffffffffffff) &&
		       0 - PT_HALF_BYTES(5) == UINT64_C(0xff00000000000000),
	       "SDM 1 3.3.7.1: 57 bits");
_Static_assert(PT_LARGE_BYTES == UINT64_C(1) << (PT_PAGE_SHIFT + PT_INDEX_BITS) &&
		       PT_HUGE_BYTES == UINT64_C(1) << (PT_PAGE_SHIFT + 2 * PT_INDEX_BITS),
	       "SDM 3A 4.5: 2 MiB and 1 GiB");
