/* SPDX-License-Identifier: MIT */
/*
 * cursor.c - mm/pt/cursor.c and mm/pt/node.c: one cursor at a time locks a range, no lookup finds a
 * node after it was freed, and a lockless lookup returns a state that was true during the call.
 */
#include "mm/pt/cursor.h"

#include "mm/frame/epoch.h"
#include "tests/explore/scenario/table.h"

enum {
	PAGE_A = 0,
	PAGE_B = 1,                 /* in the same node */
	PAGE_NEXT = NODE_PAGES,     /* in the next node */
	PAGE_LAST = 2 * NODE_PAGES, /* in the node after that */
	/* below another root entry, so with other nodes on all levels */
	PAGE_FAR = 1 << 27,
	POLLS = 3, /* until a node that was retired is freed */
};

static const struct page_prop prop = { PROP_READ | PROP_WRITE, MEM_WRITE_BACK };

/* Map the page, or unmap it when it is mapped. */
static void flip_held(struct cursor *c)
{
	struct pt_item item = cursor_query(c);
	unsigned page = (unsigned)(c->va / PAGE_SIZE);

	if (item.kind == PT_ITEM_ABSENT) {
		EXPLORE_CHECK(cursor_map_pa(c, table_pa(page), PAGE_SIZE, prop, 1) == OK);
	} else {
		EXPLORE_CHECK(item.kind == PT_ITEM_LEAF && item.pa.raw == table_pa(page).raw);
		EXPLORE_CHECK(cursor_unmap(c, PAGE_SIZE) == OK);
	}
}

static void flip(unsigned page)
{
	struct cursor c;

	table_lock(&c, page, 1);
	flip_held(&c);
	table_release(&c);
	table_finish();
}

static void flip_a(void *arg)
{
	(void)arg;
	flip(PAGE_A);
}

static void flip_b(void *arg)
{
	(void)arg;
	flip(PAGE_B);
}

static void flip_next(void *arg)
{
	(void)arg;
	flip(PAGE_NEXT);
}

/* The page is absent or mapped to table_pa(), nothing else. */
static void lookup(unsigned page)
{
	struct pt_item item = page_table_query(&table, (vaddr_t)page * PAGE_SIZE);

	EXPLORE_CHECK(item.kind == PT_ITEM_ABSENT ||
		      (item.kind == PT_ITEM_LEAF && item.pa.raw == table_pa(page).raw));
}

static void lookup_a(void *arg)
{
	(void)arg;
	lookup(PAGE_A);
}

/* ---- one page: nodes are allocated and freed ---- */

static void setup_empty(void)
{
	table_setup(2);
}

static void setup_neighbour(void)
{
	table_setup(2);
	table_fill(PAGE_NEXT, 1, 1);
}

static void setup_page(void)
{
	setup_neighbour();
	table_fill(PAGE_A, 1, 1);
}

static void flip_a_twice(void *arg)
{
	flip_a(arg);
	flip_a(arg);
}

EXPLORE(cursor_node_is_made_by_one_of_two, .setup = setup_neighbour, .check = table_check,
	.task = { { "a", flip_a, NULL, 0 }, { "b", flip_a, NULL, 1 } });
EXPLORE(cursor_node_goes_and_comes, .setup = setup_page, .check = table_check, .bound = 2,
	.task = { { "a", flip_a_twice, NULL, 0 }, { "b", flip_a, NULL, 1 } });
EXPLORE(cursor_two_pages_of_a_node, .setup = setup_page, .check = table_check,
	.task = { { "a", flip_a, NULL, 0 }, { "b", flip_b, NULL, 1 } });

/* ---- all nodes above are freed, too ---- */

static void setup_alone(void)
{
	table_setup(2);
	table_fill(PAGE_A, 1, 1);
}

EXPLORE(cursor_parents_go_while_another_needs_them, .setup = setup_alone, .check = table_check,
	.task = { { "a", flip_a, NULL, 0 }, { "b", flip_next, NULL, 1 } });
EXPLORE(cursor_first_nodes_of_a_table, .setup = setup_empty, .check = table_check,
	.task = { { "a", flip_a, NULL, 0 }, { "b", flip_next, NULL, 1 } });

/* ---- a range of nodes, and a page in it ---- */

