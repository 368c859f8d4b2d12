/* SPDX-License-Identifier: MIT */
/*
 * arch_impl.h - the inline half of arch/arch.h for a Linux process.
 *
 * A thread that called host_cpu_bind() is a CPU.  Its interrupt flag is a thread-local; its
 * interrupts are signals; while the flag is off, the signal handler only records that one is
 * pending.  The linear map and the MetaSlot array are reserved address ranges.
 */
#pragma once

#include <signal.h>
#include <stdatomic.h>

#include "arch/host/sanitizer.h"
#include "arch/x86_64/pte.h"

/* A function that may continue on another CPU's pthread after a switch must not keep the address of
 * a thread-local.  It does not if each access is one instruction; TSan makes it take addresses. */
#ifdef HOST_TSAN
#define HOST_THREAD_LOCAL __attribute__((no_sanitize("thread")))
#else
#define HOST_THREAD_LOCAL
#endif

extern _Thread_local unsigned host_cpu;
extern _Thread_local volatile sig_atomic_t host_irq_off;
extern _Thread_local _Atomic int host_irq_pending; /* signals add to it */
extern char *host_meta, *host_direct;

/* An interrupt came while they were off: it is pending. */
void host_irq_suspect(void);

/* Run pending interrupts, with interrupts off; nanoseconds since some point; yield the processor.
 */
void host_irq_deliver(void);
uint64_t host_ticks(void);
void arch_relax_slow(void);

static inline HOST_THREAD_LOCAL unsigned arch_cpu_id(void)
{
	return host_cpu;
}

/* kern/percpu.h; made by host_machine_init(). */
extern uintptr_t host_biases[];
#define arch_this_cpu(name)                                                                        \
	(*(__typeof__(name) *)(host_biases[arch_cpu_id()] + (uintptr_t) & (name)))

static inline uintptr_t arch_percpu_bias(void)
{
	return host_biases[arch_cpu_id()];
}

static inline HOST_THREAD_LOCAL uintptr_t arch_irq_save(void)
{
	uintptr_t old = (uintptr_t)host_irq_off;

	host_irq_off = 1;
	atomic_signal_fence(memory_order_seq_cst);
	return old;
}

static inline bool arch_irq_was_on(uintptr_t old)
{
	return old == 0;
}

static inline HOST_THREAD_LOCAL bool arch_irq_is_off(void)
{
	return host_irq_off != 0;
}

static inline HOST_THREAD_LOCAL void arch_irq_restore(uintptr_t old)
{
	atomic_signal_fence(memory_order_seq_cst);
	host_irq_off = (sig_atomic_t)old;
	atomic_signal_fence(memory_order_seq_cst);
	if (old == 0 && atomic_load_explicit(&host_irq_pending, memory_order_relaxed) != 0)
		host_irq_deliver();
}

static inline void arch_irq_on(void)
{
	arch_irq_restore(0);
}

static inline void arch_relax(void)
{
	arch_relax_slow();
}

static inline void *arch_meta_base(void)
{
	return host_meta;
}

static inline void *arch_direct(paddr_t pa)
{
	return host_direct + pa.raw;
}

static inline paddr_t arch_direct_to_paddr(const void *p)
{
	return (paddr_t){ (uint64_t)((const char *)p - host_direct) };
}

/* The simulated TLB: host.h. */
void host_tlb_invalidate_page(vaddr_t va);
extern unsigned host_tlb_contexts;
extern bool host_tlb_broadcasts;

static inline unsigned arch_pt_levels(void)
{
	return 4;
}

static inline unsigned arch_pt_leaf_level_max(void)
{
	return PT_LEAF_LEVEL_MAX;
}

static inline unsigned arch_tlb_contexts(void)
{
	return host_tlb_contexts;
}

static inline bool arch_tlb_can_broadcast(void)
{
	return host_tlb_broadcasts;
}

static inline void arch_tlb_invalidate_page(vaddr_t va)
{
	host_tlb_invalidate_page(va);
}

static inline uint64_t arch_ticks(void)
{
	return host_ticks();
}

/* Register models: arch/host/device.h. */
uint64_t host_port_read(uint16_t port, unsigned bytes);
void host_port_write(uint16_t port, unsigned bytes, uint64_t v);
uint64_t host_mmio_read(uintptr_t va, unsigned bytes);
void host_mmio_write(uintptr_t va, unsigned bytes, uint64_t v);

#define ARCH_PORT(bits)                                                                            \
	static inline uint##bits##_t arch_port_read##bits(uint16_t port)                           \
	{                                                                                          \
		return (uint##bits##_t)host_port_read(port, bits / 8);                             \
	}                                                                                          \
	static inline void arch_port_write##bits(uint16_t port, uint##bits##_t v)                  \
	{                                                                                          \
		host_port_write(port, bits / 8, v);                                                \
	}
#define ARCH_MMIO(bits)                                                                            \
	static inline uint##bits##_t arch_mmio_read##bits(const void __iomem *reg)                 \
	{                                                                                          \
		return (uint##bits##_t)host_mmio_read((uintptr_t)reg, bits / 8);                   \
	}                                                                                          \
	static inline void arch_mmio_write##bits(void __iomem *reg, uint##bits##_t v)              \
	{                                                                                          \
		host_mmio_write((uintptr_t)reg, bits / 8, v);                                      \
	}
ARCH_PORT(8)
ARCH_PORT(16)
ARCH_PORT(32)
ARCH_MMIO(8)
ARCH_MMIO(16)
ARCH_MMIO(32)
ARCH_MMIO(64)
#undef ARCH_PORT
#undef ARCH_MMIO
