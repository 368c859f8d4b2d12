/* SPDX-License-Identifier: MIT */
/* Tests of timers.  Deadlines in the past are due at the next timer interrupt, so that order is
 * tested without waiting; interrupts stay off meanwhile. */
#include "kern/timer.h"

#include "lib/string.h"
#include "tests/test.h"

enum {
	TIMERS = 200,
	STEPS = 20000,
	CHECK_EVERY = 16,
	PAST = 1000, /* deadlines below are in the past */
	PERIOD = 700,
	AGAIN = 20,
	WAIT_MS = 3,
};
#define FAR (UINT64_MAX / 2) /* and these never expire */

static const char *nothing_wrong(const char *why)
{
	return why == NULL ? "" : why;
}

/* ---- comparison with a list ---- */

static struct timer timers[TIMERS];
static struct model {
	bool pending;
	uint64_t deadline;
} model[TIMERS];
static unsigned fired_order[TIMERS], fired_count;

static void record_fired(void *arg)
{
	fired_order[fired_count++ % TIMERS] = (unsigned)((struct timer *)arg - timers);
}

static void start_one(unsigned i, uint64_t deadline)
{
	timer_start(&timers[i], deadline, record_fired, &timers[i]);
	model[i] = (struct model){ true, deadline };
}

/* Every timer that is due in the model must have fired, earliest first. */
static void check_fired(void)
{
	unsigned due = 0;
	uint64_t last = 0;

	for (unsigned i = 0; i < TIMERS; i++)
		due += model[i].pending && model[i].deadline < FAR;
	fired_count = 0;
	for (unsigned i = 0; i <= due / TIMER_BATCH; i++)
		timer_interrupt();
	NEED(fired_count == due);
	for (unsigned i = 0; i < due; i++) {
		struct model *m = &model[fired_order[i]];

		CHECK(m->pending);
		CHECK(m->deadline >= last);
		last = m->deadline;
		m->pending = false;
	}
}

static void random_step(void)
{
	unsigned i = (unsigned)test_random_below(TIMERS);

	switch (test_random_below(8)) {
	case 0:
	case 1:
	case 2: start_one(i, test_random_below(PAST)); break;
	case 3: start_one(i, FAR + test_random_below(PAST)); break;
	default: CHECK_EQ(timer_cancel(&timers[i]), model[i].pending); model[i].pending = false;
	}
}

TEST(timer_agrees_with_a_list)
{
	uintptr_t irq = arch_irq_save();

	memset(timers, 0, sizeof(timers));
	memset(model, 0, sizeof(model));
	for (unsigned i = 0; i < STEPS; i++) {
		random_step();
		if (i % CHECK_EVERY == 0)
			CHECK_STR(nothing_wrong(timer_check()), "");
		if (test_random_below(TIMERS) == 0)
			check_fired();
	}
	check_fired();
	for (unsigned i = 0; i < TIMERS; i++)
		CHECK_EQ(timer_cancel(&timers[i]), model[i].pending);
	CHECK_STR(nothing_wrong(timer_check()), "");
	arch_irq_restore(irq);
}

TEST(timer_interrupt_does_a_bounded_amount)
{
	uintptr_t irq = arch_irq_save();

	memset(timers, 0, sizeof(timers));
	for (unsigned i = 0; i < TIMER_BATCH + 1; i++)
		start_one(i, i);
	fired_count = 0;
	timer_interrupt();
	CHECK_EQ(fired_count, TIMER_BATCH);
	timer_interrupt();
	CHECK_EQ(fired_count, TIMER_BATCH + 1);
	arch_irq_restore(irq);
}

/* ---- handlers that use timers ---- */

static struct timer first, second;
static unsigned first_count, second_count;
static bool was_pending;

static void count_second(void *unused)
{
	(void)unused;
	second_count++;
}

static void cancel_second(void *unused)
{
	(void)unused;
	was_pending = timer_cancel(&second);
}

TEST(timer_handler_cancels_one_that_is_due_too)
{
	uintptr_t irq = arch_irq_save();

	second_count = 0;
	timer_start(&second, 2, count_second, NULL);
	timer_start(&first, 1, cancel_second, NULL);
	timer_interrupt();
	CHECK(was_pending);
	CHECK_EQ(second_count, 0);
	CHECK(!timer_cancel(&second));
	arch_irq_restore(irq);
}

static uint64_t first_deadline;

static void again(void *unused)
{
	(void)unused;
	if (++first_count < AGAIN)
		timer_again(&first, PERIOD);
}

TEST(timer_again_does_not_drift)
{
	uintptr_t irq = arch_irq_save();

	first_count = 0;
	first_deadline = arch_ticks();
	timer_start(&first, first_deadline, again, NULL);
	while (first_count < AGAIN) {
		unsigned before = first_count;

		timer_interrupt();
		/* skipped deadlines that passed, kept the period */
		CHECK_EQ((first.deadline - first_deadline) % PERIOD, 0);
		if (first_count == before)
			arch_relax();
	}
	CHECK(!timer_cancel_wait(&first));
	arch_irq_restore(irq);
}

