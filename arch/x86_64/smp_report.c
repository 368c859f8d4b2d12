/* SPDX-License-Identifier: MIT */
/* smp_report.c - the monitor's words about CPUs and interrupts. */
#include "kern/cpu.h"
#include "kern/lock.h"
#include "arch/x86_64/smp.h"
#include "lib/command.h"
#include "lib/print.h"
#include "lib/symbols.h"

static uint64_t interrupts(unsigned cpu)
{
	uint64_t n = 0;

	for (unsigned v = TRAP_EXCEPTIONS; v < TRAP_VECTORS; v++)
		n += trap_count(cpu, v);
	return n;
}

/* An interrupts-off time, and where. */
struct irq_off {
	uint64_t ticks; /* 0: none is known */
	char where[SYMBOL_TEXT_BYTES];
};

static struct irq_off longest_handler(unsigned cpu)
{
	unsigned vector;
	struct irq_off s = { .ticks = trap_longest(cpu, &vector) };
	const char *name = trap_name(vector);

	print_to(s.where, sizeof(s.where), "the handler of %s",
		 name != NULL ? name : "a vector that is nobody's");
	return s;
}

#ifdef KEEL_DEBUG

static struct irq_off longest_lock(unsigned cpu)
{
	struct irq_off s;
	uintptr_t where;

	lock_longest_off(cpu, &s.ticks, &where);
	symbols_format_return(where, s.where, sizeof(s.where));
	return s;
}

static const char not_measured[] = "";

#else

static struct irq_off longest_lock(unsigned cpu)
{
	(void)cpu;
	return (struct irq_off){ 0 };
}

static const char not_measured[] = " (locks are timed in debug builds alone)";

#endif

void smp_describe_longest_off(unsigned cpu, char *text, size_t bytes)
{
	struct irq_off handler = longest_handler(cpu), lock = longest_lock(cpu);
	const struct irq_off *longest = lock.ticks > handler.ticks ? &lock : &handler;

	if (longest->ticks == 0)
		print_to(text, bytes, "0 us%s", not_measured);
	else
		print_to(text, bytes, "%lu us, in %s%s", ticks_to_us(longest->ticks),
			 longest->where, not_measured);
}

static void print_irq_off(unsigned cpu, const struct irq_off *s)
{
	if (s->ticks != 0)
		print("%3u  %10lu  %s\n", cpu, ticks_to_us(s->ticks), s->where);
}

COMMAND(cpus, "",
	"the CPUs that run: how long their start took, interrupts, how long they were off")
{
	print("CPU        APIC  start us  interrupts\n");
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
		print("%3u  %10u  %8lu  %10lu\n", cpu, smp_apic_id(cpu),
		      ticks_to_us(smp_start_ticks(cpu)), interrupts(cpu));
	print("CPU  off for us  at most, in%s\n", not_measured);
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
		struct irq_off handler = longest_handler(cpu), lock = longest_lock(cpu);

		print_irq_off(cpu, &handler);
		print_irq_off(cpu, &lock);
	}
}

static bool came(unsigned vector)
{
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
		if (trap_count(cpu, vector) != 0)
			return true;
	return false;
}

COMMAND(irqs, "", "how often each interrupt came, by CPU")
{
	for (unsigned v = TRAP_EXCEPTIONS; v < TRAP_VECTORS; v++) {
		if (!came(v))
			continue;
		print("%#4x %-12s", v, trap_name(v) != NULL ? trap_name(v) : "nobody's");
		for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
			print(" %9u", trap_count(cpu, v));
		print("\n");
	}
}
