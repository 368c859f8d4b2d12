/* SPDX-License-Identifier: MIT */
/*
 * hpet.h - the high precision event timer: a counter in memory-mapped registers.
 *
 * Source: IA-PC HPET specification 1.0a, 2.3.
 */
#pragma once

#include "drivers/clock/counter.h"

/* Its ACPI identifier, by which drivers match it. */
#define HPET_ID "PNP0103"

enum {
	HPET_BYTES = 1024, /* of registers */

	HPET_CAPABILITIES = 0x000, /* 2.3.4: the period in femtoseconds in the upper half */
	HPET_CONFIG = 0x010,       /* 2.3.5 */
	HPET_STATUS = 0x020,       /* 2.3.6: write 1 to clear */
	HPET_COUNTER = 0x0f0,      /* 2.3.7 */
	HPET_TIMER_CONFIG = 0x100, /* 2.3.8, of timer n at + n * HPET_TIMER_STEP */
	HPET_TIMER_COMPARATOR = 0x108,
	HPET_TIMER_STEP = 0x20,

	HPET_CONFIG_ENABLE = 1 << 0,
	HPET_TIMER_LEVEL = 1 << 1,
	HPET_TIMER_IRQ_ENABLE = 1 << 2,
	HPET_TIMER_ROUTE_SHIFT = 9,
	HPET_TIMER_ROUTES_SHIFT = 32, /* which GSIs it can be routed to, a bitmap of 32 */
};

/* The counter of the HPET whose registers are mapped uncached; it is started.  ERR_UNSUPPORTED: the
 * period that it reports is outside the specification's limits. */
err_t hpet_counter(void __iomem *registers, struct clock_counter *out);
