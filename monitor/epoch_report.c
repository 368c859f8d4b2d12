/* SPDX-License-Identifier: MIT */
/* epoch_report.c - the monitor's `epoch`. */
#include "kern/cpu.h"
#include "kern/percpu.h"
#include "lib/print.h"
#include "mm/frame/epoch.h"
#include "monitor/command.h"

COMMAND(epoch, "", "epoch-based reclamation: objects retired and freed by each CPU")
{
	print("cpu    retired      freed    waiting   advances    blocked\n");
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
		const struct epoch_stats *t = per_cpu_ptr(epoch_stats, cpu);

		print("%3u %10lu %10lu %10lu %10lu %10lu\n", cpu, percpu_read(&t->retired),
		      percpu_read(&t->freed), epoch_backlog(cpu), percpu_read(&t->advances),
		      percpu_read(&t->blocked));
	}
	print("epoch %lu\n", epoch_current());
}
