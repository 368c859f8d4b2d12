/* SPDX-License-Identifier: MIT */
/*
 * frame_cache.h - the front of the frame allocator: per-CPU caches over the zones.
 *
 * Each CPU has
 *   hot     an array of up to 64 single frames, touched by its owner alone with interrupts off:
 *           a hit is a load, a decrement and a store, with no atomic operation;
 *   depot   blocks of each order from 1 to 10, of all CPUs up to 1/16 of memory, under a lock
 *           of its own, which nobody else wants unless memory runs out; then anybody may empty
 *           it.
 * Frames move between hot and the zones in batches of 32, so a zone's lock is taken once for 32
 * frames, and frames that another CPU allocated go home in batches too.
 *
 * When the free frames of all zones fall below a watermark the caches are bypassed: depots are
 * emptied by whoever noticed, and each CPU is asked to empty its own hot array.  A caller with
 * interrupts on waits for that and gets the very last frame, whichever CPU's cache held it.
 *
 * LIMIT: a caller with interrupts off cannot wait for another CPU; it may fail while at most 64
 * frames per other CPU lie in hot arrays.
 *
 * Here a frame is a number and has no owner and no count: the typed allocator of mm/frame/frame.h
 * stands above this.  A linked-in kernel of your own may use either.
 *
 * Any context, interrupts on or off, except where said.  Nothing here sleeps.
 */
#pragma once

#include "kern/percpu.h"
#include "mm/frame/section.h"

enum {
	HOT_MAX = 64,
	HOT_BATCH = 32,
	DEPOT_ORDER_MAX = 10,
	DEPOT_MAX = 31, /* blocks of one order: two cache lines with their count */
};

struct depot {
	uint32_t count; /* (l) */
	pfn_t block[DEPOT_MAX];
};

struct frame_cache {
	/* (o) the owner, interrupts off */
	_Atomic uint32_t hot_count; /* others may glance at it */
	pfn_t hot[HOT_MAX];

	struct spinlock lock __aligned(64);
	struct depot depot[DEPOT_ORDER_MAX + 1] __aligned(64); /* (l) by order */

	/* (a) times that hot was emptied on request; a waiter looks for a change */
	_Atomic uint32_t drains __aligned(64);
} __aligned(64);

struct frame_caches {
	struct frame_cache *cpu;                /* (c) one per CPU */
	unsigned cpus;                          /* (c) */
	uint64_t watermark;                     /* (c) frames */
	uint8_t depot_max[DEPOT_ORDER_MAX + 1]; /* (c) blocks of each order; 0: none are kept */
	_Atomic bool pressure;                  /* free memory is below the watermark */
};
extern struct frame_caches frame_caches;

extern struct frame_cache *frame_cache_own; /* PER_CPU: its cache; NULL before it joined */

/* One cache per CPU, from the boot allocator.  section_init() came before.  CPUs whose per-CPU
 * area is prepared have joined. */
err_t frame_cache_init(unsigned cpus);

/* On each CPU that was prepared later, before it touches a frame. */
void frame_cache_join(void);

/* The zones are open: set the watermark by what they have.  From here on frames can be had. */
void frame_cache_open(void);

/* The half of frame_take() and frame_give() that is not inline; interrupts are off on entry, `irq`
 * is what to restore. */
__must_check pfn_t frame_take_slow(uintptr_t irq) __cold;
void frame_give_slow(pfn_t pfn, uintptr_t irq) __noinline;

/* Relaxed: the owner alone writes it, and frames change hands through locks. */
static inline uint32_t hot_count(const struct frame_cache *c)
{
	return atomic_load_explicit(&c->hot_count, memory_order_relaxed);
}

static inline void hot_set_count(struct frame_cache *c, uint32_t n)
{
	atomic_store_explicit(&c->hot_count, n, memory_order_relaxed);
}

/* One frame, or PFN_NONE. */
__must_check static inline pfn_t frame_take(void)
{
	uintptr_t irq = arch_irq_save();
	struct frame_cache *c = this_cpu(frame_cache_own);
	uint32_t n;
	pfn_t pfn;

	/* the allocator before its time: no cache yet, see my_cache() */
	if (unlikely(c == NULL) || unlikely((n = hot_count(c)) == 0))
		return frame_take_slow(irq);
	pfn = c->hot[n - 1];
	hot_set_count(c, n - 1);
	arch_irq_restore(irq);
	return pfn;
}

static inline void frame_give(pfn_t pfn)
{
	uintptr_t irq = arch_irq_save();
	struct frame_cache *c = this_cpu(frame_cache_own);
	uint32_t n = hot_count(c);

	/* relaxed: a stale answer only sends one frame to the other place */
	if (unlikely(n == HOT_MAX ||
		     atomic_load_explicit(&frame_caches.pressure, memory_order_relaxed))) {
		frame_give_slow(pfn, irq);
		return;
	}
	c->hot[n] = pfn;
	hot_set_count(c, n + 1);
	arch_irq_restore(irq);
}

/* 2^order frames aligned to their size, or PFN_NONE.  order <= ORDER_MAX. */
__must_check pfn_t frame_take_block(unsigned order);
void frame_give_block(pfn_t pfn, unsigned order);

/* n single frames, not contiguous: all of them or none (false). */
__must_check bool frame_take_bulk(unsigned n, pfn_t *out);
void frame_give_bulk(const pfn_t *pfns, unsigned n);

/* `frames` contiguous ones in [min, max) at a multiple of `align` frames (a power of two), or
 * PFN_NONE.  frames <= SECTION_FRAMES.  Not for hot paths: see zone_alloc_range(). */
__must_check pfn_t frame_take_range(uint32_t frames, uint32_t align, pfn_t min, pfn_t max);
void frame_give_range(pfn_t first, uint32_t frames);

/* Everything that caches hold goes back to the zones; other CPUs are asked and, with interrupts on,
 * waited for. */
void frame_cache_drain(void);

/* Frames in hot arrays and depots; exact when nobody allocates. */
uint64_t frame_cache_count(void);

/* Frames that could be handed out: free in zones, cached, or dormant. */
uint64_t frame_available(void);
