/* SPDX-License-Identifier: MIT */
/*
 * vector.h - which interrupt vectors of which CPU are in use.
 *
 * Each CPU has vectors ARCH_VECTOR_FIRST to ARCH_VECTOR_LAST for devices.  Blocks of 2^k vectors
 * start at a multiple of their size, as a device with multi-message MSI replaces the low bits of
 * its data (PCI 3.0, 6.8.1.6).
 *
 * Locking: a mutex inside, as the search takes steps for each vector of each CPU.  Threads.
 */
#pragma once

#include "lib/err.h"
#include "lib/types.h"

enum {
	VECTOR_BLOCK_MAX = 32, /* the most messages of a device with MSI */
};

/* `count` vectors (a power of two up to VECTOR_BLOCK_MAX) in a row and aligned to their number, of
 * the CPU that runs and has the most left; ties go to the CPU with the lowest number.
 * ERR_NO_MEMORY: no CPU has such a block.  ERR_BAD_RANGE: count. */
err_t vector_alloc(unsigned count, unsigned *cpu, unsigned *first);

/* Vectors that are in use nowhere any more; a block may be freed in parts. */
void vector_free(unsigned cpu, unsigned first, unsigned count);

/* Vectors in use on that CPU. */
unsigned vector_count(unsigned cpu);
