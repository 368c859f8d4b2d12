/* SPDX-License-Identifier: MIT */
#include "drivers/monitor.h"

#include "arch/arch.h"
#include "lib/command.h"
#include "lib/print.h"
#include "lib/string.h"

enum {
	LINE_BYTES = 128,
	CHAR_BACKSPACE = 8,
	CHAR_CONTROL_U = 21,
	CHAR_DELETE = 127,
};

static void run_script(const char *script)
{
	char line[LINE_BYTES];

	while (*script != '\0') {
		size_t n = 0;

		for (; *script != '\0' && *script != ','; script++)
			if (n + 1 < sizeof(line))
				line[n++] = *script == '+' ? ' ' : *script;
		line[n] = '\0';
		print("keel> %s\n", line);
		(void)command_run(line);
		if (*script == ',')
			script++;
	}
}

static char wait_for_char(void)
{
	int c;

	while ((c = arch_console_read()) < 0)
		arch_relax();
	return (char)c;
}

static void erase(size_t *n)
{
	if (*n > 0) {
		--*n;
		print("\b \b");
	}
}

static void read_line(char *line, size_t size)
{
	size_t n = 0;

	for (;;) {
		char c = wait_for_char();

		if (c == '\r' || c == '\n')
			break;
		if (c == CHAR_BACKSPACE || c == CHAR_DELETE) {
			erase(&n);
		} else if (c == CHAR_CONTROL_U) {
			while (n > 0)
				erase(&n);
		} else if (c >= ' ' && n + 1 < size) {
			line[n++] = c;
			print("%c", c);
		}
	}
	line[n] = '\0';
	print("\n");
}

void monitor_run(const char *script)
{
	char line[LINE_BYTES];

	run_script(script);
	for (;;) {
		print("keel> ");
		read_line(line, sizeof(line));
		(void)command_run(line);
	}
}

COMMAND(reboot, "", "restart the machine")
{
	arch_exit(ARCH_EXIT_REBOOT);
}

COMMAND(poweroff, "", "switch the machine off")
{
	arch_exit(ARCH_EXIT_POWEROFF);
}
