/* SPDX-License-Identifier: MIT */
/* Tests of mm/frame/frame_cache.c on several CPUs, with threads as CPUs: host only; those of the
 * kernel are in tests/kernel/. */
#ifndef KEEL_TESTS
#include "mm/frame/frame.h"

#include <stdlib.h>
#include <string.h>

#include "arch/host/host.h"
#include "lib/panic.h"
#include "tests/host_workers.h"
#include "tests/machine.h"
#include "tests/test.h"

enum {
	CPUS = 4,
	SLOTS = 600,
	STEPS = 30000,
};

/* ---- a model on several threads: a map records the owner of each frame ---- */

static _Atomic uint8_t owner[1u << 18]; /* by frame number; machines here are below 1 GiB */
static _Atomic unsigned wrong;

static void claim(pfn_t pfn, unsigned order, uint8_t id)
{
	for (uint32_t i = 0; i < 1u << order; i++)
		if (atomic_exchange(&owner[(pfn + i) % ARRAY_SIZE(owner)], id) != 0)
			atomic_fetch_add(&wrong, 1);
}

static void disclaim(pfn_t pfn, unsigned order, uint8_t id)
{
	for (uint32_t i = 0; i < 1u << order; i++)
		if (atomic_exchange(&owner[(pfn + i) % ARRAY_SIZE(owner)], 0) != id)
			atomic_fetch_add(&wrong, 1);
}

/* Remote frees: a worker passes frames to its neighbour, which frees them. */
static _Atomic(struct frame *) mailbox[CPUS];

static void step(struct worker *w, struct frame **held)
{
	unsigned slot = (unsigned)(worker_random(w) % SLOTS);
	unsigned order = worker_random(w) % 8 == 0 ? (unsigned)(worker_random(w) % 11) : 0;
	uint8_t me = (uint8_t)(w->cpu + 1);
	struct frame *f = held[slot];

	if (f != NULL) {
		held[slot] = NULL;
		disclaim(frame_pfn(f), frame_order(f), me);
		if (worker_random(w) % 2 == 0)
			f = atomic_exchange(&mailbox[(w->cpu + 1) % CPUS], f);
		if (f != NULL)
			frame_put(f);
		return;
	}
	f = frame_alloc_block(FRAME_TEST, order);
	if (f == NULL)
		return;
	claim(frame_pfn(f), order, me);
	held[slot] = f;
}

static void work_bound(struct worker *w)
{
	struct frame **held = calloc(SLOTS, sizeof(*held)), *f;

	for (unsigned i = 0; i < STEPS; i++)
		step(w, held);
	for (unsigned i = 0; i < SLOTS; i++) {
		if (held[i] == NULL)
			continue;
		disclaim(frame_pfn(held[i]), frame_order(held[i]), (uint8_t)(w->cpu + 1));
		frame_put(held[i]);
	}
	f = atomic_exchange(&mailbox[w->cpu], NULL);
	if (f != NULL)
		frame_put(f);
	free(held);
}

static void *work(void *arg)
{
	struct worker *w = arg;

	host_cpu_bind(w->cpu);
	work_bound(w);
	host_cpu_unbind();
	return NULL;
}

static void run_workers(void *(*fn)(void *), unsigned n)
{
	struct worker workers[CPUS];

	workers_start(workers, 0, n, fn);
	workers_join(workers, n);
}

static void put_mail(void)
{
	for (unsigned i = 0; i < CPUS; i++) {
		struct frame *f = atomic_exchange(&mailbox[i], NULL);

		if (f != NULL)
			frame_put(f);
	}
}

static void threads_with(uint64_t mib)
{
	struct ledger before;

	memset(owner, 0, sizeof(owner));
	atomic_store(&wrong, 0);
	machine_start_simple(mib, 0, CPUS);
	before = machine_ledger();
	run_workers(work, CPUS);
	put_mail();
	CHECK_EQ(atomic_load(&wrong), 0);
	CHECK_LEDGER(&before);
}

TEST(frame_cache_never_hands_a_frame_out_twice_on_four_cpus)
{
	threads_with(900);
}

TEST(frame_cache_never_hands_a_frame_out_twice_when_memory_is_short)
{
	threads_with(24);
}

/* ---- the very last frame ---- */

TEST(frame_cache_gives_the_last_frame_whichever_cpu_holds_it)
{
	static struct frame *held[1u << 15];

	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		struct ledger before;
		unsigned n = 0;
		uint64_t all;

		machine_start_simple(64, 0, CPUS);
		before = machine_ledger();
		all = frame_available();
		/* fill every CPU's cache, singles and blocks */
		for (unsigned c = 0; c < CPUS; c++) {
			struct frame *single[40], *block[11];

			host_cpu = c;
			for (unsigned i = 0; i < 40; i++)
				single[i] = frame_alloc(FRAME_TEST);
			for (unsigned k = 1; k <= 10; k++)
				block[k] = frame_alloc_block(FRAME_TEST, k);
			for (unsigned i = 0; i < 40; i++)
				frame_put(single[i]);
			for (unsigned k = 1; k <= 10; k++)
				frame_put(block[k]);
		}
		CHECK(frame_cache_count() >= CPUS * 40);
		host_cpu = cpu;
		while (n < ARRAY_SIZE(held) && (held[n] = frame_alloc(FRAME_TEST)) != NULL)
			n++;
		CHECK_EQ(n, all);
		CHECK_EQ(frame_cache_count(), 0);
		while (n > 0)
			frame_put(held[--n]);
		CHECK_LEDGER(&before);
	}
	host_cpu = 0;
}

