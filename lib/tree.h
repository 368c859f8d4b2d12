/* SPDX-License-Identifier: MIT */
/*
 * tree.h - an intrusive AVL tree: a sorted set whose operations take O(log n) steps whatever the
 * order of the keys, as a program chooses these.
 *
 *   struct area { struct tree_node node; uint64_t start; };
 *   static struct tree areas;                          all zero is an empty tree
 *
 *   struct tree_node **link = &areas.root, *parent = NULL;
 *   while (*link != NULL) {
 *           parent = *link;
 *           link = &parent->child[tree_entry(parent, struct area, node)->start < a->start];
 *   }
 *   tree_link(&areas, &a->node, parent, link);
 *
 * The caller compares keys, so that the tree knows no keys and calls no functions.
 *
 * Invariants; tree_check() verifies them:
 *   T1  the parent of a node's child is the node; the root has no parent
 *   T2  height is 1 more than that of the higher child, 0 for no child
 *   T3  the heights of two siblings differ by 1 at most, so that n nodes have a height of at most
 *       1.44 log2(n + 2)
 *
 * A node is in one tree at most; the tree does not own it.  Locking: the owner's.  Source:
 * Adelson-Velsky and Landis, 1962; Knuth, The Art of Computer Programming 3, 6.2.3.
 */
#pragma once

#include "lib/types.h"

enum {
	TREE_LEFT,  /* smaller keys */
	TREE_RIGHT, /* greater keys */
	TREE_SIDES,
};

struct tree_node {
	struct tree_node *parent, *child[TREE_SIDES];
	uint32_t height;
};

struct tree {
	struct tree_node *root;
};

/* The struct of `type` whose `member` is the node; n is not NULL. */
#define tree_entry(n, type, member) container_of((n), type, member)

/* Make n a leaf below `parent`, where `link` points: a child of it that is NULL, or the root. */
void tree_link(struct tree *t, struct tree_node *n, struct tree_node *parent,
	       struct tree_node **link);
void tree_remove(struct tree *t, struct tree_node *n);

/* The node with the smallest key, or NULL. */
struct tree_node *tree_first(const struct tree *t);
/* The node with the next greater or next smaller key, or NULL. */
struct tree_node *tree_next(const struct tree_node *n);
struct tree_node *tree_prev(const struct tree_node *n);

/* Check T1 to T3.  NULL, or a description of the violation. */
__must_check const char *tree_check(const struct tree *t);
