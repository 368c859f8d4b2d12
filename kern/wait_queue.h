/* SPDX-License-Identifier: MIT */
/*
 * wait_queue.h - threads that wait for something to become true.
 *
 *   wait_until(&q, ring_has_room(r))           waits; the condition is evaluated again and again
 *   ...; wait_wake_one(&q) or wait_wake_all    by whoever made it true, from any context
 *
 * A waiter puts itself into the queue before it looks at its condition, and whoever changes the
 * condition does so before it looks into the queue, so that one of the two sees the other.  A wake
 * takes its waiter out; one that finds its condition still false queues again, at the end.
 *
 * Invariant: a waiter is in the queue of its wait_until() or in none, and never after it returned.
 *
 * Locking: a lock per queue, with interrupts off; run queues are taken under it.  The queue must
 * outlive its waiters and wakers.
 */
#pragma once

#include "kern/lock.h"
#include "kern/thread.h"

struct waiter {
	struct waiter *next, *prev; /* under the queue's lock */
	struct thread *thread;
	bool queued;
};

struct wait_queue {
	struct spinlock lock;
	struct waiter *first, *last; /* in the order in which they came */
};

/* The class is one of RANK_WAIT_QUEUE: LOCK_CLASS(). */
#define WAIT_QUEUE_INIT(lock_class)                                                                \
	{                                                                                          \
		.lock = SPINLOCK_INIT(lock_class)                                                  \
	}

/* An empty queue. */
void wait_queue_init(struct wait_queue *q, struct lock_class *class);

/* Let the running thread wait until `condition`, an expression, holds; interrupts are on. */
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

/* The halves of wait_until(): into the queue unless it is there; out of it if it is there. */
void wait_begin(struct wait_queue *q, struct waiter *w);
void wait_end(struct wait_queue *q, struct waiter *w);

/* Wake the one that has waited longest, or all that wait now.  Any context.  Whether there was
 * one. */
bool wait_wake_one(struct wait_queue *q);
bool wait_wake_all(struct wait_queue *q);
