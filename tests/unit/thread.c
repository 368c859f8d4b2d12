/* SPDX-License-Identifier: MIT */
/* Tests of threads, on the host.  A lost wake-up hangs the test. */
#ifndef KEEL_TESTS
#include "kern/thread.h"

#include "arch/host/host.h"
#include "arch/host/sanitizer.h"
#include "lib/string.h"
#include "monitor/command.h"
#include "tests/capture.h"
#include "tests/host_threads.h"
#include "tests/test.h"

/* ---- one at a time ---- */

static _Atomic unsigned counter;

static void count_one(void *unused)
{
	(void)unused;
	atomic_fetch_add(&counter, 1);
}

TEST(thread_runs_and_is_joined)
{
	cpus_start(1);
	atomic_store(&counter, 0);
	thread_join(spawn(0, count_one, NULL));
	CHECK_EQ(atomic_load(&counter), 1);
	cpus_stop();
}

TEST(thread_token_that_comes_before_the_wait_is_kept)
{
	cpus_start(1);
	thread_unpark(thread_self());
	thread_unpark(thread_self());
	thread_park();
	atomic_store(&counter, 0);
	thread_join(spawn(0, count_one, NULL));
	CHECK_EQ(atomic_load(&counter), 1);
	cpus_stop();
}

static void sleep_and_check(void *arg)
{
	uint64_t start = arch_ticks();

	thread_sleep(2);
	*(uint64_t *)arg = arch_ticks() - start;
}

TEST(thread_sleeps_at_least_so_long)
{
	uint64_t slept[STACKS];
	struct thread *t[STACKS];

	cpus_start(2);
	for (unsigned i = 0; i < STACKS; i++)
		t[i] = spawn(i, sleep_and_check, &slept[i]);
	for (unsigned i = 0; i < STACKS; i++) {
		thread_join(t[i]);
		CHECK(slept[i] >= 2 * arch_ticks_per_ms());
	}
	cpus_stop();
}

TEST(thread_sleep_keeps_a_token_for_later)
{
	cpus_start(1);
	thread_unpark(thread_self());
	thread_sleep(1);
	thread_park();
	CHECK(thread_self() != NULL);
	cpus_stop();
}

enum {
	EARLY = 3,
	LATE_ROUNDS = 2000, /* max */
	LATE_STEPS = 200,
	LATE_STEPS_PER_MS = 4000, /* each step is a quarter of a microsecond later */
};
static unsigned early; /* times that a sleep's timer expired before its wait */

/* Runs between the start of the thread's timer and its wait: as if this CPU had been paused for
 * longer than the sleep. */
static void stand_still(void *thread)
{
	const struct thread *t = thread;
	uint64_t start = arch_ticks();

	if (!t->timer.pending || atomic_load(&t->state) == THREAD_PARKED)
		return;
	early++;
	while (arch_ticks() - start < 2 * arch_ticks_per_ms())
		arch_relax();
}

/* The sleep's timer expires before its wait, when the token is already set. */
TEST(thread_sleep_keeps_a_token_though_its_timer_comes_before_the_wait)
{
	struct timer late = { 0 };
	unsigned rounds = 0, kept = 0;

	cpus_start(1);
	for (early = 0; early < EARLY && rounds < LATE_ROUNDS; rounds++) {
		uint64_t step = rounds % LATE_STEPS;

		thread_unpark(thread_self());
		timer_start(&late, arch_ticks() + step * arch_ticks_per_ms() / LATE_STEPS_PER_MS,
			    stand_still, thread_self());
		thread_sleep(1);
		(void)timer_cancel_wait(&late);
		kept += atomic_load(&thread_self()->wake) != 0;
		thread_unpark(thread_self()); /* replaces a token that is gone */
		thread_park();
	}
	CHECK_EQ(kept, rounds);
	if (early == 0)
		test_skip("in %u rounds no timer came so early", rounds);
	test_diag("%u times in %u rounds", early, rounds);
	cpus_stop();
}

