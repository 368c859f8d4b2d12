/* SPDX-License-Identifier: MIT */
#include "mm/zone.h"

#include "lib/bits.h"
#include "lib/panic.h"

enum {
	TAKE_AT_ONCE = 64, /* indices that chunk_take_frames() writes per call */
};

LOCK_CLASS(zone_lock_class, "zone", RANK_ZONE);

/* ---- chunks by number ---- */

static struct chunk_table *table_of(const struct zone *z, uint32_t chunk)
{
	return z->tables[chunk / SECTION_CHUNKS];
}

static struct chunk_info *info_of(const struct zone *z, uint32_t chunk)
{
	return &table_of(z, chunk)->info[chunk % SECTION_CHUNKS];
}

static struct chunk_bits *bits_of(const struct zone *z, uint32_t chunk)
{
	return &table_of(z, chunk)->bits[chunk % SECTION_CHUNKS];
}

static uint32_t pfn_chunk(pfn_t pfn)
{
	return pfn / CHUNK_FRAMES;
}

static unsigned pfn_index(pfn_t pfn)
{
	return pfn % CHUNK_FRAMES;
}

static pfn_t chunk_pfn(uint32_t chunk, unsigned index)
{
	return chunk * CHUNK_FRAMES + index;
}

static uint32_t block_chunks(unsigned order)
{
	return UINT32_C(1) << (order - CHUNK_ORDER);
}

/* ---- lists ---- */

static void list_add(struct zone *z, uint32_t chunk, enum chunk_place place, unsigned order)
	__requires(z->lock)
{
	struct chunk_info *c = info_of(z, chunk);
	uint32_t head = z->list[order];

	c->place = (uint8_t)place;
	c->order = (uint8_t)order;
	c->prev = CHUNK_NONE;
	c->next = head;
	if (head != CHUNK_NONE)
		info_of(z, head)->prev = chunk;
	z->list[order] = chunk;
	z->nonempty |= UINT32_C(1) << order;
}

static void list_remove(struct zone *z, uint32_t chunk) __requires(z->lock)
{
	struct chunk_info *c = info_of(z, chunk);

	if (c->prev != CHUNK_NONE)
		info_of(z, c->prev)->next = c->next;
	else
		z->list[c->order] = c->next;
	if (c->next != CHUNK_NONE)
		info_of(z, c->next)->prev = c->prev;
	if (z->list[c->order] == CHUNK_NONE)
		z->nonempty &= ~(UINT32_C(1) << c->order);
	c->place = CHUNK_FULL;
}

static void count_add(struct zone *z, uint64_t frames) __requires(z->lock)
{
	uint64_t n = atomic_load_explicit(&z->free_frames, memory_order_relaxed);

	/* the lock orders writers; readers only glance */
	atomic_store_explicit(&z->free_frames, n + frames, memory_order_relaxed);
}

/* ---- blocks of order 9 and up ---- */

static void block_mark(struct zone *z, uint32_t chunk, uint32_t chunks, enum chunk_place place)
	__requires(z->lock)
{
	for (uint32_t i = 0; i < chunks; i++) {
		info_of(z, chunk + i)->place = (uint8_t)place;
		info_of(z, chunk + i)->free = 0;
	}
}

static void block_free(struct zone *z, uint32_t chunk, unsigned order) __requires(z->lock)
{
	block_mark(z, chunk, block_chunks(order), CHUNK_INSIDE);
	while (order < ORDER_MOST) {
		uint32_t buddy = chunk ^ block_chunks(order);
		const struct chunk_info *b = info_of(z, buddy);

		if (b->place != CHUNK_BLOCK || b->order != order)
			break;
		list_remove(z, buddy);
		info_of(z, buddy)->place = CHUNK_INSIDE;
		chunk &= ~block_chunks(order);
		order++;
	}
	list_add(z, chunk, CHUNK_BLOCK, order);
}

/* Cut the block, which is on no list, down to `want`; what is cut off goes to the lists. */
static void block_split(struct zone *z, uint32_t chunk, unsigned order, unsigned want)
	__requires(z->lock)
{
	while (order > want) {
		order--;
		list_add(z, chunk + block_chunks(order), CHUNK_BLOCK, order);
	}
}

