/* SPDX-License-Identifier: MIT */
/* Initialises a zone, adds frames to it, and acquires all of its locks. */
#include "lib/bits.h"
#include "lib/panic.h"
#include "mm/frame/zone_impl.h"

LOCK_CLASS_BY_ADDRESS(zone_lock_class, "part of a zone", RANK_ZONE);

static void part_init(struct zone_part *p)
{
	spin_init(&p->lock, &zone_lock_class);
	p->nonempty = 0;
	for (unsigned i = 0; i < ORDERS; i++)
		p->list[i] = CHUNK_NONE;
	atomic_store_explicit(&p->free_frames, 0, memory_order_relaxed); /* not shared yet */
}

void zone_init(struct zone *z, const char *name, struct chunk_table **tables, uint32_t first,
	       uint32_t end)
{
	z->name = name;
	z->tables = tables;
	z->first_section = first;
	z->end_section = end;
	/* not shared yet; bit 0, since zeroed chunks name shard 0 before their pageblock joins one
	 */
	atomic_store_explicit(&z->shards_used, 1, memory_order_relaxed);
	part_init(&z->whole);
	for (unsigned i = 0; i < ZONE_SHARDS; i++)
		part_init(&z->shard[i]);
}

void zone_add(struct zone *z, pfn_t first, uint32_t frames)
{
	while (frames > 0) {
		unsigned order = bits_log2(frames);

		if (first != 0)
			order = (unsigned)min_u64(order, bits_lowest(first));
		order = (unsigned)min_u64(order, ORDER_MAX);
		if (zone_free(z, first, order) != OK)
			panic("zone %s was given frame %#x twice", z->name, first);
		first += UINT32_C(1) << order;
		frames -= UINT32_C(1) << order;
	}
}

void zone_lock_all(struct zone *z) __no_tsa
{
	for (unsigned i = 0; i < ZONE_SHARDS; i++)
		spin_lock(&z->shard[i].lock);
	spin_lock(&z->whole.lock);
}

void zone_unlock_all(struct zone *z) __no_tsa
{
	spin_unlock(&z->whole.lock);
	for (unsigned i = ZONE_SHARDS; i-- > 0;)
		spin_unlock(&z->shard[i].lock);
}
