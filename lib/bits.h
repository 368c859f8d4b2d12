/* SPDX-License-Identifier: MIT */
/*
 * bits.h - total functions on 64-bit words.
 *
 * Total: defined for every argument, including zero (finding MOM-03 was an ilog2(0)).  Where zero
 * has no natural result, the comment states the result.
 */
#pragma once

#include "lib/types.h"

/* Index of the highest set bit; 0 for 0. */
static inline unsigned bits_log2(uint64_t v)
{
	return v == 0 ? 0 : 63u - (unsigned)__builtin_clzll(v);
}

/* Smallest k with 2^k >= v; 0 for 0 and 1; 64 above 2^63. */
static inline unsigned bits_order(uint64_t v)
{
	return v <= 1 ? 0 : bits_log2(v - 1) + 1;
}

/* Index of the lowest set bit; 64 for 0. */
static inline unsigned bits_lowest(uint64_t v)
{
	return v == 0 ? 64 : (unsigned)__builtin_ctzll(v);
}

static inline unsigned bits_count(uint64_t v)
{
	v -= v >> 1 & 0x5555555555555555u;
	v = (v & 0x3333333333333333u) + (v >> 2 & 0x3333333333333333u);
	v = (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0fu;
	return (unsigned)(v * 0x0101010101010101u >> 56);
}

static inline bool bits_is_pow2(uint64_t v)
{
	return v != 0 && (v & (v - 1)) == 0;
}

/* Rounds v down to a multiple of `unit`, which must not be 0. */
/*@ requires unit > 0; assigns \nothing;
    ensures \result == v - v % unit; */
static inline uint64_t align_down(uint64_t v, uint64_t unit)
{
	return v - v % unit;
}

/* Rounds v up to a multiple of `unit`, or down when the result does not fit in 64 bits; `unit`
 * must not be 0. */
/*@ requires unit > 0; assigns \nothing;
    behavior is_one: assumes v % unit == 0; ensures \result == v;
    behavior fits: assumes v % unit != 0 && v - v % unit + unit <= UINT64_MAX;
      ensures \result == v - v % unit + unit;
    behavior too_great: assumes v % unit != 0 && v - v % unit + unit > UINT64_MAX;
      ensures \result == v - v % unit;
    complete behaviors; disjoint behaviors; */
static inline uint64_t align_up(uint64_t v, uint64_t unit)
{
	uint64_t rest = v % unit;

	if (rest == 0)
		return v;
	return v > UINT64_MAX - (unit - rest) ? v - rest : v + (unit - rest);
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}
