/* SPDX-License-Identifier: MIT */
/*
 * count.c - mm/frame/slot_state.h and mm/frame/frame.h: reference counts and owners.
 *
 * The model counts owners: one more after a call has returned a handle, one less before a handle is
 * consumed.  At every such point the count of the slot is at least that (F1); on_drop runs once,
 * when the frame has no owner (F3); in the end the frame is free again (F4).
 */
#include "mm/frame/frame_page.h"
#include "tests/explore/explore.h"

static struct frame *frame;
static paddr_t where;
EXPLORE_MODEL static unsigned owners, drops, claims;

/* The state in memory, common to all CPUs. */
EXPLORE_UNSEEN static struct slot_state state_now(void)
{
	union slot_word w = { .word = frame_slot(frame)->state };

	return w.state;
}

static void check_owners(void)
{
	struct slot_state s = state_now();

	EXPLORE_CHECK(owners == 0 || (slot_is_counted(s) && s.count >= owners) ||
		      (s.count == SLOT_UNIQUE && owners == 1));
}

static void one_more(void)
{
	owners++;
	check_owners();
}

static void one_less(void)
{
	check_owners();
	owners--;
}

static void count_drop(struct meta_slot *slot, pfn_t pfn)
{
	EXPLORE_CHECK(slot == frame_slot(frame) && pfn == frame_pfn(frame));
	EXPLORE_CHECK(owners == 0 && state_now().count == SLOT_DYING);
	drops++;
}

static void setup(unsigned count)
{
	explore_machine(8192, 3);
	frame_set_on_drop(FRAME_TEST, count_drop);
	explore_machine_mark();
	frame = frame_alloc(FRAME_TEST);
	where = frame_paddr(frame);
	for (owners = 1; owners < count; owners++)
		(void)frame_get(frame);
}

static void setup_one(void)
{
	setup(1);
}

static void setup_two(void)
{
	setup(2);
}

static void check_dropped(void)
{
	EXPLORE_CHECK(owners == 0 && drops == 1);
	explore_machine_check();
}

static void put(void *arg)
{
	(void)arg;
	one_less();
	frame_put(frame);
}

static void get_put_put(void *arg)
{
	(void)frame_get(frame);
	one_more();
	put(arg);
	put(arg);
}

/* Gets the frame by its address, without owning a count. */
static void find_and_put(void *arg)
{
	err_t why;

	if (frame_from_in_use(where, &why) == NULL) {
		EXPLORE_CHECK(why == ERR_NOT_OWNED || why == ERR_BUSY || why == ERR_UNIQUE);
		return;
	}
	one_more();
	put(arg);
}

static void unshare_and_put(void *arg)
{
	struct unique_frame *u;
	err_t why;

	check_owners();
	u = frame_try_unique(frame, &why);
	if (u == NULL) {
		EXPLORE_CHECK(why == ERR_IN_USE);
		put(arg);
		return;
	}
	EXPLORE_CHECK(owners == 1);
	owners--;
	frame_put_unique(u);
}

static void unshare_share_and_put(void *arg)
{
	struct unique_frame *u;
	err_t why;

	u = frame_try_unique(frame, &why);
	if (u != NULL) {
		EXPLORE_CHECK(owners == 1);
		EXPLORE_CHECK(frame_share(u) == frame);
	}
	put(arg);
}

EXPLORE(count_two_puts_free_once, .setup = setup_two, .check = check_dropped,
	.task = { { "put", put, NULL, 0 }, { "put", put, NULL, 1 } });
EXPLORE(count_gets_and_puts_balance, .setup = setup_two, .check = check_dropped,
	.task = { { "get", get_put_put, NULL, 0 }, { "put", get_put_put, NULL, 1 } });
EXPLORE(count_from_in_use_races_with_the_last_put, .setup = setup_one, .check = check_dropped,
	.task = { { "put", put, NULL, 0 },
		  { "find", find_and_put, NULL, 1 },
		  { "find", find_and_put, NULL, 2 } });
EXPLORE(count_unique_is_alone, .setup = setup_two, .check = check_dropped,
	.task = { { "unshare", unshare_and_put, NULL, 0 },
		  { "put", put, NULL, 1 },
		  { "find", find_and_put, NULL, 2 } });
EXPLORE(count_unshare_and_share, .setup = setup_one, .check = check_dropped,
	.task = { { "unshare", unshare_share_and_put, NULL, 0 },
		  { "find", find_and_put, NULL, 1 },
		  { "find", find_and_put, NULL, 0, EXPLORE_INTERRUPT } });

