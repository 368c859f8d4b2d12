/* SPDX-License-Identifier: MIT */
/*
 * slab.h - the slabs of a size class: the layer below the per-CPU magazines of mm/heap/heap.h.
 *
 * A slab is a frame of kind FRAME_SLAB cut into objects (mm/heap/classes.h).  One byte per object,
 * its tag, holds the object's state:
 *
 *            slab_take                    heap_alloc
 *   IN_SLAB -----------> CACHED (magazine, depot) -----------> ALLOCATED (the caller)
 *      ^                    |  ^                                   |
 *      `---- slab_give -----'  `------------- heap_free -----------'
 *
 * Two CPUs may change neighbouring tags at once; as each tag is a byte of its own, that needs no
 * atomic read-modify-write.  To avoid false sharing of the tags' cache line, a CPU prefers slabs it
 * took from last, and new slabs (SLAB_NEAR).  A free that does not find ALLOCATED is misuse,
 * however late it comes; when two CPUs free the same object in the same instant, this is detected
 * when the second copy of it returns to the slab and is not CACHED.
 *
 * Slabs with IN_SLAB objects are in a queue, linked by frame number through their MetaSlots.
 * Objects are taken from the slab at the front, or from one of the next few if it is near, which
 * rotates the queue by as many; a slab is appended at the end, and may become empty while queued.
 * When more than one slab in SLAB_EMPTY_SHARE is empty, slab_trim() rotates the queue: empty slabs
 * are removed and their frames freed, others go to the end.  No slab is ever unlinked from the
 * middle, and each freed frame costs the check of SLAB_EMPTY_SHARE slabs on average.
 *
 * Between magazines and slabs is the depot, an array of objects that move between CPUs in whole
 * batches without access to their tags.
 *
 * Claims.  An allocation that reclaims memory because it found none (heap.c: reclaim) first claims
 * an object; other allocations then leave as many objects as there are claims, so that they do not
 * take what the reclaim freed (finding HEP-01).
 *
 * Invariants, checked by slab_check():
 *   H1  a slab's frame has count 1, kind FRAME_SLAB and its class's magazine in `aux`
 *   H2  a slab is in the queue exactly when it has an object that is IN_SLAB
 *   H3  free = IN_SLAB objects of the class; where tags are in the frame, u.slab.free = those of it
 *   H4  empty = slabs in the queue all of whose objects are IN_SLAB
 *   H5  every object in the depot is CACHED
 *
 * Locking: `lock` of the class, taken with interrupts off, protects everything here except
 * ALLOCATED and CACHED tags, which belong to the owner of the object.  Frames are neither allocated
 * nor freed while it is held: slab_trim() and slab_shrink() collect the slabs to be freed.
 * Cost: about 15 instructions per object taken or given, one lock acquisition per batch.
 */
#pragma once

#include "kern/lock.h"
#include "mm/frame/frame.h"
#include "mm/heap/classes.h"

enum {
	SLAB_DEPOT = 64,
	SLAB_DEPOT_SHARE = 4,  /* and at most 1 / this of the objects outside of slabs */
	SLAB_KEEP = 8,         /* empty slabs that a class keeps */
	SLAB_EMPTY_SHARE = 16, /* or 1 / this of the queue */
	SLAB_SWEEP = 16,       /* slabs examined under one acquisition of the lock */
	SLAB_NEAR_TRIES = 4,   /* slabs of other CPUs examined before none counts as near */
};

enum slab_tag {
	TAG_IN_SLAB = 0, /* the value in a cleared frame */
	TAG_CACHED,
	TAG_ALLOCATED,
	TAG_NO_OBJECT, /* of a place that holds tags, or of none */
};

/* A CACHED object and the address of its tag. */
struct heap_entry {
	void *object;
	_Atomic uint8_t *tag;
};

