/* SPDX-License-Identifier: MIT */
#include "tests/host_threads.h"

#include <pthread.h>

#include "arch/host/host.h"
#include "lib/string.h"
#include "tests/test.h"

uint8_t stacks[STACKS][STACK_BYTES] __aligned(THREAD_ALIGN);
static uint8_t idle_stack[STACK_BYTES] __aligned(THREAD_ALIGN);

static pthread_t others[CPUS];
static _Atomic unsigned running;
static _Atomic bool stop;

static void *be_a_cpu(void *arg)
{
	host_cpu_bind((unsigned)(uintptr_t)arg);
	thread_start_cpu();
	atomic_fetch_add(&running, 1);
	while (!atomic_load(&stop))
		thread_idle_once();
	host_cpu_unbind();
	return NULL;
}

void cpus_start(unsigned n)
{
	host_machine_reset();
	host_cpu_bind(0);
	thread_start_main(idle_stack, sizeof(idle_stack));
	atomic_store(&stop, false);
	atomic_store(&running, 1);
	for (unsigned i = 1; i < n; i++)
		pthread_create(&others[i], NULL, be_a_cpu, (void *)(uintptr_t)i);
	while (atomic_load(&running) < n)
		arch_relax();
	cpu_set_count(n);
	CHECK_EQ(thread_pin(0), OK);
}

void cpus_stop(void)
{
	unsigned n = cpu_count();
	const char *why = thread_check();

	CHECK_STR(why == NULL ? "" : why, "");
	CHECK_EQ(thread_count(), n + 1); /* main and the idle threads */
	atomic_store(&stop, true);
	for (unsigned i = 1; i < n; i++)
		CHECK_EQ(arch_call_interrupt(i), OK);
	for (unsigned i = 1; i < n; i++)
		pthread_join(others[i], NULL);
	cpu_set_count(1);
	host_switch_is_slow = false;
	host_cpu_unbind();
}

struct thread *spawn(unsigned i, void (*fn)(void *arg), void *arg)
{
	struct thread *t = thread_create(stacks[i], STACK_BYTES, "worker", fn, arg);

	thread_start(t);
	return t;
}

struct thread *spawn_on(unsigned cpu, unsigned i, void (*fn)(void *arg), void *arg)
{
	struct thread *t = thread_create(stacks[i], STACK_BYTES, "pinned", fn, arg);
	struct cpu_set only = { 0 };

	cpu_set_add(&only, cpu);
	CHECK_EQ(thread_set_affinity(t, &only), OK);
	thread_start(t);
	return t;
}
