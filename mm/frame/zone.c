/* SPDX-License-Identifier: MIT */
#include "mm/frame/zone.h"

#include "lib/bits.h"
#include "lib/panic.h"
#include "mm/frame/zone_impl.h"

enum {
	SHARD_LENDS_ABOVE = 2 * PAGEBLOCK_FRAMES, /* a shard lends if it has more free frames */
};

static pfn_t chunk_pfn(uint32_t chunk, unsigned index)
{
	return chunk * CHUNK_FRAMES + index;
}

/* ---- parts ---- */

static unsigned shard_number(const struct zone *z, const struct zone_part *s)
{
	return (unsigned)(s - z->shard);
}

static struct zone_part *my_shard(struct zone *z)
{
	return &z->shard[arch_cpu_id() % ZONE_SHARDS];
}

/* Sum of all counts with `whole` locked: no frame moves between parts, so none is missed that stays
 * free. */
static uint64_t count_exactly(struct zone *z)
{
	uintptr_t irq = spin_lock_irq(&z->whole.lock);
	uint64_t frames = zone_free_count(z);

	spin_unlock_irq(&z->whole.lock, irq);
	return frames;
}

/* ---- lists ---- */

void chunk_link(const struct zone *z, struct zone_part *p, uint32_t chunk, enum chunk_place place,
		unsigned order)
{
	struct chunk *c = chunk_at(z, chunk);
	uint32_t head = p->list[order];

	c->place = (uint8_t)place;
	c->order = (uint8_t)order;
	if (order >= PAGEBLOCK_ORDER)
		c->whole_order = (uint8_t)order;
	c->prev = CHUNK_NONE;
	c->next = head;
	if (head != CHUNK_NONE)
		chunk_at(z, head)->prev = chunk;
	p->list[order] = chunk;
	p->nonempty |= UINT32_C(1) << order;
}

void chunk_unlink(const struct zone *z, struct zone_part *p, uint32_t chunk)
{
	struct chunk *c = chunk_at(z, chunk);

	if (c->prev != CHUNK_NONE)
		chunk_at(z, c->prev)->next = c->next;
	else
		p->list[c->order] = c->next;
	if (c->next != CHUNK_NONE)
		chunk_at(z, c->next)->prev = c->prev;
	if (p->list[c->order] == CHUNK_NONE)
		p->nonempty &= ~(UINT32_C(1) << c->order);
	c->place = CHUNK_FULL;
	if (c->order >= PAGEBLOCK_ORDER)
		c->whole_order = 0;
}

/* Bit mask of the part's non-empty lists from `order` up. */
static uint32_t lists_from(const struct zone_part *p, unsigned order) __requires(p->lock)
{
	return p->nonempty & ~((UINT32_C(1) << order) - 1);
}

/* ---- blocks of order 9 and up ---- */

static void block_mark(struct zone *z, uint32_t chunk, unsigned order, enum chunk_place place)
{
	for (uint32_t i = 0; i < block_chunks(order); i++) {
		chunk_at(z, chunk + i)->place = (uint8_t)place;
		chunk_at(z, chunk + i)->free = 0;
	}
}

/* Whether the part has a free block of exactly this order here.  For `whole` only whole_order is
 * read: place and order of a shard's chunk are protected by that shard's lock. */
static bool block_is_free(const struct zone *z, const struct zone_part *p, uint32_t chunk,
			  unsigned order) __requires(p->lock)
{
	const struct chunk *c = chunk_at(z, chunk);

	return p == &z->whole ? c->whole_order == order
			      : c->place == CHUNK_BLOCK && c->order == order;
}

/* Merges the block, on no list and marked, with its free buddies, up to 2^max_order.  Returns the
 * first chunk of the result. */
static uint32_t block_merge(struct zone *z, struct zone_part *p, uint32_t chunk, unsigned *order,
			    unsigned max_order) __requires(p->lock)
{
	for (; *order < max_order; (*order)++) {
		uint32_t buddy = chunk ^ block_chunks(*order);

		if (!block_is_free(z, p, buddy, *order))
			break;
		chunk_unlink(z, p, buddy);
		chunk_at(z, buddy)->place = CHUNK_INSIDE;
		chunk &= ~block_chunks(*order);
	}
	return chunk;
}

