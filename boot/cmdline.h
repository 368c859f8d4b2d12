/* SPDX-License-Identifier: MIT */
/*
 * cmdline.h - the kernel command line: words `key` or `key=value`, names as in Linux.
 *
 *   no5lvl            stay with four levels of paging (read by boot.S)
 *   mem=SIZE          use no memory above SIZE
 *   memmap=N@A        N bytes at A are usable;  N$A reserved;  N#A ACPI;  commas join
 *   ktest=GLOBS       run the in-kernel tests that match, then exit with their result
 *   seed=N            of the random numbers of those tests, 1 when it is absent
 *   monitor=C,C       run monitor commands before the prompt (`+` stands for a space)
 *   panic=SECONDS     restart that long after a panic; 0 or absent: stay
 *   slub_debug[=PZU]  poison, red zones, owners in the heap; without a value all of them
 *   page_owner=on     owners in the heap
 *   maxcpus=N         run at most N CPUs; nosmp: the first alone
 *   cpu_hang=APIC     tests: that CPU is never told where to begin, as if it had died
 *
 * A value in double quotes may hold spaces.  Unknown keys are warned about.  Pure.
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
	unsigned panic_seconds;
	unsigned cpus_max; /* at least 1 */
	uint32_t cpu_hang; /* UINT32_MAX: none */
	uint32_t seed;
	bool has_ktest, has_slub_debug, page_owner;
	char slub_debug[CMDLINE_LETTERS]; /* as given; "": all */
	char ktest[CMDLINE_TEXT_BYTES];
	char monitor[CMDLINE_TEXT_BYTES];
	struct region memmap[CMDLINE_MEMMAP_MAX];
	unsigned memmap_count;
};

/* Never fails: what cannot be understood is warned about and passed over. */
void cmdline_parse(const char *text, struct cmdline *out);

/* Make bi->sources say what mem= and memmap= ask for.  Needs memmap_count spare sources. */
void cmdline_apply_memory(const struct cmdline *c, struct boot_info *bi);
