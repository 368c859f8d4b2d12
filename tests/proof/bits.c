/* SPDX-License-Identifier: MIT */
/*
 * Proof of lib/bits.h: total, and exact.  What is believed: the two builtins do as GCC's manual
 * says ("Other Built-in Functions Provided by GCC").  The two functions of bit tricks are proved
 * over bit vectors in bits.smt2.
 *
 * Seconds: 20
 * Skip: bits_count bits_is_pow2 paddr_add
 */
#include <stdbool.h>
#include <stdint.h>

/*@ lemma product: \forall integer q, u; q >= 0 && u > 0 ==> (q * u) % u == 0; */
/*@ logic integer pow2(integer k) = k <= 0 ? 1 : 2 * pow2(k - 1); */

/*@ requires v != 0; assigns \nothing;
    ensures 0 <= \result <= 63;
    ensures pow2(63 - \result) <= v < pow2(64 - \result); */
int __builtin_clzll(unsigned long long v);

/*@ requires v != 0; assigns \nothing;
    ensures 0 <= \result <= 63;
    ensures v % pow2(\result) == 0 && v % pow2(\result + 1) != 0; */
int __builtin_ctzll(unsigned long long v);

/*@ assigns \nothing;
    ensures \result <= 63;
    ensures v == 0 ? \result == 0 : pow2(\result) <= v < pow2(\result + 1); */
static inline unsigned bits_log2(uint64_t v);

/*@ assigns \nothing;
    ensures \result <= 64 && v <= pow2(\result);
    ensures \result > 0 ==> pow2(\result - 1) < v; */
static inline unsigned bits_order(uint64_t v);

/*@ assigns \nothing;
    ensures \result == 64 <==> v == 0;
    ensures \result < 64 ==> v % pow2(\result) == 0 && v % pow2(\result + 1) != 0; */
static inline unsigned bits_lowest(uint64_t v);

/*@ assigns \nothing; ensures \result == \min(a, b); */
static inline uint64_t min_u64(uint64_t a, uint64_t b);

/*@ assigns \nothing; ensures \result == \max(a, b); */
static inline uint64_t max_u64(uint64_t a, uint64_t b);

#include "lib/bits.h"

/* What align_down() and align_up() mean, from their contracts. */
/*@ requires unit > 0; assigns \nothing;
    ensures \result <= v && v - \result < unit && \result % unit == 0; */
uint64_t down_is_the_multiple_below(uint64_t v, uint64_t unit)
{
	return align_down(v, unit);
}

/*@ requires unit > 0; assigns \nothing;
    ensures \result % unit == 0;
    ensures v <= UINT64_MAX - (unit - 1) ==> v <= \result && \result - v < unit;
    ensures \result < v ==> v - \result < unit && \result + unit > UINT64_MAX; */
uint64_t up_is_the_multiple_above(uint64_t v, uint64_t unit)
{
	uint64_t up = align_up(v, unit);

	/*@ assert v - v % unit == (v / unit) * unit; */
	/*@ assert v - v % unit + unit == (v / unit + 1) * unit; */
	/*@ assert ((v / unit) * unit) % unit == 0 && ((v / unit + 1) * unit) % unit == 0; */
	/*@ assert up == (v / unit) * unit || up == (v / unit + 1) * unit; */
	return up;
}
