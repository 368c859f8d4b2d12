/* SPDX-License-Identifier: MIT */
/* Tests of mm/frame/frame.c: handles, counts and misuse.  On the host with a simulated machine, in
 * the kernel with the running one. */
#include "mm/frame/frame_page.h"

#include "lib/panic.h"
#include "lib/string.h"
#include "mm/frame/boot_alloc.h"
#include "tests/machine.h"
#include "tests/test.h"

static void begin(void)
{
#ifndef KEEL_TESTS
	machine_start_simple(256, 64, 2);
#endif
}

TEST(frame_is_handed_out_with_count_one_and_comes_back)
{
	struct ledger before;
	struct frame *f;

	begin();
	before = machine_ledger();
	f = frame_alloc(FRAME_TEST);
	NEED(f != NULL);
	CHECK_EQ(frame_count(f), 1);
	CHECK_EQ(frame_kind_of(f), FRAME_TEST);
	CHECK_EQ(frame_order(f), 0);
	CHECK_EQ(frame_get(f), f);
	CHECK_EQ(frame_count(f), 2);
	frame_put(f);
	CHECK_EQ(frame_count(f), 1);
	frame_put(f);
	CHECK_EQ(meta_state(frame_slot(f)).count, SLOT_NONE);
	CHECK_LEDGER(&before);
}

static unsigned drops;
static pfn_t dropped;

static void record_drop(struct meta_slot *slot, pfn_t pfn)
{
	drops++;
	dropped = pfn;
	CHECK_EQ(meta_state(slot).count, SLOT_DYING);
}

TEST(audit_noe_01_last_put_runs_on_drop_once_and_frees_the_block)
{
	struct ledger before;
	struct frame *f;

	begin();
	before = machine_ledger();
	frame_set_on_drop(FRAME_TEST, record_drop);
	drops = 0;
	f = frame_alloc_block(FRAME_TEST, 3);
	NEED(f != NULL);
	CHECK_EQ(frame_get(f), f);
	frame_put(f);
	CHECK_EQ(drops, 0);
	frame_put(f);
	CHECK_EQ(drops, 1);
	CHECK_EQ(dropped, frame_pfn(f));
	frame_set_on_drop(FRAME_TEST, NULL);
	CHECK_LEDGER(&before);
}

TEST(frame_blocks_of_every_order_are_aligned_and_come_back)
{
	struct ledger before;

	begin();
	before = machine_ledger();
	for (unsigned k = 0; k <= 12; k++) {
		struct frame *f = frame_alloc_block(FRAME_TEST, k);

		NEED(f != NULL);
		CHECK_EQ(frame_pfn(f) % (1u << k), 0);
		CHECK_EQ(frame_order(f), k);
		frame_put(f);
	}
	CHECK_LEDGER(&before);
}

TEST(frame_split_pays_per_frame_and_loses_none)
{
	struct ledger before;
	struct frame *f;
	pfn_t first;

	begin();
	before = machine_ledger();
	f = frame_alloc_block(FRAME_TEST, 10);
	NEED(f != NULL);
	first = frame_pfn(f);
	CHECK_EQ(frame_split(f), 1024);
	for (unsigned i = 0; i < 1024; i++) {
		f = frame_of_slot(meta_slot_of(first + i));
		CHECK_EQ(frame_count(f), 1);
		frame_put(f);
	}
	CHECK_LEDGER(&before);
}

static struct frame *nth_frame(const struct frame *first, unsigned n)
{
	return frame_of_slot(meta_slot_of(frame_pfn(first) + n));
}

static bool are_single(const struct frame *first, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (frame_count(nth_frame(first, i)) != 1 || frame_order(nth_frame(first, i)) != 0)
			return false;
	return true;
}

