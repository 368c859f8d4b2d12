/* SPDX-License-Identifier: MIT */
/*
 * cpu_report.h - the monitor's `cpus`: CPUs, and how long they kept interrupts off.
 *
 * Two causes of interrupts-off time are known: an interrupt handler (arch/arch.h) and a spinlock
 * (kern/lock.h, debug builds).  Locking: the locks of interrupt lines, briefly.
 */
#pragma once

#include "lib/types.h"

enum {
	CPU_OFF_TEXT_BYTES = 128,
};

/* Writes the longest known interrupts-off time of `cpu` < cpu_count() as
 * "12 us, in heap_alloc+0x40", truncated to `bytes`; CPU_OFF_TEXT_BYTES are enough. */
void cpu_describe_longest_off(unsigned cpu, char *text, size_t bytes);
