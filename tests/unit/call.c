/* SPDX-License-Identifier: MIT */
/* Tests of kern/call.c on one host thread, which acts for CPUs that no thread is bound to. */
#include "kern/call.h"

#include "kern/cpu.h"
#include "kern/percpu.h"
#include "tests/test.h"

#ifndef KEEL_TESTS

#include "arch/host/host.h"

enum {
	CPUS = 3,
	CALLS = 40,
};

static unsigned order[CALLS], runs, on_cpu[CPUS];

static void append(void *number)
{
	order[runs++] = (unsigned)(uintptr_t)number;
	on_cpu[arch_cpu_id()]++;
}

static void start(void)
{
	host_machine_reset();
	cpu_set_count(CPUS);
	runs = 0;
	for (unsigned i = 0; i < CPUS; i++)
		on_cpu[i] = 0;
}

TEST(call_runs_on_its_cpu)
{
	struct call c = CALL_INIT(append, (void *)7);

	start();
	CHECK_EQ(call_on_cpu(2, &c), OK);
	CHECK_EQ(call_on_cpu(0, &c), OK);
	CHECK_EQ(runs, 2);
	CHECK_EQ(on_cpu[0], 1);
	CHECK_EQ(on_cpu[2], 1);
	CHECK_EQ(order[0], 7);
	CHECK_EQ(c.queued, 0);
	CHECK_EQ(call_on_cpu(CPUS, &c), ERR_NOT_FOUND);
	CHECK_EQ(call_on_cpus_wait(append, NULL), CPUS);
	CHECK_EQ(runs, 2 + CPUS);
	cpu_set_count(1);
}

/* This thread is bound to CPU 1 with interrupts off while it posts as CPU 0. */
TEST(calls_run_in_the_order_of_their_posts)
{
	static struct call c[CALLS];
	uintptr_t irq;

	start();
	host_cpu_bind(1);
	irq = arch_irq_save();
	host_cpu = 0;
	for (unsigned i = 0; i < CALLS; i++) {
		c[i] = (struct call)CALL_INIT(append, (void *)(uintptr_t)i);
		CHECK_EQ(call_on_cpu(1, &c[i]), OK);
	}
	CHECK_EQ(call_on_cpu(1, &c[0]), OK); /* merged */
	CHECK_EQ(runs, 0);
	host_cpu = 1;
	arch_irq_restore(irq);
	CHECK_EQ(runs, CALLS);
	for (unsigned i = 0; i < CALLS; i++)
		CHECK_EQ(order[i], i);
	host_cpu_unbind();
	host_cpu = 0;
	cpu_set_count(1);
}

TEST(call_to_a_stopped_cpu_is_refused_and_not_waited_for)
{
	struct call c = CALL_INIT(append, NULL);

	start();
	host_cpu_stop(1);
	CHECK_EQ(call_on_cpu(1, &c), ERR_NOT_FOUND);
	CHECK_EQ(c.queued, 0);
	CHECK_EQ(call_on_cpus_wait(append, NULL), CPUS - 1);
	CHECK_EQ(on_cpu[1], 0);
	CHECK_EQ(runs, CPUS - 1);
	cpu_set_count(1);
}

#endif
