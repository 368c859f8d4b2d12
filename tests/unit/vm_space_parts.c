/* SPDX-License-Identifier: MIT */
/* Tests of copy-on-write of large pages with fragmented memory: the copy uses 4 KiB frames instead
 * of a block. */
#include "lib/string.h"
#include "mm/pt/cursor.h"
#include "mm/vm/space.h"
#include "tests/hog.h"
#include "tests/machine.h"
#include "tests/spaces.h"
#include "tests/test.h"

enum {
	PARTS = PT_ENTRIES,
	PARTS_AND_MORE = PARTS + 40, /* with page-table nodes */
};
#define RW (PROP_READ | PROP_WRITE)

static struct vm_space *parent, *child;
static struct ledger before;
static struct frame *held[PARTS_AND_MORE]; /* allocated frames between the free ones */

/* Map a 2 MiB page with a value in each 4 KiB part, and fork a child that shares it. */
static bool fork_a_large_page(void)
{
	spaces_begin(64, 0, 1);
	before = machine_ledger();
	parent = child = NULL;
	if (vm_space_new(&parent) != OK ||
	    vm_space_map(parent, (struct vrange){ BASE, MIB(2) }, RW, 2) != OK)
		return false;
	for (unsigned i = 0; i < PARTS; i++)
		if (page_store(parent, page_at(i), 1000 + i) != OK)
			return false;
	return vm_space_query(parent, BASE).level == 2 && vm_space_fork(parent, &child) == OK;
}

/* Leave exactly n frames free, no two of them adjacent. */
static bool leave_pieces(unsigned n)
{
	static struct frame *free[PARTS_AND_MORE];
	bool enough = hog_all_but(2 * n);

	for (unsigned i = 0; i < n; i++) {
		free[i] = frame_alloc(FRAME_TEST);
		held[i] = frame_alloc(FRAME_TEST);
		enough = enough && free[i] != NULL && held[i] != NULL;
	}
	for (unsigned i = 0; i < n; i++)
		if (free[i] != NULL)
			frame_put(free[i]);
	return enough;
}

static void give_all(void)
{
	for (unsigned i = 0; i < PARTS_AND_MORE; i++) {
		if (held[i] != NULL)
			frame_put(held[i]);
		held[i] = NULL;
	}
	hog_give_all();
}

static void end(void)
{
	give_all();
	vm_space_put(child);
	vm_space_put(parent);
	CHECK_LEDGER(&before);
}

/* Every part except `changed` contains its original value. */
static void check_parts(struct vm_space *s, unsigned changed, uint64_t value)
{
	for (unsigned i = 0; i < PARTS; i++)
		if (!page_shows(s, page_at(i), i == changed ? value : 1000 + i)) {
			test_fail(__FILE__, __LINE__, "part %u has a wrong value", i);
			return;
		}
}

TEST(vm_space_large_page_is_copied_in_parts_when_memory_is_fragmented)
{
	NEED(fork_a_large_page());
	NEED(leave_pieces(PARTS_AND_MORE));
	CHECK_EQ(page_store(child, page_at(7), 5), OK);
	CHECK_EQ(vm_space_query(child, BASE).level, 1);
	CHECK_EQ(vm_space_query(parent, BASE).level, 2);
	check_parts(child, 7, 5);
	check_parts(parent, PARTS, 0);
	CHECK_OWNERS(NULL);
	CHECK_EQ(page_store(parent, page_at(9), 6), OK); /* the only owner: reuse */
	CHECK_EQ(vm_space_query(parent, BASE).level, 2);
	check_parts(child, 7, 5);
	end();
}

TEST(vm_space_large_page_that_cannot_be_copied_stays)
{
	static struct picture was_child, was_parent;

	NEED(fork_a_large_page());
	picture_take(&was_child, child);
	picture_take(&was_parent, parent);
	NEED(leave_pieces(PARTS - 1)); /* one frame too few */
	CHECK_EQ(page_store(child, page_at(7), 5), ERR_NO_MEMORY);
	CHECK_PICTURE(&was_child, child);
	give_all();
	NEED(leave_pieces(PARTS_AND_MORE));
	pt_node_inject_failure(1); /* enough frames, but no node */
	CHECK_EQ(page_store(child, page_at(7), 5), ERR_NO_MEMORY);
	pt_node_inject_failure(0);
	CHECK_EQ(vm_space_query(child, BASE).level, 2);
	CHECK_PICTURE(&was_child, child);
	CHECK_PICTURE(&was_parent, parent);
	CHECK_OWNERS(NULL);
	CHECK_EQ(page_store(child, page_at(7), 5), OK);
	end();
}

/* Unmap a part of a shared large page. */
TEST(vm_space_part_of_a_shared_large_page_is_unmapped_when_memory_is_fragmented)
{
	uint64_t done;

	NEED(fork_a_large_page());
	NEED(leave_pieces(PARTS_AND_MORE));
	CHECK_EQ(vm_space_unmap(child, (struct vrange){ page_at(3), PAGE_SIZE }, &done), OK);
	CHECK_EQ(done, PAGE_SIZE);
	CHECK_EQ(vm_space_query(child, page_at(3)).kind, PT_ITEM_ABSENT);
	CHECK(page_shows(child, page_at(2), 1002));
	CHECK(page_shows(child, page_at(4), 1004));
	check_parts(parent, PARTS, 0);
	CHECK_EQ(page_store(child, page_at(4), 8), OK); /* already a private copy */
	CHECK(page_shows(parent, page_at(4), 1004));
	CHECK_OWNERS(NULL);
	end();
}
