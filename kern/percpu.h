/* SPDX-License-Identifier: MIT */
/*
 * percpu.h - per-CPU variables.
 *
 *   static PER_CPU(struct pool, pool);            definition, with an optional initialiser
 *   this_cpu(pool).count++                        this CPU's, one instruction on x86-64
 *   this_cpu_ptr(pool), per_cpu_ptr(pool, cpu)    as pointers
 *
 * The linker puts all of them side by side into one section, the template.  Each CPU has an area, a
 * copy of the template as the linker left it; a CPU's bias is the distance from the template to its
 * area, so that a variable's address plus the bias is the address of the CPU's own copy.  x86-64
 * keeps the bias in the GS base, the host in a thread-local.
 *
 * Invariants (document 001):
 *   P1  a CPU's bias is set before its first access; until then it leads to unmapped addresses, so
 *       that an early access faults and the fault can be explained
 *   P2  the template is no CPU's area: it is never written, and after the last copy was made it is
 *       unmapped
 *
 * Locking: none.  A CPU's variables are its own, accessed with interrupts off or by a thread that
 * stays on its CPU; what other CPUs may read is atomic, as its definition states.
 */
#pragma once

#include <stdatomic.h>

#include "arch/arch.h"

/* `static` goes before it; an array needs to be wrapped in a struct or typedef. */
#define PER_CPU(type, name) __used_in("percpu") type name

/* This CPU's variable, an lvalue whose address cannot be taken: use this_cpu_ptr() for that. */
#define this_cpu(name)     arch_this_cpu(name)
#define this_cpu_ptr(name) ((__typeof__(name) *)(arch_percpu_bias() + (uintptr_t) & (name)))

/* The variable of another CPU, whose area is prepared. */
#define per_cpu_ptr(name, cpu) ((__typeof__(name) *)(percpu_bias_of(cpu) + (uintptr_t) & (name)))

/* Adds to a counter of this CPU that other CPUs may read.  Interrupts are off, or no handler
 * adds to it. */
static inline void percpu_add(_Atomic uint64_t *counter, uint64_t n)
{
	/* relaxed, and no read-modify-write: only the owner writes */
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

/* Size of an area in bytes; a multiple of its alignment, PERCPU_ALIGN. */
size_t percpu_bytes(void);
enum {
	PERCPU_ALIGN = 64,
};

/* Makes `area`, percpu_bytes() long and aligned to PERCPU_ALIGN, the area of `cpu`: copies the
 * template there.  It is never freed.  Returns the bias, which the CPU loads. */
uintptr_t percpu_prepare(unsigned cpu, void *area);

/* Whether the CPU has an area. */
bool percpu_is_prepared(unsigned cpu);

/* The bias of a CPU whose area is prepared. */
uintptr_t percpu_bias_of(unsigned cpu);

/* The template, for the code that unmaps it after the last percpu_prepare(). */
extern char __start_percpu[];
extern char __stop_percpu[];

/* Reads a counter of any CPU; relaxed: it may change concurrently. */
static inline uint64_t percpu_read(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}
