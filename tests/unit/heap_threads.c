/* SPDX-License-Identifier: MIT */
/* Tests of the heap on several CPUs, in interrupts and at the end of memory.  Threads are CPUs
 * here, so they run on the host. */
#ifndef KEEL_TESTS
#include "mm/heap/heap.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "arch/host/host.h"
#include "mm/heap/debug.h"
#include "tests/host_workers.h"
#include "tests/machine.h"
#include "tests/test.h"

enum {
	CPUS = 4,
	SLOTS = 400,
	STEPS = 20000,
	STEPS_SHORT = 2000, /* when each allocation may reclaim */
	MACHINE_MIB = 200,
	IRQ_US = 300,
	IRQ_SHORT_US = 3000, /* when a handler may search everywhere */
	IRQ_ALLOCS = 100,    /* at least */
	HIT_IRQ_US = 100,
	HIT_TURNS = 3000,
	HIT_MAX = 100000000,
};

/* ---- a shadow map: the owner of each grain of memory ---- */

static _Atomic uint8_t owner[MIB(MACHINE_MIB + 1) / HEAP_GRAIN];
static _Atomic unsigned wrong;
static unsigned steps;           /* of a worker */
static _Atomic uint64_t refused; /* allocations that returned NULL */

static void claim(const void *p, uint8_t from, uint8_t to)
{
	uint64_t grain = arch_direct_to_paddr(p).raw / HEAP_GRAIN;

	for (size_t i = 0; i < heap_size_of(p) / HEAP_GRAIN; i++)
		if (atomic_exchange(&owner[grain + i], to) != from)
			atomic_fetch_add(&wrong, 1);
}

/* Objects that a worker passes to its neighbour to be freed. */
static _Atomic(void *) mailbox[CPUS];

static size_t worker_size(struct worker *w)
{
	uint64_t kind = worker_random(w) % 32;

	if (kind == 0)
		return 1 + worker_random(w) % 30000;
	return 1 + worker_random(w) % (kind < 16 ? 200 : 4096);
}

static void step(struct worker *w, void **held)
{
	unsigned slot = (unsigned)(worker_random(w) % SLOTS);
	uint8_t me = (uint8_t)(w->cpu + 1);
	void *p = held[slot];

	if (p == NULL) {
		p = heap_alloc(worker_size(w));
		atomic_fetch_add(&refused, p == NULL);
		if (p != NULL)
			claim(p, 0, me);
		held[slot] = p;
		return;
	}
	held[slot] = NULL;
	claim(p, me, 0);
	if (worker_random(w) % 2 == 0)
		p = atomic_exchange(&mailbox[(w->cpu + 1) % CPUS], p);
	heap_free(p);
}

static void work_through(struct worker *w)
{
	void **held = calloc(SLOTS, sizeof(*held));

	for (unsigned i = 0; i < steps; i++)
		step(w, held);
	for (unsigned i = 0; i < SLOTS; i++) {
		if (held[i] == NULL)
			continue;
		claim(held[i], (uint8_t)(w->cpu + 1), 0);
		heap_free(held[i]);
	}
	free(held);
}

static void *work(void *arg)
{
	struct worker *w = arg;

	host_cpu_bind(w->cpu);
	work_through(w);
	host_cpu_unbind();
	return NULL;
}

static uint64_t run_workers(void *(*fn)(void *), unsigned n)
{
	struct worker workers[CPUS];

	atomic_store(&refused, 0);
	workers_start(workers, 0, n, fn);
	workers_join(workers, n);
	for (unsigned i = 0; i < CPUS; i++)
		heap_free(atomic_exchange(&mailbox[i], NULL));
	return atomic_load(&refused);
}

static struct ledger start(uint64_t mib)
{
	memset(owner, 0, sizeof(owner));
	atomic_store(&wrong, 0);
	steps = mib < MACHINE_MIB ? STEPS_SHORT : STEPS;
	machine_start_simple(mib, 0, CPUS);
	CHECK_EQ(heap_init(CPUS), OK);
	return machine_ledger();
}

