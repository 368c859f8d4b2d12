/* SPDX-License-Identifier: MIT */
/*
 * frame.h - reference-counted, typed handles to physical frames.
 *
 *            frame_alloc                get              put
 *   (free) ---------------> counted 1 <-----> counted n -----> DYING: on_drop -----> (free)
 *   UNUSED --from_unused--------^  |                             ^
 *                                  `-- unshare --> UNIQUE -------' put_unique
 *
 * A struct frame * is a handle: it names the MetaSlot of the frame, or of the first frame of a
 * block (2^order frames counted at their head).  A plain parameter is borrowed.  __owns returns a
 * handle that the caller must put; __takes(n) consumes argument n whatever the outcome.  `make
 * analyze` follows both through each function: a leak, a second put and a use after the put are
 * findings.  No attribute: a count in an out-parameter or an array, a run after its first frame,
 * and an argument that is consumed on success only (frame_try_unique(), cursor_map()).
 *
 * Invariants:
 *   F1  the count is at least the number of owners at every instant, and equal to it when no call
 *       is in progress (into_raw keeps the count: the entry is the owner)
 *   F2  the allocator hands a frame out with count 1 in one transition; no CPU ever sees it with
 *       kind or count half set
 *   F3  on_drop runs once, after the last put, before the frame can be reallocated
 *   F4  one way back: every put of a last count returns the frame or block to the frame cache, by
 *       the frame_give functions (NOE-01)
 *
 * Misuse (put of a free or unique frame, get of one, overflow, double free) panics and names the
 * frame; the count never wraps and misuse is never silent (MOP-02, NOE-02).
 *
 * Any context.  No lock is held while on_drop runs.
 */
#pragma once

#include "lib/err.h"
#include "lib/panic.h"
#include "mm/frame/frame_cache.h"
#include "mm/frame/meta.h"

/* What a frame is used for.  0 is reserved for "none". */
enum frame_kind {
	FRAME_NONE,
	FRAME_KERNEL, /* other kernel data */
	FRAME_META,   /* frame metadata */
	FRAME_PAGE_TABLE,
	FRAME_SLAB,
	FRAME_HEAP_LARGE, /* a heap object larger than a frame */
	FRAME_USER,
	FRAME_DMA,
	FRAME_TEST,
	FRAME_KINDS,
};

struct frame;        /* shared handle */
struct unique_frame; /* exclusive handle: may change the kind's metadata */

const char *frame_kind_name(enum frame_kind kind);

/* Destructor of a kind: called once, with the frame in DYING; it may put other frames but not this
 * one.  Set at start-up by the layer that owns the kind. */
typedef void (*frame_on_drop_t)(struct meta_slot *slot, pfn_t pfn);
void frame_set_on_drop(enum frame_kind kind, frame_on_drop_t on_drop);
extern frame_on_drop_t frame_on_drop[FRAME_KINDS]; /* (c) after start-up; NULL: none */

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

/* Racy read of the count, for tests and the monitor. */
static inline uint32_t frame_count(const struct frame *f)
{
	return meta_state(frame_slot(f)).count;
}

static inline unsigned frame_order(const struct frame *f)
{
	return meta_state(frame_slot(f)).order;
}

/* The state word of a newly allocated frame or block head. */
static inline uint64_t frame_handed_out(enum frame_kind kind, unsigned order)
{
	union slot_word w = { .state = { 1, (uint8_t)kind, (uint8_t)order, 0 } };

	return w.word;
}

/* The assertion catches a frame that was freed while it still had an owner. */
__owns static inline struct frame *frame_hand_out_as(pfn_t pfn, uint64_t word)
{
	struct meta_slot *slot = meta_slot_of(pfn);

	DASSERT(meta_state(slot).count == SLOT_NONE);
	/* as meta_set(): no other CPU has a handle to the frame */
	atomic_store_explicit(&slot->state, word, memory_order_release);
	return frame_of_slot(slot);
}

