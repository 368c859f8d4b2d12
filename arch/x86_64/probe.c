/* SPDX-License-Identifier: MIT */
#include "arch/x86_64/probe.h"

#include "arch/arch.h"
#include "arch/x86_64/trap.h"

extern const struct exception_entry __start_exception_table[], __stop_exception_table[];

static const struct exception_entry *find(vaddr_t ip)
{
	for (const struct exception_entry *e = __start_exception_table; e < __stop_exception_table;
	     e++)
		if (e->fault == ip)
			return e;
	return NULL;
}

bool probe_may_fault(vaddr_t ip)
{
	return find(ip) != NULL;
}

_Static_assert(EXCEPTION_PLAIN == 0 && EXCEPTION_USER == 1, "as in EXCEPTION_ENTRY()");

bool probe_resume(struct trap_frame *f, err_t why)
{
	const struct exception_entry *e = find(f->rip);

	if (e == NULL)
		return false;
	f->rip = e->resume;
	if (e->kind == EXCEPTION_USER)
		f->rdx = (uint64_t)why;
	return true;
}

err_t arch_probe_read64(vaddr_t va, uint64_t *out)
{
	uint32_t faulted = 1;
	uint64_t value = 0;

	__asm__ volatile("1: movq (%2), %1\n\t"
			 "xorl %0, %0\n\t"
			 "2:\n\t" EXCEPTION_ENTRY(1b, 2b)
			 : "+&r"(faulted), "+&r"(value)
			 : "r"(va)
			 : "memory", "cc");
	if (faulted != 0)
		return ERR_BAD_RANGE;
	*out = value;
	return OK;
}

err_t probe_rdmsr(uint32_t msr, uint64_t *out)
{
	uint32_t faulted = 1, low = 0, high = 0;

	__asm__ volatile("1: rdmsr\n\t"
			 "xorl %0, %0\n\t"
			 "2:\n\t" EXCEPTION_ENTRY(1b, 2b)
			 : "+&r"(faulted), "+&a"(low), "+&d"(high)
			 : "c"(msr)
			 : "memory", "cc");
	if (faulted != 0)
		return ERR_NOT_FOUND;
	*out = (uint64_t)high << 32 | low;
	return OK;
}

err_t probe_wrmsr(uint32_t msr, uint64_t value)
{
	uint32_t faulted = 1;

	__asm__ volatile("1: wrmsr\n\t"
			 "xorl %0, %0\n\t"
			 "2:\n\t" EXCEPTION_ENTRY(1b, 2b)
			 : "+&r"(faulted)
			 : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory", "cc");
	return faulted != 0 ? ERR_NOT_FOUND : OK;
}