static _Atomic uint64_t fired_at;

static void record_time(void *unused)
{
	(void)unused;
	atomic_store(&fired_at, arch_ticks());
}

TEST(timer_comes_by_an_interrupt_and_not_early)
{
	for (unsigned ms = 0; ms < WAIT_MS; ms++) {
		uint64_t deadline = arch_ticks() + ms * arch_ticks_per_ms();

		atomic_store(&fired_at, 0);
		timer_start(&first, deadline, record_time, NULL);
		while (atomic_load(&fired_at) == 0)
			arch_relax();
		CHECK(atomic_load(&fired_at) >= deadline);
	}
}

/* ---- several CPUs: on the host, where threads are CPUs ---- */
#ifndef KEEL_TESTS
#include <pthread.h>

#include "kern/cpu.h"
#include "arch/host/host.h"

enum {
	CPUS = 3,
	SHARED = 8,
	STORM_STEPS = 30000,
	HANDLER_SPINS = 20000,
	WAIT_ROUNDS = 20,
};

static struct shared {
	struct timer timer;
	_Atomic unsigned owner; /* 0: no thread is starting it */
	_Atomic uint64_t started, fired, cancelled;
} shared[SHARED];

static void count_fired(void *arg)
{
	atomic_fetch_add(&((struct shared *)arg)->fired, 1);
}

/* Starting a pending timer counts as a cancellation too, so it is cancelled first. */
static void storm_start(struct shared *s, uint64_t wait)
{
	unsigned none = 0;

	if (!atomic_compare_exchange_strong(&s->owner, &none, 1))
		return;
	if (timer_cancel_wait(&s->timer))
		atomic_fetch_add(&s->cancelled, 1);
	atomic_fetch_add(&s->started, 1);
	timer_start(&s->timer, arch_ticks() + wait, count_fired, s);
	atomic_store(&s->owner, 0);
}

static void *storm(void *arg)
{
	uint64_t state = (uintptr_t)arg * 0x9e3779b97f4a7c15u + test_seed();

	host_cpu_bind((unsigned)(uintptr_t)arg);
	for (unsigned i = 0; i < STORM_STEPS; i++) {
		struct shared *s = &shared[test_random_of(&state) % SHARED];

		if (test_random_of(&state) % 2 == 0)
			storm_start(s, test_random_of(&state) % 20000);
		else if (timer_cancel(&s->timer))
			atomic_fetch_add(&s->cancelled, 1);
	}
	host_cpu_unbind();
	return NULL;
}

TEST(timer_fires_or_is_cancelled_once_on_several_cpus)
{
	pthread_t threads[CPUS];

	host_machine_reset();
	cpu_set_count(CPUS);
	memset(shared, 0, sizeof(shared));
	for (unsigned i = 0; i < CPUS; i++)
		pthread_create(&threads[i], NULL, storm, (void *)(uintptr_t)i);
	for (unsigned i = 0; i < CPUS; i++)
		pthread_join(threads[i], NULL);
	CHECK_STR(nothing_wrong(timer_check()), "");
	for (unsigned i = 0; i < SHARED; i++) {
		struct shared *s = &shared[i];

		if (timer_cancel_wait(&s->timer))
			atomic_fetch_add(&s->cancelled, 1);
		CHECK(atomic_load(&s->started) > 0);
		CHECK_EQ(atomic_load(&s->fired) + atomic_load(&s->cancelled),
			 atomic_load(&s->started));
	}
	cpu_set_count(1);
}

static _Atomic bool entered, left;

static void handle_slowly(void *unused)
{
	(void)unused;
	atomic_store(&entered, true);
	for (unsigned i = 0; i < HANDLER_SPINS; i++)
		arch_relax();
	atomic_store(&left, true);
}

static void *run_slow_handler(void *unused)
{
	uintptr_t irq;

	(void)unused;
	host_cpu_bind(1);
	irq = arch_irq_save();
	timer_start(&first, 1, handle_slowly, NULL);
	timer_interrupt();
	arch_irq_restore(irq);
	host_cpu_unbind();
	return NULL;
}

TEST(timer_cancel_wait_waits_for_a_handler_on_another_cpu)
{
	host_machine_reset();
	cpu_set_count(2);
	memset(&first, 0, sizeof(first));
	for (unsigned i = 0; i < WAIT_ROUNDS; i++) {
		pthread_t other;

		atomic_store(&entered, false);
		atomic_store(&left, false);
		pthread_create(&other, NULL, run_slow_handler, NULL);
		while (!atomic_load(&entered))
			arch_relax();
		CHECK(!timer_cancel_wait(&first));
		CHECK(atomic_load(&left));
		pthread_join(other, NULL);
	}
	cpu_set_count(1);
}
#endif
