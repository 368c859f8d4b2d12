/* SPDX-License-Identifier: MIT */
/*
 * monitor.h - a prompt on the console: `keel> `.
 *
 * monitor/line.h edits the lines; monitor/command.h runs the commands.  The thread "main" runs the
 * monitor, with interrupts on, and sleeps until a key arrives; after a panic nothing else runs, and
 * interrupts are off.  It never returns.
 */
#pragma once

#include "lib/compiler.h"

/* Runs the commands of `script`, separated by commas, `+` for a space; then the prompt. */
void monitor_run(const char *script) __noreturn;
