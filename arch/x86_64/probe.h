/* SPDX-License-Identifier: MIT */
/*
 * probe.h - instructions that may fault, and go on when they do.
 *
 * Each such instruction has an entry in the exception table: its address and where to go on.  The
 * handlers of page fault, general protection and stack-segment fault ask probe_resume() before
 * anything else.  arch_probe_read64() of arch/arch.h is one of them; the others are here.
 *
 * No lock, no allocation, any context.
 */
#pragma once

#include "lib/err.h"
#include "lib/types.h"

struct exception_entry {
	vaddr_t fault, resume;
};

/* An entry for the local labels of an asm statement. */
#define EXCEPTION_ENTRY(fault_label, resume_label)                                                 \
	".pushsection exception_table, \"a\"\n\t"                                                  \
	".balign 8\n\t"                                                                            \
	".quad " #fault_label ", " #resume_label "\n\t"                                            \
	".popsection"

/* Where to go on after a fault of the instruction at `ip`; false: it is not in the table. */
bool probe_resume(vaddr_t ip, vaddr_t *resume);

/* Whether it is in the table. */
bool probe_may_fault(vaddr_t ip);

/* A model-specific register that may not be there.  ERR_NOT_FOUND: it is not. */
err_t probe_rdmsr(uint32_t msr, uint64_t *out);
err_t probe_wrmsr(uint32_t msr, uint64_t value);
