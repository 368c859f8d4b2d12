/* SPDX-License-Identifier: MIT */
#include "kern/cpu.h"

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
