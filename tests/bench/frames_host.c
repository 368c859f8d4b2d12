/* SPDX-License-Identifier: MIT */
/*
 * frames_host.c - plug-in of keel for the shared frame-allocator bench.
 *
 * Built twice: with -DBENCH_raw as keel-raw (mm/frame/frame_cache.h, frames without owner or count)
 * and with -DBENCH_counted as keel-counted (mm/frame/frame.h, the typed API whose blocks are
 * counted at their head).  The harness' arena stands for the physical memory from 4 GiB up, one to
 * one, so every allocated frame has an address in the arena.  Boot memory and metadata come from a
 * separate low region; the rest of that region is allocated before the run.  All sections are
 * populated before the run too.
 *
 * The harness' bench_cpu is host_cpu under another name (the Makefile links it so): a CPU's
 * number costs one load, as in the peers.  The CPUs are not bound to threads: a thread that drains
 * does so for all CPUs.  That is correct where one thread stands for both CPUs (the fragmentation
 * test, drain) and does not happen with two threads, whose tests leave half of the arena free: far
 * above the watermark.
 */
#include <frame_ops.h>
#include <stdio.h>
#include <stdlib.h>

#include "arch/host/host.h"
#include "mm/frame/frame.h"
#include "tests/machine.h"
#include "tests/test.h"

enum {
	ALLOC_ORDER_MAX = 10, /* largest order that the harness requests */
	LOW_BATCH = 64,
};
#define BOOT_MEMORY MIB(128) /* 4 MiB of slots for each GiB, chunk tables, caches */
#define ARENA_START GIB(4)

static char *arena;
static struct region regions[2];

/* There is no test runner here; tests/machine.c calls this when the machine does not start. */
void test_fail(const char *file, int line, const char *format, ...)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, format);
	exit(1);
}

static void *address_of(pfn_t pfn)
{
	return arena + (pfn_to_paddr(pfn).raw - ARENA_START);
}

static pfn_t pfn_of(const void *p)
{
	return paddr_to_pfn(paddr(ARENA_START + (uint64_t)((const char *)p - arena)));
}

/* Allocates all low memory, which is not part of the arena. */
static void use_up_low_memory(void)
{
	pfn_t pfns[LOW_BATCH];

	while (zone_alloc_frames(&zones[ZONE_LOW], LOW_BATCH, pfns) != 0)
		;
}

static int init(void *base, size_t len, unsigned cpus)
{
	arena = base;
	regions[0] = (struct region){ MIB(1), MIB(1) + BOOT_MEMORY, REGION_USABLE };
	regions[1] = (struct region){ ARENA_START, ARENA_START + len, REGION_USABLE };
	if (machine_start(regions, ARRAY_SIZE(regions), cpus, UINT64_MAX) != OK)
		return -1;
	use_up_low_memory();
	return 0;
}

#ifdef BENCH_counted
static void *take(unsigned order)
{
	struct frame *f = order == 0 ? frame_alloc(FRAME_TEST)
				     : frame_alloc_block(FRAME_TEST, order);

	return unlikely(f == NULL) ? NULL : address_of(frame_pfn(f));
}

static void give(void *p, unsigned order)
{
	(void)order; /* stored in the slot */
	frame_put(frame_of_slot(meta_slot_of(pfn_of(p))));
}
#else
static void *take(unsigned order)
{
	pfn_t pfn = order == 0 ? frame_take() : frame_take_block(order);

	return unlikely(pfn == PFN_NONE) ? NULL : address_of(pfn);
}

static void give(void *p, unsigned order)
{
	if (order == 0)
		frame_give(pfn_of(p));
	else
		frame_give_block(pfn_of(p), order);
}
#endif

static size_t free_frames(void)
{
	return frame_available();
}

static const struct frame_ops operations = {
#ifdef BENCH_counted
	.name = "keel-counted",
#else
	.name = "keel-raw",
#endif
	.init = init,
	.alloc = take,
	.free = give,
	.drain = frame_cache_drain,
	.free_frames = free_frames,
	.max_order = ALLOC_ORDER_MAX,
};

const struct frame_ops *frame_ops_get(void)
{
	return &operations;
}
