/* SPDX-License-Identifier: MIT */
/* Tests of several CPUs: their numbers, per-CPU variables, and call_on_cpu(). */
#include "arch/x86_64/smp.h"

#include <stdatomic.h>

#include "kern/call.h"
#include "kern/cpu.h"
#include "kern/percpu.h"
#include "arch/x86_64/percpu.h"
#include "lib/string.h"
#include "tests/test.h"

enum {
	CALLS = 2000,
};

static _Atomic unsigned asked[ARCH_MAX_CPUS];
static _Atomic unsigned wrong;
static PER_CPU(unsigned, own);

static void answer(void *unused)
{
	(void)unused;
	wrong += arch_irq_was_on(arch_irq_save());
	this_cpu(own)++;
	asked[arch_cpu_id()]++;
}

/* One for each CPU that it is posted to. */
static PER_CPU(struct call, answer_call) = CALL_INIT(answer, NULL);

/* Waits without a timeout, as a CPU may be paused for any time; a CPU that never answers hangs
 * the test. */
static void wait_until_at_least(_Atomic unsigned *count, unsigned min)
{
	while (*count < min)
		arch_relax();
}

TEST(smp_every_cpu_answers_as_itself)
{
	unsigned cpus = cpu_count();

	memset(asked, 0, sizeof(asked));
	wrong = 0;
	for (unsigned cpu = 0; cpu < cpus; cpu++)
		CHECK_EQ(call_on_cpu(cpu, per_cpu_ptr(answer_call, cpu)), OK);
	for (unsigned cpu = 0; cpu < cpus; cpu++)
		wait_until_at_least(&asked[cpu], 1);
	CHECK_EQ(wrong, 0);
	for (unsigned cpu = 0; cpu < cpus; cpu++)
		for (unsigned other = 0; other < cpu; other++)
			CHECK(smp_apic_id(cpu) != smp_apic_id(other));
	test_diag("%u CPUs", cpus);
}

TEST(smp_call_to_a_missing_cpu_fails)
{
	static struct call nowhere = CALL_INIT(answer, NULL);

	if (cpu_count() < ARCH_MAX_CPUS)
		CHECK_EQ(call_on_cpu(cpu_count(), &nowhere), ERR_NOT_FOUND);
	CHECK_EQ(call_on_cpu(ARCH_MAX_CPUS, &nowhere), ERR_NOT_FOUND);
}

/* One after the other, so that no request is merged with the one before. */
TEST(smp_no_request_is_lost)
{
	unsigned cpus = cpu_count();

	memset(asked, 0, sizeof(asked));
	wrong = 0;
	for (unsigned i = 1; i <= CALLS; i++) {
		unsigned cpu = (unsigned)test_random_below(cpus), before = asked[cpu];

		CHECK_EQ(call_on_cpu(cpu, per_cpu_ptr(answer_call, cpu)), OK);
		wait_until_at_least(&asked[cpu], before + 1);
	}
	CHECK_EQ(wrong, 0);
	for (unsigned cpu = 0; cpu < cpus; cpu++)
		CHECK(*per_cpu_ptr(own, cpu) >= asked[cpu]);
}

TEST(smp_requests_that_wait_are_merged_and_each_is_done)
{
	unsigned other = cpu_count() - 1;
	uintptr_t irq;

	if (other == arch_cpu_id()) {
		test_skip("there is one CPU");
		return;
	}
	memset(asked, 0, sizeof(asked));
	irq = arch_irq_save();
	for (unsigned i = 0; i < CALLS; i++)
		CHECK_EQ(call_on_cpu(other, per_cpu_ptr(answer_call, other)), OK);
	arch_irq_restore(irq);
	wait_until_at_least(&asked[other], 1);
	CHECK(asked[other] <= CALLS);
}

/* ---- document 001 ---- */

static struct {
	uint64_t vector, cr2;
} seen;
static void *resume[5];

static bool record_and_leave(struct trap_frame *frame, uint64_t cr2)
{
	seen.vector = frame->vector;
	seen.cr2 = cr2;
	__builtin_longjmp(resume, 1);
}

static void touch_before_set_up(void)
{
	wrmsr(MSR_GS_BASE, PERCPU_NOWHERE);
	this_cpu(own)++;
}

static void write_template(void)
{
	*(volatile unsigned *)&own = 1;
}

static void read_template(void)
{
	(void)*(volatile unsigned *)&own;
}

static __noinline void provoke(void (*fn)(void))
{
	uintptr_t bias = arch_percpu_bias(), irq = arch_irq_save();

	memset(&seen, 0, sizeof(seen));
	trap_set_filter(record_and_leave);
	if (__builtin_setjmp(resume) == 0)
		fn();
	percpu_use(bias);
	trap_set_filter(NULL);
	arch_irq_restore(irq);
}

TEST(document_001_an_access_before_set_up_faults)
{
	provoke(touch_before_set_up);
	CHECK_EQ(seen.vector, VECTOR_PAGE_FAULT);
	CHECK(percpu_nowhere_has(seen.cr2));
	CHECK_EQ(seen.cr2, PERCPU_NOWHERE + (uintptr_t)&own);
}

TEST(document_001_the_template_can_be_neither_written_nor_read)
{
	provoke(write_template);
	CHECK_EQ(seen.vector, VECTOR_PAGE_FAULT);
	CHECK_EQ(seen.cr2, (uintptr_t)&own);
	provoke(read_template);
	CHECK_EQ(seen.vector, VECTOR_PAGE_FAULT);
	CHECK_EQ(seen.cr2, (uintptr_t)&own);
}