__owns static inline struct frame *frame_hand_out(pfn_t pfn, enum frame_kind kind, unsigned order)
{
	return frame_hand_out_as(pfn, frame_handed_out(kind, order));
}

/* Allocates one frame with count 1, not zeroed.  NULL: no memory. */
__must_check __owns static inline struct frame *frame_alloc(enum frame_kind kind)
{
	pfn_t pfn = frame_take();

	return unlikely(pfn == PFN_NONE) ? NULL : frame_hand_out(pfn, kind, 0);
}

/* Allocates 2^order frames with one count at the head.  order <= ORDER_MAX. */
__must_check __owns struct frame *frame_alloc_block(enum frame_kind kind, unsigned order);
/* The same for a caller that can do with smaller blocks: frame_try_take_block(). */
__must_check __owns struct frame *frame_try_alloc_block(enum frame_kind kind, unsigned order);

/* Allocates n frames of count 1 each: all or none (ERR_NO_MEMORY). */
err_t frame_alloc_bulk(enum frame_kind kind, unsigned n, struct frame **out);

/* Slow paths of get and put: panic and name the frame; run on_drop and free. */
void frame_misuse(const struct meta_slot *slot, err_t why, const char *what) __noreturn __cold;
void frame_drop(struct meta_slot *slot, struct slot_state state) __noinline;

/* Takes back an add that found no counted frame: misuse.  Returns ERR_OVERFLOW for a frame that has
 * SLOT_COUNT_MAX owners. */
err_t frame_get_refused(struct meta_slot *slot, struct slot_state old) __noinline __cold;

/* Adds an owner; the caller must own the frame.  For counts that a program can drive up.
 * ERR_OVERFLOW: the frame has SLOT_COUNT_MAX owners; nothing is changed. */
__must_check static inline err_t frame_try_get(struct frame *f)
{
	struct meta_slot *slot = frame_slot(f);
	/* relaxed: the caller's own count keeps the frame alive, nothing is published */
	union slot_word old = { .word = atomic_fetch_add_explicit(&slot->state, 1,
								  memory_order_relaxed) };

	/* not counted, or at SLOT_COUNT_MAX: one comparison */
	if (unlikely(old.state.count - 1 >= SLOT_COUNT_MAX - 1))
		return frame_get_refused(slot, old.state);
	return OK;
}

/* The same where the count is bounded by something else. */
__owns static inline struct frame *frame_get(struct frame *f)
{
	if (unlikely(frame_try_get(f) != OK))
		frame_misuse(frame_slot(f), ERR_OVERFLOW, "get");
	return f;
}

/* Slow path of frame_put(): anything but a put by the only owner. */
void frame_put_shared(struct meta_slot *slot) __noinline;

/* Tries the slot_put() transition of the only owner once; *after is the new state.  False: there
 * are more owners, or it is misuse, or another CPU changed the state in between.  Works on the
 * whole word, because compilers split the members and reassemble them. */
__must_check static inline bool frame_put_last(struct meta_slot *slot, struct slot_state *after)
{
	/* relaxed: the exchange checks it again */
	uint64_t old = atomic_load_explicit(&slot->state, memory_order_relaxed);
	union slot_word new = { .word = old + SLOT_DYING - 1 };

	*after = new.state;
	/* acquire-release: as META_APPLY */
	return likely((uint32_t)old == 1) &&
	       likely(atomic_compare_exchange_strong_explicit(
		       &slot->state, &old, new.word, memory_order_acq_rel, memory_order_relaxed));
}

/* Removes an owner; the last put drops the frame or block. */
static inline void frame_put(struct frame *f) __takes(1)
{
	struct meta_slot *slot = frame_slot(f);
	struct slot_state after;

	if (likely(frame_put_last(slot, &after)))
		frame_drop(slot, after);
	else
		frame_put_shared(slot);
}

/* Puts n frames; single frames are freed in batches. */
void frame_put_bulk(struct frame **frames, unsigned n);

