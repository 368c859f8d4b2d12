/* SPDX-License-Identifier: MIT */
/*
 * work.h - work queues: functions that a thread runs later, in order.
 *
 * An interrupt handler that has to sleep, allocate or do much submits a struct work; the thread of
 * the queue runs it with interrupts on.  A work that is submitted again before it has begun runs
 * once; submitted while it runs, it runs again.
 *
 * Invariants:
 *   W1  a work is in one queue at most: the thread or handler that sets `queued` links it
 *   W2  works run one after the other, in the order of their submission, on the queue's thread
 *   W3  when work_wait() has returned, a submission that came before the call has run
 *
 * Locking: a spinlock of rank RANK_WAIT_QUEUE for each queue.  Submitting: any context.  The memory
 * of a work is its owner's; it may be freed by its own function, or after work_wait().
 */
#pragma once

#include "kern/wait_queue.h"
#include "lib/err.h"
#include "lib/list.h"

struct work {
	struct list_node link;
	void (*fn)(struct work *w); /* on the queue's thread; may sleep */
	bool queued;                /* under the queue's lock */
};

struct work_queue {
	struct wait_queue idle;    /* its lock protects the queue; the thread waits here */
	struct wait_queue waiters; /* of work_wait() */
	struct list works;
	uint64_t submitted, finished; /* counts, under the lock */
	struct thread *thread;
	bool stopping;
};

/* Start a queue whose thread is called `name`.  ERR_NO_MEMORY: no thread. */
err_t work_queue_start(struct work_queue *q, const char *name);

/* Run what was submitted, then end the thread.  No work is submitted meanwhile. */
void work_queue_stop(struct work_queue *q);

/* Run w->fn(w) soon. */
void work_submit(struct work_queue *q, struct work *w);

/* Wait until everything that was submitted before has run.  Not from the queue's own thread. */
void work_wait(struct work_queue *q);
