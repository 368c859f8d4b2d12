/* SPDX-License-Identifier: MIT */
/* smp_report.c - the monitor's words about CPUs and interrupts. */
#include "arch/cpu.h"
#include "arch/x86_64/smp.h"
#include "lib/command.h"
#include "lib/print.h"

enum {
	US_PER_MS = 1000,
};

static uint64_t ticks_to_us(uint64_t ticks)
{
	return ticks * US_PER_MS / arch_ticks_per_ms();
}

static uint64_t interrupts(unsigned cpu)
{
	uint64_t n = 0;

	for (unsigned v = TRAP_EXCEPTIONS; v < TRAP_VECTORS; v++)
		n += trap_count(cpu, v);
	return n;
}

COMMAND(cpus, "", "the CPUs that run: how long their start took, interrupts, the longest handler")
{
	print("CPU        APIC  start us  interrupts  longest us  in handler of\n");
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
		unsigned vector;
		uint64_t longest = trap_longest(cpu, &vector);

		print("%3u  %10u  %8lu  %10lu  %10lu  %s\n", cpu, smp_apic_id(cpu),
		      ticks_to_us(smp_start_ticks(cpu)), interrupts(cpu), ticks_to_us(longest),
		      longest == 0 ? "-" : trap_name(vector));
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
