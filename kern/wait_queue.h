/* SPDX-License-Identifier: MIT */
/*
 * wait_queue.h - threads that wait for a condition.
 *
 *   wait_until(&q, ring_has_room(r))           waits; re-evaluates the condition after each wake-up
 *   ...; wait_wake_one(&q) or wait_wake_all    after making it true, from any context
 *
 * A waiter queues itself before it evaluates its condition, and a waker changes the condition
 * before it reads the queue, so that at least one of the two sees the other.  A wake-up removes its
 * waiter from the queue; a waiter that finds its condition still false queues again, at the end.  A
 * waiter that is woken after it found its condition true wakes the next one in its place, so that a
 * wake-up for one is never swallowed.
 *
 * Invariant: a waiter is in the queue of its wait_until() or in none, and in none after
 * wait_until() returned.
 *
 * Locking: a lock per queue, with interrupts off; run queues are locked under it.  The queue must
 * outlive its waiters and wakers.
 */
#pragma once

#include "kern/lock.h"
#include "kern/thread.h"
#include "lib/list.h"

struct waiter {
	struct list_node link; /* under the queue's lock */
	struct thread *thread;
	bool queued;
};

struct wait_queue {
	struct spinlock lock;
	struct list waiters; /* in order of arrival */
};

/* The lock class, from LOCK_CLASS(), has RANK_WAIT_QUEUE. */
#define WAIT_QUEUE_INIT(lock_class)                                                                \
	{                                                                                          \
		.lock = SPINLOCK_INIT(lock_class)                                                  \
	}

/* Initialises an empty queue. */
void wait_queue_init(struct wait_queue *q, struct lock_class *class);

/* Blocks the running thread until `condition`, an expression, is true; interrupts are on. */
#define wait_until(q, condition)                                                                   \
	do {                                                                                       \
		struct wait_queue *wait_q_ = (q);                                                  \
		struct waiter wait_w_ = { .thread = thread_self() };                               \
		for (;;) {                                                                         \
			wait_begin(wait_q_, &wait_w_);                                             \
			if (condition)                                                             \
				break;                                                             \
			thread_park();                                                             \
		}                                                                                  \
		wait_end(wait_q_, &wait_w_);                                                       \
	} while (0)

/* The halves of wait_until(): queue the waiter unless it is queued; remove it if it is queued. */
void wait_begin(struct wait_queue *q, struct waiter *w);
void wait_end(struct wait_queue *q, struct waiter *w);

/* Wakes the longest-waiting thread, or all current waiters.  Any context.  Returns whether there
 * was one. */
bool wait_wake_one(struct wait_queue *q);
bool wait_wake_all(struct wait_queue *q);

/* The same as wait_wake_all() for a caller that holds the queue's lock. */
void wait_wake_all_locked(struct wait_queue *q) __requires(q->lock);
