/* SPDX-License-Identifier: MIT */
#include <stdatomic.h>

#include "arch/arch.h"
#include "kern/percpu.h"

#ifdef KEEL_IRQ_OFF

enum {
	SITES = 256, /* more are not recorded */
};

/* A pair of places; `from` is 0 until it is taken. */
struct site {
	_Atomic uintptr_t from, to;
	_Atomic uint64_t ticks;
	_Atomic unsigned cpu;
};

PER_CPU(uint64_t, irq_off_since);
PER_CPU(uintptr_t, irq_off_from);
static struct site sites[SITES];

/* All relaxed: statistics; two CPUs that end at one place at once may keep the shorter one. */
static bool take_site(struct site *s, uintptr_t from, uintptr_t to)
{
	uintptr_t found = 0;

	if (atomic_compare_exchange_strong_explicit(&s->from, &found, from, memory_order_relaxed,
						    memory_order_relaxed))
		atomic_store_explicit(&s->to, to, memory_order_relaxed);
	else if (found != from || atomic_load_explicit(&s->to, memory_order_relaxed) != to)
		return false;
	return true;
}

__noinline void irq_off_record(uint64_t ticks)
{
	uintptr_t from = arch_this_cpu(irq_off_from), to = (uintptr_t)__builtin_return_address(0);

	for (unsigned i = 0; i < SITES; i++) {
		struct site *s = &sites[i];

		if (!take_site(s, from, to))
			continue;
		if (ticks > atomic_load_explicit(&s->ticks, memory_order_relaxed)) {
			atomic_store_explicit(&s->ticks, ticks, memory_order_relaxed);
			atomic_store_explicit(&s->cpu, arch_cpu_id(), memory_order_relaxed);
		}
		return;
	}
}

bool arch_irq_off_site(unsigned i, struct arch_irq_off *out)
{
	const struct site *s = &sites[i];

	if (i >= SITES || atomic_load_explicit(&s->from, memory_order_relaxed) == 0)
		return false;
	*out = (struct arch_irq_off){
		.ticks = atomic_load_explicit(&s->ticks, memory_order_relaxed),
		.from = atomic_load_explicit(&s->from, memory_order_relaxed),
		.to = atomic_load_explicit(&s->to, memory_order_relaxed),
		.cpu = atomic_load_explicit(&s->cpu, memory_order_relaxed),
	};
	return true;
}

#else

bool arch_irq_off_site(unsigned i, struct arch_irq_off *out)
{
	(void)i;
	(void)out;
	return false;
}

#endif

void arch_irq_off_restart(void)
{
	irq_off_begin();
}
