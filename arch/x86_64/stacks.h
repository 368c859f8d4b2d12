/* SPDX-License-Identifier: MIT */
/*
 * stacks.h - the boot stacks of the first CPU, each above a guard page.
 *
 * boot.S leaves the guards out of the page table, so a stack that overflows faults instead
 * of writing into its neighbour (finding BOO-03).
 */
#pragma once

#include "arch/x86_64/layout.h"
#include "lib/types.h"

struct boot_stacks {
	uint8_t boot_guard[GUARD_BYTES];
	uint8_t boot[BOOT_STACK_BYTES];
	uint8_t double_fault_guard[GUARD_BYTES];
	uint8_t double_fault[IST_STACK_BYTES];
	uint8_t nmi_guard[GUARD_BYTES];
	uint8_t nmi[IST_STACK_BYTES];
	uint8_t machine_check_guard[GUARD_BYTES];
	uint8_t machine_check[IST_STACK_BYTES];
};
/* All within one 2 MiB page, which boot.S maps by 4 KiB pages: linker.ld asserts it. */
extern struct boot_stacks boot_stacks;

/* The guard pages, 0 at the end; boot.S reads it too. */
extern const uint64_t boot_stack_guards[];

/* The name of the stack whose guard page holds va, or NULL. */
const char *stack_guard_name(vaddr_t va);