struct slab_class {
	struct spinlock lock;
	uint32_t front, back;                /* (l) the queue: frame numbers, PFN_NONE when empty */
	uint32_t queued;                     /* (l) slabs in it */
	uint32_t empty;                      /* (l) of these, slabs with all objects IN_SLAB */
	uint32_t slabs;                      /* (l) slabs of the class */
	uint32_t claims;                     /* (l) */
	uint32_t depot_count;                /* (l) */
	uint64_t free;                       /* (l) objects that are IN_SLAB */
	struct heap_shape shape;             /* (c) */
	uint16_t aux;                        /* (c) of the slabs' state */
	struct heap_entry depot[SLAB_DEPOT]; /* (l) */
} __aligned(64);

extern struct slab_class slab_classes[HEAP_CLASSES];

/* Slabs removed from their class, linked like the queue. */
struct slab_chain {
	uint32_t front;
};
#define SLAB_CHAIN_NONE ((struct slab_chain){ PFN_NONE })

/* Initializes a class without slabs.  `aux` is the slot_state.aux of its slabs. */
void slab_class_init(unsigned number, uint16_t aux);

/* ---- tags ---- */

static inline _Atomic uint8_t *slab_tags(struct meta_slot *slot, const struct heap_shape *s)
{
	if (heap_shape_tags_in_slot(s))
		return slot->u.slab.tag;
	return arch_direct(pfn_to_paddr(meta_pfn_of(slot)));
}

static inline enum slab_tag slab_tag(const _Atomic uint8_t *tag)
{
	/* relaxed: only the object's owner accesses the tag; ownership passes by other means */
	return (enum slab_tag)atomic_load_explicit(tag, memory_order_relaxed);
}

static inline void slab_set_tag(_Atomic uint8_t *tag, enum slab_tag to)
{
	atomic_store_explicit(tag, (uint8_t)to, memory_order_relaxed);
}

static inline struct meta_slot *slab_slot_of(const void *object)
{
	return meta_slot_of(paddr_to_pfn(arch_direct_to_paddr(object)));
}

/* ---- objects ---- */

enum slab_right {
	/* From slabs that this CPU took from last, from empty slabs, and from other CPUs' slabs if
	 * the class has many free objects: a slab's worth per CPU.  For callers that make a new
	 * slab otherwise. */
	SLAB_NEAR,
	SLAB_ANY,      /* from any slab */
	SLAB_CLAIMANT, /* has called slab_claim() */
};

/* Takes up to n objects into out[] and makes them CACHED; returns how many.  Interrupts are off. */
__must_check unsigned slab_take(struct slab_class *c, struct heap_entry *out, unsigned n,
				enum slab_right right);

/* Returns n CACHED objects to the depot if there is room, or to their slabs; panics on one that is
 * not CACHED.  True: call slab_trim() once interrupts are restored.  Interrupts are off. */
enum slab_way {
	SLAB_BY_DEPOT,
	SLAB_HOME,
};
bool slab_give(struct slab_class *c, const struct heap_entry *entries, unsigned n,
	       enum slab_way way);

/* ---- slabs ---- */

/* Makes the frame a slab of the class and takes up to n of its objects into out[], CACHED; *got is
 * how many.  The others are available to all CPUs. */
void slab_add(struct slab_class *c, struct frame *f, struct heap_entry *out, unsigned n,
	      unsigned *got) __takes(2);

/* Moves surplus empty slabs to *gone, a few per acquisition of the lock. */
void slab_trim(struct slab_class *c, struct slab_chain *gone);

/* Returns the depot's objects to their slabs and moves all empty slabs to *gone. */
void slab_shrink(struct slab_class *c, struct slab_chain *gone);

/* Reserve one more / one fewer object of the class for claimants. */
void slab_claim(struct slab_class *c);
void slab_unclaim(struct slab_class *c);

/* Removes one frame from the chain, still FRAME_SLAB and of count 1; NULL: the chain is empty. */
__must_check __owns struct frame *slab_chain_take(struct slab_chain *chain);
/* Frees all slabs of the chain. */
void slab_chain_put(struct slab_chain *chain);

/* Checks H1..H5.  NULL, or the violation in words.  At any time. */
__must_check const char *slab_check(struct slab_class *c);
