/* SPDX-License-Identifier: MIT */
/*
 * host.h - controls of the machine that arch/host simulates, for tests.
 *
 * host_machine_reset() brings the machine to its state at power-on: no metadata mapped, memory
 * zero. An access to metadata that arch_meta_map() did not map ends the process: so every host test
 * shows that the array is populated explicitly, and never by a fault.
 */
#pragma once

#include "lib/err.h"
#include "lib/types.h"

#define HOST_DIRECT_BYTES GIB(256)
#define HOST_META_BYTES   GIB(64)

/* Once per process, then before each test that needs a fresh machine.  No CPU is bound. */
void host_machine_init(void);
void host_machine_reset(void);

/* The calling thread becomes that CPU / stops being it.  Calls to a CPU run on its thread while one
 * is bound, else on the caller's thread. */
void host_cpu_bind(unsigned cpu);
void host_cpu_unbind(void);

/* Until host_machine_reset() the CPU serves no calls, as after a panic. */
void host_cpu_stop(unsigned cpu);

/* ---- the simulated TLB (tlb.c) ----
 *
 * Each CPU has one: pages of any size, with the right to write, and upper-level entries, which lead
 * to tables.  It fills when the CPU accesses an address, sets accessed and dirty bits by
 * compare-and-swap as it walks, and drops an entry only if it is invalidated, if its place is
 * needed, or if the CPU writes to a page whose entry is read-only or not dirty; it then walks
 * again. Accesses are the kernel's: PTE_USER is ignored. */

enum host_tlb_use {
	HOST_TLB_READ,
	HOST_TLB_WRITE,
};

/* This CPU accesses va: from its TLB, or by a walk of the table that it has loaded, in `levels`
 * levels, which fills the TLB.  *pa is set to the physical address.  False: a fault. */
bool host_tlb_access(vaddr_t va, unsigned levels, enum host_tlb_use use, uint64_t *pa);

/* Whether the TLB of that CPU still has a translation to any byte of [pa, pa + len): of a page, or
 * of a table. */
bool host_tlb_has_page(unsigned cpu, uint64_t pa, uint64_t len);
bool host_tlb_has_table(unsigned cpu, uint64_t pa);
/* Whether that CPU could write to the byte at pa without a walk. */
bool host_tlb_may_write(unsigned cpu, uint64_t pa);

/* Yield the processor before each shootdown takes effect, so that tests detect a premature reuse.
 */
extern bool host_tlb_is_slow;

/* host_tlb_contexts and host_tlb_broadcasts of arch_impl.h are the features of the machine; after
 * host_machine_reset() it has no contexts and no broadcast, and is not slow. */

/* Invalidations by the calling thread: a log for tests.  Page invalidations beyond the size of the
 * log are only counted. */
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

/* Yield the processor before each switch of threads, which then leaves its old stack later: tests
 * detect a premature use of that stack. */
extern bool host_switch_is_slow;

/* ---- device interrupts ----
 *
 * A wire is a GSI below HOST_GSIS.  An asserted edge, or a level that is unmasked, interrupts the
 * CPU that it is routed to.  host_msi_write() is a device's write of a message. */
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
/* Device vectors that are pending for this thread's CPU; interrupts are off. */
void host_irq_dispatch_pending(void);

/* From now on `handler` runs on the calling thread about every `us` microseconds; while its
 * interrupts are off, it runs as soon as they are on again. */
void host_timer_start(unsigned us, void (*handler)(void));
void host_timer_stop(void);