/* A whole chunk as a bitmap of free frames, on no list. */
static uint32_t block_to_chunk(struct zone *z, uint32_t chunk, unsigned order) __requires(z->lock)
{
	list_remove(z, chunk);
	block_split(z, chunk, order, CHUNK_ORDER);
	chunk_set_free(bits_of(z, chunk), 0, CHUNK_ORDER);
	info_of(z, chunk)->free = CHUNK_FRAMES;
	return chunk;
}

/* ---- partly free chunks ---- */

/* Where the chunk belongs by its bits: 0 .. CHUNK_ORDER, or CHUNK_NO_BLOCK. */
static int chunk_order(const struct zone *z, uint32_t chunk) __requires(z->lock)
{
	const struct chunk_info *c = info_of(z, chunk);

	if (c->free == 0)
		return CHUNK_NO_BLOCK;
	return c->free == CHUNK_FRAMES ? CHUNK_ORDER : chunk_largest(bits_of(z, chunk));
}

/* Put the chunk, which is on no list, where it belongs. */
static void chunk_file(struct zone *z, uint32_t chunk, int order) __requires(z->lock)
{
	if (order == CHUNK_ORDER) {
		chunk_set_used(bits_of(z, chunk), 0, CHUNK_ORDER);
		block_free(z, chunk, CHUNK_ORDER);
	} else if (order != CHUNK_NO_BLOCK) {
		list_add(z, chunk, CHUNK_PARTIAL, (unsigned)order);
	}
}

/* The same after frames left or came, with as little relinking as possible. */
static void chunk_refile(struct zone *z, uint32_t chunk) __requires(z->lock)
{
	struct chunk_info *c = info_of(z, chunk);
	int order = chunk_order(z, chunk);

	if (c->place == CHUNK_PARTIAL) {
		if (order == c->order)
			return;
		list_remove(z, chunk);
	}
	chunk_file(z, chunk, order);
}

/* The same after a block came that is part of a free block of order `merged` now. */
static void chunk_refile_larger(struct zone *z, uint32_t chunk, unsigned merged) __requires(z->lock)
{
	struct chunk_info *c = info_of(z, chunk);

	if (c->place == CHUNK_PARTIAL) {
		if (merged <= c->order)
			return;
		list_remove(z, chunk);
	}
	chunk_file(z, chunk, (int)merged);
}

/* The chunk to take a block of `order` < 9 from, on no list or on its old one; CHUNK_NONE. */
static uint32_t chunk_to_take_from(struct zone *z, unsigned order) __requires(z->lock)
{
	uint32_t fitting = z->nonempty & ~((UINT32_C(1) << order) - 1);
	unsigned at;

	if (fitting == 0)
		return CHUNK_NONE;
	at = bits_lowest(fitting);
	return at < CHUNK_ORDER ? z->list[at] : block_to_chunk(z, z->list[at], at);
}

/* ---- allocation ---- */

static pfn_t alloc_small_locked(struct zone *z, unsigned order) __requires(z->lock)
{
	uint32_t chunk = chunk_to_take_from(z, order);
	int index;

	if (chunk == CHUNK_NONE)
		return PFN_NONE;
	index = chunk_find(bits_of(z, chunk), order);
	DASSERT(index != CHUNK_NO_INDEX);
	chunk_set_used(bits_of(z, chunk), (unsigned)index, order);
	info_of(z, chunk)->free -= (uint16_t)(1u << order);
	chunk_refile(z, chunk);
	return chunk_pfn(chunk, (unsigned)index);
}

static pfn_t alloc_large_locked(struct zone *z, unsigned order) __requires(z->lock)
{
	uint32_t fitting = z->nonempty & ~((UINT32_C(1) << order) - 1);
	unsigned at = bits_lowest(fitting);
	uint32_t chunk;

	if (fitting == 0)
		return PFN_NONE;
	chunk = z->list[at];
	list_remove(z, chunk);
	block_split(z, chunk, at, order);
	block_mark(z, chunk, block_chunks(order), CHUNK_FULL);
	return chunk_pfn(chunk, 0);
}

pfn_t zone_alloc(struct zone *z, unsigned order)
{
	uintptr_t irq;
	pfn_t pfn;

	ASSERT(order <= ORDER_MOST);
	irq = spin_lock_irq(&z->lock);
	pfn = order < CHUNK_ORDER ? alloc_small_locked(z, order) : alloc_large_locked(z, order);
	if (pfn != PFN_NONE)
		count_add(z, -(UINT64_C(1) << order));
	spin_unlock_irq(&z->lock, irq);
	return pfn;
}

