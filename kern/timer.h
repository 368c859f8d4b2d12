/* SPDX-License-Identifier: MIT */
/*
 * timer.h - one-shot and periodic timers, per CPU.
 *
 * A timer is a caller-owned struct that waits in the heap of the CPU that started it; the handler
 * runs there, in interrupt context, and never on two CPUs at once.  The heap is a pairing heap
 * threaded through the timers (Fredman, Sedgewick, Sleator, Tarjan 1986): starting is O(1), removal
 * is O(log n) on average, nothing is allocated.  A handler that restarts its timer makes it
 * periodic.
 *
 * The hardware's one-shot timer is set to the earliest deadline and nothing else: a CPU without
 * timers gets no timer interrupts.  An interrupt runs at most TIMER_BATCH handlers; if more are
 * due, the next interrupt comes at once.  Timers with the same deadline run in any order.
 *
 * Invariants; timer_check() checks them:
 *   H1  no timer is due before its parent in the heap
 *   H2  each timer's neighbours point back to it
 *   H3  a heap's count is the number of timers in it
 *   H4  a timer in a heap is pending, and that heap is its home
 *
 * Locking: a lock per heap, held for a few steps and never while a handler runs; no lock is taken
 * under it.  The owner serialises starts of a timer; any CPU may cancel it at any time.  Any
 * context.
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
	void (*fn)(void *arg); /* runs with interrupts off; short; may start or free its timer */
	void *arg;
	struct timer *child, *next, *prev; /* prev: the parent of a leftmost child */
	_Atomic(struct timer_heap *) home; /* the heap of its last start; NULL: never started */
	bool pending;                      /* protected by the lock of its home */
};

/* Runs fn(arg) on this CPU when arch_ticks() has reached `deadline`, never before.  A pending
 * timer is moved to the new deadline; one whose handler is running stays with the CPU that runs
 * it, so that the handler never runs on two CPUs. */
void timer_start(struct timer *t, uint64_t deadline, void (*fn)(void *arg), void *arg);

/* From its own handler: restarts the timer `period` ticks (at least 1) after the last deadline,
 * so that delays do not accumulate; deadlines that have already passed are skipped. */
void timer_again(struct timer *t, uint64_t period);

/* Cancels the timer; a handler that is already running continues.  True: it was pending, and
 * that run is cancelled. */
bool timer_cancel(struct timer *t);

/* The same, and waits until its handler runs on no CPU.  Not from the handler itself, and not
 * while holding a lock that the handler takes. */
bool timer_cancel_wait(struct timer *t);

/* The hardware timer's interrupt on this CPU; interrupts are off. */
void timer_interrupt(void);

/* Checks H1 to H4 on every online CPU.  Returns NULL, or a text with the number of the first
 * violated invariant. */
__must_check const char *timer_check(void);
