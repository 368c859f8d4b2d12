/* SPDX-License-Identifier: MIT */
/*
 * cmdline.h - the kernel command line: words `key` or `key=value`, names as in Linux.
 *
 *   no5lvl            use 4-level paging (read by boot.S)
 *   mem=SIZE          use no memory above SIZE
 *   memmap=N@A        N bytes at A are usable;  N$A reserved;  N#A ACPI;  comma-separated
 *   ktest=GLOBS       run the in-kernel tests that match, then exit with their result
 *   seed=N            seed of the random numbers of those tests; default 1
 *   monitor=C,C       run monitor commands before the prompt (`+` stands for a space)
 *   loglevel=N        show messages of levels smaller than N (lib/log.h); 7 by default, 8 is all
 *   panic=SECONDS     restart SECONDS after a panic; 0 or absent: do not restart
 *   slub_debug[=PZU]  heap: poison, red zones, owner tracking; without a value all of them
 *   page_owner=on     heap: owner tracking
 *   maxcpus=N         run at most N CPUs; nosmp: the bootstrap processor alone
 *   cpu_hang=APIC     tests: never pass an entry point to that CPU, to simulate a dead CPU
 *
 * A value in double quotes may contain spaces.  Unknown keys cause a warning.  Pure functions.
 */
#pragma once

#include "boot/boot_info.h"

enum {
	CMDLINE_TEXT_BYTES = 256,
	CMDLINE_MEMMAP_MAX = 32,
	CMDLINE_LETTERS = 16,
};

struct cmdline {
	uint64_t mem_limit; /* bytes; UINT64_MAX: none */
	unsigned log_level; /* 0 to LOG_LEVELS */
	unsigned panic_seconds;
	unsigned cpus_max; /* at least 1 */
	uint32_t cpu_hang; /* APIC ID; UINT32_MAX: none */
	uint32_t seed;
	bool has_ktest, has_slub_debug, page_owner;
	char slub_debug[CMDLINE_LETTERS]; /* the value, unparsed; "": all */
	char ktest[CMDLINE_TEXT_BYTES];
	char monitor[CMDLINE_TEXT_BYTES];
	struct region memmap[CMDLINE_MEMMAP_MAX];
	unsigned memmap_count;
};

/* Never fails: invalid options are ignored with a warning. */
void cmdline_parse(const char *text, struct cmdline *out);

/* Apply mem= and memmap= to bi->sources, which needs room for memmap_count more entries. */
void cmdline_apply_memory(const struct cmdline *c, struct boot_info *bi);
