/* SPDX-License-Identifier: MIT */
/*
 * percpu.h - how a CPU finds its area of kern/percpu.h: the GS base holds its bias.
 *
 * boot.S and trampoline.S load PERCPU_NOWHERE before the first C code runs, so that an access
 * before percpu_use() lands in a part of the address space where nothing is ever mapped
 * (document 001), and says so (arch/x86_64/fault.h).
 */
#pragma once

#include "lib/types.h"

/* The first CPU's area, whose memory is in the image, is prepared and used.  First of all. */
void percpu_start_first(void);

/* This CPU's variables are those with that bias from now on. */
void percpu_use(uintptr_t bias);

/* Whether this CPU has not come to percpu_use() yet; callable before it. */
bool percpu_is_nowhere(void);

/* Whether the address is one that an access before percpu_use() comes to. */
bool percpu_nowhere_has(vaddr_t va);
