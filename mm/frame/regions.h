/* SPDX-License-Identifier: MIT */
/*
 * regions.h - one map out of many statements about memory.
 *
 * Firmware, boot loader and kernel each say what some range of bytes is; the statements
 * (struct region of boot/boot_info.h) overlap, touch and contradict each other.  Here they
 * become a list in which every byte has at most one type:
 *
 *   R1  sorted by address, no two regions overlap, none is empty
 *   R2  a byte has the type that comes first in enum region_type among all that mention it;
 *       so it is usable only if every source that mentions it agrees
 *   R3  a byte that no source mentions is in no region
 *   R4  touching regions of one type are one region
 *
 * regions_normalise() works in bytes.  regions_trim() then rounds usable regions inwards to
 * whole frames and calls what it cut off reserved; nothing else moves.  R1..R4 hold for both
 * results and are what regions_check() looks at.  n log n; the caller brings all memory, so
 * there is no cap but the memory's.  (Finding MEM-01: overlapping usable regions came out
 * twice.)
 *
 * Method: every statement is two edges (its start and its end).  Edges are sorted by
 * address; a sweep keeps how many statements of each type are open, and the type of the
 * extent between two edges is the first that has any.
 *
 * Pure functions; no lock.
 */
#pragma once

#include "boot/boot_info.h"
#include "lib/err.h"

/* One end of a statement. */
struct region_edge {
	uint64_t at;
	uint32_t type;
	int32_t step; /* +1 opens, -1 closes */
};

/* Room that the two steps need, in elements, for n statements. */
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

/* Bytes -> bytes.  Statements that are empty or have an unknown type are passed over.
 * `edges` has room for regions_edges_needed(n), `out` for regions_normalised_max(n).
 * Returns the number of regions. */
size_t regions_normalise(const struct region *in, size_t n, struct region_edge *edges,
			 struct region *out);

/* Round usable regions to whole frames inwards; `out` has room for 3 * n regions and does
 * not overlap `in`.  Returns the number of regions. */
size_t regions_trim(const struct region *in, size_t n, struct region *out);

/* The whole way, from the sources of boot_info.  *out lies in `memory`, which has
 * regions_bytes_needed(n) bytes and is 8-byte aligned. */
size_t regions_bytes_needed(size_t n);
size_t regions_build(const struct region *in, size_t n, void *memory, struct region **out);

/* R1, R4 and known types.  Returns the index of the first region that is wrong, or n. */
size_t regions_check(const struct region *r, size_t n);

/* The region that holds the byte, or NULL.  Binary search. */
const struct region *regions_find(const struct region *r, size_t n, uint64_t byte);

/* Bytes of `type` in all. */
uint64_t regions_bytes(const struct region *r, size_t n, enum region_type type);

/* Whether memory that the CPU may cache lies in [start, end): any type but framebuffer and
 * reserved. */
bool regions_have_memory(const struct region *r, size_t n, uint64_t start, uint64_t end);
