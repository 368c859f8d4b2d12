/* SPDX-License-Identifier: MIT */
/*
 * fault.h - what space.c and fault.c share.  Nobody else includes it.
 */
#pragma once

#include "kern/percpu.h"
#include "mm/vm/space.h"

/* The page of zeros.  ERR_NO_MEMORY. */
err_t vm_fault_init(void);

/* The private large page at va, which others own too, becomes a copy of this space's own, with the
 * same rights.  ERR_IN_USE: it is shared on purpose, or of 1 GiB.  ERR_NO_MEMORY. */
err_t vm_fault_own_large(struct vm_space *s, vaddr_t va);

static inline void vm_stat_add(_Atomic uint64_t *counter)
{
	percpu_add(counter, 1);
}
