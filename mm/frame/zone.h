/* SPDX-License-Identifier: MIT */
/*
 * zone.h - the buddy allocator: frames of one physical range, in blocks of 2^0 .. 2^18 frames.
 *
 * A zone owns chunks of 2 MiB.  A chunk that is completely free is (part of) a free block of
 * order 9 and up; such blocks split and merge like in any buddy allocator (Knuth, TAOCP 1,
 * 2.5): the block at chunk number c has its buddy at c XOR size.  A chunk that is partly
 * free is a bitmap (mm/frame/chunk.h) and is on the list of its largest free block.  So one
 * array of lists, indexed by order, serves both, and an allocation of order k uses the
 * first list at k or above that is not empty.  Chunks with small holes are used up before chunks
 * with large ones, which limits fragmentation: large blocks survive churn.
 *
 * The lists are divided into parts, each with its own lock.  `whole` has free blocks of order 14
 * and up.  Smaller blocks belong to pageblocks of 64 MiB, each assigned to a shard.  A CPU
 * allocates from the shard of its number, so CPUs of different shards contend once per pageblock
 * only.  A freed block returns to the shard of its pageblock, whichever CPU frees it; a pageblock
 * that is completely free returns to `whole`.  A shard without a fitting block borrows a pageblock
 * from a shard with many free frames (so that holes are filled before large blocks are broken,
 * whichever CPU made them), else takes one from `whole`; else its CPU allocates from other shards.
 * The idea of reserved trees is LLFree's (Wrenger et al., USENIX ATC 2023).
 *
 * Why not links per frame: a free in random order would touch the slots of the frame, of its
 * buddy and of two list neighbours.  This allocator touches neither frames nor their slots.
 *
 * Invariants, all checked by zone_check():
 *   Z1  a part's free_frames = sum over its partly free chunks of their set bits + sum over its
 *       blocks of 2^order
 *   Z2  a chunk on list k < 9 is partly free and its largest free block has order k
 *   Z3  a block on list k >= 9 is aligned to its size, and its buddy is not free at that order
 *   Z4  bit k of `nonempty` is set exactly when list k is not empty
 *   Z5  no chunk is on two lists or inside a block and on a list
 *   Z6  lists below order 14 are in shards, those from 14 up in `whole`; the chunks of a pageblock
 *       name one shard, and are on no other shard's lists
 *
 * Locking: a part's lock protects its lists and count; a shard's lock also the bitmaps and struct
 * chunks of its pageblocks, that of `whole` the struct chunks in blocks of order 14 and up.  Locks
 * are acquired with interrupts off, in this order: shards by number, then `whole`; no lock nests
 * inside.  Frames move between parts only with `whole` locked, so that the sum of all counts, read
 * by its holder, neither misses nor repeats a frame that moves.  free_frames and a chunk's shard
 * may be read without a lock.
 */
#pragma once

#include "kern/lock.h"
#include "lib/err.h"
#include "mm/frame/chunk.h"
#include "mm/frame/page.h"

#define CHUNK_NONE UINT32_MAX

/* State of a chunk. */
enum chunk_place {
	CHUNK_FULL,    /* no free frame, or not in the zone: on no list */
	CHUNK_PARTIAL, /* on list `order`, its largest free block */
	CHUNK_BLOCK,   /* head of a free block of `order` >= 9 */
	CHUNK_INSIDE,  /* in a free block, not its head */
};

enum {
	PAGEBLOCK_ORDER = 14,
	PAGEBLOCK_FRAMES = 1 << PAGEBLOCK_ORDER,
	PAGEBLOCK_CHUNKS = PAGEBLOCK_FRAMES / CHUNK_FRAMES,
	ZONE_SHARDS = 4,  /* zone_lock_all() must stay below LOCKS_HELD_MAX of kern/lock.h */
	ZONE_LINES = 128, /* bytes: adjacent cache lines are prefetched in pairs */
};

