/* SPDX-License-Identifier: MIT */
/* Tests of mm/frame/chunk.c: the oracle is an array of 512 bools, searched by simple loops. */
#include "mm/frame/chunk.h"

#include "lib/string.h"
#include "tests/test.h"

enum {
#ifdef KEEL_TESTS
	ROUNDS = 500,
#else
	ROUNDS = 10000,
#endif
	STEPS = 64, /* of one random sequence */
};

static struct chunk_bits bits;
static bool frame_free[CHUNK_FRAMES];

/* ---- the oracle ---- */

static bool slow_is_free(unsigned index, unsigned order)
{
	for (unsigned i = index; i < index + (1u << order); i++)
		if (!frame_free[i])
			return false;
	return true;
}

static bool slow_is_used(unsigned index, unsigned order)
{
	for (unsigned i = index; i < index + (1u << order); i++)
		if (frame_free[i])
			return false;
	return true;
}

static unsigned slow_free_in(unsigned index, unsigned order)
{
	unsigned n = 0;

	for (unsigned i = index; i < index + (1u << order); i++)
		n += frame_free[i];
	return n;
}

static int slow_largest(void)
{
	for (int order = CHUNK_ORDER; order >= 0; order--)
		for (unsigned i = 0; i < CHUNK_FRAMES; i += 1u << order)
			if (slow_is_free(i, (unsigned)order))
				return order;
	return CHUNK_NO_BLOCK;
}

/* Order of the largest free block that contains the frame. */
static unsigned slow_order_at(unsigned index)
{
	unsigned order = 0;

	while (order < CHUNK_ORDER && slow_is_free(index & ~((2u << order) - 1), order + 1))
		order++;
	return order;
}

/* Order of the smallest free block that has room for 2^order, or CHUNK_NO_BLOCK. */
static int slow_min_room(unsigned order)
{
	int min = CHUNK_NO_BLOCK;

	for (unsigned i = 0; i < CHUNK_FRAMES;) {
		unsigned o = frame_free[i] ? slow_order_at(i) : 0;

		if (frame_free[i] && o >= order && (min == CHUNK_NO_BLOCK || (int)o < min))
			min = (int)o;
		i += 1u << o;
	}
	return min;
}

static unsigned slow_count(void)
{
	return slow_free_in(0, CHUNK_ORDER);
}

static bool bits_agree(void)
{
	for (unsigned i = 0; i < CHUNK_FRAMES; i++)
		if ((bits.word[i / 64] >> i % 64 & 1) != frame_free[i])
			return false;
	return true;
}

static void slow_free(unsigned index, unsigned order)
{
	for (unsigned i = index; i < index + (1u << order); i++)
		frame_free[i] = true;
}

static void slow_use(unsigned index, unsigned order)
{
	for (unsigned i = index; i < index + (1u << order); i++)
		frame_free[i] = false;
}

/* ---- maps ---- */

static void set(unsigned index, unsigned order)
{
	chunk_set_free(&bits, index, order);
	slow_free(index, order);
}

static void clear(unsigned index, unsigned order)
{
	chunk_set_used(&bits, index, order);
	slow_use(index, order);
}

static void clear_all(void)
{
	memset(&bits, 0, sizeof(bits));
	memset(frame_free, 0, sizeof(frame_free));
}

static unsigned random_order(void)
{
	return (unsigned)test_random_below(CHUNK_ORDER + 1);
}

static unsigned random_index(unsigned order)
{
	return (unsigned)test_random_below(CHUNK_FRAMES >> order) << order;
}

/* Random blocks free and used, up to a random maximum order. */
static void make_random_chunk(void)
{
	unsigned max = random_order();

	clear_all();
	if (test_random_below(2) == 0)
		set(0, CHUNK_ORDER);
	for (uint64_t n = test_random_below(STEPS); n > 0; n--) {
		unsigned order = (unsigned)test_random_below(max + 1);
		unsigned index = random_index(order);

		if (test_random_below(2) == 0)
			set(index, order);
		else
			clear(index, order);
	}
}

/* ---- each function against the oracle ---- */

