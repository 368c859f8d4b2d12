/* SPDX-License-Identifier: MIT */
#include "monitor/irq_report.h"

#include "arch/arch.h"
#include "kern/cpu.h"
#include "kern/irq.h"
#include "lib/print.h"
#include "monitor/command.h"

enum {
	SOURCE_BYTES = 16, /* "GSI 4294967295" and its end */
};

static const char *vector_name(unsigned vector)
{
	const char *name = arch_vector_name(vector);

	if (name != NULL)
		return name;
	return vector >= ARCH_VECTOR_FIRST && vector <= ARCH_VECTOR_LAST ? "device" : "no handler";
}

const char *irq_handler_name(unsigned cpu, unsigned vector)
{
	struct irq_info line;

	for (unsigned i = 0; i < IRQ_LINES_MAX; i++)
		if (irq_info_at(i, &line) && line.cpu == cpu && line.vector == vector)
			return line.name;
	return vector_name(vector);
}

static bool was_received(unsigned vector)
{
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
		if (arch_vector_count(cpu, vector) != 0)
			return true;
	return false;
}

static void print_vectors(void)
{
	for (unsigned v = 0; v < ARCH_VECTORS; v++) {
		if (!was_received(v))
			continue;
		print("%#4x %-12s", v, vector_name(v));
		for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
			print(" %9u", arch_vector_count(cpu, v));
		print("\n");
	}
}

static const char *trigger_name(const struct irq_info *line)
{
	if (line->is_message)
		return "message";
	switch (line->trigger) {
	case IRQ_EDGE_HIGH: return "edge high";
	case IRQ_EDGE_LOW: return "edge low";
	case IRQ_LEVEL_HIGH: return "level high";
	case IRQ_LEVEL_LOW: return "level low";
	}
	return "unknown";
}

static void print_line(const struct irq_info *line)
{
	char source[SOURCE_BYTES] = "MSI";

	if (!line->is_message)
		print_to(source, sizeof(source), "GSI %u", line->gsi);
	print("%-8s %3u %#6x  %-10s %8u %9lu %9lu  %s%s\n", source, line->cpu, line->vector,
	      trigger_name(line), line->handlers, line->count, line->unhandled, line->name,
	      line->masked ? " (masked: no handler recognised it)" : "");
}

static void print_lines(void)
{
	struct irq_info line;

	print("source   CPU vector  trigger    handlers     count unhandled  name\n");
	for (unsigned i = 0; i < IRQ_LINES_MAX; i++)
		if (irq_info_at(i, &line))
			print_line(&line);
}

COMMAND(irqs, "",
	"interrupts by vector and CPU; lines of devices: route, trigger, handlers, counts")
{
	print_vectors();
	print_lines();
	print("%lu interrupts of device vectors without a line\n", irq_spurious_count());
}
