/* SPDX-License-Identifier: MIT */
/*
 * kthread.h - kernel threads with stacks of their own.
 *
 * A stack has KTHREAD_STACK_BYTES, by a hook of start-up from kernel space, where it has a guard
 * page on either side; the struct thread is at its top.
 * kthread_join() frees it; the stack of a detached thread is freed by the reaper, a thread that
 * waits for such threads to end, since a thread cannot free the stack that it runs on.
 *
 * Locking: none of its own.  Creating and joining allocate and wait: from threads, with interrupts
 * on and no lock held.
 */
#pragma once

#include "kern/thread.h"

enum {
	KTHREAD_STACK_BYTES = 16 * 1024,
};

/* Where stacks come from: `alloc` returns the lowest byte of one, or NULL; `owner` names the thread
 * and stays. */
struct kthread_stacks {
	void *(*alloc)(size_t bytes, const char *owner);
	void (*free)(void *stack);
};

/* The hook of start-up; before the first thread is created. */
void kthread_set_stacks(const struct kthread_stacks *stacks);

/* Makes the running code the thread "main" (thread_start_main()) and starts the reaper.  Once, on
 * the first CPU, with kernel space and timers ready.  ERR_NO_MEMORY. */
err_t kthread_init(void);

/* Starts a thread that runs fn(arg); kthread_join() must follow.  ERR_NO_MEMORY. */
err_t kthread_create(const char *name, void (*fn)(void *arg), void *arg, struct thread **out);

/* The same, bound to one CPU.  ERR_NOT_FOUND: the CPU is not online. */
err_t kthread_create_on(unsigned cpu, const char *name, void (*fn)(void *arg), void *arg,
			struct thread **out);

/* Starts a detached thread; the reaper frees it after its end.  ERR_NO_MEMORY. */
err_t kthread_create_detached(const char *name, void (*fn)(void *arg), void *arg);

/* Waits until the thread has ended, and frees its memory. */
void kthread_join(struct thread *t);
