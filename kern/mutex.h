/* SPDX-License-Identifier: MIT */
/*
 * mutex.h - a lock whose waiters sleep.
 *
 * For threads that wait, allocate or do I/O while they hold it; an interrupt handler and code that
 * holds a spinlock use spinlocks (kern/lock.h).  Waiters get it in the order in which they came:
 * unlocking hands the mutex to the first of them, so a thread that has just unlocked cannot
 * overtake it.
 *
 * Invariants:
 *   M1  `owner` is the thread that holds it, or NULL; waiters exist only while it is held
 *   M2  a thread that waits is in the queue until the mutex is its own
 * mutex_lock() by the owner and mutex_unlock() by another thread are panics.
 *
 * Before threads run, while thread_self() is NULL, the one flow of control locks and unlocks
 * freely.
 *
 * Locking: a spinlock of rank RANK_WAIT_QUEUE for a few steps.  Threads only, interrupts on, no
 * spinlock held.
 */
#pragma once

#include "kern/lock.h"
#include "kern/thread.h"
#include "lib/list.h"

struct __capability("mutex") mutex
{
	struct spinlock lock;
	struct thread *owner; /* (l) */
	struct list waiters;  /* (l) */
};

extern struct lock_class mutex_lock_class;

#define MUTEX_INIT                                                                                 \
	{                                                                                          \
		.lock = SPINLOCK_INIT(&mutex_lock_class)                                           \
	}

/* A free mutex that no other thread uses yet. */
void mutex_init(struct mutex *m);

/* Wait until it is the running thread's. */
void mutex_lock(struct mutex *m) __acquires(*m);
/* Hand it to the first waiter, or free it. */
void mutex_unlock(struct mutex *m) __releases(*m);

/* Lock it if it is free. */
__must_check bool mutex_try_lock(struct mutex *m) __tsa(try_acquire_capability(true, *m));

/* Whether the running thread holds it. */
bool mutex_is_mine(struct mutex *m);
