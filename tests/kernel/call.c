/* SPDX-License-Identifier: MIT */
/* Tests of kern/call.h on real CPUs: one that has interrupts off for a while, and CPUs that call
 * each other and shoot down translations meanwhile. */
#include "kern/call.h"

#include "kern/shootdown.h"
#include "lib/string.h"
#include "tests/kernel/crew.h"
#include "tests/test.h"

enum {
	CALLS = 100,
	ROUNDS = 300,
	STORM_CALLS = 16, /* of each CPU to each other one */
};

static _Atomic unsigned sent, done[CALLS], runs;
static _Atomic bool deaf, heard;
static struct call call[CALLS];
static unsigned kinds, refused;

static void record(void *number)
{
	done[(uintptr_t)number]++;
}

static void record_last(void *unused)
{
	(void)unused;
	heard = true;
}

static struct call last = CALL_INIT(record_last, NULL);

static bool one_cpu(void)
{
	if (cpu_count() == 1)
		test_skip("there is one CPU");
	return cpu_count() == 1;
}

/* The first CPU, with interrupts off too, posts calls to the last one, which has interrupts off
 * until all were posted. */
static void send_to_deaf(struct crew_member *me)
{
	unsigned other = cpu_count() - 1;
	uintptr_t irq = arch_irq_save();

	if (me->cpu == other) {
		deaf = true;
		while (sent < CALLS)
			arch_relax();
	}
	while (me->cpu == 0 && !deaf)
		arch_relax();
	for (unsigned i = 0; me->cpu == 0 && i < CALLS; i++) {
		refused += call_on_cpu(other, &call[i % kinds]) != OK;
		sent = i + 1;
	}
	arch_irq_restore(irq);
	if (me->cpu == 0)
		refused += call_on_cpu(other, &last) != OK;
	while (me->cpu == 0 && !heard)
		arch_relax();
	crew_meet();
}

static bool run_deaf(unsigned of_kinds)
{
	kinds = of_kinds;
	memset(done, 0, sizeof(done));
	sent = refused = 0;
	deaf = heard = false;
	for (unsigned i = 0; i < CALLS; i++)
		call[i] = (struct call)CALL_INIT(record, (void *)(uintptr_t)i);
	CHECK(crew_run(send_to_deaf));
	return refused == 0;
}

TEST(call_to_a_deaf_cpu_never_waits_and_none_is_lost)
{
	if (one_cpu())
		return;
	NEED(run_deaf(CALLS));
	for (unsigned i = 0; i < CALLS; i++)
		CHECK_EQ(done[i], 1);
}

TEST(call_that_is_posted_again_is_merged)
{
	if (one_cpu())
		return;
	NEED(run_deaf(1));
	CHECK_EQ(done[0], 1);
}

/* ---- every CPU calls every other with interrupts off, and shoots down between ---- */

static void count_run(void *unused)
{
	(void)unused;
	runs++;
}

static struct call storm[ARCH_MAX_CPUS][STORM_CALLS];

static void storm_once(struct crew_member *me)
{
	struct tlb_pages f;
	uintptr_t irq = arch_irq_save();

	tlb_pages_init(&f);
	tlb_pages_add(&f, (vaddr_t)&storm & -(vaddr_t)PT_PAGE_BYTES, 1);
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
		for (unsigned i = 0; cpu != me->cpu && i < STORM_CALLS; i++) {
			(void)call_on_cpu(cpu, &storm[cpu][i]);
			if (i == STORM_CALLS / 2)
				shootdown_run(&tlb_kernel_space, &f);
		}
	arch_irq_restore(irq);
}

static void storm_all(struct crew_member *me)
{
	for (unsigned round = 0; round < ROUNDS; round++)
		storm_once(me);
	crew_meet();
}

/* The kind of deadlock: a CPU that waits for room on another, which waits for its acknowledgement
 * or for room on the first. */
TEST(call_and_shootdown_of_cpus_that_call_each_other_end)
{
	if (one_cpu())
		return;
	runs = 0;
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
		for (unsigned i = 0; i < STORM_CALLS; i++)
			storm[cpu][i] = (struct call)CALL_INIT(count_run, NULL);
	CHECK(crew_run(storm_all));
	(void)call_on_cpus_wait(count_run, NULL); /* what was posted before has run */
	CHECK(runs >= STORM_CALLS * cpu_count() + cpu_count());
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
		for (unsigned i = 0; i < STORM_CALLS; i++)
			CHECK_EQ(storm[cpu][i].queued, 0);
	test_diag("%u runs", runs);
}

/* ---- waiting for all ---- */

static _Atomic unsigned on_cpu[ARCH_MAX_CPUS];

static void count_here(void *unused)
{
	(void)unused;
	on_cpu[arch_cpu_id()]++;
}

static void wait_for_all_many_times(struct crew_member *me)
{
	(void)me;
	for (unsigned i = 0; i < ROUNDS; i++)
		refused += call_on_cpus_wait(count_here, NULL) != cpu_count();
	crew_meet();
}

TEST(call_on_cpus_wait_runs_once_on_each_with_every_cpu_waiting)
{
	memset(on_cpu, 0, sizeof(on_cpu));
	refused = 0;
	CHECK(crew_run(wait_for_all_many_times));
	CHECK_EQ(refused, 0);
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
		CHECK_EQ(on_cpu[cpu], ROUNDS * cpu_count());
}
