/* SPDX-License-Identifier: MIT */
/*
 * backtrace.h - who called whom, by the chain of frame pointers.
 *
 * The kernel is built with frame pointers: at each one stands the caller's, and above it the
 * address that the call returns to.  trap.S puts such a pair between an exception's handler and the
 * code that it interrupted, so a chain goes through exceptions and from stack to stack there.
 * Leaf functions, and others before and after their frame is up, have no frame of their own; where
 * such code stopped, its caller is found by symbols_frameless() and the stack pointer.
 *
 * A damaged chain ends the walk and never does harm: every read is an arch_probe_read64(), frame
 * pointers rise by at most FRAME_BYTES_MAX within a stack, and at most STEPS_MAX are followed.
 * Calls from one place again and again (a recursion) are one entry with a count.
 *
 * No lock, no allocation.  Each CPU has one record of its last fault.
 */
#pragma once

#include "lib/types.h"

enum {
	BACKTRACE_MAX = 32,
};

enum backtrace_end {
	BACKTRACE_WHOLE,   /* to the first function of the stack */
	BACKTRACE_CUT,     /* there are more than fit */
	BACKTRACE_DAMAGED, /* the chain leads to something that is no frame */
};

struct backtrace {
	unsigned count;
	enum backtrace_end end;
	bool exact; /* at[0] is where it happened, not where a call returns to */
	vaddr_t at[BACKTRACE_MAX];
	unsigned times[BACKTRACE_MAX];
};

/* Of code that stopped at `ip` with these frame and stack pointers.  When ip runs without a frame,
 * or is nowhere in the kernel's text (a wild call), the stack pointer leads to the return
 * address. */
void backtrace_of(struct backtrace *b, vaddr_t ip, vaddr_t frame, vaddr_t stack);

/* Of the caller. */
void backtrace_here(struct backtrace *b) __noinline;

/* A line each: address, name and offset. */
void backtrace_print(const struct backtrace *b);

/* An exception's, before it panics. */
void backtrace_remember(const struct backtrace *b);

/* For the panic handler: print the exception's that led to the panic, or else the caller's.
 * arch_backtrace_print() prints the same from then on. */
void backtrace_print_panic(void) __noinline;
