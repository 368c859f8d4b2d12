/* SPDX-License-Identifier: MIT */
/*
 * timer.c - kern/timer.c: a handler runs once for each start that was not cancelled, and after
 * timer_cancel_wait() the timer and everything that its handler uses may be freed.
 *
 * Time does not advance: timers are either due at once or never.
 */
#include "kern/timer.h"

#include "kern/cpu.h"
#include "tests/explore/explore.h"

enum {
	CPUS = 2,
};
#define AT_ONCE UINT64_C(0)
#define NEVER   (UINT64_MAX / 2)

struct object {
	struct timer timer;
	_Atomic unsigned uses;
	unsigned value; /* accessed by the handler, then by the owner; so not atomic */
};

static struct object one, other;
EXPLORE_MODEL static bool gone;
EXPLORE_MODEL static unsigned runs, cancels;

static void use(struct object *o)
{
	EXPLORE_CHECK(!gone);
	o->value++;
	atomic_fetch_add_explicit(&o->uses, 1, memory_order_relaxed);
	EXPLORE_CHECK(!gone);
	o->value++;
}

static void handle(void *object)
{
	use(object);
	runs++;
}

static void handle_and_start(void *object)
{
	struct object *o = object;

	handle(o);
	timer_start(&o->timer, NEVER, handle, o);
}

static void setup_none(void)
{
	explore_machine(8192, CPUS);
	cpu_set_count(CPUS);
}

/* On CPU 0. */
static void setup_due(void)
{
	setup_none();
	timer_start(&one.timer, AT_ONCE, handle, &one);
}

static void setup_again(void)
{
	setup_none();
	timer_start(&one.timer, AT_ONCE, handle_and_start, &one);
}

static void setup_two(void)
{
	setup_due();
	timer_start(&other.timer, AT_ONCE, handle, &other);
}

static void check_whole(void)
{
	const char *wrong = timer_check();

	if (wrong != NULL)
		explore_fail("%s", wrong);
}

static void check_once(void)
{
	check_whole();
	EXPLORE_CHECK(runs + cancels == 1);
}

static void go_off(void *arg)
{
	uintptr_t irq = arch_irq_save();

	(void)arg;
	timer_interrupt();
	arch_irq_restore(irq);
}

static void cancel(void *arg)
{
	(void)arg;
	cancels += timer_cancel(&one.timer);
}

static void cancel_and_free(void *arg)
{
	(void)arg;
	cancels += timer_cancel_wait(&one.timer);
	gone = true;
	one.value = 0;
}

EXPLORE(timer_goes_off_while_it_is_cancelled, .setup = setup_due, .check = check_once,
	.task = { { "timer", go_off, NULL, 0 }, { "owner", cancel_and_free, NULL, 1 } });
EXPLORE(timer_is_cancelled_by_two, .setup = setup_due, .check = check_once,
	.task = { { "a", cancel, NULL, 0 }, { "b", cancel, NULL, 1 } });
EXPLORE(timer_starts_itself_while_it_is_cancelled, .setup = setup_again, .check = check_whole,
	.task = { { "timer", go_off, NULL, 0 }, { "owner", cancel_and_free, NULL, 1 } });

/* The owner now runs on another CPU. */
static void start_and_free(void *arg)
{
	timer_start(&one.timer, NEVER, handle, &one);
	cancel_and_free(arg);
}

static void check_moved(void)
{
	check_whole();
	EXPLORE_CHECK(cancels == 1 && runs <= 1);
}

EXPLORE(timer_is_started_elsewhere_while_it_goes_off, .setup = setup_due, .check = check_moved,
	.task = { { "timer", go_off, NULL, 0 }, { "owner", start_and_free, NULL, 1 } });

static void move_other(void *arg)
{
	(void)arg;
	timer_start(&other.timer, AT_ONCE, handle, &other);
	go_off(NULL);
}

static void check_both(void)
{
	check_whole();
	go_off(NULL);
	EXPLORE_CHECK(runs == 2 || runs == 3); /* the other's ran twice: it fired before */
}

EXPLORE(timer_neighbours_are_removed_together, .setup = setup_two, .check = check_both,
	.task = { { "timer", go_off, NULL, 0 }, { "move", move_other, NULL, 1 } });