static void check_end(const struct ledger *before)
{
	const char *why;

	heap_drain();
	CHECK_EQ(atomic_load(&wrong), 0);
	CHECK_EQ(heap_stats().slab_frames + heap_stats().large_frames, 0);
	CHECK_LEDGER(before);
	why = heap_check();
	CHECK_STR(why == NULL ? "" : why, "");
}

TEST(heap_gives_no_byte_twice_on_four_cpus)
{
	struct ledger before = start(MACHINE_MIB);

	CHECK_EQ(run_workers(work, CPUS), 0);
	check_end(&before);
}

TEST(heap_gives_no_byte_twice_when_memory_is_short)
{
	struct ledger before = start(16);
	static void *hog[4096];
	unsigned n = 0;

	/* leave the workers a quarter of what they need */
	while (n < ARRAY_SIZE(hog) && frame_available() > 300)
		hog[n++] = frame_alloc(FRAME_TEST);
	test_diag("%lu allocations refused", run_workers(work, CPUS));
	while (n > 0)
		frame_put(hog[--n]);
	check_end(&before);
}

TEST(heap_survives_every_nth_frame_refused_on_four_cpus)
{
	struct ledger before = start(MACHINE_MIB);

	steps = STEPS_SHORT;
	for (unsigned nth = 2; nth <= 5; nth++) {
		heap_inject_failure(nth);
		(void)run_workers(work, CPUS);
	}
	heap_inject_failure(0);
	check_end(&before);
}

/* ---- the choice of a slab ---- */

static pfn_t slab_of(const void *object)
{
	return meta_pfn_of(slab_slot_of(object));
}

/* Empties the magazines of a CPU. */
static void age(unsigned cpu)
{
	host_cpu = cpu;
	heap_age();
	heap_age();
	host_cpu = 0;
}

static void *alloc_on(unsigned cpu, size_t size)
{
	void *p;

	host_cpu = cpu;
	p = heap_alloc_any(size);
	host_cpu = 0;
	return p;
}

/* Two CPUs that write tags of one slab would share a cache line. */
TEST(heap_cpus_take_from_slabs_of_their_own)
{
	struct ledger before = start(16);

	for (unsigned number = 1; number < HEAP_CLASSES; number++) {
		struct heap_shape s = heap_shape_of(number);
		void *kept[2], *again[2];

		if (heap_shape_tags_in_slot(&s))
			continue;
		for (unsigned cpu = 0; cpu < 2; cpu++)
			NEED((kept[cpu] = alloc_on(cpu, s.size)) != NULL);
		CHECK(slab_of(kept[0]) != slab_of(kept[1]));
		age(0);
		age(1);
		for (unsigned cpu = 2; cpu-- > 0;) {
			NEED((again[cpu] = alloc_on(cpu, s.size)) != NULL);
			CHECK_EQ(slab_of(again[cpu]), slab_of(kept[cpu]));
		}
		for (unsigned cpu = 0; cpu < 2; cpu++) {
			heap_free(again[cpu]);
			heap_free(kept[cpu]);
		}
	}
	check_end(&before);
}

enum {
	PART_SLABS = 64,
	PART_SIZE = 64,
};

/* A CPU takes from partly used slabs of other CPUs before it makes many new ones. */
TEST(heap_cpus_take_from_others_before_they_need_much_more)
{
	static void *p[PART_SLABS * PAGE_SIZE / PART_SIZE];
	struct ledger before = start(16);
	struct heap_shape s = heap_shape_of(heap_class_of(PART_SIZE));
	unsigned n = PART_SLABS * s.objects;
	uint64_t frames;

	for (unsigned i = 0; i < n; i++)
		NEED((p[i] = heap_alloc_any(PART_SIZE)) != NULL);
	for (unsigned i = 0; i < n; i++)
		if (i % s.objects != 0)
			heap_free(p[i]);
	age(0);
	frames = heap_stats().slab_frames;
	CHECK(frames >= PART_SLABS);
	host_cpu = 1;
	for (unsigned i = 0; i < n / 2; i++)
		if (i % s.objects != 0)
			NEED((p[i] = heap_alloc_any(PART_SIZE)) != NULL);
	CHECK_EQ(heap_stats().slab_frames, frames);
	for (unsigned i = 0; i < n; i++)
		if (i < n / 2 || i % s.objects == 0)
			heap_free(p[i]);
	host_cpu = 0;
	check_end(&before);
}