/* Adds a free block of `order` >= 14, on no list and not counted, to `whole`. */
static void whole_add(struct zone *z, uint32_t chunk, unsigned order) __requires(z->whole.lock)
{
	part_count_add(&z->whole, UINT64_C(1) << order);
	chunk = block_merge(z, &z->whole, chunk, &order, ORDER_MAX);
	chunk_link(z, &z->whole, chunk, CHUNK_BLOCK, order);
}

/* Adds a free block of the shard, counted but on no list, to the lists; a complete pageblock moves
 * to `whole`. */
static void block_free(struct zone *z, struct zone_part *s, uint32_t chunk, unsigned order)
	__requires(s->lock)
{
	block_mark(z, chunk, order, CHUNK_INSIDE);
	chunk = block_merge(z, s, chunk, &order, PAGEBLOCK_ORDER);
	if (order < PAGEBLOCK_ORDER) {
		chunk_link(z, s, chunk, CHUNK_BLOCK, order);
		return;
	}
	spin_lock(&z->whole.lock);
	part_count_add(s, -(uint64_t)PAGEBLOCK_FRAMES);
	whole_add(z, chunk, PAGEBLOCK_ORDER);
	spin_unlock(&z->whole.lock);
}

/* Removes a block of 2^order, split from the part's smallest block that is large enough; it is
 * still counted.  CHUNK_NONE: none. */
static uint32_t block_take(struct zone *z, struct zone_part *p, unsigned order) __requires(p->lock)
{
	uint32_t fitting = lists_from(p, order), chunk;
	unsigned at;

	if (fitting == 0)
		return CHUNK_NONE;
	at = bits_lowest(fitting);
	chunk = p->list[at];
	chunk_unlink(z, p, chunk);
	while (at > order) {
		at--;
		chunk_link(z, p, chunk + block_chunks(at), CHUNK_BLOCK, at);
	}
	return chunk;
}

/* ---- whole pageblocks ---- */

static pfn_t alloc_whole(struct zone *z, unsigned order)
{
	uintptr_t irq = spin_lock_irq(&z->whole.lock);
	uint32_t chunk = block_take(z, &z->whole, order);

	if (chunk != CHUNK_NONE) {
		block_mark(z, chunk, order, CHUNK_FULL);
		part_count_add(&z->whole, -(UINT64_C(1) << order));
	}
	spin_unlock_irq(&z->whole.lock, irq);
	return chunk == CHUNK_NONE ? PFN_NONE : chunk_pfn(chunk, 0);
}

/* Whether no frame of the block's chunks is free. */
static bool block_is_used(const struct zone *z, uint32_t chunk, unsigned order)
{
	for (uint32_t i = 0; i < block_chunks(order); i++)
		if (chunk_at(z, chunk + i)->place != CHUNK_FULL)
			return false;
	return true;
}

static err_t free_whole(struct zone *z, pfn_t pfn, unsigned order)
{
	uint32_t chunk = pfn_chunk(pfn);
	uintptr_t irq = spin_lock_irq(&z->whole.lock);
	bool used = block_is_used(z, chunk, order);

	if (used) {
		block_mark(z, chunk, order, CHUNK_INSIDE);
		whole_add(z, chunk, order);
	}
	spin_unlock_irq(&z->whole.lock, irq);
	return used ? OK : ERR_NOT_OWNED;
}

static void pageblock_name_shard(struct zone *z, uint32_t first, unsigned number)
	__requires(z->whole.lock)
{
	uint32_t used = atomic_load_explicit(&z->shards_used, memory_order_relaxed);

	/* relaxed, all: locks order writers; readers of a chunk's shard lock it and check again */
	if ((used >> number & 1) == 0)
		atomic_store_explicit(&z->shards_used, used | UINT32_C(1) << number,
				      memory_order_relaxed);
	if (chunk_shard(chunk_at(z, first)) == number)
		return;
	for (uint32_t i = 0; i < PAGEBLOCK_CHUNKS; i++)
		atomic_store_explicit(&chunk_at(z, first + i)->shard, (uint8_t)number,
				      memory_order_relaxed);
}

void pageblock_join(struct zone *z, struct zone_part *s, uint32_t first)
{
	pageblock_name_shard(z, first, shard_number(z, s));
	part_count_add(&z->whole, -(uint64_t)PAGEBLOCK_FRAMES);
	part_count_add(s, PAGEBLOCK_FRAMES);
}

