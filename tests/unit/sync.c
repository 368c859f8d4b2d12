/* SPDX-License-Identifier: MIT */
/* Tests of kern/mutex.c, kern/completion.c and kern/work.c between threads, on the host.  A lost
 * wake-up hangs the test. */
#ifndef KEEL_TESTS
#include "kern/completion.h"
#include "kern/kthread.h"
#include "kern/mutex.h"
#include "kern/work.h"
#include "tests/host_threads.h"
#include "tests/test.h"

enum {
	WORKERS = 8,
	TURNS = 400,
	WORKS = 50,
	SOON_MS = 5,
};

/* ---- mutex ---- */

static struct mutex mutex = MUTEX_INIT;
static unsigned inside, counted, breaches;

static void count_under_mutex(void *unused)
{
	(void)unused;
	for (unsigned i = 0; i < TURNS; i++) {
		mutex_lock(&mutex);
		breaches += ++inside != 1 || !mutex_is_mine(&mutex);
		counted++;
		if (i % 16 == 0)
			thread_yield(); /* a holder may sleep */
		inside--;
		mutex_unlock(&mutex);
	}
}

static unsigned waiters_count(void)
{
	uintptr_t irq = spin_lock_irq(&mutex.lock);
	unsigned n = 0;

	list_for_each (w, &mutex.waiters)
		n++;
	spin_unlock_irq(&mutex.lock, irq);
	return n;
}

static void sleep_until_waiting(unsigned waiters)
{
	while (waiters_count() != waiters)
		thread_yield();
}

/* They begin together, as main holds the mutex until all wait for it. */
TEST(mutex_admits_one_thread_at_a_time)
{
	struct thread *t[WORKERS];

	cpus_start(CPUS);
	counted = breaches = 0;
	mutex_lock(&mutex);
	inside = 1;
	for (unsigned i = 0; i < WORKERS; i++)
		t[i] = spawn(i, count_under_mutex, NULL);
	while (waiters_count() != WORKERS && breaches == 0)
		thread_yield();
	inside--;
	mutex_unlock(&mutex);
	for (unsigned i = 0; i < WORKERS; i++)
		thread_join(t[i]);
	CHECK_EQ(counted, WORKERS * TURNS);
	CHECK_EQ(breaches, 0);
	CHECK(mutex.owner == NULL && list_is_empty(&mutex.waiters));
	cpus_stop();
}

static unsigned order[WORKERS], arrived;

static void lock_in_turn(void *number)
{
	mutex_lock(&mutex);
	order[arrived++] = (unsigned)(uintptr_t)number;
	mutex_unlock(&mutex);
}

static bool can_lock(struct mutex *m)
{
	if (!mutex_try_lock(m))
		return false;
	mutex_unlock(m);
	return true;
}

TEST(mutex_is_handed_to_waiters_in_their_order)
{
	struct thread *t[WORKERS];

	cpus_start(2);
	arrived = 0;
	mutex_lock(&mutex);
	CHECK(!can_lock(&mutex));
	for (unsigned i = 0; i < WORKERS; i++) {
		t[i] = spawn(i, lock_in_turn, (void *)(uintptr_t)i);
		sleep_until_waiting(i + 1);
	}
	mutex_unlock(&mutex);
	/* it belongs to the first waiter already */
	CHECK(!mutex_is_mine(&mutex));
	for (unsigned i = 0; i < WORKERS; i++)
		thread_join(t[i]);
	for (unsigned i = 0; i < WORKERS; i++)
		CHECK_EQ(order[i], i);
	CHECK(can_lock(&mutex));
	cpus_stop();
}

static void lock_twice(void *m) __no_tsa
{
	mutex_lock(m);
	mutex_lock(m);
}

static void unlock_only(void *m) __no_tsa
{
	mutex_unlock(m);
}

/* A panic left m locked, which the analysis of the caller cannot see. */
static void unlock_after_panic(struct mutex *m) __no_tsa
{
	mutex_unlock(m);
}

TEST(mutex_misuse_is_a_panic)
{
	static struct mutex m = MUTEX_INIT;

	cpus_start(1);
	CHECK(test_panics(unlock_only, &m, "unlocks a mutex that it does not hold"));
	CHECK(test_panics(lock_twice, &m, "locks a mutex that it holds"));
	unlock_after_panic(&m);
	cpus_stop();
}

/* ---- completion ---- */

static struct completion done = COMPLETION_INIT;

