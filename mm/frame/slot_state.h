/* SPDX-License-Identifier: MIT */
/*
 * slot_state.h - the reference-count state machine of a frame, as pure transitions.
 *
 *                  hand_out / claim           get / put
 *   NONE or UNUSED ---------------> counted 1 <----> counted n
 *        ^                              |  ^
 *        |                              |  | share / unshare
 *        |                  UNIQUE <----|--'
 *        |                     |        | last put
 *        `---- finish <------ DYING <---'
 *
 *   NONE    no owner: free in the allocator, or memory that keel never owned
 *   UNUSED  released memory without an owner, not in the allocator; frame_from_unused() claims it
 *   DYING   the last owner has put it and its on_drop runs; no other access
 *   UNIQUE  one owner, which may change the metadata
 *
 * A transition takes the old state and returns the new one or an error; META_APPLY() of
 * mm/frame/meta.h applies it by one compare-and-swap loop, so the code that is proved and explored
 * here is the code that runs.
 *
 * Invariants:
 *   S1  count in 1 .. SLOT_COUNT_MAX, or one of the four named values, or in the guard band
 *       above SLOT_COUNT_MAX, which a racing increment may enter for a moment
 *   S2  kind is 0 exactly in NONE and UNUSED
 *   S3  a refused transition changes nothing
 *
 * The contracts are proved for every argument by `make prove T=slot_state`.
 */
#pragma once

#include "lib/err.h"
#include "lib/types.h"

#define SLOT_NONE      UINT32_C(0)
#define SLOT_COUNT_MAX UINT32_C(0x3fffffff)
#define SLOT_UNIQUE    UINT32_C(0x80000000)
#define SLOT_UNUSED    UINT32_C(0xa0000000)
#define SLOT_DYING     UINT32_C(0xc0000000)

/* `aux` of the head of a block while a CPU divides it (mm/frame/frame_page.h). */
#define SLOT_DIVIDING 1
/* `aux` of a frame that page-table leaves own: its pins. */
#define SLOT_PINS_MAX UINT16_MAX

/* Eight bytes, exchanged atomically as one word. */
struct slot_state {
	uint32_t count;
	uint8_t kind;  /* enum frame_kind */
	uint8_t order; /* of the block that this frame heads */
	uint16_t aux;  /* for use by the kind; of a page: its pins, or of a block SLOT_DIVIDING */
};

/*@ predicate counted(struct slot_state s) = 1 <= s.count <= SLOT_COUNT_MAX;
    predicate owned(struct slot_state s) = 1 <= s.count < SLOT_UNIQUE;
    predicate same_but_count(struct slot_state a, struct slot_state b) =
      a.kind == b.kind && a.order == b.order && a.aux == b.aux;
    predicate blank(struct slot_state s) = s.kind == 0 && s.order == 0 && s.aux == 0; */

/*@ assigns \nothing;
    ensures \result <==> counted(s); */
static inline bool slot_is_counted(struct slot_state s)
{
	return s.count >= 1 && s.count <= SLOT_COUNT_MAX;
}

/* The same, or in the guard band: an increment that will be taken back has met SLOT_COUNT_MAX. */
/*@ assigns \nothing;
    ensures \result <==> owned(s); */
static inline bool slot_is_owned(struct slot_state s)
{
	return s.count >= 1 && s.count < SLOT_UNIQUE;
}

/* The error for a frame in this state that cannot be claimed. */
/*@ assigns \nothing;
    ensures \result != OK; */
static inline err_t slot_refusal(struct slot_state s)
{
	if (s.count == SLOT_NONE)
		return ERR_NOT_OWNED;
	if (s.count == SLOT_UNIQUE)
		return ERR_UNIQUE;
	if (s.count == SLOT_DYING)
		return ERR_BUSY;
	return ERR_IN_USE;
}

/* NONE -> counted 1, by the allocator only. */
/*@ requires \valid(out); assigns *out;
    behavior done: assumes old.count == SLOT_NONE; ensures \result == OK &&
      out->count == 1 && out->kind == kind && out->order == order && out->aux == 0;
    behavior refused: assumes old.count != SLOT_NONE; assigns \nothing; ensures \result != OK;
    complete behaviors; disjoint behaviors; */
