/* SPDX-License-Identifier: MIT */
/*
 * boot_alloc.h - memory before there is metadata.
 *
 * A bump allocator that eats the largest usable region below a limit from its top.  What it gives
 * out is never freed: section table, metadata of the first sections, per-CPU caches, copies of
 * firmware tables.  boot_alloc_retire() ends it, rounds to a frame and says which range it
 * took, so that the frame allocator leaves that out.  Using it afterwards is a broken contract
 * and is caught; so is the frame allocator before (findings ALO-04, MEA-01).
 *
 * The first CPU alone; no lock.
 */
#pragma once

#include "boot/boot_info.h"
#include "lib/err.h"

/* Start over the largest usable region within [min, max).  ERR_NO_MEMORY: there is none. */
err_t boot_alloc_init(const struct region *r, size_t n, uint64_t min, uint64_t max);

/* `bytes` of zeroed memory at a multiple of `align` (a power of two) through the linear map; NULL
 * when the region is used up. */
__must_check void *boot_alloc(size_t bytes, size_t align);

/* The same with whatever contents, for memory that its user clears. */
__must_check void *boot_alloc_dirty(size_t bytes, size_t align);

/* The end: [start, start + len) in whole frames is what was taken. */
struct prange boot_alloc_retire(void);

/* Taken so far, in bytes. */
uint64_t boot_alloc_used(void);
