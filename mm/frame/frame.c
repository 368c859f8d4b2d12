/* SPDX-License-Identifier: MIT */
#include "mm/frame/frame.h"

#include "lib/bits.h"
#include "lib/panic.h"
#include "lib/string.h"

enum {
	BULK_AT_ONCE = 128,
};

frame_on_drop_t frame_on_drop[FRAME_KINDS];

const char *frame_kind_name(enum frame_kind kind)
{
	static const char *const names[FRAME_KINDS] = {
		"none", "kernel", "meta", "page-table", "slab", "heap-large", "user", "dma", "test",
	};

	return (unsigned)kind < FRAME_KINDS ? names[kind] : "?";
}

void frame_set_on_drop(enum frame_kind kind, frame_on_drop_t fn)
{
	ASSERT(kind > FRAME_NONE && kind < FRAME_KINDS);
	frame_on_drop[kind] = fn;
}

void frame_misuse(const struct meta_slot *slot, err_t why, const char *what)
{
	struct slot_state s = meta_state(slot);

	panic("frame %#x: %s refused (%s), count %#x, kind %s, order %u", meta_pfn_of(slot), what,
	      err_name(why), s.count, frame_kind_name((enum frame_kind)s.kind), s.order);
}

err_t frame_get_refused(struct meta_slot *slot, struct slot_state old)
{
	atomic_fetch_sub_explicit(&slot->state, 1, memory_order_relaxed);
	/* above SLOT_COUNT_MAX: another CPU is about to take its own add back */
	if (!slot_is_owned(old))
		frame_misuse(slot, ERR_NOT_OWNED, "get");
	return ERR_OVERFLOW;
}

/* ---- allocation ---- */

struct frame *frame_alloc_block(enum frame_kind kind, unsigned order)
{
	pfn_t pfn = frame_take_block(order);

	return pfn == PFN_NONE ? NULL : frame_hand_out(pfn, kind, order);
}

struct frame *frame_try_alloc_block(enum frame_kind kind, unsigned order)
{
	pfn_t pfn = frame_try_take_block(order);

	return pfn == PFN_NONE ? NULL : frame_hand_out(pfn, kind, order);
}

err_t frame_alloc_bulk(enum frame_kind kind, unsigned n, struct frame **out)
{
	const uint64_t word = frame_handed_out(kind, 0);
	pfn_t pfns[BULK_AT_ONCE];

	for (unsigned done = 0; done < n;) {
		unsigned want = n - done < BULK_AT_ONCE ? n - done : BULK_AT_ONCE;

		if (!frame_take_bulk(want, pfns)) {
			frame_put_bulk(out, done);
			return ERR_NO_MEMORY;
		}
		for (unsigned i = 0; i < want; i++)
			out[done + i] = frame_hand_out_as(pfns[i], word);
		done += want;
	}
	return OK;
}

/* ---- freeing ---- */

/* DYING: runs on_drop and sets SLOT_NONE.  The caller then returns the frame to the cache. */
static void drop_finish(struct meta_slot *slot, struct slot_state state)
{
	if (frame_on_drop[state.kind] != NULL)
		frame_on_drop[state.kind](slot, meta_pfn_of(slot));
	meta_set(slot, (struct slot_state){ SLOT_NONE, 0, 0, 0 });
}

static __noinline void drop_slow(struct meta_slot *slot)
{
	struct slot_state state = meta_state(slot);

	drop_finish(slot, state);
	frame_give_block(meta_pfn_of(slot), state.order);
}

void frame_drop(struct meta_slot *slot, struct slot_state state)
{
	/* tests kind and order in one comparison: on_drop has FRAME_KINDS members */
	unsigned both = state.kind | (unsigned)state.order << 8;

	if (unlikely(both >= FRAME_KINDS || frame_on_drop[both] != NULL)) {
		drop_slow(slot);
		return;
	}
	meta_set(slot, (struct slot_state){ SLOT_NONE, 0, 0, 0 });
	frame_give(meta_pfn_of(slot));
}

void frame_put_shared(struct meta_slot *slot)
{
	struct meta_change c = META_APPLY(slot, slot_put(old, &new));

	if (unlikely(c.err != OK))
		frame_misuse(slot, c.err, "put");
	if (c.after.count == SLOT_DYING)
		frame_drop(slot, c.after);
}

