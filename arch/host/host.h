/* SPDX-License-Identifier: MIT */
/*
 * host.h - what a test may do to the machine that arch/host simulates.
 *
 * host_machine_reset() gives a machine as it is at power-on: no metadata mapped, memory zero.
 * Touching metadata that was not mapped by arch_meta_map() ends the process: that the array is
 * populated explicitly, and never by a fault, is thereby shown by every host test.
 */
#pragma once

#include "lib/err.h"
#include "lib/types.h"

#define HOST_DIRECT_BYTES GIB(256)
#define HOST_META_BYTES   GIB(64)

/* Once per process, then before each test that wants a fresh machine.  No CPU is bound. */
void host_machine_init(void);
void host_machine_reset(void);

/* The calling thread becomes that CPU / stops being it.  Work that others asked of a CPU is done
 * by its thread while it is bound, and by the asker otherwise. */
void host_cpu_bind(unsigned cpu);
void host_cpu_unbind(void);

/* What was flushed: a log that tests read.  Page flushes beyond the log's room are only counted. */
enum {
	HOST_TLB_LOG = 4096,
};
struct host_tlb_log {
	unsigned pages, alls;
	vaddr_t page[HOST_TLB_LOG];
	uint64_t root; /* activated last */
};
extern struct host_tlb_log host_tlb_log;

/* From now on `handler` runs on the calling thread about every `us` microseconds, wherever it is,
 * unless its interrupts are off; then as soon as they are on again. */
void host_timer_start(unsigned us, void (*handler)(void));
void host_timer_stop(void);
