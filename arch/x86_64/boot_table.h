/* SPDX-License-Identifier: MIT */
/*
 * boot_table.h - the page table that boot.S built, until kernel space replaces it.
 *
 * Invariants, walked by tests/kernel/boot_table.c:
 *   T1  no entry has the global bit (finding BOO-01)
 *   T2  after boot_table_refine() a 2 MiB page below 4 GiB is cached only if it contains RAM
 *       (finding BOO-04)
 *   T3  the page below each boot stack is absent in the kernel image's alias
 *
 * Used by the first CPU alone, before other CPUs start: no lock, and only local invalidations.
 */
#pragma once

#include "lib/err.h"
#include "lib/types.h"

/* Make each 2 MiB page of the low 4 GiB uncached unless has_ram(ctx, start, end) returns true:
 * there is RAM in [start, end). */
void boot_table_refine(bool (*has_ram)(void *ctx, uint64_t start, uint64_t end), void *ctx);

/* The present entry that maps va, and its level (1: 4 KiB, 2: 2 MiB, 3: 1 GiB); 0: absent. */
uint64_t boot_table_lookup(vaddr_t va, unsigned *level);

/* The frames of the boot table itself, for the code that frees it. */
struct prange boot_table_frames(void);

/* 4 or 5. */
unsigned boot_table_levels(void);
