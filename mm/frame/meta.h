/* SPDX-License-Identifier: MIT */
/*
 * meta.h - MetaSlot: the metadata of a frame, 16 bytes (Linux: struct page).
 *
 * One array at a fixed virtual address, indexed by frame number: frame <-> slot is a shift and
 * an add in both directions.  The array is populated by sections of 1 GiB (mm/frame/section.h);
 * a slot may be accessed only in a populated section.  For an address from outside, call
 * section_slot(), which checks that.
 *
 * The first eight bytes are the state (mm/frame/slot_state.h), changed as one atomic word: by
 * compare-and-swap, by the atomic add of frame_get(), or by a store (meta_set()) while no other CPU
 * has a handle.  The second eight belong to the owner of the frame; its kind selects the union
 * member (finding MOP-01: members are named, a slot is never cast to its payload).
 *
 * Zeroed metadata means SLOT_NONE: no owner.
 */
#pragma once

#include <stdatomic.h>

#include "arch/arch.h"
#include "mm/frame/page.h"
#include "mm/frame/slot_state.h"

enum {
	META_SLOT_BYTES = 16,
};

struct meta_slot {
	_Atomic uint64_t state; /* struct slot_state, as one word */
	union {
		uint64_t word;
		struct {
			uint32_t next; /* frame number of the next in a frame list */
			uint32_t spare;
		} list;
		struct { /* page-table node (mm/pt/node.h) */
			_Atomic uint32_t lock;
			_Atomic uint16_t children;
			uint8_t level;
			_Atomic uint8_t dead;
		} node;
		struct { /* on a limbo list (mm/frame/epoch.h) */
			_Atomic uint32_t next;
			uint32_t kept; /* unchanged, for late readers */
		} retired;
		struct { /* slab (mm/heap/slab.h) */
			uint32_t next;
			union {
				struct { /* slab whose tags are inside it */
					uint16_t free;
					uint16_t cpu; /* last CPU that took from it */
				};
				_Atomic uint8_t tag[4]; /* slab of few objects */
			};
		} slab;
	} u;
};
_Static_assert(sizeof(struct meta_slot) == META_SLOT_BYTES, "0.39 % of memory");

union slot_word {
	struct slot_state state;
	uint64_t word;
};
_Static_assert(sizeof(union slot_word) == sizeof(uint64_t), "one compare-and-swap");

static inline struct meta_slot *meta_slot_of(pfn_t pfn)
{
	return (struct meta_slot *)arch_meta_base() + pfn;
}

/* The slot of the frame at pa, without computing its number first. */
static inline struct meta_slot *meta_slot_at(paddr_t pa)
{
	return (struct meta_slot *)arch_meta_base() + pa.raw / PAGE_SIZE;
}

static inline pfn_t meta_pfn_of(const struct meta_slot *slot)
{
	return (pfn_t)(slot - (const struct meta_slot *)arch_meta_base());
}

/* Racy read: the state may have changed when this returns.  Acquire pairs with the release that
 * published the frame. */
static inline struct slot_state meta_state(const struct meta_slot *slot)
{
	union slot_word w = { .word = atomic_load_explicit(&slot->state, memory_order_acquire) };

	return w.state;
}

/* Applies a transition: META_APPLY(slot, slot_put(old, &new)) with `old` and `new` in scope.
 * One compare-and-swap without contention.  Acquire-release: an owner's writes to the frame
 * and its metadata happen before the last owner's on_drop. */
#define META_APPLY(slot, transition)                                                               \
	({                                                                                         \
		union slot_word meta_old_ = { .word = atomic_load_explicit(                        \
						      &(slot)->state, memory_order_relaxed) };     \
		union slot_word meta_new_;                                                         \
		err_t meta_err_;                                                                   \
		do {                                                                               \
			struct slot_state old = meta_old_.state, new = old;                        \
			meta_err_ = (transition);                                                  \
			meta_new_.state = new;                                                     \
		} while (meta_err_ == OK &&                                                        \
			 !atomic_compare_exchange_weak_explicit(                                   \
				 &(slot)->state, &meta_old_.word, meta_new_.word,                  \
				 memory_order_acq_rel, memory_order_relaxed));                     \
		meta_result_(meta_err_, meta_old_.state, meta_new_.state);                         \
	})

/* Result of META_APPLY(): the error, and the state before and after. */
struct meta_change {
	err_t err;
	struct slot_state before, after;
};

static inline struct meta_change meta_result_(err_t err, struct slot_state before,
					      struct slot_state after)
{
	return (struct meta_change){ err, before, err == OK ? after : before };
}

/* Store by the allocator: no other CPU has a handle to the frame, so no compare-and-swap is needed.
 * Release pairs with meta_state(). */
static inline void meta_set(struct meta_slot *slot, struct slot_state state)
{
	union slot_word w = { .state = state };

	atomic_store_explicit(&slot->state, w.word, memory_order_release);
}
