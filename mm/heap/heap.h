/* SPDX-License-Identifier: MIT */
/*
 * heap.h - kernel heap: objects of any size and alignment.
 *
 *   heap_alloc ... heap_free
 *        |  per CPU and class: a magazine, a stack of free objects accessed only by its CPU with
 *        |  interrupts off; a hit is a few loads and stores, no atomic operation (Bonwick and
 *        |  Adams: Magazines and Vmem, 2001)
 *   per class: a depot of batches, slabs of one frame each (mm/heap/slab.h), one lock
 *        |
 *   frames (mm/frame/frame.h); an object larger than a frame is a block of frames of its own
 *
 * Lookup of a freed pointer: the address gives the frame's MetaSlot; its kind tells that it is a
 * slab and its `aux` is the offset of the class's magazine in each CPU's memory; the magazine's
 * tag_at[] gives the tag of the object that starts at this grain of the frame, if any does; the tag
 * tells whether the object is allocated (mm/heap/slab.h).  All builds check all of this: a pointer
 * that was never allocated, points into an object, belongs to another owner or was freed already,
 * however long ago, causes a panic that names the pointer and the slab.  LIMIT: after the slab's
 * frame has been reallocated, detection is up to its new owner; after the object has been
 * reallocated, a second free frees the object of its new owner.
 *
 * Invariants, beside those of mm/heap/slab.h; heap_check() checks all:
 *   H6  an object in a magazine is CACHED, of the magazine's class and in it only once
 *   H7  the frame allocator is never called with a class's lock held, and never calls the heap:
 *       its state needs none (finding HEP-03)
 *   H8  no reclaim starts with interrupts off on a CPU where one is in progress: threads of a CPU
 *       may reclaim concurrently, but an interrupt handler does not nest one in another
 *   H9  in-flight frames (allocated for a slab, not yet published) and in-flight empty slabs
 *       (collected, not yet freed) are counted in the `flow` of a CPU: incremented before the
 *       search for them, decremented when they, or their objects, are where a reclaim searches
 *
 * Out of memory.  An allocation that gets no frame takes an object of any slab, or else reclaims:
 * it claims an object, empties its CPU's magazines and, with interrupts on, sends IPIs to make the
 * other CPUs empty theirs and waits; it takes an object of its class or makes a slab of a frame
 * that became empty, before another allocation can take it (finding HEP-01).  If nothing was found
 * it waits, with interrupts on, for what is in flight (H9), and retries if anything arrived since
 * it began, because the search may have missed it; for a second at most.  Only then it returns
 * NULL.  A waiting allocation counts nothing in flight, so no two wait for each other.  LIMIT: with
 * interrupts off it cannot wait for other CPUs, as in mm/frame/frame_cache.h, and in a handler that
 * interrupted a reclaim it starts none.
 *
 * Return of memory (finding HEP-02).  Empty slabs beyond SLAB_KEEP per class are freed while
 * objects are freed; heap_age() empties idle magazines and frees their empty slabs; heap_drain()
 * frees all that is free.
 *
 * Debug options (mm/heap/debug.h) close the magazines, so that the hit path needs no debug code.
 *
 * Any context, interrupts on or off, except where stated.  Nothing here sleeps.
 */
#pragma once

#include "lib/panic.h"
#include "mm/heap/classes.h"
#include "mm/heap/slab.h"

enum {
	HEAP_MAGAZINE = 64, /* objects */
	HEAP_BATCH = HEAP_MAGAZINE / 2,
	HEAP_MAGAZINE_BYTES = 32768, /* capacity limit, but never below HEAP_MAGAZINE_MIN objects */
	HEAP_MAGAZINE_MIN = 8,
};

/* `top` is written only by the owning CPU, interrupts off, or by code that empties the magazine on
 * its behalf; other CPUs may read it. */
