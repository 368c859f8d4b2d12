/* SPDX-License-Identifier: MIT */
/*
 * call.c - kern/call.c: a call runs after each post, merged or not, and sees what the poster stored
 * before; CPUs that wait for all CPUs at the same time each get their answers.
 */
#include "kern/call.h"

#include "kern/cpu.h"
#include "tests/explore/explore.h"

enum {
	CPUS = 2,
	POSTS = 2,
};

static _Atomic unsigned posted; /* relaxed: ordered by the post */
static _Atomic unsigned seen;   /* the largest `posted` that a run saw */
static _Atomic unsigned run_on[CPUS];

static void see(void *unused)
{
	unsigned now = atomic_load_explicit(&posted, memory_order_relaxed);

	(void)unused;
	if (now > atomic_load_explicit(&seen, memory_order_relaxed))
		atomic_store_explicit(&seen, now, memory_order_relaxed);
}

static struct call call;

static void setup(void)
{
	cpu_set_count(CPUS);
	posted = 0;
	seen = 0;
	call = (struct call)CALL_INIT(see, NULL);
	for (unsigned i = 0; i < CPUS; i++)
		run_on[i] = 0;
}

/* The second post may be merged with the first. */
static void post_twice(void *unused)
{
	(void)unused;
	for (unsigned i = 1; i <= POSTS; i++) {
		uintptr_t irq = arch_irq_save();

		atomic_store_explicit(&posted, i, memory_order_relaxed);
		EXPLORE_CHECK(call_on_cpu(1, &call) == OK);
		arch_irq_restore(irq);
	}
}

static void idle_for_a_while(void *unused)
{
	uintptr_t irq;

	(void)unused;
	irq = arch_irq_save();
	arch_irq_restore(irq);
}

static void check_seen(void)
{
	EXPLORE_CHECK(atomic_load_explicit(&seen, memory_order_relaxed) == POSTS);
}

EXPLORE(call_posted_again_runs_again_or_is_merged, .setup = setup, .check = check_seen,
	.task = { { "post", post_twice, NULL, 0 }, { "other", idle_for_a_while, NULL, 1 } });

static void count_here(void *unused)
{
	(void)unused;
	atomic_fetch_add_explicit(&run_on[arch_cpu_id()], 1, memory_order_relaxed);
}

static void wait_for_all(void *unused)
{
	(void)unused;
	EXPLORE_CHECK(call_on_cpus_wait(count_here, NULL) == CPUS);
}

static void check_counts(void)
{
	for (unsigned i = 0; i < CPUS; i++)
		EXPLORE_CHECK(atomic_load_explicit(&run_on[i], memory_order_relaxed) == CPUS);
}

EXPLORE(call_of_all_by_two_cpus_ends, .setup = setup, .check = check_counts,
	.task = { { "a", wait_for_all, NULL, 0 }, { "b", wait_for_all, NULL, 1 } });
