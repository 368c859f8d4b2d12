/* SPDX-License-Identifier: MIT */
/*
 * fault.h - what an exception says before the kernel stops.
 *
 * In this order: an access to the user's half is made possible, if somebody can do that; an
 * instruction of the exception table goes on; the test suite's filter may take the exception; an
 * NMI warns and goes on; all else is explained (what was accessed, the walk, the owner, the likely
 * cause, registers), leaves its backtrace behind, and panics.
 *
 * An exception within the explanation of another is a panic without one; a third within that
 * ends in one line and a halt.  Nothing here allocates or takes a lock.
 *
 * Sources: SDM 3A 6.15 (exceptions), 4.7 (page-fault error code).
 */
#pragma once

#include "arch/fault.h"
#include "lib/err.h"

struct trap_frame;

/* Called by trap.c for vectors below 32. */
void fault_enter(struct trap_frame *frame);

/* Who puts an access that was refused into words: prints lines, and leaves a short form in
 * `summary`.  Until set, the bare facts are printed. */
void fault_set_explainer(void (*explain)(const struct fault *f, char *summary, size_t size));

/* The hook that resolves a refused access to the user's half.  OK: it is tried again; else the
 * error goes to the caller of the copy (struct user_copied), or, of user code, to the hook below.
 * Called for user code, and for the kernel's copies from and to the user (uaccess.h); with
 * interrupts on if they were on.  Once, before there is such an access. */
void fault_set_resolver(err_t (*resolve)(vaddr_t va, enum fault_access access));

/* The hook for user code whose access was refused with `why`: it ends the thread, or makes it go on
 * elsewhere.  With interrupts on.  Never a panic of the kernel. */
void fault_set_refuser(void (*refuse)(const struct fault *f, err_t why) __noreturn);

/* A panic has been dealt with and the kernel goes on (the monitor): the next one is a first. */
void fault_settled(void);
