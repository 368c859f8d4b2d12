/* SPDX-License-Identifier: MIT */
/*
 * uaccess.h - the wall between the kernel and user pages, and the gate in it.
 *
 * Where the CPU can, it refuses what the kernel never means to do (SDM 3A 2.5, 4.6.1): SMEP, to run
 * code of a user page; SMAP, to touch data of one while RFLAGS.AC is clear.  UMIP keeps user code
 * from reading where the kernel's tables lie (SGDT, SIDT, SLDT, SMSW, STR).  The gate is
 * arch_copy_from_user(), arch_copy_to_user() and arch_clear_user() of arch/arch.h: they alone set
 * RFLAGS.AC, for the length of one copy.
 *
 * Invariants:
 *   U1  AC is clear wherever C code runs, but in those three.  A trap saves it with RFLAGS and
 *       starts with it clear (trap.S): neither a handler that interrupts a copy nor the thread that
 *       it switches to has the gate open, and user code, which may set AC itself, cannot leave it
 *       open.  Nobody else loads RFLAGS: arch_irq_restore() uses STI.
 *   U2  the three go on behind any fault that their accesses meet (probe.h)
 *
 * LIMIT: no fence keeps a CPU from speculating behind the check of a user's range; one belongs
 * there when user code first runs.
 *
 * All CPUs have what the first has.  No lock, no allocation, any context.
 */
#pragma once

#include "lib/types.h"

/* Whether the CPU knows SMAP, and with it STAC and CLAC.  Read by trap.S. */
extern bool uaccess_has_smap;

/* On the first CPU, before uaccess_init_cpu(); then on each.  Interrupts are off. */
void uaccess_init(void);
void uaccess_init_cpu(void);
