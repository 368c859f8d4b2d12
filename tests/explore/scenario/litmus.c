/* SPDX-License-Identifier: MIT */
/*
 * litmus.c - tests of the explorer: behaviour that x86 allows is found, behaviour that it forbids
 * is not, and each kind of bug is found.  Names as in Alglave, Maranget, Tautschnig: Herding cats,
 * 2014.
 */
#include <stdatomic.h>

#include "kern/lock.h"
#include "lib/string.h"
#include "tests/explore/explore.h"

static _Atomic int x, y;
EXPLORE_MODEL static int r[4];

#define RELAXED memory_order_relaxed

static void reset(void)
{
	atomic_store_explicit(&x, 0, RELAXED);
	atomic_store_explicit(&y, 0, RELAXED);
}

/* ---- store buffering: both may read the old value, unless both have a fence ---- */

static void sb_x(void *arg)
{
	(void)arg;
	atomic_store_explicit(&x, 1, RELAXED);
	r[0] = atomic_load_explicit(&y, RELAXED);
}

static void sb_y(void *arg)
{
	(void)arg;
	atomic_store_explicit(&y, 1, RELAXED);
	r[1] = atomic_load_explicit(&x, RELAXED);
}

static void sb_x_fenced(void *arg)
{
	(void)arg;
	atomic_store_explicit(&x, 1, RELAXED);
	atomic_thread_fence(memory_order_seq_cst);
	r[0] = atomic_load_explicit(&y, RELAXED);
}

static void sb_y_exchanged(void *arg)
{
	(void)arg;
	atomic_exchange_explicit(&y, 1, memory_order_seq_cst);
	r[1] = atomic_load_explicit(&x, RELAXED);
}

static void sb_check(void)
{
	EXPLORE_CHECK(r[0] != 0 || r[1] != 0);
}

EXPLORE(litmus_store_buffers_are_seen, .setup = reset, .check = sb_check,
	.must_find = "r[0] != 0 || r[1] != 0",
	.task = { { "x", sb_x, NULL, 0 }, { "y", sb_y, NULL, 1 } });
EXPLORE(litmus_one_fence_is_not_enough, .setup = reset, .check = sb_check,
	.must_find = "r[0] != 0 || r[1] != 0",
	.task = { { "x", sb_x_fenced, NULL, 0 }, { "y", sb_y, NULL, 1 } });
EXPLORE(litmus_fences_empty_store_buffers, .setup = reset, .check = sb_check,
	.task = { { "x", sb_x_fenced, NULL, 0 }, { "y", sb_y_exchanged, NULL, 1 } });

/* ---- message passing: stores stay in order ---- */

static void mp_send(void *arg)
{
	(void)arg;
	atomic_store_explicit(&x, 1, RELAXED);
	atomic_store_explicit(&y, 1, RELAXED);
}

static void mp_receive(void *arg)
{
	(void)arg;
	r[0] = atomic_load_explicit(&y, RELAXED);
	r[1] = atomic_load_explicit(&x, RELAXED);
}

static void mp_check(void)
{
	EXPLORE_CHECK(!(r[0] == 1 && r[1] == 0));
}

static void mp_seen(void)
{
	EXPLORE_CHECK(!(r[0] == 0 && r[1] == 1));
}

EXPLORE(litmus_stores_stay_in_order, .setup = reset, .check = mp_check,
	.task = { { "send", mp_send, NULL, 0 }, { "receive", mp_receive, NULL, 1 } });
EXPLORE(litmus_a_store_may_be_seen_alone, .setup = reset, .check = mp_seen,
	.must_find = "r[0] == 0 && r[1] == 1",
	.task = { { "send", mp_send, NULL, 0 }, { "receive", mp_receive, NULL, 1 } });

/* ---- independent reads of independent writes: all see one order ---- */

static void iriw_x(void *arg)
{
	(void)arg;
	atomic_store_explicit(&x, 1, RELAXED);
}

static void iriw_y(void *arg)
{
	(void)arg;
	atomic_store_explicit(&y, 1, RELAXED);
}

static void iriw_read_xy(void *arg)
{
	(void)arg;
	r[0] = atomic_load_explicit(&x, RELAXED);
	r[1] = atomic_load_explicit(&y, RELAXED);
}

static void iriw_read_yx(void *arg)
{
	(void)arg;
	r[2] = atomic_load_explicit(&y, RELAXED);
	r[3] = atomic_load_explicit(&x, RELAXED);
}

static void iriw_check(void)
{
	EXPLORE_CHECK(!(r[0] == 1 && r[1] == 0 && r[2] == 1 && r[3] == 0));
}

EXPLORE(litmus_all_see_one_order_of_stores, .setup = reset, .check = iriw_check, .bound = 4,
	.task = { { "x", iriw_x, NULL, 0 },
		  { "y", iriw_y, NULL, 1 },
		  { "xy", iriw_read_xy, NULL, 2 },
		  { "yx", iriw_read_yx, NULL, 3 } });

/* ---- 2+2W: the last stores cannot both be the first ones ---- */

static void ww_xy(void *arg)
{
	(void)arg;
	atomic_store_explicit(&x, 1, RELAXED);
	atomic_store_explicit(&y, 2, RELAXED);
}

static void ww_yx(void *arg)
{
	(void)arg;
	atomic_store_explicit(&y, 1, RELAXED);
	atomic_store_explicit(&x, 2, RELAXED);
}

static void ww_check(void)
{
	EXPLORE_CHECK(!(x == 1 && y == 1));
}

