/* SPDX-License-Identifier: MIT */
/*
 * epoch.c - mm/frame/epoch.c: no object is freed while a reader that may have found it is inside,
 * and in the end all are freed.
 *
 * Freeing writes to the object: a reader that still sees it is a data race, which the explorer
 * reports; the model also records freed objects.
 */
#include "mm/frame/epoch.h"

#include "kern/cpu.h"
#include "lib/bits.h"
#include "tests/explore/explore.h"

enum {
	CPUS = 3,
	OBJECTS = 2,
	POLLS = 2,
	POLLS_MAX = 8, /* until all is freed, once no reader is inside */
	ALIVE = 42,
};

struct object {
	struct epoch_entry retired; /* first: free_object() */
	int value;
};

static struct object object[OBJECTS], other;
static _Atomic(struct object *) head;
EXPLORE_MODEL static bool freed[OBJECTS];
EXPLORE_MODEL static unsigned frees;

static void free_object(struct epoch_entry *d)
{
	struct object *o = (struct object *)(void *)d;

	o->value = 0;
	frees++;
	if (o != &other)
		freed[o - object] = true;
}

static void setup(void)
{
	explore_machine(8192, CPUS);
	cpu_set_count(CPUS);
	for (unsigned i = 0; i < OBJECTS; i++)
		object[i].value = ALIVE;
	atomic_store_explicit(&head, &object[0], memory_order_relaxed);
}

/* CPU 2 has retired an object and polls the epoch too. */
static void setup_other(void)
{
	setup();
	explore_as(2);
	epoch_retire(&other.retired, free_object);
	explore_as(0);
}

static void read_head(void)
{
	struct object *o = atomic_load_explicit(&head, memory_order_acquire);

	if (o == NULL)
		return;
	EXPLORE_CHECK(!freed[o - object] && o->value == ALIVE);
	/* a scheduling point for the other tasks, then the same again */
	(void)atomic_load_explicit(&head, memory_order_relaxed);
	EXPLORE_CHECK(!freed[o - object] && o->value == ALIVE);
}

static void read_once(void *arg)
{
	uintptr_t irq = arch_irq_save();

	(void)arg;
	epoch_enter();
	read_head();
	epoch_exit();
	arch_irq_restore(irq);
}

static void read_twice(void *arg)
{
	read_once(arg);
	read_once(arg);
}

static void read_nested(void *arg)
{
	epoch_enter();
	read_head();
	read_once(arg);
	read_head();
	epoch_exit();
}

static void poll(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < POLLS; i++)
		(void)epoch_poll();
}

/* Removes the object by a relaxed store: the barrier is that of epoch_retire(). */
static void retire(void *arg)
{
	atomic_store_explicit(&head, NULL, memory_order_relaxed);
	epoch_retire(&object[0].retired, free_object);
	poll(arg);
}

static void replace_and_retire(void *arg)
{
	atomic_store_explicit(&head, &object[1], memory_order_release);
	epoch_retire(&object[0].retired, free_object);
	poll(arg);
	atomic_store_explicit(&head, NULL, memory_order_relaxed);
	epoch_retire(&object[1].retired, free_object);
	poll(arg);
}

static void check_of(unsigned objects)
{
	for (unsigned i = 0; i < POLLS_MAX; i++)
		for (unsigned cpu = 0; cpu < CPUS; cpu++) {
			explore_as(cpu);
			(void)epoch_poll();
		}
	EXPLORE_CHECK(frees == objects);
	for (unsigned cpu = 0; cpu < CPUS; cpu++)
		EXPLORE_CHECK(epoch_backlog(cpu) == 0);
}

static void check_one(void)
{
	check_of(1);
}

static void check_two(void)
{
	check_of(2);
}

EXPLORE(epoch_waits_for_readers, .setup = setup, .check = check_one,
	.task = { { "retire", retire, NULL, 0 },
		  { "read", read_twice, NULL, 1 },
		  { "handler", read_once, NULL, 1, EXPLORE_INTERRUPT } });
EXPLORE(epoch_readers_nest, .setup = setup, .check = check_one,
	.task = { { "retire", retire, NULL, 0 },
		  { "read", read_nested, NULL, 1 },
		  { "handler", read_once, NULL, 1, EXPLORE_INTERRUPT } });
EXPLORE(epoch_is_advanced_by_two, .setup = setup_other, .check = check_two,
	.task = { { "retire", retire, NULL, 0 },
		  { "read", read_once, NULL, 1 },
		  { "poll", poll, NULL, 2 } });
EXPLORE(epoch_two_in_a_row, .setup = setup, .check = check_two,
	.task = { { "retire", replace_and_retire, NULL, 0 }, { "read", read_twice, NULL, 1 } });

/* ---- epoch_barrier() returns ---- */

static void retire_and_wait(void *arg)
{
	(void)arg;
	atomic_store_explicit(&head, NULL, memory_order_relaxed);
	epoch_retire(&object[0].retired, free_object);
	epoch_barrier();
	EXPLORE_CHECK(freed[0]);
}

EXPLORE(epoch_barrier_returns, .setup = setup, .check = check_one,
	.task = { { "barrier", retire_and_wait, NULL, 0 }, { "read", read_once, NULL, 1 } });
