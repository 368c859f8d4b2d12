/* SPDX-License-Identifier: MIT */
/*
 * apic.h - the local APIC: a CPU's interrupts, and those that it sends to other CPUs.
 *
 * apic_init() masks the two 8259 PICs (their vectors moved out of the exceptions' way first) and
 * enables the first CPU's local APIC: as x2APIC where CPUID has it, since it then
 * sends an interrupt by one instruction and has 32-bit identifiers, else as xAPIC.  Every other CPU
 * calls apic_init_cpu().  The timer is in apic_timer.h.
 *
 * Sources: SDM 3A chapter 10 (10.4 local APIC, 10.6 interprocessor interrupts, 10.12 x2APIC).
 */
#pragma once

#include "lib/err.h"
#include "lib/types.h"

/* Physical address of the local APIC's registers; 0: none, or this CPU needs no page because it
 * uses, or is going to use, x2APIC. */
uint64_t apic_page_address(void);

/* `registers` is that page, mapped uncached; NULL for x2APIC.  ERR_NOT_FOUND: there is no usable
 * local APIC; the machine runs on one CPU without a timer. */
err_t apic_init(void *registers);
/* The same on a further CPU. */
void apic_init_cpu(void);

/* What apic_init() found; constant afterwards. */
bool apic_is_usable(void);
bool apic_is_x2apic(void);

/* The identifier of this CPU's local APIC. */
uint32_t apic_id(void);

/* End of interrupt (EOI). */
void apic_end_of_interrupt(void);

/* Send to the CPU whose APIC has that identifier.  Interrupts off for the time of the call.
 * ERR_TIMED_OUT: the previous one was not accepted within a millisecond (xAPIC); nothing was sent.
 * ERR_BAD_RANGE: an xAPIC cannot address that identifier. */
err_t apic_send(uint32_t to, unsigned vector);
err_t apic_send_nmi(uint32_t to);
err_t apic_send_init(uint32_t to);
/* Begin in real mode at physical `page` (4 KiB aligned, below 1 MiB). */
err_t apic_send_startup(uint32_t to, uint32_t page);

/* ---- for apic_timer.c ---- */

enum apic_register {
	APIC_LVT_TIMER = 0x320,
	APIC_TIMER_INITIAL = 0x380,
	APIC_TIMER_CURRENT = 0x390,
	APIC_TIMER_DIVIDE = 0x3e0,
};
/* One access; apic_is_usable(). */
uint32_t apic_read(unsigned reg);
void apic_write(unsigned reg, uint32_t v);
