/* SPDX-License-Identifier: MIT */
/* Tests of kern/call.c, most on one host thread, which acts for CPUs that no thread is bound to. */
#include "kern/call.h"

#include "kern/cpu.h"
#include "kern/percpu.h"
#include "tests/test.h"

#ifndef KEEL_TESTS
#include <pthread.h>

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

static _Atomic bool bound, may_return;

static void *be_cpu_1(void *unused)
{
	(void)unused;
	host_cpu_bind(1);
	atomic_store(&bound, true);
	while (!atomic_load(&may_return))
		arch_relax();
	host_cpu_unbind();
	return NULL;
}

static void stop_on_cpu_1(void *unused)
{
	(void)unused;
	if (arch_cpu_id() != 1)
		return;
	host_cpu_stop(1);
	while (!atomic_load(&may_return))
		arch_relax();
}

TEST(call_does_not_wait_for_a_cpu_that_stops_within_it)
{
	pthread_t other;

	start();
	atomic_store(&bound, false);
	atomic_store(&may_return, false);
	NEED(pthread_create(&other, NULL, be_cpu_1, NULL) == 0);
	while (!atomic_load(&bound))
		arch_relax();
	CHECK_EQ(call_on_cpus_wait(stop_on_cpu_1, NULL), CPUS - 1);
	atomic_store(&may_return, true);
	pthread_join(other, NULL);
	CHECK_EQ(call_on_cpus_wait(append, NULL), CPUS - 1);
	cpu_set_count(1);
}

#endif
