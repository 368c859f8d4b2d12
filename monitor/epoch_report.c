/* SPDX-License-Identifier: MIT */
/* epoch_report.c - the monitor's `epoch`. */
#include "kern/cpu.h"
#include "kern/percpu.h"
#include "lib/command.h"
#include "lib/print.h"
#include "mm/frame/epoch.h"

static uint64_t figure(const _Atomic uint64_t *total)
{
	return atomic_load_explicit(total, memory_order_relaxed);
}

COMMAND(epoch, "", "memory that waits for its last readers, of each CPU")
{
	print("cpu    retired      freed    waiting   advances    blocked\n");
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
		const struct epoch_stats *t = per_cpu_ptr(epoch_stats, cpu);

		print("%3u %10lu %10lu %10lu %10lu %10lu\n", cpu, figure(&t->retired),
		      figure(&t->freed), epoch_backlog(cpu), figure(&t->advances),
		      figure(&t->blocked));
	}
	print("epoch %lu\n", epoch_current());
}
