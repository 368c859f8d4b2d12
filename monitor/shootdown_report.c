/* SPDX-License-Identifier: MIT */
/* shootdown_report.c - the monitor's `tlb`. */
#include "kern/shootdown.h"
#include "lib/command.h"
#include "lib/print.h"

/* Figures of other CPUs change while they are read. */
static uint64_t figure(const _Atomic uint64_t *total)
{
	return atomic_load_explicit(total, memory_order_relaxed);
}

static void print_cpu(unsigned cpu)
{
	const struct shootdown_stats *t = per_cpu_ptr(shootdown_stats, cpu);
	uint64_t us = ticks_to_us(figure(&t->longest));

	print("%3u %9lu %9lu %9lu %9lu %9lu %9lu %9lu %9lu %8lu\n", cpu, figure(&t->requests),
	      figure(&t->ipis), figure(&t->marks), figure(&t->served), figure(&t->pages),
	      figure(&t->everything), figure(&t->switches), figure(&t->kept), us);
}

COMMAND(tlb, "", "shootdowns that each CPU asked for and did, and its longest wait")
{
	print("cpu  requests     ipis     marks    served     pages       all  switches"
	      "      kept  wait us\n");
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
		print_cpu(cpu);
	print("contexts: %u; broadcast: %s\n", arch_tlb_contexts(),
	      arch_tlb_can_broadcast() ? "yes" : "no");
}
