/* SPDX-License-Identifier: MIT */
/* Tests of mm/frame/zone.c: a separate zone over frame numbers without memory behind them. */
#include "mm/frame/zone.h"

#include "lib/panic.h"
#include "lib/string.h"
#include "tests/test.h"
#ifndef KEEL_TESTS
#include "arch/host/host.h"
#endif

enum {
	PAGEBLOCKS = 4, /* followed by half a pageblock */
	FRAMES = PAGEBLOCKS * PAGEBLOCK_FRAMES + PAGEBLOCK_FRAMES / 2,
	BASE = PAGEBLOCKS * PAGEBLOCK_FRAMES, /* not 0, and aligned so that all can merge */
	BLOCKS = 512,
#ifdef KEEL_TESTS
	STEPS = 4000,
#else
	STEPS = 40000,
	CPUS = 3,
#endif
};

/* Continue as this CPU, or as a random one.  No effect in the kernel. */
static void run_on(unsigned cpu)
{
#ifdef KEEL_TESTS
	(void)cpu;
#else
	host_cpu = cpu;
#endif
}

static void run_anywhere(void)
{
#ifndef KEEL_TESTS
	run_on((unsigned)test_random_below(CPUS));
#endif
}

struct block {
	pfn_t pfn;
	uint32_t frames; /* 1 << order, or the length of a range */
	int order;       /* -1: a range */
};

static struct chunk_table table;
static struct chunk_table *tables[1];
static struct zone z;
static uint8_t shadow[FRAMES]; /* 1: allocated */
static struct block blocks[BLOCKS];
static unsigned block_count;

static void start(void)
{
	memset(&table, 0, sizeof(table));
	memset(shadow, 0, sizeof(shadow));
	block_count = 0;
	tables[0] = &table;
	zone_init(&z, "test", tables, 0, 1);
	zone_add(&z, BASE, FRAMES);
}

static bool sound(void)
{
	const char *wrong = zone_check(&z);

	if (wrong != NULL)
		test_fail(__FILE__, __LINE__, "%s", wrong);
	return wrong == NULL;
}

static uint64_t shadow_free(void)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < FRAMES; i++)
		n += shadow[i] == 0;
	return n;
}

/* Marks the frames as allocated; false when one was already. */
static bool shadow_take(pfn_t pfn, uint32_t frames)
{
	for (uint32_t i = 0; i < frames; i++) {
		if (pfn + i < BASE || pfn + i >= BASE + FRAMES || shadow[pfn + i - BASE] != 0)
			return false;
		shadow[pfn + i - BASE] = 1;
	}
	return true;
}

static void shadow_give(pfn_t pfn, uint32_t frames)
{
	memset(&shadow[pfn - BASE], 0, frames);
}

static bool shadow_has_room(uint32_t frames, uint32_t align, pfn_t min, pfn_t max)
{
	uint32_t run = 0;

	for (pfn_t at = (pfn_t)align_up(min, align); at + frames <= max; at += align) {
		for (run = 0; run < frames; run++)
			if (at + run < BASE || at + run >= BASE + FRAMES || shadow[at + run - BASE])
				break;
		if (run == frames)
			return true;
	}
	return false;
}

static void model_alloc(void)
{
	unsigned order = (unsigned)test_random_below(test_random_below(4) == 0 ? 16 : 4);
	pfn_t pfn = zone_alloc(&z, order);

	if (pfn == PFN_NONE) {
		CHECK(!shadow_has_room(1u << order, 1u << order, BASE, BASE + FRAMES));
		return;
	}
	CHECK_EQ(pfn % (1u << order), 0);
	CHECK(shadow_take(pfn, 1u << order));
	blocks[block_count++] = (struct block){ pfn, 1u << order, (int)order };
}

static void model_alloc_range(void)
{
	uint32_t frames = 1 + (uint32_t)test_random_below(1500),
		 align = 1u << test_random_below(11);
	pfn_t min = BASE + (pfn_t)test_random_below(FRAMES), max;
	pfn_t pfn;

	max = min + (pfn_t)test_random_below(BASE + FRAMES - min + 1);
	pfn = zone_alloc_range(&z, frames, align, min, max);
	if (pfn == PFN_NONE) {
		CHECK(!shadow_has_room(frames, align, min, max));
		return;
	}
	CHECK(pfn >= min && pfn + frames <= max && pfn % align == 0);
	CHECK(shadow_take(pfn, frames));
	blocks[block_count++] = (struct block){ pfn, frames, -1 };
}

