/* SPDX-License-Identifier: MIT */
/* backtrace_report.c - the monitor's `bt`. */
#include "arch/arch.h"
#include "lib/print.h"
#include "monitor/command.h"

COMMAND(bt, "", "the backtrace of the last fault or panic; before one, the monitor's own")
{
	if (arch_backtrace_print() != OK)
		print("bt: this machine has no backtraces\n");
}
