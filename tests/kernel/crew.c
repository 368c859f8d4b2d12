/* SPDX-License-Identifier: MIT */
#include "tests/kernel/crew.h"

#include "lib/panic.h"
#include "kern/kthread.h"
#include "tests/test.h"

static struct crew_member members[ARCH_MAX_CPUS];
static struct thread *threads[ARCH_MAX_CPUS];
static void (*work)(struct crew_member *me);
static unsigned crew;
static _Atomic unsigned came;
static _Atomic int called;
enum {
	CALL_WAIT,
	CALL_WORK,
	CALL_LEAVE,
};

static void run_member(void *member)
{
	while (called == CALL_WAIT)
		arch_relax();
	if (called == CALL_WORK)
		work(member);
}

bool crew_run(void (*fn)(struct crew_member *me))
{
	unsigned made = 0;
	bool all;

	work = fn;
	crew = cpu_count();
	came = 0;
	called = CALL_WAIT;
	for (; made < crew; made++) {
		members[made] = (struct crew_member){ made, test_random() | 1 };
		if (kthread_create_on(made, "crew", run_member, &members[made], &threads[made]) !=
		    OK)
			break;
	}
	all = made == crew;
	called = all ? CALL_WORK : CALL_LEAVE;
	while (made > 0)
		kthread_join(threads[--made]);
	return all;
}

void crew_meet(void)
{
	unsigned turn = came++ / crew;

	while (came / crew == turn)
		arch_relax();
}

uint64_t crew_random_below(struct crew_member *me, uint64_t n)
{
	ASSERT(n > 0);
	return test_random_of(&me->random) % n;
}

void crew_spend_us(uint64_t us)
{
	uint64_t start = arch_ticks();

	while (arch_ticks() - start < us_to_ticks(us))
		arch_relax();
}
