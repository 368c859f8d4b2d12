/* SPDX-License-Identifier: MIT */
/*
 * command.h - the monitor's commands: in monitor/ and, for tests and benches, in tests/.
 *
 *   COMMAND(regions, "", "the map of physical memory") { ... argc, argv ... }
 *
 * puts a record into the section `commands`, which command_run() walks.  A command sees public
 * headers only.  It prints with print() and returns; it must work with interrupts on, and with
 * interrupts off after a panic.
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

/* Splits `line` at spaces in place and runs the command that it names.  False: there is no such
 * command; an empty line does nothing and returns true. */
bool command_run(char *line);

/* ---- arguments; false: the text does not parse as a whole ---- */

/* A number or size as str_to_size() reads it: "16", "0x1000", "64k", "1t". */
bool command_number(const char *text, uint64_t *value);

/* An address: hexadecimal with or without 0x, or a symbol. */
bool command_address(const char *text, vaddr_t *va);
