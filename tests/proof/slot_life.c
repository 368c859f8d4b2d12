/* SPDX-License-Identifier: MIT */
/*
 * Proof: the life of one frame under every sequence of legal calls of mm/frame/slot_state.h.  `owners`
 * counts the handles that live, `raws` the entries that hold one (into_raw): the count of the
 * frame is their sum at every step, never wraps, and a frame without owner has none.  (Targets 2 to 5,
 * sequential; the real callers differ by a compare-and-swap.)
 *
 * Seconds: 155
 * Only: hand_out release claim get get_in_use put put_unowned finish unshare share put_unique into_raw from_raw stranger_step owner_step any_life one_life
 * Options: -wp-no-filter
 */
#include "mm/frame/slot_state.h"

static struct slot_state frame;
static uint32_t owners, raws; /* handles; entries that hold a count */

/*@ predicate S1 = counted(frame) || frame.count == SLOT_NONE || frame.count == SLOT_UNUSED ||
      frame.count == SLOT_DYING || frame.count == SLOT_UNIQUE;
    predicate S2 = frame.kind == 0 <==> (frame.count == SLOT_NONE || frame.count == SLOT_UNUSED);
    predicate F1 =
      counted(frame) ? frame.count == owners + raws :
      frame.count == SLOT_UNIQUE ? owners == 1 && raws == 0 : owners == 0 && raws == 0;
    predicate life = S1 && S2 && F1;
    predicate unchanged{A,B} = \at(frame,A) == \at(frame,B) && \at(owners,A) == \at(owners,B); */

/*@ requires life && kind != 0; assigns frame, owners; ensures life;
    ensures \result == OK <==> \old(frame.count) == SLOT_NONE;
    ensures \result == OK ==> owners == 1 && frame.count == 1 && frame.kind == kind;
    ensures \result != OK ==> unchanged{Pre,Post}; */
static err_t hand_out(uint8_t kind, uint8_t order)
{
	struct slot_state new = frame;
	err_t err = slot_hand_out(frame, kind, order, &new);

	if (err == OK) {
		frame = new;
		owners = 1;
	}
	return err;
}

/*@ requires life; assigns frame, owners; ensures life;
    ensures \result == OK <==> \old(frame.count) == SLOT_NONE;
    ensures \result == OK ==> owners == 0 && frame.count == SLOT_UNUSED;
    ensures \result != OK ==> unchanged{Pre,Post}; */
static err_t release(void)
{
	struct slot_state new = frame;
	err_t err = slot_release(frame, &new);

	if (err == OK)
		frame = new;
	return err;
}

/*@ requires life && kind != 0; assigns frame, owners; ensures life;
    ensures \result == OK <==> \old(frame.count) == SLOT_UNUSED;
    ensures \result == OK ==> owners == 1 && frame.count == 1 && frame.kind == kind;
    ensures \result != OK ==> unchanged{Pre,Post}; */
static err_t claim(uint8_t kind)
{
	struct slot_state new = frame;
	err_t err = slot_claim(frame, kind, &new);

	if (err == OK) {
		frame = new;
		owners = 1;
	}
	return err;
}

/*@ requires life && counted(frame) && owners > 0; assigns frame, owners; ensures life;
    ensures \result == OK <==> \old(frame.count) < SLOT_COUNT_MAX;
    ensures \result == OK ==> owners == \old(owners) + 1 && frame.kind == \old(frame.kind);
    ensures \result != OK ==> unchanged{Pre,Post}; */
static err_t get(void)
{
	struct slot_state new = frame;
	err_t err = slot_get(frame, &new);

	if (err == OK) {
		frame = new;
		owners++;
	}
	return err;
}

/* From in_use: by a caller that owns nothing. */
/*@ requires life; assigns frame, owners; ensures life;
    ensures \result == OK <==> 1 <= \old(frame.count) < SLOT_COUNT_MAX;
    ensures \result == OK ==> owners == \old(owners) + 1 && frame.kind == \old(frame.kind);
    ensures \result != OK ==> unchanged{Pre,Post}; */
static err_t get_in_use(void)
{
	struct slot_state new = frame;
	err_t err = slot_get(frame, &new);

	if (err == OK) {
		frame = new;
		owners++;
	}
	return err;
}

/*@ requires life && counted(frame) && owners > 0; assigns frame, owners; ensures life;
    ensures \result == OK && owners == \old(owners) - 1 && frame.kind == \old(frame.kind);
    ensures frame.count == SLOT_DYING <==> \old(owners + raws) == 1; */
static err_t put(void)
{
	struct slot_state new = frame;
	err_t err = slot_put(frame, &new);

	if (err == OK) {
		frame = new;
		owners--;
	}
	return err;
}

/* A put too many, or of a frame that is not counted: nothing happens. */
/*@ requires life && !counted(frame); assigns frame, owners; ensures life;
    ensures \result != OK && unchanged{Pre,Post}; */
