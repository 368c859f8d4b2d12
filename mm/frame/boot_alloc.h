/* SPDX-License-Identifier: MIT */
/*
 * boot_alloc.h - boot-time bump allocator, used before frame metadata exists.
 *
 * Allocates downwards from the top of the largest usable region below a limit.  Memory is never
 * freed: section table, metadata of the first sections, per-CPU caches, copies of firmware tables.
 * boot_alloc_retire() ends it, rounds to a frame and returns the range it allocated, which the
 * frame allocator excludes.  Use after that panics, as does use of the frame allocator before it
 * is initialised (findings ALO-04, MEA-01).
 *
 * First CPU only; no lock.
 */
#pragma once

#include "boot/boot_info.h"
#include "lib/err.h"

/* Initialises it with the largest usable region within [min, max).  ERR_NO_MEMORY: there is none.
 */
err_t boot_alloc_init(const struct region *r, size_t n, uint64_t min, uint64_t max);

/* Allocates `bytes` of zeroed memory, aligned to `align` (a power of two); the pointer is into the
 * linear map.  NULL when the region is used up. */
__must_check void *boot_alloc(size_t bytes, size_t align);

/* The same, not zeroed. */
__must_check void *boot_alloc_dirty(size_t bytes, size_t align);

/* Ends the boot allocator.  Returns the range it allocated, in whole frames. */
struct prange boot_alloc_retire(void);

/* Bytes allocated so far. */
uint64_t boot_alloc_used(void);
