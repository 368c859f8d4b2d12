/* SPDX-License-Identifier: MIT */
#include "arch/x86_64/trap.h"

#include <stdatomic.h>

#include "kern/irq.h"
#include "kern/shootdown.h"
#include "kern/percpu.h"
#include "arch/x86_64/apic.h"
#include "arch/x86_64/fault.h"
#include "arch/x86_64/machine_check.h"
#include "arch/x86_64/stacks.h"
#include "lib/panic.h"
#include "lib/print.h"

enum {
	SEG_CODE = 1 << 3,
	SEG_DATA = 2 << 3,
	SEG_TSS = 3 << 3,
	GDT_ENTRIES = 5, /* null, code, data, TSS (two) */

	IST_DOUBLE_FAULT = 1,
	IST_NMI = 2,
	IST_MACHINE_CHECK = 3,

	GATE_INTERRUPT = 0x8e, /* present, DPL 0, 64-bit interrupt gate: SDM 3A 6.14.1 */
	TSS_AVAILABLE = 0x89,  /* present, 64-bit TSS: SDM 3A 7.2.3 */
};
#define GDT_CODE UINT64_C(0x00af9a000000ffff)
#define GDT_DATA UINT64_C(0x00cf92000000ffff)

struct gate {
	uint16_t offset_low, selector;
	uint8_t ist, type;
	uint16_t offset_mid;
	uint32_t offset_high, zero;
};
_Static_assert(sizeof(struct gate) == 16, "SDM 3A figure 6-8");

/* 104 bytes whose 64-bit fields start at 4: SDM 3A figure 7-11.  Kept as 32-bit halves. */
struct tss {
	uint32_t reserved0;
	uint32_t rsp[6];
	uint32_t reserved1[2];
	uint32_t ist[14];
	uint32_t reserved2[2];
	uint16_t reserved3, io_map;
};
_Static_assert(sizeof(struct tss) == 104, "SDM 3A figure 7-11");

struct __attribute__((packed)) table_pointer {
	uint16_t limit;
	uint64_t base;
};

extern const uint8_t trap_entries[];
extern const uint8_t boot_stack_top[];

static struct gate idt[TRAP_VECTORS] __aligned(16);
static struct {
	const char *name;
	void (*fn)(struct trap_frame *frame);
} handlers[TRAP_VECTORS];
static bool (*trap_filter)(struct trap_frame *frame, uint64_t cr2);
static void (*after_interrupt)(void);

struct tables {
	uint64_t gdt[GDT_ENTRIES];
	struct tss tss;
};
static PER_CPU(struct tables, tables);

/* Written by its CPU; read by others, racily. */
struct counts {
	uint32_t of[TRAP_VECTORS];
	uint64_t longest; /* ticks */
	unsigned longest_vector;
};
static PER_CPU(struct counts, counts);

static void tss_set_ist(struct tss *tss, unsigned ist, const void *stack_top)
{
	uint64_t top = (uint64_t)stack_top;

	tss->ist[2 * (ist - 1)] = (uint32_t)top;
	tss->ist[2 * (ist - 1) + 1] = (uint32_t)(top >> 32);
}

static unsigned vector_ist(unsigned vector)
{
	switch (vector) {
	case VECTOR_DOUBLE_FAULT: return IST_DOUBLE_FAULT;
	case VECTOR_NMI: return IST_NMI;
	case VECTOR_MACHINE_CHECK: return IST_MACHINE_CHECK;
	default: return 0;
	}
}

static void load_tables(const struct tables *t)
{
	struct table_pointer gdt_pointer = { sizeof(t->gdt) - 1, (uint64_t)t->gdt };
	struct table_pointer idt_pointer = { sizeof(idt) - 1, (uint64_t)idt };

	/* GS is not loaded: its base is the CPU's bias */
	__asm__ volatile("lgdt %0\n\t"
			 "pushq %1\n\t"
			 "leaq 1f(%%rip), %%rax\n\t"
			 "pushq %%rax\n\t"
			 "lretq\n\t"
			 "1:\n\t"
			 "movw %w2, %%ds\n\t"
			 "movw %w2, %%es\n\t"
			 "movw %w2, %%ss\n\t"
			 "lidt %3\n\t"
			 "ltr %w4"
			 :
			 : "m"(gdt_pointer), "i"(SEG_CODE), "r"(SEG_DATA), "m"(idt_pointer),
			   "r"(SEG_TSS)
			 : "rax", "memory");
}

