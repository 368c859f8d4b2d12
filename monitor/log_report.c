/* SPDX-License-Identifier: MIT */
/* log_report.c - the monitor's `log`. */
#include "drivers/tty/console.h"
#include "lib/print.h"
#include "monitor/command.h"

COMMAND(log, "[LINES]", "the last LINES lines that were printed; without LINES, all that are kept")
{
	uint64_t lines = UINT64_MAX;

	if (argc > 1 && (!command_number(argv[1], &lines) || lines == 0))
		print("log: %s is no number of lines\n", argv[1]);
	else
		console_show_log(lines);
}
