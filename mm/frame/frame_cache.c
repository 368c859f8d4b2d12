/* SPDX-License-Identifier: MIT */
#include "mm/frame/frame_cache.h"

#include "kern/call.h"
#include "kern/cpu.h"
#include "lib/bits.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "mm/frame/boot_alloc.h"

enum {
	GROW_AHEAD = 4096,    /* frames: below that a zone populates a section in advance */
	DEPOT_SHARE = 16,     /* depots of all CPUs hold at most 1/16 of memory */
	DEPOT_FRAMES = 2048,  /* blocks of one order in one depot: at most 8 MiB */
	WATERMARK_SHARE = 16, /* the watermark is at most 1/16 of memory */
	WATERMARK_MIN = 128,
};

LOCK_CLASS(depot_lock_class, "depot of blocks", RANK_DEPOT);

struct frame_caches frame_caches;
PER_CPU(struct frame_cache *, frame_cache_own);

static uint64_t zones_free(void)
{
	return zone_free_count(&zones[ZONE_LOW]) + zone_free_count(&zones[ZONE_HIGH]);
}

static uint64_t dormant(void)
{
	return section_dormant_frames(ZONE_LOW) + section_dormant_frames(ZONE_HIGH);
}

err_t frame_cache_init(unsigned cpus)
{
	memset(&frame_caches, 0, sizeof(frame_caches));
	frame_caches.cpu = boot_alloc(cpus * sizeof(struct frame_cache), 64);
	frame_caches.cpus = cpus;
	for (unsigned i = 0; i < cpus && frame_caches.cpu != NULL; i++) {
		spin_init(&frame_caches.cpu[i].lock, &depot_lock_class);
		if (percpu_is_prepared(i))
			*per_cpu_ptr(frame_cache_own, i) = &frame_caches.cpu[i];
	}
	return frame_caches.cpu == NULL ? ERR_NO_MEMORY : OK;
}

void frame_cache_join(void)
{
	ASSERT(arch_cpu_id() < frame_caches.cpus);
	this_cpu(frame_cache_own) = &frame_caches.cpu[arch_cpu_id()];
}

/* Sets depot_max: divides `frames` equally among the orders of a depot, at most DEPOT_MAX blocks
 * each.  Returns the frames that a depot can hold. */
static uint64_t size_depot(uint64_t frames)
{
	uint64_t each = min_u64(frames / DEPOT_ORDER_MAX, DEPOT_FRAMES), sum = 0;

	for (unsigned k = 1; k <= DEPOT_ORDER_MAX; k++) {
		frame_caches.depot_max[k] = (uint8_t)min_u64(each >> k, DEPOT_MAX);
		sum += (uint64_t)frame_caches.depot_max[k] << k;
	}
	return sum;
}

void frame_cache_open(void)
{
	uint64_t memory = zones_free() + dormant();
	uint64_t depot = size_depot(memory / DEPOT_SHARE / frame_caches.cpus);

	frame_caches.watermark = min_u64((depot + HOT_MAX) * frame_caches.cpus,
					 memory / WATERMARK_SHARE);
	frame_caches.watermark = max_u64(frame_caches.watermark, WATERMARK_MIN);
}

static struct frame_cache *my_cache(void)
{
	if (unlikely(this_cpu(frame_cache_own) == NULL))
		panic("frame allocator used before frame_cache_init()");
	return this_cpu(frame_cache_own);
}

/* ---- freeing to the zones ---- */

static void zone_must_take(pfn_t pfn, unsigned order)
{
	if (zone_free(&zones[zone_of(pfn)], pfn, order) != OK)
		panic("double free: frame %#x, order %u, is free or was never allocated", pfn,
		      order);
}

/* Frees runs of frames of the same zone by one call each. */
static void zones_must_take(const pfn_t *pfns, unsigned n)
{
	while (n > 0) {
		enum zone_id zone = zone_of(pfns[0]);
		unsigned run = 1, done;

		while (run < n && zone_of(pfns[run]) == zone)
			run++;
		if (zone_free_frames(&zones[zone], pfns, run, &done) != OK)
			panic("double free: frame %#x is free or was never allocated", pfns[done]);
		pfns += run;
		n -= run;
	}
}

