/* SPDX-License-Identifier: MIT */
/*
 * call.h - run a function on other CPUs, by an inter-processor interrupt (IPI).
 *
 * A struct call is one request; its memory is its owner's and is never allocated here, so a CPU can
 * always be called and no caller waits for room.  Each CPU has a list of calls that were posted to
 * it; its IPI handler takes the whole list and runs the calls in the order in which they came, with
 * interrupts off.
 *
 *   caller                                       target
 *   queued: false -> true, or merged             take the list
 *   push onto the target's list                  for each call, oldest first:
 *   IPI if the list was empty                      queued: true -> false
 *                                                  fn(arg)
 *
 * Invariants:
 *   P1  a call is in one list at most: only the poster that turns `queued` from false to true
 * pushes it P2  a call that was posted runs at least once after the post: a post that finds it
 * queued is merged with the earlier one, whose run begins later (both exchanges are
 * acquire-release, so the run sees what the merged poster stored before) P3  a list that is not
 * empty has an IPI on its way, or its CPU is in the handler
 *
 * A struct call that several CPUs may post to one target at once is a per-CPU variable of the
 * target: PER_CPU(struct call, age_call) = CALL_INIT(age, NULL).
 *
 * Locking: none; lists are lock-free.  Posting: any context but NMI and machine check, whatever
 * locks are held.  The function is quick, takes only locks that interrupt handlers take, and may
 * post.
 */
#pragma once

#include <stdatomic.h>

#include "arch/arch.h"

struct call {
	struct call *next;       /* in the list of a CPU */
	void (*fn)(void *arg);   /* (c) */
	void *arg;               /* (c) */
	_Atomic uint32_t queued; /* (a) 1: in a list and not begun */
};

#define CALL_INIT(function, argument)                                                              \
	{                                                                                          \
		.fn = (function), .arg = (argument)                                                \
	}

/* Run the call on `cpu`, soon; returns at once.  The calling CPU runs it before returning.  The
 * memory of c stays until it has run.  ERR_NOT_FOUND: that CPU is not running. */
err_t call_on_cpu(unsigned cpu, struct call *c);

/* Run fn(arg) on every CPU that runs, this one included, and wait until all have returned; returns
 * how many.  A CPU that a panic stopped is left out, and so is, with a warning, one that has not
 * begun after CALL_PATIENCE_MS: it will not run fn later.  Interrupts are on and no lock is held;
 * not from within a call.  One caller is served at a time, the others wait. */
enum {
	CALL_PATIENCE_MS = 1000,
};
unsigned call_on_cpus_wait(void (*fn)(void *arg), void *arg);

/* The IPI's handler: serve TLB shootdowns, then run what was posted to this CPU.  For the machine;
 * interrupts are off. */
void call_serve(void);
