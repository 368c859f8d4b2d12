/* SPDX-License-Identifier: MIT */
/*
 * vm_fault.h - what vm_space.c and vm_fault.c share.  Nobody else includes it.
 */
#pragma once

#include "arch/percpu.h"
#include "mm/vm_space.h"

/* The page of zeros.  ERR_NO_MEMORY. */
err_t vm_fault_init(void);

/* The private large page at va, which others own too, becomes a copy of this space's own, with the
 * same rights.  ERR_IN_USE: it is shared on purpose, or of 1 GiB.  ERR_NO_MEMORY. */
err_t vm_fault_own_large(struct vm_space *s, vaddr_t va);

static inline void vm_total_add(_Atomic uint64_t *total)
{
	percpu_add(total, 1);
}