static unsigned take_from_chunk_locked(struct zone *z, uint32_t chunk, unsigned n, pfn_t *out)
	__requires(z->lock)
{
	uint16_t index[TAKE_AT_ONCE];
	unsigned taken = chunk_take_frames(bits_of(z, chunk), n < TAKE_AT_ONCE ? n : TAKE_AT_ONCE,
					   index);

	for (unsigned i = 0; i < taken; i++)
		out[i] = chunk_pfn(chunk, index[i]);
	info_of(z, chunk)->free -= (uint16_t)taken;
	chunk_refile(z, chunk);
	return taken;
}

unsigned zone_alloc_frames(struct zone *z, unsigned n, pfn_t *out)
{
	uintptr_t irq = spin_lock_irq(&z->lock);
	unsigned got = 0;

	while (got < n) {
		uint32_t chunk = chunk_to_take_from(z, 0);

		if (chunk == CHUNK_NONE)
			break;
		got += take_from_chunk_locked(z, chunk, n - got, out + got);
	}
	count_add(z, -(uint64_t)got);
	spin_unlock_irq(&z->lock, irq);
	return got;
}

/* ---- freeing ---- */

static bool frames_are_used(const struct zone *z, uint32_t chunk, unsigned index, unsigned order)
{
	const struct chunk_info *c = info_of(z, chunk);

	return (c->place == CHUNK_FULL || c->place == CHUNK_PARTIAL) &&
	       chunk_block_is_used(bits_of(z, chunk), index, order);
}

static err_t free_small_locked(struct zone *z, pfn_t pfn, unsigned order) __requires(z->lock)
{
	uint32_t chunk = pfn_chunk(pfn);
	unsigned index = pfn_index(pfn);
	struct chunk_info *c = info_of(z, chunk);
	struct chunk_bits *bits = bits_of(z, chunk);

	if (!frames_are_used(z, chunk, index, order))
		return ERR_NOT_OWNED;
	chunk_set_free(bits, index, order);
	c->free += (uint16_t)(1u << order);
	chunk_refile_larger(z, chunk, chunk_merged_order(bits, index, order));
	return OK;
}

static err_t free_large_locked(struct zone *z, pfn_t pfn, unsigned order) __requires(z->lock)
{
	uint32_t chunk = pfn_chunk(pfn);

	for (uint32_t i = 0; i < block_chunks(order); i++)
		if (info_of(z, chunk + i)->place != CHUNK_FULL)
			return ERR_NOT_OWNED;
	block_free(z, chunk, order);
	return OK;
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
	uintptr_t irq;
	err_t err;

	if (order > ORDER_MOST || !range_is_populated(z, pfn, order))
		return ERR_NOT_OWNED;
	irq = spin_lock_irq(&z->lock);
	err = order < CHUNK_ORDER ? free_small_locked(z, pfn, order)
				  : free_large_locked(z, pfn, order);
	if (err == OK)
		count_add(z, UINT64_C(1) << order);
	spin_unlock_irq(&z->lock, irq);
	return err;
}

/* The first frames of pfns[0 .. n) that lie in one chunk, together: one look at the lists for all
 * of them.  Returns how many were freed; fewer than there are in a row when one is free already. */
static unsigned free_run_locked(struct zone *z, const pfn_t *pfns, unsigned n) __requires(z->lock)
{
	uint32_t chunk = pfn_chunk(pfns[0]);
	struct chunk_info *c = info_of(z, chunk);
	struct chunk_bits *bits = bits_of(z, chunk);
	unsigned i;

	if (c->place != CHUNK_FULL && c->place != CHUNK_PARTIAL)
		return 0;
	for (i = 0; i < n && pfn_chunk(pfns[i]) == chunk; i++) {
		unsigned index = pfn_index(pfns[i]);
		uint64_t *word = &bits->word[index / CHUNK_WORD_BITS];
		uint64_t bit = UINT64_C(1) << index % CHUNK_WORD_BITS;

		if ((*word & bit) != 0)
			break;
		*word |= bit;
	}
	c->free += (uint16_t)i;
	if (i == 1)
		chunk_refile_larger(z, chunk, chunk_merged_order(bits, pfn_index(pfns[0]), 0));
	else if (i != 0)
		chunk_refile(z, chunk);
	return i;
}

