/* SPDX-License-Identifier: MIT */
#include "arch/x86_64/translate.h"

#include "arch/arch.h"

#define CPUID_PAGES_1GIB (UINT32_C(1) << 26) /* 80000001h edx */

unsigned arch_leaf_levels = 2;

void translate_init(void)
{
	if ((cpuid(0x80000001, 0).edx & CPUID_PAGES_1GIB) != 0)
		arch_leaf_levels = 3;
	wrmsr(MSR_PAT, PAT_VALUE);
	write_cr3(read_cr3());
	write_cr4(read_cr4() | CR4_PGE);
}

void arch_pt_activate(paddr_t root)
{
	write_cr3(root.raw);
	arch_tlb_flush_all();
}

/* Turning global pages off and on forgets them all: SDM 3A 4.10.4.1. */
void arch_tlb_flush_all(void)
{
	uintptr_t irq = arch_irq_save();
	uint64_t cr4 = read_cr4();

	if ((cr4 & CR4_PGE) != 0) {
		write_cr4(cr4 & ~(uint64_t)CR4_PGE);
		write_cr4(cr4);
	} else {
		write_cr3(read_cr3());
	}
	arch_irq_restore(irq);
}
