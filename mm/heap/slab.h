/* SPDX-License-Identifier: MIT */
/*
 * slab.h - the slabs of a size class: what lies under the per-CPU magazines of mm/heap/heap.h.
 *
 * A slab is a frame of kind FRAME_SLAB cut into objects (mm/heap/classes.h).  A byte for each
 * object, its tag, says where the object is:
 *
 *            slab_take                    heap_alloc
 *   IN_SLAB -----------> CACHED (magazine, depot) -----------> ALLOCATED (the caller)
 *      ^                    |  ^                                   |
 *      `---- slab_give -----'  `------------- heap_free -----------'
 *
 * Two CPUs may change the tags of neighbours at once; as a tag is a byte of its own, that needs no
 * atomic read-modify-write.  But then their cache line goes to and fro, so a CPU would rather have
 * objects of slabs that it had some of before, or of a new one (SLAB_NEAR).  A free that does not
 * find ALLOCATED is misuse, however late it comes; two CPUs that free the same object in the same
 * instant are found out when the second copy of it comes back to the slab and is not CACHED.
 *
 * Slabs that have objects stand in a queue, linked by frame number through their MetaSlots.
 * Objects are taken from the slab at its front, or from the next ones when these are nearer, which
 * turns the queue by a few; a slab joins at its end, and there it may yet
 * become empty.  When more than one in SLAB_EMPTY_SHARE is, slab_trim() turns the queue: empty ones
 * leave and their frames are given back, others go to the end.  Nothing is ever unlinked from the
 * middle, and each frame that is given back costs a look at SLAB_EMPTY_SHARE slabs on the average.
 *
 * Between magazines and slabs stands the depot, an array of objects that change CPUs by whole
 * batches without a look at their tags.
 *
 * Claims.  Whoever frees memory up because it found none (heap.c: reclaim) first claims an object;
 * others then leave as many objects as there are claims, so what was found is not stolen
 * (finding HEP-01).
 *
 * Invariants, looked at by slab_check():
 *   H1  a slab's frame is counted once, has kind FRAME_SLAB and its class's magazine in `aux`
 *   H2  a slab is in the queue exactly when it has an object that is IN_SLAB
 *   H3  free = IN_SLAB objects of the class; where tags are in the frame, u.slab.free = those of it
 *   H4  empty = slabs in the queue all of whose objects are IN_SLAB
 *   H5  what the depot holds is CACHED
 *
 * Locking: `lock` of the class, taken with interrupts off, for everything here but ALLOCATED and
 * CACHED tags, which belong to whoever has the object.  Frames are neither had nor given back
 * while it is held: slab_trim() and slab_shrink() collect what is to be given back.
 * Cost: about 15 instructions an object on the way down or up, one lock for each batch.
 */
#pragma once

#include "kern/lock.h"
#include "mm/frame/frame.h"
#include "mm/heap/classes.h"

enum {
	SLAB_DEPOT = 64,
	SLAB_DEPOT_SHARE = 4,  /* and at most this part of the objects that are out */
	SLAB_KEEP = 8,         /* empty slabs that a class keeps for itself */
	SLAB_EMPTY_SHARE = 16, /* or this part of the queue */
	SLAB_SWEEP = 16,       /* slabs looked at under one acquisition of the lock */
	SLAB_NEAR_TRIES = 4,   /* at others' slabs before there is none near */
};

enum slab_tag {
	TAG_IN_SLAB = 0, /* what a cleared frame says */
	TAG_CACHED,
	TAG_ALLOCATED,
	TAG_NO_OBJECT, /* of a place that holds tags, or of none */
};

/* An object that is CACHED, and where its tag is. */
struct heap_entry {
	void *object;
	_Atomic uint8_t *tag;
};

struct slab_class {
	struct spinlock lock;
	uint32_t front, back;                /* (l) the queue: frame numbers, PFN_NONE when empty */
	uint32_t queued;                     /* (l) slabs in it */
	uint32_t empty;                      /* (l) of these without an object outside */
	uint32_t slabs;                      /* (l) slabs of the class */
	uint32_t claims;                     /* (l) */
	uint32_t depot_count;                /* (l) */
	uint64_t free;                       /* (l) objects that are IN_SLAB */
	struct heap_shape shape;             /* (c) */
	uint16_t aux;                        /* (c) of the slabs' state */
	struct heap_entry depot[SLAB_DEPOT]; /* (l) */
} __aligned(64);

extern struct slab_class slab_classes[HEAP_CLASSES];

/* Slabs that have left their class, linked like the queue. */
struct slab_chain {
	uint32_t front;
};
#define SLAB_CHAIN_NONE ((struct slab_chain){ PFN_NONE })

/* Start with no slab.  `aux` is what slot_state.aux of the slabs says. */
void slab_class_init(unsigned number, uint16_t aux);

/* ---- where an object is ---- */

static inline _Atomic uint8_t *slab_tags(struct meta_slot *slot, const struct heap_shape *s)
{
	if (heap_shape_tags_in_slot(s))
		return slot->u.slab.tag;
	return arch_direct(pfn_to_paddr(meta_pfn_of(slot)));
}

static inline enum slab_tag slab_tag(const _Atomic uint8_t *tag)
{
	/* relaxed: an object's tag is its owner's, who changes hands by other means */
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
	/* From slabs that this CPU was the last to take from, from empty ones, and from others' if
	 * there are many objects: a slab's worth for each CPU.  For who would make a slab else. */
	SLAB_NEAR,
	SLAB_ANYBODY,
	SLAB_CLAIMANT, /* has called slab_claim() */
};

/* Up to n objects, CACHED from now on, into out[]; returns how many.  Interrupts are off. */
__must_check unsigned slab_take(struct slab_class *c, struct heap_entry *out, unsigned n,
				enum slab_right right);

/* Take back n CACHED objects, into the depot if there is room or into their slabs; panics on one
 * that is not.  True: call slab_trim() when interrupts are as they were.  Interrupts are off. */
enum slab_way {
	SLAB_BY_DEPOT,
	SLAB_HOME,
};
bool slab_give(struct slab_class *c, const struct heap_entry *entries, unsigned n,
	       enum slab_way way);

/* ---- slabs ---- */

/* Make the frame a slab of the class, with up to n of its objects in out[], CACHED; *got says how
 * many.  The others are there for anybody. */
void slab_add(struct slab_class *c, struct frame *f, struct heap_entry *out, unsigned n,
	      unsigned *got);

/* Empty slabs beyond what is worth keeping to *gone, a few at a time. */
void slab_trim(struct slab_class *c, struct slab_chain *gone);

/* What the depot holds goes home, and all empty slabs to *gone. */
void slab_shrink(struct slab_class *c, struct slab_chain *gone);

/* From now on / no longer one object more of the class is kept for claimants. */
void slab_claim(struct slab_class *c);
void slab_unclaim(struct slab_class *c);

/* One frame of the chain, still FRAME_SLAB and counted once, or NULL. */
__must_check struct frame *slab_chain_take(struct slab_chain *chain);
/* Give them all back. */
void slab_chain_put(struct slab_chain *chain);

/* H1..H5.  NULL, or what is wrong in words.  Any time. */
__must_check const char *slab_check(struct slab_class *c);
