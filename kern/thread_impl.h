/* SPDX-License-Identifier: MIT */
/*
 * thread_impl.h - shared by thread.c (creation, exit, waiting) and thread_switch.c (run queues,
 * switches, idle CPUs).  Invariants and locks: kern/thread.h.
 */
#pragma once

#include "kern/lock.h"
#include "kern/percpu.h"
#include "kern/thread.h"

struct run_queue {
	struct spinlock lock;
	struct list threads;
	_Atomic unsigned count; /* read by other CPUs without the lock, as a hint */
};

/* Everything but the queue is used only by its own CPU, with interrupts off. */
struct scheduler {
	struct run_queue queue;
	struct thread *current, *idle;
	struct thread *previous; /* the thread that the CPU is switching away from */
	struct timer slice;
	bool armed;        /* the slice timer is armed */
	bool preempt;      /* the slice is over */
	struct thread own; /* the thread on the CPU's boot stack */
};

extern struct scheduler scheduler; /* PER_CPU */

/* For display and checks only. */
static inline void set_state(struct thread *t, enum thread_state state)
{
	atomic_store_explicit(&t->state, state, memory_order_relaxed);
}

static inline enum thread_state state_of(const struct thread *t)
{
	return (enum thread_state)atomic_load_explicit(&t->state, memory_order_relaxed);
}

/* Interrupts are off for all functions below. */

/* Makes t, which is parked or new, ready.  It may run, end and be freed before this returns. */
void thread_enqueue(struct thread *t);

/* Switches away from the running thread, whose state gives the reason. */
void thread_block(void);
/* Requeues the running thread behind the others and switches. */
void thread_requeue(void);

/* Called first on the new stack after a switch: releases the thread that was left. */
void thread_finish_switch(void) __noinline;

/* Clears the set of idle CPUs, before the first CPU starts to schedule. */
void thread_clear_idle_cpus(void);

/* Entry point of the first CPU's idle thread. */
void thread_idle_main(void *unused);

/* thread.c: called when an ended thread is off its stack. */
void thread_bury(struct thread *t);
