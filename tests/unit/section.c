/* SPDX-License-Identifier: MIT */
/* Tests of mm/frame/section.c: metadata populated on demand.  Simulated machines: host only. */
#ifndef KEEL_TESTS
#include "mm/frame/section.h"

#include "arch/host/host.h"
#include "mm/frame/boot_alloc.h"
#include "tests/machine.h"
#include "tests/test.h"

static uint64_t dormant_sections(void)
{
	return section_stats().dormant;
}

TEST(section_stays_dormant_until_it_is_needed)
{
	static struct frame *held[16];
	unsigned n = 0;
	struct ledger before;

	machine_start_simple(64, GIB(8) >> 20, 1);
	CHECK_EQ(section_stats().populated, 1);
	CHECK_EQ(dormant_sections(), 8);
	before = machine_ledger();
	/* a whole section as one block: its metadata comes from elsewhere */
	while (n < ARRAY_SIZE(held) && (held[n] = frame_alloc_block(FRAME_TEST, ORDER_MAX)) != NULL)
		n++;
	CHECK(n >= 7);
	CHECK_EQ(dormant_sections(), 0);
	while (n > 0)
		frame_put(held[--n]);
	CHECK_LEDGER(&before);
}

TEST(audit_mea_01_metadata_is_one_range_and_needs_no_heap)
{
	machine_start_simple(64, GIB(4) >> 20, 1);
	CHECK((vaddr_t)meta_slot_of(1) - (vaddr_t)meta_slot_of(0) == META_SLOT_BYTES);
	CHECK((vaddr_t)meta_slot_of(0) == (vaddr_t)arch_meta_base());
	CHECK_EQ(meta_pfn_of(meta_slot_of(123456)), 123456);
	CHECK_EQ(sizeof(struct meta_slot) * 256, PAGE_SIZE); /* 0.39 % */
}

TEST(audit_ksp_01_index_arithmetic_reaches_the_last_frame)
{
	CHECK_EQ(paddr_to_pfn(paddr(TIB(16) - PAGE_SIZE - 1)), PFN_NONE - 1);
	CHECK_EQ(pfn_to_paddr(PFN_NONE - 1).raw, TIB(16) - 2 * PAGE_SIZE);
	CHECK_EQ((uintptr_t)meta_slot_of(PFN_NONE - 1) - (uintptr_t)arch_meta_base(),
		 (uint64_t)(PFN_NONE - 1) * META_SLOT_BYTES);
}

TEST(section_growth_survives_each_failure_of_its_metadata)
{
	/* for every n: the nth step fails, no frame is lost, and a second try succeeds */
	for (unsigned nth = 1; nth <= 8; nth++) {
		struct ledger before;
		struct frame *f;

		machine_start_simple(64, GIB(3) >> 20, 1);
		before = machine_ledger();
		section_inject_failure(nth);
		f = frame_alloc_block(FRAME_TEST, ORDER_MAX);
		section_inject_failure(0);
		if (f != NULL)
			frame_put(f);
		CHECK_LEDGER(&before);
		f = frame_alloc_block(FRAME_TEST, ORDER_MAX);
		NEED(f != NULL);
		frame_put(f);
		CHECK_LEDGER(&before);
	}
}

TEST(section_growth_reaches_all_of_memory_in_single_frames)
{
	static uint32_t held[1u << 20];
	struct ledger before;
	uint64_t all;
	unsigned n = 0;
	pfn_t pfn;

	machine_start_simple(64, GIB(2) >> 20, 1);
	before = machine_ledger();
	while ((pfn = frame_take()) != PFN_NONE && n < ARRAY_SIZE(held))
		held[n++] = pfn;
	CHECK_EQ(dormant_sections(), 0);
	all = before.available + before.meta - machine_ledger().meta;
	CHECK_EQ(n, all);
	while (n > 0)
		frame_give(held[--n]);
	CHECK_LEDGER(&before);
}

TEST(section_with_too_little_memory_is_left_out)
{
	static struct region r[] = { { MIB(1), MIB(64), REGION_USABLE },
				     { GIB(4) - MIB(1), GIB(4), REGION_USABLE },
				     { GIB(7) + MIB(512), GIB(7) + MIB(512) + KIB(8),
				       REGION_USABLE } };
	struct ledger before;

	NEED(machine_start(r, ARRAY_SIZE(r), 1, MIB(32) / PAGE_SIZE) == OK);
	CHECK_EQ(section_stats().sparse_frames, MIB(1) / PAGE_SIZE + 2);
	before = machine_ledger();
	CHECK_LEDGER(&before);
}

TEST(section_leaves_memory_above_the_limit_out)
{
	static struct region r[] = { { MIB(1), MIB(64), REGION_USABLE },
				     { PHYS_LIMIT - GIB(1), TIB(16) + GIB(2), REGION_USABLE } };
	unsigned warnings = warn_count();
	struct ledger before;

	NEED(machine_start(r, ARRAY_SIZE(r), 1, MIB(32) / PAGE_SIZE) == OK);
	CHECK_EQ(warn_count(), warnings + 1);
	CHECK_EQ(section_stats().beyond_frames, GIB(4) / PAGE_SIZE);
	before = machine_ledger();
	CHECK_LEDGER(&before);
}

TEST(section_work_at_boot_does_not_grow_with_memory)
{
	machine_start_simple(512, GIB(128) >> 20, 1);
	CHECK_EQ(section_stats().populated, 1);
}

TEST(boot_allocator_uses_the_largest_region_and_reports_its_range)
{
	static struct region r[] = { { MIB(1), MIB(3), REGION_USABLE },
				     { MIB(16), MIB(64), REGION_USABLE },
				     { GIB(4), GIB(5), REGION_USABLE } };
	struct prange taken;
	char *p;

	host_machine_reset();
	CHECK_EQ(boot_alloc_init(r, 0, MIB(1), GIB(4)), ERR_NO_MEMORY);
	NEED(boot_alloc_init(r, ARRAY_SIZE(r), MIB(1), GIB(4)) == OK);
	p = boot_alloc(100, 64);
	NEED(p != NULL);
	CHECK_EQ((uintptr_t)p % 64, 0);
	CHECK(arch_direct_to_paddr(p).raw >= MIB(16) && arch_direct_to_paddr(p).raw < MIB(64));
	for (unsigned i = 0; i < 100; i++)
		CHECK_EQ(p[i], 0);
	CHECK(boot_alloc(MIB(48), 1) == NULL);
	CHECK(boot_alloc(SIZE_MAX, 1) == NULL);
	CHECK(boot_alloc(MIB(47), 1) != NULL);
	taken = boot_alloc_retire();
	CHECK_EQ((taken.start.raw | taken.len) % PAGE_SIZE, 0);
	CHECK_EQ(taken.start.raw + taken.len, MIB(64));
}
#endif