void frame_put_bulk(struct frame **frames, unsigned n)
{
	pfn_t pfns[BULK_AT_ONCE];
	unsigned held = 0;

	for (unsigned i = 0; i < n; i++) {
		struct meta_slot *slot = frame_slot(frames[i]);
		struct slot_state after;

		if (unlikely(!frame_put_last(slot, &after))) {
			frame_put_shared(slot);
			continue;
		}
		if (unlikely(after.order != 0)) {
			frame_drop(slot, after);
			continue;
		}
		drop_finish(slot, after);
		pfns[held++] = meta_pfn_of(slot);
		if (held == BULK_AT_ONCE) {
			frame_give_bulk(pfns, held);
			held = 0;
		}
	}
	if (held != 0)
		frame_give_bulk(pfns, held);
}

/* ---- claims by address ---- */

struct frame *frame_from_raw(paddr_t raw)
{
	struct meta_slot *slot = section_slot(raw);

	ASSERT(slot != NULL && slot_is_counted(meta_state(slot)));
	return frame_of_slot(slot);
}

struct frame *frame_from_unused(paddr_t pa, enum frame_kind kind, err_t *why)
{
	struct meta_slot *slot = section_slot(pa);

	*why = ERR_NOT_OWNED;
	if (slot == NULL || kind <= FRAME_NONE || kind >= FRAME_KINDS)
		return NULL;
	*why = META_APPLY(slot, slot_claim(old, (uint8_t)kind, &new)).err;
	return *why == OK ? frame_of_slot(slot) : NULL;
}

struct frame *frame_from_in_use(paddr_t pa, err_t *why)
{
	struct meta_slot *slot = section_slot(pa);

	*why = ERR_NOT_OWNED;
	if (slot == NULL)
		return NULL;
	*why = META_APPLY(slot, slot_get(old, &new)).err;
	return *why == OK ? frame_of_slot(slot) : NULL;
}

err_t frame_release_range(struct prange range)
{
	uint64_t start = align_up(range.start.raw, PAGE_SIZE);
	uint64_t end;
	err_t err;

	if (range.len > PHYS_LIMIT || range.start.raw > PHYS_LIMIT - range.len)
		return ERR_BAD_RANGE;
	end = align_down(range.start.raw + range.len, PAGE_SIZE);
	if (end <= start)
		return OK; /* no whole frame */
	err = section_release((struct prange){ paddr(start), end - start });
	if (err != OK)
		return err;
	for (uint64_t pa = start; pa < end; pa += PAGE_SIZE) {
		err = META_APPLY(section_slot(paddr(pa)), slot_release(old, &new)).err;
		ASSERT(err == OK); /* the range is released once */
	}
	return OK;
}

/* ---- exclusive ---- */

struct unique_frame *frame_try_unique(struct frame *f, err_t *why)
{
	*why = META_APPLY(frame_slot(f), slot_unshare(old, &new)).err;
	return *why == OK ? (struct unique_frame *)(void *)f : NULL;
}

struct frame *frame_share(struct unique_frame *u)
{
	struct frame *f = (struct frame *)(void *)u;
	err_t err = META_APPLY(frame_slot(f), slot_share(old, &new)).err;

	if (err != OK)
		frame_misuse(frame_slot(f), err, "share");
	return f;
}

void frame_put_unique(struct unique_frame *u)
{
	struct meta_slot *slot = frame_slot((struct frame *)(void *)u);
	struct meta_change c = META_APPLY(slot, slot_put_unique(old, &new));

	if (c.err != OK)
		frame_misuse(slot, c.err, "put of a unique frame");
	frame_drop(slot, c.after);
}

uint32_t frame_split(struct frame *block)
{
	struct meta_slot *slot = frame_slot(block);
	struct slot_state s = meta_state(slot);
	uint32_t frames = UINT32_C(1) << s.order;
	err_t err;

	for (uint32_t i = 1; i < frames; i++)
		meta_set(slot + i, (struct slot_state){ 1, s.kind, 0, 0 });
	err = META_APPLY(slot, slot_split(old, &new)).err;
	if (err != OK)
		frame_misuse(slot, err, "split");
	return frames;
}

/* One compare-and-swap per frame: another CPU may get a count by address (frame_from_in_use) at the
 * same time. */