struct heap_magazine {
	_Atomic(struct heap_entry *) top;
	struct heap_entry *base, *end; /* (c) */
	/* (c) tag_at[g]: offset in bytes of the tag of the object that starts at grain g of its
	 * frame, from the slot or from the frame, as the masks select.  For a grain where no object
	 * starts: offset of a byte that never is TAG_ALLOCATED. */
	uintptr_t slot_mask, frame_mask;
	uint32_t number, batch; /* (c) */
	uint8_t tag_at[HEAP_FRAME_GRAINS];
	struct heap_entry entry[HEAP_MAGAZINE];
} __aligned(64);

struct heap_cpu {
	struct heap_magazine magazine[HEAP_CLASSES];
	const struct heap_entry *seen[HEAP_CLASSES]; /* (o) tops at the last heap_age() */
	_Atomic uint32_t reclaims;                   /* (a) H8: started on this CPU, in progress */
	_Atomic uint32_t drains;                     /* (a) times its magazines were emptied */
	_Atomic uint64_t flow __aligned(64);         /* (a) H9: heap_set_out() */
};
_Static_assert(HEAP_CLASSES * sizeof(struct heap_magazine) <= UINT16_MAX, "slot_state.aux");

/* The range of populated MetaSlots that heap_free() indexes directly; other addresses take the slow
 * path. */
struct heap_span {
	_Atomic uint64_t grains; /* grows */
	uintptr_t base;          /* (c) address of its first frame */
	uintptr_t slots;         /* (c) address of its slot */
};

struct heap {
	struct heap_cpu *cpu[ARCH_MAX_CPUS]; /* (c) */
	struct heap_span span;
	uint16_t magazine_of[HEAP_SMALL_MAX / HEAP_GRAIN + 1]; /* (c) by size in grains, offset */
	unsigned cpus;                                         /* (c) */
	_Atomic uint64_t large_frames;
};
extern struct heap heap;

/* Order of the block of frames that holds a struct heap_cpu. */
static inline unsigned heap_cpu_order(void)
{
	return bits_order((sizeof(struct heap_cpu) + PAGE_SIZE - 1) / PAGE_SIZE);
}

/* Allocates magazines for `cpus` CPUs from frames; the first CPU's are static.  ERR_NO_MEMORY. */
err_t heap_init(unsigned cpus);

/* ---- the hit path ---- */

static inline uint16_t heap_magazine_offset(unsigned number)
{
	return (uint16_t)(number * sizeof(struct heap_magazine));
}

/* This CPU's magazine; interrupts are off. */
static inline struct heap_magazine *heap_magazine_at(uintptr_t offset)
{
	return (struct heap_magazine *)(void *)((char *)heap.cpu[arch_cpu_id()] + offset);
}

/* Relaxed: only the owning CPU writes it. */
static inline struct heap_entry *heap_top(const struct heap_magazine *m)
{
	return atomic_load_explicit(&m->top, memory_order_relaxed);
}

static inline void heap_set_top(struct heap_magazine *m, struct heap_entry *top)
{
	atomic_store_explicit(&m->top, top, memory_order_relaxed);
}

/* The slow path.  Interrupts are off on entry and `irq` is restored.  `where` is the caller to
 * record; NULL: the return address. */
void *heap_alloc_slow(size_t size, size_t align, const void *where, uintptr_t irq) __noinline;

/* Pops the magazine at `offset`; calls heap_alloc_slow() when it is empty. */
static __forceinline void *heap_hit(uintptr_t offset, size_t size, size_t align, const void *where)
{
	uintptr_t irq = arch_irq_save();
	struct heap_magazine *m = heap_magazine_at(offset);
	struct heap_entry *top = heap_top(m);
	void *object;

	if (unlikely(top == m->base))
		return heap_alloc_slow(size, align, where, irq);
	top--;
	object = top->object;
	slab_set_tag(top->tag, TAG_ALLOCATED);
	heap_set_top(m, top);
	arch_irq_restore(irq);
	return object;
}

/* heap_alloc() for a size that is not a constant. */
__must_check __owns void *heap_alloc_any(size_t size);

/* Allocates `size` uninitialized bytes, aligned to HEAP_GRAIN, and to `size` when that is a power
 * of two.  NULL: no memory, size 0, or too large a size. */
