/* SPDX-License-Identifier: MIT */
/*
 * zone_impl.h - what the files of the zone share; for nobody else.
 *
 * zone.c allocates and frees, zone_range.c takes contiguous ranges by address, zone_open.c starts
 * and feeds a zone, zone_check.c counts and checks.  Names and locks are those of mm/frame/zone.h.
 */
#pragma once

#include "mm/frame/zone.h"

static inline struct chunk *chunk_at(const struct zone *z, uint32_t chunk)
{
	return &z->tables[chunk / SECTION_CHUNKS]->chunk[chunk % SECTION_CHUNKS];
}

static inline uint32_t pfn_chunk(pfn_t pfn)
{
	return pfn / CHUNK_FRAMES;
}

static inline unsigned pfn_index(pfn_t pfn)
{
	return pfn % CHUNK_FRAMES;
}

static inline uint32_t block_chunks(unsigned order)
{
	return UINT32_C(1) << (order - CHUNK_ORDER);
}

static inline uint32_t pageblock_first(uint32_t chunk)
{
	return chunk & ~(uint32_t)(PAGEBLOCK_CHUNKS - 1);
}

static inline unsigned chunk_shard(const struct chunk *c)
{
	/* relaxed: who acts on it looks again with the shard locked */
	return atomic_load_explicit(&c->shard, memory_order_relaxed);
}

static inline uint64_t part_count(const struct zone_part *p)
{
	return atomic_load_explicit(&p->free_frames, memory_order_relaxed);
}

static inline void part_count_add(struct zone_part *p, uint64_t frames) __requires(p->lock)
{
	/* the lock orders writers; readers only glance */
	atomic_store_explicit(&p->free_frames, part_count(p) + frames, memory_order_relaxed);
}

/* Every lock of the zone; interrupts are off.  The bodies of those who call these are outside
 * the analysis of locks, which cannot count them. */
void zone_lock_all(struct zone *z);
void zone_unlock_all(struct zone *z);

/* Take the chunk from or put it on a list of the part. */
void chunk_link(const struct zone *z, struct zone_part *p, uint32_t chunk, enum chunk_place place,
		unsigned order) __requires(p->lock);
void chunk_unlink(const struct zone *z, struct zone_part *p, uint32_t chunk) __requires(p->lock);

/* The pageblock of that first chunk, a free block on no list, becomes the shard's, on no list yet.
 */
void pageblock_join(struct zone *z, struct zone_part *s, uint32_t first)
	__requires(s->lock, z->whole.lock);

/* A wholly free chunk on no list, out of a block of the shard, becomes a bitmap. */
void chunk_open(const struct zone *z, uint32_t chunk);

/* Put the shard's chunk where it belongs after frames were taken from it. */
void chunk_refile(struct zone *z, struct zone_part *s, uint32_t chunk) __requires(s->lock);
