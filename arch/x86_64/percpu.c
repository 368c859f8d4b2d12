/* SPDX-License-Identifier: MIT */
#include "arch/x86_64/percpu.h"

#include "kern/percpu.h"
#include "lib/panic.h"

extern char percpu_first[]; /* linker.ld: as long as the template */

PER_CPU(unsigned, arch_cpu_number);
PER_CPU(uintptr_t, arch_percpu_own_bias);

void percpu_use(uintptr_t bias)
{
	ASSERT((intptr_t)bias <
	       0); /* trap.S distinguishes the kernel's GS base from a user's by this */
	wrmsr(MSR_GS_BASE, bias);
	this_cpu(arch_percpu_own_bias) = bias;
}

void percpu_start_first(void)
{
	percpu_use(percpu_prepare(0, percpu_first));
}

bool percpu_is_nowhere(void)
{
	return rdmsr(MSR_GS_BASE) == PERCPU_NOWHERE;
}

bool percpu_nowhere_has(vaddr_t va)
{
	return va - (PERCPU_NOWHERE + (uintptr_t)__start_percpu) < percpu_bytes();
}
