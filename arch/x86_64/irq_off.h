/* SPDX-License-Identifier: MIT */
/*
 * irq_off.h - measures how long interrupts are off, everywhere.
 *
 * The time begins where a CPU turns its interrupts off, in arch_irq_save() or because an exception
 * or interrupt begins, and ends where they come on again.  A thread switch does not end it.  For
 * each pair of places the longest one is kept, with its CPU; short ones are not recorded.
 *
 * In builds with KEEL_IRQ_OFF: debug builds, and MODE=bound, which is a release build otherwise and
 * whose ticks under QEMU's -icount are instructions.  In others all of this is empty.
 *
 * Part of arch_impl.h, as it needs the access to per-CPU variables.  Any context but NMI and
 * machine check, which are not measured.  Interrupts are off.
 */
#pragma once

#include "arch/x86_64/cpu.h"
#include "lib/compiler.h"

#ifdef KEEL_IRQ_OFF

enum {
	IRQ_OFF_IS_MEASURED = 1,
	IRQ_OFF_SHORT = 10000, /* ticks */
};

static __forceinline void irq_off_begin(void)
{
	uintptr_t here;

	__asm__ volatile("lea (%%rip), %0" : "=r"(here));
	arch_this_cpu(irq_off_from) = here;
	arch_this_cpu(irq_off_since) = rdtsc();
}

static __forceinline void irq_off_end(void)
{
	uint64_t ticks = rdtsc() - arch_this_cpu(irq_off_since);

	/* signed: an exception in between may have begun the time again */
	if (unlikely((int64_t)ticks > IRQ_OFF_SHORT))
		irq_off_record(ticks);
}

#else

enum {
	IRQ_OFF_IS_MEASURED = 0,
};

static __forceinline void irq_off_begin(void)
{
}

static __forceinline void irq_off_end(void)
{
}

#endif
