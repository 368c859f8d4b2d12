/* SPDX-License-Identifier: MIT */
/*
 * measure.h - measures the ticks of one operation many times and prints one line:
 *
 *   BENCH name med=12.00 min=12.00 max=90.00 n=501
 *
 * Ticks per operation, without the cost of reading the TSC.  Exact where the TSC ticks once per
 * instruction.  Interrupts stay on, so that disabling and enabling them is included; the caller
 * stops the timer.  Each bench file has a copy of these functions, for inlining.
 */
#pragma once

#include "arch/arch.h"
#include "lib/print.h"

enum {
	SAMPLES = 501,
	HUNDREDTHS = 100,
};

static uint64_t sample[SAMPLES];
static uint64_t overhead; /* ticks between two readings with nothing between them */

static inline void sort_samples(unsigned n)
{
	for (unsigned i = 1; i < n; i++) {
		uint64_t v = sample[i];
		unsigned at = i;

		for (; at > 0 && sample[at - 1] > v; at--)
			sample[at] = sample[at - 1];
		sample[at] = v;
	}
}

static inline void print_stat(const char *label, uint64_t ticks, unsigned per)
{
	uint64_t v = ticks * HUNDREDTHS / per;

	print(" %s=%lu.%02lu", label, v / HUNDREDTHS, v % HUNDREDTHS);
}

static inline void print_samples(const char *name, unsigned order, unsigned n, unsigned per)
{
	sort_samples(n);
	print("BENCH %s%u", name, order);
	print_stat("med", sample[n / 2], per);
	print_stat("min", sample[0], per);
	print_stat("max", sample[n - 1], per);
	print(" n=%u\n", n);
}

/* Inlined together with the measured operation, so that no call is counted that a caller of the
 * allocator would not make. */
static __forceinline void measure(const char *name, unsigned order, unsigned n, unsigned per,
				  void (*before)(unsigned), void (*operation)(unsigned),
				  void (*after)(unsigned))
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t start;

		before(order);
		start = arch_ticks();
		operation(order);
		sample[i] = arch_ticks() - start - overhead;
		after(order);
	}
	print_samples(name, order, n, per);
}

static __forceinline void nothing(unsigned order)
{
	(void)order;
}

/* Measures the cost of two TSC reads with nothing between them; later results subtract it. */
static inline void measure_overhead(void)
{
	overhead = 0;
	measure("rdtsc_o", 0, SAMPLES, 1, nothing, nothing, nothing);
	overhead = sample[SAMPLES / 2];
}
