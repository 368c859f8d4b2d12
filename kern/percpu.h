/* SPDX-License-Identifier: MIT */
/*
 * percpu.h - variables of which every CPU has one of its own.
 *
 *   static PER_CPU(struct pool, pool);            definition, with an initialiser if need be
 *   this_cpu(pool).count++                        this CPU's, one instruction on x86-64
 *   this_cpu_ptr(pool), per_cpu_ptr(pool, cpu)    as pointers
 *
 * The linker puts all of them side by side into one section, the template.  Each CPU has an
 * area, a copy of the template as the linker left it; a CPU's bias is the distance from the
 * template to its area, so that a variable's address plus the bias is the CPU's own variable.
 * x86-64 keeps the bias in the GS base, the host in a thread-local.
 *
 * Invariants (document 001):
 *   P1  a CPU's bias is set before its first access; until then it leads to addresses that nothing
 *       uses, so that an access faults and is explained as what it is
 *   P2  the template is nobody's area: it is never written, and after the last copy was made the
 *       kernel cannot even read it
 *
 * Locking: none.  A CPU's variables are its own, touched with interrupts off or by a thread that
 * stays on its CPU; what others may look at is atomic, and its definition says so.
 */
#pragma once

#include <stdatomic.h>

#include "arch/arch.h"

/* `static` goes before it; an array needs a struct or typedef around it. */
#define PER_CPU(type, name) __used_in("percpu") type name

/* This CPU's variable, an lvalue whose address cannot be taken: this_cpu_ptr() for that. */
#define this_cpu(name)     arch_this_cpu(name)
#define this_cpu_ptr(name) ((__typeof__(name) *)(arch_percpu_bias() + (uintptr_t) & (name)))

/* That of a CPU whose area was prepared. */
#define per_cpu_ptr(name, cpu) ((__typeof__(name) *)(percpu_bias_of(cpu) + (uintptr_t) & (name)))

/* Add to a counter of this CPU that others may read.  Interrupts are off, or no handler adds. */
static inline void percpu_add(_Atomic uint64_t *counter, uint64_t n)
{
	/* relaxed, and no exchange: the owner alone writes */
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

/* Bytes of an area; a multiple of its alignment, PERCPU_ALIGN. */
size_t percpu_bytes(void);
enum {
	PERCPU_ALIGN = 64,
};

/* `area`, percpu_bytes() at a multiple of PERCPU_ALIGN, becomes that of `cpu`: the template is
 * copied there.  It is kept for ever.  Returns the bias, for the CPU to load. */
uintptr_t percpu_prepare(unsigned cpu, void *area);

/* Whether the CPU has an area. */
bool percpu_is_prepared(unsigned cpu);

/* Of a CPU whose area was prepared. */
uintptr_t percpu_bias_of(unsigned cpu);

/* The template, for who takes it out of the address space after the last percpu_prepare(). */
extern char __start_percpu[];
extern char __stop_percpu[];

/* A counter of any CPU; relaxed: it may change meanwhile. */
static inline uint64_t percpu_read(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}
