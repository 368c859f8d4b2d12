/* SPDX-License-Identifier: MIT */
/* Tests of locks: checks and statistics of debug builds, and, where threads act as CPUs, mutual
 * exclusion and fairness. */
#include "kern/lock.h"

#include "kern/percpu.h"
#include "lib/string.h"
#include "lib/symbols.h"
#include "monitor/command.h"
#include "tests/capture.h"
#include "tests/test.h"

LOCK_CLASS(outer_class, "test outer", RANK_KERNEL_SPACE);
LOCK_CLASS(inner_class, "test inner", RANK_ZONE);
LOCK_CLASS(beside_class, "test beside", RANK_ZONE);
LOCK_CLASS_BY_ADDRESS(sorted_class, "test sorted", RANK_RUN_QUEUE);

static struct spinlock outer = SPINLOCK_INIT(&outer_class);
static struct spinlock inner = SPINLOCK_INIT(&inner_class);

/* ---- host and kernel ---- */

TEST(lock_irq_form_restores_the_interrupt_state)
{
	uintptr_t irq = spin_lock_irq(&outer), within;

	CHECK(arch_irq_is_off());
	within = spin_lock_irq(&inner);
	CHECK(!arch_irq_was_on(within));
	spin_unlock_irq(&inner, within);
	CHECK(arch_irq_is_off());
	spin_unlock_irq(&outer, irq);
	CHECK_EQ(arch_irq_is_off(), !arch_irq_was_on(irq));
}

TEST(lock_try_fails_while_it_is_held)
__no_tsa
{
	uintptr_t irq = spin_lock_irq(&inner);
	bool got = spin_try_lock(&inner);

	CHECK(!got);
	if (got)
		spin_unlock(&inner);
	spin_unlock(&inner);
	got = spin_try_lock(&inner);
	CHECK(got);
	if (got)
		spin_unlock(&inner);
	arch_irq_restore(irq);
}

static unsigned served;

static void serve(void)
{
	served++;
}

TEST(lock_wait_turn_calls_the_hook)
{
	lock_waiter_t before = lock_set_waiter(serve);
	uintptr_t irq = arch_irq_save();

	served = 0;
	lock_wait_turn();
	CHECK_EQ(served, 1);
	CHECK(lock_set_waiter(before) == serve);
	arch_irq_restore(irq);
}

/* Whether the output of the monitor's `locks` matches `glob`. */
static bool output_matches(const char *glob)
{
	char line[] = "locks";
	bool known;

	capture_begin();
	known = command_run(line);
	return str_glob(glob, capture_end()) && known;
}

#ifndef KEEL_DEBUG

TEST(lock_costs_two_numbers_in_release_builds)
{
	CHECK_EQ(sizeof(struct spinlock), 2 * sizeof(uint32_t));
	CHECK(output_matches("*debug build*MODE=debug*"));
}

#else

/* ---- violations ---- */

static void take(void *lock) __no_tsa
{
	spin_lock(lock);
}

static void try(void *lock) __no_tsa
{
	(void)spin_try_lock(lock);
}

static void release(void *lock) __no_tsa
{
	spin_unlock(lock);
}

TEST(lock_out_of_order_is_refused_with_both_names)
{
	uintptr_t irq = spin_lock_irq(&inner);

	CHECK(test_panics(take, &outer, "\"test outer\" taken at "));
	CHECK(test_panics(take, &outer, " out of order: this CPU holds \"test inner\", taken at "));
	CHECK(!arch_irq_was_on(irq) || arch_irq_is_off());
#ifdef KEEL_TESTS /* the host has no symbols */
	CHECK(test_panics(take, &outer, "taken at take+"));
	CHECK(test_panics(take, &outer, "taken at lock_out_of_order_is_refused_with_both_names+"));
#endif
	spin_unlock_irq(&inner, irq);
	/* the refused attempts changed nothing */
	irq = spin_lock_irq(&outer);
	spin_lock(&inner);
	spin_unlock(&inner);
	spin_unlock_irq(&outer, irq);
}

TEST(lock_order_is_checked_against_every_held_lock)
{
	static struct spinlock last = SPINLOCK_INIT(&sorted_class);
	uintptr_t irq = spin_lock_irq(&outer);

	spin_lock(&inner);
	spin_lock(&last);
	spin_unlock(&inner);
	CHECK(test_panics(take, &inner, "out of order: this CPU holds \"test sorted\""));
	spin_unlock(&outer);
	CHECK(test_panics(take, &inner, "out of order: this CPU holds \"test sorted\""));
	spin_unlock_irq(&last, irq);
}

