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

/* From now to host_machine_reset() the CPU can be asked for nothing, as after a panic. */
void host_cpu_stop(unsigned cpu);

/* ---- the simulated TLB (tlb.c) ----
 *
 * Each CPU has one: pages of any size, with the right to write, and upper-level entries, which lead
 * to tables.  It fills when the CPU accesses an address, sets accessed and dirty bits by
 * compare-and-swap as it walks, and invalidates only what it is told to, what it has no room for,
 * or a page that it is to write to and knows as one that may not be written or is not dirty.  It
 * then walks anew.  Accesses are the kernel's: PTE_USER is no matter. */

enum host_tlb_use {
	HOST_TLB_READ,
	HOST_TLB_WRITE,
};

/* This CPU accesses va: from its TLB, or by a walk of the table that it has loaded, in `levels`
 * levels, which fills the TLB.  *pa is where the access goes.  False: a fault. */
bool host_tlb_access(vaddr_t va, unsigned levels, enum host_tlb_use use, uint64_t *pa);

/* Whether that CPU could still reach any byte of [pa, pa + len): as a page, or as a table. */
bool host_tlb_has_page(unsigned cpu, uint64_t pa, uint64_t len);
bool host_tlb_has_table(unsigned cpu, uint64_t pa);
/* Whether that CPU could write to the byte at pa without a walk. */
bool host_tlb_may_write(unsigned cpu, uint64_t pa);

/* Give the processor away before each shootdown takes effect, so that what comes too early is seen.
 */
extern bool host_tlb_is_slow;

/* What the machine can do is in host_tlb_contexts and host_tlb_broadcasts of arch_impl.h; after
 * host_machine_reset() it has no contexts and no broadcast, and is not slow. */

/* What the calling thread had invalidated: a log that tests read.  Page shootdowns beyond the log's
 * room are only counted. */
enum {
	HOST_TLB_LOG = 4096,
};
struct host_tlb_log {
	unsigned pages, alls, contexts, broadcasts;
	vaddr_t page[HOST_TLB_LOG];
};
extern _Thread_local struct host_tlb_log host_tlb_log;

/* The table that this CPU walks. */
uint64_t host_tlb_root(void);

/* Part of host_machine_reset(). */
void host_tlb_reset(void);

/* Give the processor away before each switch of threads, which is off its old stack later then: who
 * uses that stack too early is seen. */
extern bool host_switch_is_slow;

/* ---- interrupts of devices ----
 *
 * A wire is a GSI below HOST_GSIS.  An asserted edge, or a level
 * that is unmasked, interrupts the CPU that it is routed to.  host_msi_write() is what a device
 * does with a message. */
enum {
	HOST_GSIS = 64,
};
void host_irq_assert(uint32_t gsi);
void host_irq_deassert(uint32_t gsi);
void host_msi_write(uint64_t address, uint32_t data);
/* Whether the wire is routed, and not masked. */
bool host_irq_is_open(uint32_t gsi);

/* Part of host_machine_reset(). */
void host_irq_reset(void);
/* Device vectors that are pending for the CPU that this thread is; interrupts are off. */
void host_irq_dispatch_pending(void);

/* From now on `handler` runs on the calling thread about every `us` microseconds, wherever it is,
 * unless its interrupts are off; then as soon as they are on again. */
void host_timer_start(unsigned us, void (*handler)(void));
void host_timer_stop(void);
