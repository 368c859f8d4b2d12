/* SPDX-License-Identifier: MIT */
#include "arch/cpu.h"

#include "lib/panic.h"

_Atomic unsigned cpu_running = 1;

unsigned cpu_count_one_more(void)
{
	unsigned n = atomic_fetch_add_explicit(&cpu_running, 1, memory_order_acq_rel);

	ASSERT(n < ARCH_MAX_CPUS);
	return n;
}

void cpu_set_count(unsigned n)
{
	ASSERT(n >= 1 && n <= ARCH_MAX_CPUS);
	atomic_store_explicit(&cpu_running, n, memory_order_release);
}

struct call {
	void (*fn)(void *arg);
	void *arg;
	_Atomic unsigned left;
};

static void answer(void *arg)
{
	struct call *c = arg;

	c->fn(c->arg);
	/* release pairs with cpu_run_everywhere(): *c is not touched afterwards */
	atomic_fetch_sub_explicit(&c->left, 1, memory_order_release);
}

void cpu_run_everywhere(void (*fn)(void *arg), void *arg)
{
	unsigned cpus = cpu_count();
	struct call c = { fn, arg, cpus };
	uintptr_t irq = arch_irq_save();

	ASSERT(arch_irq_was_on(irq));
	arch_irq_restore(irq);
	for (unsigned cpu = 0; cpu < cpus; cpu++)
		if (arch_cpu_kick(cpu, answer, &c) != OK) /* a panic stopped it */
			atomic_fetch_sub_explicit(&c.left, 1, memory_order_relaxed);
	while (atomic_load_explicit(&c.left, memory_order_acquire) != 0)
		arch_relax();
}
