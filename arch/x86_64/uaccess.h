/* SPDX-License-Identifier: MIT */
/*
 * uaccess.h - SMEP, SMAP and UMIP, and the copies that may access user pages.
 *
 * If the CPU has them, it refuses accesses that the kernel never intends (SDM 3A 2.5, 4.6.1): SMEP,
 * executing a user page; SMAP, accessing its data while RFLAGS.AC is clear.  UMIP keeps user code
 * from reading the addresses of the kernel's tables (SGDT, SIDT, SLDT, SMSW, STR).
 * arch_copy_from_user(), arch_copy_to_user() and arch_clear_user() of arch/arch.h alone set
 * RFLAGS.AC, for the duration of one copy.
 *
 * Invariants:
 *   U1  AC is clear wherever C code runs, but in those three.  A trap saves it with RFLAGS and
 *       starts with it clear (trap.S): neither a handler that interrupts a copy nor the thread that
 *       it switches to runs with AC set, and user code, which may set AC itself, cannot leave it
 *       set.  No other code loads RFLAGS: arch_irq_restore() uses STI.
 *   U2  the three continue at a fixup after any fault of their accesses (probe.h)
 *
 * LIMIT: no fence keeps a CPU from speculating past the check of a user range; one is needed
 * before user code first runs.
 *
 * All CPUs have the features of the first.  No lock, no allocation, any context.
 */
#pragma once

#include "lib/types.h"

/* Whether the CPU has SMAP, and with it STAC and CLAC.  Read by trap.S. */
extern bool uaccess_has_smap;

/* On the first CPU, before uaccess_init_cpu(); then on each.  Interrupts are off. */
void uaccess_init(void);
void uaccess_init_cpu(void);
