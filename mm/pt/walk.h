/* SPDX-License-Identifier: MIT */
/*
 * walk.h - diagnostic page-table walk of one address, entry by entry.
 *
 * Like the CPU's walk (SDM 3A 4.5), but it trusts nothing: each entry is read by
 * arch_probe_read64(), so a table that is damaged or changes meanwhile gives a wrong result and no
 * fault.
 *
 * No lock, no allocation; any context, the panic path too.
 */
#pragma once

#include "arch/arch.h"

struct pt_walk {
	vaddr_t va;
	unsigned levels; /* of the table */
	unsigned last;   /* level of the last entry that was read; levels + 1: none */
	bool readable;   /* false: the last entry leads to memory that cannot be read */
	uint64_t at[PT_LEVEL_MAX + 1]; /* physical address of the entry of each level */
	pte_t entry[PT_LEVEL_MAX + 1];
};

/* Walk va through the table at `root`; levels <= PT_LEVEL_MAX. */
void pt_walk_read(struct pt_walk *w, paddr_t root, unsigned levels, vaddr_t va);

/* The leaf in which the walk ends, or 0: va is not mapped. */
pte_t pt_walk_leaf(const struct pt_walk *w);
/* The physical address of va; there is a leaf. */
uint64_t pt_walk_paddr(const struct pt_walk *w);

/* "PML4[511] -> PDPT[510] -> PD[1] -> PT[18] present, read, execute" */
void pt_walk_line(const struct pt_walk *w, char *text, size_t size);

/* Print a line for each entry: its address, its value and the decoded fields. */
void pt_walk_print(const struct pt_walk *w);
