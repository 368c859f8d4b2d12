/* SPDX-License-Identifier: MIT */
/*
 * heap.h - objects of any size and alignment for the kernel itself.
 *
 *   heap_alloc ... heap_free
 *        |  per CPU and class: a magazine, a stack of objects touched by its CPU alone with
 *        |  interrupts off; a hit is a few loads and stores, no atomic operation (Bonwick and
 *        |  Adams: Magazines and Vmem, 2001)
 *   per class: a depot of batches, slabs of one frame each (mm/heap/slab.h), one lock
 *        |
 *   frames (mm/frame/frame.h); what is larger than a frame is a block of frames of its own
 *
 * From a pointer to what it points at, in a free: the address gives the frame's MetaSlot; its kind
 * says that it is a slab and `aux` where the class's magazine lies in each CPU's memory; a table
 * there says where the tag of the object is that begins at this grain of a frame, if any does; the
 * tag says whether it is allocated (mm/heap/slab.h).  All that in every build: a pointer that was
 * never allocated, points into an object, belongs to somebody else or was freed already, however
 * long ago, ends in a panic that names the pointer and the slab.  LIMIT: when its slab's frame has
 * a new owner meanwhile, it is that owner's to tell; and a second free of an object that somebody
 * else got meanwhile is a free of theirs.
 *
 * Invariants, beside those of mm/heap/slab.h; heap_check() looks at all:
 *   H6  what a magazine holds is CACHED, of its class and there once
 *   H7  the frame allocator is never called with a class's lock held, and never calls the heap:
 *       its state needs none (finding HEP-03)
 *   H8  no reclaim begins with interrupts off on a CPU where one has begun: threads of a CPU may
 *       be in one side by side, its handlers never on top of one
 *   H9  frames that were had for a slab and nobody sees yet, and empty slabs that were collected
 *       and nobody sees any more, are counted in the flow of a CPU: up before they are looked
 *       for, down when they, or their objects, are where a reclaim looks
 *
 * No memory.  Whoever gets no frame takes what lies in any slab, or else reclaims: claims an
 * object, empties its CPU's magazines and, with interrupts on, asks the other CPUs to empty theirs
 * and waits; takes an object of its class or makes a slab of a frame that became empty, before
 * anybody else can have it (finding HEP-01).  Who found nothing waits, with interrupts on, for what
 * is on its way (H9), and looks again if anything arrived since he began, as it may have passed him
 * by; for a second at most. Only then is NULL the answer.  Nobody counts while he waits, so nobody
 * waits for one who waits. LIMIT: with interrupts off it cannot wait for others, as in
 * mm/frame/frame_cache.h, and in a handler that interrupted a reclaim it does not start one.
 *
 * Back again (finding HEP-02).  Empty slabs beyond SLAB_KEEP a class go back while objects are
 * freed; magazines that lie idle when their CPU's heap_age() comes, too; heap_drain() gives back
 * all that can be.
 *
 * Debug options (mm/heap/debug.h) close the magazines, so that the hit path stays as it is.
 *
 * Any context, interrupts on or off, except where said.  Nothing here sleeps.
 */
#pragma once

#include "lib/panic.h"
#include "mm/heap/classes.h"
#include "mm/heap/slab.h"

enum {
	HEAP_MAGAZINE = 64, /* objects */
	HEAP_BATCH = HEAP_MAGAZINE / 2,
	HEAP_MAGAZINE_BYTES = 32768, /* a magazine holds no more than this, but at least a few */
	HEAP_MAGAZINE_MIN = 8,
};

/* `top` is written by the owner alone, interrupts off, or by who empties it on its behalf; others
 * may glance at it. */
struct heap_magazine {
	_Atomic(struct heap_entry *) top;
	struct heap_entry *base, *end; /* (c) */
	/* (c) The tag of an object that begins so many grains into its frame is tag_at[] bytes from
	 * the slot or, by the masks, from the frame.  Where none begins it leads to a byte that
	 * never is TAG_ALLOCATED. */
	uintptr_t slot_mask, frame_mask;
	uint32_t number, batch; /* (c) */
	uint8_t tag_at[HEAP_FRAME_GRAINS];
	struct heap_entry entry[HEAP_MAGAZINE];
} __aligned(64);

struct heap_cpu {
	struct heap_magazine magazine[HEAP_CLASSES];
	const struct heap_entry *seen[HEAP_CLASSES]; /* (o) tops when heap_age() came last */
	_Atomic uint32_t reclaims;                   /* (a) H8: begun here, not ended yet */
	_Atomic uint32_t drains;                     /* (a) times that others emptied it */
	_Atomic uint64_t flow __aligned(64);         /* (a) H9: heap_set_out() */
};
_Static_assert(HEAP_CLASSES * sizeof(struct heap_magazine) <= UINT16_MAX, "slot_state.aux");

/* The extent of populated metadata in which slabs are found at once; others are looked up. */
struct heap_span {
	_Atomic uint64_t grains; /* grows */
	uintptr_t base;          /* (c) address of its first frame */
	uintptr_t slots;         /* (c) and of its slot */
};

