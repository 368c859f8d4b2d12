/* SPDX-License-Identifier: MIT */
/* Tests of the spare branch of a table: it saves allocations and is unlinked when in the way. */
#include "mm/pt/cursor.h"

#include "tests/machine.h"
#include "tests/spaces.h"
#include "tests/test.h"

#define RW (PROP_READ | PROP_WRITE)

static struct ledger before;

static struct vrange page(uint64_t offset)
{
	return (struct vrange){ BASE + offset, PAGE_SIZE };
}

/* A new space on a fresh machine; NULL: no memory. */
static struct vm_space *new_space(void)
{
	struct vm_space *s = NULL;

	spaces_begin(64, 0, 1);
	before = machine_ledger();
	CHECK_EQ(vm_space_new(&s), OK);
	return s;
}

static void map_and_unmap(struct vm_space *s, uint64_t offset)
{
	uint64_t done;

	CHECK_EQ(vm_space_map(s, page(offset), RW, 1), OK);
	CHECK_EQ(page_store(s, BASE + offset, offset), OK);
	CHECK_EQ(vm_space_unmap(s, page(offset), &done), OK);
}

TEST(page_table_spare_branch_serves_the_next_page)
{
	struct vm_space *s = new_space();

	NEED(s != NULL);
	CHECK_EQ(page_table_nodes(&s->table), 1);
	map_and_unmap(s, 0);
	CHECK_EQ(page_table_nodes(&s->table), s->table.levels);
	CHECK(space_is_bare(s));
	pt_node_inject_failure(1);
	map_and_unmap(s, 0); /* allocates no node */
	map_and_unmap(s, PAGE_SIZE);
	CHECK_EQ(vm_space_map(s, page(GIB(1)), RW, 1), ERR_NO_MEMORY); /* needs a node */
	pt_node_inject_failure(0);
	CHECK_EQ(page_table_nodes(&s->table), s->table.levels);
	vm_space_put(s);
	CHECK_LEDGER(&before);
}

TEST(page_table_spare_branch_is_one)
{
	struct vm_space *s = new_space();

	NEED(s != NULL);
	for (uint64_t i = 0; i < 100; i++) {
		map_and_unmap(s, test_random_below(64) * MIB(2) + test_random_below(64) * GIB(1));
		CHECK(space_is_bare(s));
		CHECK_EQ(page_table_nodes(&s->table), s->table.levels);
	}
	vm_space_put(s);
	CHECK_LEDGER(&before);
}

TEST(page_table_spare_branch_gives_way_to_larger_entries)
{
	struct vm_space *s = new_space();
	struct frame *block;
	uint64_t done;

	NEED(s != NULL);
	map_and_unmap(s, 0);
	CHECK_EQ(vm_space_map(s, (struct vrange){ BASE, MIB(2) }, RW, 2), OK);
	CHECK_EQ(vm_space_query(s, BASE).level, 2);
	CHECK_EQ(vm_space_unmap(s, (struct vrange){ BASE, MIB(2) }, &done), OK);
	map_and_unmap(s, 0);
	CHECK_EQ(vm_space_map(s, (struct vrange){ BASE, GIB(512) }, RW, 1), OK);
	CHECK_EQ(vm_space_query(s, BASE).level, 4);
	CHECK_EQ(page_table_nodes(&s->table), s->table.levels - 3);
	vm_space_clear(s);
	map_and_unmap(s, 0);
	block = frame_alloc_block(FRAME_USER, PT_INDEX_BITS);
	NEED(block != NULL);
	CHECK_EQ(vm_space_map_frame(s, BASE, block, RW), OK);
	CHECK_EQ(vm_space_query(s, BASE).level, 2);
	CHECK_EQ(vm_space_map_frame(s, BASE, block, RW), ERR_IN_USE);
	vm_space_put(s);
	CHECK_LEDGER(&before);
}

/* Nodes that other tables share are never unlinked to make room for a larger entry. */
TEST(page_table_kept_nodes_give_no_way)
{
	const struct vrange all = { BASE, GIB(512) };
	struct tlb_batch gone;
	struct page_table pt;
	struct cursor c;

	spaces_begin(64, 0, 1);
	before = machine_ledger();
	NEED(page_table_init(&pt, 4) == OK);
	CHECK_EQ(page_table_populate(&pt, all, 3), OK);
	CHECK_EQ(page_table_nodes(&pt), 2);
	tlb_batch_init(&gone, &tlb_kernel_space);
	NEED(cursor_open(&c, &pt, all, &gone) == OK);
	CHECK_EQ(cursor_set_marker(&c, all.len, 1), OK);
	cursor_close(&c);
	tlb_batch_finish(&gone);
	CHECK_EQ(page_table_query(&pt, BASE).level, 3);
	CHECK_EQ(page_table_nodes(&pt), 2);
	page_table_destroy(&pt);
	CHECK_LEDGER(&before);
}

TEST(page_table_spare_branch_is_not_forked)
{
	struct vm_space *s = new_space(), *child = NULL;

	NEED(s != NULL);
	CHECK_EQ(vm_space_map(s, page(0), RW, 1), OK);
	CHECK_EQ(page_store(s, BASE, 7), OK);
	map_and_unmap(s, MIB(2)); /* below the same node of level 2 */
	CHECK_EQ(page_table_nodes(&s->table), s->table.levels + 1);
	CHECK_EQ(vm_space_fork(s, &child), OK);
	NEED(child != NULL);
	CHECK(page_shows(child, BASE, 7));
	CHECK_EQ(page_table_nodes(&child->table), child->table.levels);
	vm_space_put(child);
	vm_space_put(s);
	CHECK_LEDGER(&before);
}
