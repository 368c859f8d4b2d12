/* SPDX-License-Identifier: MIT */
/*
 * trap.h - descriptor tables, exceptions and interrupts.
 *
 * One IDT, in which every vector has an entry, serves all CPUs; each has a GDT and a TSS of its
 * own.  Double fault, NMI and machine check run on stacks of their own (IST); page faults do not,
 * so that a stack overflow becomes a double fault whose CR2 is in a guard page, and is reported as
 * one.  Exceptions are handled in arch/x86_64/fault.h.
 *
 * Vectors from ARCH_VECTOR_FIRST to ARCH_VECTOR_LAST are for devices (kern/irq.h); the others are
 * fixed.
 *
 * Sources: SDM 3A 6.12-6.15 (IDT, exceptions), 7.7 (TSS in 64-bit mode).
 */
#pragma once

#include "arch/arch.h"

enum {
	TRAP_VECTORS = 256,
	TRAP_ENTRY_BYTES = 16,
	TRAP_EXCEPTIONS = 32,

	VECTOR_DIVIDE_ERROR = 0,
	VECTOR_NMI = 2,
	VECTOR_BREAKPOINT = 3,
	VECTOR_INVALID_OPCODE = 6,
	VECTOR_DOUBLE_FAULT = 8,
	VECTOR_STACK_SEGMENT = 12,
	VECTOR_GENERAL_PROTECTION = 13,
	VECTOR_PAGE_FAULT = 14,
	VECTOR_MACHINE_CHECK = 18,

	VECTOR_PIC_FIRST = 0xe0, /* 16 vectors for stray PIC interrupts */
	VECTOR_TIMER = 0xf0,     /* the highest class: SDM 3A 10.8.3 */
	VECTOR_CALL = 0xf1,
	VECTOR_APIC_ERROR = 0xfe,
	VECTOR_SPURIOUS = 0xff, /* SDM 3A 10.9: low four bits set */
};

/* What trap.S pushes, then what the CPU pushed. */
struct trap_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

/* The tops of the IST stacks of some exceptions. */
struct trap_stacks {
	const void *double_fault, *nmi, *machine_check;
};

/* On the first CPU, once, with interrupts off; percpu_start_first() came before. */
void trap_init(void);
/* On a further CPU, with interrupts off, after percpu_use(). */
void trap_init_cpu(const struct trap_stacks *stacks);

/* Run `handler` on interrupts of `vector` (32 and up), with interrupts off.  Set before the
 * source is unmasked.  `name` (it stays) is what arch_vector_name() returns. */
void trap_set_handler(unsigned vector, const char *name, void (*handler)(struct trap_frame *frame));

/* The longest run of an interrupt handler on that CPU, in ticks, with interrupts off, and its
 * vector. */
uint64_t trap_longest(unsigned cpu, unsigned *vector);

/* Run at the end of every interrupt's handler, with interrupts off, if the interrupted code
 * had interrupts on: the scheduler switches threads there.  NULL: nothing. */
void trap_set_after(void (*after)(void));

/* Called by trap.S only. */
void trap_enter(struct trap_frame *frame);

/* Set the test suite's filter of exceptions: it returns true if it handled the exception (and
 * changed the frame so that execution can continue).  NULL: none. */
void trap_set_filter(bool (*filter)(struct trap_frame *frame, uint64_t cr2));
/* Whether the filter handled it; for fault.c. */
bool trap_filtered(struct trap_frame *frame, uint64_t cr2);
