/* SPDX-License-Identifier: MIT */
#include "monitor/monitor.h"

#include "arch/arch.h"
#include "drivers/tty/console.h"
#include "monitor/line.h"
#include "lib/print.h"
#include "monitor/command.h"

#define PROMPT "keel> "

static void run_script(const char *script)
{
	char line[LINE_BYTES];

	while (*script != '\0') {
		size_t n = 0;

		for (; *script != '\0' && *script != ','; script++)
			if (n + 1 < sizeof(line))
				line[n++] = *script == '+' ? ' ' : *script;
		line[n] = '\0';
		print(PROMPT "%s\n", line);
		(void)command_run(line);
		if (*script == ',')
			script++;
	}
}

void monitor_run(const char *script)
{
	static struct line line;

	run_script(script);
	for (;;) {
		enum line_result result;

		line_begin(&line, PROMPT, console_columns());
		do
			result = line_key(&line, console_wait_key());
		while (result == LINE_MORE);
		if (result == LINE_ENTERED)
			(void)command_run(line.text);
	}
}

COMMAND(reboot, "", "restart the machine")
{
	arch_exit(ARCH_EXIT_REBOOT);
}

COMMAND(poweroff, "", "power off the machine")
{
	arch_exit(ARCH_EXIT_POWEROFF);
}

#ifndef KEEL_TESTS /* with it: tests/kernel/ktest.c */
COMMAND(test, "", "run the in-kernel tests: not in this kernel")
{
	print("test: this kernel has no tests, choose the second entry of the boot menu: press T\n"
	      "while GRUB starts, or F4 for the menu\n");
}
#endif