TEST(lock_of_the_same_rank_is_refused)
{
	static struct spinlock other = SPINLOCK_INIT(&inner_class);
	static struct spinlock beside = SPINLOCK_INIT(&beside_class);
	uintptr_t irq = spin_lock_irq(&inner);

	CHECK(test_panics(take, &other, "out of order: this CPU holds \"test inner\""));
	CHECK(test_panics(take, &beside, "out of order: this CPU holds \"test inner\""));
	spin_unlock_irq(&inner, irq);
}

TEST(lock_of_an_ordered_class_nests_by_address)
__no_tsa
{
	static struct spinlock pair[2] = { SPINLOCK_INIT(&sorted_class),
					   SPINLOCK_INIT(&sorted_class) };
	uintptr_t irq = spin_lock_irq(&pair[0]);

	spin_lock(&pair[1]);
	spin_unlock(&pair[0]);
	CHECK(test_panics(take, &pair[0], "out of order: this CPU holds \"test sorted\""));
	spin_unlock_irq(&pair[1], irq);
}

TEST(lock_may_be_tried_in_any_order)
__no_tsa
{
	uintptr_t irq = spin_lock_irq(&inner);

	NEED(spin_try_lock(&outer));
	spin_unlock(&outer);
	spin_unlock_irq(&inner, irq);
}

TEST(lock_taken_twice_by_a_cpu_is_refused)
{
	uintptr_t irq = spin_lock_irq(&inner);

	CHECK(test_panics(take, &inner, " again: this CPU holds \"test inner\", taken at "));
	spin_unlock_irq(&inner, irq);
}

TEST(lock_released_by_a_non_holder_is_refused)
{
	uintptr_t irq = arch_irq_save();

	CHECK(test_panics(release, &inner, "\"test inner\" released by a CPU that does not hold"));
	spin_lock(&inner);
	spin_unlock(&inner);
	CHECK(test_panics(release, &inner, "\"test inner\" released by a CPU that does not hold"));
	arch_irq_restore(irq);
}

TEST(lock_with_interrupts_on_is_refused)
{
	uintptr_t irq = arch_irq_save();

	if (!arch_irq_was_on(irq)) {
		arch_irq_restore(irq);
		test_skip("interrupts are off here");
		return;
	}
	spin_lock(&inner);
	arch_irq_restore(irq);
	CHECK(test_panics(release, &inner, "\"test inner\" released with interrupts on"));
	(void)arch_irq_save();
	spin_unlock_irq(&inner, irq);
	CHECK(test_panics(take, &inner, "\"test inner\" taken with interrupts on"));
	CHECK(test_panics(try, &inner, "\"test inner\" taken with interrupts on"));
}

TEST(lock_that_was_not_initialised_is_refused)
{
	static struct spinlock nothing;
	uintptr_t irq = arch_irq_save();

	CHECK(test_panics(take, &nothing, "was not initialised"));
	arch_irq_restore(irq);
}

TEST(lock_beyond_the_max_is_refused)
__no_tsa
{
	static struct spinlock many[LOCKS_HELD_MAX + 1];
	uintptr_t irq = arch_irq_save();

	for (unsigned i = 0; i <= LOCKS_HELD_MAX; i++)
		spin_init(&many[i], &sorted_class);
	for (unsigned i = 0; i < LOCKS_HELD_MAX; i++)
		spin_lock(&many[i]);
	CHECK(test_panics(take, &many[LOCKS_HELD_MAX], "is one lock too many for this CPU"));
	for (unsigned i = 0; i < LOCKS_HELD_MAX; i++)
		spin_unlock(&many[i]);
	arch_irq_restore(irq);
}

static void none_held(void *arg)
{
	(void)arg;
	lock_check_none_held("the end of this test");
}

TEST(lock_check_none_held_finds_a_held_lock)
{
	uintptr_t irq = arch_irq_save();

	lock_check_none_held("here");
	spin_lock(&inner);
	CHECK(test_panics(none_held, NULL, "\"test inner\", taken at "));
	CHECK(test_panics(none_held, NULL, "is held at the end of this test"));
	spin_unlock_irq(&inner, irq);
	lock_check_none_held("here");
}