/* A range over three nodes, then a page in the middle one. */
static void lock_all_then_flip(void *arg)
{
	struct cursor c;

	(void)arg;
	table_lock(&c, PAGE_A, PAGE_LAST + 1);
	flip_held(&c);
	table_release(&c);
	table_finish();
	flip(PAGE_NEXT);
}

static void setup_gap(void)
{
	table_setup(2);
	table_fill(PAGE_A, 1, 1);
	table_fill(PAGE_LAST, 1, 1);
}

EXPLORE(cursor_over_nodes_and_a_page_between, .setup = setup_gap, .check = table_check,
	.task = { { "all", lock_all_then_flip, NULL, 0 }, { "page", flip_next, NULL, 1 } });

static void unmap_all(void *arg)
{
	struct cursor c;

	(void)arg;
	table_lock(&c, PAGE_A, PAGE_LAST + 1);
	EXPLORE_CHECK(cursor_unmap(&c, cursor_left(&c)) == OK);
	table_release(&c);
	table_finish();
}

static void setup_three(void)
{
	table_setup(3);
	table_fill(PAGE_A, 1, 1);
	table_fill(PAGE_NEXT, 1, 1);
}

EXPLORE(cursor_trees_of_nodes_go, .setup = setup_gap, .check = table_check,
	.task = { { "all", unmap_all, NULL, 0 }, { "page", flip_a, NULL, 1 } });
EXPLORE(cursor_three_at_once, .setup = setup_three, .check = table_check, .bound = 1,
	.task = { { "all", unmap_all, NULL, 0 },
		  { "page", flip_a, NULL, 1 },
		  { "next", flip_next, NULL, 2 } });

/* ---- a node that is left non-empty, and comes back as another one ---- */

static void setup_two_of_a_node(void)
{
	setup_page();
	table_fill(PAGE_B, 1, 1);
}

/* The node becomes empty, is freed, and used for another page. */
static void move_b_far(void *arg)
{
	flip_b(arg);
	for (unsigned i = 0; i < POLLS; i++)
		(void)epoch_poll();
	flip(PAGE_FAR);
}

EXPLORE(cursor_close_beside_the_end_of_its_node, .setup = setup_two_of_a_node, .check = table_check,
	.bound = 1, .task = { { "a", flip_a, NULL, 0 }, { "b", move_b_far, NULL, 1 } });

/* ---- lockless lookups ---- */

/* The node of the page is freed and reused for another page at once. */
static void move_far(void *arg)
{
	flip_a(arg);
	(void)epoch_poll();
	flip(PAGE_FAR);
}

EXPLORE(cursor_node_is_reused_beside_a_lookup, .setup = setup_page, .check = table_check,
	.task = { { "move", move_far, NULL, 0 }, { "lookup", lookup_a, NULL, 1 } });
EXPLORE(cursor_node_is_reused_beside_an_open, .setup = setup_page, .check = table_check,
	.task = { { "move", move_far, NULL, 0 }, { "open", flip_a, NULL, 1 } });
EXPLORE(cursor_lookup_beside_two, .setup = setup_page, .check = table_check, .bound = 2,
	.task = { { "a", flip_a, NULL, 0 },
		  { "b", flip_b, NULL, 1 },
		  { "lookup", lookup_a, NULL, 2 } });

static void verify(void *arg)
{
	(void)arg;
	table_verify();
}

EXPLORE(cursor_table_is_whole_at_every_point, .setup = setup_gap, .check = table_check,
	.task = { { "all", unmap_all, NULL, 0 },
		  { "page", flip_next, NULL, 1 },
		  { "verify", verify, NULL, 2 } });

/* ---- CPUs that wait for a node serve shootdowns ---- */

static void setup_loaded(void)
{
	setup_gap();
	table_load_everywhere();
}

/* Finishes the batch while the cursor is open. */
static void unmap_and_finish(void *arg)
{
	struct cursor c;

	(void)arg;
	table_lock(&c, PAGE_A, PAGE_LAST + 1);
	EXPLORE_CHECK(cursor_unmap(&c, PAGE_SIZE) == OK);
	table_finish();
	table_release(&c);
	table_finish();
}

EXPLORE(cursor_waiters_serve, .setup = setup_loaded, .check = table_check, .bound = 2,
	.task = { { "all", unmap_and_finish, NULL, 0 }, { "page", flip_a, NULL, 1 } });
