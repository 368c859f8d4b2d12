/* SPDX-License-Identifier: MIT */
/*
 * fault.h - private interface between space.c and fault.c.
 */
#pragma once

#include "kern/percpu.h"
#include "mm/vm/space.h"

/* Allocate the shared zero page.  ERR_NO_MEMORY. */
err_t vm_fault_init(void);

/* Copy the private large page at va if its frames have other owners, and map the copy with the same
 * rights, so that the page can be split.  ERR_IN_USE: the page is PROP_SHARED or larger than 2 MiB.
 * ERR_NO_MEMORY. */
err_t vm_fault_own_large(struct vm_space *s, vaddr_t va);

static inline void vm_stat_add(_Atomic uint64_t *counter)
{
	percpu_add(counter, 1);
}
