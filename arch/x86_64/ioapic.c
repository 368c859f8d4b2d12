/* SPDX-License-Identifier: MIT */
#include "arch/x86_64/ioapic.h"

#include "kern/lock.h"
#include "arch/x86_64/apic.h"
#include "arch/x86_64/trap.h"

enum {
	SELECT = 0x00 / 4, /* in 32-bit words of the window */
	WINDOW = 0x10 / 4,

	REG_VERSION = 0x01,
	REG_ENTRY = 0x10, /* of input 0, low half; two registers each */
	VERSION_INPUTS_SHIFT = 16,
	VERSION_INPUTS_MASK = 0xff,
	ENTRY_MASKED = 1 << 16,
	ENTRY_DESTINATION_SHIFT = 24,
	DESTINATION_MAX = 0xfe,
	LINES_MAX = 64, /* that have a handler */
};
#define NOTHING_THERE UINT32_MAX

struct ioapic {
	volatile uint32_t *registers;
	uint32_t gsi_base, inputs;
};

struct line {
	unsigned vector;
	uint32_t gsi;
	void (*handler)(void);
};

LOCK_CLASS(ioapic_class, "IOAPICs", RANK_IOAPIC);
static struct spinlock lock = SPINLOCK_INIT(&ioapic_class);
static struct ioapic ioapics[IOAPICS_MAX]; /* (l) */
static unsigned count;                     /* (l) */
static struct line lines[LINES_MAX];       /* (l) to change; an entry never changes */
static _Atomic unsigned line_count;        /* (l) to change */

static uint32_t read_register(const struct ioapic *io, uint32_t reg)
{
	io->registers[SELECT] = reg;
	return io->registers[WINDOW];
}

static void write_register(const struct ioapic *io, uint32_t reg, uint32_t v)
{
	io->registers[SELECT] = reg;
	io->registers[WINDOW] = v;
}

static void mask_all(const struct ioapic *io)
{
	for (uint32_t i = 0; i < io->inputs; i++) {
		write_register(io, REG_ENTRY + 2 * i, ENTRY_MASKED);
		write_register(io, REG_ENTRY + 2 * i + 1, 0);
	}
}

err_t ioapic_add(void *registers, uint32_t gsi_base)
{
	struct ioapic io = { registers, gsi_base, 0 };
	uint32_t version = read_register(&io, REG_VERSION);
	uintptr_t irq;
	err_t err = OK;

	if (version == NOTHING_THERE || version == 0)
		return ERR_NOT_FOUND;
	io.inputs = (version >> VERSION_INPUTS_SHIFT & VERSION_INPUTS_MASK) + 1;
	irq = spin_lock_irq(&lock);
	if (count == IOAPICS_MAX) {
		err = ERR_NO_MEMORY;
	} else {
		mask_all(&io);
		ioapics[count++] = io;
	}
	spin_unlock_irq(&lock, irq);
	return err;
}

static void device_trap(struct trap_frame *frame)
{
	unsigned n = atomic_load_explicit(&line_count, memory_order_acquire);

	for (unsigned i = 0; i < n; i++)
		if (lines[i].vector == frame->vector)
			lines[i].handler();
	apic_end_of_interrupt();
}

static const struct ioapic *ioapic_of(uint32_t gsi)
{
	for (unsigned i = 0; i < count; i++)
		if (gsi - ioapics[i].gsi_base < ioapics[i].inputs)
			return &ioapics[i];
	return NULL;
}

static bool has_handler(uint32_t gsi)
{
	for (unsigned i = 0; i < line_count; i++)
		if (lines[i].gsi == gsi)
			return true;
	return false;
}

static err_t route(uint32_t gsi, unsigned wire, uint32_t apic, const char *name,
		   void (*handler)(void)) __requires(lock)
{
	const struct ioapic *io = ioapic_of(gsi);
	unsigned vector;
	uint32_t reg;

	if (io == NULL)
		return ERR_NOT_FOUND;
	if (has_handler(gsi))
		return ERR_IN_USE;
	if (line_count == LINES_MAX || (vector = trap_vector_alloc()) == 0)
		return ERR_NO_MEMORY;
	lines[line_count] = (struct line){ vector, gsi, handler };
	atomic_store_explicit(&line_count, line_count + 1, memory_order_release);
	trap_set_handler(vector, name, device_trap);
	reg = REG_ENTRY + 2 * (gsi - io->gsi_base);
	write_register(io, reg + 1, apic << ENTRY_DESTINATION_SHIFT);
	write_register(io, reg, vector | wire); /* unmasked with this */
	return OK;
}

err_t ioapic_route(uint32_t gsi, unsigned wire, uint32_t apic, const char *name,
		   void (*handler)(void))
{
	uintptr_t irq;
	err_t err;

	if (apic > DESTINATION_MAX || !apic_is_usable())
		return ERR_NOT_FOUND;
	irq = spin_lock_irq(&lock);
	err = route(gsi, wire, apic, name, handler);
	spin_unlock_irq(&lock, irq);
	return err;
}

unsigned ioapic_inputs(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++)
		n += ioapics[i].inputs;
	return n;
}
