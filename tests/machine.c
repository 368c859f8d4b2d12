/* SPDX-License-Identifier: MIT */
#include "tests/machine.h"

#include "kern/call.h"

#include "kern/cpu.h"
#include "mm/frame/boot_alloc.h"
#include "mm/frame/epoch.h"
#include "mm/heap/heap.h"
#include "mm/pt/node.h"
#include "tests/test.h"

#ifndef KEEL_TESTS
#include "arch/host/host.h"

err_t machine_start(const struct region *r, size_t n, unsigned cpus, uint64_t first)
{
	err_t err;

	host_machine_reset();
	cpu_set_count(cpus);
	pt_node_init();
	heap.cpus = 0; /* until heap_init(): its state is that of the previous machine */
	host_cpu = 0;
	report_set_regions(r, n);
	err = boot_alloc_init(r, n, MIB(1), GIB(4));
	if (err == OK)
		err = section_init(r, n);
	if (err == OK)
		err = section_populate_first(first);
	if (err == OK)
		err = frame_cache_init(cpus);
	if (err != OK)
		return err;
	section_open(boot_alloc_retire());
	frame_cache_open();
	return OK;
}

void machine_start_simple(uint64_t mib, uint64_t high_mib, unsigned cpus)
{
	static struct region r[2];

	r[0] = (struct region){ MIB(1), MIB(1 + mib), REGION_USABLE };
	r[1] = (struct region){ GIB(4), GIB(4) + MIB(high_mib), REGION_USABLE };
	if (machine_start(r, high_mib == 0 ? 1 : 2, cpus, MIB(32) / PAGE_SIZE) != OK)
		test_fail(__FILE__, __LINE__, "the machine does not start");
}

static void drain_nodes(void)
{
	pt_node_drain();
}

static void await_drains(void)
{
}
#else

/* In the IPI handler heap_drain() drains this CPU alone. */
static void drain_own(void *unused)
{
	(void)unused;
	if (heap.cpus != 0)
		heap_drain();
	pt_node_drain();
}

static void drain_nodes(void)
{
	(void)call_on_cpus_wait(drain_own, NULL);
}

static void nothing(void *unused)
{
	(void)unused;
}

/* Frames in transit from a CPU's cache to a zone are counted in neither: calls that were posted
 * before have run when this one has. */
static void await_drains(void)
{
	(void)call_on_cpus_wait(nothing, NULL);
}
#endif

struct ledger machine_ledger(void)
{
	struct section_stats t = section_stats();

	if (heap.cpus != 0)
		heap_drain();
	epoch_barrier();
	drain_nodes();
	frame_cache_drain();
	await_drains();
	return (struct ledger){ frame_available(), t.meta_frames + t.seed_frames };
}

void machine_check_ledger(const struct ledger *before, const char *file, int line)
{
	struct ledger now = machine_ledger();
	struct frame_audit a = frame_audit();
	const char *wrong;

	/* only metadata of sections populated meanwhile may reduce the available frames */
	if (now.available + now.meta != before->available + before->meta)
		test_fail(file, line,
			  "frames: %lu available (and %lu are metadata), before %lu (%lu)",
			  now.available, now.meta, before->available, before->meta);
	if (a.map != a.classes)
		test_fail(file, line, "audit: %lu frames in the map, %lu in classes", a.map,
			  a.classes);
	for (unsigned z = 0; z < ZONES; z++) {
		wrong = zone_check(&zones[z]);
		if (wrong != NULL)
			test_fail(file, line, "zone %s: %s", zones[z].name, wrong);
	}
}
