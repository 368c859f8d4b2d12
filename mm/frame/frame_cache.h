/* SPDX-License-Identifier: MIT */
/*
 * frame_cache.h - per-CPU frame caches in front of the zones: the untyped page allocator.
 *
 * Each CPU has
 *   hot     an array of up to 64 single frames, accessed only by its own CPU with interrupts off:
 *           a hit is a load, a decrement and a store, with no atomic operation;
 *   depot   blocks of each order from 1 to 10, at most 1/16 of memory for all CPUs together, under
 *           a per-CPU lock that is uncontended until memory runs out; then any CPU may drain it.
 * Frames move between hot and the zones in batches of 32, so a zone's lock is taken once for 32
 * frames; frames that another CPU allocated also return to their zone in batches.
 *
 * When the free frames of all zones fall below a watermark the caches are bypassed: the CPU that
 * detects it drains all depots and requests each CPU to drain its own hot array.  A caller with
 * interrupts on waits for that and gets the very last frame, whichever CPU's cache held it.
 *
 * LIMIT: a caller with interrupts off cannot wait for another CPU; it may fail while at most 64
 * frames per other CPU are in hot arrays.
 *
 * Frames here are plain numbers without owner or count; the typed allocator of mm/frame/frame.h is
 * built on this.  A kernel that links keel in may use either.
 *
 * Any context, interrupts on or off, unless stated otherwise.  Nothing here sleeps.
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
	/* (o) owner CPU, interrupts off */
	_Atomic uint32_t hot_count; /* other CPUs may read it, racily */
	pfn_t hot[HOT_MAX];

	struct spinlock lock __aligned(64);
	struct depot depot[DEPOT_ORDER_MAX + 1] __aligned(64); /* (l) by order */

	/* (a) number of drains of hot; a waiter polls it for a change */
	_Atomic uint32_t drains __aligned(64);
} __aligned(64);

struct frame_caches {
	struct frame_cache *cpu;                /* (c) one per CPU */
	unsigned cpus;                          /* (c) */
	uint64_t watermark;                     /* (c) frames */
	uint8_t depot_max[DEPOT_ORDER_MAX + 1]; /* (c) blocks of each order; 0: not cached */
	_Atomic bool pressure;                  /* free memory is below the watermark */
};
extern struct frame_caches frame_caches;

extern struct frame_cache *frame_cache_own; /* PER_CPU: its cache; NULL before it has joined */

/* Allocates one cache per CPU from the boot allocator, after section_init().  Joins the CPUs whose
 * per-CPU area is prepared.  ERR_NO_MEMORY. */
err_t frame_cache_init(unsigned cpus);

/* On each CPU that was prepared later, before it allocates or frees a frame. */
void frame_cache_join(void);

/* Sets watermark and depot sizes from the memory of the zones, after section_open().  Frames are
 * available from here on. */
void frame_cache_open(void);

/* Slow paths of frame_take() and frame_give(); interrupts are off on entry, `irq` is the state to
 * restore. */
__must_check pfn_t frame_take_slow(uintptr_t irq) __cold;
void frame_give_slow(pfn_t pfn, uintptr_t irq) __noinline;

/* Relaxed: only the owner CPU writes it, and frames move between CPUs under locks. */
static inline uint32_t hot_count(const struct frame_cache *c)
{
	return atomic_load_explicit(&c->hot_count, memory_order_relaxed);
}

static inline void hot_set_count(struct frame_cache *c, uint32_t n)
{
	atomic_store_explicit(&c->hot_count, n, memory_order_relaxed);
}

/* Allocates one frame, or PFN_NONE. */
__must_check static inline pfn_t frame_take(void)
{
	uintptr_t irq = arch_irq_save();
	struct frame_cache *c = this_cpu(frame_cache_own);
	uint32_t n;
	pfn_t pfn;

	/* NULL: used before frame_cache_init(), see my_cache() */
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

	/* relaxed: a stale value only puts one frame into the cache instead of a zone or back */
	if (unlikely(n == HOT_MAX ||
		     atomic_load_explicit(&frame_caches.pressure, memory_order_relaxed))) {
		frame_give_slow(pfn, irq);
		return;
	}
	c->hot[n] = pfn;
	hot_set_count(c, n + 1);
	arch_irq_restore(irq);
}

/* Allocates 2^order frames aligned to their size, or PFN_NONE.  order <= ORDER_MAX. */
__must_check pfn_t frame_take_block(unsigned order);
/* The same, only if a block is at hand or memory is dormant; one that fails drains no cache and
 * interrupts no CPU.  For callers that can do with smaller blocks.  1 <= order <= ORDER_MAX. */
__must_check pfn_t frame_try_take_block(unsigned order);
void frame_give_block(pfn_t pfn, unsigned order);

/* Allocates n single frames, not contiguous: all of them or none (false). */
__must_check bool frame_take_bulk(unsigned n, pfn_t *out);
void frame_give_bulk(const pfn_t *pfns, unsigned n);

/* Allocates `frames` contiguous frames in [min, max), aligned to `align` frames (a power of two),
 * or PFN_NONE.  frames <= SECTION_FRAMES.  Not for hot paths: see zone_alloc_range(). */
__must_check pfn_t frame_take_range(uint32_t frames, uint32_t align, pfn_t min, pfn_t max);
void frame_give_range(pfn_t first, uint32_t frames);

/* Drains the caches of all CPUs to the zones; sends a request to each other CPU and, with
 * interrupts on, waits for it. */
void frame_cache_drain(void);

/* Frames in hot arrays and depots; exact while no CPU allocates or frees. */
uint64_t frame_cache_count(void);

/* Available frames: free in zones, cached, or in dormant sections. */
uint64_t frame_available(void);
