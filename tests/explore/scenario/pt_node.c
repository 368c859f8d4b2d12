/* SPDX-License-Identifier: MIT */
/* pt_node.c - the per-CPU pools of empty nodes of mm/pt/node.c, used by tasks and interrupts. */
#include "mm/pt/cpu_format.h"
#include "tests/explore/explore.h"

enum {
	MACHINE_KIB = 8192,
	LEVEL = 1,
	NODES = 2,
};

static struct frame *shared_node;

static void setup(void)
{
	explore_machine(MACHINE_KIB, 2);
	explore_machine_mark();
}

static struct frame *alloc(void)
{
	struct frame *node = pt_node_alloc(LEVEL);

	EXPLORE_CHECK(node != NULL);
	explore_frame_allocated(frame_pfn(node), 0);
	EXPLORE_CHECK(pt_node_get(node, 0) == 0 && pt_node_children(node) == 0);
	return node;
}

static void put(struct frame *node)
{
	explore_frame_freed(frame_pfn(node), 0);
	pt_node_put_empty(node);
}

/* Write an entry and clear it again: a freed node is all zeros. */
static void alloc_and_put(void *arg)
{
	struct frame *node[NODES];

	(void)arg;
	for (unsigned i = 0; i < NODES; i++) {
		node[i] = alloc();
		EXPLORE_CHECK(pt_node_set(node[i], 0, 2) == 0);
	}
	for (unsigned i = 0; i < NODES; i++) {
		EXPLORE_CHECK(pt_node_set(node[i], 0, 0) == 2);
		put(node[i]);
	}
}

EXPLORE(pt_node_pool_and_a_handler, .setup = setup, .check = explore_machine_check,
	.task = { { "a", alloc_and_put, NULL, 0 },
		  { "handler", alloc_and_put, NULL, 0, EXPLORE_INTERRUPT } });
EXPLORE(pt_node_pools_of_two_cpus, .setup = setup, .check = explore_machine_check, .bound = 2,
	.task = { { "a", alloc_and_put, NULL, 0 },
		  { "b", alloc_and_put, NULL, 1 },
		  { "handler", alloc_and_put, NULL, 0, EXPLORE_INTERRUPT } });

/* ---- a node with two owners ---- */

static void setup_shared(void)
{
	setup();
	shared_node = pt_node_alloc(LEVEL);
	(void)frame_get(shared_node);
}

static void put_shared(void *arg)
{
	(void)arg;
	frame_put(shared_node);
}

EXPLORE(pt_node_is_dropped_by_the_last, .setup = setup_shared, .check = explore_machine_check,
	.task = { { "a", put_shared, NULL, 0 }, { "b", put_shared, NULL, 1 } });
