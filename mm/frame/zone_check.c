/* SPDX-License-Identifier: MIT */
/* Counting of free blocks and checking of the invariants, with the whole zone locked. */
#include "lib/bits.h"
#include "mm/frame/zone_impl.h"

uint64_t zone_free_count(const struct zone *z)
{
	/* relaxed: may miss a shard that is used for the first time, and frames that move */
	uint32_t used = atomic_load_explicit(&z->shards_used, memory_order_relaxed);
	uint64_t frames = part_count(&z->whole);

	for (; used != 0; used &= used - 1)
		frames += part_count(&z->shard[bits_lowest(used)]);
	return frames;
}

static void count_chunk_blocks(const struct chunk_bits *bits, uint64_t *counts)
{
	struct chunk_bits left = *bits;
	int order;

	while ((order = chunk_largest(&left)) != CHUNK_NO_BLOCK) {
		int index = chunk_find(&left, (unsigned)order);

		chunk_set_used(&left, (unsigned)index, (unsigned)order);
		counts[order]++;
	}
}

static void count_part(const struct zone *z, const struct zone_part *p, uint64_t *counts)
{
	for (unsigned k = 0; k < ORDERS; k++)
		for (uint32_t c = p->list[k]; c != CHUNK_NONE; c = chunk_at(z, c)->next) {
			if (k < CHUNK_ORDER)
				count_chunk_blocks(&chunk_at(z, c)->bits, counts);
			else
				counts[k]++;
		}
}

void zone_count_blocks(struct zone *z, uint64_t *counts)
{
	uintptr_t irq = arch_irq_save();

	zone_lock_all(z);
	for (unsigned k = 0; k < ORDERS; k++)
		counts[k] = 0;
	count_part(z, &z->whole, counts);
	for (unsigned i = 0; i < ZONE_SHARDS; i++)
		count_part(z, &z->shard[i], counts);
	zone_unlock_all(z);
	arch_irq_restore(irq);
}

/* ---- Z1..Z6 ---- */

static const char *check_block(const struct zone *z, uint32_t chunk, unsigned order)
{
	uint32_t buddy = chunk ^ block_chunks(order);

	if (chunk_at(z, chunk)->whole_order != (order < PAGEBLOCK_ORDER ? 0 : order))
		return "Z3: whole_order is wrong";
	if (chunk_at(z, chunk)->place != CHUNK_BLOCK || chunk % block_chunks(order) != 0)
		return "Z3: a block is not aligned or not marked";
	if (order < ORDER_MAX && chunk_at(z, buddy)->place == CHUNK_BLOCK &&
	    chunk_at(z, buddy)->order == order)
		return "Z3: two free buddies";
	return NULL;
}

static const char *check_partial(const struct chunk *c, unsigned order)
{
	if (c->place != CHUNK_PARTIAL || chunk_largest(&c->bits) != (int)order)
		return "Z2: a chunk is on the wrong list";
	if (c->free != chunk_count_free(&c->bits))
		return "Z1: a chunk's count is wrong";
	return NULL;
}

static const char *check_list(const struct zone *z, const struct zone_part *p, unsigned k,
			      uint64_t *frames)
{
	const char *wrong = NULL;
	uint32_t prev = CHUNK_NONE;

	if ((p->list[k] != CHUNK_NONE) != ((p->nonempty >> k & 1) != 0))
		return "Z4: nonempty bit and list disagree";
	if (p->list[k] != CHUNK_NONE && (p == &z->whole) != (k >= PAGEBLOCK_ORDER))
		return "Z6: a list in the wrong part";
	for (uint32_t at = p->list[k]; at != CHUNK_NONE && wrong == NULL;
	     prev = at, at = chunk_at(z, at)->next) {
		const struct chunk *c = chunk_at(z, at);

		if (c->prev != prev || c->order != k)
			return "Z5: the links of a list are inconsistent";
		if (k < PAGEBLOCK_ORDER && &z->shard[chunk_shard(c)] != p)
			return "Z6: a chunk is on another shard's list";
		wrong = k < CHUNK_ORDER ? check_partial(c, k) : check_block(z, at, k);
		*frames += k < CHUNK_ORDER ? c->free : UINT64_C(1) << k;
	}
	return wrong;
}

static const char *check_part(const struct zone *z, const struct zone_part *p)
{
	const char *wrong = NULL;
	uint64_t frames = 0;

	for (unsigned k = 0; k < ORDERS && wrong == NULL; k++)
		wrong = check_list(z, p, k, &frames);
	return wrong == NULL && frames != part_count(p) ? "Z1: the count of free frames is wrong"
							: wrong;
}

/* Chunks on no list have no free frame. */
static const char *check_section(const struct chunk_table *t)
{
	for (unsigned i = 0; i < SECTION_CHUNKS; i++) {
		const struct chunk *c = &t->chunk[i];

		if (c->place == CHUNK_FULL && (c->free != 0 || chunk_count_free(&c->bits) != 0))
			return "Z1: free frames on no list";
		if (chunk_shard(c) != chunk_shard(&t->chunk[pageblock_first(i)]))
			return "Z6: the chunks of a pageblock name two shards";
	}
	return NULL;
}

const char *zone_check(struct zone *z)
{
	uintptr_t irq = arch_irq_save();
	const char *wrong;

	zone_lock_all(z);
	wrong = check_part(z, &z->whole);
	for (unsigned i = 0; i < ZONE_SHARDS && wrong == NULL; i++)
		wrong = check_part(z, &z->shard[i]);
	for (uint32_t s = z->first_section; s < z->end_section && wrong == NULL; s++)
		if (z->tables[s] != NULL)
			wrong = check_section(z->tables[s]);
	zone_unlock_all(z);
	arch_irq_restore(irq);
	return wrong;
}