static void park_with_interrupts_off(void *unused)
{
	(void)unused;
	(void)arch_irq_save();
	thread_park();
}

TEST(thread_that_holds_a_lock_may_not_wait)
{
	cpus_start(1);
	thread_unpark(thread_self());
	CHECK(test_panics(park_with_interrupts_off, NULL, "arch_irq_was_on"));
	arch_irq_on();
	thread_park();
	cpus_stop();
}

/* ---- many threads, and their ends ---- */

enum {
	LIVES = 4000,
	LIVES_TSAN = 600,
	BATCH = 16,
	JUNK = 0xdb,
};

TEST(thread_thousands_come_and_go)
{
	unsigned lives = 0, most = host_tsan_current() == NULL ? LIVES : LIVES_TSAN;

	cpus_start(CPUS);
	host_switch_is_slow = true;
	atomic_store(&counter, 0);
	while (lives < most) {
		struct thread *t[BATCH];

		for (unsigned i = 0; i < BATCH; i++)
			t[i] = spawn(i, count_one, NULL);
		for (unsigned i = 0; i < BATCH; i++) {
			thread_join(t[i]);
			memset(stacks[i], JUNK, STACK_BYTES); /* not in use any more */
		}
		lives += BATCH;
	}
	CHECK_EQ(atomic_load(&counter), lives);
	cpus_stop();
}

TEST(thread_wait_ended_returns_detached_threads)
{
	cpus_start(CPUS);
	atomic_store(&counter, 0);
	for (unsigned round = 0; round < 50; round++) {
		unsigned seen = 0;

		for (unsigned i = 0; i < BATCH; i++)
			thread_start_detached(
				thread_create(stacks[i], STACK_BYTES, "detached", count_one, NULL));
		for (unsigned i = 0; i < BATCH; i++) {
			struct thread *t = thread_wait_ended();

			seen |= 1u << ((uint8_t *)t->stack - stacks[0]) / STACK_BYTES;
		}
		CHECK_EQ(seen, (1u << BATCH) - 1);
	}
	CHECK_EQ(atomic_load(&counter), 50 * BATCH);
	cpus_stop();
}

/* ---- placement ---- */

enum {
	PIN_STEPS = 300,
};
static _Atomic unsigned astray;

static void stay(void *arg)
{
	for (unsigned i = 0; i < PIN_STEPS; i++) {
		uintptr_t irq = arch_irq_save();

		if (arch_cpu_id() != (unsigned)(uintptr_t)arg)
			atomic_fetch_add(&astray, 1);
		arch_irq_restore(irq);
		thread_yield();
	}
}

static void wander(void *unused)
{
	(void)unused;
	for (unsigned i = 0; i < PIN_STEPS; i++) {
		uintptr_t irq;

		if (thread_pin(i % CPUS) != OK)
			atomic_fetch_add(&astray, 1);
		irq = arch_irq_save();
		if (arch_cpu_id() != i % CPUS)
			atomic_fetch_add(&astray, 1);
		arch_irq_restore(irq);
	}
}

TEST(thread_affinity_is_kept)
{
	struct thread *t[STACKS];

	cpus_start(CPUS);
	atomic_store(&astray, 0);
	for (unsigned i = 0; i < STACKS; i++)
		t[i] = i % 3 == 0 ? spawn(i, wander, NULL)
				  : spawn_on(i % CPUS, i, stay, (void *)(uintptr_t)(i % CPUS));
	for (unsigned i = 0; i < STACKS; i++)
		thread_join(t[i]);
	CHECK_EQ(atomic_load(&astray), 0);
	CHECK_EQ(thread_pin(CPUS), ERR_NOT_FOUND);
	cpus_stop();
}

static _Atomic uint64_t cpus_seen;
static _Atomic unsigned arrived;

/* Spins until all have started, without yielding the CPU. */
static void meet(void *unused)
{
	uintptr_t irq = arch_irq_save();

	(void)unused;
	atomic_fetch_or(&cpus_seen, UINT64_C(1) << arch_cpu_id());
	atomic_fetch_add(&arrived, 1);
	while (atomic_load(&arrived) < CPUS)
		arch_relax();
	arch_irq_restore(irq);
}

