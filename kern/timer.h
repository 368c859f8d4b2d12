/* SPDX-License-Identifier: MIT */
/*
 * timer.h - something to be done when a time has come.
 *
 * A timer is a struct of its owner's that waits in the heap of the CPU that started it; the
 * handler runs there, in interrupt context, on no two CPUs at once.  The heap is a pairing heap
 * threaded through the timers (Fredman, Sedgewick, Sleator, Tarjan 1986): starting is O(1), taking
 * one out O(log n) on average, nothing is ever allocated.  A handler that starts its timer again
 * makes it periodic.
 *
 * The machine's one-shot timer is set to the earliest deadline and to nothing else: a CPU without
 * timers gets no interrupts from here.  An interrupt runs at most TIMER_BATCH handlers; if more are
 * due, the next interrupt comes at once.  Timers with the same deadline run in any order.
 *
 * Invariants; timer_check() looks at them:
 *   H1  no timer is due before the one above it
 *   H2  each timer's neighbours point back to it
 *   H3  a heap's count is the number of timers in it
 *   H4  a timer in a heap is pending, and that heap is its home
 *
 * Locking: a lock per heap, held for a few steps and never while a handler runs; nothing else is
 * taken under it.  One timer is started by one at a time (its owner sees to that); anybody may
 * cancel it at any time from any CPU.  Any context.
 */
#pragma once

#include <stdatomic.h>

#include "arch/arch.h"

enum {
	TIMER_BATCH = 32,
};

struct timer_heap;

/* All zero before the first start. */
struct timer {
	uint64_t deadline;     /* ticks */
	void (*fn)(void *arg); /* interrupts off; quick; may start or free its timer */
	void *arg;
	struct timer *child, *next, *prev; /* prev: the parent of a leftmost child */
	_Atomic(struct timer_heap *) home; /* where it was started last; NULL: nowhere yet */
	bool pending;                      /* under the lock of its home */
};

/* Run fn(arg) on this CPU when arch_ticks() has reached `deadline`, never before.  One that is
 * pending is moved there; one whose handler runs at this moment stays with the CPU that runs it, so
 * that it never runs on two. */
void timer_start(struct timer *t, uint64_t deadline, void (*fn)(void *arg), void *arg);

/* From its own handler: once more, `period` ticks (at least 1) after the last deadline, so that no
 * delay adds up; deadlines that have passed meanwhile are left out. */
void timer_again(struct timer *t, uint64_t period);

/* It will not run unless it runs already.  True: it was pending, and will not have run. */
bool timer_cancel(struct timer *t);

/* The same, and its handler does not run any more on any CPU.  Not from the handler itself, and
 * not while holding a lock that the handler takes. */
bool timer_cancel_wait(struct timer *t);

/* The machine's timer went off on this CPU; interrupts are off. */
void timer_interrupt(void);

/* H1 to H4 on every CPU that runs.  NULL, or the number of the first that is broken, in words. */
__must_check const char *timer_check(void);
