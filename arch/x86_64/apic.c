/* SPDX-License-Identifier: MIT */
#include "arch/x86_64/apic.h"

#include <stdatomic.h>

#include "arch/arch.h"
#include "arch/x86_64/trap.h"
#include "lib/bits.h"

/* Register offsets of the xAPIC page; x2APIC MSR = 800h + offset / 16 (SDM 3A tables 10-1, 10-6).
 */
enum {
	APIC_TPR = 0x080,
	APIC_EOI = 0x0b0,
	APIC_SVR = 0x0f0,
	APIC_LVT_TIMER = 0x320,
	APIC_LVT_LINT0 = 0x350,
	APIC_TIMER_INITIAL = 0x380,
	APIC_TIMER_CURRENT = 0x390,
	APIC_TIMER_DIVIDE = 0x3e0,

	SVR_ENABLE = 1 << 8,
	LVT_MASKED = 1 << 16,
	LVT_PERIODIC = 1 << 17,
	TIMER_DIVIDE_16 = 3,
	TIMER_MOST = 0x7fffffff,
	TIMER_CALIBRATE_MS = 10,
};
#define APIC_BASE_X2APIC  (UINT64_C(1) << 10)
#define APIC_BASE_ADDRESS UINT64_C(0x000ffffffffff000)
#define APIC_BASE_ENABLE  (UINT64_C(1) << 11)
#define CPUID_1_EDX_APIC  (UINT32_C(1) << 9)

enum {
	PIC1_COMMAND = 0x20,
	PIC1_DATA = 0x21,
	PIC2_COMMAND = 0xa0,
	PIC2_DATA = 0xa1,
	PIC_ICW1 = 0x11, /* edge, cascade, ICW4 follows */
	PIC_ICW4 = 0x01, /* 8086 mode */
	PIC_CASCADE_LINE = 2,
	PIC_ALL = 0xff,
};

static bool usable, x2apic;
static volatile uint32_t *page; /* xAPIC registers */
static void (*tick_handler)(void);
static _Atomic uint64_t ticks;

static uint32_t apic_read(unsigned reg)
{
	return x2apic ? (uint32_t)rdmsr(MSR_X2APIC_FIRST + reg / 16) : page[reg / 4];
}

static void apic_write(unsigned reg, uint32_t v)
{
	if (x2apic)
		wrmsr(MSR_X2APIC_FIRST + reg / 16, v);
	else
		page[reg / 4] = v;
}

static void pic_mask_all(void)
{
	outb(PIC1_COMMAND, PIC_ICW1);
	outb(PIC2_COMMAND, PIC_ICW1);
	outb(PIC1_DATA, VECTOR_PIC_FIRST);
	outb(PIC2_DATA, VECTOR_PIC_FIRST + 8);
	outb(PIC1_DATA, 1 << PIC_CASCADE_LINE);
	outb(PIC2_DATA, PIC_CASCADE_LINE);
	outb(PIC1_DATA, PIC_ICW4);
	outb(PIC2_DATA, PIC_ICW4);
	outb(PIC1_DATA, PIC_ALL);
	outb(PIC2_DATA, PIC_ALL);
}

static void ignore(struct trap_frame *frame)
{
	(void)frame; /* spurious: no EOI, nothing to do (SDM 3A 10.9) */
}

static void timer_interrupt(struct trap_frame *frame)
{
	(void)frame;
	atomic_fetch_add_explicit(&ticks, 1, memory_order_relaxed); /* a statistic */
	if (tick_handler != NULL)
		tick_handler();
	apic_write(APIC_EOI, 0);
}

static bool has_apic(void)
{
	return (cpuid(1, 0).edx & CPUID_1_EDX_APIC) != 0;
}

uint64_t apic_page_address(void)
{
	uint64_t base;

	if (!has_apic())
		return 0;
	base = rdmsr(MSR_APIC_BASE);
	return (base & APIC_BASE_X2APIC) != 0 ? 0 : base & APIC_BASE_ADDRESS;
}

err_t apic_init(void *registers)
{
	uint64_t base;

	pic_mask_all();
	for (unsigned i = 0; i < 16; i++)
		trap_set_handler(VECTOR_PIC_FIRST + i, ignore);
	trap_set_handler(VECTOR_SPURIOUS, ignore);
	trap_set_handler(VECTOR_TIMER, timer_interrupt);
	if (!has_apic())
		return ERR_NOT_FOUND;
	base = rdmsr(MSR_APIC_BASE);
	x2apic = (base & APIC_BASE_X2APIC) != 0;
	if (!x2apic && registers == NULL)
		return ERR_NOT_FOUND;
	if ((base & APIC_BASE_ENABLE) == 0)
		wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLE);
	page = registers;
	usable = true;
	apic_write(APIC_LVT_TIMER, LVT_MASKED);
	apic_write(APIC_LVT_LINT0, LVT_MASKED);
	apic_write(APIC_TPR, 0);
	apic_write(APIC_SVR, SVR_ENABLE | VECTOR_SPURIOUS);
	return OK;
}

err_t apic_timer_start(unsigned us, void (*tick)(void))
{
	uint64_t start, per_ms, initial;

	if (!usable)
		return ERR_NOT_FOUND;
	apic_write(APIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
	apic_write(APIC_TIMER_DIVIDE, TIMER_DIVIDE_16);
	apic_write(APIC_TIMER_INITIAL, TIMER_MOST);
	start = arch_ticks();
	while (arch_ticks() - start < TIMER_CALIBRATE_MS * arch_ticks_per_ms())
		arch_relax();
	per_ms = (TIMER_MOST - apic_read(APIC_TIMER_CURRENT)) / TIMER_CALIBRATE_MS;
	if (per_ms == 0)
		return ERR_TIMEOUT;
	initial = max_u64(per_ms * us / 1000, 1);
	tick_handler = tick;
	apic_write(APIC_LVT_TIMER, LVT_PERIODIC | VECTOR_TIMER);
	apic_write(APIC_TIMER_INITIAL, (uint32_t)min_u64(initial, TIMER_MOST));
	return OK;
}

void apic_timer_stop(void)
{
	if (!usable)
		return;
	apic_write(APIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
	apic_write(APIC_TIMER_INITIAL, 0);
}

void arch_idle(void)
{
	interrupts_on_and_halt();
	interrupts_off();
}

uint64_t apic_timer_count(void)
{
	return atomic_load_explicit(&ticks, memory_order_relaxed);
}
