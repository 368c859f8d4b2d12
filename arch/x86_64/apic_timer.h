/* SPDX-License-Identifier: MIT */
/*
 * apic_timer.h - each CPU's timer: one interrupt at a time, when the TSC has reached a deadline.
 *
 * Where CPUID has it the local APIC compares with the TSC itself (TSC-deadline mode); else it
 * counts down at a rate that was calibrated once by the early clock, and a deadline that is too far
 * for its 32 bits comes early and is set again by who finds nothing due.  The deadlines of
 * arch_timer_set() come from kern/timer.h.
 *
 * Source: SDM 3A 10.5.4.
 */
#pragma once

#include "lib/err.h"
#include "lib/types.h"

/* On the first CPU, after apic_init() and clock_init(): measure.  `due` is called by each timer
 * interrupt, on its CPU.  ERR_TIMED_OUT: it does not count.  ERR_NOT_FOUND: no local APIC. */
err_t apic_timer_init(void (*due)(void));
/* On every CPU, the first too: this one's timer is ready, nothing is set. */
void apic_timer_init_cpu(void);

/* How it works here: "TSC deadline", "count down" or "none". */
const char *apic_timer_mode_name(void);
