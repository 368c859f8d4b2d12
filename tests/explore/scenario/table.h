/* SPDX-License-Identifier: MIT */
/*
 * table.h - a page table for scenarios: who holds what, and a look at all of it at any moment.
 *
 * Pages are numbered from address 0 on; page n is mapped to table_pa(n), or to nothing, unless a
 * scenario says otherwise.  Nodes come from the pools of the CPUs, so whoever frees one and makes
 * one has the same memory again.
 */
#pragma once

#include "mm/pt/cursor.h"
#include "tests/explore/explore.h"

enum {
	TABLE_LEVELS = 4,
	NODE_PAGES = 512, /* pages of a node of level 1 */
};

extern struct page_table table;

/* An empty table on a machine of `cpus` CPUs; what is taken out of it is invalidated for nobody. */
void table_setup(unsigned cpus);
/* In a setup: n pages from `page` on, of `level` at most. */
void table_fill(unsigned page, unsigned n, unsigned level);
/* Shootdowns reach every CPU from now on. */
void table_load_everywhere(void);

/* Where page n is mapped to. */
paddr_t table_pa(unsigned page);

/* Hold n pages from `page` on; fails when anybody else has one of them, or when the cursor is not
 * what C5 of mm/pt/cursor.h says.  A CPU has one hold at a time. */
void table_lock(struct cursor *c, unsigned page, unsigned n);
void table_release(struct cursor *c);
/* Finish what was taken out by this CPU's last hold. */
void table_finish(void);

/* One small page more, or one less, where table_pa() says, each with a hold of its own. */
void table_map(unsigned page);
void table_unmap(unsigned page);

/* In memory, at this moment: every entry leads to a living node of the next level, and nobody has
 * more owners than counts. */
void table_lookup(void);

/* For a check: the table is whole, nothing is held, counts are owners, and when it is gone all
 * memory is back. */
void table_check(void);
