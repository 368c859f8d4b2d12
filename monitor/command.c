/* SPDX-License-Identifier: MIT */
#include "monitor/command.h"

#include "lib/print.h"
#include "lib/string.h"
#include "lib/symbols.h"

enum {
	ARGUMENTS_MAX = 8,
};

extern const struct command __start_commands[], __stop_commands[];

static int split(char *line, char **argv)
{
	int argc = 0;

	while (argc < ARGUMENTS_MAX) {
		while (*line == ' ')
			*line++ = '\0';
		if (*line == '\0')
			break;
		argv[argc++] = line;
		while (*line != ' ' && *line != '\0')
			line++;
	}
	return argc;
}

bool command_run(char *line)
{
	char *argv[ARGUMENTS_MAX];
	int argc = split(line, argv);

	if (argc == 0)
		return true;
	for (const struct command *c = __start_commands; c < __stop_commands; c++) {
		if (strcmp(c->name, argv[0]) == 0) {
			c->run(argc, argv);
			return true;
		}
	}
	print("%s: no such command; `help` lists them\n", argv[0]);
	return false;
}

bool command_number(const char *text, uint64_t *value)
{
	const char *end = str_to_size(text, value);

	return end != NULL && *end == '\0';
}

bool command_address(const char *text, vaddr_t *va)
{
	char hex[2 + 2 * sizeof(*va) + 1];

	if (symbols_address(text, va))
		return true;
	return print_to(hex, sizeof(hex), "%s%s", strncmp(text, "0x", 2) == 0 ? "" : "0x", text) <
		       sizeof(hex) &&
	       command_number(hex, va);
}

COMMAND(help, "", "this list")
{
	for (const struct command *c = __start_commands; c < __stop_commands; c++)
		print("  %-10s %-8s %s\n", c->name, c->arguments, c->help);
}