/* Converts a handle to the raw address stored in an entry (a page-table entry), which then owns the
 * count. */
__must_check static inline paddr_t frame_into_raw(struct frame *f) __takes(1)
{
	return frame_paddr(f);
}

/* Converts it back: returns the handle for the count that frame_into_raw() stored. */
__must_check __owns struct frame *frame_from_raw(paddr_t raw);

/* Claims a frame that frame_release_range() made UNUSED.  NULL and *why: ERR_NOT_OWNED for free,
 * reserved or unpopulated memory, ERR_IN_USE, ERR_UNIQUE, ERR_BUSY.  Never waits. */
__must_check __owns struct frame *frame_from_unused(paddr_t pa, enum frame_kind kind, err_t *why);

/* Adds an owner to the counted frame or block head at pa.  NULL and *why as above, or
 * ERR_OVERFLOW. */
__must_check __owns struct frame *frame_from_in_use(paddr_t pa, err_t *why);

/* Marks memory that the allocator never owned (modules, boot structures) as UNUSED frames that
 * frame_from_unused() may claim.  Whole frames inside the range.  ERR_BAD_RANGE: some frame is not
 * populated, or not RAM that frames are made of.  ERR_IN_USE: some frame is free, has an owner or
 * was released before.  ERR_NO_MEMORY: SECTION_RELEASED_MAX ranges were released.  On an error
 * nothing is changed. */
err_t frame_release_range(struct prange range);

/* Exclusive handles.  NULL and *why = ERR_IN_USE: the frame has more owners, and the caller keeps
 * its handle. */
__must_check __owns struct unique_frame *frame_try_unique(struct frame *f, err_t *why);
__must_check __owns struct frame *frame_share(struct unique_frame *u) __takes(1);
void frame_put_unique(struct unique_frame *u) __takes(1);

/* Splits a block that the caller alone owns into 2^order frames of count 1; O(2^order).  Returns
 * how many.  A count that another CPU gets by address meanwhile (frame_from_in_use()) is one of the
 * first frame. */
__must_check uint32_t frame_split(struct frame *block);

/* Joins 2^order contiguous, aligned frames, each with count 1 and owned by the caller, into one
 * block.  ERR_IN_USE: one has more owners or is of another kind; nothing is changed. */
err_t frame_join(struct frame *first, unsigned order);

/* Copies `len` bytes at `offset` in the frame or block, through the linear map.  ERR_BAD_RANGE: not
 * inside. */
err_t frame_read(const struct frame *f, uint64_t offset, void *to, size_t len);
err_t frame_write(struct frame *f, uint64_t offset, const void *from, size_t len);

/* ---- contiguous: n adjacent frames, each with its own count ---- */

struct segment {
	pfn_t first;
	uint32_t frames;
};

/* Allocates `frames` contiguous frames in [0, limit) bytes, the first aligned to `align` bytes;
 * limit UINT64_MAX: no limit.  ERR_BAD_RANGE: invalid argument; ERR_NO_MEMORY: no such run. */
err_t segment_alloc(enum frame_kind kind, uint32_t frames, uint64_t align, uint64_t limit,
		    struct segment *out);
void segment_put(const struct segment *s);
/* Adds an owner to each frame of a part of it.  ERR_BAD_RANGE. */
err_t segment_slice(const struct segment *s, uint32_t first, uint32_t frames, struct segment *out);

/* ---- discontiguous: n frames anywhere, linked through their MetaSlots ---- */

struct frame_list {
	pfn_t head; /* PFN_NONE: empty */
	uint32_t frames;
};

/* Allocates all frames or none (ERR_NO_MEMORY). */
err_t frame_list_alloc(enum frame_kind kind, uint32_t frames, struct frame_list *out);
void frame_list_put(struct frame_list *l);
/* The first frame, and the frame after f; NULL: none. */
struct frame *frame_list_first(const struct frame_list *l);
struct frame *frame_list_next(const struct frame *f);