static void complete_later(void *ms)
{
	thread_sleep((unsigned)(uintptr_t)ms);
	complete(&done);
}

TEST(completion_ends_a_wait_before_and_after_it_began)
{
	struct thread *t;

	cpus_start(2);
	for (unsigned ms = 0; ms < SOON_MS; ms++) {
		completion_init(&done);
		t = spawn(0, complete_later, (void *)(uintptr_t)ms);
		completion_wait(&done);
		CHECK(completion_is_done(&done));
		completion_wait(&done); /* at once */
		CHECK_EQ(completion_wait_until(&done, 0), OK);
		thread_join(t);
	}
	cpus_stop();
}

TEST(completion_that_does_not_come_times_out)
{
	uint64_t deadline;

	cpus_start(1);
	completion_init(&done);
	deadline = arch_ticks() + SOON_MS * arch_ticks_per_ms();
	CHECK_EQ(completion_wait_until(&done, deadline), ERR_TIMED_OUT);
	CHECK(arch_ticks() >= deadline);
	CHECK(list_is_empty(&done.queue.waiters));
	cpus_stop();
}

/* ---- work ---- */

static void *stack_alloc(size_t bytes, const char *owner)
{
	static unsigned next;

	(void)owner;
	CHECK(bytes <= STACK_BYTES);
	return stacks[WORKERS + next++ % (STACKS - WORKERS)];
}

static void stack_free(void *stack)
{
	(void)stack;
}

static const struct kthread_stacks test_stacks = { stack_alloc, stack_free };

static struct work_queue queue;

struct job {
	struct work work;
	unsigned number;
	_Atomic unsigned runs;
};
static struct job jobs[WORKS];
static unsigned ran[WORKS * 2], ran_count;

static void run_job(struct work *w)
{
	struct job *j = list_entry(w, struct job, work);

	ran[ran_count++ % (WORKS * 2)] = j->number;
	atomic_fetch_add(&j->runs, 1);
}

static void start_queue(void)
{
	kthread_set_stacks(&test_stacks);
	ran_count = 0;
	for (unsigned i = 0; i < WORKS; i++)
		jobs[i] = (struct job){ .work.fn = run_job, .number = i };
	CHECK_EQ(work_queue_start(&queue, "work"), OK);
}

TEST(work_runs_in_order_and_is_waited_for)
{
	cpus_start(2);
	start_queue();
	for (unsigned i = 0; i < WORKS; i++)
		work_submit(&queue, &jobs[i].work);
	work_wait(&queue);
	CHECK_EQ(ran_count, WORKS);
	for (unsigned i = 0; i < WORKS; i++)
		CHECK_EQ(ran[i], i);
	work_wait(&queue); /* nothing: at once */
	work_submit(&queue, &jobs[0].work);
	work_queue_stop(&queue); /* runs it first */
	CHECK_EQ(jobs[0].runs, 2);
	cpus_stop();
}

static void submit_many(void *unused)
{
	(void)unused;
	for (unsigned i = 0; i < TURNS; i++)
		work_submit(&queue, &jobs[i % WORKS].work);
}

TEST(work_submitted_by_many_runs_after_each_submission)
{
	struct thread *t[WORKERS];

	cpus_start(CPUS);
	start_queue();
	for (unsigned i = 0; i < WORKERS; i++)
		t[i] = spawn(i, submit_many, NULL);
	for (unsigned i = 0; i < WORKERS; i++)
		thread_join(t[i]);
	work_wait(&queue);
	for (unsigned i = 0; i < WORKS; i++) {
		CHECK(jobs[i].runs >= 1 && jobs[i].runs <= WORKERS * TURNS / WORKS);
		CHECK(!jobs[i].work.queued);
	}
	work_queue_stop(&queue);
	cpus_stop();
}

/* The second comes when the thread has found nothing more to do, in some rounds. */
TEST(work_submitted_before_the_stop_runs)
{
	cpus_start(2);
	for (unsigned i = 0; i < TURNS; i++) {
		start_queue();
		work_submit(&queue, &jobs[0].work);
		while (atomic_load(&jobs[0].runs) == 0)
			arch_relax();
		for (unsigned turn = 0; turn < i; turn++)
			arch_relax();
		work_submit(&queue, &jobs[1].work);
		work_queue_stop(&queue);
		CHECK_EQ(jobs[1].runs, 1);
	}
	cpus_stop();
}
#endif