static void fill_idt(void)
{
	for (unsigned i = 0; i < TRAP_VECTORS; i++) {
		uint64_t entry = (uint64_t)(trap_entries + i * TRAP_ENTRY_BYTES);

		idt[i] = (struct gate){
			.offset_low = (uint16_t)entry,
			.selector = SEG_CODE,
			.ist = (uint8_t)vector_ist(i),
			.type = GATE_INTERRUPT,
			.offset_mid = (uint16_t)(entry >> 16),
			.offset_high = (uint32_t)(entry >> 32),
		};
	}
}

void trap_init_cpu(const struct trap_stacks *stacks)
{
	struct tables *t = this_cpu_ptr(tables);
	uint64_t base = (uint64_t)&t->tss;

	tss_set_ist(&t->tss, IST_DOUBLE_FAULT, stacks->double_fault);
	tss_set_ist(&t->tss, IST_NMI, stacks->nmi);
	tss_set_ist(&t->tss, IST_MACHINE_CHECK, stacks->machine_check);
	t->tss.io_map = sizeof(t->tss);
	t->gdt[1] = GDT_CODE;
	t->gdt[2] = GDT_DATA;
	t->gdt[3] = (sizeof(t->tss) - 1) | (base & 0xffffff) << 16 | (uint64_t)TSS_AVAILABLE << 40 |
		    (base >> 24 & 0xff) << 56;
	t->gdt[4] = base >> 32;
	load_tables(t);
	machine_check_enable();
}

void trap_init(void)
{
	const struct trap_stacks stacks = {
		boot_stacks.double_fault + sizeof(boot_stacks.double_fault),
		boot_stacks.nmi + sizeof(boot_stacks.nmi),
		boot_stacks.machine_check + sizeof(boot_stacks.machine_check),
	};

	ASSERT(boot_stack_top == boot_stacks.boot + sizeof(boot_stacks.boot));
	fill_idt();
	trap_init_cpu(&stacks);
}

/* ---- handlers ---- */

void trap_set_handler(unsigned vector, const char *name, void (*handler)(struct trap_frame *frame))
{
	ASSERT(vector >= TRAP_EXCEPTIONS && vector < TRAP_VECTORS);
	handlers[vector].name = name;
	handlers[vector].fn = handler;
}

void trap_set_after(void (*after)(void))
{
	after_interrupt = after;
}

uint32_t arch_vector_count(unsigned cpu, unsigned vector)
{
	return per_cpu_ptr(counts, cpu)->of[vector];
}

const char *arch_vector_name(unsigned vector)
{
	return handlers[vector].name;
}

uint64_t trap_longest(unsigned cpu, unsigned *vector)
{
	const struct counts *c = per_cpu_ptr(counts, cpu);

	*vector = c->longest_vector;
	return c->longest;
}

void trap_set_filter(bool (*filter)(struct trap_frame *frame, uint64_t cr2))
{
	trap_filter = filter;
}

bool trap_filtered(struct trap_frame *frame, uint64_t cr2)
{
	return trap_filter != NULL && trap_filter(frame, cr2);
}

static void interrupt(struct trap_frame *frame)
{
	uint64_t start = arch_ticks(), took;

	tlb_idle_leave(); /* the handler may touch what was unmapped meanwhile */
	this_cpu(counts).of[frame->vector]++;
	if (frame->vector >= ARCH_VECTOR_FIRST && frame->vector <= ARCH_VECTOR_LAST) {
		irq_dispatch((unsigned)frame->vector);
		apic_end_of_interrupt();
	} else if (handlers[frame->vector].fn != NULL)
		handlers[frame->vector].fn(frame);
	else
		warn("interrupt on vector %#lx has no handler", frame->vector);
	took = arch_ticks() - start;
	if (took > this_cpu(counts).longest) {
		this_cpu(counts).longest = took;
		this_cpu(counts).longest_vector = (unsigned)frame->vector;
	}
	if (after_interrupt != NULL && (frame->rflags & RFLAGS_IF) != 0)
		after_interrupt();
}

void trap_enter(struct trap_frame *frame)
{
	bool is_measured = (frame->rflags & RFLAGS_IF) != 0 && frame->vector != VECTOR_NMI &&
			   frame->vector != VECTOR_MACHINE_CHECK;

	if (is_measured)
		irq_off_begin();
	if (frame->vector < TRAP_EXCEPTIONS)
		fault_enter(frame);
	else
		interrupt(frame);
	if (is_measured)
		irq_off_end();
}
