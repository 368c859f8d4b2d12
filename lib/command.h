/* SPDX-License-Identifier: MIT */
/*
 * command.h - the monitor's commands, each defined beside what it shows.
 *
 *   COMMAND(regions, "", "the map of physical memory") { ... argc, argv ... }
 *
 * puts a record into the section `commands`; the monitor (monitor/monitor.c) walks the section.
 * A command prints with print() and returns; it must be right with interrupts on.
 */
#pragma once

#include "lib/types.h"

struct command {
	const char *name, *arguments, *help;
	void (*run)(int argc, char **argv);
};

#define COMMAND(command_name, command_arguments, command_help)                                     \
	static void command_##command_name(int argc, char **argv);                                 \
	static const struct command command_record_##command_name __used_in("commands")            \
		__attribute__((aligned(8))) = { #command_name, command_arguments, command_help,    \
						command_##command_name };                          \
	static void command_##command_name(int argc __attribute__((unused)),                       \
					   char **argv __attribute__((unused)))

/* Split `line` at spaces (it is written to) and run the command that it names.  False: there is no
 * such command; an empty line is none and is fine. */
bool command_run(char *line);

/* ---- arguments; false: the whole of the text is none ---- */

/* A number, or bytes, as str_to_size() reads them: "16", "0x1000", "64k", "1t". */
bool command_number(const char *text, uint64_t *value);

/* An address: hexadecimal with or without 0x, or a symbol. */
bool command_address(const char *text, vaddr_t *va);
