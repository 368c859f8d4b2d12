/* SPDX-License-Identifier: MIT */
#include "kern/percpu.h"

#include "lib/bits.h"
#include "lib/panic.h"
#include "lib/string.h"

static uintptr_t biases[ARCH_MAX_CPUS]; /* 0: no area; the template itself is no CPU's area */

size_t percpu_bytes(void)
{
	return align_up((uint64_t)(__stop_percpu - __start_percpu), PERCPU_ALIGN);
}

uintptr_t percpu_prepare(unsigned cpu, void *area)
{
	ASSERT(cpu < ARCH_MAX_CPUS && (uintptr_t)area % PERCPU_ALIGN == 0);
	memcpy(area, __start_percpu, (size_t)(__stop_percpu - __start_percpu));
	biases[cpu] = (uintptr_t)area - (uintptr_t)__start_percpu;
	return biases[cpu];
}

bool percpu_is_prepared(unsigned cpu)
{
	return cpu < ARCH_MAX_CPUS && biases[cpu] != 0;
}

uintptr_t percpu_bias_of(unsigned cpu)
{
	DASSERT(percpu_is_prepared(cpu));
	return biases[cpu];
}