/* ---- the end of memory ---- */

enum {
	LAST_ROUNDS = 400,
	LAST_SIZE = 1360, /* three a frame */
	LAST_FRAMES = 2,
	LAST_OBJECTS = 3 * LAST_FRAMES,
	ANSWER_MS = 1000, /* limit of the heap's wait for other CPUs' objects */
};

static void *hog[1u << 16];

/* Allocates all frames but `leave`. */
static unsigned take_all_but(unsigned leave)
{
	unsigned n = 0;

	frame_cache_drain();
	while (n < ARRAY_SIZE(hog) && (hog[n] = frame_alloc(FRAME_TEST)) != NULL)
		n++;
	while (leave-- > 0)
		frame_put(hog[--n]);
	return n;
}

static void give_back(unsigned n)
{
	while (n > 0)
		frame_put(hog[--n]);
}

/* There are at least as many objects as CPUs, and each CPU needs one: no allocation may fail unless
 * another CPU does not run for as long as the heap waits. */
static void *want_one(void *arg)
{
	struct worker *w = arg;

	host_cpu_bind(w->cpu);
	for (unsigned i = 0; i < LAST_ROUNDS; i++) {
		uint64_t start = arch_ticks();
		void *p = heap_alloc_any(LAST_SIZE);

		if (p != NULL)
			claim(p, 0, (uint8_t)(w->cpu + 1));
		else if (arch_ticks() - start < ANSWER_MS * arch_ticks_per_ms())
			atomic_fetch_add(&refused, 1);
		if (worker_random(w) % 4 == 0)
			sched_yield();
		if (p != NULL)
			claim(p, (uint8_t)(w->cpu + 1), 0);
		heap_free(p);
	}
	host_cpu_unbind();
	return NULL;
}

TEST(audit_hep_01_a_requester_keeps_its_claim)
{
	struct ledger before = start(16);
	unsigned n = take_all_but(LAST_FRAMES);

	CHECK_EQ(run_workers(want_one, CPUS), 0);
	give_back(n);
	check_end(&before);
}

/* Claimed objects are available only to claimants, and their slab is not freed. */
TEST(audit_hep_01_others_do_not_get_what_is_claimed)
{
	struct ledger before = start(16);
	struct slab_class *c = &slab_classes[heap_class_of(LAST_SIZE)];
	struct slab_chain gone = SLAB_CHAIN_NONE;
	struct heap_entry e[3];
	uintptr_t irq;

	heap_free(heap_alloc_any(LAST_SIZE));
	for (unsigned i = 0; i < 3; i++)
		slab_claim(c);
	heap_age();
	heap_age();
	irq = arch_irq_save();
	CHECK_EQ(c->free, 3);
	CHECK_EQ(slab_take(c, e, 3, SLAB_ANY), 0);
	slab_shrink(c, &gone);
	CHECK_EQ(gone.front, PFN_NONE);
	CHECK_EQ(slab_take(c, e, 3, SLAB_CLAIMANT), 3);
	CHECK(!slab_give(c, e, 3, SLAB_HOME));
	arch_irq_restore(irq);
	for (unsigned i = 0; i < 3; i++)
		slab_unclaim(c);
	check_end(&before);
}

/* The only frame's objects are in the magazines of other CPUs and in other classes. */
TEST(audit_hep_01_what_lies_in_another_cpus_magazine_is_found)
{
	struct ledger before = start(16);
	unsigned n = take_all_but(1);
	void *mine[3], *p;

	host_cpu = 1;
	for (unsigned i = 0; i < 3; i++)
		NEED((mine[i] = heap_alloc_any(LAST_SIZE)) != NULL);
	for (unsigned i = 0; i < 3; i++)
		heap_free(mine[i]);
	host_cpu = 2;
	p = heap_alloc_any(LAST_SIZE);
	CHECK(p != NULL);
	heap_free(p);
	host_cpu = 3;
	p = heap_alloc_any(4096); /* of another class: the frame must become a slab of it */
	CHECK(p != NULL);
	CHECK(heap_alloc_any(16) == NULL);
	heap_free(p);
	host_cpu = 0;
	p = heap_alloc_any(16);
	CHECK(p != NULL);
	heap_free(p);
	give_back(n);
	check_end(&before);
}

