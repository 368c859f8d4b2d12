/* SPDX-License-Identifier: MIT */
/* Tests of the order in which a cursor lets its nodes go. */
#include "mm/pt/cursor.h"
#include "mm/pt/cpu_format.h"

#include "tests/machine.h"
#include "tests/test.h"

enum {
	PAGES = 3 * 512, /* of three nodes of level 1, below one that covers them */
};
#define BASE UINT64_C(0x10000000000)

#ifdef KEEL_DEBUG
static void unlock(void *node)
{
	pt_node_unlock(node);
}

/* The checker looks at each release: every other test of cursors runs under it. */
TEST(audit_cur_03_a_node_goes_after_those_below_it)
{
	struct vrange range = { BASE, (uint64_t)PAGES * PAGE_SIZE };
	struct page_prop rw = { PROP_READ | PROP_WRITE, MEM_WRITE_BACK };
	struct page_table pt;
	struct tlb_batch gone;
	struct cursor c;

#ifndef KEEL_TESTS
	machine_start_simple(64, 0, 1);
#endif
	NEED(page_table_init(&pt, 4) == OK);
	tlb_batch_init(&gone, &tlb_kernel_space);
	NEED(cursor_open(&c, &pt, range, &gone) == OK);
	CHECK_EQ(cursor_map_pa(&c, paddr(GIB(1)), range.len, rw, 1), OK);
	cursor_close(&c);
	NEED(cursor_open(&c, &pt, range, &gone) == OK);
	CHECK_EQ(c.level, 2);
	CHECK(test_panics(unlock, c.node, "unlocked before one below it"));
	cursor_close(&c);
	page_table_destroy(&pt);
}
#endif
