/* SPDX-License-Identifier: MIT */
/*
 * zone_impl.h - internal interfaces between the zone's own files; not for other files.
 *
 * zone.c allocates and frees, zone_range.c allocates contiguous ranges by address, zone_open.c
 * initialises a zone and adds frames, zone_check.c counts and checks.  Names and locks are those of
 * mm/frame/zone.h.
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
	/* relaxed: callers that act on it check it again with the shard locked */
	return atomic_load_explicit(&c->shard, memory_order_relaxed);
}

static inline uint64_t part_count(const struct zone_part *p)
{
	return atomic_load_explicit(&p->free_frames, memory_order_relaxed);
}

static inline void part_count_add(struct zone_part *p, uint64_t frames) __requires(p->lock)
{
	/* the lock orders writers; readers without it are racy */
	atomic_store_explicit(&p->free_frames, part_count(p) + frames, memory_order_relaxed);
}

/* Acquire or release every lock of the zone; interrupts are off.  Callers are excluded from thread
 * safety analysis, which cannot express an array of locks. */
void zone_lock_all(struct zone *z);
void zone_unlock_all(struct zone *z);

/* Add the chunk to, or remove it from, a list of the part. */
void chunk_link(const struct zone *z, struct zone_part *p, uint32_t chunk, enum chunk_place place,
		unsigned order) __requires(p->lock);
void chunk_unlink(const struct zone *z, struct zone_part *p, uint32_t chunk) __requires(p->lock);

/* Assigns the pageblock that begins at chunk `first`, a free block on no list, to the shard; it
 * remains on no list. */
void pageblock_join(struct zone *z, struct zone_part *s, uint32_t first)
	__requires(s->lock, z->whole.lock);

/* Turns a completely free chunk on no list, cut from a block of the shard, into a bitmap. */
void chunk_open(const struct zone *z, uint32_t chunk);

/* Moves the shard's chunk to the list of its largest free block after frames were allocated. */
void chunk_refile(struct zone *z, struct zone_part *s, uint32_t chunk) __requires(s->lock);
