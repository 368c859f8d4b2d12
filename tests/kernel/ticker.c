/* SPDX-License-Identifier: MIT */
#include "tests/kernel/ticker.h"

#include "kern/timer.h"

static struct timer timer;
static void (*tick)(void);
static uint64_t period;

static void run(void *arg)
{
	(void)arg;
	tick();
	timer_again(&timer, period);
}

void ticker_start(unsigned us, void (*fn)(void))
{
	tick = fn;
	period = us_to_ticks(us);
	timer_start(&timer, arch_ticks() + period, run, NULL);
}

void ticker_stop(void)
{
	(void)timer_cancel_wait(&timer); /* whether it was running does not matter */
}
