/* SPDX-License-Identifier: MIT */
/*
 * walk.h - the walk of one address through a page table, entry by entry, for people.
 *
 * Like the CPU's walk (SDM 3A 4.5), but nothing is trusted: each entry is read by
 * arch_probe_read64(), so a table that is damaged or being changed gives a strange answer and no
 * fault.
 *
 * No lock, no allocation; any context, the panic path too.
 */
#pragma once

#include "arch/arch.h"

struct pt_walk {
	vaddr_t va;
	unsigned levels; /* of the table */
	unsigned last;   /* level of the last entry that was read; levels + 1: none could be */
	bool readable;   /* false: what the last entry leads to cannot be a table */
	uint64_t at[PT_LEVEL_MAX + 1]; /* physical address of the entry of each level */
	pte_t entry[PT_LEVEL_MAX + 1];
};

/* Walk va through the table at `root`; levels <= PT_LEVEL_MAX. */
void pt_walk_read(struct pt_walk *w, paddr_t root, unsigned levels, vaddr_t va);

/* The leaf that the walk ends in, or 0: it is not mapped. */
pte_t pt_walk_leaf(const struct pt_walk *w);
/* The physical address of va; there is a leaf. */
uint64_t pt_walk_paddr(const struct pt_walk *w);

/* "PML4[511] -> PDPT[510] -> PD[1] -> PT[18] present, read, execute" */
void pt_walk_line(const struct pt_walk *w, char *text, size_t size);

/* A line for each entry, with its address, its value and what it says. */
void pt_walk_print(const struct pt_walk *w);