/* Objects in a slab of another CPU are allocated without a reclaim. */
TEST(heap_takes_from_others_slabs_when_there_is_no_frame)
{
	struct ledger before = start(16);
	void *theirs = alloc_on(1, PART_SIZE), *mine;
	unsigned n = take_all_but(0);
	uint32_t drains = atomic_load(&heap.cpu[0]->drains);

	NEED(theirs != NULL);
	mine = heap_alloc_any(PART_SIZE);
	NEED(mine != NULL);
	CHECK_EQ(slab_of(mine), slab_of(theirs));
	CHECK_EQ(atomic_load(&heap.cpu[0]->drains), drains);
	heap_free(mine);
	heap_free(theirs);
	give_back(n);
	check_end(&before);
}

/* A thread was preempted during its reclaim on this CPU: another thread may reclaim too, an
 * interrupt handler may not (H8). */
TEST(audit_hep_01_threads_of_a_cpu_reclaim_side_by_side)
{
	struct ledger before = start(16);
	unsigned n = take_all_but(1);
	uintptr_t irq;
	void *p;

	host_cpu = 1;
	heap_free(heap_alloc_any(LAST_SIZE));
	host_cpu = 0;
	atomic_fetch_add(&heap.cpu[0]->reclaims, 1);
	irq = arch_irq_save();
	CHECK(heap_alloc_any(LAST_SIZE) == NULL);
	arch_irq_restore(irq);
	p = heap_alloc_any(LAST_SIZE);
	CHECK(p != NULL);
	heap_free(p);
	CHECK_EQ(atomic_fetch_sub(&heap.cpu[0]->reclaims, 1), 1);
	give_back(n);
	check_end(&before);
}

TEST(audit_hep_03_heap_and_frames_run_out_together)
{
	static void *held[1u << 17];
	static const size_t sizes[] = { 16, 100, 1000, 4096, 3 * PAGE_SIZE };
	struct ledger before = start(32);
	unsigned n = 0, frames = 0;

	for (unsigned round = 0; round < 3; round++) {
		uint64_t bytes = 0;

		/* allocate frames and objects in turn to the last frame, then to the last object */
		for (unsigned i = 0; n < ARRAY_SIZE(held) && frames < ARRAY_SIZE(hog); i++) {
			size_t size = sizes[i % ARRAY_SIZE(sizes)];

			held[n] = heap_alloc_any(size);
			hog[frames] = frame_alloc(FRAME_TEST);
			if (held[n] == NULL && hog[frames] == NULL)
				break;
			bytes += held[n] != NULL ? size : 0;
			n += held[n] != NULL;
			frames += hog[frames] != NULL;
		}
		CHECK(n > 0 && frames > 0 && bytes > 0);
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
			while (n < ARRAY_SIZE(held) && (held[n] = heap_alloc_any(sizes[i])) != NULL)
				n++;
		CHECK_EQ(frame_available(), 0);
		CHECK(frame_alloc(FRAME_TEST) == NULL);
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
			CHECK(heap_alloc_any(sizes[i]) == NULL);
		while (n > 0)
			heap_free(held[--n]);
		while (frames > 0)
			frame_put(hog[--frames]);
	}
	check_end(&before);
}

/* ---- interrupts ---- */

static _Thread_local void *from_irq[16];
static _Atomic uint64_t irq_allocs;

static void allocate_in_interrupt(void)
{
	static _Thread_local unsigned turn;
	unsigned i = turn++ % ARRAY_SIZE(from_irq);
	uint8_t me = (uint8_t)(100 + arch_cpu_id());

	if (from_irq[i] != NULL) {
		claim(from_irq[i], me, 0);
		heap_free(from_irq[i]);
		from_irq[i] = NULL;
		return;
	}
	from_irq[i] = heap_alloc_any(16 + turn * 37 % 2000);
	if (from_irq[i] != NULL) {
		claim(from_irq[i], 0, me);
		atomic_fetch_add(&irq_allocs, 1);
	}
	if (turn % 64 == 0)
		heap_age();
}

