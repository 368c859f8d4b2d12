/* SPDX-License-Identifier: MIT */
/* Concurrent tests of mm/frame/epoch.c with threads as CPUs; host only. */
#ifndef KEEL_TESTS
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>

#include "kern/cpu.h"
#include "kern/shootdown.h"
#include "arch/host/host.h"
#include "mm/frame/epoch.h"
#include "mm/pt/node.h"
#include "tests/host_workers.h"
#include "tests/machine.h"
#include "tests/test.h"

enum {
	CPUS = 4,
	OBJECTS = 4096, /* of each writer */
	CELLS = 8,
	STEPS = 40000,
	MEMORY_MIB = 16,
	TIMES_MEMORY = 100,
	NODE_ONE_IN = 4,
	STAY_ONE_IN = 4,
};
#define GOOD UINT64_C(0x600d600d600d600d)
#define FREE UINT64_C(0xf7eef7eef7eef7ee)

static _Atomic bool over;
static _Atomic unsigned ready, wrong;
static _Atomic uint64_t reads;

/* ---- readers never see a freed object ---- */

struct object {
	struct epoch_entry retired;
	_Atomic uint64_t magic;
	struct object *next; /* in the writer's free list */
};
static _Atomic(struct object *) cell[CELLS];
static _Thread_local struct object *free_objects;

/* Runs on the thread of the CPU that retired it. */
static void free_object(struct epoch_entry *d)
{
	struct object *o = container_of(d, struct object, retired);

	if (atomic_exchange(&o->magic, FREE) != GOOD)
		atomic_fetch_add(&wrong, 1);
	o->next = free_objects;
	free_objects = o;
}

static struct object *new_object(void)
{
	struct object *o;
	uintptr_t irq = arch_irq_save();

	o = free_objects;
	if (o != NULL)
		free_objects = o->next;
	arch_irq_restore(irq);
	if (o != NULL)
		atomic_store(&o->magic, GOOD);
	return o;
}

static void put_into_cell(struct worker *w)
{
	struct object *o = new_object(), *old;

	if (o == NULL) {
		epoch_barrier();
		return;
	}
	old = atomic_exchange(&cell[worker_random(w) % CELLS], o);
	if (old != NULL)
		epoch_retire(&old->retired, free_object);
}

/* Reads the object twice and may yield the host processor in between. */
static void read_cell(struct worker *w)
{
	uintptr_t irq = arch_irq_save();
	const struct object *o;

	epoch_enter();
	o = atomic_load(&cell[worker_random(w) % CELLS]);
	if (o != NULL) {
		bool good = atomic_load(&o->magic) == GOOD;

		if (worker_random(w) % 4 == 0)
			sched_yield();
		if (!good || atomic_load(&o->magic) != GOOD)
			atomic_fetch_add(&wrong, 1);
		atomic_fetch_add(&reads, 1);
	}
	epoch_exit();
	arch_irq_restore(irq);
}

static void *reader_and_writer(void *arg)
{
	struct worker *w = arg;
	struct object *own = calloc(OBJECTS, sizeof(*own));

	host_cpu_bind(w->cpu);
	for (unsigned i = 0; i < OBJECTS; i++) {
		own[i].next = free_objects;
		free_objects = &own[i];
	}
	for (unsigned i = 0; i < STEPS; i++) {
		put_into_cell(w);
		read_cell(w);
	}
	for (unsigned i = 0; i < CELLS; i++) {
		struct object *old = atomic_exchange(&cell[i], NULL);

		if (old != NULL)
			epoch_retire(&old->retired, free_object);
	}
	atomic_fetch_add(&ready, 1);
	while (atomic_load(&ready) < CPUS)
		sched_yield(); /* other threads may still read objects of `own` */
	while (epoch_poll())
		sched_yield();
	atomic_fetch_add(&ready, 1);
	while (atomic_load(&ready) < 2 * CPUS)
		sched_yield();
	host_cpu_unbind();
	free(own);
	return NULL;
}

