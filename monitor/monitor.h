/* SPDX-License-Identifier: MIT */
/*
 * monitor.h - a prompt on the console: `keel> `.
 *
 * Lines are edited as monitor/line.h says; commands come from lib/command.h.  The thread "main"
 * runs it, with interrupts on, and sleeps until there is a key; after a panic it is all that runs,
 * with interrupts off.  It never returns.
 */
#pragma once

#include "lib/compiler.h"

/* First the commands of `script`, parted by commas, `+` for a space; then the prompt. */
void monitor_run(const char *script) __noreturn;
