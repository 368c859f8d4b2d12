/* SPDX-License-Identifier: MIT */
/* Tests of what one CPU asks of another that does not listen for a while. */
#include "lib/string.h"
#include "tests/kernel/crew.h"
#include "tests/test.h"

enum {
	REQUESTS = 100, /* more than there is room for */
	ROOM = 8,       /* less than that */
};

static _Atomic unsigned sent, done[REQUESTS];
static _Atomic bool deaf, heard;
static unsigned kinds, requests, until, refused;

static void record(void *number)
{
	done[(uintptr_t)number]++;
}

static void record_last(void *unused)
{
	(void)unused;
	heard = true;
}

/* Interrupts are off until so many requests were sent. */
static void hear_nothing(void)
{
	uintptr_t irq = arch_irq_save();

	deaf = true;
	while (sent < until)
		arch_relax();
	arch_irq_restore(irq);
}

/* The first CPU asks the last one, which hears nothing at first. */
static void ask_deaf(struct crew_member *me)
{
	unsigned other = cpu_count() - 1;

	if (me->cpu == other)
		hear_nothing();
	while (me->cpu == 0 && !deaf)
		arch_relax();
	for (unsigned i = 0; me->cpu == 0 && i < requests; i++) {
		refused += call_on_cpu(other, record, (void *)(uintptr_t)(i % kinds)) != OK;
		sent = i + 1;
	}
	/* requests are done in turn: all others were, when this one is */
	while (me->cpu == 0 && !heard) {
		refused += call_on_cpu(other, record_last, NULL) != OK;
		arch_relax();
	}
	crew_meet();
}

/* So many requests, of so many kinds; the last CPU is deaf until so many were sent. */
static bool run_deaf(unsigned count, unsigned of_kinds, unsigned until_sent)
{
	if (cpu_count() == 1) {
		test_skip("there is one CPU");
		return false;
	}
	kinds = of_kinds;
	requests = count;
	until = until_sent;
	memset(done, 0, sizeof(done));
	sent = refused = 0;
	deaf = heard = false;
	CHECK(crew_run(ask_deaf));
	CHECK_EQ(refused, 0);
	return true;
}

TEST(smp_requests_beyond_the_room_wait_and_none_is_dropped)
{
	if (!run_deaf(REQUESTS, REQUESTS, ROOM))
		return;
	for (unsigned i = 0; i < REQUESTS; i++)
		CHECK_EQ(done[i], 1);
}

TEST(smp_same_requests_to_a_deaf_cpu_become_one)
{
	/* few first: more would wait for room, and for ever, if they did not become one */
	if (!run_deaf(ROOM, 1, ROOM))
		return;
	NEED(done[0] == 1);
	if (run_deaf(REQUESTS, 1, REQUESTS))
		CHECK_EQ(done[0], 1);
}
