/* SPDX-License-Identifier: MIT */
/* Tests of wait queues between threads, on the host.  A lost wake-up hangs the test. */
#ifndef KEEL_TESTS
#include "kern/wait_queue.h"

#include "lib/string.h"
#include "tests/host_threads.h"
#include "tests/test.h"

/* A small ring shared by many threads. */
enum {
	PLACES = 3,
	HANDS = 4,
	ITEMS = 1500,
};

LOCK_CLASS(queues_class, "wait queues of the test", RANK_WAIT_QUEUE);
LOCK_CLASS(ring_class, "ring of the test", RANK_CONSOLE);
static struct {
	struct spinlock lock;
	struct wait_queue not_empty, not_full;
	unsigned item[PLACES], head, count;
	_Atomic uint64_t sum;
} ring;

static bool ring_put(unsigned item)
{
	uintptr_t irq = spin_lock_irq(&ring.lock);
	bool room = ring.count < PLACES;

	if (room)
		ring.item[(ring.head + ring.count++) % PLACES] = item;
	spin_unlock_irq(&ring.lock, irq);
	return room;
}

static bool ring_get(unsigned *item)
{
	uintptr_t irq = spin_lock_irq(&ring.lock);
	bool some = ring.count > 0;

	if (some) {
		*item = ring.item[ring.head];
		ring.head = (ring.head + 1) % PLACES;
		ring.count--;
	}
	spin_unlock_irq(&ring.lock, irq);
	return some;
}

static void produce(void *unused)
{
	(void)unused;
	for (unsigned i = 1; i <= ITEMS; i++) {
		wait_until(&ring.not_full, ring_put(i));
		(void)wait_wake_one(&ring.not_empty);
	}
}

static void consume(void *unused)
{
	(void)unused;
	for (unsigned i = 1; i <= ITEMS; i++) {
		unsigned item = 0;

		wait_until(&ring.not_empty, ring_get(&item));
		(void)wait_wake_one(&ring.not_full);
		atomic_fetch_add(&ring.sum, item);
	}
}

TEST(wait_queue_passes_every_item_through_a_small_ring)
{
	struct thread *t[2 * HANDS];

	cpus_start(CPUS);
	memset(&ring, 0, sizeof(ring));
	spin_init(&ring.lock, &ring_class);
	wait_queue_init(&ring.not_empty, &queues_class);
	wait_queue_init(&ring.not_full, &queues_class);
	for (unsigned i = 0; i < 2 * HANDS; i++)
		t[i] = spawn(i, i % 2 == 0 ? produce : consume, NULL);
	for (unsigned i = 0; i < 2 * HANDS; i++)
		thread_join(t[i]);
	CHECK_EQ(atomic_load(&ring.sum), (uint64_t)HANDS * ITEMS * (ITEMS + 1) / 2);
	CHECK_EQ(ring.count, 0);
	CHECK(!wait_wake_all(&ring.not_empty));
	cpus_stop();
}

static _Atomic unsigned passed;
static _Atomic bool released;
static struct wait_queue gate = WAIT_QUEUE_INIT(&queues_class);

static void pass_the_gate(void *unused)
{
	(void)unused;
	wait_until(&gate, atomic_load(&released));
	atomic_fetch_add(&passed, 1);
}

TEST(wait_queue_wakes_all)
{
	struct thread *t[STACKS];

	cpus_start(CPUS);
	atomic_store(&released, false);
	atomic_store(&passed, 0);
	for (unsigned i = 0; i < STACKS; i++)
		t[i] = spawn(i, pass_the_gate, NULL);
	thread_sleep(1); /* so that most of them wait; the test does not depend on it */
	CHECK_EQ(atomic_load(&passed), 0);
	atomic_store(&released, true);
	(void)wait_wake_all(&gate);
	for (unsigned i = 0; i < STACKS; i++)
		thread_join(t[i]);
	CHECK_EQ(atomic_load(&passed), STACKS);
	cpus_stop();
}

/* A condition that, right after its evaluation, does what a waker does. */
static bool changes_after_the_check(bool *woken)
{
	bool before = *woken;

	if (!before)
		*woken = wait_wake_one(&gate);
	return before || !*woken; /* else it would wait for ever */
}

TEST(wait_queue_waker_finds_a_waiter_that_just_checked)
{
	bool woken = false;

	cpus_start(1);
	wait_until(&gate, changes_after_the_check(&woken));
	CHECK(woken);
	CHECK(!wait_wake_one(&gate));
	cpus_stop();
}

/* Thread 1 is woken after its condition was true already: the wake-up is thread 2's. */
TEST(wait_queue_wake_for_one_is_not_swallowed)
{
	static struct thread one, two;
	struct waiter w1 = { .thread = &one }, w2 = { .thread = &two };
	struct wait_queue q;

	wait_queue_init(&q, &queues_class);
	wait_begin(&q, &w1);      /* its condition takes the item that is there */
	wait_begin(&q, &w2);      /* no item, it parks */
	CHECK(wait_wake_one(&q)); /* for another item */
	CHECK_EQ(atomic_load(&two.wake), 0);
	wait_end(&q, &w1);
	CHECK(atomic_load(&two.wake) != 0);
	wait_end(&q, &w2);
	CHECK(!wait_wake_one(&q));
}
#endif
