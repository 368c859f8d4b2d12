/* SPDX-License-Identifier: MIT */
/*
 * crew.h - one thread on each CPU, all at work at once.
 *
 * A member is pinned, so its CPU is its number; interrupts and other threads may come at any time.
 * Members check by counting what is wrong, and whoever called crew_run() looks at the sums: a
 * failure that is printed by all at once cannot be read.
 */
#pragma once

#include "kern/cpu.h"

struct crew_member {
	unsigned cpu;
	uint64_t random; /* its generator */
};

/* Run fn on each CPU at once; returns when all have returned, false when there was no memory for
 * all threads: then fn ran nowhere.  From a thread with interrupts on; one crew at a time. */
bool crew_run(void (*fn)(struct crew_member *me));

/* Members wait here until all have come.  Interrupts are on. */
void crew_meet(void);

/* From 0 to n - 1; n > 0. */
uint64_t crew_random_below(struct crew_member *me, uint64_t n);

/* Spin for about so long, as a holder of a lock would. */
void crew_spend_us(uint64_t us);