/* Moves a pageblock from `whole` to the shard, if there is one, as two halves: a shard has no list
 * of order 14. */
static void shard_take_pageblock(struct zone *z, struct zone_part *s)
	__requires(s->lock, z->whole.lock)
{
	uint32_t first = block_take(z, &z->whole, PAGEBLOCK_ORDER);

	if (first == CHUNK_NONE)
		return;
	pageblock_join(z, s, first);
	chunk_link(z, s, first + PAGEBLOCK_CHUNKS / 2, CHUNK_BLOCK, PAGEBLOCK_ORDER - 1);
	chunk_link(z, s, first, CHUNK_BLOCK, PAGEBLOCK_ORDER - 1);
}

/* Moves a pageblock that has a fitting block, with all its free frames, from shard t to shard s. */
static void pageblock_lend(struct zone *z, struct zone_part *t, struct zone_part *s, unsigned order)
	__requires(t->lock, s->lock)
{
	uint32_t fitting = lists_from(t, order), first;

	if (fitting == 0)
		return;
	first = pageblock_first(t->list[bits_lowest(fitting)]);
	spin_lock(&z->whole.lock);
	for (uint32_t i = first; i < first + PAGEBLOCK_CHUNKS; i++) {
		struct chunk *c = chunk_at(z, i);
		enum chunk_place place = (enum chunk_place)c->place;
		uint64_t frames = place == CHUNK_BLOCK ? UINT64_C(1) << c->order : c->free;

		if (place != CHUNK_BLOCK && place != CHUNK_PARTIAL)
			continue;
		chunk_unlink(z, t, i);
		part_count_add(t, -frames);
		part_count_add(s, frames);
		chunk_link(z, s, i, place, c->order);
	}
	pageblock_name_shard(z, first, shard_number(z, s));
	spin_unlock(&z->whole.lock);
}

/* ---- a shard's chunks ---- */

/* Adds the chunk, which is on no list, to the list of its largest free block, `order`. */
static void chunk_file(struct zone *z, struct zone_part *s, uint32_t chunk, int order)
	__requires(s->lock)
{
	if (order == CHUNK_ORDER) {
		chunk_set_used(&chunk_at(z, chunk)->bits, 0, CHUNK_ORDER);
		block_free(z, s, chunk, CHUNK_ORDER);
	} else if (order != CHUNK_NO_BLOCK) {
		chunk_link(z, s, chunk, CHUNK_PARTIAL, (unsigned)order);
	}
}

/* Moves the chunk to the list of `order`, unless it is there already. */
static void chunk_move(struct zone *z, struct zone_part *s, uint32_t chunk, int order)
	__requires(s->lock)
{
	struct chunk *c = chunk_at(z, chunk);

	if (c->place == CHUNK_PARTIAL) {
		if (order == c->order)
			return;
		chunk_unlink(z, s, chunk);
	}
	chunk_file(z, s, chunk, order);
}

/* Order of the chunk's largest free block, from its bitmap. */
static int chunk_list(const struct chunk *c)
{
	if (c->free == 0)
		return CHUNK_NO_BLOCK;
	return c->free == CHUNK_FRAMES ? CHUNK_ORDER : chunk_largest(&c->bits);
}

void chunk_refile(struct zone *z, struct zone_part *s, uint32_t chunk)
{
	chunk_move(z, s, chunk, chunk_list(chunk_at(z, chunk)));
}

/* The same after the block at index was freed: the chunk moves only if the merged block is larger
 * than all others. */
static void chunk_refile_freed(struct zone *z, struct zone_part *s, uint32_t chunk, unsigned index,
			       unsigned order) __requires(s->lock)
{
	const struct chunk *c = chunk_at(z, chunk);
	unsigned more = c->order + 1u;

	if (c->place != CHUNK_PARTIAL ||
	    chunk_block_is_free(&c->bits, index & ~((1u << more) - 1), more))
		chunk_move(z, s, chunk, (int)chunk_merged_order(&c->bits, index, order));
}

void chunk_open(const struct zone *z, uint32_t chunk)
{
	struct chunk *c = chunk_at(z, chunk);

	chunk_set_free(&c->bits, 0, CHUNK_ORDER);
	c->free = CHUNK_FRAMES;
	c->place = CHUNK_FULL;
}

