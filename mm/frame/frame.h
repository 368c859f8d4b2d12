/* SPDX-License-Identifier: MIT */
/*
 * frame.h - counted, typed handles to physical frames.
 *
 *            frame_alloc                get              put
 *   (free) ---------------> counted 1 <-----> counted n -----> DYING: on_drop -----> (free)
 *   UNUSED --from_unused--------^  |                             ^
 *                                  `-- unshare --> UNIQUE -------' put_unique
 *
 * A struct frame * is a handle: it names the MetaSlot of the frame, or of the first frame of a
 * block (2^order frames counted at their head).  A plain parameter is a borrow.  __owns
 * returns a handle that somebody must put; __takes(n) consumes argument n whatever the outcome.
 *
 * Invariants:
 *   F1  the count is at least the number of owners at every instant, and equal to it when
 *       nobody is in the middle of a call (into_raw keeps the count: the entry is the owner)
 *   F2  the allocator hands a frame out with count 1 in one transition; nobody ever sees it
 *       with kind or count half set
 *   F3  on_drop runs once, after the last put, before the frame can be handed out again
 *   F4  there is one way back: every put of a last count ends in frame_give_block() (NOE-01)
 *
 * Misuse (put of a free or unique frame, get of one, overflow, double free) is caught and ends in a
 * panic that names the frame; it never wraps and never goes unnoticed (MOP-02, NOE-02).
 *
 * Any context.  No lock is held while on_drop runs.
 */
#pragma once

#include "lib/err.h"
#include "lib/panic.h"
#include "mm/frame/frame_cache.h"
#include "mm/frame/meta.h"

/* What a frame is for.  0 stays "nothing". */
enum frame_kind {
	FRAME_NONE,
	FRAME_KERNEL, /* the kernel's data, of no further kind */
	FRAME_META,   /* metadata */
	FRAME_PAGE_TABLE,
	FRAME_SLAB,
	FRAME_HEAP_LARGE, /* an object of the heap that is larger than a frame */
	FRAME_USER,
	FRAME_DMA,
	FRAME_TEST,
	FRAME_KINDS,
};

struct frame;        /* shared handle */
struct unique_frame; /* sole handle: may change the kind's metadata */

const char *frame_kind_name(enum frame_kind kind);

/* Called with the frame in DYING, once; it may put other frames but not this one.  Set by the
 * layer that owns the kind, at start-up. */
typedef void (*frame_on_drop_t)(struct meta_slot *slot, pfn_t pfn);
void frame_set_on_drop(enum frame_kind kind, frame_on_drop_t on_drop);

static inline struct meta_slot *frame_slot(const struct frame *f)
{
	return (struct meta_slot *)(uintptr_t)f;
}

static inline struct frame *frame_of_slot(struct meta_slot *slot)
{
	return (struct frame *)(void *)slot;
}

static inline pfn_t frame_pfn(const struct frame *f)
{
	return meta_pfn_of(frame_slot(f));
}

static inline paddr_t frame_paddr(const struct frame *f)
{
	return pfn_to_paddr(frame_pfn(f));
}

static inline enum frame_kind frame_kind_of(const struct frame *f)
{
	return (enum frame_kind)meta_state(frame_slot(f)).kind;
}

/* A glance at the count, for tests and the monitor. */
static inline uint32_t frame_count(const struct frame *f)
{
	return meta_state(frame_slot(f)).count;
}

static inline unsigned frame_order(const struct frame *f)
{
	return meta_state(frame_slot(f)).order;
}

/* The head state with which a block is handed out. */
static inline uint64_t frame_handed_out(enum frame_kind kind, unsigned order)
{
	union slot_word w = { .state = { 1, (uint8_t)kind, (uint8_t)order, 0 } };

	return w.word;
}

/* A frame that still has a count was freed behind its owner's back, which is caught here. */
static inline struct frame *frame_hand_out_as(pfn_t pfn, uint64_t word)
{
	struct meta_slot *slot = meta_slot_of(pfn);

	DASSERT(meta_state(slot).count == SLOT_NONE);
	/* as meta_set(): nobody else may hold the frame */
	atomic_store_explicit(&slot->state, word, memory_order_release);
	return frame_of_slot(slot);
}

static inline struct frame *frame_hand_out(pfn_t pfn, enum frame_kind kind, unsigned order)
{
	return frame_hand_out_as(pfn, frame_handed_out(kind, order));
}

/* One frame, count 1.  NULL: no memory.  Contents are what they were. */
__must_check __owns static inline struct frame *frame_alloc(enum frame_kind kind)
{
	pfn_t pfn = frame_take();

	return unlikely(pfn == PFN_NONE) ? NULL : frame_hand_out(pfn, kind, 0);
}

/* 2^order frames, one count at the head.  order <= ORDER_MAX. */
__must_check __owns struct frame *frame_alloc_block(enum frame_kind kind, unsigned order);

/* n frames of count 1 each: all or none (ERR_NO_MEMORY). */
err_t frame_alloc_bulk(enum frame_kind kind, unsigned n, struct frame **out);

/* The cold ends of get and put: name the frame and panic; run on_drop and free. */
void frame_misuse(const struct meta_slot *slot, err_t why, const char *what) __noreturn __cold;
void frame_drop(struct meta_slot *slot, struct slot_state state) __noinline;

