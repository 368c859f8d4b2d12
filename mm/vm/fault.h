/* SPDX-License-Identifier: MIT */
/*
 * fault.h - private interface between space.c and fault.c.
 */
#pragma once

#include "kern/percpu.h"
#include "mm/vm/space.h"

/* Allocate the shared zero page.  ERR_NO_MEMORY. */
err_t vm_fault_init(void);

static inline void vm_stat_add(_Atomic uint64_t *counter)
{
	percpu_add(counter, 1);
}