struct heap {
	struct heap_cpu *cpu[ARCH_MAX_CPUS]; /* (c) */
	struct heap_span span;
	uint16_t magazine_of[HEAP_SMALL_MAX / HEAP_GRAIN + 1]; /* (c) by size in grains, offset */
	unsigned cpus;                                         /* (c) */
	_Atomic uint64_t large_frames;
};
extern struct heap heap;

/* Order of the block of frames that a CPU's magazines take. */
static inline unsigned heap_cpu_order(void)
{
	return bits_order((sizeof(struct heap_cpu) + PAGE_SIZE - 1) / PAGE_SIZE);
}

/* Magazines for `cpus` CPUs, from frames; the first CPU's are static.  ERR_NO_MEMORY. */
err_t heap_init(unsigned cpus);

/* ---- the hit path ---- */

static inline uint16_t heap_magazine_offset(unsigned number)
{
	return (uint16_t)(number * sizeof(struct heap_magazine));
}

/* This CPU's; interrupts are off. */
static inline struct heap_magazine *heap_magazine_at(uintptr_t offset)
{
	return (struct heap_magazine *)(void *)((char *)heap.cpu[arch_cpu_id()] + offset);
}

/* Relaxed: the owner alone writes it. */
static inline struct heap_entry *heap_top(const struct heap_magazine *m)
{
	return atomic_load_explicit(&m->top, memory_order_relaxed);
}

static inline void heap_set_top(struct heap_magazine *m, struct heap_entry *top)
{
	atomic_store_explicit(&m->top, top, memory_order_relaxed);
}

/* What is not inline.  Interrupts are off on entry and `irq` is restored.  `where` is who asks;
 * NULL: who called. */
void *heap_alloc_slow(size_t size, size_t align, const void *where, uintptr_t irq) __noinline;

/* The top object of the magazine at `offset`, or what heap_alloc_slow() finds. */
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

/* heap_alloc() for a size that is no constant. */
__must_check void *heap_alloc_any(size_t size);

/* `size` bytes of any contents, aligned to HEAP_GRAIN, and to `size` when that is a power of two.
 * NULL: no memory, size 0, or more than there can be. */
__must_check static __forceinline void *heap_alloc(size_t size)
{
	if (__builtin_constant_p(size) && size <= HEAP_SMALL_MAX)
		return heap_hit(heap_magazine_offset(heap_class_of(size)), size, HEAP_GRAIN, NULL);
	return heap_alloc_any(size);
}

/* The same, zeroed. */
__must_check void *heap_zalloc(size_t size);

/* The same at a multiple of `align`.  NULL also when `align` is no power of two. */
__must_check void *heap_alloc_aligned(size_t size, size_t align);

/* Give an object back; NULL is none.  Panics on misuse, see above. */
void heap_free(void *object);

/* Bytes that an allocated object has, at least those asked for.  Panics as heap_free(). */
size_t heap_size_of(const void *object);

/* ---- what is on its way (H9): for the heap's own files ---- */

/* heap_cpu.flow: how many are on their way below, and above how many arrived, ever. */
#define HEAP_FLOW_ARRIVED (UINT64_C(1) << 32)

/* Before frames for slabs, or empty slabs, are looked for.  Ended by one of those below. */
static inline struct heap_cpu *heap_set_out(void)
{
	/* any CPU's will do: the thread may be on another one a moment later */
	struct heap_cpu *way = heap.cpu[arch_cpu_id()];

	/* relaxed: who misses what we take has had its lock, or our CPU's answer, after us */
	atomic_fetch_add_explicit(&way->flow, 1, memory_order_relaxed);
	return way;
}

/* What was found is where a reclaim looks, or was found by a claimant and is his. */
static inline void heap_arrive(struct heap_cpu *way)
{
	/* release pairs with wait_for_flow() */
	atomic_fetch_add_explicit(&way->flow, HEAP_FLOW_ARRIVED - 1, memory_order_release);
}

/* Nothing was found. */
static inline void heap_turn_back(struct heap_cpu *way)
{
	atomic_fetch_sub_explicit(&way->flow, 1, memory_order_release); /* the same */
}

/* Give the slabs back, and end what began before they were collected. */
void heap_put_chain(struct heap_cpu *way, struct slab_chain *chain);

/* ---- giving back ---- */

/* Every object that nobody has goes home, all empty slabs to the frame allocator.  With interrupts
 * on other CPUs' magazines too. */
void heap_drain(void);

/* Magazines of this CPU that were not used since the last time are emptied.  For a timer of each
 * CPU that comes a few times a second. */
void heap_age(void);

/* ---- looking ---- */

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

/* fn for each object that is allocated, `room` being its size; objects that come and go meanwhile
 * may be missed. */
void heap_each_object(void (*fn)(void *ctx, const void *object, size_t room), void *ctx);

/* Closed ones have no room, so that nothing is a hit; they are empty. */
enum heap_magazines {
	HEAP_MAGAZINES_OPEN,
	HEAP_MAGAZINES_CLOSED,
};
void heap_open_magazines(struct heap_cpu *cpu, enum heap_magazines how);

/* H1..H6; nobody may be in the heap meanwhile.  NULL, or what is wrong in words. */
__must_check const char *heap_check(void);

/* Tests: every nth frame that a slab or a large object asks for is refused.  0: none. */
void heap_inject_failure(unsigned nth);
