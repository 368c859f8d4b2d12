/* SPDX-License-Identifier: MIT */
/* Tests of threads on the real machine: its timer, its interrupts, its stacks. */
#include "arch/x86_64/backtrace.h"
#include "lib/string.h"
#include "lib/symbols.h"
#include "mm/kspace/kspace.h"
#include "kern/kthread.h"
#include "tests/machine.h"
#include "tests/test.h"

enum {
	SLEEP_MS = 3,
	SLEEPERS = 20,
	LIVES = 400,
	BATCH = 16,
	DETACHED = 100,
	PINS = 200,
};

/* ---- time ---- */

static _Atomic bool released;
static _Atomic unsigned turns;

static void never_yields(void *unused)
{
	(void)unused;
	while (!released)
		turns++;
}

static void release(void *unused)
{
	(void)unused;
	released = true;
}

TEST(thread_kernel_preempts_one_that_never_yields)
{
	struct thread *greedy, *other;

	released = false;
	turns = 0;
	NEED(kthread_create_on(0, "greedy", never_yields, NULL, &greedy) == OK);
	NEED(kthread_create_on(0, "other", release, NULL, &other) == OK);
	kthread_join(greedy);
	kthread_join(other);
	CHECK(released && turns > 0);
}

static void sleep_a_little(void *slept)
{
	uint64_t start = arch_ticks();

	thread_sleep(SLEEP_MS);
	*(uint64_t *)slept = arch_ticks() - start;
}

TEST(thread_kernel_sleeps_at_least_so_long)
{
	struct thread *t[SLEEPERS];
	uint64_t slept[SLEEPERS];

	for (unsigned i = 0; i < SLEEPERS; i++)
		NEED(kthread_create("sleeper", sleep_a_little, &slept[i], &t[i]) == OK);
	for (unsigned i = 0; i < SLEEPERS; i++) {
		kthread_join(t[i]);
		CHECK(slept[i] >= SLEEP_MS * arch_ticks_per_ms());
	}
}

/* ---- registers and stacks ---- */

/* The thread may be preempted in any of these iterations; the sums are kept in registers. */
static void sum_up(void *sum)
{
	uint64_t a = 1, b = 2, c = 3, d = 4, e = 5;

	for (unsigned i = 0; !released; i++)
		__asm__ volatile("inc %0; inc %1; inc %2; inc %3; inc %4"
				 : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e));
	*(uint64_t *)sum = (b - a) | (c - b) << 8 | (d - c) << 16 | (e - d) << 24;
}

TEST(thread_kernel_registers_survive_preemption)
{
	struct thread *t[SLEEPERS];
	uint64_t sum[SLEEPERS];

	released = false;
	for (unsigned i = 0; i < SLEEPERS; i++)
		NEED(kthread_create_on(0, "sum", sum_up, &sum[i], &t[i]) == OK);
	thread_sleep(100);
	released = true;
	for (unsigned i = 0; i < SLEEPERS; i++) {
		kthread_join(t[i]);
		CHECK_EQ(sum[i], 0x01010101);
	}
}

static struct backtrace trace;

static void recall(void *unused)
{
	(void)unused;
	backtrace_here(&trace);
}

TEST(thread_kernel_backtrace_ends_at_the_bottom_of_the_stack)
{
	struct thread *t;
	char name[SYMBOL_TEXT_BYTES];

	NEED(kthread_create("recalls", recall, NULL, &t) == OK);
	kthread_join(t);
	CHECK_EQ(trace.end, BACKTRACE_WHOLE);
	NEED(trace.count > 0);
	symbols_format_return(trace.at[trace.count - 1], name, sizeof(name));
	CHECK(str_glob("thread_first*", name));
}

TEST(thread_kernel_stack_has_a_guard_page)
{
	struct thread *t;
	uint64_t value;
	char text[80];

	NEED(kthread_create("guarded", release, NULL, &t) == OK);
	CHECK_EQ(arch_probe_read64((vaddr_t)t->stack - sizeof(value), &value), ERR_BAD_RANGE);
	kspace_describe((vaddr_t)t->stack - 1, text, sizeof(text));
	CHECK(str_glob("guard page below a stack of * pages of *", text));
	kthread_join(t);
}

