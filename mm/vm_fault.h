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

/* One more; of this CPU's, so that nobody comes between for long. */
static inline void vm_total_add(_Atomic uint64_t *total)
{
	/* relaxed: a statistic, of which one may be lost */
	atomic_store_explicit(total, atomic_load_explicit(total, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}
