/* SPDX-License-Identifier: MIT */
/*
 * apic_timer.h - each CPU's timer: one interrupt at a time, when the TSC has reached a deadline.
 *
 * If CPUID reports TSC-deadline mode, the local APIC compares with the TSC itself.  Else it counts
 * down at a rate that was calibrated once against arch_ticks(); for a deadline beyond its 32 bits
 * it interrupts early, and kern/timer.h, which sets all deadlines by arch_timer_set(), sets it
 * again.
 *
 * Source: SDM 3A 10.5.4.
 */
#pragma once

#include "lib/err.h"
#include "lib/types.h"

/* On the first CPU, after apic_init() and with arch_ticks() calibrated: measure.  `due` is called
 * by each timer interrupt, on its CPU.  ERR_TIMED_OUT: the timer does not count.  ERR_NOT_FOUND: no
 * local APIC. */
err_t apic_timer_init(void (*due)(void));
/* On every CPU, also the first: enable this CPU's timer, without a deadline. */
void apic_timer_init_cpu(void);

/* Its mode: "TSC deadline", "count down" or "none". */
const char *apic_timer_mode_name(void);
