/* SPDX-License-Identifier: MIT */
/* tlb.h - the simulated TLB of scenarios: see tlb.c. */
#pragma once

#include <stdatomic.h>

#include "tests/explore/explore.h"

/* A speculative hardware walk of `table`, if the CPU has it loaded, which fills the TLB from the
 * entry.  It may happen at any time (SDM 3A 4.10.2.3): a separate task calls this, on a separate
 * CPU, as a walk does not see the store buffer of its CPU. */
void tlb_walk(unsigned cpu, uint64_t table, const _Atomic uint64_t *entry);

/* The page that an access of this CPU reaches; 0: a fault. */
uint64_t tlb_access(const _Atomic uint64_t *entry);

/* The page in that CPU's TLB, read unseen by the explorer: for checks. */
uint64_t tlb_peek(unsigned cpu);
