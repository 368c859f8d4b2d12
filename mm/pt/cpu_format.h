/* SPDX-License-Identifier: MIT */
/*
 * cpu_format.h - struct pt_format of the tables that CPUs walk (arch/x86_64/pte.h), and short
 * forms for code that reads and writes entries of such tables directly.
 *
 * The engine's instance for this format is mm/pt/cursor.c, mm/pt/page_table.c, mm/pt/node.c and
 * mm/pt/batch.c.
 */
#pragma once

#include "mm/pt/entry.h"
#include "mm/pt/batch.h"

static __forceinline pte_t cpu_make_leaf(const struct page_table *pt, uint64_t pa,
					 struct page_prop prop, unsigned level)
{
	(void)pt; /* all CPUs read a leaf alike */
	return pte_make_leaf(pa, prop, level);
}

static __forceinline unsigned cpu_leaf_level_max(const struct page_table *pt)
{
	(void)pt;
	return arch_pt_leaf_level_max();
}

static const struct pt_format cpu_format = {
	.present = PTE_PRESENT | PTE_HELD,
	.large = PTE_LARGE,
	.address = PTE_ADDRESS,
	.cpu_bits = PTE_ACCESSED | PTE_DIRTY,
	.kept = PTE_KEPT,
	.write = PTE_WRITE,
	.tracked = PTE_TRACKED,
	.copy = PTE_COPY,
	.forked = PTE_FORKED,
	.shared = PTE_SHARED,
	.deny_write = PTE_DENY_WRITE,
	.deny_execute = PTE_DENY_EXECUTE,
	.pinned = PTE_PINNED,
	.busy = PTE_BUSY,
	.make_table = pte_make_table,
	.make_leaf = cpu_make_leaf,
	.prop = pte_prop,
	.make_marker = pte_make_marker,
	.marker = pte_marker,
	.is_canonical = pte_is_canonical,
	.leaf_level_max = cpu_leaf_level_max,
	.retire = pt_node_retire,
};

/* The functions of mm/pt/entry.h, for cpu_format. */
static inline struct frame *pt_node_child(pte_t pte, unsigned level)
{
	return pt_child(&cpu_format, pte, level);
}

static inline struct frame *pt_node_leaf_frame(pte_t pte)
{
	return pt_leaf_frame(&cpu_format, pte);
}

static inline bool pt_leaf_is_sole_owner(pte_t pte, unsigned level)
{
	return pt_is_sole_owner(&cpu_format, pte, level);
}

static inline pte_t pt_node_set(struct frame *node, unsigned index, pte_t pte)
{
	return pt_set(&cpu_format, NULL, node, index, pte);
}

static inline void pt_node_unlock(struct frame *node)
{
	pt_unlock(&cpu_format, node);
}
