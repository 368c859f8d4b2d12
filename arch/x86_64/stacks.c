/* SPDX-License-Identifier: MIT */
#include "arch/x86_64/stacks.h"

struct boot_stacks boot_stacks __aligned(GUARD_BYTES);

const uint64_t boot_stack_guards[] = {
	(uint64_t)boot_stacks.boot_guard,
	(uint64_t)boot_stacks.double_fault_guard,
	(uint64_t)boot_stacks.nmi_guard,
	(uint64_t)boot_stacks.machine_check_guard,
	0,
};

const char *stack_guard_name(vaddr_t va)
{
	static const char *const names[] = { "boot", "double fault", "NMI", "machine check" };

	for (unsigned i = 0; boot_stack_guards[i] != 0; i++)
		if (va - boot_stack_guards[i] < GUARD_BYTES)
			return names[i];
	return NULL;
}
