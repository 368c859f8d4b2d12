/* SPDX-License-Identifier: MIT */
/*
 * lock.c - kern/lock.h: mutual exclusion, FIFO order, interrupt handlers.
 *
 * Mutual exclusion is checked twice: by the model, and by the plain variable `guarded`, on which
 * there would be a race.
 */
#include "kern/lock.h"
#include "tests/explore/explore.h"

enum {
	TURNS = 2,
	WAITERS = 3,
};

LOCK_CLASS(class, "explored", RANK_ZONE);
static struct spinlock lock;
static unsigned guarded;
EXPLORE_MODEL static unsigned inside, entered;
/* [i][j]: times that task j entered while task i spun, since i last entered */
EXPLORE_MODEL static unsigned passed_by[WAITERS][WAITERS];

static bool is_free(void) __no_tsa
{
	return spin_try_lock(&lock);
}

static void setup(void)
{
	spin_init(&lock, &class);
}

static void enter(void)
{
	EXPLORE_CHECK(inside == 0);
	inside++;
	guarded++;
}

static void leave(void)
{
	entered++;
	inside--;
}

static void enter_and_leave(void)
{
	spin_lock(&lock);
	enter();
	leave();
	spin_unlock(&lock);
}

static void enter_irq(void)
{
	uintptr_t irq = spin_lock_irq(&lock);

	enter();
	leave();
	spin_unlock_irq(&lock, irq);
}

static void many_turns(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < TURNS; i++)
		enter_irq();
}

static void handler(void *arg)
{
	(void)arg;
	enter_and_leave();
}

static void two_check(void)
{
	EXPLORE_CHECK(entered == 2 * TURNS && guarded == 2 * TURNS);
	EXPLORE_CHECK(is_free());
}

static void handler_check(void)
{
	EXPLORE_CHECK(entered == 2 * TURNS + 1);
	EXPLORE_CHECK(is_free());
}

EXPLORE(lock_admits_one_at_a_time, .setup = setup, .check = two_check,
	.task = { { "a", many_turns, NULL, 0 }, { "b", many_turns, NULL, 1 } });
EXPLORE(lock_irq_form_is_safe_from_handlers, .setup = setup, .check = handler_check,
	.task = { { "a", many_turns, NULL, 0 },
		  { "b", many_turns, NULL, 1 },
		  { "handler", handler, NULL, 0, EXPLORE_INTERRUPT } });

/* ---- try ---- */

static void try_turns(void *arg) __no_tsa
{
	uintptr_t irq = arch_irq_save();

	(void)arg;
	for (unsigned i = 0; i < TURNS; i++)
		if (spin_try_lock(&lock)) {
			enter();
			leave();
			spin_unlock(&lock);
		}
	arch_irq_restore(irq);
}

static void try_check(void)
{
	EXPLORE_CHECK(entered >= TURNS && entered <= 2 * TURNS);
	EXPLORE_CHECK(is_free());
}

EXPLORE(lock_try_excludes_too, .setup = setup, .check = try_check,
	.task = { { "a", many_turns, NULL, 0 }, { "b", try_turns, NULL, 1 } });

/* ---- fairness: each other task overtakes a spinning one at most once ---- */

static void fair_turns(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;

	for (unsigned i = 0; i < TURNS; i++) {
		uintptr_t irq = spin_lock_irq(&lock);

		enter();
		for (unsigned other = 0; other < WAITERS; other++) {
			passed_by[me][other] = 0;
			if (other != me && explore_spins(other))
				EXPLORE_CHECK(++passed_by[other][me] <= 1);
		}
		leave();
		spin_unlock_irq(&lock, irq);
	}
}

EXPLORE(lock_is_fair, .setup = setup, .bound = 2,
	.task = { { "a", fair_turns, (void *)0, 0 },
		  { "b", fair_turns, (void *)1, 1 },
		  { "c", fair_turns, (void *)2, 2 } });
