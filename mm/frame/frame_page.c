/* SPDX-License-Identifier: MIT */
#include "mm/frame/frame_page.h"

#include "kern/lock.h"
#include "lib/bits.h"

/* The head of the block that the frame is inside of, or NULL. */
static struct meta_slot *find_head(const struct meta_slot *slot)
{
	uint64_t pfn = meta_pfn_of(slot);

	for (unsigned order = 1; order <= ORDER_MAX; order++) {
		struct meta_slot *head = meta_slot_of((pfn_t)align_down(pfn, UINT64_C(1) << order));
		struct slot_state s = meta_state(head);

		if (slot_is_owned(s) && s.order >= order)
			return head;
	}
	return NULL;
}

/* The slot that counts the owners of a page that begins here: its own, or that of the block that it
 * is a part of.  The caller is an owner. */
static struct meta_slot *counted_slot(struct meta_slot *slot)
{
	struct meta_slot *head = slot;

	if (unlikely(meta_state(slot).count == SLOT_NONE))
		head = find_head(slot);
	if (unlikely(head == NULL))
		frame_misuse(slot, ERR_NOT_OWNED, "count of a page");
	return head;
}

bool frame_page_is_owned(const struct meta_slot *slot)
{
	return slot_is_owned(meta_state(slot)) || find_head(slot) != NULL;
}

/* ---- put ---- */

/* One owner less of the block at `slot`, or of the block that the page of `frames` there is a part
 * of.  Returns how many frames of the page that was. */
static uint32_t put_block(struct meta_slot *slot, uint32_t frames)
{
	struct meta_slot *counted = counted_slot(slot);
	struct meta_change c = META_APPLY(counted, slot_put(old, &new));
	uint32_t block = UINT32_C(1) << c.before.order;

	if (unlikely(c.err != OK))
		frame_misuse(counted, c.err, "put of a page");
	if (c.after.count == SLOT_DYING)
		frame_drop(counted, c.after);
	return counted == slot && block < frames ? block : frames;
}

static void put_page(struct meta_slot *slot, uint32_t frames)
{
	for (uint32_t i = 0; i < frames;)
		i += put_block(slot + i, frames - i);
}

/* Last put of a single frame whose kind has no on_drop: 1 -> SLOT_NONE by one exchange.  False: the
 * state is another one; nothing is changed. */
static inline bool put_plain_last(struct meta_slot *slot, uint64_t plain)
{
	return atomic_compare_exchange_strong_explicit(&slot->state, &plain, SLOT_NONE,
						       memory_order_acq_rel, memory_order_relaxed);
}

static void put_frames(struct meta_slot *slot, uint32_t n)
{
	uint8_t kind = meta_state(slot).kind;
	bool is_plain = kind < FRAME_KINDS && frame_on_drop[kind] == NULL;
	const union slot_word plain = { .state = { 1, kind, 0, 0 } };
	uint32_t run = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (is_plain && likely(put_plain_last(slot + i, plain.word))) {
			run++;
			continue;
		}
		if (run != 0)
			frame_give_range(meta_pfn_of(slot + i - run), run);
		run = 0;
		put_page(slot + i, 1);
	}
	if (run == 1)
		frame_give(meta_pfn_of(slot + n - 1));
	else if (run != 0)
		frame_give_range(meta_pfn_of(slot + n - run), run);
}

void frame_page_put(struct frame *first, uint32_t n, unsigned order)
{
	struct meta_slot *slot = frame_slot(first);

	if (likely(order == 0)) {
		put_frames(slot, n);
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		put_page(slot + ((uint64_t)i << order), UINT32_C(1) << order);
}

/* ---- get ---- */

err_t frame_page_get(struct frame *first, unsigned order)
{
	struct meta_slot *slot = frame_slot(first);
	uint32_t frames = UINT32_C(1) << order, i = 0;

	while (i < frames) {
		struct meta_slot *counted = counted_slot(slot + i);
		struct meta_change c = META_APPLY(counted, slot_get(old, &new));

		if (likely(c.err == OK)) {
			i += counted == slot + i ? UINT32_C(1) << c.before.order : frames;
			continue;
		}
		if (c.err != ERR_OVERFLOW)
			frame_misuse(counted, c.err, "get of a page");
		if (i != 0)
			put_page(slot, i);
		return ERR_OVERFLOW;
	}
	return OK;
}

err_t frame_page_get_parts(struct frame *first, uint32_t more)
{
	struct meta_slot *slot = counted_slot(frame_slot(first));
	err_t err = META_APPLY(slot, slot_get_many(old, more, &new)).err;

	if (err != OK && err != ERR_OVERFLOW)
		frame_misuse(slot, err, "get of the parts of a page");
	return err;
}

/* ---- pin ---- */

/* Whether the frame is a part of a block, which is never copied: its pin is a count. */
static bool is_part(const struct frame *f)
{
	struct slot_state s = meta_state(frame_slot(f));

	return s.count == SLOT_NONE || s.order != 0;
}

err_t frame_pin(struct frame *f)
{
	err_t err;

	if (is_part(f))
		return frame_page_get(f, 0);
	err = META_APPLY(frame_slot(f), slot_pin(old, &new)).err;
	if (err != OK && err != ERR_OVERFLOW)
		frame_misuse(frame_slot(f), err, "pin");
	return err;
}

void frame_unpin(struct frame *f)
{
	struct meta_slot *slot = frame_slot(f);
	struct meta_change c;

	if (is_part(f)) {
		frame_page_put(f, 1, 0);
		return;
	}
	c = META_APPLY(slot, slot_unpin(old, &new));
	if (c.err != OK)
		frame_misuse(slot, c.err, "unpin");
	if (c.after.count == SLOT_DYING)
		frame_drop(slot, c.after);
}

/* ---- divide ---- */

/* Reserve the block for this CPU.  False: it has smaller blocks already. */
static bool divide_begin(struct meta_slot *slot, unsigned order)
{
	for (;;) {
		struct meta_change c = META_APPLY(slot,
						  slot_divide_begin(old, (uint8_t)order, &new));

		if (c.err == OK)
			return true;
		if (c.before.order < order)
			return false;
		if (c.err != ERR_BUSY)
			frame_misuse(slot, c.err, "division");
		lock_wait_turn();
	}
}

/* The number of owners of each part from now on, as that of the whole has changed. */
static void adjust(struct meta_slot *slot, uint32_t frames, uint32_t step, uint32_t from,
		   uint32_t to)
{
	for (uint32_t i = step; i < frames; i += step) {
		/* an add: another CPU may have got a count of the part by its address */
		if (to > from)
			atomic_fetch_add_explicit(&slot[i].state, to - from, memory_order_relaxed);
		else
			atomic_fetch_sub_explicit(&slot[i].state, from - to, memory_order_relaxed);
	}
}

void frame_page_divide(struct frame *first, unsigned order, unsigned part)
{
	struct meta_slot *slot = frame_slot(first);
	uint32_t frames = UINT32_C(1) << order, step = UINT32_C(1) << part;
	struct slot_state s;
	uint32_t owners;

	if (!divide_begin(slot, order))
		return;
	s = meta_state(slot);
	owners = s.count;
	for (uint32_t i = step; i < frames; i += step)
		meta_set(slot + i, (struct slot_state){ owners, s.kind, (uint8_t)part, 0 });
	while (META_APPLY(slot, slot_divide_end(old, owners, (uint8_t)part, &new)).err != OK) {
		uint32_t now = meta_state(slot).count;

		adjust(slot, frames, step, owners, now);
		owners = now;
	}
}
