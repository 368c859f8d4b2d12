/* SPDX-License-Identifier: MIT */
/* arch_impl.h - the inline half of arch/arch.h on x86-64. */
#pragma once

#include "arch/x86_64/cpu.h"
#include "arch/x86_64/layout.h"
#include "arch/x86_64/pte.h"

/* The same numbers for four and five levels: layout.h. */
_Static_assert(DIRECT_BASE >= 0 - PT_HALF_BYTES(4) && DIRECT_BASE < META_BASE &&
		       META_BASE < VMALLOC_BASE && VMALLOC_BASE + GIB(VMALLOC_GIB) <= KERNEL_VMA,
	       "the kernel's half of 48-bit addresses, in this order");

/* kern/percpu.h: the named address space of GS makes an access one instruction. */
#define arch_this_cpu(name) (*(__seg_gs __typeof__(name) *)(uintptr_t) & (name))

extern unsigned arch_cpu_number;
extern uintptr_t arch_percpu_own_bias;

static inline uintptr_t arch_percpu_bias(void)
{
	return arch_this_cpu(arch_percpu_own_bias);
}

static inline unsigned arch_cpu_id(void)
{
	return arch_this_cpu(arch_cpu_number);
}

static inline uintptr_t arch_irq_save(void)
{
	uintptr_t flags = read_rflags();

	interrupts_off();
	return flags;
}

static inline void arch_irq_on(void)
{
	interrupts_on();
}

static inline bool arch_irq_was_on(uintptr_t old)
{
	return (old & RFLAGS_IF) != 0;
}

static inline bool arch_irq_is_off(void)
{
	return !arch_irq_was_on(read_rflags());
}

static inline void arch_irq_restore(uintptr_t old)
{
	if (arch_irq_was_on(old))
		interrupts_on();
}

static inline void arch_relax(void)
{
	__asm__ volatile("pause" : : : "memory");
}

static inline void *arch_meta_base(void)
{
	return (void *)META_BASE;
}

static inline void *arch_direct(paddr_t pa)
{
	return (void *)(DIRECT_BASE + pa.raw);
}

static inline paddr_t arch_direct_to_paddr(const void *p)
{
	return paddr((uintptr_t)p - DIRECT_BASE);
}

extern unsigned arch_leaf_levels;

static inline unsigned arch_pt_levels(void)
{
	return (read_cr4() & CR4_LA57) != 0 ? 5 : 4;
}

static inline unsigned arch_pt_leaf_level_max(void)
{
	return arch_leaf_levels;
}

extern unsigned arch_contexts;
extern bool arch_broadcasts;

static inline unsigned arch_tlb_contexts(void)
{
	return arch_contexts;
}

static inline bool arch_tlb_can_broadcast(void)
{
	return arch_broadcasts;
}

static inline void arch_tlb_invalidate_page(vaddr_t va)
{
	invlpg(va);
}

static inline uint64_t arch_ticks(void)
{
	return rdtsc();
}