TEST(epoch_readers_never_see_a_freed_object)
{
	struct worker w[CPUS];

	machine_start_simple(64, 0, CPUS);
	atomic_store(&wrong, 0);
	atomic_store(&reads, 0);
	atomic_store(&ready, 0);
	workers_start(w, 0, CPUS, reader_and_writer);
	workers_join(w, CPUS);
	CHECK_EQ(atomic_load(&wrong), 0);
	CHECK(atomic_load(&reads) > 0);
	for (unsigned cpu = 0; cpu < CPUS; cpu++)
		CHECK_EQ(epoch_backlog(cpu), 0);
}

/* ---- 100 x memory ---- */

/* Loops with interrupts off and handles no requests. */
static void *busy(void *arg)
{
	const struct worker *w = arg;
	uintptr_t irq;

	host_cpu_bind(w->cpu);
	irq = arch_irq_save();
	atomic_fetch_add(&ready, 1);
	while (!atomic_load(&over))
		arch_relax();
	arch_irq_restore(irq);
	host_cpu_unbind();
	return NULL;
}

static sem_t halt;

/* Idles; nothing wakes it before the end. */
static void *halted(void *arg)
{
	const struct worker *w = arg;
	uintptr_t irq;

	host_cpu_bind(w->cpu);
	irq = arch_irq_save();
	tlb_idle_enter();
	atomic_fetch_add(&ready, 1);
	while (sem_wait(&halt) != 0)
		;
	tlb_idle_leave();
	arch_irq_restore(irq);
	host_cpu_unbind();
	return NULL;
}

/* Enters repeatedly and sometimes stays inside for long. */
static void *reader(void *arg)
{
	struct worker *w = arg;

	host_cpu_bind(w->cpu);
	atomic_fetch_add(&ready, 1);
	while (!atomic_load(&over)) {
		uintptr_t irq = arch_irq_save();

		epoch_enter();
		if (worker_random(w) % STAY_ONE_IN == 0)
			sched_yield();
		epoch_exit();
		arch_irq_restore(irq);
		sched_yield();
	}
	host_cpu_unbind();
	return NULL;
}

/* Allocates a frame or a node; out of memory, it waits for retired ones to be freed. */
static struct frame *take(unsigned i)
{
	for (;;) {
		struct frame *f = i % NODE_ONE_IN == 0 ? pt_node_alloc(1) : frame_alloc(FRAME_TEST);

		if (f != NULL)
			return f;
		epoch_barrier();
	}
}

TEST(epoch_of_100_times_memory_beside_a_busy_and_a_halted_cpu)
{
	struct worker w[CPUS - 1];
	struct ledger before;
	uint64_t frames;

	machine_start_simple(MEMORY_MIB, 0, CPUS);
	before = machine_ledger();
	frames = before.available * TIMES_MEMORY;
	sem_init(&halt, 0, 0);
	atomic_store(&over, false);
	atomic_store(&ready, 0);
	host_cpu_bind(0);
	workers_start(&w[0], 1, 1, busy);
	workers_start(&w[1], 2, 1, halted);
	workers_start(&w[2], 3, 1, reader);
	while (atomic_load(&ready) < CPUS - 1)
		sched_yield();
	for (uint64_t i = 0; i < frames; i++)
		epoch_retire_frame(take((unsigned)i));
	epoch_barrier();
	CHECK_EQ(epoch_backlog(0), 0);
	CHECK_LEDGER(&before); /* with the other CPUs still busy, halted and reading */
	atomic_store(&over, true);
	sem_post(&halt);
	workers_join(w, CPUS - 1);
	host_cpu_unbind();
	test_diag("%lu frames; %lu advances, %lu scans blocked", frames,
		  atomic_load(&this_cpu_ptr(epoch_stats)->advances),
		  atomic_load(&this_cpu_ptr(epoch_stats)->blocked));
}
#endif
