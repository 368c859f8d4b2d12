/* SPDX-License-Identifier: MIT */
/*
 * fault_report.h - an access that was refused, in words.
 *
 *   keel: page fault: write to ffffffff80212345 (kernel text, read-only and executable) by
 *         instruction at ffffffff80281234 zone_alloc+0x34
 *   keel:   walk: PML4[511] -> PDPT[510] -> PD[1] -> PT[18] present, read, execute
 *   keel:   frame 0x212: kernel image; likely cause: code or constants were written to
 *
 * Knows kernel space (what an address is for), the user's space that the CPU has loaded (what its
 * entry means), the table in use (the walk), regions and MetaSlots (who owns the frame behind). The
 * monitor's `pt` prints the same about any address, in the kernel's space or another.
 *
 * For the panic path: allocates nothing, takes no lock, trusts no table.
 */
#pragma once

#include "arch/fault.h"
#include "mm/frame/page.h"

/* Print the three lines; `summary` gets a short form, unless the machine has already said which
 * stack overflowed. */
void fault_report(const struct fault *f, char *summary, size_t size);

/* Why, most likely.  `place` is kspace_describe()'s or the like; `leaf` the entry that maps the
 * address, or 0.  Pure. */
const char *fault_likely_cause(const struct fault *f, const char *place, uint64_t leaf);

/* Where an address of the user's half is, in the space of that number, whose table was walked:
 * "space 2: zeros on demand, pages of 4K, no right to write". */
struct pt_walk;
void fault_describe_users(const struct fault *f, const struct pt_walk *w, unsigned space,
			  char *text, size_t size);

/* Who owns the frame at pa: its region, and what its MetaSlot says. */
void fault_describe_frame(uint64_t pa, char *text, size_t size);
