/* SPDX-License-Identifier: MIT */
/*
 * trap.h - descriptor tables, exceptions and interrupts of the first CPU.
 *
 * trap_init() installs GDT, TSS and an IDT in which every vector has an entry.  Double
 * fault, NMI and machine check run on stacks of their own (IST); page faults do not, so that
 * an overflowing stack becomes a double fault whose CR2 lies in a guard page, and is named as
 * one.  What an exception says and does: arch/x86_64/fault.h.
 *
 * Sources: SDM 3A 6.12-6.15 (IDT, exceptions), 7.7 (TSS in 64-bit mode).
 */
#pragma once

#include "lib/types.h"

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

	VECTOR_TIMER = 0x20,
	VECTOR_PIC_FIRST = 0xe0, /* 16 vectors where a stray PIC interrupt would land */
	VECTOR_SPURIOUS = 0xff,  /* SDM 3A 10.9: low four bits set */
};

/* What trap.S pushes, then what the CPU pushed. */
struct trap_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

/* Once, first of all on this CPU, with interrupts off. */
void trap_init(void);

/* Run `handler` on interrupts of `vector` (32 and up), with interrupts off.  Set before the
 * source is unmasked. */
void trap_set_handler(unsigned vector, void (*handler)(struct trap_frame *frame));

/* Called by trap.S only. */
void trap_enter(struct trap_frame *frame);

/* Let the test suite see an exception instead of stopping: returns true when it dealt with it
 * (and changed the frame so that execution can go on).  NULL: none. */
void trap_set_filter(bool (*filter)(struct trap_frame *frame, uint64_t cr2));
/* Whether the filter dealt with it; for fault.c. */
bool trap_filtered(struct trap_frame *frame, uint64_t cr2);