static void model_alloc_frames(void)
{
	pfn_t out[40];
	unsigned n = 1 + (unsigned)test_random_below(40), got;

	if (block_count + n > BLOCKS)
		return;
	got = zone_alloc_frames(&z, n, out);
	CHECK(got == n || shadow_free() == got);
	for (unsigned i = 0; i < got; i++) {
		CHECK(shadow_take(out[i], 1));
		blocks[block_count++] = (struct block){ out[i], 1, 0 };
	}
}

static void free_block(const struct block *b)
{
	if (b->order >= 0) {
		CHECK_EQ(zone_free(&z, b->pfn, (unsigned)b->order), OK);
	} else {
		for (uint32_t i = 0; i < b->frames; i++)
			CHECK_EQ(zone_free(&z, b->pfn + i, 0), OK);
	}
	shadow_give(b->pfn, b->frames);
}

static void model_free(void)
{
	unsigned i;

	if (block_count == 0)
		return;
	i = (unsigned)test_random_below(block_count);
	free_block(&blocks[i]);
	blocks[i] = blocks[--block_count];
}

static void model_step(void)
{
	run_anywhere();
	switch (block_count + 1 >= BLOCKS ? 9 : test_random_below(10)) {
	case 0:
	case 1:
	case 2:
	case 3: model_alloc(); break;
	case 4: model_alloc_range(); break;
	case 5: model_alloc_frames(); break;
	default: model_free(); break;
	}
}

TEST(zone_agrees_with_a_shadow_map)
{
	start();
	for (unsigned i = 0; i < STEPS; i++) {
		model_step();
		if (i % 64 == 0) {
			CHECK_EQ(zone_free_count(&z), shadow_free());
			NEED(sound());
		}
	}
	while (block_count > 0)
		free_block(&blocks[--block_count]);
	run_on(0);
	CHECK_EQ(zone_free_count(&z), FRAMES);
	CHECK_EQ(zone_whole_count(&z), PAGEBLOCKS * PAGEBLOCK_FRAMES);
	CHECK(sound());
}

TEST(zone_merges_to_the_top_whatever_the_order_of_frees)
{
	uint64_t counts[ORDERS];
	pfn_t pfns[64];

	for (unsigned round = 0; round < 8; round++) {
		unsigned n = 0;

		start();
		while (n < 64) {
			run_anywhere();
			pfns[n++] = zone_alloc(&z, 0);
		}
		while (n > 0) {
			unsigned i = (unsigned)test_random_below(n);

			run_anywhere();
			CHECK_EQ(zone_free(&z, pfns[i], 0), OK);
			pfns[i] = pfns[--n];
		}
		run_on(0);
		zone_count_blocks(&z, counts);
		CHECK_EQ(counts[PAGEBLOCK_ORDER + 2], 1);
		CHECK_EQ(counts[PAGEBLOCK_ORDER - 1], 1);
	}
}

TEST(zone_hands_out_whole_pageblocks_and_takes_them_in_parts)
{
	pfn_t pfn;

	start();
	pfn = zone_alloc(&z, PAGEBLOCK_ORDER + 1);
	NEED(pfn != PFN_NONE);
	CHECK_EQ(zone_whole_count(&z), (PAGEBLOCKS - 2) * PAGEBLOCK_FRAMES);
	for (uint32_t i = 0; i < 2 * PAGEBLOCK_FRAMES; i += CHUNK_FRAMES)
		CHECK_EQ(zone_free(&z, pfn + i, CHUNK_ORDER), OK);
	CHECK_EQ(zone_whole_count(&z), PAGEBLOCKS * PAGEBLOCK_FRAMES);
	CHECK(sound());
}

TEST(zone_hands_out_every_frame_once_and_no_more)
{
	start();
	for (unsigned i = 0; i < FRAMES; i++) {
		pfn_t pfn = zone_alloc(&z, 0);

		NEED(pfn != PFN_NONE && shadow_take(pfn, 1));
	}
	CHECK_EQ(zone_alloc(&z, 0), PFN_NONE);
	CHECK_EQ(zone_free_count(&z), 0);
	CHECK(sound());
	for (unsigned i = 0; i < FRAMES; i++)
		CHECK_EQ(zone_free(&z, BASE + i, 0), OK);
	CHECK(sound());
}