static void *work_interrupted(void *arg)
{
	struct worker *w = arg;

	host_cpu_bind(w->cpu);
	host_timer_start(steps == STEPS_SHORT ? IRQ_SHORT_US : IRQ_US, allocate_in_interrupt);
	work_through(w);
	while (steps == STEPS && atomic_load(&irq_allocs) <= IRQ_ALLOCS)
		heap_free(heap_alloc_any(16));
	host_timer_stop();
	for (unsigned i = 0; i < ARRAY_SIZE(from_irq); i++) {
		if (from_irq[i] == NULL)
			continue;
		claim(from_irq[i], (uint8_t)(100 + w->cpu), 0);
		heap_free(from_irq[i]);
	}
	host_cpu_unbind();
	return NULL;
}

static void *volatile irq_has;
static unsigned irq_turns;

static void allocate_one_in_interrupt(void)
{
	void *p = irq_has;

	irq_has = p == NULL ? heap_alloc_any(64) : NULL;
	heap_free(p);
	irq_turns++;
}

TEST(heap_interrupts_do_not_get_the_object_of_a_hit)
{
	struct ledger before = start(MACHINE_MIB);
	unsigned same = 0;

	irq_turns = 0;
	host_timer_start(HIT_IRQ_US, allocate_one_in_interrupt);
	for (unsigned i = 0; irq_turns < HIT_TURNS && i < HIT_MAX; i++) {
		void *p = heap_alloc_any(64);

		same += p == irq_has;
		heap_free(p);
	}
	host_timer_stop();
	heap_free(irq_has);
	irq_has = NULL;
	CHECK(irq_turns >= 100);
	CHECK_EQ(same, 0);
	check_end(&before);
}

TEST(heap_interrupts_allocate_inside_alloc_and_free)
{
	struct ledger before = start(MACHINE_MIB);

	atomic_store(&irq_allocs, 0);
	for (unsigned round = 0; round < 2; round++)
		CHECK_EQ(run_workers(work_interrupted, 2), 0);
	test_diag("%lu allocations in interrupts", atomic_load(&irq_allocs));
	check_end(&before);
}

TEST(heap_interrupts_allocate_while_memory_is_short)
{
	struct ledger before = start(16);
	unsigned n = take_all_but(60);

	(void)run_workers(work_interrupted, 2);
	give_back(n);
	check_end(&before);
}

/* ---- misuse between CPUs ---- */

/* The second call finds the magazines idle. */
static void empty_cpu(void *cpu)
{
	host_cpu = (unsigned)(uintptr_t)cpu;
	heap_age();
	heap_age();
}

TEST(heap_double_free_by_two_cpus_at_once_is_caught)
{
	void *p;

	(void)start(16);
	host_cpu = 1;
	p = heap_alloc_any(64);
	NEED(p != NULL);
	heap_free(p);
	/* state after the race: both found it allocated and have it in their magazines */
	host_cpu = 0;
	{
		struct heap_magazine *from = &heap.cpu[1]->magazine[heap_class_of(64)];
		struct heap_magazine *to = &heap.cpu[0]->magazine[heap_class_of(64)];

		*heap_top(to) = heap_top(from)[-1];
		heap_set_top(to, heap_top(to) + 1);
	}
	empty_cpu((void *)0);
	CHECK(test_panics(empty_cpu, (void *)1, "came back twice"));
	arch_irq_restore(0); /* it panicked with interrupts off */
	host_cpu = 0;
}

/* ---- debug options ---- */

TEST(heap_debug_passes_what_is_right)
{
	struct ledger before = start(64);

	heap_set_debug(HEAP_DEBUG_ALL);
	CHECK_EQ(run_workers(work, CPUS), 0);
	heap_drain();
	heap_set_debug(0);
	check_end(&before);
}
#endif