/* ---- low memory ---- */

/* Runs on the CPU whose hot array is drained. */
static void drain_hot(void *unused)
{
	struct frame_cache *c = my_cache();
	unsigned n = hot_count(c);

	(void)unused;
	hot_set_count(c, 0);
	zones_must_take(c->hot, n);
	/* relaxed: a statistic */
	atomic_fetch_add_explicit(&c->drains, 1, memory_order_relaxed);
}

static PER_CPU(struct call, drain_call) = CALL_INIT(drain_hot, NULL);

static void drain_depot(struct frame_cache *c)
{
	for (unsigned k = 1; k <= DEPOT_ORDER_MAX; k++) {
		struct depot *d = &c->depot[k];
		pfn_t blocks[DEPOT_MAX];
		uintptr_t irq = spin_lock_irq(&c->lock);
		unsigned n = d->count;

		memcpy(blocks, d->block, n * sizeof(blocks[0]));
		d->count = 0;
		spin_unlock_irq(&c->lock, irq);
		for (unsigned i = 0; i < n; i++)
			zone_must_take(blocks[i], k);
	}
}

static void drain_own(void)
{
	uintptr_t irq = arch_irq_save();

	drain_hot(NULL);
	arch_irq_restore(irq);
}

/* Request the others to drain soon, without waiting.  A CPU that a panic stopped keeps its frames.
 */
static void request_drains(void)
{
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
		if (cpu != arch_cpu_id())
			(void)call_on_cpu(cpu, per_cpu_ptr(drain_call, cpu));
}

/* A thread that waits may have migrated since drain_own(): this CPU drains once more. */
static void drain_others(bool can_wait)
{
	if (can_wait)
		(void)call_on_cpus_wait(drain_hot, NULL);
	else
		request_drains();
}

static void drain_depots(void)
{
	for (unsigned cpu = 0; cpu < frame_caches.cpus; cpu++)
		drain_depot(&frame_caches.cpu[cpu]);
}

void frame_cache_drain(void)
{
	uintptr_t irq = arch_irq_save();
	bool can_wait = arch_irq_was_on(irq);

	drain_own();
	drain_depots();
	arch_irq_restore(irq);
	drain_others(can_wait);
}

/* Cheap check for the common case: blocks of order 14 and up alone exceed twice the watermark. */
static bool plenty(void)
{
	return zone_whole_count(&zones[ZONE_HIGH]) + zone_whole_count(&zones[ZONE_LOW]) >
	       2 * frame_caches.watermark;
}

static bool under_pressure(void)
{
	return atomic_load_explicit(&frame_caches.pressure, memory_order_relaxed);
}

/* Called on the slow paths: sets `pressure` below the watermark and clears it above twice that. */
static void check_watermark(void)
{
	bool low = under_pressure();
	uint64_t have;

	if (!low && plenty())
		return;
	have = zones_free();
	if (!low && have < frame_caches.watermark && dormant() == 0) {
		/* relaxed: the flag is a hint; frames move under locks */
		if (!atomic_exchange_explicit(&frame_caches.pressure, true, memory_order_relaxed)) {
			drain_depots();
			request_drains();
		}
	} else if (low && have > 2 * frame_caches.watermark) {
		atomic_store_explicit(&frame_caches.pressure, false, memory_order_relaxed);
	}
}

/* ---- allocation from the zones: high first, to save low memory for 32-bit DMA ---- */

static unsigned zones_take(unsigned n, pfn_t *out)
{
	unsigned got = zone_alloc_frames(&zones[ZONE_HIGH], n, out);

	return got == n ? n : got + zone_alloc_frames(&zones[ZONE_LOW], n - got, out + got);
}

