/* SPDX-License-Identifier: MIT */
/*
 * percpu.h - a CPU's area of kern/percpu.h: the GS base holds its bias.
 *
 * boot.S and trampoline.S load PERCPU_NOWHERE before the first C code runs, so that an access
 * before percpu_use() faults at an address where nothing is ever mapped (document 001), and the
 * report says so (arch/x86_64/fault.h).
 */
#pragma once

#include "lib/types.h"

/* Prepare and use the first CPU's area, whose memory is in the image.  Called before all else. */
void percpu_start_first(void);

/* Use the area with that bias as this CPU's. */
void percpu_use(uintptr_t bias);

/* Whether this CPU has not called percpu_use() yet; callable before it. */
bool percpu_is_nowhere(void);

/* Whether an access before percpu_use() leads to that address. */
bool percpu_nowhere_has(vaddr_t va);
