/* SPDX-License-Identifier: MIT */
/* Allocation of contiguous ranges between two addresses, with the whole zone locked. */
#include "lib/bits.h"
#include "lib/panic.h"
#include "mm/frame/zone_impl.h"

/* Whether the frame is free; *skip is the number of frames from it known to be in the same state.
 */
static bool run_at_locked(const struct zone *z, pfn_t pfn, uint32_t *skip)
{
	uint32_t chunk = pfn_chunk(pfn);
	const struct chunk *c;

	*skip = CHUNK_FRAMES - pfn_index(pfn);
	if (z->tables[chunk / SECTION_CHUNKS] == NULL) {
		*skip = SECTION_FRAMES - pfn % SECTION_FRAMES;
		return false;
	}
	c = chunk_at(z, chunk);
	if (c->place == CHUNK_BLOCK || c->place == CHUNK_INSIDE)
		return true;
	if (c->free == 0)
		return false;
	*skip = 1;
	return chunk_block_is_free(&chunk_at(z, chunk)->bits, pfn_index(pfn), 0);
}

/* First chunk of the free block that contains the chunk. */
static uint32_t block_head_locked(const struct zone *z, uint32_t chunk)
{
	unsigned order = CHUNK_ORDER;

	while (chunk_at(z, chunk)->place == CHUNK_INSIDE)
		chunk &= ~block_chunks(order++);
	return chunk;
}

/* Splits the block, on no list, down to the block of 2^min_order that contains the chunk; the rest
 * goes to the part's lists.  Returns the first chunk of that block. */
static uint32_t cut_around_locked(struct zone *z, struct zone_part *p, uint32_t head,
				  unsigned order, unsigned min_order, uint32_t chunk)
	__requires(p->lock)
{
	while (order > min_order) {
		uint32_t half = head + block_chunks(--order);

		chunk_link(z, p, chunk < half ? half : head, CHUNK_BLOCK, order);
		if (chunk >= half)
			head = half;
	}
	return head;
}

/* Splits a completely free chunk from its block; it then belongs to the shard and is on no list. */
static void isolate_chunk_locked(struct zone *z, struct zone_part *s, uint32_t chunk)
	__requires(s->lock, z->whole.lock)
{
	uint32_t head = block_head_locked(z, chunk);
	unsigned order = chunk_at(z, head)->order;

	if (order < PAGEBLOCK_ORDER) {
		chunk_unlink(z, s, head);
	} else {
		chunk_unlink(z, &z->whole, head);
		head = cut_around_locked(z, &z->whole, head, order, PAGEBLOCK_ORDER, chunk);
		pageblock_join(z, s, head);
		order = PAGEBLOCK_ORDER;
	}
	(void)cut_around_locked(z, s, head, order, CHUNK_ORDER, chunk);
	chunk_open(z, chunk);
}

/* Allocates n free frames, all in one chunk. */
static void take_span_locked(struct zone *z, pfn_t pfn, uint32_t n) __no_tsa
{
	uint32_t chunk = pfn_chunk(pfn);
	struct chunk *c = chunk_at(z, chunk);
	struct zone_part *s = &z->shard[chunk_shard(c)];

	if (c->place == CHUNK_BLOCK || c->place == CHUNK_INSIDE)
		isolate_chunk_locked(z, s, chunk);
	for (uint32_t i = 0; i < n; i++)
		chunk_set_used(&c->bits, pfn_index(pfn) + i, 0);
	c->free -= (uint16_t)n;
	part_count_add(s, -(uint64_t)n);
	chunk_refile(z, s, chunk);
}

static void take_range_locked(struct zone *z, pfn_t pfn, uint32_t frames)
{
	while (frames > 0) {
		uint32_t n = (uint32_t)min_u64(frames, CHUNK_FRAMES - pfn_index(pfn));

		take_span_locked(z, pfn, n);
		pfn += n;
		frames -= n;
	}
}

static pfn_t find_run_locked(const struct zone *z, uint32_t frames, uint32_t align, pfn_t min,
			     pfn_t max)
{
	uint64_t start = align_up(min, align), at = start;

	while (at < max && max - start >= frames) {
		uint32_t skip;

		if (run_at_locked(z, (pfn_t)at, &skip)) {
			at += skip;
			if (at - start >= frames)
				return (pfn_t)start;
		} else {
			start = at = align_up(at + skip, align);
		}
		if (start >= max)
			break;
	}
	return PFN_NONE;
}

pfn_t zone_alloc_range(struct zone *z, uint32_t frames, uint32_t align, pfn_t min, pfn_t max)
{
	uintptr_t irq;
	pfn_t first;

	ASSERT(frames > 0 && frames <= SECTION_FRAMES && bits_is_pow2(align));
	min = (pfn_t)max_u64(min, (uint64_t)z->first_section * SECTION_FRAMES);
	max = (pfn_t)min_u64(max, min_u64((uint64_t)z->end_section * SECTION_FRAMES, PFN_NONE));
	irq = arch_irq_save();
	zone_lock_all(z);
	first = find_run_locked(z, frames, align, min, max);
	if (first != PFN_NONE)
		take_range_locked(z, first, frames);
	zone_unlock_all(z);
	arch_irq_restore(irq);
	return first;
}
