/* SPDX-License-Identifier: MIT */
/*
 * pt_path.h - the way down from one node to the entry that decides about an address; what
 * page_table.c, cursor.c and cursor_change.c share.  Nobody else includes it.
 */
#pragma once

#include "mm/cursor.h"

/* Nodes from the one that a cursor holds, or a root, down; node[level] is the lowest. */
struct pt_path {
	struct frame *node[PT_LEVEL_MOST + 1];
	unsigned level;
};

static inline struct frame *pt_path_node(const struct pt_path *p)
{
	return p->node[p->level];
}

/* From the cursor's node down to the one whose entry for va is not a table, or to level `stop`. */
static __forceinline void pt_path_descend(const struct cursor *c, unsigned stop, struct pt_path *p)
{
	p->level = c->level;
	p->node[p->level] = c->node;
	while (p->level > stop) {
		pte_t pte = pt_node_get(pt_path_node(p), pte_index(c->va, p->level));
		struct frame *child = pt_node_child(pte, p->level);

		if (child == NULL)
			break;
		p->node[--p->level] = child;
	}
}

/* From where a descent ended down to level `stop`, making the nodes that are missing, held.
 * ERR_IN_USE: a leaf or note is in the way.  On ERR_NO_MEMORY no empty node stays behind. */
err_t pt_path_extend(vaddr_t va, unsigned stop, struct pt_path *p);

/* Take nodes without entries out, from the lowest up to below the cursor's. */
void pt_path_prune(struct cursor *c, struct pt_path *p);

/* The entry at va, a leaf or note of a level above 1, becomes a node of the next level that says
 * the same.  ERR_NO_MEMORY, ERR_IN_USE: see cursor_unmap(). */
err_t pt_path_split(const struct cursor *c, struct pt_path *p);

/* What one entry says. */
struct pt_item pt_item_of(pte_t pte, unsigned level, vaddr_t va);