/* Bring the lines that the frames' chunks need near while nobody waits for the lock. */
static void frames_prefetch(const struct zone *z, const pfn_t *pfns, unsigned n)
{
	uint32_t last = CHUNK_NONE;

	for (unsigned i = 0; i < n; i++) {
		uint32_t chunk = pfn_chunk(pfns[i]);

		if (chunk == last || !range_is_populated(z, pfns[i], 0))
			continue;
		last = chunk;
		__builtin_prefetch(bits_of(z, chunk), 1);
		__builtin_prefetch(info_of(z, chunk), 1);
	}
}

err_t zone_free_frames(struct zone *z, const pfn_t *pfns, unsigned n, unsigned *done)
{
	unsigned freed = 0, run = 1;
	uintptr_t irq;

	frames_prefetch(z, pfns, n);
	irq = spin_lock_irq(&z->lock);
	while (freed < n && run != 0) {
		run = range_is_populated(z, pfns[freed], 0)
			      ? free_run_locked(z, pfns + freed, n - freed)
			      : 0;
		freed += run;
	}
	count_add(z, freed);
	spin_unlock_irq(&z->lock, irq);
	*done = freed;
	return freed == n ? OK : ERR_NOT_OWNED;
}

void zone_add(struct zone *z, pfn_t first, uint32_t frames)
{
	while (frames > 0) {
		unsigned order = bits_log2(frames);

		if (first != 0)
			order = (unsigned)min_u64(order, bits_lowest(first));
		order = (unsigned)min_u64(order, ORDER_MOST);
		if (zone_free(z, first, order) != OK)
			panic("zone %s was given frame %#x twice", z->name, first);
		first += UINT32_C(1) << order;
		frames -= UINT32_C(1) << order;
	}
}

/* ---- contiguous ranges by address ---- */

/* Whether the frame is free; *skip is how many frames from it are known to be the same. */
static bool run_at_locked(const struct zone *z, pfn_t pfn, uint32_t *skip) __requires(z->lock)
{
	uint32_t chunk = pfn_chunk(pfn);
	const struct chunk_info *c;

	*skip = CHUNK_FRAMES - pfn_index(pfn);
	if (table_of(z, chunk) == NULL) {
		*skip = SECTION_FRAMES - pfn % SECTION_FRAMES;
		return false;
	}
	c = info_of(z, chunk);
	if (c->place == CHUNK_BLOCK || c->place == CHUNK_INSIDE)
		return true;
	if (c->free == 0)
		return false;
	*skip = 1;
	return chunk_block_is_free(bits_of(z, chunk), pfn_index(pfn), 0);
}

/* The head of the free block that the chunk is in. */
static uint32_t block_head_locked(const struct zone *z, uint32_t chunk) __requires(z->lock)
{
	unsigned order = CHUNK_ORDER;

	while (info_of(z, chunk)->place == CHUNK_INSIDE)
		chunk &= ~block_chunks(order++);
	return chunk;
}

/* Cut a wholly free chunk out of its block; it stands on no list then, all bits free. */
static void isolate_chunk_locked(struct zone *z, uint32_t chunk) __requires(z->lock)
{
	uint32_t head = block_head_locked(z, chunk);
	unsigned order = info_of(z, head)->order;

	list_remove(z, head);
	while (order > CHUNK_ORDER) {
		uint32_t half = head + block_chunks(--order);

		if (chunk < half) {
			list_add(z, half, CHUNK_BLOCK, order);
		} else {
			list_add(z, head, CHUNK_BLOCK, order);
			head = half;
		}
	}
	info_of(z, chunk)->place = CHUNK_FULL;
	info_of(z, chunk)->free = CHUNK_FRAMES;
	chunk_set_free(bits_of(z, chunk), 0, CHUNK_ORDER);
}

/* Take n free frames, all in one chunk, out of the zone. */
static void take_span_locked(struct zone *z, pfn_t pfn, uint32_t n) __requires(z->lock)
{
	uint32_t chunk = pfn_chunk(pfn);
	struct chunk_info *c = info_of(z, chunk);

	if (c->place == CHUNK_BLOCK || c->place == CHUNK_INSIDE)
		isolate_chunk_locked(z, chunk);
	for (uint32_t i = 0; i < n; i++)
		chunk_set_used(bits_of(z, chunk), pfn_index(pfn) + i, 0);
	c->free -= (uint16_t)n;
	chunk_refile(z, chunk);
}

