/* SPDX-License-Identifier: MIT */
/*
 * space_impl.h - private interface between space.c and fork.c.
 */
#pragma once

#include "mm/vm/space.h"

/* A space that vm_space_find() does not show yet.  ERR_NO_MEMORY. */
err_t vm_space_create(struct vm_space **out);
/* Show it. */
void vm_space_publish(struct vm_space *s);

/* A fork of s is counted, so no change begins; returns when those have ended that began before. */
void vm_space_wait_for_changes(const struct vm_space *s);

/* Bytes from va that are changed or copied with one range lock: to a multiple of 64 MiB, or to the
 * end of the entry if that is later; at most `left`. */
uint64_t vm_space_piece(const struct vm_space *s, vaddr_t va, uint64_t left);
