/* SPDX-License-Identifier: MIT */
/*
 * zone.h - the buddy allocator: frames of one physical range, in blocks of 2^0 .. 2^18.
 *
 * A zone owns chunks of 2 MiB.  A chunk that is wholly free is (part of) a free block of
 * order 9 and up; such blocks split and merge like in any buddy allocator (Knuth, TAOCP 1,
 * 2.5): the block at chunk number c has its buddy at c XOR size.  A chunk that is partly
 * free is a bitmap (mm/chunk.h) and stands on the list of its largest free block.  So one
 * array of lists, indexed by order, serves both, and an allocation of order k takes the
 * first list at k or above that is not empty.  Chunks with small holes are used up
 * before chunks with large ones: neighbours fill, and large blocks survive churn.
 *
 * Why not links per frame: a free in random order would touch the slots of the frame, of its
 * buddy and of two list neighbours.  Frames themselves are never touched; nor are their slots.
 *
 * Invariants, all looked at by zone_check():
 *   Z1  free_frames = sum over partly free chunks of their set bits + sum over blocks of 2^order
 *   Z2  a chunk on list k < 9 is partly free and its largest free block has order k
 *   Z3  a block on list k >= 9 is aligned to its size, and its buddy is not free at that order
 *   Z4  bit k of `nonempty` is set exactly when list k is not empty
 *   Z5  no chunk is on two lists or inside a block and on a list
 *
 * Locking: `lock` guards lists, chunk tables and the count's changes; a leaf, taken with
 * interrupts off.  free_frames may be read without it.
 */
#pragma once

#include "arch/lock.h"
#include "lib/err.h"
#include "mm/chunk.h"
#include "mm/page.h"

#define CHUNK_NONE UINT32_MAX

/* Where a chunk stands. */
enum chunk_place {
	CHUNK_FULL,    /* no free frame, or not ours: on no list */
	CHUNK_PARTIAL, /* on list `order`, its largest free block */
	CHUNK_BLOCK,   /* head of a free block of `order` >= 9 */
	CHUNK_INSIDE,  /* in a free block, not its head */
};

struct chunk_info {
	uint32_t next, prev; /* chunk numbers, CHUNK_NONE at the ends */
	uint16_t free;       /* frames, in PARTIAL and FULL */
	uint8_t place, order;
};

/* What a section of 1 GiB brings for its chunks; zeroed means: everything used. */
struct chunk_table {
	struct chunk_bits bits[SECTION_CHUNKS];
	struct chunk_info info[SECTION_CHUNKS];
};

struct zone {
	struct spinlock lock;
	const char *name;             /* (c) after zone_init() */
	struct chunk_table **tables;  /* (c) by section number; NULL: not populated */
	uint32_t first_section;       /* (c) */
	uint32_t end_section;         /* (c) `tables` reaches at least this far */
	uint32_t list[ORDERS];        /* (l) chunk numbers */
	uint32_t nonempty;            /* (l) */
	_Atomic uint64_t free_frames; /* (l) to change */
};

/* The frames of sections [first, end) are the zone's.  `tables` is shared by all zones and
 * outlives them. */
void zone_init(struct zone *z, const char *name, struct chunk_table **tables, uint32_t first,
	       uint32_t end);

/* Give frames to the zone that it did not have: a populated range, at boot or growth. */
void zone_add(struct zone *z, pfn_t first, uint32_t frames) __excludes(z->lock);

/* 2^order frames aligned to their size, or PFN_NONE.  Any context; O(orders). */
__must_check pfn_t zone_alloc(struct zone *z, unsigned order) __excludes(z->lock);

/* Up to n single frames, under one acquisition of the lock; returns how many. */
__must_check unsigned zone_alloc_frames(struct zone *z, unsigned n, pfn_t *out) __excludes(z->lock);

/* Return what was allocated.  ERR_NOT_OWNED: (part of) it is free already or was never the
 * zone's; nothing happened. */
err_t zone_free(struct zone *z, pfn_t pfn, unsigned order) __excludes(z->lock);
/* Single frames; on an error the ones before it were freed, *done says how many. */
err_t zone_free_frames(struct zone *z, const pfn_t *pfns, unsigned n, unsigned *done)
	__excludes(z->lock);

/* `frames` frames within [min, max), the first at a multiple of `align` frames (a power of two).
 * frames <= SECTION_FRAMES.  Looks at each chunk in the range in turn: for drivers at start-up, not
 * for a hot path.  PFN_NONE: no such run is free. */
__must_check pfn_t zone_alloc_range(struct zone *z, uint32_t frames, uint32_t align, pfn_t min,
				    pfn_t max) __excludes(z->lock);

static inline uint64_t zone_free_count(const struct zone *z)
{
	return atomic_load_explicit(&z->free_frames, memory_order_relaxed); /* a glance */
}

/* Free blocks of each order into counts[ORDERS]. */
void zone_count_blocks(struct zone *z, uint64_t *counts) __excludes(z->lock);

/* Z1..Z5.  NULL, or what is wrong in words. */
__must_check const char *zone_check(struct zone *z) __excludes(z->lock);
