/* SPDX-License-Identifier: MIT */
/*
 * arch_impl.h - the inline half of arch/arch.h for the explorer, which simulates CPUs.
 *
 * Memory lies at fixed addresses, so that a schedule means the same in every run.
 */
#pragma once

#include <stdatomic.h>

#include "arch/x86_64/pte.h"

#define EXPLORE_META    UINT64_C(0x100000000000)
#define EXPLORE_DIRECT  UINT64_C(0x200000000000)
#define EXPLORE_PER_CPU UINT64_C(0x400000000000)

/* The current task's CPU; its interrupt flag, 1 is on; let another task make a step. */
unsigned explore_cpu(void);
uintptr_t explore_percpu_bias(void);
uintptr_t explore_irq_save(void);
bool explore_irq_is_off(void);
void explore_irq_restore(uintptr_t old);
void explore_relax(void);
/* Interrupts are off; turns them on until one has come, then off again. */
void explore_halt(void);
/* This CPU invalidates a page: tests/explore/scenario/tlb.c. */
void explore_tlb_invalidate_page(vaddr_t va);

static inline unsigned arch_cpu_id(void)
{
	return explore_cpu();
}

#define arch_this_cpu(name) (*(__typeof__(name) *)(explore_percpu_bias() + (uintptr_t) & (name)))

static inline uintptr_t arch_percpu_bias(void)
{
	return explore_percpu_bias();
}

static inline bool arch_irq_is_off(void)
{
	return explore_irq_is_off();
}

static inline uintptr_t arch_irq_save(void)
{
	return explore_irq_save();
}

static inline bool arch_irq_was_on(uintptr_t old)
{
	return old != 0;
}

static inline void arch_irq_restore(uintptr_t old)
{
	explore_irq_restore(old);
}

static inline void arch_irq_on(void)
{
	explore_irq_restore(1);
}

static inline void arch_relax(void)
{
	explore_relax();
}

static inline void *arch_meta_base(void)
{
	return (void *)EXPLORE_META;
}

static inline void *arch_direct(paddr_t pa)
{
	return (void *)(EXPLORE_DIRECT + pa.raw);
}

static inline paddr_t arch_direct_to_paddr(const void *p)
{
	return (paddr_t){ (uint64_t)(uintptr_t)p - EXPLORE_DIRECT };
}

static inline unsigned arch_pt_levels(void)
{
	return 4;
}

static inline unsigned arch_pt_leaf_level_max(void)
{
	return PT_LEAF_LEVEL_MAX;
}

static inline void arch_tlb_invalidate_page(vaddr_t va)
{
	explore_tlb_invalidate_page(va);
}

/* Set by the setup of a scenario: tests/explore/scenario/tlb.c. */
extern unsigned explore_tlb_contexts;

static inline unsigned arch_tlb_contexts(void)
{
	return explore_tlb_contexts;
}

static inline bool arch_tlb_can_broadcast(void)
{
	return false;
}

/* Time does not advance: a wait that only its timeout would end is a deadlock. */
static inline uint64_t arch_ticks(void)
{
	return 0;
}

/* No device: a read gives all ones. */
#define ARCH_DEVICE(space, address, bits)                                                          \
	static inline uint##bits##_t arch_##space##_read##bits(const address at)                   \
	{                                                                                          \
		(void)at;                                                                          \
		return UINT##bits##_MAX;                                                           \
	}                                                                                          \
	static inline void arch_##space##_write##bits(address at, uint##bits##_t v)                \
	{                                                                                          \
		(void)at;                                                                          \
		(void)v;                                                                           \
	}
ARCH_DEVICE(port, uint16_t, 8)
ARCH_DEVICE(port, uint16_t, 16)
ARCH_DEVICE(port, uint16_t, 32)
ARCH_DEVICE(mmio, void __iomem *, 8)
ARCH_DEVICE(mmio, void __iomem *, 16)
ARCH_DEVICE(mmio, void __iomem *, 32)
ARCH_DEVICE(mmio, void __iomem *, 64)
#undef ARCH_DEVICE
