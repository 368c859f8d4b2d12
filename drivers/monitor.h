/* SPDX-License-Identifier: MIT */
/*
 * monitor.h - a prompt on the console: `keel> `.
 *
 * Lines are read by polling, echoed, with backspace; commands come from lib/command.h.  The
 * first CPU runs it, with interrupts on; it never returns.
 */
#pragma once

#include "lib/compiler.h"

/* First the commands of `script`, parted by commas, `+` for a space; then the prompt. */
void monitor_run(const char *script) __noreturn;
