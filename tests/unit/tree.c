/* SPDX-License-Identifier: MIT */
/* Tests of lib/tree.h: random operations against a set of bits; orders that a program may choose.
 */
#include "lib/tree.h"

#include "tests/test.h"

enum {
	KEYS = 96,
	STEPS = 20000,
	MANY = 4096,
	HEIGHT_MAX = 17, /* of MANY nodes: 1.44 * log2(4098) */
};

struct element {
	struct tree_node node;
	unsigned key;
};

static struct element elements[MANY];
static struct tree tree;
static bool present[KEYS];

static void insert(unsigned key)
{
	struct tree_node **link = &tree.root, *parent = NULL;

	elements[key].key = key;
	while (*link != NULL) {
		parent = *link;
		link = &parent->child[tree_entry(parent, struct element, node)->key < key];
	}
	tree_link(&tree, &elements[key].node, parent, link);
}

static bool agrees(void)
{
	struct tree_node *n = tree_first(&tree), *last = NULL;

	for (unsigned key = 0; key < KEYS; key++) {
		if (!present[key])
			continue;
		if (n != &elements[key].node || tree_prev(n) != last)
			return false;
		last = n;
		n = tree_next(n);
	}
	return n == NULL && tree_check(&tree) == NULL;
}

TEST(tree_agrees_with_a_set)
{
	tree = (struct tree){ NULL };
	for (unsigned key = 0; key < KEYS; key++)
		present[key] = false;
	for (unsigned step = 0; step < STEPS; step++) {
		/* the number of keys goes up and down */
		unsigned key = (unsigned)test_random_below(step % 4000 < 2000 ? KEYS : KEYS / 4);

		if (present[key])
			tree_remove(&tree, &elements[key].node);
		else
			insert(key);
		present[key] = !present[key];
		if (!agrees()) {
			test_fail(__FILE__, __LINE__, "step %u", step);
			return;
		}
	}
}

TEST(tree_stays_low_whatever_the_order_of_the_keys)
{
	tree = (struct tree){ NULL };
	for (unsigned key = 0; key < MANY; key++)
		insert(key);
	CHECK(tree.root->height <= HEIGHT_MAX);
	/* one side goes, and comes back from the other end */
	for (unsigned key = 0; key < MANY / 2; key++)
		tree_remove(&tree, &elements[key].node);
	CHECK(tree_check(&tree) == NULL);
	CHECK(tree.root->height <= HEIGHT_MAX - 1);
	for (unsigned key = MANY / 2; key-- > 0;)
		insert(key);
	CHECK(tree_check(&tree) == NULL);
	CHECK(tree.root->height <= HEIGHT_MAX);
	for (unsigned key = 0; key < MANY; key++)
		tree_remove(&tree, &elements[key].node);
	CHECK(tree.root == NULL);
}

TEST(tree_check_reports_what_is_wrong)
{
	tree = (struct tree){ NULL };
	for (unsigned key = 0; key < 4; key++)
		insert(key);
	CHECK(tree_check(&tree) == NULL);
	tree.root->height++;
	CHECK(tree_check(&tree) != NULL);
	tree.root->height--;
	elements[3].node.parent = NULL;
	CHECK(tree_check(&tree) != NULL);
	elements[3].node.parent = &elements[2].node;
	CHECK(tree_check(&tree) == NULL);
}
