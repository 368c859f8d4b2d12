/* SPDX-License-Identifier: MIT */
/* tlb.h - the simulated TLB of scenarios: see tlb.c. */
#pragma once

#include <stdatomic.h>

#include "tests/explore/explore.h"

enum {
	TLB_PAGES = 2,     /* addresses: pages 0 and 1 */
	TLB_SLOTS = 1 + 2, /* context 0, without PCIDs, and two more */
};

/* A speculative hardware walk of `table`, if the CPU has it loaded, for page `page`, which fills
 * the TLB from the entry.  It may happen at any time (SDM 3A 4.10.2.3): a separate task calls this,
 * on a separate CPU, as a walk does not see the store buffer of its CPU.  Returns whether it read
 * the table. */
bool tlb_walk(unsigned cpu, uint64_t table, unsigned page, const _Atomic uint64_t *entry);

/* The frame that an access of this CPU to that page reaches; 0: a fault. */
uint64_t tlb_access(unsigned page, const _Atomic uint64_t *entry);

/* In a setup: enters a translation in this CPU's TLB, in the current context. */
void tlb_fill(unsigned page, uint64_t frame);

/* The table that a CPU has loaded. */
uint64_t tlb_root(unsigned cpu);

/* The frame in that CPU's TLB, in the context that is current, read unseen by the explorer: for
 * checks. */
uint64_t tlb_peek(unsigned cpu, unsigned page);