TEST(thread_idle_cpus_take_work_from_others)
{
	struct thread *t[CPUS];

	cpus_start(CPUS);
	atomic_store(&cpus_seen, 0);
	atomic_store(&arrived, 0);
	for (unsigned i = 0; i < CPUS; i++)
		t[i] = spawn(i, meet, NULL); /* all are queued on CPU 0 */
	for (unsigned i = 0; i < CPUS; i++)
		thread_join(t[i]);
	CHECK_EQ(atomic_load(&cpus_seen), (1u << CPUS) - 1);
	cpus_stop();
}

static _Atomic bool released;

static void never_yields(void *started)
{
	atomic_store((_Atomic bool *)started, true);
	while (!atomic_load(&released))
		arch_relax();
}

static void release(void *unused)
{
	(void)unused;
	atomic_store(&released, true);
}

TEST(thread_that_never_yields_is_preempted)
{
	struct thread *greedy, *other;
	_Atomic bool started = false;

	if (host_tsan_current() != NULL) {
		test_skip("TSan's signals cannot switch threads");
		return;
	}
	cpus_start(2);
	atomic_store(&released, false);
	greedy = spawn_on(1, 0, never_yields, &started);
	while (!atomic_load(&started))
		arch_relax(); /* then its CPU has no slice to end, and must be told of the other */
	other = spawn_on(1, 1, release, NULL);
	thread_join(greedy);
	thread_join(other);
	cpus_stop();
}

/* ---- wake-ups ---- */

enum {
	PAIRS = 8,
	ROUNDS = 3000,
};

static struct pair {
	struct thread *side[2];
	_Atomic unsigned turn; /* the player whose turn it is */
	unsigned rounds;       /* written by the player whose turn it is */
} pairs[PAIRS];

static void play(struct pair *p, unsigned me)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		while (atomic_load_explicit(&p->turn, memory_order_acquire) != me)
			thread_park();
		p->rounds++;
		atomic_store_explicit(&p->turn, 1 - me, memory_order_release);
		thread_unpark(p->side[1 - me]);
	}
}

static void play_first(void *p)
{
	play(p, 0);
}

static void play_second(void *p)
{
	play(p, 1);
}

TEST(thread_wake_ups_are_never_lost)
{
	cpus_start(CPUS);
	memset(pairs, 0, sizeof(pairs));
	for (unsigned i = 0; i < PAIRS; i++) {
		struct pair *p = &pairs[i];

		p->side[0] = thread_create(stacks[2 * i], STACK_BYTES, "first", play_first, p);
		p->side[1] = thread_create(stacks[2 * i + 1], STACK_BYTES, "second", play_second,
					   p);
		thread_start(p->side[0]);
		thread_start(p->side[1]);
	}
	for (unsigned i = 0; i < PAIRS; i++) {
		thread_join(pairs[i].side[0]);
		thread_join(pairs[i].side[1]);
		CHECK_EQ(pairs[i].rounds, 2 * ROUNDS);
	}
	cpus_stop();
}

/* ---- everything at once ---- */

enum {
	STORM_STEPS = 1500,
	CANARY = 0x5eed,
};

static struct member {
	struct thread *thread;
	uint64_t random;
	_Atomic bool inside; /* it runs: no other CPU may run it */
} members[STACKS];
static _Atomic unsigned broken;

static void storm_step(struct member *m)
{
	switch (test_random_of(&m->random) % 8) {
	case 0: thread_park_until(arch_ticks() + test_random_of(&m->random) % 20000); break;
	case 1:
		if (thread_pin((unsigned)(test_random_of(&m->random) % CPUS)) != OK)
			atomic_fetch_add(&broken, 1);
		break;
	case 2: {
		struct cpu_set all = { 0 };

		for (unsigned i = 0; i < CPUS; i++)
			cpu_set_add(&all, i);
		if (thread_set_affinity(m->thread, &all) != OK)
			atomic_fetch_add(&broken, 1);
		break;
	}
	case 3:
	case 4: thread_unpark(members[test_random_of(&m->random) % STACKS].thread); break;
	case 5:
		if (thread_check() != NULL)
			atomic_fetch_add(&broken, 1);
		break;
	default: thread_yield();
	}
}

