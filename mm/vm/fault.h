/* SPDX-License-Identifier: MIT */
/*
 * fault.h - private interface between space.c and fault.c.
 */
#pragma once

#include "kern/percpu.h"
#include "mm/vm/space.h"

/* Allocate the shared zero page.  ERR_NO_MEMORY. */
err_t vm_fault_init(void);

/* Make the private page at va the space's own, with the same rights; a shared page stays as it is.
 * ERR_IN_USE: a large page, or nodes are missing; ERR_NOT_FOUND: absent; ERR_BUSY: a fork is in
 * progress; ERR_NO_MEMORY. */
err_t vm_fault_unshare(struct vm_space *s, vaddr_t va);
/* The same, and pin the page, for this access.  ERR_BUSY also: the entry does not allow the access,
 * as it is not the one whose fault was handled; ERR_OVERFLOW: too many pins. */
err_t vm_fault_pin(struct vm_space *s, vaddr_t va, enum fault_access access, struct frame **pinned);

/* From begin to end no fork of s is in progress: those that began before have ended, later ones
 * wait.  No lock is held. */
void vm_space_begin_truncation(struct vm_space *s);
void vm_space_end_truncation(struct vm_space *s);

/* Returns when no fork of s is in progress.  No lock is held. */
void vm_space_wait_for_fork(const struct vm_space *s);

static inline void vm_stat_add(_Atomic uint64_t *counter)
{
	percpu_add(counter, 1);
}
