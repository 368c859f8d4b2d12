/* SPDX-License-Identifier: MIT */
#include "monitor/cpu_report.h"

#include "kern/cpu.h"
#include "lib/print.h"
#include "lib/symbols.h"
#include "monitor/command.h"
#include "monitor/irq_report.h"

static uint64_t interrupts(unsigned cpu)
{
	uint64_t n = 0;

	for (unsigned v = 0; v < ARCH_VECTORS; v++)
		n += arch_vector_count(cpu, v);
	return n;
}

/* An interrupts-off time, and where. */
struct irq_off {
	uint64_t ticks; /* 0: none is known */
	char where[2 * SYMBOL_TEXT_BYTES];
};

static struct irq_off longest_handler(unsigned cpu, const struct arch_cpu_info *info)
{
	struct irq_off s = { .ticks = info->handler_ticks };

	print_to(s.where, sizeof(s.where), "the handler of %s",
		 irq_handler_name(cpu, info->handler_vector));
	return s;
}

/* The longest time on a CPU; in builds that measure them. */
static struct irq_off longest_time(unsigned cpu)
{
	struct irq_off s = { .ticks = 0 };
	struct arch_irq_off site;

	for (unsigned i = 0; arch_irq_off_site(i, &site); i++)
		if (site.cpu == cpu && site.ticks > s.ticks) {
			char from[SYMBOL_TEXT_BYTES], to[SYMBOL_TEXT_BYTES];

			symbols_format_return(site.from, from, sizeof(from));
			symbols_format_return(site.to, to, sizeof(to));
			s.ticks = site.ticks;
			print_to(s.where, sizeof(s.where), "%s to %s", from, to);
		}
	return s;
}

#ifdef KEEL_DEBUG
static const char not_measured[] = "";
#else
static const char not_measured[] = " (all code is timed only in debug builds)";
#endif

void cpu_describe_longest_off(unsigned cpu, char *text, size_t bytes)
{
	struct irq_off handler, time = longest_time(cpu);
	const struct irq_off *longest;
	struct arch_cpu_info info;

	arch_cpu_info(cpu, &info);
	handler = longest_handler(cpu, &info);
	longest = time.ticks > handler.ticks ? &time : &handler;
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

COMMAND(cpus, "", "CPUs: hardware identifier, start time, interrupts, longest interrupts-off times")
{
	struct arch_cpu_info info;

	print("CPU        APIC  start us  interrupts\n");
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
		arch_cpu_info(cpu, &info);
		print("%3u  %10u  %8lu  %10lu\n", cpu, info.id, ticks_to_us(info.start_ticks),
		      interrupts(cpu));
	}
	print("CPU  off for us  at most, in%s\n", not_measured);
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
		struct irq_off handler, time = longest_time(cpu);

		arch_cpu_info(cpu, &info);
		handler = longest_handler(cpu, &info);
		print_irq_off(cpu, &handler);
		print_irq_off(cpu, &time);
	}
}
