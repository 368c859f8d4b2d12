/* SPDX-License-Identifier: MIT */
/*
 * kthread.h - threads of the kernel with stacks of kernel space.
 *
 * A stack has KTHREAD_STACK_BYTES and a guard page on either side; the struct thread is at its top.
 * It is given back when the thread was joined, or, of a detached one, by the reaper: a thread that
 * waits for such ends, since nobody can free the stack that he is on.
 *
 * Locking: none of its own.  Creating and joining allocate and wait: from threads, with interrupts
 * on and no lock held.
 */
#pragma once

#include "kern/thread.h"

enum {
	KTHREAD_STACK_BYTES = 16 * 1024,
};

/* The running code becomes the thread "main" (thread_start_main()); the reaper begins.  Once, on
 * the first CPU, with kernel space and timers ready.  ERR_NO_MEMORY. */
err_t kthread_init(void);

/* A thread that runs fn(arg) now, to be joined by kthread_join().  ERR_NO_MEMORY. */
err_t kthread_create(const char *name, void (*fn)(void *arg), void *arg, struct thread **out);

/* The same on one CPU alone.  ERR_NOT_FOUND: it does not run. */
err_t kthread_create_on(unsigned cpu, const char *name, void (*fn)(void *arg), void *arg,
			struct thread **out);

/* One that nobody joins.  ERR_NO_MEMORY. */
err_t kthread_create_detached(const char *name, void (*fn)(void *arg), void *arg);

/* Wait until it has ended, and give its memory back. */
void kthread_join(struct thread *t);