TEST(frame_join_takes_back_a_split)
{
	struct ledger before;
	struct frame *f;

	begin();
	before = machine_ledger();
	f = frame_alloc_block(FRAME_TEST, 9);
	NEED(f != NULL);
	CHECK_EQ(frame_join(f, 3), ERR_IN_USE); /* a block is not a single frame */
	CHECK_EQ(frame_order(f), 9);
	CHECK_EQ(frame_split(f), 512);
	CHECK_EQ(frame_join(f, 9), OK);
	CHECK_EQ(frame_count(f), 1);
	CHECK_EQ(frame_order(f), 9);
	for (unsigned i = 1; i < 512; i++)
		CHECK_EQ(frame_count(nth_frame(f, i)), SLOT_NONE);
	frame_put(f); /* all of it */
	CHECK_LEDGER(&before);
}

TEST(frame_join_is_refused_for_others_and_changes_nothing)
{
	static const unsigned at[] = { 0, 1, 300, 511 };
	struct ledger before;
	struct frame *f;

	begin();
	before = machine_ledger();
	f = frame_alloc_block(FRAME_TEST, 9);
	NEED(f != NULL);
	CHECK_EQ(frame_split(f), 512);
	for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
		struct frame *other = frame_get(nth_frame(f, at[i]));

		CHECK_EQ(frame_join(f, 9), ERR_IN_USE);
		CHECK_EQ(frame_count(other), 2);
		frame_put(other);
		CHECK(are_single(f, 512));
		if (i == 0)
			continue; /* the first frame's kind is the one all others must have */
		meta_set(frame_slot(other), (struct slot_state){ 1, FRAME_PAGE_TABLE, 0, 0 });
		CHECK_EQ(frame_join(f, 9), ERR_IN_USE);
		meta_set(frame_slot(other), (struct slot_state){ 1, FRAME_TEST, 0, 0 });
		CHECK(are_single(f, 512));
	}
	frame_page_put(f, 512, 0);
	CHECK_LEDGER(&before);
}

TEST(frame_bulk_is_all_or_nothing)
{
	static struct frame *frames[4096];
	struct ledger before;

	begin();
	before = machine_ledger();
	CHECK_EQ(frame_alloc_bulk(FRAME_TEST, 4096, frames), OK);
	for (unsigned i = 0; i < 4096; i++)
		CHECK_EQ(frame_count(frames[i]), 1);
	frame_put_bulk(frames, 4096);
	CHECK_LEDGER(&before);
}

TEST(audit_alo_02_discontiguous_frames_are_allocated_when_no_run_is_free)
{
	static struct frame *frames[8192];
	struct frame_list list;
	struct ledger before;
	unsigned n = 0;

#ifdef KEEL_TESTS
	test_skip("needs all of memory; runs on the host");
	return;
#else
	static struct region r = { MIB(1), MIB(25), REGION_USABLE };

	NEED(machine_start(&r, 1, 1, 1) == OK);
#endif
	before = machine_ledger();
	while (n < 8192 && (frames[n] = frame_alloc(FRAME_TEST)) != NULL)
		n++;
	for (unsigned i = 0; i < n; i++)
		if (frame_pfn(frames[i]) % 2 == 0) {
			frame_put(frames[i]);
			frames[i] = NULL;
		}
	frame_cache_drain();
	CHECK(frame_alloc_block(FRAME_TEST, 1) == NULL);
	CHECK_EQ(frame_list_alloc(FRAME_TEST, 2000, &list), OK);
	CHECK_EQ(list.frames, 2000);
	frame_list_put(&list);
	CHECK_EQ(frame_list_alloc(FRAME_TEST, 1u << 20, &list), ERR_NO_MEMORY);
	CHECK_EQ(list.frames, 0);
	for (unsigned i = 0; i < n; i++)
		if (frames[i] != NULL)
			frame_put(frames[i]);
	CHECK_LEDGER(&before);
}

TEST(frame_list_links_through_the_slots)
{
	struct frame_list list;
	struct ledger before;
	unsigned n = 0;

	begin();
	before = machine_ledger();
	CHECK_EQ(frame_list_alloc(FRAME_TEST, 100, &list), OK);
	for (struct frame *f = frame_list_first(&list); f != NULL; f = frame_list_next(f))
		n++;
	CHECK_EQ(n, 100);
	frame_list_put(&list);
	CHECK_LEDGER(&before);
}