/* ---- memory ---- */

static _Atomic unsigned counter;

static void count_one(void *unused)
{
	(void)unused;
	counter++;
}

TEST(thread_kernel_memory_comes_back)
{
	struct ledger before = machine_ledger();
	uint64_t areas = kspace_stats().areas;
	unsigned threads = thread_count();

	counter = 0;
	for (unsigned i = 0; i < LIVES; i += BATCH) {
		struct thread *t[BATCH];

		for (unsigned n = 0; n < BATCH; n++)
			NEED(kthread_create("short", count_one, NULL, &t[n]) == OK);
		for (unsigned n = 0; n < BATCH; n++)
			kthread_join(t[n]);
	}
	CHECK_EQ(counter, LIVES);
	CHECK_EQ(thread_count(), threads);
	CHECK_EQ(kspace_stats().areas, areas);
	CHECK_LEDGER(&before);
}

/* Whether the thread that frees the stacks of detached threads is parked. */
static bool reaper_waits(void)
{
	struct thread_info info;

	for (unsigned i = 0; thread_info_at(i, &info); i++)
		if (strcmp(info.name, "reaper") == 0)
			return info.state == THREAD_PARKED;
	return false;
}

TEST(thread_kernel_detached_ones_are_reaped)
{
	uint64_t areas = kspace_stats().areas;
	unsigned threads = thread_count();

	counter = 0;
	for (unsigned i = 0; i < DETACHED; i++)
		NEED(kthread_create_detached("alone", count_one, NULL) == OK);
	/* all were passed to the reaper, which has freed the last one */
	while (thread_count() != threads || !reaper_waits())
		thread_sleep(1);
	CHECK_EQ(kspace_stats().areas, areas);
	CHECK_EQ(counter, DETACHED);
}

/* ---- CPUs ---- */

static _Atomic unsigned astray;

static void wander(void *unused)
{
	(void)unused;
	for (unsigned i = 0; i < PINS; i++) {
		unsigned cpu = i % cpu_count();
		uintptr_t irq;

		astray += thread_pin(cpu) != OK;
		irq = arch_irq_save();
		astray += arch_cpu_id() != cpu;
		arch_irq_restore(irq);
	}
}

TEST(thread_kernel_affinity_is_kept)
{
	struct thread *t[SLEEPERS];
	const char *why;

	astray = 0;
	for (unsigned i = 0; i < SLEEPERS; i++)
		NEED(kthread_create("wanders", wander, NULL, &t[i]) == OK);
	for (unsigned i = 0; i < SLEEPERS; i++)
		kthread_join(t[i]);
	CHECK_EQ(astray, 0);
	why = thread_check();
	CHECK_STR(why == NULL ? "" : why, "");
}

static _Atomic unsigned arrived;

static void meet(void *unused)
{
	(void)unused;
	arrived++;
	while (arrived < cpu_count())
		arch_relax();
}

/* One thread per CPU, all created on this one; they end when all have started. */
TEST(thread_kernel_all_cpus_take_part)
{
	struct thread *t[SLEEPERS];
	unsigned n = cpu_count() < SLEEPERS ? cpu_count() : SLEEPERS;

	arrived = cpu_count() - n;
	for (unsigned i = 0; i < n; i++)
		NEED(kthread_create("meets", meet, NULL, &t[i]) == OK);
	for (unsigned i = 0; i < n; i++)
		kthread_join(t[i]);
	CHECK_EQ(arrived, cpu_count());
}

static void play(void *other)
{
	struct thread **t = other;

	for (unsigned i = 0; i < PINS; i++) {
		thread_park();
		thread_unpark(*t);
	}
}

TEST(thread_kernel_wake_ups_are_never_lost)
{
	static struct thread *a, *b;

	NEED(kthread_create("first", play, &b, &a) == OK);
	NEED(kthread_create("second", play, &a, &b) == OK);
	thread_unpark(a);
	kthread_join(b);
	kthread_join(a);
}
