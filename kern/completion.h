/* SPDX-License-Identifier: MIT */
/*
 * completion.h - an event that happens once: a request is done.
 *
 *   struct completion done = COMPLETION_INIT;
 *   start the device;                            handler: complete(&done);
 *   err = completion_wait_until(&done, deadline);
 *
 * complete() may come before the wait.  The completion may be freed as soon as a wait has returned
 * OK: complete() touches it under its lock for the last time, and the wait takes that lock.
 *
 * Locking: a spinlock of rank RANK_WAIT_QUEUE.  complete(): any context.  Waiting: threads,
 * interrupts on, no spinlock held.
 */
#pragma once

#include "kern/wait_queue.h"
#include "lib/err.h"

struct completion {
	struct wait_queue queue;
	_Atomic uint32_t done;
};

extern struct lock_class completion_lock_class;

#define COMPLETION_INIT                                                                            \
	{                                                                                          \
		.queue = WAIT_QUEUE_INIT(&completion_lock_class)                                   \
	}

/* Not done; nothing waits. */
void completion_init(struct completion *c);

/* It has happened: wakes all waiters, and later waits return at once. */
void complete(struct completion *c);

/* Whether it has happened.  Acquire: what was stored before complete() is visible. */
static inline bool completion_is_done(const struct completion *c)
{
	return atomic_load_explicit(&c->done, memory_order_acquire) != 0;
}

/* Wait until it has happened. */
void completion_wait(struct completion *c);

/* The same until arch_ticks() reaches `deadline`.  ERR_TIMED_OUT: it has not happened; complete()
 * may still come. */
err_t completion_wait_until(struct completion *c, uint64_t deadline);