TEST(frame_segment_honours_limit_and_alignment)
{
	struct segment s, part;
	struct ledger before;

	begin();
	before = machine_ledger();
	CHECK_EQ(segment_alloc(FRAME_TEST, 777, KIB(64), GIB(4), &s), OK);
	CHECK_EQ(s.first % 16, 0);
	CHECK(((uint64_t)s.first + s.frames) * PAGE_SIZE <= GIB(4));
	CHECK_EQ(segment_slice(&s, 100, 50, &part), OK);
	CHECK_EQ(frame_count(frame_of_slot(meta_slot_of(part.first))), 2);
	segment_put(&s);
	CHECK_EQ(frame_count(frame_of_slot(meta_slot_of(part.first))), 1);
	segment_put(&part);
	CHECK_EQ(segment_slice(&s, 700, 100, &part), ERR_BAD_RANGE);
	CHECK_EQ(segment_slice(&s, 0, 0, &part), ERR_BAD_RANGE);
	CHECK_EQ(segment_slice(&s, UINT32_MAX, 2, &part), ERR_BAD_RANGE);
	CHECK_EQ(segment_alloc(FRAME_TEST, 0, 0, GIB(4), &s), ERR_BAD_RANGE);
	CHECK_EQ(segment_alloc(FRAME_TEST, 1, 3 * PAGE_SIZE, GIB(4), &s), ERR_BAD_RANGE);
	CHECK_EQ(segment_alloc(FRAME_TEST, UINT32_MAX, 0, UINT64_MAX, &s), ERR_BAD_RANGE);
	CHECK_EQ(segment_alloc(FRAME_TEST, 16, 0, KIB(16), &s), ERR_BAD_RANGE);
	CHECK_LEDGER(&before);
}

TEST(frame_bytes_are_read_and_written_within_the_frame_only)
{
	struct ledger before;
	struct frame *f;
	char text[8];

	begin();
	before = machine_ledger();
	f = frame_alloc_block(FRAME_TEST, 1);
	NEED(f != NULL);
	CHECK_EQ(frame_write(f, 2 * PAGE_SIZE - 8, "1234567", 8), OK);
	CHECK_EQ(frame_read(f, 2 * PAGE_SIZE - 8, text, 8), OK);
	CHECK_STR(text, "1234567");
	CHECK_EQ(frame_read(f, 2 * PAGE_SIZE - 7, text, 8), ERR_BAD_RANGE);
	CHECK_EQ(frame_write(f, UINT64_MAX, text, 1), ERR_BAD_RANGE);
	CHECK_EQ(frame_read(f, 1, text, SIZE_MAX), ERR_BAD_RANGE);
	frame_put(f);
	CHECK_LEDGER(&before);
}

/* ---- claims by address ---- */

TEST(frame_from_unused_claims_only_what_was_released)
{
	struct ledger before;
	struct segment s;
	struct frame *f;
	err_t why;

	begin();
	before = machine_ledger();
	CHECK_EQ(segment_alloc(FRAME_TEST, 1, 0, UINT64_MAX, &s), OK);
	f = frame_from_unused(pfn_to_paddr(s.first), FRAME_TEST, &why);
	CHECK(f == NULL);
	CHECK_EQ(why, ERR_IN_USE);
	CHECK(frame_from_unused(pfn_to_paddr(s.first + 1), FRAME_TEST, &why) == NULL);
	CHECK(why == ERR_NOT_OWNED || why == ERR_IN_USE);
	CHECK(frame_from_unused(paddr(TIB(15)), FRAME_TEST, &why) == NULL);
	CHECK_EQ(why, ERR_NOT_OWNED);
	CHECK(frame_from_unused(paddr(UINT64_MAX), FRAME_TEST, &why) == NULL);
	CHECK_EQ(why, ERR_NOT_OWNED);
	f = frame_from_in_use(pfn_to_paddr(s.first), &why);
	CHECK(f != NULL);
	CHECK_EQ(frame_count(f), 2);
	frame_put(f);
	segment_put(&s);
	CHECK(frame_from_in_use(pfn_to_paddr(s.first), &why) == NULL);
	CHECK_EQ(why, ERR_NOT_OWNED);
	CHECK_LEDGER(&before);
}