static void ww_seen(void)
{
	EXPLORE_CHECK(!(x == 2 && y == 2));
}

EXPLORE(litmus_store_buffers_are_queues, .setup = reset, .check = ww_check,
	.task = { { "xy", ww_xy, NULL, 0 }, { "yx", ww_yx, NULL, 1 } });
EXPLORE(litmus_store_buffers_leave_in_turns, .setup = reset, .check = ww_seen,
	.must_find = "x == 2 && y == 2",
	.task = { { "xy", ww_xy, NULL, 0 }, { "yx", ww_yx, NULL, 1 } });

/* ---- a lost update needs one preemption ---- */

static void increment_badly(void *arg)
{
	(void)arg;
	atomic_store_explicit(&x, atomic_load_explicit(&x, RELAXED) + 1, RELAXED);
}

static void increment(void *arg)
{
	(void)arg;
	atomic_fetch_add_explicit(&x, 1, RELAXED);
}

static void three_check(void)
{
	EXPLORE_CHECK(x == 3);
}

EXPLORE(litmus_lost_update_is_found, .setup = reset, .check = three_check, .must_find = "x == 3",
	.task = { { "a", increment_badly, NULL, 0 },
		  { "b", increment_badly, NULL, 1 },
		  { "c", increment_badly, NULL, 2 } });
EXPLORE(litmus_no_update_is_lost, .setup = reset, .check = three_check,
	.task = { { "a", increment, NULL, 0 },
		  { "b", increment, NULL, 1 },
		  { "c", increment, NULL, 2 } });

/* ---- order: publishing without release is a race, though x86 keeps the stores in order ---- */

static int message;

static void publish(void *arg)
{
	message = 42;
	atomic_store_explicit(&x, 1, arg == NULL ? RELAXED : memory_order_release);
}

static void take(void *arg)
{
	(void)arg;
	if (atomic_load_explicit(&x, memory_order_acquire) == 1)
		EXPLORE_CHECK(message == 42);
}

EXPLORE(litmus_missing_release_is_a_race, .setup = reset, .must_find = "race on message",
	.task = { { "publish", publish, NULL, 0 }, { "take", take, NULL, 1 } });
EXPLORE(litmus_release_is_no_race, .setup = reset,
	.task = { { "publish", publish, &message, 0 }, { "take", take, NULL, 1 } });

/* ---- calls that write memory: seen as plain accesses, and undone before the next execution ----
 */

static char letter[16];

static void letter_reset(void)
{
	reset();
	memset(letter, 'a', sizeof(letter));
}

static void letter_fill(void *arg)
{
	(void)arg;
	EXPLORE_CHECK(letter[0] == 'a');
	memset(letter, 'b', sizeof(letter));
	sb_x(NULL);
}

static void letter_read(void *arg)
{
	(void)arg;
	sb_y(NULL);
	r[2] = letter[1];
}

static void letter_check(void)
{
	EXPLORE_CHECK(letter[0] == 'b');
}

EXPLORE(litmus_memset_is_undone, .setup = letter_reset, .check = letter_check,
	.task = { { "fill", letter_fill, NULL, 0 }, { "other", sb_y, NULL, 1 } });
EXPLORE(litmus_memset_without_order_is_a_race, .setup = letter_reset, .must_find = "race on letter",
	.task = { { "fill", letter_fill, NULL, 0 }, { "read", letter_read, NULL, 1 } });

/* ---- interrupts: the flag is a lock between a task and its CPU's handlers ---- */

static int private_count;

static void count_up(void *arg)
{
	uintptr_t irq = arg == NULL ? 0 : arch_irq_save();

	private_count++;
	arch_irq_restore(irq);
	increment(NULL);
}

static void count_in_handler(void *arg)
{
	(void)arg;
	private_count++;
}

EXPLORE(litmus_interrupts_race_with_code_that_leaves_them_on, .setup = reset,
	.must_find = "race on private_count",
	.task = { { "count", count_up, NULL, 0 },
		  { "handler", count_in_handler, NULL, 0, EXPLORE_INTERRUPT } });
EXPLORE(litmus_interrupts_wait_until_they_are_on, .setup = reset,
	.task = { { "count", count_up, &x, 0 },
		  { "handler", count_in_handler, NULL, 0, EXPLORE_INTERRUPT } });

/* ---- deadlocks: lock order inversion, and a handler that takes a lock which its CPU holds ---- */

LOCK_CLASS(class, "litmus", RANK_ZONE);
static struct spinlock a_lock, b_lock;

static void locks_init(void)
{
	spin_init(&a_lock, &class);
	spin_init(&b_lock, &class);
}

static void take_two(struct spinlock *first, struct spinlock *second) __no_tsa
{
	spin_lock(first);
	spin_lock(second);
	spin_unlock(second);
	spin_unlock(first);
}

static void take_ab(void *arg)
{
	(void)arg;
	take_two(&a_lock, &b_lock);
}

static void take_ba(void *arg)
{
	(void)arg;
	take_two(&b_lock, &a_lock);
}

EXPLORE(litmus_locks_in_both_orders_deadlock, .setup = locks_init, .must_find = "deadlock",
	.task = { { "ab", take_ab, NULL, 0 }, { "ba", take_ba, NULL, 1 } });
EXPLORE(litmus_handler_takes_the_lock_it_interrupted, .setup = locks_init, .must_find = "deadlock",
	.task = { { "ab", take_ab, NULL, 0 }, { "handler", take_ab, NULL, 0, EXPLORE_INTERRUPT } });
