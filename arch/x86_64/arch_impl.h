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

extern uint64_t irq_off_since; /* PER_CPU */
extern uintptr_t irq_off_from; /* PER_CPU */
/* Record a time with interrupts off that ends at the caller. */
void irq_off_record(uint64_t ticks);
#include "arch/x86_64/irq_off.h"

static inline uintptr_t arch_percpu_bias(void)
{
	return arch_this_cpu(arch_percpu_own_bias);
}

static inline unsigned arch_cpu_id(void)
{
	return arch_this_cpu(arch_cpu_number);
}

static __forceinline uintptr_t arch_irq_save(void)
{
	uintptr_t flags = read_rflags();

	interrupts_off();
	if (IRQ_OFF_IS_MEASURED && (flags & RFLAGS_IF) != 0)
		irq_off_begin();
	return flags;
}

static __forceinline void arch_irq_on(void)
{
	irq_off_end();
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

static __forceinline void arch_irq_restore(uintptr_t old)
{
	if (arch_irq_was_on(old)) {
		irq_off_end();
		interrupts_on();
	}
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

static inline uint8_t arch_port_read8(uint16_t port)
{
	return inb(port);
}

static inline uint16_t arch_port_read16(uint16_t port)
{
	return inw(port);
}

static inline uint32_t arch_port_read32(uint16_t port)
{
	return inl(port);
}

static inline void arch_port_write8(uint16_t port, uint8_t v)
{
	outb(port, v);
}

static inline void arch_port_write16(uint16_t port, uint16_t v)
{
	outw(port, v);
}

static inline void arch_port_write32(uint16_t port, uint32_t v)
{
	outl(port, v);
}

/* One mov each: compilers must not split, merge or repeat it. */
#define ARCH_MMIO(bits, mov, in, out)                                                              \
	static inline uint##bits##_t arch_mmio_read##bits(const void __iomem *reg)                 \
	{                                                                                          \
		uint##bits##_t v;                                                                  \
		__asm__ volatile(mov " (%1), %0" : out(v) : "r"(reg) : "memory");                  \
		return v;                                                                          \
	}                                                                                          \
	static inline void arch_mmio_write##bits(void __iomem *reg, uint##bits##_t v)              \
	{                                                                                          \
		__asm__ volatile(mov " %0, (%1)" : : in(v), "r"(reg) : "memory");                  \
	}
ARCH_MMIO(8, "movb", "q", "=q")
ARCH_MMIO(16, "movw", "r", "=r")
ARCH_MMIO(32, "movl", "r", "=r")
ARCH_MMIO(64, "movq", "r", "=r")
#undef ARCH_MMIO