TEST(frame_of_unpopulated_memory_is_refused)
{
#ifdef KEEL_TESTS
	test_skip("needs a machine with a section that is dormant; runs on the host");
#else
	err_t why;

	machine_start_simple(1500, 0, 1);
	NEED(section_dormant_frames(ZONE_LOW) != 0);
	CHECK(frame_from_unused(paddr(GIB(1) + MIB(100)), FRAME_TEST, &why) == NULL);
	CHECK_EQ(why, ERR_NOT_OWNED);
	CHECK_EQ(frame_release_range((struct prange){ paddr(GIB(1) + MIB(100)), PAGE_SIZE }),
		 ERR_BAD_RANGE);
#endif
}

TEST(frame_memory_that_is_released_can_be_claimed_once)
{
#ifdef KEEL_TESTS
	test_skip("changes the map for good; runs on the host");
#else
	static struct region r[] = { { MIB(1), MIB(64), REGION_USABLE },
				     { MIB(64), MIB(65) + 100, REGION_MODULE },
				     { MIB(66), MIB(128), REGION_USABLE } };
	uint64_t available;
	struct frame *f;
	err_t why;

	NEED(machine_start(r, ARRAY_SIZE(r), 1, MIB(32) / PAGE_SIZE) == OK);
	available = frame_available();
	CHECK(frame_from_unused(paddr(MIB(64)), FRAME_TEST, &why) == NULL);
	CHECK_EQ(why, ERR_NOT_OWNED);
	CHECK_EQ(frame_release_range((struct prange){ paddr(MIB(64)), MIB(1) + 100 }), OK);
	CHECK_EQ(frame_release_range((struct prange){ paddr(MIB(64)), PAGE_SIZE }), ERR_IN_USE);
	CHECK_EQ(frame_release_range((struct prange){ paddr(MIB(2)), PAGE_SIZE }), ERR_IN_USE);
	f = frame_alloc(FRAME_TEST); /* frame_put() leaves it in a cache */
	NEED(f != NULL);
	frame_put(f);
	CHECK_EQ(frame_release_range((struct prange){ frame_paddr(f), PAGE_SIZE }), ERR_IN_USE);
	CHECK(frame_from_unused(paddr(MIB(65)), FRAME_TEST, &why) == NULL); /* not whole */
	for (uint64_t pa = MIB(64); pa < MIB(65); pa += PAGE_SIZE) {
		f = frame_from_unused(paddr(pa), FRAME_TEST, &why);
		NEED(f != NULL);
		CHECK(frame_from_unused(paddr(pa), FRAME_TEST, &why) == NULL);
		CHECK_EQ(why, ERR_IN_USE);
		frame_put(f);
	}
	CHECK_EQ(frame_available(), available + MIB(1) / PAGE_SIZE);
	CHECK_EQ(frame_release_range((struct prange){ paddr(UINT64_MAX), 2 }), ERR_BAD_RANGE);
#endif
}

TEST(frame_raw_keeps_the_count)
{
	struct ledger before;
	struct frame *f;
	paddr_t raw;

	begin();
	before = machine_ledger();
	f = frame_alloc(FRAME_TEST);
	NEED(f != NULL);
	raw = frame_into_raw(f);
	CHECK_EQ(frame_count(f), 1);
	f = frame_from_raw(raw);
	CHECK_EQ(frame_count(f), 1);
	frame_put(f);
	CHECK_LEDGER(&before);
}