/* ---- claims of unused memory: one wins ---- */

static void setup_unused(void)
{
	explore_machine(8192, 3);
	frame_set_on_drop(FRAME_TEST, NULL);
	frame = frame_of_slot(meta_slot_of(1));
	where = frame_paddr(frame);
	owners = 0;
	if (frame_release_range((struct prange){ where, PAGE_SIZE }) != OK)
		explore_fail("frame 1 cannot be released");
}

static void claim(void *arg)
{
	err_t why;

	(void)arg;
	if (frame_from_unused(where, FRAME_TEST, &why) == NULL) {
		EXPLORE_CHECK(why == ERR_IN_USE);
		return;
	}
	claims++;
	one_more();
	EXPLORE_CHECK(owners == 1);
}

static void check_claimed_once(void)
{
	EXPLORE_CHECK(claims == 1 && frame_count(frame) == 1);
	EXPLORE_CHECK(frame_kind_of(frame) == FRAME_TEST);
}

EXPLORE(count_unused_memory_is_claimed_once, .setup = setup_unused, .check = check_claimed_once,
	.task = { { "claim", claim, NULL, 0 },
		  { "claim", claim, NULL, 1 },
		  { "claim", claim, NULL, 1, EXPLORE_INTERRUPT } });

/* ---- blocks: every owner is a leaf of a page table, but for one that comes with an address ----
 */

enum {
	BLOCK_ORDER = 1,
	BLOCK_FRAMES = 1 << BLOCK_ORDER,
};
EXPLORE_MODEL static unsigned frames_dropped;

static void count_frames(struct meta_slot *slot, pfn_t pfn)
{
	union slot_word w = { .word = slot->state };

	(void)pfn;
	EXPLORE_CHECK(w.state.count == SLOT_DYING);
	frames_dropped += 1u << w.state.order;
}

static void setup_block(unsigned count)
{
	explore_machine(8192, 3);
	frame_set_on_drop(FRAME_TEST, count_frames);
	explore_machine_mark();
	frame = frame_alloc_block(FRAME_TEST, BLOCK_ORDER);
	where = frame_paddr(frame);
	frames_dropped = 0;
	while (--count > 0)
		(void)frame_get(frame);
}

static void setup_block_of_one(void)
{
	setup_block(1);
}

static void setup_block_of_two(void)
{
	setup_block(2);
}

static void check_block_dropped(void)
{
	EXPLORE_CHECK(frames_dropped == BLOCK_FRAMES);
	explore_machine_check();
}

static void split_and_put_each(void *arg)
{
	(void)arg;
	EXPLORE_CHECK(frame_split(frame) == BLOCK_FRAMES);
	for (unsigned i = 0; i < BLOCK_FRAMES; i++)
		frame_put(frame_of_slot(frame_slot(frame) + i));
}

static void find_and_put_it(void *arg)
{
	err_t why;

	(void)arg;
	if (frame_from_in_use(where, &why) != NULL)
		frame_put(frame);
}

static void divide_and_put(void *arg)
{
	(void)arg;
	frame_page_divide(frame, BLOCK_ORDER, 0);
	EXPLORE_CHECK(meta_state(frame_slot(frame)).order == 0);
	frame_page_put(frame, 1, BLOCK_ORDER);
}

static void get_page_put_put(void *arg)
{
	(void)arg;
	EXPLORE_CHECK(frame_page_get(frame, BLOCK_ORDER) == OK);
	frame_page_put(frame, 1, BLOCK_ORDER);
	frame_page_put(frame, 1, BLOCK_ORDER);
}

EXPLORE(count_split_beside_a_get_by_address, .setup = setup_block_of_one,
	.check = explore_machine_check,
	.task = { { "split", split_and_put_each, NULL, 0 }, { "find", find_and_put_it, NULL, 1 } });
EXPLORE(count_divide_beside_a_get_and_puts, .setup = setup_block_of_two,
	.check = check_block_dropped,
	.task = { { "divide", divide_and_put, NULL, 0 }, { "get", get_page_put_put, NULL, 1 } });
EXPLORE(count_divide_on_two_cpus, .setup = setup_block_of_two, .check = check_block_dropped,
	.task = { { "divide", divide_and_put, NULL, 0 }, { "divide", divide_and_put, NULL, 1 } });
