/* SPDX-License-Identifier: MIT */
/*
 * regions.h - sanitises the memory map: merges overlapping memory map entries into one map.
 *
 * Firmware, boot loader and kernel each describe ranges of bytes by memory map entries (struct
 * region of boot/boot_info.h), which overlap, touch and contradict each other.  The result is a
 * list in which every byte has at most one type:
 *
 *   R1  sorted by address, no two regions overlap, none is empty
 *   R2  a byte has the type that comes first in enum region_type among all entries that cover it;
 *       so it is usable only if every entry that covers it is usable
 *   R3  a byte that no entry covers is in no region
 *   R4  touching regions of one type are one region
 *
 * regions_normalise() works in bytes.  regions_trim() then rounds usable regions inwards to
 * whole frames and marks the bytes cut off as reserved; other regions keep their bounds.  R1..R4
 * hold for both results; regions_check() checks R1 and R4.  O(n log n); the caller passes all
 * memory, so the number of entries has no other limit.  (Finding MEM-01: overlapping usable regions
 * came out twice.)
 *
 * Sweep line: every entry is two edges (its start and its end).  Edges are sorted by address; the
 * sweep counts the open entries of each type, and a range between two edges gets the first type
 * whose count is not 0.
 *
 * Pure functions; no lock.
 */
#pragma once

#include "boot/boot_info.h"
#include "lib/err.h"

/* One end of a memory map entry. */
struct region_edge {
	uint64_t at;
	uint32_t type;
	int32_t step; /* +1 opens, -1 closes */
};

/* Array sizes for n entries, in elements. */
static inline size_t regions_edges_needed(size_t n)
{
	return 2 * n;
}

static inline size_t regions_normalised_max(size_t n)
{
	return 2 * n;
}

static inline size_t regions_trimmed_max(size_t n)
{
	return 3 * regions_normalised_max(n);
}

/* Merges n entries, in bytes.  Skips entries that are empty or have an unknown type.  `edges` has
 * room for regions_edges_needed(n), `out` for regions_normalised_max(n).  Returns the number of
 * regions. */
size_t regions_normalise(const struct region *in, size_t n, struct region_edge *edges,
			 struct region *out);

/* Rounds usable regions inwards to whole frames; `out` has room for 3 * n regions and does not
 * overlap `in`.  Returns the number of regions. */
size_t regions_trim(const struct region *in, size_t n, struct region *out);

/* Both steps, from the entries of boot_info.  *out points into `memory`, which has
 * regions_bytes_needed(n) bytes and is 8-byte aligned. */
size_t regions_bytes_needed(size_t n);
size_t regions_build(const struct region *in, size_t n, void *memory, struct region **out);

/* Checks R1, R4 and that types are known.  Returns the index of the first wrong region, or n. */
size_t regions_check(const struct region *r, size_t n);

/* The region that contains the byte, or NULL.  Binary search. */
const struct region *regions_find(const struct region *r, size_t n, uint64_t byte);

/* Sum of the sizes of all regions of `type`. */
uint64_t regions_bytes(const struct region *r, size_t n, enum region_type type);

/* Whether [start, end) contains a byte of RAM: region_type_is_ram(). */
bool regions_have_ram(const struct region *r, size_t n, uint64_t start, uint64_t end);
