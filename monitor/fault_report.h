/* SPDX-License-Identifier: MIT */
/*
 * fault_report.h - describes a page fault in words.
 *
 *   keel: page fault: write to ffffffff80212345 (kernel text, read-only and executable) by
 *         instruction at ffffffff80281234 zone_alloc+0x34
 *   keel:   walk: PML4[511] -> PDPT[510] -> PD[1] -> PT[18] present, read, execute
 *   keel:   frame 0x212: kernel image; likely cause: code or constants were written to
 *
 * Sources: kernel space (the purpose of an address), the user space loaded on the CPU (the meaning
 * of the entry), the active page table (the walk), regions and MetaSlots (the owner of the frame).
 * The monitor's `pt` prints the same about any address, in kernel space or in a user space.
 *
 * For the panic path: allocates nothing, takes no lock, validates every table before use.
 */
#pragma once

#include "arch/fault.h"
#include "mm/frame/page.h"

/* Prints the three lines; `summary` is set to a short form, unless f->guarded names the stack that
 * overflowed. */
void fault_report(const struct fault *f, char *summary, size_t size);

/* The likely cause.  `place` is the text of kspace_describe() or fault_describe_users(); `leaf` is
 * the entry that maps the address, or 0.  Pure. */
const char *fault_likely_cause(const struct fault *f, const char *place, uint64_t leaf);

/* Describes an address of the user half in space number `space`, whose table was walked:
 * "space 2: zeros on demand, pages of 4K, no right to write". */
struct pt_walk;
void fault_describe_users(const struct fault *f, const struct pt_walk *w, unsigned space,
			  char *text, size_t size);

/* Describes the owner of the frame at pa, from its region and its MetaSlot. */
void fault_describe_frame(uint64_t pa, char *text, size_t size);
