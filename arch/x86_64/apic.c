/* SPDX-License-Identifier: MIT */
#include "arch/x86_64/apic.h"

#include "arch/arch.h"
#include "arch/x86_64/trap.h"
#include "lib/panic.h"
#include "lib/print.h"

/* Register offsets of the xAPIC page; x2APIC MSR = 800h + offset / 16 (SDM 3A, tables 10-1 and
 * 10-6). */
enum {
	APIC_ID = 0x020,
	APIC_TPR = 0x080,
	APIC_EOI = 0x0b0,
	APIC_SVR = 0x0f0,
	APIC_ESR = 0x280,
	APIC_ICR = 0x300,
	APIC_ICR_HIGH = 0x310,
	APIC_LVT_LINT0 = 0x350,
	APIC_LVT_ERROR = 0x370,

	CPUID_1_EBX_ID_SHIFT = 24, /* before apic_init(): the low byte is enough */
	XAPIC_ID_SHIFT = 24,
	XAPIC_ID_MAX = 0xfe, /* 0xff means all of them */
	SVR_ENABLE = 1 << 8,
	LVT_MASKED = 1 << 16,
	ICR_NMI = 4 << 8, /* delivery modes: SDM 3A 10.6.1 */
	ICR_INIT = 5 << 8,
	ICR_STARTUP = 6 << 8,
	ICR_PENDING = 1 << 12,
	ICR_ASSERT = 1 << 14,
	ICR_WAIT_MS = 1,
};
#define APIC_BASE_X2APIC   (UINT64_C(1) << 10)
#define APIC_BASE_ADDRESS  UINT64_C(0x000ffffffffff000)
#define APIC_BASE_ENABLE   (UINT64_C(1) << 11)
#define CPUID_1_EDX_APIC   (UINT32_C(1) << 9)
#define CPUID_1_ECX_X2APIC (UINT32_C(1) << 21)

enum {
	PIC1_COMMAND = 0x20,
	PIC1_DATA = 0x21,
	PIC2_COMMAND = 0xa0,
	PIC2_DATA = 0xa1,
	PIC_ICW1 = 0x11, /* edge, cascade, ICW4 follows */
	PIC_ICW4 = 0x01, /* 8086 mode */
	PIC_CASCADE_LINE = 2,
	PIC_ALL = 0xff,
	PIC_LINES = 16,
};

/* Constant after apic_init(): all CPUs are in one mode. */
static bool usable, x2apic;
static volatile uint32_t *page; /* xAPIC registers, each CPU's own at the same address */

uint32_t apic_read(unsigned reg)
{
	return x2apic ? (uint32_t)rdmsr(MSR_X2APIC_FIRST + reg / 16) : page[reg / 4];
}

void apic_write(unsigned reg, uint32_t v)
{
	if (x2apic)
		wrmsr(MSR_X2APIC_FIRST + reg / 16, v);
	else
		page[reg / 4] = v;
}

bool apic_is_usable(void)
{
	return usable;
}

bool apic_is_x2apic(void)
{
	return x2apic;
}

uint32_t apic_id(void)
{
	if (!usable)
		return cpuid(1, 0).ebx >> CPUID_1_EBX_ID_SHIFT;
	return x2apic ? apic_read(APIC_ID) : apic_read(APIC_ID) >> XAPIC_ID_SHIFT;
}

void apic_end_of_interrupt(void)
{
	apic_write(APIC_EOI, 0);
}

/* ---- start ---- */

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

static void error_interrupt(struct trap_frame *frame)
{
	(void)frame;
	apic_write(APIC_ESR, 0); /* a write latches the errors since the last one: 10.5.3 */
	warn("local APIC %u reports error %#x", apic_id(), apic_read(APIC_ESR));
	apic_end_of_interrupt();
}

static bool has_apic(void)
{
	return (cpuid(1, 0).edx & CPUID_1_EDX_APIC) != 0;
}

