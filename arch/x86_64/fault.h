/* SPDX-License-Identifier: MIT */
/*
 * fault.h - handlers of exceptions.
 *
 * In this order: the resolver may map the page of an access to the user half; an instruction of the
 * exception table continues at its fixup; the test suite's filter may take the exception; an NMI
 * warns and returns; any other exception is explained (the access, the walk, the owner, the likely
 * cause, registers), records its backtrace, and panics.
 *
 * An exception during the explanation of another panics without explanation; a third one prints
 * one line and halts.  Nothing here allocates or takes a lock.
 *
 * Sources: SDM 3A 6.15 (exceptions), 4.7 (page-fault error code).
 */
#pragma once

#include "arch/fault.h"
#include "lib/err.h"

struct trap_frame;

/* Called by trap.c for vectors below 32. */
void fault_enter(struct trap_frame *frame);

/* Set the function that explains a page fault: it prints lines, and stores a short form in
 * `summary`.  Until set, only address and error code are printed. */
void fault_set_explainer(void (*explain)(const struct fault *f, char *summary, size_t size));

/* Set the resolver of page faults in the user half.  OK: the access is retried; else the error goes
 * to the caller of the copy (struct user_copied), or, of user code, to the refuser below.  Called
 * for user code, and for the kernel's copies from and to the user (uaccess.h), with interrupts on
 * if they were on.  Set once, before the first such access. */
void fault_set_resolver(err_t (*resolve)(vaddr_t va, enum fault_access access));

/* Set the function that handles user code whose access was refused with `why`: it ends the thread,
 * or continues it elsewhere.  Called with interrupts on.  Never a panic of the kernel. */
void fault_set_refuser(void (*refuse)(const struct fault *f, err_t why) __noreturn);

/* After a panic the kernel continues (the monitor): the next exception counts as a first one. */
void fault_settled(void);
