/* SPDX-License-Identifier: MIT */
/*
 * table.h - a page table for scenarios: a model of the locked ranges, and a check of the whole tree
 * at any moment.
 *
 * Pages are numbered from address 0 on; page n is mapped to table_pa(n) or not mapped, unless a
 * scenario says otherwise.  Nodes come from the pools of the CPUs, so a CPU that frees a node and
 * allocates one gets the same memory.
 */
#pragma once

#include "mm/pt/cursor.h"
#include "tests/explore/explore.h"

enum {
	TABLE_LEVELS = 4,
	NODE_PAGES = 512, /* pages of a node of level 1 */
};

extern struct page_table table;

/* An empty table on a machine of `cpus` CPUs; no CPU has it loaded, so shootdowns reach none. */
void table_setup(unsigned cpus);
/* In a setup: map n pages from `page` on, with pages of level `level` at most. */
void table_fill(unsigned page, unsigned n, unsigned level);
/* Shootdowns reach every CPU from now on. */
void table_load_everywhere(void);

/* The physical address that page n is mapped to. */
paddr_t table_pa(unsigned page);

/* Lock n pages from `page` on; fails if another CPU has locked one of them, or if the covering node
 * is not that of C5 of mm/pt/cursor.h.  A CPU locks one range at a time. */
void table_lock(struct cursor *c, unsigned page, unsigned n);
void table_release(struct cursor *c);
/* Finish the batch of this CPU's last cursor. */
void table_finish(void);

/* Map page n to table_pa(n), or unmap it, each with a cursor of its own. */
void table_map(unsigned page);
void table_unmap(unsigned page);

/* Check memory at this moment: every table entry leads to a live node of the next level, and no
 * frame has more owners than its count. */
void table_verify(void);

/* For a check: the table is valid, no node is locked, each count equals the number of owners, and
 * destroying the table frees all memory. */
void table_check(void);