TEST(frame_becomes_unique_only_when_it_has_one_owner)
{
	struct unique_frame *u;
	struct ledger before;
	struct frame *f;
	err_t why;

	begin();
	before = machine_ledger();
	f = frame_alloc(FRAME_TEST);
	NEED(f != NULL);
	(void)frame_get(f);
	CHECK(frame_try_unique(f, &why) == NULL);
	CHECK_EQ(why, ERR_IN_USE);
	frame_put(f);
	u = frame_try_unique(f, &why);
	NEED(u != NULL);
	CHECK(frame_from_in_use(frame_paddr(f), &why) == NULL);
	CHECK_EQ(why, ERR_UNIQUE);
	f = frame_share(u);
	CHECK_EQ(frame_count(f), 1);
	u = frame_try_unique(f, &why);
	NEED(u != NULL);
	frame_put_unique(u);
	CHECK_LEDGER(&before);
}

/* ---- misuse ---- */

static void put_it(void *f)
{
	frame_put(f);
}

static void get_it(void *f)
{
	(void)frame_get(f);
}

TEST(audit_mop_02_misuse_of_a_count_is_caught_and_changes_nothing)
{
	struct slot_state full = { SLOT_COUNT_MAX, FRAME_TEST, 0, 0 },
			  one = { 1, FRAME_TEST, 0, 0 };
	struct unique_frame *u;
	struct ledger before;
	struct frame *f;
	err_t why;

	begin();
	before = machine_ledger();
	f = frame_alloc(FRAME_TEST);
	NEED(f != NULL);
	u = frame_try_unique(f, &why);
	CHECK(test_panics(put_it, f, "put refused"));
	CHECK(test_panics(get_it, f, "get refused"));
	CHECK_EQ(frame_count(f), SLOT_UNIQUE);
	f = frame_share(u);
	meta_set(frame_slot(f), full);
	CHECK(test_panics(get_it, f, "overflow"));
	CHECK_EQ(frame_count(f), SLOT_COUNT_MAX);
	meta_set(frame_slot(f), one);
	frame_put(f);
	CHECK(test_panics(put_it, f, "put refused"));
	CHECK(test_panics(get_it, f, "get refused"));
	CHECK_EQ(meta_state(frame_slot(f)).count, SLOT_NONE);
	CHECK_LEDGER(&before);
}

TEST(audit_noe_02_get_and_put_are_exact_at_the_top_of_the_range)
{
	struct slot_state nearly = { SLOT_COUNT_MAX - 1, FRAME_TEST, 0, 0 };
	struct slot_state one = { 1, FRAME_TEST, 0, 0 };
	struct frame *f;

	begin();
	f = frame_alloc(FRAME_TEST);
	NEED(f != NULL);
	meta_set(frame_slot(f), nearly);
	CHECK_EQ(frame_count(frame_get(f)), SLOT_COUNT_MAX);
	frame_put(f);
	CHECK_EQ(frame_count(f), SLOT_COUNT_MAX - 1);
	meta_set(frame_slot(f), one);
	frame_put(f);
}

static void give_twice(void *arg)
{
	frame_give_block(*(pfn_t *)arg, 12);
}

TEST(frame_raw_double_free_of_a_block_is_caught)
{
	struct ledger before;
	pfn_t pfn;

	begin();
	before = machine_ledger();
	pfn = frame_take_block(12);
	NEED(pfn != PFN_NONE);
	frame_give_block(pfn, 12);
	CHECK(test_panics(give_twice, &pfn, "double free"));
	CHECK_LEDGER(&before);
}

#ifndef KEEL_TESTS
static void take_early(void *arg)
{
	(void)arg;
	this_cpu(frame_cache_own) = NULL;
	(void)frame_take();
}

static void boot_alloc_late(void *arg)
{
	(void)arg;
	(void)boot_alloc(8, 8);
}

TEST(audit_alo_04_the_wrong_allocator_for_the_phase_is_caught)
{
	machine_start_simple(64, 0, 1);
	CHECK(test_panics(boot_alloc_late, NULL, "boot allocator used after boot_alloc_retire"));
	CHECK(test_panics(take_early, NULL, "before frame_cache_init"));
}
#endif