/* ---- allocation ---- */

/* The chunk to allocate a block of `order` < 9 from, on no list or still on its old one.  The shard
 * must have a fitting block. */
static uint32_t chunk_to_take_from(struct zone *z, struct zone_part *s, unsigned order)
	__requires(s->lock)
{
	unsigned at = bits_lowest(lists_from(s, order));
	uint32_t chunk;

	if (at < CHUNK_ORDER)
		return s->list[at];
	chunk = block_take(z, s, CHUNK_ORDER);
	chunk_open(z, chunk);
	return chunk;
}

static pfn_t take_small(struct zone *z, struct zone_part *s, unsigned order) __requires(s->lock)
{
	uint32_t chunk = chunk_to_take_from(z, s, order);
	struct chunk *c = chunk_at(z, chunk);
	int index = chunk_find(&c->bits, order);

	DASSERT(index != CHUNK_NO_INDEX);
	chunk_set_used(&c->bits, (unsigned)index, order);
	c->free -= (uint16_t)(1u << order);
	chunk_refile(z, s, chunk);
	return chunk_pfn(chunk, (unsigned)index);
}

static pfn_t take_large(struct zone *z, struct zone_part *s, unsigned order) __requires(s->lock)
{
	uint32_t chunk = block_take(z, s, order);

	block_mark(z, chunk, order, CHUNK_FULL);
	return chunk_pfn(chunk, 0);
}

static unsigned take_frames(struct zone *z, struct zone_part *s, unsigned n, pfn_t *out)
	__requires(s->lock)
{
	uint32_t chunk = chunk_to_take_from(z, s, 0);
	struct chunk *c = chunk_at(z, chunk);
	unsigned taken = chunk_take_frames(&c->bits, n, chunk_pfn(chunk, 0), out);

	c->free -= (uint16_t)taken;
	chunk_refile(z, s, chunk);
	return taken;
}

/* Allocates up to n blocks of `order` < 14 from the shard's own lists; returns how many. */
static unsigned shard_take(struct zone *z, struct zone_part *s, unsigned order, unsigned n,
			   pfn_t *out) __requires(s->lock)
{
	unsigned got = 0;

	while (got < n && lists_from(s, order) != 0) {
		if (order == 0)
			got += take_frames(z, s, n - got, out + got);
		else if (order < CHUNK_ORDER)
			out[got++] = take_small(z, s, order);
		else
			out[got++] = take_large(z, s, order);
	}
	part_count_add(s, -((uint64_t)got << order));
	return got;
}

/* Borrows a pageblock from shards with many free frames; may unlock s in between, to keep the lock
 * order. */
static void shard_borrow(struct zone *z, struct zone_part *s, unsigned order) __no_tsa
{
	/* relaxed: a hint */
	uint32_t used = atomic_load_explicit(&z->shards_used, memory_order_relaxed);

	for (; used != 0 && lists_from(s, order) == 0; used &= used - 1) {
		struct zone_part *t = &z->shard[bits_lowest(used)];

		if (t == s || part_count(t) <= SHARD_LENDS_ABOVE)
			continue;
		if (t < s)
			spin_unlock(&s->lock);
		spin_lock(&t->lock);
		if (t < s)
			spin_lock(&s->lock);
		pageblock_lend(z, t, s, order);
		spin_unlock(&t->lock);
	}
}

/* Allocates from this CPU's shard, which takes a pageblock if needed. */
static unsigned alloc_here(struct zone *z, unsigned order, unsigned n, pfn_t *out)
{
	struct zone_part *s = my_shard(z);
	unsigned got;

	spin_lock(&s->lock);
	got = shard_take(z, s, order, n, out);
	while (unlikely(got < n)) {
		unsigned more;

		shard_borrow(z, s, order);
		if (lists_from(s, order) == 0 && part_count(&z->whole) != 0) {
			spin_lock(&z->whole.lock);
			shard_take_pageblock(z, s);
			spin_unlock(&z->whole.lock);
		}
		more = shard_take(z, s, order, n - got, out + got);
		if (more == 0)
			break;
		got += more;
	}
	spin_unlock(&s->lock);
	return got;
}

