/* SPDX-License-Identifier: MIT */
/*
 * frame_page.h - the counts that a page-table leaf owns: those of a page of 2^order frames.
 *
 * A leaf owns one count of each block or frame that its page consists of.  That is one block of the
 * page's size when it is mapped.  When a part of the page gets an owner of its own, it becomes
 * smaller blocks, in one of two ways:
 *
 *   divided   memory that leaves alone own: the block becomes 512 blocks, each with the count of
 *             the whole.  Every leaf that maps the whole page now owns one count of each, without
 *             being told.  A part that its last owner gives up is freed, and the only owner of a
 *             part is recognised by its count.
 *   in parts  memory that others hold handles of: the block stays.  The leaf of each part owns a
 *             count of the block.
 *
 *      order 9, count 2      ---- divided ---->   order 0, count 2   order 0, count 2   ...
 *      (two large leaves)                         (512 small leaves, and one large one)
 *
 * Invariants:
 *   P1  the blocks of a page are of its order or smaller, unless its leaf is one of a part
 *   P2  a block is divided by one CPU at a time; meanwhile counts change as ever, and the number of
 *       owners of each part follows that of the whole
 *
 * Any context; no lock.  frame_page_divide() waits for another CPU that divides the same block: 512
 * stores, more for each count that changes meanwhile.
 */
#pragma once

#include "mm/frame/frame.h"

/* Adds an owner of the page of 2^order frames from `first` on, of which the caller is one.
 * ERR_OVERFLOW: a frame has SLOT_COUNT_MAX owners; nothing is changed. */
err_t frame_page_get(struct frame *first, unsigned order);

/* Removes an owner of each of n contiguous pages; frames that lose their last count are freed in
 * runs. */
void frame_page_put(struct frame *first, uint32_t n, unsigned order) __takes(1);

/* Whether the caller, an owner of the page, is the only one but for pins.  False for a page that
 * was divided. */
static inline bool frame_page_is_sole(const struct frame *first, unsigned order)
{
	struct slot_state s = meta_state(frame_slot(first));

	return s.count == (order == 0 ? s.aux : 0u) + 1 && s.order == order;
}

/* Pin a frame, or a part of a block that is mapped in parts: a device uses it, so it stays behind
 * the entry that leads to it, until frame_unpin().  A pin keeps the frame like a count, but is no
 * owner: who is the only other one may write to it.  ERR_OVERFLOW: SLOT_PINS_MAX pins, or
 * SLOT_COUNT_MAX owners.  The caller ensures that the frame has an owner meanwhile. */
err_t frame_pin(struct frame *f);
void frame_unpin(struct frame *f);

static inline bool frame_is_pinned(const struct frame *f)
{
	struct slot_state s = meta_state(frame_slot(f));

	return s.order == 0 && s.aux != 0;
}

/* Whether the page that begins at this frame has an owner, as far as its first frame tells. */
bool frame_page_is_owned(const struct meta_slot *slot);

/* The caller is an owner of the page: it consists of blocks of 2^part frames, or smaller ones,
 * afterwards.  Only for pages of which no handle exists. */
void frame_page_divide(struct frame *first, unsigned order, unsigned part);

/* Adds `more` owners, leaves of parts, to the block that the page at `first` is or is a part of.
 * ERR_OVERFLOW: nothing is changed. */
err_t frame_page_get_parts(struct frame *first, uint32_t more);