static pfn_t zones_take_block(unsigned order)
{
	pfn_t pfn = zone_alloc(&zones[ZONE_HIGH], order);

	return pfn != PFN_NONE ? pfn : zone_alloc(&zones[ZONE_LOW], order);
}

static bool grow_either(void)
{
	return section_grow(ZONE_HIGH) == OK || section_grow(ZONE_LOW) == OK;
}

/* Populates a section in advance, with interrupts on. */
static void grow_ahead(void)
{
	if (zone_whole_count(&zones[ZONE_HIGH]) < GROW_AHEAD)
		(void)section_grow(ZONE_HIGH); /* optional: failure is harmless here */
}

/* Tries the next way to refill empty zones: growth, then draining own and other caches; false when
 * none is left. */
static bool find_more(unsigned *step, bool can_wait)
{
	if (grow_either())
		return true;
	switch ((*step)++) {
	case 0:
		drain_own();
		drain_depots();
		return true;
	case 1: drain_others(can_wait); return true;
	default: return false;
	}
}

pfn_t frame_take_slow(uintptr_t irq)
{
	bool can_wait = arch_irq_was_on(irq);
	struct frame_cache *c = my_cache();
	pfn_t pfn = PFN_NONE;
	unsigned step = 0, n;

	check_watermark();
	n = under_pressure() ? 0 : zones_take(HOT_BATCH, c->hot);
	if (n != 0) {
		pfn = c->hot[--n];
		hot_set_count(c, n);
	}
	arch_irq_restore(irq);
	if (pfn != PFN_NONE && can_wait)
		grow_ahead();
	while (pfn == PFN_NONE && zones_take(1, &pfn) == 0 && find_more(&step, can_wait))
		;
	return pfn;
}

void frame_give_slow(pfn_t pfn, uintptr_t irq)
{
	struct frame_cache *c = my_cache();

	check_watermark();
	if (under_pressure()) {
		zones_must_take(&pfn, 1);
	} else {
		unsigned n = hot_count(c);

		if (n == HOT_MAX) {
			zones_must_take(c->hot, HOT_BATCH);
			memmove(c->hot, c->hot + HOT_BATCH, HOT_BATCH * sizeof(pfn_t));
			n -= HOT_BATCH;
		}
		c->hot[n] = pfn;
		hot_set_count(c, n + 1);
	}
	arch_irq_restore(irq);
}

/* ---- blocks ---- */

static pfn_t depot_take(unsigned order)
{
	uintptr_t irq = arch_irq_save();
	struct frame_cache *c = my_cache();
	struct depot *d = &c->depot[order];
	pfn_t pfn = PFN_NONE;
	unsigned n;

	spin_lock(&c->lock);
	n = d->count;
	if (likely(n != 0)) {
		pfn = d->block[n - 1];
		d->count = n - 1;
	}
	spin_unlock(&c->lock);
	arch_irq_restore(irq);
	return pfn;
}

static bool depot_give(pfn_t pfn, unsigned order)
{
	uintptr_t irq = arch_irq_save();
	struct frame_cache *c = my_cache();
	struct depot *d = &c->depot[order];
	bool fits;
	unsigned n;

	spin_lock(&c->lock);
	n = d->count;
	fits = n < frame_caches.depot_max[order] && !under_pressure();
	if (likely(fits)) {
		d->block[n] = pfn;
		d->count = n + 1;
	}
	spin_unlock(&c->lock);
	arch_irq_restore(irq);
	return fits;
}

/* Slow path of frame_take_block(): the depot has no block of the order. */
static __noinline pfn_t block_from_zones(unsigned order)
{
	unsigned step = 0;
	bool can_wait;
	uintptr_t irq;
	pfn_t pfn;

	irq = arch_irq_save();
	(void)my_cache();
	can_wait = arch_irq_was_on(irq);
	arch_irq_restore(irq);
	check_watermark();
	do {
		pfn = zones_take_block(order);
	} while (pfn == PFN_NONE && find_more(&step, can_wait));
	return pfn;
}