/* Allocates from the other shards; they keep their pageblocks. */
static unsigned alloc_there(struct zone *z, unsigned order, unsigned n, pfn_t *out)
{
	unsigned got = 0;
	/* relaxed: a hint, as are the counts */
	uint32_t used = atomic_load_explicit(&z->shards_used, memory_order_relaxed);

	for (; used != 0 && got < n; used &= used - 1) {
		struct zone_part *t = &z->shard[bits_lowest(used)];

		if (part_count(t) < UINT64_C(1) << order)
			continue;
		spin_lock(&t->lock);
		got += shard_take(z, t, order, n - got, out + got);
		spin_unlock(&t->lock);
	}
	return got;
}

/* Allocates from any part with all locks held: does not miss frames that moved between shards while
 * alloc_there() checked one after the other. */
static unsigned alloc_anywhere(struct zone *z, unsigned order, unsigned n, pfn_t *out) __no_tsa
{
	unsigned got = 0;

	zone_lock_all(z);
	for (unsigned i = 0; i < ZONE_SHARDS && got < n; i++)
		got += shard_take(z, &z->shard[i], order, n - got, out + got);
	while (got < n && z->whole.nonempty != 0) {
		shard_take_pageblock(z, my_shard(z));
		got += shard_take(z, my_shard(z), order, n - got, out + got);
	}
	zone_unlock_all(z);
	return got;
}

static __cold unsigned alloc_elsewhere(struct zone *z, unsigned order, unsigned n, pfn_t *out)
{
	unsigned got = alloc_there(z, order, n, out);

	if (got < n && count_exactly(z) >= UINT64_C(1) << order)
		got += alloc_anywhere(z, order, n - got, out + got);
	return got;
}

unsigned zone_alloc_blocks(struct zone *z, unsigned order, unsigned n, pfn_t *out)
{
	uintptr_t irq;
	unsigned got;

	ASSERT(order < PAGEBLOCK_ORDER);
	if (z->first_section == z->end_section)
		return 0; /* empty zone: the high one of a machine with less than 4 GiB */
	irq = arch_irq_save();
	got = alloc_here(z, order, n, out);
	if (unlikely(got < n))
		got += alloc_elsewhere(z, order, n - got, out + got);
	arch_irq_restore(irq);
	return got;
}

unsigned zone_alloc_frames(struct zone *z, unsigned n, pfn_t *out)
{
	return zone_alloc_blocks(z, 0, n, out);
}

pfn_t zone_alloc(struct zone *z, unsigned order)
{
	pfn_t pfn;

	ASSERT(order <= ORDER_MAX);
	if (order >= PAGEBLOCK_ORDER)
		return alloc_whole(z, order);
	return zone_alloc_blocks(z, order, 1, &pfn) != 0 ? pfn : PFN_NONE;
}

/* ---- freeing ---- */

/* Locks the shard that the chunk belongs to; interrupts are off.  Rechecks under the lock, because
 * the pageblock may move to another shard in between. */
static struct zone_part *lock_shard_of(struct zone *z, const struct chunk *c) __no_tsa
{
	for (;;) {
		unsigned number = chunk_shard(c);

		spin_lock(&z->shard[number].lock);
		if (likely(chunk_shard(c) == number))
			return &z->shard[number];
		spin_unlock(&z->shard[number].lock);
	}
}

static err_t free_small(struct zone *z, struct zone_part *s, pfn_t pfn, unsigned order)
	__requires(s->lock)
{
	struct chunk *c = chunk_at(z, pfn_chunk(pfn));
	unsigned index = pfn_index(pfn);

	if ((c->place != CHUNK_FULL && c->place != CHUNK_PARTIAL) ||
	    !chunk_block_is_used(&c->bits, index, order))
		return ERR_NOT_OWNED;
	chunk_set_free(&c->bits, index, order);
	c->free += (uint16_t)(1u << order);
	part_count_add(s, UINT64_C(1) << order);
	chunk_refile_freed(z, s, pfn_chunk(pfn), index, order);
	return OK;
}

static err_t free_large(struct zone *z, struct zone_part *s, pfn_t pfn, unsigned order)
	__requires(s->lock)
{
	if (!block_is_used(z, pfn_chunk(pfn), order))
		return ERR_NOT_OWNED;
	part_count_add(s, UINT64_C(1) << order);
	block_free(z, s, pfn_chunk(pfn), order);
	return OK;
}

