/* SPDX-License-Identifier: MIT */
/*
 * clock.h - the early clock: the TSC, calibrated once, so that every wait can be bounded.
 *
 * Calibrated against the first of HPET, ACPI PM timer and PIT that is there and moves; each
 * is given up after a bounded number of reads.  When none moves, ARCH_TICKS_GUESS stands and
 * a line says so.  Sources: HPET specification 1.0a 2.3; ACPI 6.5 4.8.3.3; Intel 8254.
 */
#pragma once

#include "lib/types.h"

struct clock_sources {
	void *hpet;             /* its registers, mapped uncached; NULL: none */
	uint64_t pm_timer_port; /* I/O port; 0: none */
	unsigned pm_timer_bits; /* 24 or 32 */
};

/* Before this, arch_ticks_per_ms() gives a guess on the safe (long) side. */
void clock_init(const struct clock_sources *sources);

/* What it was calibrated against: "HPET", "ACPI PM timer", "PIT" or "nothing". */
const char *clock_source_name(void);
