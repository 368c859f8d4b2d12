/* SPDX-License-Identifier: MIT */
#include "lib/tree.h"

static uint32_t height_of(const struct tree_node *n)
{
	return n == NULL ? 0 : n->height;
}

static unsigned side_of(const struct tree_node *n)
{
	return n->parent->child[TREE_RIGHT] == n ? TREE_RIGHT : TREE_LEFT;
}

static unsigned higher_side(const struct tree_node *n)
{
	return height_of(n->child[TREE_RIGHT]) > height_of(n->child[TREE_LEFT]) ? TREE_RIGHT
										: TREE_LEFT;
}

static void set_height(struct tree_node *n)
{
	n->height = height_of(n->child[higher_side(n)]) + 1;
}

static void set_child(struct tree_node *n, unsigned side, struct tree_node *child)
{
	n->child[side] = child;
	if (child != NULL)
		child->parent = n;
}

/* Put `with`, which may be NULL, where n is. */
static void replace(struct tree *t, const struct tree_node *n, struct tree_node *with)
{
	if (n->parent != NULL)
		n->parent->child[side_of(n)] = with;
	else
		t->root = with;
	if (with != NULL)
		with->parent = n->parent;
}

/* Move the child of that side up to where n is, and n below it; returns the child. */
static struct tree_node *rotate(struct tree *t, struct tree_node *n, unsigned side)
{
	struct tree_node *up = n->child[side];

	replace(t, n, up);
	set_child(n, side, up->child[!side]);
	set_child(up, !side, n);
	set_height(n);
	set_height(up);
	return up;
}

/* T3 for n, whose children have it and differ in height by 2 at most; returns the node that is
 * where n was. */
static struct tree_node *balance(struct tree *t, struct tree_node *n)
{
	unsigned side = higher_side(n);
	struct tree_node *high = n->child[side];

	if (height_of(high) <= height_of(n->child[!side]) + 1) {
		set_height(n);
		return n;
	}
	if (height_of(high->child[!side]) > height_of(high->child[side]))
		(void)rotate(t, high, !side);
	return rotate(t, n, side);
}

/* T2 and T3 from n up, until a height stays. */
static void balance_up(struct tree *t, struct tree_node *n)
{
	while (n != NULL) {
		uint32_t before = n->height;

		n = balance(t, n);
		if (n->height == before)
			return;
		n = n->parent;
	}
}

void tree_link(struct tree *t, struct tree_node *n, struct tree_node *parent,
	       struct tree_node **link)
{
	*n = (struct tree_node){ .parent = parent, .height = 1 };
	*link = n;
	balance_up(t, parent);
}

/* The outermost node of the subtree. */
static struct tree_node *outermost(struct tree_node *n, unsigned side)
{
	while (n->child[side] != NULL)
		n = n->child[side];
	return n;
}

void tree_remove(struct tree *t, struct tree_node *n)
{
	struct tree_node *next, *changed;

	if (n->child[TREE_LEFT] == NULL || n->child[TREE_RIGHT] == NULL) {
		changed = n->parent;
		replace(t, n, n->child[n->child[TREE_LEFT] == NULL]);
		balance_up(t, changed);
		return;
	}
	/* the next node has no left child: it takes the place of n */
	next = outermost(n->child[TREE_RIGHT], TREE_LEFT);
	changed = next->parent == n ? next : next->parent;
	replace(t, next, next->child[TREE_RIGHT]);
	replace(t, n, next);
	set_child(next, TREE_LEFT, n->child[TREE_LEFT]);
	set_child(next, TREE_RIGHT, n->child[TREE_RIGHT]);
	next->height = n->height;
	balance_up(t, changed);
}

struct tree_node *tree_first(const struct tree *t)
{
	return t->root == NULL ? NULL : outermost(t->root, TREE_LEFT);
}

static struct tree_node *neighbour(const struct tree_node *n, unsigned side)
{
	if (n->child[side] != NULL)
		return outermost(n->child[side], !side);
	while (n->parent != NULL && side_of(n) == side)
		n = n->parent;
	return n->parent;
}

struct tree_node *tree_next(const struct tree_node *n)
{
	return neighbour(n, TREE_RIGHT);
}

struct tree_node *tree_prev(const struct tree_node *n)
{
	return neighbour(n, TREE_LEFT);
}

static const char *check_node(const struct tree_node *n)
{
	const struct tree_node *left = n->child[TREE_LEFT], *right = n->child[TREE_RIGHT];
	uint32_t low = height_of(n->child[!higher_side(n)]),
		 high = height_of(n->child[higher_side(n)]);

	if ((left != NULL && left->parent != n) || (right != NULL && right->parent != n))
		return "T1: a child does not know its parent";
	if (n->height != high + 1)
		return "T2: a height is wrong";
	return high - low <= 1 ? NULL : "T3: a node is not balanced";
}

const char *tree_check(const struct tree *t)
{
	const char *wrong = t->root != NULL && t->root->parent != NULL ? "T1: the root has a parent"
								       : NULL;

	for (const struct tree_node *n = tree_first(t); wrong == NULL && n != NULL;
	     n = tree_next(n))
		wrong = check_node(n);
	return wrong;
}