err_t frame_join(struct frame *first, unsigned order)
{
	struct meta_slot *slot = frame_slot(first);
	union slot_word single = { .word = frame_handed_out(frame_kind_of(first), 0) };
	uint32_t frames = UINT32_C(1) << order;

	for (uint32_t i = 1; i < frames; i++) {
		uint64_t expected = single.word;

		if (atomic_compare_exchange_strong_explicit(&slot[i].state, &expected, SLOT_NONE,
							    memory_order_acq_rel,
							    memory_order_relaxed))
			continue;
		while (--i > 0)
			meta_set(&slot[i], single.state);
		return ERR_IN_USE;
	}
	if (META_APPLY(slot, slot_join(old, (uint8_t)order, &new)).err == OK)
		return OK;
	for (uint32_t i = 1; i < frames; i++)
		meta_set(&slot[i], single.state);
	return ERR_IN_USE;
}

/* ---- bytes ---- */

static err_t check_range(const struct frame *f, uint64_t offset, size_t len)
{
	uint64_t bytes = (uint64_t)PAGE_SIZE << frame_order(f);

	return offset > bytes || len > bytes - offset ? ERR_BAD_RANGE : OK;
}

err_t frame_read(const struct frame *f, uint64_t offset, void *to, size_t len)
{
	err_t err = check_range(f, offset, len);

	if (err == OK)
		memcpy(to, (char *)arch_direct(frame_paddr(f)) + offset, len);
	return err;
}

err_t frame_write(struct frame *f, uint64_t offset, const void *from, size_t len)
{
	err_t err = check_range(f, offset, len);

	if (err == OK)
		memcpy((char *)arch_direct(frame_paddr(f)) + offset, from, len);
	return err;
}

/* ---- segments ---- */

err_t segment_alloc(enum frame_kind kind, uint32_t frames, uint64_t align, uint64_t limit,
		    struct segment *out)
{
	uint64_t max = min_u64(limit / PAGE_SIZE, PFN_NONE);
	uint64_t step = max_u64(align / PAGE_SIZE, 1);
	pfn_t first;

	if (frames == 0 || frames > SECTION_FRAMES || !bits_is_pow2(step) ||
	    step > SECTION_FRAMES || (align > PAGE_SIZE && align % PAGE_SIZE != 0) || frames > max)
		return ERR_BAD_RANGE;
	first = frame_take_range(frames, (uint32_t)step, 0, (pfn_t)max);
	if (first == PFN_NONE)
		return ERR_NO_MEMORY;
	for (uint32_t i = 0; i < frames; i++)
		(void)frame_into_raw(frame_hand_out(first + i, kind, 0));
	*out = (struct segment){ first, frames };
	return OK;
}

void segment_put(const struct segment *s)
{
	for (uint32_t i = 0; i < s->frames; i++)
		frame_put(frame_of_slot(meta_slot_of(s->first + i)));
}

err_t segment_slice(const struct segment *s, uint32_t first, uint32_t frames, struct segment *out)
{
	if (frames == 0 || first > s->frames || frames > s->frames - first)
		return ERR_BAD_RANGE;
	for (uint32_t i = 0; i < frames; i++)
		(void)frame_into_raw(frame_get(frame_of_slot(meta_slot_of(s->first + first + i))));
	*out = (struct segment){ s->first + first, frames };
	return OK;
}

/* ---- lists ---- */

err_t frame_list_alloc(enum frame_kind kind, uint32_t frames, struct frame_list *out)
{
	*out = (struct frame_list){ PFN_NONE, 0 };
	for (uint32_t i = 0; i < frames; i++) {
		struct frame *f = frame_alloc(kind);

		if (f == NULL) {
			frame_list_put(out);
			return ERR_NO_MEMORY;
		}
		frame_slot(f)->u.list.next = out->head;
		out->head = paddr_to_pfn(frame_into_raw(f));
		out->frames++;
	}
	return OK;
}

struct frame *frame_list_first(const struct frame_list *l)
{
	return l->head == PFN_NONE ? NULL : frame_of_slot(meta_slot_of(l->head));
}

struct frame *frame_list_next(const struct frame *f)
{
	pfn_t next = frame_slot(f)->u.list.next;

	return next == PFN_NONE ? NULL : frame_of_slot(meta_slot_of(next));
}

void frame_list_put(struct frame_list *l)
{
	struct frame *next;

	for (struct frame *f = frame_list_first(l); f != NULL; f = next) {
		next = frame_list_next(f);
		frame_put(f);
	}
	*l = (struct frame_list){ PFN_NONE, 0 };
}