#ifndef KEEL_TESTS
/* Memory that was never RAM is never the allocator's, and no frame is released twice. */
TEST(frame_release_and_adoption_take_unowned_ram_alone)
{
	static struct region r[] = {
		{ 0, KIB(640), REGION_USABLE },     { KIB(640), MIB(1), REGION_RESERVED },
		{ MIB(1), MIB(64), REGION_USABLE }, { MIB(64), MIB(65), REGION_MODULE },
		{ MIB(65), MIB(66), REGION_ACPI },  { MIB(66), MIB(67), REGION_BAD },
		{ MIB(67), MIB(80), REGION_MODULE }
	};
	static const uint64_t never[] = { 0, KIB(640), MIB(65), MIB(66), MIB(100) };
	struct frame *f, *g;
	err_t why;

	NEED(machine_start(r, ARRAY_SIZE(r), 1, MIB(32) / PAGE_SIZE) == OK);
	for (unsigned i = 0; i < ARRAY_SIZE(never); i++) {
		struct prange range = { paddr(never[i]), PAGE_SIZE };

		CHECK_EQ(frame_release_range(range), ERR_BAD_RANGE);
		CHECK_EQ(section_adopt(range), ERR_BAD_RANGE);
	}
	CHECK_EQ(frame_release_range((struct prange){ paddr(MIB(64)), MIB(1) + PAGE_SIZE }),
		 ERR_BAD_RANGE); /* its end is not RAM of this kind */
	CHECK_EQ(frame_release_range((struct prange){ paddr(MIB(64)), PAGE_SIZE }), OK);
	CHECK_EQ(section_adopt((struct prange){ paddr(MIB(64)), PAGE_SIZE }), ERR_IN_USE);
	f = frame_from_unused(paddr(MIB(64)), FRAME_TEST, &why);
	NEED(f != NULL);
	frame_put(f); /* it is the allocator's now */
	CHECK_EQ(frame_release_range((struct prange){ paddr(MIB(64)), PAGE_SIZE }), ERR_IN_USE);
	CHECK(frame_from_unused(paddr(MIB(64)), FRAME_TEST, &why) == NULL);
	g = frame_alloc(FRAME_TEST);
	NEED(g != NULL);
	frame_put(g);
	CHECK_EQ(section_adopt((struct prange){ paddr(MIB(70)), MIB(1) }), OK);
	CHECK_EQ(section_adopt((struct prange){ paddr(MIB(70)), MIB(1) }), ERR_IN_USE);
	CHECK_EQ(frame_release_range((struct prange){ paddr(MIB(70)), PAGE_SIZE }), ERR_IN_USE);
	for (unsigned i = 1; i < SECTION_RELEASED_MAX; i++)
		CHECK_EQ(frame_release_range(
				 (struct prange){ paddr(MIB(72) + i * MIB(1) / 8), PAGE_SIZE }),
			 OK);
	CHECK_EQ(frame_release_range((struct prange){ paddr(MIB(79)), PAGE_SIZE }), ERR_NO_MEMORY);
}

TEST(frame_adoption_of_memory_on_both_sides_of_4_gib)
{
	static struct region r[] = { { MIB(1), MIB(64), REGION_USABLE },
				     { GIB(3), GIB(4) - MIB(1), REGION_USABLE },
				     { GIB(4) - MIB(1), GIB(4) + MIB(1), REGION_MODULE },
				     { GIB(4) + MIB(1), GIB(4) + MIB(512), REGION_USABLE } };
	uint64_t available;

	NEED(machine_start(r, ARRAY_SIZE(r), 1, UINT64_MAX) == OK);
	available = frame_available();
	CHECK_EQ(section_adopt((struct prange){ paddr(GIB(4) - MIB(1)), MIB(2) }), OK);
	CHECK_EQ(frame_available(), available + MIB(2) / PAGE_SIZE);
	for (unsigned i = 0; i < ZONES; i++)
		CHECK(zone_check(&zones[i]) == NULL);
}
#endif