/* One more owner, by one who is one: an atomic add whose old value is looked at. */
__owns static inline struct frame *frame_get(struct frame *f)
{
	struct meta_slot *slot = frame_slot(f);
	/* relaxed: the caller's own count keeps the frame alive, nothing is published */
	union slot_word old = { .word = atomic_fetch_add_explicit(&slot->state, 1,
								  memory_order_relaxed) };

	/* not counted, or as often as can be: one comparison */
	if (unlikely(old.state.count - 1 >= SLOT_COUNT_MAX - 1)) {
		atomic_fetch_sub_explicit(&slot->state, 1, memory_order_relaxed);
		frame_misuse(slot, old.state.count == SLOT_COUNT_MAX ? ERR_OVERFLOW : ERR_NOT_OWNED,
			     "get");
	}
	return f;
}

/* The half of frame_put() for anything but the only owner's put. */
void frame_put_shared(struct meta_slot *slot) __noinline;

/* What slot_put() makes of the only owner's put, tried once; *after is the state then.  False:
 * there are more owners, or it is misuse, or somebody interfered.  Written out on the word, because
 * compilers take the members apart and put them together again. */
__must_check static inline bool frame_put_last(struct meta_slot *slot, struct slot_state *after)
{
	/* relaxed: looked at again by the exchange */
	uint64_t old = atomic_load_explicit(&slot->state, memory_order_relaxed);
	union slot_word new = { .word = old + SLOT_DYING - 1 };

	*after = new.state;
	/* acquire-release: as META_APPLY */
	return likely((uint32_t)old == 1) &&
	       likely(atomic_compare_exchange_strong_explicit(
		       &slot->state, &old, new.word, memory_order_acq_rel, memory_order_relaxed));
}

/* One owner less; the last one drops the frame or block. */
static inline void frame_put(struct frame *f) __takes(1)
{
	struct meta_slot *slot = frame_slot(f);
	struct slot_state after;

	if (likely(frame_put_last(slot, &after)))
		frame_drop(slot, after);
	else
		frame_put_shared(slot);
}

/* Put n frames that are not blocks. */
void frame_put_bulk(struct frame **frames, unsigned n);

/* Put the n frames in a row from `first` on; those whose last count goes are given back together.
 */
void frame_put_run(struct frame *first, uint32_t n);

/* The count moves into an entry that is not a handle (a page-table entry), and back. */
__must_check static inline paddr_t frame_into_raw(struct frame *f) __takes(1)
{
	return frame_paddr(f);
}

/* The handle for a count that frame_into_raw() put away. */
__must_check __owns struct frame *frame_from_raw(paddr_t raw);

/* Claim memory that somebody released (frame_release_range).  NULL and *why: ERR_NOT_OWNED for
 * free, reserved or unpopulated memory, ERR_IN_USE, ERR_UNIQUE, ERR_BUSY; answers at once, never
 * waits. */
__must_check __owns struct frame *frame_from_unused(paddr_t pa, enum frame_kind kind, err_t *why);

/* One more owner of whatever counted frame or block head is at pa. */
__must_check __owns struct frame *frame_from_in_use(paddr_t pa, err_t *why);

/* Memory that the allocator never had (modules, boot structures) becomes UNUSED frames that
 * frame_from_unused() may claim.  Whole frames inside the range.  ERR_BAD_RANGE: not populated.
 * ERR_IN_USE: some frame is free or has an owner; nothing happened. */
err_t frame_release_range(struct prange range);

/* Exclusive handles. */
__must_check __owns struct unique_frame *frame_try_unique(struct frame *f, err_t *why);
__must_check __owns struct frame *frame_share(struct unique_frame *u) __takes(1);
void frame_put_unique(struct unique_frame *u) __takes(1);

/* A block of one owner becomes 2^order frames of count 1; pays per frame.  Returns how many. */
__must_check uint32_t frame_split(struct frame *block);

/* 2^order frames in a row, aligned, each of count 1 and the caller's, become one block again.
 * ERR_IN_USE: one has more owners, or is of another kind; nothing happened. */
err_t frame_join(struct frame *first, unsigned order);

/* `len` bytes at `offset` into the frame or block, through the linear map.  ERR_BAD_RANGE: they do
 * not lie inside. */
err_t frame_read(const struct frame *f, uint64_t offset, void *to, size_t len);
err_t frame_write(struct frame *f, uint64_t offset, const void *from, size_t len);

/* ---- contiguous: n frames in a row, each counted by itself ---- */

struct segment {
	pfn_t first;
	uint32_t frames;
};

/* `frames` frames in [0, limit) bytes, the first at a multiple of `align` bytes; limit UINT64_MAX:
 * any. ERR_BAD_RANGE: nonsense; ERR_NO_MEMORY: no such run. */
err_t segment_alloc(enum frame_kind kind, uint32_t frames, uint64_t align, uint64_t limit,
		    struct segment *out);
void segment_put(const struct segment *s);
/* A part of it with counts of its own.  ERR_BAD_RANGE. */
err_t segment_slice(const struct segment *s, uint32_t first, uint32_t frames, struct segment *out);

/* ---- discontiguous: n frames wherever they are, linked through their MetaSlots ---- */

struct frame_list {
	pfn_t head; /* PFN_NONE: empty */
	uint32_t frames;
};

/* All or none.  ERR_NO_MEMORY. */
err_t frame_list_alloc(enum frame_kind kind, uint32_t frames, struct frame_list *out);
void frame_list_put(struct frame_list *l);
/* The frame after f, or NULL. */
struct frame *frame_list_first(const struct frame_list *l);
struct frame *frame_list_next(const struct frame *f);