/* From this CPU's depot, or PFN_NONE. */
static inline pfn_t block_at_hand(unsigned order)
{
	ASSERT(order <= ORDER_MAX);
	return likely(order <= DEPOT_ORDER_MAX) ? depot_take(order) : PFN_NONE;
}

pfn_t frame_take_block(unsigned order)
{
	pfn_t pfn;

	if (order == 0)
		return frame_take();
	pfn = block_at_hand(order);
	return likely(pfn != PFN_NONE) ? pfn : block_from_zones(order);
}

pfn_t frame_try_take_block(unsigned order)
{
	pfn_t pfn = block_at_hand(order);

	if (pfn == PFN_NONE)
		pfn = zones_take_block(order);
	while (pfn == PFN_NONE && grow_either())
		pfn = zones_take_block(order);
	if (pfn != PFN_NONE)
		check_watermark();
	return pfn;
}

static __noinline void block_to_zones(pfn_t pfn, unsigned order)
{
	zone_must_take(pfn, order);
	check_watermark();
}

void frame_give_block(pfn_t pfn, unsigned order)
{
	if (order == 0) {
		frame_give(pfn);
		return;
	}
	if (order > DEPOT_ORDER_MAX || !depot_give(pfn, order))
		block_to_zones(pfn, order);
}

/* ---- bulk and ranges ---- */

bool frame_take_bulk(unsigned n, pfn_t *out)
{
	uintptr_t irq = arch_irq_save();
	bool can_wait = arch_irq_was_on(irq);
	unsigned got = 0, step = 0;

	(void)my_cache();
	arch_irq_restore(irq);
	check_watermark();
	do {
		got += zones_take(n - got, out + got);
	} while (got < n && find_more(&step, can_wait));
	if (got == n)
		return true;
	zones_must_take(out, got);
	return false;
}

void frame_give_bulk(const pfn_t *pfns, unsigned n)
{
	zones_must_take(pfns, n);
	check_watermark();
}

pfn_t frame_take_range(uint32_t frames, uint32_t align, pfn_t min, pfn_t max)
{
	uintptr_t irq = arch_irq_save();
	bool can_wait = arch_irq_was_on(irq);
	unsigned step = 0;
	pfn_t pfn;

	(void)my_cache();
	arch_irq_restore(irq);
	do {
		pfn = PFN_NONE;
		if (max > ZONE_LOW_FRAMES)
			pfn = zone_alloc_range(&zones[ZONE_HIGH], frames, align,
					       (pfn_t)max_u64(min, ZONE_LOW_FRAMES), max);
		if (pfn == PFN_NONE && min < ZONE_LOW_FRAMES)
			pfn = zone_alloc_range(&zones[ZONE_LOW], frames, align, min,
					       (pfn_t)min_u64(max, ZONE_LOW_FRAMES));
	} while (pfn == PFN_NONE && find_more(&step, can_wait));
	return pfn;
}

void frame_give_range(pfn_t first, uint32_t frames)
{
	while (frames > 0) {
		unsigned order = (unsigned)min_u64(bits_log2(frames), bits_lowest(first));

		order = (unsigned)min_u64(order, ORDER_MAX);
		zone_must_take(first, order);
		first += UINT32_C(1) << order;
		frames -= UINT32_C(1) << order;
	}
	check_watermark();
}

uint64_t frame_cache_count(void)
{
	uint64_t frames = 0;

	for (unsigned cpu = 0; cpu < frame_caches.cpus; cpu++) {
		struct frame_cache *c = &frame_caches.cpu[cpu];
		uintptr_t irq = spin_lock_irq(&c->lock);

		frames += hot_count(c);
		for (unsigned k = 1; k <= DEPOT_ORDER_MAX; k++)
			frames += (uint64_t)c->depot[k].count << k;
		spin_unlock_irq(&c->lock, irq);
	}
	return frames;
}

uint64_t frame_available(void)
{
	return zones_free() + frame_cache_count() + dormant();
}
