/* SPDX-License-Identifier: MIT */
/* machine.c - frames initialized as by boot/start/main.c, and their owners. */
#include "lib/bits.h"
#include "kern/cpu.h"
#include "mm/frame/boot_alloc.h"
#include "mm/pt/node.h"
#include "monitor/frame_report.h"
#include "tests/explore/explore.h"

enum {
	OWNED_MAX = 1 << 14, /* frames */
	SLOTS_NAMED = 1 << 16,
};

EXPLORE_MODEL static uint8_t owned[OWNED_MAX];
static uint64_t marked;

void explore_machine(uint64_t kib, unsigned cpus)
{
	static struct region r[2] = { { PAGE_SIZE, 2 * PAGE_SIZE, REGION_MODULE } };
	err_t err;

	r[1] = (struct region){ MIB(1), MIB(1) + KIB(kib), REGION_USABLE };
	cpu_set_count(cpus);
	pt_node_init();
	report_set_regions(r, ARRAY_SIZE(r));
	err = boot_alloc_init(r, ARRAY_SIZE(r), MIB(1), GIB(4));
	if (err == OK)
		err = section_init(r, ARRAY_SIZE(r));
	if (err == OK)
		err = section_populate_first(1);
	if (err == OK)
		err = frame_cache_init(cpus);
	if (err != OK)
		explore_fail("explore_machine: %s", err_name(err));
	section_open(boot_alloc_retire());
	frame_cache_open();
	explore_name("slot", arch_meta_base(), SLOTS_NAMED * sizeof(struct meta_slot),
		     sizeof(struct meta_slot));
	explore_name("memory", arch_direct(paddr(0)), SLOTS_NAMED * PAGE_SIZE, PAGE_SIZE);
	explore_name("cache", frame_caches.cpu, cpus * sizeof(struct frame_cache),
		     sizeof(struct frame_cache));
}

void explore_machine_mark(void)
{
	marked = frame_available();
}

void explore_machine_check(void)
{
	struct frame_audit a;

	for (unsigned cpu = 0; cpu < frame_caches.cpus; cpu++) {
		explore_as(cpu);
		pt_node_drain();
	}
	explore_as(0);
	frame_cache_drain();
	if (frame_available() != marked)
		explore_fail("%lu frames are available, before %lu", frame_available(), marked);
	for (unsigned z = 0; z < ZONES; z++) {
		const char *wrong = zone_check(&zones[z]);

		if (wrong != NULL)
			explore_fail("zone %s: %s", zones[z].name, wrong);
	}
	a = frame_audit();
	if (a.map != a.classes)
		explore_fail("audit: %lu frames in the map, %lu in classes", a.map, a.classes);
}

void explore_frame_allocated(uint32_t pfn, unsigned order)
{
	for (uint32_t i = 0; i < 1u << order; i++) {
		if (pfn + i >= OWNED_MAX)
			explore_fail("frame %#x is out of range", pfn + i);
		if (owned[pfn + i] != 0)
			explore_fail("frame %#x is allocated twice", pfn + i);
		owned[pfn + i] = 1;
	}
}

void explore_frame_freed(uint32_t pfn, unsigned order)
{
	for (uint32_t i = 0; i < 1u << order; i++)
		owned[pfn + i] = 0;
}
