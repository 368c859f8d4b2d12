/* SPDX-License-Identifier: MIT */
/*
 * probe.h - the exception table: instructions that may fault, with a fixup.
 *
 * Each such instruction has an entry in the exception table: its address and that of its fixup. The
 * handlers of page fault, general protection and stack-segment fault call probe_resume() first.
 * arch_probe_read64() of arch/arch.h is one of them; the others are here.
 *
 * No lock, no allocation, any context.
 */
#pragma once

#include "lib/err.h"
#include "lib/types.h"

enum exception_kind {
	EXCEPTION_PLAIN,
	EXCEPTION_USER, /* rdx gets the error of the refused access, an err_t */
};

struct exception_entry {
	vaddr_t fault, resume;
	uint64_t kind; /* enum exception_kind */
};

/* An entry for the local labels of an asm statement. */
#define EXCEPTION_ENTRY_(fault_label, resume_label, kind)                                          \
	".pushsection exception_table, \"a\"\n\t"                                                  \
	".balign 8\n\t"                                                                            \
	".quad " #fault_label ", " #resume_label ", " #kind "\n\t"                                 \
	".popsection"
#define EXCEPTION_ENTRY(fault_label, resume_label) EXCEPTION_ENTRY_(fault_label, resume_label, 0)
#define USER_EXCEPTION_ENTRY(fault_label, resume_label)                                            \
	EXCEPTION_ENTRY_(fault_label, resume_label, 1)

/* Continue behind the instruction at f->rip, which faulted and was refused with `why`; false: it is
 * not in the table. */
struct trap_frame;
bool probe_resume(struct trap_frame *f, err_t why);

/* Whether the instruction is in the table. */
bool probe_may_fault(vaddr_t ip);

/* Read a model-specific register that may not exist.  ERR_NOT_FOUND: it does not. */
err_t probe_rdmsr(uint32_t msr, uint64_t *out);
err_t probe_wrmsr(uint32_t msr, uint64_t value);
