/* SPDX-License-Identifier: MIT */
/* Tests of lib/bits.h: every small argument and every boundary, against loops that count. */
#include "lib/bits.h"

#include "tests/test.h"

enum {
	WORD_BITS = 64,
	SMALL = 1 << 16,
#ifdef KEEL_TESTS
	ROUNDS = 2000,
#else
	ROUNDS = 100000,
#endif
};

static unsigned slow_log2(uint64_t v)
{
	unsigned n = 0;

	while ((v >>= 1) != 0)
		n++;
	return n;
}

static unsigned slow_lowest(uint64_t v)
{
	unsigned n = 0;

	while (n < WORD_BITS && (v >> n & 1) == 0)
		n++;
	return n;
}

static unsigned slow_count(uint64_t v)
{
	unsigned n = 0;

	for (unsigned i = 0; i < WORD_BITS; i++)
		n += (v >> i & 1) != 0;
	return n;
}

static unsigned slow_order(uint64_t v)
{
	unsigned k = 0;

	while (k < WORD_BITS && UINT64_C(1) << k < v)
		k++;
	return k;
}

static bool agree(uint64_t v)
{
	return bits_log2(v) == slow_log2(v) && bits_lowest(v) == slow_lowest(v) &&
	       bits_count(v) == slow_count(v) && bits_order(v) == slow_order(v) &&
	       bits_is_pow2(v) == (slow_count(v) == 1);
}

/* volatile: the compiler must not fold the result. */
TEST(audit_mom_03_log2_of_zero_is_defined)
{
	volatile uint64_t zero = 0;

	CHECK_EQ(bits_log2(zero), 0);
	CHECK_EQ(bits_order(zero), 0);
	CHECK_EQ(bits_lowest(zero), WORD_BITS);
	CHECK_EQ(bits_count(zero), 0);
	CHECK(!bits_is_pow2(zero));
}

TEST(bits_small_arguments_agree_with_counting)
{
	for (uint64_t v = 0; v < SMALL; v++)
		NEED(agree(v));
}

TEST(bits_arguments_around_powers_agree_with_counting)
{
	for (unsigned k = 0; k < WORD_BITS; k++)
		for (unsigned j = 0; j < WORD_BITS; j++) {
			uint64_t v = UINT64_C(1) << k, w = UINT64_C(1) << j;

			NEED(agree(v) && agree(v - 1) && agree(v + 1) && agree(~v));
			NEED(agree(v | w) && agree(v - w) && agree(~(v | w)));
		}
	CHECK(agree(UINT64_MAX));
	CHECK_EQ(bits_order(UINT64_MAX), WORD_BITS);
	CHECK_EQ(bits_order((UINT64_C(1) << 63) + 1), WORD_BITS);
	CHECK_EQ(bits_order(UINT64_C(1) << 63), WORD_BITS - 1);
}

TEST(bits_random_arguments_agree_with_counting)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		NEED(agree(test_random()));
		NEED(agree(test_random() & test_random() & test_random()));
		NEED(agree(test_random() >> test_random_below(WORD_BITS)));
	}
}

TEST(bits_alignment_of_small_numbers)
{
	for (uint64_t unit = 1; unit <= 64; unit++)
		for (uint64_t v = 0; v < 300; v++) {
			uint64_t down = 0, up;

			while (down + unit <= v)
				down += unit;
			up = down == v ? v : down + unit;
			NEED(align_down(v, unit) == down);
			NEED(align_up(v, unit) == up);
		}
}

TEST(bits_alignment_at_the_end_of_the_numbers)
{
	static const uint64_t units[] = {
		1, 2, 3, 4096, 10007, MIB(2), UINT64_C(1) << 63, UINT64_MAX - 1, UINT64_MAX
	};

	for (unsigned i = 0; i < ARRAY_SIZE(units); i++) {
		uint64_t unit = units[i], greatest = UINT64_MAX / unit * unit;

		CHECK_EQ(align_down(UINT64_MAX, unit), greatest);
		CHECK_EQ(align_up(UINT64_MAX, unit), greatest); /* no greater multiple fits */
		CHECK_EQ(align_up(greatest, unit), greatest);
		CHECK_EQ(align_up(greatest - unit + 1, unit), greatest);
		CHECK_EQ(align_down(0, unit), 0);
		CHECK_EQ(align_up(0, unit), 0);
		CHECK_EQ(align_up(1, unit), unit);
	}
}

TEST(bits_min_and_max)
{
	CHECK_EQ(min_u64(0, UINT64_MAX), 0);
	CHECK_EQ(min_u64(UINT64_MAX, 0), 0);
	CHECK_EQ(max_u64(0, UINT64_MAX), UINT64_MAX);
	CHECK_EQ(max_u64(UINT64_MAX, 0), UINT64_MAX);
	CHECK_EQ(min_u64(7, 7), 7);
	CHECK_EQ(max_u64(7, 7), 7);
}