static inline err_t slot_hand_out(struct slot_state old, uint8_t kind, uint8_t order,
				  struct slot_state *out)
{
	if (old.count != SLOT_NONE)
		return slot_refusal(old);
	*out = (struct slot_state){ 1, kind, order, 0 };
	return OK;
}

/* NONE -> UNUSED: the user of memory that the allocator never owned releases it. */
/*@ requires \valid(out); assigns *out;
    behavior done: assumes old.count == SLOT_NONE; ensures \result == OK &&
      out->count == SLOT_UNUSED && blank(*out);
    behavior refused: assumes old.count != SLOT_NONE; assigns \nothing; ensures \result != OK;
    complete behaviors; disjoint behaviors; */
static inline err_t slot_release(struct slot_state old, struct slot_state *out)
{
	if (old.count != SLOT_NONE)
		return old.count == SLOT_UNUSED ? ERR_BUSY : slot_refusal(old);
	*out = (struct slot_state){ SLOT_UNUSED, 0, 0, 0 };
	return OK;
}

/* UNUSED -> counted 1. */
/*@ requires \valid(out); assigns *out;
    behavior done: assumes old.count == SLOT_UNUSED; ensures \result == OK &&
      out->count == 1 && out->kind == kind && out->order == 0 && out->aux == 0;
    behavior refused: assumes old.count != SLOT_UNUSED; assigns \nothing; ensures \result != OK;
    complete behaviors; disjoint behaviors; */
static inline err_t slot_claim(struct slot_state old, uint8_t kind, struct slot_state *out)
{
	if (old.count != SLOT_UNUSED)
		return slot_refusal(old);
	*out = (struct slot_state){ 1, kind, 0, 0 };
	return OK;
}

/* n -> n + 1. */
/*@ requires \valid(out); assigns *out;
    behavior done: assumes 1 <= old.count < SLOT_COUNT_MAX; ensures \result == OK &&
      out->count == old.count + 1 && same_but_count(*out, old);
    behavior refused: assumes !(1 <= old.count < SLOT_COUNT_MAX); assigns \nothing; ensures \result
   != OK; complete behaviors; disjoint behaviors; */
static inline err_t slot_get(struct slot_state old, struct slot_state *out)
{
	if (!slot_is_owned(old))
		return slot_refusal(old);
	if (old.count >= SLOT_COUNT_MAX)
		return ERR_OVERFLOW;
	*out = old;
	out->count = old.count + 1;
	return OK;
}

/* n -> n + more. */
/*@ requires \valid(out); assigns *out;
    behavior done: assumes counted(old) && more <= SLOT_COUNT_MAX - old.count;
      ensures \result == OK && out->count == old.count + more && same_but_count(*out, old);
    behavior refused: assumes !(counted(old) && more <= SLOT_COUNT_MAX - old.count);
      assigns \nothing; ensures \result != OK;
    complete behaviors; disjoint behaviors; */
static inline err_t slot_get_many(struct slot_state old, uint32_t more, struct slot_state *out)
{
	if (!slot_is_owned(old))
		return slot_refusal(old);
	if (old.count > SLOT_COUNT_MAX || more > SLOT_COUNT_MAX - old.count)
		return ERR_OVERFLOW;
	*out = old;
	out->count = old.count + more;
	return OK;
}

/* n -> n + 1, for a pin of a single frame. */
/*@ requires \valid(out); assigns *out;
    behavior done: assumes 1 <= old.count < SLOT_COUNT_MAX && old.order == 0 &&
	old.aux < SLOT_PINS_MAX;
      ensures \result == OK && out->count == old.count + 1 && out->kind == old.kind &&
	out->order == 0 && out->aux == old.aux + 1;
    behavior refused: assumes !(1 <= old.count < SLOT_COUNT_MAX && old.order == 0 &&
	old.aux < SLOT_PINS_MAX);
      assigns \nothing; ensures \result != OK;
    complete behaviors; disjoint behaviors; */