static void check_find(unsigned order)
{
	int at = chunk_find(&bits, order), min = slow_min_room(order);

	NEED((at == CHUNK_NO_INDEX) == (min == CHUNK_NO_BLOCK));
	if (at == CHUNK_NO_INDEX)
		return;
	NEED(at >= 0 && at < CHUNK_FRAMES);
	NEED(((unsigned)at & ((1u << order) - 1)) == 0);
	NEED(slow_is_free((unsigned)at, order));
	NEED(slow_order_at((unsigned)at) == (unsigned)min);
}

static void check_chunk(void)
{
	NEED(bits_agree());
	NEED(chunk_count_free(&bits) == slow_count());
	NEED(chunk_largest(&bits) == slow_largest());
	for (unsigned order = 0; order <= CHUNK_ORDER; order++) {
		unsigned index = random_index(order);

		check_find(order);
		NEED(chunk_block_is_free(&bits, index, order) == slow_is_free(index, order));
		NEED(chunk_block_is_used(&bits, index, order) == slow_is_used(index, order));
		if (slow_is_free(index, order))
			NEED(chunk_merged_order(&bits, index, order) == slow_order_at(index));
	}
	NEED(bits_agree()); /* lookups change nothing */
}

TEST(chunk_random_maps_agree_with_bools)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		make_random_chunk();
		check_chunk();
	}
}

TEST(chunk_every_single_block_is_found)
{
	for (unsigned order = 0; order <= CHUNK_ORDER; order++)
		for (unsigned i = 0; i < CHUNK_FRAMES; i += 1u << order) {
			clear_all();
			set(i, order);
			NEED(bits_agree());
			NEED(chunk_largest(&bits) == (int)order);
			NEED(chunk_find(&bits, order) == (int)i);
			NEED(chunk_find(&bits, 0) == (int)i);
			NEED(order == CHUNK_ORDER ||
			     chunk_find(&bits, order + 1) == CHUNK_NO_INDEX);
			NEED(chunk_merged_order(&bits, i, 0) == order);
			NEED(chunk_merged_order(&bits, i + (1u << order) - 1, 0) == order);
			NEED(chunk_count_free(&bits) == 1u << order);
		}
}

TEST(chunk_every_single_used_block_is_avoided)
{
	for (unsigned order = 0; order < CHUNK_ORDER; order++)
		for (unsigned i = 0; i < CHUNK_FRAMES; i += 1u << order) {
			clear_all();
			set(0, CHUNK_ORDER);
			clear(i, order);
			NEED(bits_agree());
			NEED(chunk_largest(&bits) == CHUNK_ORDER - 1);
			NEED(chunk_block_is_used(&bits, i, order));
			for (unsigned o = 0; o < CHUNK_ORDER; o++)
				check_find(o);
			NEED(chunk_find(&bits, order) == (int)(i ^ 1u << order)); /* the buddy */
		}
}

/* A run of 2^k free frames that does not begin at a multiple of 2^k is not a block. */
TEST(chunk_runs_out_of_place_are_no_blocks)
{
	for (unsigned order = 1; order < CHUNK_ORDER; order++) {
		unsigned half = 1u << (order - 1);

		for (unsigned i = half; i + 2 * half <= CHUNK_FRAMES; i += 2 * half) {
			clear_all();
			set(i, order - 1);
			set(i + half, order - 1);
			NEED(chunk_largest(&bits) == (int)order - 1);
			NEED(chunk_find(&bits, order) == CHUNK_NO_INDEX);
			NEED(chunk_merged_order(&bits, i, order - 1) == order - 1);
		}
	}
}

TEST(chunk_empty_and_full)
{
	clear_all();
	CHECK_EQ(chunk_largest(&bits), CHUNK_NO_BLOCK);
	CHECK_EQ(chunk_count_free(&bits), 0);
	for (unsigned order = 0; order <= CHUNK_ORDER; order++)
		CHECK_EQ(chunk_find(&bits, order), CHUNK_NO_INDEX);
	set(0, CHUNK_ORDER);
	CHECK_EQ(chunk_largest(&bits), CHUNK_ORDER);
	CHECK_EQ(chunk_count_free(&bits), CHUNK_FRAMES);
	for (unsigned order = 0; order <= CHUNK_ORDER; order++)
		CHECK_EQ(chunk_find(&bits, order), 0);
	CHECK_EQ(chunk_merged_order(&bits, 511, 0), CHUNK_ORDER);
}

