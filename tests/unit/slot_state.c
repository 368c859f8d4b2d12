/* SPDX-License-Identifier: MIT */
/* Tests of mm/frame/slot_state.h: every transition from each class of states. */
#include "mm/frame/slot_state.h"

#include "tests/test.h"

static const uint32_t counts[] = {
	SLOT_NONE,          1,           2,           SLOT_COUNT_MAX - 1, SLOT_COUNT_MAX,
	SLOT_COUNT_MAX + 1, SLOT_UNIQUE, SLOT_UNUSED, SLOT_DYING,         UINT32_MAX
};

static bool same(struct slot_state a, struct slot_state b)
{
	return a.count == b.count && a.kind == b.kind && a.order == b.order && a.aux == b.aux;
}

static bool counted(uint32_t c)
{
	return c >= 1 && c <= SLOT_COUNT_MAX;
}

/* Counted, or above the maximum for a moment. */
static bool owned(uint32_t c)
{
	return c >= 1 && c < SLOT_UNIQUE;
}

TEST(slot_transitions_match_the_state_diagram)
{
	for (unsigned i = 0; i < ARRAY_SIZE(counts); i++) {
		uint32_t c = counts[i];
		struct slot_state old = { c, 3, 2, 7 }, mark = { 99, 98, 97, 96 }, new = mark;

		CHECK_EQ(slot_hand_out(old, 5, 4, &new) == OK, c == SLOT_NONE);
		CHECK(c != SLOT_NONE ? same(new, mark) : new.count == 1 && new.kind == 5);
		new = mark;
		CHECK_EQ(slot_release(old, &new) == OK, c == SLOT_NONE);
		CHECK(c != SLOT_NONE ? same(new, mark) : new.count == SLOT_UNUSED &&new.kind == 0);
		new = mark;
		CHECK_EQ(slot_claim(old, 5, &new) == OK, c == SLOT_UNUSED);
		CHECK(c != SLOT_UNUSED ? same(new, mark) : new.count == 1 && new.kind == 5);
		new = mark;
		CHECK_EQ(slot_get(old, &new) == OK, counted(c) && c < SLOT_COUNT_MAX);
		CHECK(counted(c) && c < SLOT_COUNT_MAX ? new.count == c + 1 : same(new, mark));
		new = mark;
		CHECK_EQ(slot_get_many(old, 3, &new) == OK, counted(c) && c <= SLOT_COUNT_MAX - 3);
		CHECK(counted(c) && c <= SLOT_COUNT_MAX - 3 ? new.count == c + 3 : same(new, mark));
		new = mark;
		CHECK_EQ(slot_put(old, &new) == OK, owned(c));
		CHECK(owned(c) ? new.count == (c == 1 ? SLOT_DYING : c - 1) : same(new, mark));
		new = mark;
		CHECK_EQ(slot_finish(old, &new) == OK, c == SLOT_DYING);
		CHECK(c == SLOT_DYING ? new.count == SLOT_NONE &&new.kind == 0 : same(new, mark));
		new = mark;
		CHECK_EQ(slot_unshare(old, &new) == OK, c == 1);
		CHECK(c == 1 ? new.count == SLOT_UNIQUE &&new.kind == 3 : same(new, mark));
		new = mark;
		CHECK_EQ(slot_join(old, 9, &new), ERR_IN_USE); /* a block cannot join another one */
		CHECK(same(new, mark));
		old.order = 0;
		CHECK_EQ(slot_join(old, 9, &new) == OK, c == 1);
		CHECK(c == 1 ? new.count == 1 && new.order == 9 && new.kind == 3 && new.aux == 7
			     : same(new, mark));
		old.order = 2;
		new = mark;
		CHECK_EQ(slot_share(old, &new) == OK, c == SLOT_UNIQUE);
		CHECK(c == SLOT_UNIQUE ? new.count == 1 : same(new, mark));
		new = mark;
		CHECK_EQ(slot_put_unique(old, &new) == OK, c == SLOT_UNIQUE);
		CHECK(c == SLOT_UNIQUE ? new.count == SLOT_DYING : same(new, mark));
	}
}

TEST(slot_refusals_return_the_right_error)
{
	struct slot_state new;

	CHECK_EQ(slot_claim((struct slot_state){ SLOT_NONE, 0, 0, 0 }, 1, &new), ERR_NOT_OWNED);
	CHECK_EQ(slot_claim((struct slot_state){ 3, 1, 0, 0 }, 1, &new), ERR_IN_USE);
	CHECK_EQ(slot_claim((struct slot_state){ SLOT_UNIQUE, 1, 0, 0 }, 1, &new), ERR_UNIQUE);
	CHECK_EQ(slot_claim((struct slot_state){ SLOT_DYING, 1, 0, 0 }, 1, &new), ERR_BUSY);
	CHECK_EQ(slot_get((struct slot_state){ SLOT_COUNT_MAX, 1, 0, 0 }, &new), ERR_OVERFLOW);
}

/* A block is divided by one CPU at a time, and only with the number of owners that its parts got.
 */
TEST(slot_divides_a_block_once)
{
	struct slot_state old = { 2, 3, 9, 0 }, new = { 0 };

	CHECK_EQ(slot_divide_begin(old, 18, &new), ERR_IN_USE);
	CHECK_EQ(slot_divide_begin(old, 9, &new), OK);
	CHECK(new.count == 2 && new.order == 9 && new.kind == 3 && new.aux == SLOT_DIVIDING);
	old = new;
	CHECK_EQ(slot_divide_begin(old, 9, &new), ERR_BUSY);
	CHECK_EQ(slot_split(old, &new), ERR_BUSY);
	CHECK_EQ(slot_get(old, &new), OK);
	CHECK(new.count == 3 && new.aux == SLOT_DIVIDING);
	old = new;
	CHECK_EQ(slot_divide_end(old, 2, 0, &new), ERR_IN_USE);
	CHECK_EQ(slot_divide_end(old, 3, 0, &new), OK);
	CHECK(new.count == 3 && new.order == 0 && new.kind == 3 && new.aux == 0);
	CHECK_EQ(slot_divide_end(new, 3, 0, &old), ERR_IN_USE);
}