TEST(zone_refuses_what_it_did_not_hand_out)
{
	pfn_t pfn, big;
	unsigned done;

	start();
	pfn = zone_alloc(&z, 3);
	big = zone_alloc(&z, 10);
	CHECK_EQ(zone_free(&z, pfn, 3), OK);
	CHECK_EQ(zone_free(&z, pfn, 3), ERR_NOT_OWNED);
	CHECK_EQ(zone_free(&z, pfn + 1, 0), ERR_NOT_OWNED);
	CHECK_EQ(zone_free(&z, big + 1, 10), ERR_NOT_OWNED);
	CHECK_EQ(zone_free(&z, big, 11), ERR_NOT_OWNED);
	CHECK_EQ(zone_free(&z, big, 10), OK);
	CHECK_EQ(zone_free(&z, big, 10), ERR_NOT_OWNED);
	CHECK_EQ(zone_free(&z, big + CHUNK_FRAMES, 9), ERR_NOT_OWNED);
	CHECK_EQ(zone_free(&z, 0, ORDERS), ERR_NOT_OWNED);
	CHECK_EQ(zone_free_frames(&z, &pfn, 1, &done), ERR_NOT_OWNED);
	CHECK_EQ(done, 0);
	CHECK_EQ(zone_free_count(&z), FRAMES);
	CHECK(sound());
}

TEST(zone_gives_the_parts_of_a_block_back_one_by_one)
{
	pfn_t pfn;

	start();
	pfn = zone_alloc(&z, 11);
	for (unsigned i = 0; i < 1u << 11; i++)
		CHECK_EQ(zone_free(&z, pfn + i, 0), OK);
	CHECK_EQ(zone_free_count(&z), FRAMES);
	CHECK(sound());
}

TEST(zone_fills_holes_before_it_breaks_large_blocks)
{
	uint64_t before[ORDERS], after[ORDERS];
	static pfn_t held[CHUNK_FRAMES];

	start();
	for (unsigned i = 0; i < CHUNK_FRAMES; i++)
		held[i] = zone_alloc(&z, 0);
	for (unsigned i = 0; i < CHUNK_FRAMES; i += 2)
		CHECK_EQ(zone_free(&z, held[i], 0), OK);
	zone_count_blocks(&z, before);
	for (unsigned i = 0; i < CHUNK_FRAMES / 2; i++)
		CHECK(zone_alloc(&z, 0) != PFN_NONE);
	zone_count_blocks(&z, after);
	for (unsigned k = CHUNK_ORDER; k < ORDERS; k++)
		CHECK_EQ(after[k], before[k]);
}

#ifndef KEEL_TESTS
static pfn_t held[FRAMES];

TEST(zone_cpus_allocate_from_pageblocks_of_their_own)
{
	start();
	while (zone_whole_count(&z) == PAGEBLOCKS * PAGEBLOCK_FRAMES)
		held[0] = zone_alloc(&z, 0);
	for (unsigned cpu = 1; cpu < CPUS; cpu++) {
		run_on(cpu);
		held[cpu] = zone_alloc(&z, 0);
		for (unsigned other = 0; other < cpu; other++)
			CHECK(held[cpu] / PAGEBLOCK_FRAMES != held[other] / PAGEBLOCK_FRAMES);
	}
	run_on(0);
	CHECK(sound());
}

TEST(zone_borrows_holes_before_it_breaks_a_pageblock)
{
	unsigned n = FRAMES - PAGEBLOCK_FRAMES;

	start();
	CHECK_EQ(zone_alloc_frames(&z, n, held), n);
	for (unsigned i = 0; i < n; i++)
		if (i % 4 != 0)
			CHECK_EQ(zone_free(&z, held[i], 0), OK);
	CHECK_EQ(zone_whole_count(&z), PAGEBLOCK_FRAMES);
	run_on(1);
	CHECK(zone_alloc(&z, 0) != PFN_NONE);
	CHECK_EQ(zone_alloc_frames(&z, 100, held), 100);
	run_on(0);
	CHECK_EQ(zone_whole_count(&z), PAGEBLOCK_FRAMES);
	CHECK(sound());
}

TEST(zone_gives_the_last_frame_to_any_cpu)
{
	start();
	for (unsigned cpu = 0; cpu + 1 < CPUS; cpu++) {
		run_on(cpu);
		CHECK(zone_alloc(&z, 3) != PFN_NONE);
	}
	run_on(CPUS - 1);
	CHECK_EQ(zone_alloc_frames(&z, FRAMES, held), FRAMES - (CPUS - 1) * 8);
	CHECK_EQ(zone_alloc(&z, 0), PFN_NONE);
	run_on(0);
	CHECK_EQ(zone_free_count(&z), 0);
	CHECK(sound());
}
#endif

static void add_twice(void *arg)
{
	(void)arg;
	zone_add(&z, BASE, 1);
}

TEST(zone_that_is_given_a_frame_twice_panics)
{
	start();
	CHECK(test_panics(add_twice, NULL, "given frame"));
}
