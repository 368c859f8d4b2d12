/* SPDX-License-Identifier: MIT */
/* thread_report.c - the monitor's `threads`. */
#include "kern/thread.h"
#include "lib/print.h"
#include "monitor/command.h"

enum {
	CPUS_TEXT_BYTES = 24, /* of a set; a longer one is cut */
};

static bool has(const struct thread_info *t, unsigned cpu)
{
	return (t->affinity[cpu / CPU_SET_WORD_BITS] >> cpu % CPU_SET_WORD_BITS & 1) != 0;
}

/* Formats the online CPUs of the thread's affinity: "all" or "0-2,5". */
static void format_cpus(const struct thread_info *t, char *text, size_t bytes)
{
	unsigned n = cpu_count(), used = 0, count = 0;
	size_t at = 0;

	for (unsigned cpu = 0; cpu < n; cpu++)
		count += has(t, cpu);
	if (count == n) {
		print_to(text, bytes, "all");
		return;
	}
	for (unsigned cpu = 0; cpu < n && at < bytes; cpu++) {
		unsigned last = cpu;

		if (!has(t, cpu))
			continue;
		while (last + 1 < n && has(t, last + 1))
			last++;
		at += print_to(text + at, bytes - at, last == cpu ? "%s%u" : "%s%u-%u",
			       used++ == 0 ? "" : ",", cpu, last);
		cpu = last;
	}
}

COMMAND(threads, "", "threads: state, CPU, affinity, context switches, CPU time")
{
	static const char *const states[] = {
		[THREAD_NEW] = "new",       [THREAD_READY] = "ready", [THREAD_RUNNING] = "running",
		[THREAD_PARKED] = "parked", [THREAD_ENDED] = "ended",
	};
	struct thread_info t;

	print("state    cpu  affinity             switches         ms  name\n");
	for (unsigned i = 0; thread_info_at(i, &t); i++) {
		char cpus[CPUS_TEXT_BYTES] = "none";

		format_cpus(&t, cpus, sizeof(cpus));
		print("%-8s %3u  %-16s %12lu %10lu  %s\n", states[t.state], t.cpu, cpus, t.switches,
		      t.ticks / arch_ticks_per_ms(), t.name);
	}
}
