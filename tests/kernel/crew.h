/* SPDX-License-Identifier: MIT */
/*
 * crew.h - runs a function on all CPUs at once, in one thread per CPU.
 *
 * A member is pinned, so its CPU is its number; interrupts and other threads may come at any time.
 * Members count failures, and the caller of crew_run() checks the sums: CPUs that print failures
 * concurrently are unreadable.
 */
#pragma once

#include "kern/cpu.h"

struct crew_member {
	unsigned cpu;
	uint64_t random; /* state of its random number generator */
};

/* Runs fn on each CPU at once; returns when all have returned; false when there was no memory
 * for all threads: then fn ran nowhere.  From a thread with interrupts on; one crew at a time. */
bool crew_run(void (*fn)(struct crew_member *me));

/* A barrier for all members.  Interrupts are on. */
void crew_meet(void);

/* From 0 to n - 1; n > 0. */
uint64_t crew_random_below(struct crew_member *me, uint64_t n);

/* Spins for about `us` microseconds, like a lock holder. */
void crew_spend_us(uint64_t us);
