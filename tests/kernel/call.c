/* SPDX-License-Identifier: MIT */
/* Tests of call_on_cpu() to a CPU that has interrupts off for a while. */
#include "lib/string.h"
#include "tests/kernel/crew.h"
#include "tests/test.h"

enum {
	REQUESTS = 100, /* more than the queue holds */
	ROOM = 8,       /* fewer than the queue holds */
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

/* Keeps interrupts off until `until_sent` requests were sent. */
static void keep_interrupts_off(void)
{
	uintptr_t irq = arch_irq_save();

	deaf = true;
	while (sent < until)
		arch_relax();
	arch_irq_restore(irq);
}

/* The first CPU sends requests to the last one, which has interrupts off at first. */
static void send_to_deaf(struct crew_member *me)
{
	unsigned other = cpu_count() - 1;

	if (me->cpu == other)
		keep_interrupts_off();
	while (me->cpu == 0 && !deaf)
		arch_relax();
	for (unsigned i = 0; me->cpu == 0 && i < requests; i++) {
		refused += call_on_cpu(other, record, (void *)(uintptr_t)(i % kinds)) != OK;
		sent = i + 1;
	}
	/* requests run in order: when this one has run, all others have */
	while (me->cpu == 0 && !heard) {
		refused += call_on_cpu(other, record_last, NULL) != OK;
		arch_relax();
	}
	crew_meet();
}

/* Sends `count` requests of `of_kinds` kinds; the last CPU has interrupts off until `until_sent`
 * were sent. */
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
	CHECK(crew_run(send_to_deaf));
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

TEST(smp_same_requests_to_a_deaf_cpu_are_merged)
{
	/* few first: more would wait for room for ever if they were not merged */
	if (!run_deaf(ROOM, 1, ROOM))
		return;
	NEED(done[0] == 1);
	if (run_deaf(REQUESTS, 1, REQUESTS))
		CHECK_EQ(done[0], 1);
}