TEST(lock_that_was_abandoned_does_not_block_others)
{
	static struct spinlock lost = SPINLOCK_INIT(&sorted_class);
	uintptr_t irq = spin_lock_irq(&lost);

	lock_abandon_held();
	lock_check_none_held("a new beginning");
	spin_lock(&inner);
	spin_unlock(&inner);
	CHECK(test_panics(take, &lost, "\"test sorted\" taken again: this CPU panicked with it"));
	spin_unlock_irq(&lost, irq); /* allowed for a test */
	lock_check_none_held("the end");
}

/* ---- statistics ---- */

LOCK_CLASS(counted_class, "test counted", RANK_ZONE);

static uint64_t value_of(const _Atomic uint64_t *p)
{
	return atomic_load_explicit(p, memory_order_relaxed);
}

static void wait_ticks(uint64_t ticks)
{
	uint64_t start = arch_ticks();

	while (arch_ticks() - start < ticks)
		arch_relax();
}

TEST(lock_statistics_count_each_acquisition)
__no_tsa
{
	static struct spinlock a = SPINLOCK_INIT(&counted_class);
	uint64_t taken = value_of(&counted_class.acquisitions);
	uint64_t waited = value_of(&counted_class.contended);
	struct spinlock b;

	spin_init(&b, &counted_class);
	for (unsigned i = 0; i < 1000; i++) {
		struct spinlock *l = i % 2 == 0 ? &a : &b;
		uintptr_t irq = spin_lock_irq(l);

		CHECK(!spin_try_lock(l));
		spin_unlock_irq(l, irq);
	}
	CHECK_EQ(value_of(&counted_class.acquisitions), taken + 1000);
	CHECK_EQ(value_of(&counted_class.contended), waited);
	CHECK(output_matches("*test counted, rank 50: taken * times, waited for * times\n"
			     "    longest hold * us, *"));
}

/* Each hold is longer than all before: its bounds are measured outside and inside of the lock. */
TEST(lock_statistics_keep_the_longest_hold)
{
	static struct spinlock l = SPINLOCK_INIT(&counted_class);
	uint64_t outside = arch_ticks(), inside, least, longest;
	uintptr_t irq = spin_lock_irq(&l);

	inside = arch_ticks();
	wait_ticks(value_of(&counted_class.hold.ticks) + 1);
	least = arch_ticks() - inside;
	spin_unlock(&l);
	longest = value_of(&counted_class.hold.ticks);
	CHECK(longest >= least && longest <= arch_ticks() - outside);
	/* a shorter one changes nothing, even if this CPU was paused meanwhile */
	atomic_store(&counted_class.hold.ticks, UINT64_MAX);
	spin_lock(&l);
	spin_unlock_irq(&l, irq);
	CHECK_EQ(value_of(&counted_class.hold.ticks), UINT64_MAX);
	atomic_store(&counted_class.hold.ticks, longest);
#ifdef KEEL_TESTS
	CHECK(output_matches("*test counted, *longest hold * us, "
			     "lock_statistics_keep_the_longest_hold+*"));
#endif
}

#endif

/* ---- several CPUs ---- */

#ifndef KEEL_TESTS
#include <pthread.h>
#include <sched.h>

#include "arch/host/host.h"

enum {
	CPUS = 4,
	TURNS = 20000,
};

static struct spinlock shared = SPINLOCK_INIT(&inner_class);
static unsigned inside, collisions, entries, order[CPUS]; /* protected by `shared`, if it works */

struct worker {
	pthread_t thread;
	unsigned cpu;
};

static void start_worker(struct worker *w, unsigned cpu, void *(*fn)(void *))
{
	w->cpu = cpu;
	pthread_create(&w->thread, NULL, fn, w);
}

static void *enter_often(void *arg)
{
	struct worker *w = arg;

	host_cpu_bind(w->cpu);
	for (unsigned i = 0; i < TURNS; i++) {
		uintptr_t irq = spin_lock_irq(&shared);

		collisions += inside++ != 0;
		entries++;
		inside--;
		spin_unlock_irq(&shared, irq);
	}
	host_cpu_unbind();
	return NULL;
}

TEST(lock_admits_one_cpu_at_a_time)
{
	struct worker w[CPUS];

	collisions = entries = 0;
	for (unsigned i = 0; i < CPUS; i++)
		start_worker(&w[i], 1 + i, enter_often);
	for (unsigned i = 0; i < CPUS; i++)
		pthread_join(w[i].thread, NULL);
	CHECK_EQ(collisions, 0);
	CHECK_EQ(entries, CPUS * TURNS);
}