/* A draining thread may migrate after it has drained its own cache, so it calls all CPUs, also the
 * one that it runs on; with interrupts off it cannot migrate. */
TEST(frame_cache_drain_also_calls_its_own_cpu)
{
	const struct frame_cache *own;
	uint32_t before;
	uintptr_t irq;

	machine_start_simple(16, 0, CPUS);
	own = &frame_caches.cpu[0];
	before = atomic_load(&own->drains);
	frame_cache_drain();
	CHECK_EQ(atomic_load(&own->drains), before + 2);
	irq = arch_irq_save();
	frame_cache_drain();
	arch_irq_restore(irq);
	CHECK_EQ(atomic_load(&own->drains), before + 3);
}

static uint32_t drains(void)
{
	uint32_t n = 0;

	for (unsigned cpu = 0; cpu < CPUS; cpu++)
		n += atomic_load(&frame_caches.cpu[cpu].drains);
	return n;
}

/* Half of all frames are free, but no block can be made of them; some lie in the caches. */
TEST(frame_cache_try_of_a_block_drains_nothing)
{
	static struct frame *held[1u << 15];
	struct ledger before;
	uint64_t cached;
	uint32_t drained;
	unsigned n = 0;
	struct frame *f;

	machine_start_simple(64, 0, CPUS);
	before = machine_ledger();
	f = frame_try_alloc_block(FRAME_TEST, DEPOT_ORDER_MAX);
	NEED(f != NULL); /* there is one */
	frame_put(f);
	while (n < ARRAY_SIZE(held) && (held[n] = frame_alloc(FRAME_TEST)) != NULL)
		n++;
	for (unsigned i = 0; i < n; i++)
		if (frame_pfn(held[i]) % 2 == 0) {
			host_cpu = i % CPUS;
			frame_put(held[i]);
		}
	host_cpu = 0;
	cached = frame_cache_count();
	drained = drains();
	CHECK(cached > 0);
	CHECK(frame_try_alloc_block(FRAME_TEST, DEPOT_ORDER_MAX) == NULL);
	CHECK(frame_try_alloc_block(FRAME_TEST, ORDER_MAX) == NULL);
	CHECK_EQ(frame_cache_count(), cached);
	CHECK_EQ(drains(), drained);
	CHECK(frame_alloc_block(FRAME_TEST, DEPOT_ORDER_MAX) == NULL); /* for comparison */
	CHECK(drains() > drained);
	for (unsigned i = 0; i < n; i++)
		if (frame_pfn(held[i]) % 2 != 0)
			frame_put(held[i]);
	CHECK_LEDGER(&before);
}

TEST(frame_cache_with_interrupts_off_misses_at_most_64_frames_a_cpu)
{
	static struct frame *held[1u << 15];
	struct ledger before;
	unsigned n = 0;
	uintptr_t irq;
	uint64_t all;

	machine_start_simple(64, 0, CPUS);
	before = machine_ledger();
	for (unsigned c = 0; c < CPUS; c++) {
		host_cpu = c;
		held[0] = frame_alloc(FRAME_TEST);
		held[1] = frame_alloc_block(FRAME_TEST, 5);
		frame_put(held[0]);
		frame_put(held[1]);
	}
	host_cpu = 0;
	all = frame_available();
	irq = arch_irq_save();
	while (n < ARRAY_SIZE(held) && (held[n] = frame_alloc(FRAME_TEST)) != NULL)
		n++;
	arch_irq_restore(irq);
	CHECK(n + (CPUS - 1) * HOT_MAX >= all);
	while (n > 0)
		frame_put(held[--n]);
	CHECK_LEDGER(&before);
}

/* ---- interrupts ---- */

enum {
	IRQ_ALLOCS = 2000, /* minimum */
};
static _Thread_local struct frame *from_irq[8];
static _Atomic uint64_t irq_allocs;

static void allocate_in_interrupt(void)
{
	static _Thread_local unsigned turn;
	struct frame **f = &from_irq[turn++ % ARRAY_SIZE(from_irq)];

	if (*f != NULL) {
		disclaim(frame_pfn(*f), 0, (uint8_t)(100 + arch_cpu_id()));
		frame_put(*f);
		*f = NULL;
		return;
	}
	*f = frame_alloc(FRAME_TEST);
	if (*f != NULL) {
		claim(frame_pfn(*f), 0, (uint8_t)(100 + arch_cpu_id()));
		atomic_fetch_add(&irq_allocs, 1);
	}
}

static void *work_interrupted(void *arg)
{
	struct worker *w = arg;

	host_cpu_bind(w->cpu);
	host_timer_start(50, allocate_in_interrupt);
	work_bound(w);
	host_timer_stop();
	for (unsigned i = 0; i < ARRAY_SIZE(from_irq); i++)
		if (from_irq[i] != NULL) {
			disclaim(frame_pfn(from_irq[i]), 0, (uint8_t)(100 + w->cpu));
			frame_put(from_irq[i]);
			from_irq[i] = NULL;
		}
	host_cpu_unbind();
	return NULL;
}

TEST(audit_alo_01_interrupts_allocate_inside_alloc_and_free)
{
	struct ledger before;

	memset(owner, 0, sizeof(owner));
	atomic_store(&wrong, 0);
	atomic_store(&irq_allocs, 0);
	machine_start_simple(900, 0, 2);
	before = machine_ledger();
	while (atomic_load(&irq_allocs) <= IRQ_ALLOCS)
		run_workers(work_interrupted, 2);
	put_mail();
	CHECK_EQ(atomic_load(&wrong), 0);
	CHECK_LEDGER(&before);
}
#endif
