/* SPDX-License-Identifier: MIT */
/* tlb.h - the simulated TLB of scenarios: see tlb.c. */
#pragma once

#include <stdatomic.h>

#include "tests/explore/explore.h"

/* The CPU's hardware walks `table`, which it has loaded, by itself and remembers what the entry
 * says. Any moment is possible (SDM 3A 4.10.2.3): a task of its own calls this, on a CPU of its
 * own, as a walk does not see what its CPU's store buffer holds. */
void tlb_walk(unsigned cpu, uint64_t table, const _Atomic uint64_t *entry);

/* Where an access of this CPU goes; 0: a fault. */
uint64_t tlb_access(const _Atomic uint64_t *entry);

/* What that CPU's TLB holds, in memory: for checks. */
uint64_t tlb_peek(unsigned cpu);