static err_t free_to_shard(struct zone *z, pfn_t pfn, unsigned order) __no_tsa
{
	uintptr_t irq = arch_irq_save();
	struct zone_part *s = lock_shard_of(z, chunk_at(z, pfn_chunk(pfn)));
	err_t err = order < CHUNK_ORDER ? free_small(z, s, pfn, order)
					: free_large(z, s, pfn, order);

	spin_unlock(&s->lock);
	arch_irq_restore(irq);
	return err;
}

/* Whether [pfn, pfn + 2^order) is aligned and lies in a populated section of the zone. */
static bool range_is_populated(const struct zone *z, pfn_t pfn, unsigned order)
{
	uint32_t section = pfn / SECTION_FRAMES;

	return pfn % (UINT32_C(1) << order) == 0 && section >= z->first_section &&
	       section < z->end_section && z->tables[section] != NULL;
}

err_t zone_free(struct zone *z, pfn_t pfn, unsigned order)
{
	if (order > ORDER_MAX || !range_is_populated(z, pfn, order))
		return ERR_NOT_OWNED;
	return order < PAGEBLOCK_ORDER ? free_to_shard(z, pfn, order) : free_whole(z, pfn, order);
}

/* Frees the first frames of pfns[0 .. n) that are in the same chunk, with one list update.  Returns
 * how many; fewer than there are in that chunk if one is free already. */
static unsigned free_run_locked(struct zone *z, struct zone_part *s, const pfn_t *pfns, unsigned n)
	__requires(s->lock)
{
	uint32_t chunk = pfn_chunk(pfns[0]);
	struct chunk *c = chunk_at(z, chunk);
	unsigned i;

	if (c->place != CHUNK_FULL && c->place != CHUNK_PARTIAL)
		return 0;
	for (i = 0; i < n && pfn_chunk(pfns[i]) == chunk; i++) {
		unsigned index = pfn_index(pfns[i]);
		uint64_t *word = &c->bits.word[index / CHUNK_WORD_BITS];
		uint64_t bit = UINT64_C(1) << index % CHUNK_WORD_BITS;

		if ((*word & bit) != 0)
			break;
		*word |= bit;
	}
	c->free += (uint16_t)i;
	part_count_add(s, i);
	if (i == 1)
		chunk_refile_freed(z, s, chunk, pfn_index(pfns[0]), 0);
	else if (i != 0)
		chunk_refile(z, s, chunk);
	return i;
}

/* Frees the first frames of pfns[0 .. n) whose chunks belong to the same shard, under one
 * acquisition of its lock; the first one is populated. */
static unsigned free_shard_run(struct zone *z, const pfn_t *pfns, unsigned n) __no_tsa
{
	struct zone_part *s = lock_shard_of(z, chunk_at(z, pfn_chunk(pfns[0])));
	unsigned freed = 0, run;

	do {
		run = free_run_locked(z, s, pfns + freed, n - freed);
		freed += run;
	} while (run != 0 && freed < n && range_is_populated(z, pfns[freed], 0) &&
		 chunk_shard(chunk_at(z, pfn_chunk(pfns[freed]))) == shard_number(z, s));
	spin_unlock(&s->lock);
	return freed;
}

/* Prefetches the cache lines of the frames' chunks before the lock is acquired. */
static void frames_prefetch(const struct zone *z, const pfn_t *pfns, unsigned n)
{
	uint32_t last = CHUNK_NONE;

	for (unsigned i = 0; i < n; i++) {
		uint32_t chunk = pfn_chunk(pfns[i]);

		if (chunk == last || !range_is_populated(z, pfns[i], 0))
			continue;
		last = chunk;
		__builtin_prefetch(&chunk_at(z, chunk)->bits, 1);
		__builtin_prefetch(&chunk_at(z, chunk)->next, 1);
	}
}

err_t zone_free_frames(struct zone *z, const pfn_t *pfns, unsigned n, unsigned *done)
{
	unsigned freed = 0, run = 1;
	uintptr_t irq;

	frames_prefetch(z, pfns, n);
	irq = arch_irq_save();
	while (freed < n && run != 0 && range_is_populated(z, pfns[freed], 0)) {
		run = free_shard_run(z, pfns + freed, n - freed);
		freed += run;
	}
	arch_irq_restore(irq);
	*done = freed;
	return freed == n ? OK : ERR_NOT_OWNED;
}