static inline err_t slot_pin(struct slot_state old, struct slot_state *out)
{
	if (!slot_is_owned(old))
		return slot_refusal(old);
	if (old.order != 0)
		return ERR_IN_USE;
	if (old.count >= SLOT_COUNT_MAX || old.aux >= SLOT_PINS_MAX)
		return ERR_OVERFLOW;
	*out = old;
	out->count = old.count + 1;
	out->aux = (uint16_t)(old.aux + 1);
	return OK;
}

/* n -> n - 1, for the end of a pin; the last put: 1 -> DYING. */
/*@ requires \valid(out); assigns *out;
    behavior done: assumes owned(old) && old.order == 0 && old.aux > 0;
      ensures \result == OK && out->aux == old.aux - 1 && out->kind == old.kind &&
	out->order == 0 &&
	out->count == (old.count == 1 ? SLOT_DYING : (uint32_t)(old.count - 1));
    behavior refused: assumes !(owned(old) && old.order == 0 && old.aux > 0);
      assigns \nothing; ensures \result != OK;
    complete behaviors; disjoint behaviors; */
static inline err_t slot_unpin(struct slot_state old, struct slot_state *out)
{
	if (!slot_is_owned(old))
		return slot_refusal(old);
	if (old.order != 0 || old.aux == 0)
		return ERR_IN_USE;
	*out = old;
	out->count = old.count == 1 ? SLOT_DYING : old.count - 1;
	out->aux = (uint16_t)(old.aux - 1);
	return OK;
}

/* n -> n - 1; the last put: 1 -> DYING. */
/*@ requires \valid(out); assigns *out;
    behavior one_less: assumes owned(old) && old.count > 1; ensures \result == OK &&
      out->count == old.count - 1 && same_but_count(*out, old);
    behavior last: assumes old.count == 1; ensures \result == OK &&
      out->count == SLOT_DYING && same_but_count(*out, old);
    behavior refused: assumes !owned(old); assigns \nothing; ensures \result != OK;
    complete behaviors; disjoint behaviors; */
static inline err_t slot_put(struct slot_state old, struct slot_state *out)
{
	if (!slot_is_owned(old))
		return slot_refusal(old);
	*out = old;
	out->count = old.count == 1 ? SLOT_DYING : old.count - 1;
	return OK;
}

/* DYING -> NONE: on_drop has returned, the frame is freed. */
/*@ requires \valid(out); assigns *out;
    behavior done: assumes old.count == SLOT_DYING; ensures \result == OK &&
      out->count == SLOT_NONE && blank(*out);
    behavior refused: assumes old.count != SLOT_DYING; assigns \nothing; ensures \result != OK;
    complete behaviors; disjoint behaviors; */
static inline err_t slot_finish(struct slot_state old, struct slot_state *out)
{
	if (old.count != SLOT_DYING)
		return slot_refusal(old);
	*out = (struct slot_state){ SLOT_NONE, 0, 0, 0 };
	return OK;
}

/* counted 1 -> UNIQUE. */
/*@ requires \valid(out); assigns *out;
    behavior done: assumes old.count == 1; ensures \result == OK &&
      out->count == SLOT_UNIQUE && same_but_count(*out, old);
    behavior refused: assumes old.count != 1; assigns \nothing; ensures \result != OK;
    complete behaviors; disjoint behaviors; */
static inline err_t slot_unshare(struct slot_state old, struct slot_state *out)
{
	if (!slot_is_counted(old))
		return slot_refusal(old);
	if (old.count != 1)
		return ERR_IN_USE;
	*out = old;
	out->count = SLOT_UNIQUE;
	return OK;
}

/* counted 1 -> counted 1, as the head of a block. */
/*@ requires \valid(out); assigns *out;
    behavior done: assumes old.count == 1 && old.order == 0; ensures \result == OK &&
      out->count == 1 && out->order == order && out->kind == old.kind && out->aux == old.aux;
    behavior refused: assumes !(old.count == 1 && old.order == 0); assigns \nothing;
      ensures \result != OK;
    complete behaviors; disjoint behaviors; */