/* Allocates and frees blocks as an allocator does: none is allocated twice and all are free at the
 * end. */
TEST(chunk_allocation_takes_from_the_smallest_block_that_fits)
{
	static struct {
		unsigned index, order;
	} taken[CHUNK_FRAMES];

	for (unsigned round = 0; round < ROUNDS / 50; round++) {
		unsigned count = 0;

		clear_all();
		set(0, CHUNK_ORDER);
		for (unsigned step = 0; step < 4 * STEPS; step++) {
			unsigned order = (unsigned)test_random_below(5);
			int at;

			if (count > 0 && test_random_below(5) < 2) {
				unsigned k = (unsigned)test_random_below(count);

				set(taken[k].index, taken[k].order);
				taken[k] = taken[--count];
				continue;
			}
			check_find(order);
			at = chunk_find(&bits, order);
			if (at == CHUNK_NO_INDEX)
				continue;
			NEED(slow_is_free((unsigned)at, order));
			clear((unsigned)at, order);
			taken[count].index = (unsigned)at;
			taken[count++].order = order;
		}
		NEED(bits_agree());
		while (count-- > 0)
			set(taken[count].index, taken[count].order);
		NEED(chunk_largest(&bits) == CHUNK_ORDER);
	}
}

/* ---- single frames ---- */

static unsigned free_in_word(unsigned word)
{
	return slow_free_in(word * CHUNK_WORD_BITS, CHUNK_WORD_ORDER);
}

/* Whether no other word with free frames has fewer than `word`: those are used up first. */
static bool is_fullest(unsigned word)
{
	for (unsigned w = 0; w < CHUNK_WORDS; w++)
		if (free_in_word(w) != 0 && free_in_word(w) < free_in_word(word))
			return false;
	return true;
}

static void check_take(unsigned n)
{
	static pfn_t out[CHUNK_FRAMES + 8];
	pfn_t base = (pfn_t)test_random_below(1u << 20) * CHUNK_FRAMES;
	unsigned free = slow_count(), want = n < free ? n : free;
	unsigned word = CHUNK_WORDS;

	memset(out, 0xff, sizeof(out));
	NEED(chunk_take_frames(&bits, n, base, out) == want);
	NEED(out[want] == UINT32_MAX);
	for (unsigned i = 0; i < want; i++) {
		out[i] -= base;
		NEED(out[i] < CHUNK_FRAMES && frame_free[out[i]]);
		/* a word is used up before the next one */
		if (out[i] / CHUNK_WORD_BITS != word) {
			NEED(word == CHUNK_WORDS || free_in_word(word) == 0);
			word = out[i] / CHUNK_WORD_BITS;
			NEED(is_fullest(word));
		}
		slow_use(out[i], 0);
	}
	NEED(bits_agree());
}

TEST(chunk_frames_are_taken_from_the_fullest_words)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		make_random_chunk();
		check_take((unsigned)test_random_below(CHUNK_FRAMES + 4));
	}
	clear_all();
	check_take(1);
	set(0, CHUNK_ORDER);
	check_take(0);
	check_take(CHUNK_FRAMES);
}

/* ---- words ---- */

TEST(chunk_word_functions_agree_with_loops)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t w = test_random() | test_random() | test_random();
		uint64_t blocks = w;

		for (unsigned order = 0; order < CHUNK_WORD_ORDER; order++) {
			unsigned run = 1u << order;
			uint64_t want = 0;

			for (unsigned i = 0; i < CHUNK_WORD_BITS; i += run) {
				bool all = true;

				for (unsigned k = i; k < i + run; k++)
					all = all && (w >> k & 1) != 0;
				want |= (uint64_t)all << i;
			}
			NEED(chunk_word_blocks(w, order) == want);
			if (order > 0)
				blocks = chunk_word_join(blocks, order - 1);
			NEED(blocks == want);
		}
	}
	for (unsigned order = 0; order < CHUNK_WORD_ORDER; order++)
		for (unsigned i = 0; i < CHUNK_WORD_BITS; i += 1u << order) {
			uint64_t want = 0;

			for (unsigned k = i; k < i + (1u << order); k++)
				want |= UINT64_C(1) << k;
			NEED(chunk_word_mask(i, order) == want);
		}
}
