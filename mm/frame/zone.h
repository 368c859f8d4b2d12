/* SPDX-License-Identifier: MIT */
/*
 * zone.h - the buddy allocator: frames of one physical range, in blocks of 2^0 .. 2^18.
 *
 * A zone owns chunks of 2 MiB.  A chunk that is wholly free is (part of) a free block of
 * order 9 and up; such blocks split and merge like in any buddy allocator (Knuth, TAOCP 1,
 * 2.5): the block at chunk number c has its buddy at c XOR size.  A chunk that is partly
 * free is a bitmap (mm/frame/chunk.h) and stands on the list of its largest free block.  So one
 * array of lists, indexed by order, serves both, and an allocation of order k takes the
 * first list at k or above that is not empty.  Chunks with small holes are used up
 * before chunks with large ones: neighbours fill, and large blocks survive churn.
 *
 * The lists come in parts, each with a lock of its own.  `whole` has free blocks of order 14 and
 * up.  All that is smaller belongs to pageblocks of 64 MiB, and pageblocks are dealt out to shards.
 * A CPU allocates from the shard of its number, so CPUs meet once per pageblock and else not at
 * all; what is freed goes to the shard that its pageblock belongs to, whoever frees it; a pageblock
 * that is wholly free goes to `whole`.  A shard that has nothing fitting borrows a pageblock from
 * one that has plenty (so that holes are filled before blocks are broken, whoever made them), else
 * takes one from `whole`; else its CPU allocates from other shards.  The idea of reserved trees is
 * LLFree's (Wrenger et al., USENIX ATC 2023).
 *
 * Why not links per frame: a free in random order would touch the slots of the frame, of its
 * buddy and of two list neighbours.  Frames themselves are never touched; nor are their slots.
 *
 * Invariants, all looked at by zone_check():
 *   Z1  a part's free_frames = sum over its partly free chunks of their set bits + sum over its
 *       blocks of 2^order
 *   Z2  a chunk on list k < 9 is partly free and its largest free block has order k
 *   Z3  a block on list k >= 9 is aligned to its size, and its buddy is not free at that order
 *   Z4  bit k of `nonempty` is set exactly when list k is not empty
 *   Z5  no chunk is on two lists or inside a block and on a list
 *   Z6  lists below 14 are shards', those above are in `whole`; the chunks of a pageblock name one
 *       shard, and are on no other's lists
 *
 * Locking: a part's lock guards its lists and count, a shard's also the bits and the entries of
 * the chunks in its pageblocks, `whole` the entries of chunks in blocks of order 14 and up.  Taken
 * with interrupts off, in this order: shards by number, then `whole`; then nothing.  What moves
 * between parts moves with `whole` locked, so that who holds it knows the sum of all counts.
 * free_frames and a chunk's shard may be read without a lock.
 */
#pragma once

#include "kern/lock.h"
#include "lib/err.h"
#include "mm/frame/chunk.h"
#include "mm/frame/page.h"

#define CHUNK_NONE UINT32_MAX

/* Where a chunk stands. */
enum chunk_place {
	CHUNK_FULL,    /* no free frame, or not ours: on no list */
	CHUNK_PARTIAL, /* on list `order`, its largest free block */
	CHUNK_BLOCK,   /* head of a free block of `order` >= 9 */
	CHUNK_INSIDE,  /* in a free block, not its head */
};

enum {
	PAGEBLOCK_ORDER = 14,
	PAGEBLOCK_FRAMES = 1 << PAGEBLOCK_ORDER,
	PAGEBLOCK_CHUNKS = PAGEBLOCK_FRAMES / CHUNK_FRAMES,
	ZONE_SHARDS = 4,  /* who locks all holds few enough: see LOCKS_HELD_MAX in kern/lock.h */
	ZONE_LINES = 128, /* bytes: neighbours in cache lines that are fetched in pairs */
};

/* A chunk has a pair of lines of its own: chunks side by side belong to different CPUs. */
struct chunk {
	struct chunk_bits bits;
	uint32_t next, prev; /* chunk numbers, CHUNK_NONE at the ends */
	uint16_t free;       /* frames, in PARTIAL and FULL */
	uint8_t place, order;
	uint8_t whole_order;   /* `whole` has a free block of this order here; 0: none */
	_Atomic uint8_t shard; /* of its pageblock; changes with `whole` and both shards locked */
} __aligned(ZONE_LINES);

/* What a section of 1 GiB brings for its chunks; zeroed means: everything used. */
struct chunk_table {
	struct chunk chunk[SECTION_CHUNKS];
};

struct zone_part {
	struct spinlock lock;
	_Atomic uint64_t free_frames; /* (l) to change */
	uint32_t nonempty;            /* (l) */
	uint32_t list[ORDERS];        /* (l) chunk numbers */
} __aligned(ZONE_LINES);

struct zone {
	const char *name;             /* (c) after zone_init() */
	struct chunk_table **tables;  /* (c) by section number; NULL: not populated */
	uint32_t first_section;       /* (c) */
	uint32_t end_section;         /* (c) `tables` reaches at least this far */
	_Atomic uint32_t shards_used; /* bit i: shard i had a pageblock once; to change: `whole` */
	struct zone_part shard[ZONE_SHARDS];
	struct zone_part whole; /* behind the shards: locks are taken in the order of addresses */
};

/* The frames of sections [first, end) are the zone's.  `tables` is shared by all zones and
 * outlives them. */
void zone_init(struct zone *z, const char *name, struct chunk_table **tables, uint32_t first,
	       uint32_t end);

/* Give frames to the zone that it did not have: a populated range, at boot or growth. */
void zone_add(struct zone *z, pfn_t first, uint32_t frames);

/* 2^order frames aligned to their size, or PFN_NONE.  Any context; O(orders). */
__must_check pfn_t zone_alloc(struct zone *z, unsigned order);

/* Up to n blocks of 2^order, or single frames; fewer only if there are no more.  Returns how
 * many. */
__must_check unsigned zone_alloc_blocks(struct zone *z, unsigned order, unsigned n, pfn_t *out);
__must_check unsigned zone_alloc_frames(struct zone *z, unsigned n, pfn_t *out);

/* Return what was allocated.  ERR_NOT_OWNED: (part of) it is free already or was never the
 * zone's; nothing happened. */
err_t zone_free(struct zone *z, pfn_t pfn, unsigned order);
/* Single frames; on an error the ones before it were freed, *done says how many. */
err_t zone_free_frames(struct zone *z, const pfn_t *pfns, unsigned n, unsigned *done);

/* `frames` frames within [min, max), the first at a multiple of `align` frames (a power of two).
 * frames <= SECTION_FRAMES.  Looks at each chunk in the range in turn: for drivers at start-up, not
 * for a hot path.  PFN_NONE: no such run is free. */
__must_check pfn_t zone_alloc_range(struct zone *z, uint32_t frames, uint32_t align, pfn_t min,
				    pfn_t max);

/* Free frames of the zone, a glance. */
uint64_t zone_free_count(const struct zone *z);

/* The same for those in blocks of order 14 and up: one look at one line. */
static inline uint64_t zone_whole_count(const struct zone *z)
{
	return atomic_load_explicit(&z->whole.free_frames, memory_order_relaxed); /* a glance */
}

/* Free blocks of each order into counts[ORDERS]. */
void zone_count_blocks(struct zone *z, uint64_t *counts);

/* Z1..Z6.  NULL, or what is wrong in words. */
__must_check const char *zone_check(struct zone *z);