/* Aligned to a pair of cache lines against false sharing: adjacent chunks may belong to different
 * CPUs. */
struct chunk {
	struct chunk_bits bits;
	uint32_t next, prev; /* chunk numbers, CHUNK_NONE at the ends */
	uint16_t free;       /* frames, in PARTIAL and FULL */
	uint8_t place, order;
	uint8_t whole_order;   /* `whole` has a free block of this order here; 0: none */
	_Atomic uint8_t shard; /* of its pageblock; changes with `whole` and both shards locked */
} __aligned(ZONE_LINES);

/* Chunks of a section of 1 GiB; zeroed means: no frame is free. */
struct chunk_table {
	struct chunk chunk[SECTION_CHUNKS];
};

struct zone_part {
	struct spinlock lock;
	_Atomic uint64_t free_frames; /* (l) for writing */
	uint32_t nonempty;            /* (l) */
	uint32_t list[ORDERS];        /* (l) chunk numbers */
} __aligned(ZONE_LINES);

struct zone {
	const char *name;            /* (c) after zone_init() */
	struct chunk_table **tables; /* (c) by section number; NULL: not populated */
	uint32_t first_section;      /* (c) */
	uint32_t end_section;        /* (c) `tables` reaches at least this far */
	_Atomic uint32_t
		shards_used; /* bit i: shard i has ever owned a pageblock; writes: `whole` */
	struct zone_part shard[ZONE_SHARDS];
	struct zone_part whole; /* after the shards: locks are acquired in address order */
};

/* Initialises a zone without free frames for sections [first, end).  `tables` is shared by all
 * zones and outlives them. */
void zone_init(struct zone *z, const char *name, struct chunk_table **tables, uint32_t first,
	       uint32_t end);

/* Adds frames to the zone: a populated range, at boot or section growth.  Panics if one is free
 * already. */
void zone_add(struct zone *z, pfn_t first, uint32_t frames);

/* Allocates 2^order frames aligned to their size, or PFN_NONE.  Any context; O(orders). */
__must_check pfn_t zone_alloc(struct zone *z, unsigned order);

/* Allocate up to n blocks of 2^order (order < PAGEBLOCK_ORDER), or n single frames; fewer only if
 * no more are free.  Return how many. */
__must_check unsigned zone_alloc_blocks(struct zone *z, unsigned order, unsigned n, pfn_t *out);
__must_check unsigned zone_alloc_frames(struct zone *z, unsigned n, pfn_t *out);

/* Frees a block.  ERR_NOT_OWNED: (part of) it is free already or outside the zone; nothing is
 * changed. */
err_t zone_free(struct zone *z, pfn_t pfn, unsigned order);
/* Frees single frames; on an error the ones before it were freed, *done is their number. */
err_t zone_free_frames(struct zone *z, const pfn_t *pfns, unsigned n, unsigned *done);

/* Allocates `frames` contiguous frames within [min, max), the first aligned to `align` frames (a
 * power of two).  frames <= SECTION_FRAMES.  Scans the chunks of the range linearly: for drivers at
 * start-up, not for a hot path.  PFN_NONE: no such run is free. */
__must_check pfn_t zone_alloc_range(struct zone *z, uint32_t frames, uint32_t align, pfn_t min,
				    pfn_t max);

/* Free frames of the zone; a racy read. */
uint64_t zone_free_count(const struct zone *z);

/* Free frames in blocks of order 14 and up; racy, reads one cache line. */
static inline uint64_t zone_whole_count(const struct zone *z)
{
	return atomic_load_explicit(&z->whole.free_frames, memory_order_relaxed); /* racy */
}

/* Counts the free blocks of each order into counts[ORDERS]. */
void zone_count_blocks(struct zone *z, uint64_t *counts);

/* Checks Z1..Z6.  NULL, or a message about the first violation. */
__must_check const char *zone_check(struct zone *z);
