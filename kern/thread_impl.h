/* SPDX-License-Identifier: MIT */
/*
 * thread_impl.h - what thread.c (lives and waiting) and thread_switch.c (run queues, switches, idle
 * CPUs) share.  Invariants and locks: kern/thread.h.
 */
#pragma once

#include "kern/lock.h"
#include "kern/percpu.h"
#include "kern/thread.h"

struct run_queue {
	struct spinlock lock;
	struct thread *first, *last;
	_Atomic unsigned count; /* others read it without the lock, as a hint */
};

/* All but the queue is touched by its own CPU alone, with interrupts off. */
struct scheduler {
	struct run_queue queue;
	struct thread *current, *idle;
	struct thread *previous; /* from which the CPU is switching away */
	struct timer slice;
	bool armed;        /* the slice */
	bool preempt;      /* the slice is over */
	struct thread own; /* whose stack the CPU came with */
};

extern struct scheduler scheduler; /* PER_CPU */

/* A display, and for checks. */
static inline void set_state(struct thread *t, enum thread_state state)
{
	atomic_store_explicit(&t->state, state, memory_order_relaxed);
}

static inline enum thread_state state_of(const struct thread *t)
{
	return (enum thread_state)atomic_load_explicit(&t->state, memory_order_relaxed);
}

/* Interrupts are off for all that follows. */

/* Make t, which waits or is new, ready.  It may run, end and be gone before this returns. */
void thread_enqueue(struct thread *t);

/* The running thread, whose state says why, gives up the CPU. */
void thread_block(void);
/* The running thread stays ready, but others go first. */
void thread_requeue(void);

/* First of all on a stack that was switched to: the one that was left is free to be used. */
void thread_finish_switch(void) __noinline;

/* No CPU is idle: the first one begins. */
void thread_clear_idle_cpus(void);

/* The life of the first CPU's idle thread. */
void thread_idle_main(void *unused);

/* thread.c: a thread that has ended is off its stack. */
void thread_bury(struct thread *t);
