/* SPDX-License-Identifier: MIT */
/*
 * counter.h - a hardware counter of known rate, and the calibration of arch_ticks() against it.
 *
 * arch_ticks() (the TSC) has an unknown rate at boot.  Start-up takes the first of HPET, ACPI PM
 * timer and PIT that exists and moves, measures, and calls arch_ticks_set_rate(); every bounded
 * wait depends on it.  A counter that does not count is rejected after a bounded number of reads.
 *
 * Invariants:
 *   C1  a counter counts up by `hz` in a second, modulo mask + 1
 *   C2  read() is one access for each register, and never waits
 *
 * Locking: none; start-up calls it, on the first CPU.
 */
#pragma once

#include "lib/err.h"
#include "lib/types.h"

struct clock_counter {
	const char *name;
	uint64_t (*read)(const struct clock_counter *c);
	uint64_t hz, mask;
	void __iomem *registers; /* of one in memory */
	uint16_t port;           /* of one at I/O ports */
};

/* arch_ticks() in a millisecond by this counter, measured for about 10 ms; 0: it does not count. */
uint64_t counter_calibrate(const struct clock_counter *c);