static err_t put_unowned(void)
{
	struct slot_state new = frame;
	err_t err = slot_put(frame, &new);

	if (err == OK)
		frame = new;
	return err;
}

/*@ requires life; assigns frame, owners; ensures life;
    ensures \result == OK <==> \old(frame.count) == SLOT_DYING;
    ensures \result == OK ==> frame.count == SLOT_NONE && frame.kind == 0 && owners == 0;
    ensures \result != OK ==> unchanged{Pre,Post}; */
static err_t finish(void)
{
	struct slot_state new = frame;
	err_t err = slot_finish(frame, &new);

	if (err == OK)
		frame = new;
	return err;
}

/*@ requires life && counted(frame) && owners > 0; assigns frame, owners; ensures life;
    ensures \result == OK <==> \old(owners + raws) == 1;
    ensures \result == OK ==> frame.count == SLOT_UNIQUE && owners == 1;
    ensures \result != OK ==> unchanged{Pre,Post}; */
static err_t unshare(void)
{
	struct slot_state new = frame;
	err_t err = slot_unshare(frame, &new);

	if (err == OK)
		frame = new;
	return err;
}

/*@ requires life && frame.count == SLOT_UNIQUE; assigns frame, owners; ensures life;
    ensures \result == OK && frame.count == 1 && owners == 1; */
static err_t share(void)
{
	struct slot_state new = frame;
	err_t err = slot_share(frame, &new);

	if (err == OK)
		frame = new;
	return err;
}

/*@ requires life && frame.count == SLOT_UNIQUE; assigns frame, owners; ensures life;
    ensures \result == OK && frame.count == SLOT_DYING && owners == 0; */
static err_t put_unique(void)
{
	struct slot_state new = frame;
	err_t err = slot_put_unique(frame, &new);

	if (err == OK) {
		frame = new;
		owners = 0;
	}
	return err;
}

/* into_raw and from_raw leave the state alone: only the owner changes. */
/*@ requires life && counted(frame) && owners > 0; assigns owners, raws; ensures life;
    ensures owners == \old(owners) - 1 && raws == \old(raws) + 1; */
static void into_raw(void)
{
	owners--;
	raws++;
}

/*@ requires life && counted(frame) && raws > 0; assigns owners, raws; ensures life;
    ensures owners == \old(owners) + 1 && raws == \old(raws) - 1; */
static void from_raw(void)
{
	raws--;
	owners++;
}

/*@ assigns \nothing; */
int any(void);

/*@ requires life; assigns frame, owners, raws; ensures life; */
static void stranger_step(void)
{
	switch (any()) {
	case 0: (void)hand_out(1, 0); break;
	case 1: (void)release(); break;
	case 2: (void)claim(1); break;
	case 3: (void)get_in_use(); break;
	default: (void)finish(); break;
	}
}

/*@ requires life && counted(frame) && owners > 0; assigns frame, owners, raws; ensures life; */
static void owner_step(void)
{
	switch (any()) {
	case 0: (void)get(); break;
	case 1: (void)put(); break;
	case 2: (void)unshare(); break;
	default: into_raw(); break;
	}
}

/* Whatever callers that keep to the rules do: no caller puts a reference that it does not hold. */
/*@ requires life; assigns frame, owners, raws; ensures life; */
void any_life(void)
{
	/*@ loop invariant life; loop assigns frame, owners, raws; */
	while (any()) {
		if (slot_is_counted(frame) && owners > 0 && any())
			owner_step();
		else if (slot_is_counted(frame) && raws > 0 && any())
			from_raw();
		else if (frame.count == SLOT_UNIQUE && any())
			(void)share();
		else if (frame.count == SLOT_UNIQUE && any())
			(void)put_unique();
		else if (!slot_is_counted(frame) && any())
			(void)put_unowned();
		else
			stranger_step();
	}
}

/* One whole life, and nothing is left of it. */
/*@ requires life && frame.count == SLOT_NONE; assigns frame, owners, raws; ensures life;
    ensures frame.count == SLOT_NONE && owners == 0 && raws == 0; */
void one_life(void)
{
	err_t err = hand_out(1, 0);

	err = get();
	into_raw();
	/*@ assert two_owners: frame.count == 2 && owners == 1 && raws == 1; */
	err = unshare();
	/*@ assert refused: err != OK && frame.count == 2; */
	err = put();
	from_raw();
	err = unshare();
	/*@ assert sole: err == OK; */
	err = share();
	err = put();
	/*@ assert dying: frame.count == SLOT_DYING; */
	err = get_in_use();
	/*@ assert gone: err != OK; */
	err = finish();
	/*@ assert over: err == OK; */
	err = release();
	err = claim(1);
	/*@ assert claimed: err == OK && frame.count == 1 && owners == 1; */
	err = claim(1);
	/*@ assert one_winner: err != OK; */
	err = put();
	err = finish();
}