__must_check __owns static __forceinline void *heap_alloc(size_t size)
{
	if (__builtin_constant_p(size) && size <= HEAP_SMALL_MAX)
		return heap_hit(heap_magazine_offset(heap_class_of(size)), size, HEAP_GRAIN, NULL);
	return heap_alloc_any(size);
}

/* The same, zeroed. */
__must_check __owns void *heap_zalloc(size_t size);

/* The same at a multiple of `align`.  NULL also when `align` is no power of two. */
__must_check __owns void *heap_alloc_aligned(size_t size, size_t align);

/* Frees an object; NULL is ignored.  Panics on misuse, see above. */
void heap_free(void *object) __takes(1);

/* Usable bytes of an allocated object, at least the requested size.  Panics like heap_free(). */
size_t heap_size_of(const void *object);

/* ---- in-flight frames and slabs (H9): for the heap's own files ---- */

/* heap_cpu.flow: the low 32 bits count what is in flight, the high 32 bits all arrivals. */
#define HEAP_FLOW_ARRIVED (UINT64_C(1) << 32)

/* Call before a search for a frame for a slab, or for empty slabs.  Ended by heap_arrive(),
 * heap_turn_back() or heap_put_chain(). */
static inline struct heap_cpu *heap_set_out(void)
{
	/* the counter of any CPU works: the thread may migrate right after the load */
	struct heap_cpu *way = heap.cpu[arch_cpu_id()];

	/* relaxed: a reclaim that misses what this thread takes held its lock, or got the answer of
	 * this CPU, after this increment */
	atomic_fetch_add_explicit(&way->flow, 1, memory_order_relaxed);
	return way;
}

/* Ends it: what was found is where a reclaim searches, or belongs to the claimant that found it. */
static inline void heap_arrive(struct heap_cpu *way)
{
	/* release pairs with wait_for_flow() */
	atomic_fetch_add_explicit(&way->flow, HEAP_FLOW_ARRIVED - 1, memory_order_release);
}

/* Ends it: nothing was found. */
static inline void heap_turn_back(struct heap_cpu *way)
{
	/* release pairs with wait_for_flow() */
	atomic_fetch_sub_explicit(&way->flow, 1, memory_order_release);
}

/* Frees the chain's slabs and ends the heap_set_out() that preceded their collection. */
void heap_put_chain(struct heap_cpu *way, struct slab_chain *chain);

/* ---- return of memory ---- */

/* Empties this CPU's magazines and the depots into the slabs, and frees all empty slabs.  With
 * interrupts on, empties other CPUs' magazines too. */
void heap_drain(void);

/* Empties this CPU's magazines that were not used since the last call.  For a per-CPU timer that
 * fires a few times a second. */
void heap_age(void);

/* ---- statistics and checks ---- */

struct heap_stats {
	uint64_t slab_frames, large_frames, cpu_frames; /* held from the frame allocator */
	uint64_t allocated, cached, in_slabs;           /* small objects; exact when quiescent */
	uint64_t allocated_bytes;                       /* of small ones, by class */
};
struct heap_stats heap_stats(void);

struct heap_class_stats {
	uint64_t slabs, empty, queued;
	uint64_t in_slabs, in_depot, in_magazines, allocated; /* objects */
};
struct heap_class_stats heap_class_stats(unsigned number);

/* Calls fn for each allocated object, of `room` bytes; may miss objects that are allocated or freed
 * meanwhile. */
void heap_each_object(void (*fn)(void *ctx, const void *object, size_t room), void *ctx);

/* A closed magazine is empty and has no room, so that no alloc or free is a hit. */
enum heap_magazines {
	HEAP_MAGAZINES_OPEN,
	HEAP_MAGAZINES_CLOSED,
};
void heap_open_magazines(struct heap_cpu *cpu, enum heap_magazines how);

/* Checks H1..H6; no other CPU may use the heap meanwhile.  NULL, or the violation in words. */
__must_check const char *heap_check(void);

/* For tests: fails every nth frame allocation for a slab or a large object.  0: none. */
void heap_inject_failure(unsigned nth);