static void take_range_locked(struct zone *z, pfn_t pfn, uint32_t frames) __requires(z->lock)
{
	while (frames > 0) {
		uint32_t n = (uint32_t)min_u64(frames, CHUNK_FRAMES - pfn_index(pfn));

		take_span_locked(z, pfn, n);
		pfn += n;
		frames -= n;
	}
}

static pfn_t find_run_locked(const struct zone *z, uint32_t frames, uint32_t align, pfn_t min,
			     pfn_t max) __requires(z->lock)
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
	irq = spin_lock_irq(&z->lock);
	first = find_run_locked(z, frames, align, min, max);
	if (first != PFN_NONE) {
		take_range_locked(z, first, frames);
		count_add(z, -(uint64_t)frames);
	}
	spin_unlock_irq(&z->lock, irq);
	return first;
}

/* ---- looking ---- */

void zone_init(struct zone *z, const char *name, struct chunk_table **tables, uint32_t first,
	       uint32_t end)
{
	spin_init(&z->lock, &zone_lock_class);
	z->name = name;
	z->tables = tables;
	z->first_section = first;
	z->end_section = end;
	z->nonempty = 0;
	for (unsigned i = 0; i < ORDERS; i++)
		z->list[i] = CHUNK_NONE;
	atomic_store_explicit(&z->free_frames, 0, memory_order_relaxed); /* not shared yet */
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

void zone_count_blocks(struct zone *z, uint64_t *counts)
{
	uintptr_t irq = spin_lock_irq(&z->lock);

	for (unsigned k = 0; k < ORDERS; k++)
		counts[k] = 0;
	for (unsigned k = 0; k < ORDERS; k++)
		for (uint32_t c = z->list[k]; c != CHUNK_NONE; c = info_of(z, c)->next) {
			if (k < CHUNK_ORDER)
				count_chunk_blocks(bits_of(z, c), counts);
			else
				counts[k]++;
		}
	spin_unlock_irq(&z->lock, irq);
}

/* ---- Z1..Z5 ---- */

static const char *check_list(const struct zone *z, unsigned k, uint64_t *frames)
	__requires(z->lock)
{
	uint32_t prev = CHUNK_NONE;

	if ((z->list[k] != CHUNK_NONE) != ((z->nonempty >> k & 1) != 0))
		return "Z4: nonempty bit and list disagree";
	for (uint32_t c = z->list[k]; c != CHUNK_NONE; prev = c, c = info_of(z, c)->next) {
		const struct chunk_info *i = info_of(z, c);

		if (i->prev != prev || i->order != k)
			return "Z5: a list is tangled";
		if (k >= CHUNK_ORDER) {
			uint32_t buddy = c ^ block_chunks(k);

			if (i->place != CHUNK_BLOCK || c % block_chunks(k) != 0)
				return "Z3: a block is not aligned or not marked";
			if (k < ORDER_MOST && info_of(z, buddy)->place == CHUNK_BLOCK &&
			    info_of(z, buddy)->order == k)
				return "Z3: two free buddies";
			*frames += UINT64_C(1) << k;
			continue;
		}
		if (i->place != CHUNK_PARTIAL || chunk_largest(bits_of(z, c)) != (int)k)
			return "Z2: a chunk is on the wrong list";
		if (i->free != chunk_count_free(bits_of(z, c)))
			return "Z1: a chunk's count is wrong";
		*frames += i->free;
	}
	return NULL;
}

/* Chunks on no list have no free frame. */
static const char *check_section(const struct zone *z, const struct chunk_table *t)
	__requires(z->lock)
{
	(void)z;
	for (unsigned c = 0; c < SECTION_CHUNKS; c++)
		if (t->info[c].place == CHUNK_FULL &&
		    (t->info[c].free != 0 || chunk_count_free(&t->bits[c]) != 0))
			return "Z1: free frames on no list";
	return NULL;
}

const char *zone_check(struct zone *z)
{
	uintptr_t irq = spin_lock_irq(&z->lock);
	const char *wrong = NULL;
	uint64_t frames = 0;

	for (unsigned k = 0; k < ORDERS && wrong == NULL; k++)
		wrong = check_list(z, k, &frames);
	for (uint32_t s = z->first_section; s < z->end_section && wrong == NULL; s++)
		if (z->tables[s] != NULL)
			wrong = check_section(z, z->tables[s]);
	if (wrong == NULL && frames != zone_free_count(z))
		wrong = "Z1: the count of free frames is wrong";
	spin_unlock_irq(&z->lock, irq);
	return wrong;
}
