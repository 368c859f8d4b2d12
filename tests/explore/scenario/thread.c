/* SPDX-License-Identifier: MIT */
/*
 * thread.c - kern/thread.c, thread_switch.c and wait_queue.c: no wake-up is lost, a thread runs on
 * one CPU at a time, and its memory may be reused after thread_join().
 *
 * CPU 0 runs the thread "main", which never leaves it; CPU 1 is idle and steals queued threads.  A
 * lost wake-up is a deadlock.
 *
 * LIMIT: threads yield, they are not preempted; and bounds are small, as an idle CPU that waits for
 * a thread to leave its stack takes a lock in each iteration, which the explorer does not detect as
 * spinning.
 */
#include "kern/thread.h"

#include "kern/wait_queue.h"
#include "tests/explore/explore.h"

enum {
	CPUS = 2,
	WORKERS = 1,
	THREAD_BYTES = 64 * 1024,
};

static uint8_t memory[WORKERS][THREAD_BYTES] __aligned(THREAD_ALIGN);
static uint8_t idle_memory[THREAD_BYTES] __aligned(THREAD_ALIGN);
static struct thread *worker[WORKERS];
static _Atomic bool stop;
static _Atomic unsigned flag;
static unsigned value; /* written by the thread whose turn it is */

static void setup(void (*work)(void *arg), unsigned workers)
{
	explore_machine(8192, CPUS);
	cpu_set_count(CPUS);
	thread_start_main(idle_memory, sizeof(idle_memory));
	explore_as(1);
	thread_start_cpu();
	explore_as(0);
	if (thread_pin(0) != OK)
		explore_fail("the first CPU does not run");
	for (unsigned i = 0; i < workers; i++)
		worker[i] = thread_create(memory[i], THREAD_BYTES, "worker", work, &worker[i]);
}

static void be_idle(void *arg)
{
	(void)arg;
	while (!atomic_load_explicit(&stop, memory_order_acquire))
		thread_idle_once();
}

/* Joins the workers, then writes to their memory. */
static void end(unsigned workers)
{
	for (unsigned i = 0; i < workers; i++) {
		thread_join(worker[i]);
		*worker[i] = (struct thread){ .fn = NULL };
	}
	atomic_store_explicit(&stop, true, memory_order_release);
	EXPLORE_CHECK(arch_call_interrupt(1) == OK);
}

static void check(void)
{
	const char *wrong = thread_check();

	if (wrong != NULL)
		explore_fail("%s", wrong);
	EXPLORE_CHECK(value == 1);
}

/* ---- creation and exit ---- */

static void live(void *arg)
{
	(void)arg;
	value++;
}

static void setup_life(void)
{
	setup(live, 1);
}

static void start_and_join(void *arg)
{
	(void)arg;
	thread_start(worker[0]);
	end(1);
}

EXPLORE(thread_runs_once, .setup = setup_life, .check = check, .bound = 2,
	.task = { { "main", start_and_join, NULL, 0 }, { "idle", be_idle, NULL, 1 } });

/* ---- a CPU that halts ---- */

static void live_and_tell(void *arg)
{
	live(arg);
	atomic_store_explicit(&flag, 1, memory_order_release);
}

static void setup_busy(void)
{
	setup(live_and_tell, 1);
}

/* Does not yield its CPU until the other CPU has run the worker. */
static void start_and_spin(void *arg)
{
	(void)arg;
	thread_start(worker[0]);
	while (atomic_load_explicit(&flag, memory_order_acquire) == 0)
		arch_relax();
	end(1);
}

EXPLORE(thread_is_taken_by_a_cpu_that_halts, .setup = setup_busy, .check = check, .bound = 1,
	.task = { { "main", start_and_spin, NULL, 0 }, { "idle", be_idle, NULL, 1 } });

/* ---- a token ---- */

/* Each park may return spuriously. */
static void wait_for_flag(void *arg)
{
	(void)arg;
	while (atomic_load_explicit(&flag, memory_order_relaxed) == 0)
		thread_park();
	value++;
}

static void setup_wait(void)
{
	setup(wait_for_flag, 1);
}

static void raise_flag(void *arg)
{
	(void)arg;
	thread_start(worker[0]);
	atomic_store_explicit(&flag, 1, memory_order_relaxed);
	thread_unpark(worker[0]);
	end(1);
}

EXPLORE(thread_wake_up_is_not_lost, .setup = setup_wait, .check = check, .bound = 1,
	.task = { { "main", raise_flag, NULL, 0 }, { "idle", be_idle, NULL, 1 } });

/* ---- a wait queue ---- */

LOCK_CLASS(queue_class, "wait queue of the scenario", RANK_WAIT_QUEUE);
static struct wait_queue queue = WAIT_QUEUE_INIT(&queue_class);

static void wait_in_queue(void *arg)
{
	(void)arg;
	wait_until(&queue, atomic_load_explicit(&flag, memory_order_relaxed) != 0);
	value++;
}

static void setup_queue(void)
{
	setup(wait_in_queue, 1);
}

static void wake_queue(void *arg)
{
	(void)arg;
	thread_start(worker[0]);
	atomic_store_explicit(&flag, 1, memory_order_relaxed);
	(void)wait_wake_one(&queue);
	end(1);
}

EXPLORE(wait_queue_wake_up_is_not_lost, .setup = setup_queue, .check = check, .bound = 1,
	.task = { { "main", wake_queue, NULL, 0 }, { "idle", be_idle, NULL, 1 } });