static uint32_t tickets(void)
{
	return atomic_load_explicit(&shared.next, memory_order_relaxed);
}

/* Starts a worker and waits until it queues. */
static void queue_worker(struct worker *w, unsigned cpu, void *(*fn)(void *))
{
	uint32_t before = tickets();

	start_worker(w, cpu, fn);
	while (tickets() == before)
		sched_yield();
}

static void *enter_once(void *arg)
{
	struct worker *w = arg;
	uintptr_t irq;

	host_cpu_bind(w->cpu);
	irq = spin_lock_irq(&shared);
	order[entries++] = w->cpu;
	spin_unlock_irq(&shared, irq);
	host_cpu_unbind();
	return NULL;
}

TEST(lock_is_fair)
{
	uintptr_t irq = spin_lock_irq(&shared);
	struct worker w[CPUS];

	entries = 0;
	for (unsigned i = 0; i < CPUS; i++)
		queue_worker(&w[i], 1 + i, enter_once);
	CHECK_EQ(entries, 0);
	spin_unlock_irq(&shared, irq);
	for (unsigned i = 0; i < CPUS; i++)
		pthread_join(w[i].thread, NULL);
	for (unsigned i = 0; i < CPUS; i++)
		CHECK_EQ(order[i], 1 + i);
}

static _Atomic unsigned served_by;

static void serve_shootdown(void)
{
	atomic_store(&served_by, arch_cpu_id());
}

/* A model of a shootdown: the holder waits, holding the lock, for an action of the waiter. */
TEST(lock_waiter_serves_others_while_it_waits)
{
	lock_waiter_t before = lock_set_waiter(serve_shootdown);
	uintptr_t irq = spin_lock_irq(&shared);
	struct worker w;

	entries = 0;
	atomic_store(&served_by, 0);
	queue_worker(&w, 3, enter_once);
	while (atomic_load(&served_by) != 3)
		sched_yield();
	CHECK_EQ(entries, 0);
	spin_unlock_irq(&shared, irq);
	pthread_join(w.thread, NULL);
	CHECK_EQ(entries, 1);
	lock_set_waiter(before);
}

#ifdef KEEL_DEBUG

static void *release_only(void *arg)
{
	struct worker *w = arg;
	uintptr_t irq;

	host_cpu_bind(w->cpu);
	irq = arch_irq_save();
	CHECK(test_panics(release, &shared, "released by a CPU that does not hold it"));
	arch_irq_restore(irq);
	host_cpu_unbind();
	return NULL;
}

TEST(lock_of_another_cpu_cannot_be_released)
{
	uintptr_t irq = spin_lock_irq(&shared);
	struct worker w;

	start_worker(&w, 2, release_only);
	pthread_join(w.thread, NULL);
	spin_unlock_irq(&shared, irq);
}

static _Atomic uint64_t seen_waiting; /* CPUs */

static void record_waiting(void)
{
	atomic_fetch_or(&seen_waiting, UINT64_C(1) << arch_cpu_id());
}

/* A CPU that paused between drawing its ticket and checking it might find that it is served. */
static void await_waiting(unsigned cpu)
{
	while ((atomic_load(&seen_waiting) >> cpu & 1) == 0)
		sched_yield();
}

TEST(lock_statistics_count_each_wait)
{
	lock_waiter_t before = lock_set_waiter(record_waiting);
	uint64_t waited = value_of(&inner_class.contended);
	uint64_t taken = value_of(&inner_class.acquisitions);
	uintptr_t irq = spin_lock_irq(&shared);
	uint64_t start = arch_ticks();
	struct worker w[2];

	atomic_store(&inner_class.wait.ticks, 0);
	atomic_store(&seen_waiting, 0);
	for (unsigned i = 0; i < 2; i++) {
		queue_worker(&w[i], 1 + i, enter_once);
		await_waiting(1 + i);
	}
	entries = 0;
	spin_unlock_irq(&shared, irq);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(w[i].thread, NULL);
	CHECK_EQ(value_of(&inner_class.contended), waited + 2);
	CHECK_EQ(value_of(&inner_class.acquisitions), taken + 3);
	CHECK(value_of(&inner_class.wait.ticks) > 0);
	CHECK(value_of(&inner_class.wait.ticks) <= arch_ticks() - start);
	lock_set_waiter(before);
}

#endif
#endif
