/* SPDX-License-Identifier: MIT */
/* shootdown_report.c - the monitor's `tlb`. */
#include "kern/shootdown.h"
#include "lib/print.h"
#include "monitor/command.h"

static void print_cpu(unsigned cpu)
{
	const struct shootdown_stats *t = per_cpu_ptr(shootdown_stats, cpu);
	uint64_t us = ticks_to_us(percpu_read(&t->longest));

	print("%3u %9lu %9lu %9lu %9lu %9lu %9lu %9lu %9lu %8lu\n", cpu, percpu_read(&t->requests),
	      percpu_read(&t->ipis), percpu_read(&t->marks), percpu_read(&t->served),
	      percpu_read(&t->pages), percpu_read(&t->everything), percpu_read(&t->switches),
	      percpu_read(&t->kept), us);
}

COMMAND(tlb, "", "TLB shootdowns requested and served by each CPU, and its longest wait")
{
	print("cpu  requests     ipis     marks    served     pages       all  switches"
	      "      kept  wait us\n");
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
		print_cpu(cpu);
	print("contexts: %u; broadcast: %s\n", arch_tlb_contexts(),
	      arch_tlb_can_broadcast() ? "yes" : "no");
}
