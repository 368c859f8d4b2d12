/* SPDX-License-Identifier: MIT */
/*
 * monitor.h - a prompt on the console: `keel> `.
 *
 * Lines are edited as drivers/line.h says; commands come from lib/command.h.  The first CPU runs
 * it, polling for keys, with interrupts on; it never returns.
 */
#pragma once

#include "lib/compiler.h"

/* First the commands of `script`, parted by commas, `+` for a space; then the prompt. */
void monitor_run(const char *script) __noreturn;
