/* SPDX-License-Identifier: MIT */
/*
 * apic.h - the local APIC of this CPU, and its timer.  Source: SDM 3A chapter 10.
 *
 * apic_init() masks the two 8259 PICs (their vectors moved out of the exceptions' way first)
 * and enables the local APIC in the mode that the firmware left it in, xAPIC or x2APIC.
 */
#pragma once

#include "lib/err.h"
#include "lib/types.h"

/* Where the registers of the local APIC lie, physical; 0: none, or they are no page but MSRs
 * (x2APIC). */
uint64_t apic_page_address(void);

/* `registers` is that page, mapped uncached; NULL for x2APIC.  ERR_NOT_FOUND: there is no usable
 * local APIC; the machine runs without a timer. */
err_t apic_init(void *registers);

/* Call `tick` every `us` microseconds in interrupt context on this CPU.  Calibrated by the early
 * clock; ERR_TIMEOUT when the timer does not count. */
err_t apic_timer_start(unsigned us, void (*tick)(void));
void apic_timer_stop(void);

/* Timer interrupts so far. */
uint64_t apic_timer_count(void);
