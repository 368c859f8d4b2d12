/* SPDX-License-Identifier: MIT */
/*
 * frame_cache.c - mm/frame/frame_cache.c over mm/frame/zone.c: no frame is allocated twice, none is
 * lost, the last one is found.
 */
#include "mm/frame/frame_cache.h"
#include "lib/bits.h"
#include "tests/explore/explore.h"

enum {
	MACHINE_KIB = 8192,
	HELD_MAX = 4096,
	A_FEW = 2,
	BLOCK_ORDER = 1,
};

static pfn_t held[HELD_MAX];
static unsigned holds; /* by the setup */
EXPLORE_MODEL static unsigned taken;

/* The setup allocates all available frames but `left`. */
static void hold_all_but(unsigned left)
{
	holds = (unsigned)frame_available() - left;
	if (holds > HELD_MAX || !frame_take_bulk(holds, held))
		explore_fail("the setup cannot allocate %u frames", holds);
}

/* Moves n frames of the setup to the CPU's cache, as if that CPU had freed them. */
static void move_to_cache(unsigned cpu, unsigned n)
{
	struct frame_cache *c = &frame_caches.cpu[cpu];

	for (unsigned i = 0; i < n; i++)
		c->hot[hot_count(c) + i] = held[--holds];
	hot_set_count(c, hot_count(c) + n);
}

static void give_back_and_check(void)
{
	frame_give_bulk(held, holds);
	explore_machine_check();
}

static void setup(unsigned cpus)
{
	explore_machine(MACHINE_KIB, cpus);
	explore_machine_mark();
}

/* ---- plenty of memory ---- */

static void setup_plenty(void)
{
	setup(2);
	hold_all_but(1000);
	move_to_cache(0, 1);
}

static void take_and_give(void *arg)
{
	pfn_t pfn[A_FEW];

	(void)arg;
	for (unsigned i = 0; i < A_FEW; i++) {
		pfn[i] = frame_take();
		EXPLORE_CHECK(pfn[i] != PFN_NONE);
		explore_frame_allocated(pfn[i], 0);
	}
	for (unsigned i = 0; i < A_FEW; i++) {
		explore_frame_freed(pfn[i], 0);
		frame_give(pfn[i]);
	}
}

static void drain(void *arg)
{
	(void)arg;
	frame_cache_drain();
}

EXPLORE(frames_interrupts_take_and_give, .setup = setup_plenty, .check = give_back_and_check,
	.task = { { "a", take_and_give, NULL, 0 },
		  { "handler", take_and_give, NULL, 0, EXPLORE_INTERRUPT } });
EXPLORE(frames_two_cpus_take_and_give, .setup = setup_plenty, .check = give_back_and_check,
	.task = { { "a", take_and_give, NULL, 0 },
		  { "b", take_and_give, NULL, 1 },
		  { "handler", take_and_give, NULL, 0, EXPLORE_INTERRUPT } });
EXPLORE(frames_are_drained_meanwhile, .setup = setup_plenty, .check = give_back_and_check,
	.task = { { "a", take_and_give, NULL, 0 }, { "drain", drain, NULL, 1 } });
EXPLORE(frames_are_drained_from_both_sides, .setup = setup_plenty, .check = give_back_and_check,
	.task = { { "a", drain, NULL, 0 }, { "b", drain, NULL, 1 } });

/* ---- blocks ---- */

static void take_and_give_block(void *arg)
{
	pfn_t pfn = frame_take_block(BLOCK_ORDER);

	(void)arg;
	EXPLORE_CHECK(pfn != PFN_NONE);
	explore_frame_allocated(pfn, BLOCK_ORDER);
	explore_frame_freed(pfn, BLOCK_ORDER);
	frame_give_block(pfn, BLOCK_ORDER);
}

static void setup_blocks(void)
{
	setup(2);
	frame_caches.depot_max[BLOCK_ORDER] = 1; /* 0 by default: memory is too small for depots */
	take_and_give_block(NULL);
}

EXPLORE(frames_blocks_and_a_drain, .setup = setup_blocks, .check = explore_machine_check,
	.task = { { "a", take_and_give_block, NULL, 0 },
		  { "drain", drain, NULL, 1 },
		  { "handler", take_and_give_block, NULL, 0, EXPLORE_INTERRUPT } });

/* ---- the watermark ---- */

static void setup_low(void)
{
	setup(2);
	hold_all_but((unsigned)frame_caches.watermark + HOT_BATCH + HOT_BATCH / 2);
}

EXPLORE(frames_pass_the_watermark, .setup = setup_low, .check = give_back_and_check,
	.task = { { "a", take_and_give, NULL, 0 }, { "b", take_and_give, NULL, 1 } });

/* ---- the last frame: allocation with interrupts on finds it in any CPU's cache ---- */

/* The watermark was passed before: the drain that it requests would bring the frame by itself. */
static void setup_last(void)
{
	setup(2);
	hold_all_but(0);
	move_to_cache(1, 1);
	frame_caches.pressure = true;
}

static void take_one(void *arg)
{
	pfn_t pfn = frame_take();

	(void)arg;
	if (pfn == PFN_NONE)
		return;
	explore_frame_allocated(pfn, 0);
	taken++;
}

static void idle(void *arg)
{
	(void)arg;
}

static void last_check(void)
{
	EXPLORE_CHECK(taken == 1);
}

EXPLORE(frames_the_last_one_is_allocated, .setup = setup_last, .check = last_check,
	.task = { { "a", take_one, NULL, 0 }, { "b", idle, NULL, 1 } });
EXPLORE(frames_the_last_one_is_allocated_once, .setup = setup_last, .check = last_check,
	.task = { { "a", take_one, NULL, 0 }, { "b", take_one, NULL, 1 } });