static void storm(void *arg)
{
	volatile unsigned canary = CANARY; /* detects two CPUs on one stack */
	struct member *m = arg;

	for (unsigned i = 0; i < STORM_STEPS; i++) {
		atomic_store(&m->inside, false);
		storm_step(m);
		if (atomic_exchange(&m->inside, true) || canary != CANARY + i)
			atomic_fetch_add(&broken, 1);
		canary = canary + 1;
		if (thread_self() != m->thread)
			atomic_fetch_add(&broken, 1);
	}
	/* the others may still unpark it */
	atomic_fetch_add(&counter, 1);
	while (atomic_load(&counter) < STACKS)
		thread_park_until(arch_ticks() + arch_ticks_per_ms());
}

TEST(thread_storm_keeps_every_invariant)
{
	cpus_start(CPUS);
	host_switch_is_slow = true;
	atomic_store(&counter, 0);
	atomic_store(&broken, 0);
	for (unsigned i = 0; i < STACKS; i++) {
		struct member *m = &members[i];

		m->random = test_random() | 1;
		m->thread = thread_create(stacks[i], STACK_BYTES, "storm", storm, m);
	}
	for (unsigned i = 0; i < STACKS; i++)
		thread_start(members[i].thread);
	for (unsigned i = 0; i < STACKS; i++)
		thread_join(members[i].thread);
	CHECK_EQ(atomic_load(&broken), 0);
	cpus_stop();
}

TEST(thread_info_lists_every_thread)
{
	struct thread_info info;
	struct thread *t;
	uintptr_t irq;
	bool all;

	cpus_start(1);
	t = thread_create(stacks[0], STACK_BYTES, "a name that is too long", count_one, NULL);
	NEED(thread_info_at(0, &info));
	CHECK_STR(info.name, "idle");
	CHECK_EQ(info.state, THREAD_PARKED);
	NEED(thread_info_at(1, &info));
	CHECK_STR(info.name, "main");
	CHECK_EQ(info.state, THREAD_RUNNING);
	CHECK_EQ(info.affinity[0], 1);
	CHECK(info.ticks > 0);
	NEED(thread_info_at(2, &info));
	CHECK_STR(info.name, "a name that is ");
	CHECK_EQ(info.state, THREAD_NEW);
	CHECK(!thread_info_at(3, &info));
	irq = arch_irq_save(); /* else it may run when main's slice is over */
	thread_start(t);
	all = thread_info_at(2, &info);
	arch_irq_restore(irq);
	NEED(all);
	CHECK_EQ(info.state, THREAD_READY);
	thread_join(t);
	CHECK(!thread_info_at(2, &info));
	cpus_stop();
}

/* ---- the monitor's command ---- */

TEST(thread_command_has_a_line_for_each)
{
	struct cpu_set some = { 0 };
	char line[] = "threads";
	struct thread *t;
	bool known;

	cpus_start(CPUS);
	t = thread_create(stacks[0], STACK_BYTES, "worker", count_one, NULL);
	cpu_set_add(&some, 0);
	cpu_set_add(&some, 2);
	cpu_set_add(&some, 3);
	CHECK_EQ(thread_set_affinity(t, &some), OK);
	capture_begin();
	known = command_run(line);
	(void)capture_end();
	CHECK(known);
	CHECK(str_glob("state *\nparked     0  0 * idle\nrunning    0  0 * main\n"
		       "* 1  1 * idle\n*new        0  0,2-3 * worker\n",
		       capture_text()));
	thread_start(t);
	thread_join(t);
	cpus_stop();
}
#endif