static inline err_t slot_join(struct slot_state old, uint8_t order, struct slot_state *out)
{
	if (old.count != 1 || old.order != 0)
		return ERR_IN_USE;
	*out = old;
	out->order = order;
	return OK;
}

/* The head of a block -> a single frame; its count stays. */
/*@ requires \valid(out); assigns *out;
    behavior done: assumes counted(old) && old.aux == 0; ensures \result == OK &&
      out->count == old.count && out->order == 0 && out->kind == old.kind && out->aux == 0;
    behavior refused: assumes !(counted(old) && old.aux == 0); assigns \nothing;
      ensures \result != OK;
    complete behaviors; disjoint behaviors; */
static inline err_t slot_split(struct slot_state old, struct slot_state *out)
{
	if (!slot_is_counted(old))
		return slot_refusal(old);
	if (old.aux != 0)
		return ERR_BUSY;
	*out = old;
	out->order = 0;
	return OK;
}

/* The head of a block of `order` -> the same, reserved for the CPU that divides it. */
/*@ requires \valid(out); assigns *out;
    behavior done: assumes counted(old) && old.order == order && old.aux == 0;
      ensures \result == OK && out->count == old.count && out->order == order &&
      out->kind == old.kind && out->aux == SLOT_DIVIDING;
    behavior refused: assumes !(counted(old) && old.order == order && old.aux == 0);
      assigns \nothing; ensures \result != OK;
    complete behaviors; disjoint behaviors; */
static inline err_t slot_divide_begin(struct slot_state old, uint8_t order, struct slot_state *out)
{
	if (!slot_is_counted(old) || old.order != order)
		return ERR_IN_USE;
	if (old.aux != 0)
		return ERR_BUSY;
	*out = old;
	out->aux = SLOT_DIVIDING;
	return OK;
}

/* The head of a block that is being divided -> the head of a block of `order`, unless the number of
 * owners is not `count` any more. */
/*@ requires \valid(out); assigns *out;
    behavior done: assumes counted(old) && old.count == count && old.aux == SLOT_DIVIDING;
      ensures \result == OK && out->count == count && out->order == order &&
      out->kind == old.kind && out->aux == 0;
    behavior refused:
      assumes !(counted(old) && old.count == count && old.aux == SLOT_DIVIDING);
      assigns \nothing; ensures \result != OK;
    complete behaviors; disjoint behaviors; */
static inline err_t slot_divide_end(struct slot_state old, uint32_t count, uint8_t order,
				    struct slot_state *out)
{
	if (!slot_is_counted(old) || old.count != count || old.aux != SLOT_DIVIDING)
		return ERR_IN_USE;
	*out = old;
	out->order = order;
	out->aux = 0;
	return OK;
}

/* UNIQUE -> counted 1. */
/*@ requires \valid(out); assigns *out;
    behavior done: assumes old.count == SLOT_UNIQUE; ensures \result == OK &&
      out->count == 1 && same_but_count(*out, old);
    behavior refused: assumes old.count != SLOT_UNIQUE; assigns \nothing; ensures \result != OK;
    complete behaviors; disjoint behaviors; */
static inline err_t slot_share(struct slot_state old, struct slot_state *out)
{
	if (old.count != SLOT_UNIQUE)
		return old.count == SLOT_NONE ? ERR_NOT_OWNED : ERR_IN_USE;
	*out = old;
	out->count = 1;
	return OK;
}

/* UNIQUE -> DYING. */
/*@ requires \valid(out); assigns *out;
    behavior done: assumes old.count == SLOT_UNIQUE; ensures \result == OK &&
      out->count == SLOT_DYING && same_but_count(*out, old);
    behavior refused: assumes old.count != SLOT_UNIQUE; assigns \nothing; ensures \result != OK;
    complete behaviors; disjoint behaviors; */
static inline err_t slot_put_unique(struct slot_state old, struct slot_state *out)
{
	if (old.count != SLOT_UNIQUE)
		return old.count == SLOT_NONE ? ERR_NOT_OWNED : ERR_IN_USE;
	*out = old;
	out->count = SLOT_DYING;
	return OK;
}
