/* SPDX-License-Identifier: MIT */
/* irq.c - an interrupt controller for a Linux process: wires, messages, pending vectors. */
#include <pthread.h>
#include <stdatomic.h>

#include "arch/arch.h"
#include "arch/host/host.h"
#include "kern/irq.h"
#include "kern/percpu.h"

enum {
	WORD_BITS = 64,
	WORDS = ARCH_VECTORS / WORD_BITS,
	MSI_CPU_SHIFT = 12,
};
#define MSI_ADDRESS UINT64_C(0xfee00000)

enum {
	WIRE_ROUTED = 1 << 0,
	WIRE_MASKED = 1 << 1,
	WIRE_ASSERTED = 1 << 2,
};

static struct wire {
	unsigned flags;
	enum irq_trigger trigger;
	unsigned cpu, vector;
} wires[HOST_GSIS];
static pthread_mutex_t wires_lock = PTHREAD_MUTEX_INITIALIZER; /* taken with interrupts off */

static _Atomic uint64_t pending[ARCH_MAX_CPUS][WORDS];

/* Interrupts by vector. */
struct counts {
	_Atomic uint64_t of[ARCH_VECTORS];
};
static PER_CPU(struct counts, counts);

void host_irq_reset(void)
{
	for (unsigned i = 0; i < HOST_GSIS; i++)
		wires[i] = (struct wire){ .flags = WIRE_MASKED };
	for (unsigned cpu = 0; cpu < ARCH_MAX_CPUS; cpu++)
		for (unsigned w = 0; w < WORDS; w++)
			atomic_store(&pending[cpu][w], 0);
}

static void pend(unsigned cpu, unsigned vector);

/* The lock is held. */
static bool wire_fires(const struct wire *w)
{
	return w->flags == (WIRE_ROUTED | WIRE_ASSERTED);
}

/* A level that is still asserted when its interrupt ends interrupts again. */
static void end(unsigned vector)
{
	bool again = false;

	pthread_mutex_lock(&wires_lock);
	for (unsigned i = 0; i < HOST_GSIS; i++) {
		const struct wire *w = &wires[i];

		again = again || (wire_fires(w) && w->cpu == host_cpu && w->vector == vector &&
				  irq_is_level(w->trigger));
	}
	pthread_mutex_unlock(&wires_lock);
	if (again)
		pend(host_cpu, vector);
}

static void dispatch(unsigned vector)
{
	percpu_add(&this_cpu_ptr(counts)->of[vector], 1);
	irq_dispatch(vector);
	end(vector);
}

void host_irq_dispatch_pending(void)
{
	for (unsigned w = 0; w < WORDS; w++)
		for (uint64_t left = atomic_exchange(&pending[host_cpu][w], 0); left != 0;
		     left &= left - 1)
			dispatch(w * WORD_BITS + (unsigned)__builtin_ctzll(left));
}

/* Make it pending and interrupt the CPU. */
static void pend(unsigned cpu, unsigned vector)
{
	uintptr_t irq = arch_irq_save();

	atomic_fetch_or(&pending[cpu][vector / WORD_BITS], UINT64_C(1) << vector % WORD_BITS);
	if (cpu == host_cpu)
		host_irq_suspect();
	else
		(void)arch_call_interrupt(cpu);
	arch_irq_restore(irq);
}

static void wire_change(uint32_t gsi, unsigned set, unsigned clear)
{
	uintptr_t irq = arch_irq_save();
	struct wire *w = &wires[gsi];
	unsigned cpu, vector;
	bool fired, fires;

	pthread_mutex_lock(&wires_lock);
	fired = wire_fires(w);
	w->flags = (w->flags | set) & ~clear;
	/* an edge that comes while the wire is masked is lost */
	if (!irq_is_level(w->trigger) && (set & WIRE_ASSERTED) && (w->flags & WIRE_MASKED))
		w->flags &= ~(unsigned)WIRE_ASSERTED;
	fires = wire_fires(w);
	cpu = w->cpu;
	vector = w->vector;
	pthread_mutex_unlock(&wires_lock);
	if (fires && !fired)
		pend(cpu, vector);
	arch_irq_restore(irq);
}

void host_irq_assert(uint32_t gsi)
{
	wire_change(gsi, WIRE_ASSERTED, 0);
}

void host_irq_deassert(uint32_t gsi)
{
	wire_change(gsi, 0, WIRE_ASSERTED);
}

bool host_irq_is_open(uint32_t gsi)
{
	uintptr_t irq = arch_irq_save();
	bool open;

	pthread_mutex_lock(&wires_lock);
	open = (wires[gsi].flags & (WIRE_ROUTED | WIRE_MASKED)) == WIRE_ROUTED;
	pthread_mutex_unlock(&wires_lock);
	arch_irq_restore(irq);
	return open;
}

void host_msi_write(uint64_t address, uint32_t data)
{
	pend((unsigned)((address - MSI_ADDRESS) >> MSI_CPU_SHIFT), data);
}

/* ---- the seam ---- */

err_t arch_irq_route(uint32_t gsi, enum irq_trigger trigger, unsigned cpu, unsigned vector)
{
	uintptr_t irq = arch_irq_save();

	if (gsi < HOST_GSIS) {
		pthread_mutex_lock(&wires_lock);
		wires[gsi] = (struct wire){ .flags = (wires[gsi].flags & WIRE_ASSERTED) |
						     WIRE_ROUTED | WIRE_MASKED,
					    .trigger = trigger,
					    .cpu = cpu,
					    .vector = vector };
		pthread_mutex_unlock(&wires_lock);
	}
	arch_irq_restore(irq);
	return gsi < HOST_GSIS ? OK : ERR_NOT_FOUND;
}

void arch_irq_unroute(uint32_t gsi)
{
	wire_change(gsi, WIRE_MASKED, WIRE_ROUTED);
}

void arch_irq_mask(uint32_t gsi)
{
	wire_change(gsi, WIRE_MASKED, 0);
}

void arch_irq_unmask(uint32_t gsi)
{
	wire_change(gsi, 0, WIRE_MASKED);
}

err_t arch_msi_compose(unsigned cpu, unsigned vector, struct msi_message *out)
{
	*out = (struct msi_message){ MSI_ADDRESS + ((uint64_t)cpu << MSI_CPU_SHIFT), vector };
	return OK;
}

uint32_t arch_vector_count(unsigned cpu, unsigned vector)
{
	return (uint32_t)percpu_read(&per_cpu_ptr(counts, cpu)->of[vector]);
}

const char *arch_vector_name(unsigned vector)
{
	(void)vector;
	return NULL;
}
