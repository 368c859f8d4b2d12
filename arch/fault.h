/* SPDX-License-Identifier: MIT */
/*
 * fault.h - a page fault as plain data.
 *
 * The machine fills it from its exception (arch/x86_64/fault.c), monitor/fault_report.h describes
 * it; boot/start/hooks.c connects the two.
 */
#pragma once

#include "lib/types.h"

enum fault_access {
	FAULT_READ,
	FAULT_WRITE,
	FAULT_EXECUTE,
};

struct fault {
	enum fault_access access;
	bool present;  /* the page is present, but does not permit the access */
	bool reserved; /* an entry of the walk has reserved bits set */
	bool user;     /* by user mode */
	vaddr_t address, ip;
	const char *guarded; /* the boot stack whose guard page holds the address, or NULL */
	paddr_t root;        /* the table in use, and its levels */
	unsigned levels;
};