static bool has_x2apic(void)
{
	return (cpuid(1, 0).ecx & CPUID_1_ECX_X2APIC) != 0 ||
	       (rdmsr(MSR_APIC_BASE) & APIC_BASE_X2APIC) != 0;
}

uint64_t apic_page_address(void)
{
	if (!has_apic() || has_x2apic())
		return 0;
	return rdmsr(MSR_APIC_BASE) & APIC_BASE_ADDRESS;
}

void apic_init_cpu(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE);

	/* from disabled to x2APIC only by way of xAPIC: SDM 3A 10.12.5 */
	if ((base & APIC_BASE_ENABLE) == 0)
		wrmsr(MSR_APIC_BASE, base |= APIC_BASE_ENABLE);
	if (x2apic && (base & APIC_BASE_X2APIC) == 0)
		wrmsr(MSR_APIC_BASE, base | APIC_BASE_X2APIC);
	apic_write(APIC_LVT_TIMER, LVT_MASKED);
	apic_write(APIC_LVT_LINT0, LVT_MASKED);
	apic_write(APIC_LVT_ERROR, VECTOR_APIC_ERROR);
	apic_write(APIC_TPR, 0);
	apic_write(APIC_SVR, SVR_ENABLE | VECTOR_SPURIOUS);
}

err_t apic_init(void *registers)
{
	pic_mask_all();
	for (unsigned i = 0; i < PIC_LINES; i++)
		trap_set_handler(VECTOR_PIC_FIRST + i, "stray PIC", ignore);
	trap_set_handler(VECTOR_SPURIOUS, "spurious", ignore);
	trap_set_handler(VECTOR_APIC_ERROR, "APIC error", error_interrupt);
	if (!has_apic())
		return ERR_NOT_FOUND;
	x2apic = has_x2apic();
	if (!x2apic && registers == NULL)
		return ERR_NOT_FOUND;
	page = registers;
	usable = true;
	apic_init_cpu();
	return OK;
}

/* ---- to other CPUs ---- */

static bool sending_ends(void)
{
	uint64_t start = arch_ticks();

	while ((apic_read(APIC_ICR) & ICR_PENDING) != 0) {
		if (arch_ticks() - start > ICR_WAIT_MS * arch_ticks_per_ms())
			return false;
		arch_relax();
	}
	return true;
}

/* An x2APIC orders no earlier store before its write: SDM 3A 10.12.3. */
static void send_x2apic(uint32_t to, uint32_t command)
{
	__asm__ volatile("mfence; lfence" : : : "memory");
	wrmsr(MSR_X2APIC_FIRST + APIC_ICR / 16, (uint64_t)to << 32 | command);
}

static err_t send(uint32_t to, uint32_t command)
{
	uintptr_t irq;
	err_t err = ERR_TIMED_OUT;

	if (!usable)
		return ERR_NOT_FOUND;
	if (x2apic) {
		send_x2apic(to, command);
		return OK;
	}
	if (to > XAPIC_ID_MAX)
		return ERR_BAD_RANGE;
	irq = arch_irq_save(); /* two registers */
	if (sending_ends()) {
		apic_write(APIC_ICR_HIGH, to << XAPIC_ID_SHIFT);
		apic_write(APIC_ICR, command);
		err = OK;
	}
	arch_irq_restore(irq);
	return err;
}

err_t apic_send(uint32_t to, unsigned vector)
{
	return send(to, vector | ICR_ASSERT);
}

err_t apic_send_nmi(uint32_t to)
{
	return send(to, ICR_NMI | ICR_ASSERT);
}

err_t apic_send_init(uint32_t to)
{
	return send(to, ICR_INIT | ICR_ASSERT);
}

err_t apic_send_startup(uint32_t to, uint32_t start)
{
	ASSERT(start % PT_PAGE_BYTES == 0 && start < MIB(1));
	return send(to, ICR_STARTUP | ICR_ASSERT | start / PT_PAGE_BYTES);
}
