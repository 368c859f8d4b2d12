/* SPDX-License-Identifier: MIT */
/*
 * fault.h - an access to memory that the CPU refused, as a plain fact.
 *
 * The machine makes it from its exception (arch/x86_64/fault.c), monitor/fault_report.h puts it
 * into words; boot/start/main.c introduces the two.
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
	bool present;  /* there is a page, but it does not allow this */
	bool reserved; /* an entry on the way has bits set that must be clear */
	bool user;     /* by user mode */
	vaddr_t address, ip;
	const char *guarded; /* the boot stack whose guard page holds the address, or NULL */
	paddr_t root;        /* the table in use, and its levels */
	unsigned levels;
};
