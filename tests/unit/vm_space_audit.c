/* SPDX-License-Identifier: MIT */
/* Tests of audit findings in address spaces. */
#include "lib/bits.h"
#include "lib/string.h"
#include "tests/machine.h"
#include "tests/spaces.h"
#include "tests/test.h"
#ifndef KEEL_TESTS
#include "arch/host/host.h"
#endif

enum {
	RO = PROP_READ,
	RW = PROP_READ | PROP_WRITE,
	PAGES = 4,
	LARGE = 512, /* pages */
	MIB_OF_HOST = 256,
};

static struct picture picture;

/* PAGES written pages, then untouched anonymous pages up to a block that the test owns too. */
static struct vm_space *make_space(struct frame **handle)
{
	struct frame *block = frame_alloc_block(FRAME_USER, CHUNK_ORDER);
	struct vm_space *s;

	if (block == NULL || vm_space_new(&s) != OK)
		return NULL;
	memset(arch_direct(frame_paddr(block)), 0, MIB(2));
	*handle = frame_get(block);
	CHECK_EQ(vm_space_map_frame(s, page_at(2 * LARGE), block, RW), OK);
	CHECK_EQ(vm_space_map(s, pages(0, 2 * LARGE), RW, 1), OK);
	for (unsigned i = 0; i < PAGES; i++)
		CHECK_EQ(page_store(s, page_at(i), i), OK);
	return s;
}

TEST(audit_spa_01_protect_that_fails_changes_nothing)
{
	struct ledger before;
	struct frame *handle;
	struct vm_space *s;
	uint64_t done = 1;

	spaces_begin(MIB_OF_HOST, 0, 1);
	before = machine_ledger();
	NEED((s = make_space(&handle)) != NULL);
	picture_take(&picture, s);
	/* no memory for the node that the split at the end needs */
	pt_node_inject_failure(1);
	CHECK_EQ(vm_space_protect(s, pages(0, 2 * LARGE + 1), RO, &done), ERR_NO_MEMORY);
	CHECK_EQ(done, 0);
	CHECK_PICTURE(&picture, s);
	pt_node_inject_failure(1);
	CHECK_EQ(vm_space_unmap(s, pages(1, 2 * LARGE), &done), ERR_NO_MEMORY);
	CHECK_EQ(done, 0);
	CHECK_PICTURE(&picture, s);
	/* the frames at the end have as many owners as can be counted */
	atomic_fetch_add(&meta_slot_at(frame_paddr(handle))->state, SLOT_COUNT_MAX - 2);
	CHECK_EQ(vm_space_protect(s, pages(0, 2 * LARGE + 1), RO, &done), ERR_OVERFLOW);
	CHECK_EQ(done, 0);
	CHECK_PICTURE(&picture, s);
	atomic_fetch_sub(&meta_slot_at(frame_paddr(handle))->state, SLOT_COUNT_MAX - 2);
	pt_node_inject_failure(1);
	CHECK_EQ(vm_space_protect(s, pages(0, LARGE + 1), RO, &done), ERR_NO_MEMORY);
	pt_node_inject_failure(0);
	CHECK_EQ(done, 0);
	CHECK_PICTURE(&picture, s);
	CHECK_OWNERS((&(struct handles){ .frame = &handle, .frames = 1 }));
	vm_space_put(s);
	frame_put(handle);
	CHECK_LEDGER(&before);
}

#ifndef KEEL_TESTS
TEST(audit_spa_01_rights_that_are_removed_are_in_no_tlb)
{
	uint64_t done, pa[PAGES];
	struct frame *handle;
	struct vm_space *s;

	spaces_begin(MIB_OF_HOST, 0, 1);
	NEED((s = make_space(&handle)) != NULL);
	vm_space_activate(s);
	for (unsigned i = 0; i < PAGES; i++) {
		CHECK(host_tlb_access(page_at(i), arch_pt_levels(), HOST_TLB_READ, &pa[i]));
		CHECK(host_tlb_has_page(0, pa[i], PAGE_SIZE));
	}
	CHECK_EQ(vm_space_protect(s, pages(0, 2 * LARGE), RO, &done), OK);
	CHECK_EQ(done, 2 * LARGE * PAGE_SIZE);
	for (unsigned i = 0; i < PAGES; i++)
		CHECK(!host_tlb_has_page(0, pa[i], PAGE_SIZE));
	vm_space_activate(NULL);
	vm_space_put(s);
	frame_put(handle);
}
#endif

/* In the audited code a flag of the new page's range decided whether the old page owned its frame.
 */
TEST(audit_noe_03_ownership_of_a_replaced_page_is_read_from_its_entry)
{
	const struct frame *zeros;
	struct vm_space *s, *child;
	struct ledger before;
	uint64_t value;

	spaces_begin(MIB_OF_HOST, 0, 1);
	before = machine_ledger();
	NEED(vm_space_new(&s) == OK);
	zeros = frame_of_slot(meta_slot_of(paddr_to_pfn(vm_zero_page())));
	CHECK_EQ(vm_space_map(s, pages(0, PAGES), RW, 1), OK);
	CHECK_EQ(page_load(s, page_at(0), &value), OK);
	CHECK_EQ(page_store(s, page_at(1), 1), OK);
	NEED(vm_space_fork(s, &child) == OK);
	/* replace an untracked page (zero page) and a tracked one in the same range */
	CHECK_EQ(page_store(s, page_at(0), 10), OK);
	CHECK_EQ(page_store(s, page_at(1), 11), OK);
	CHECK_EQ(frame_count(zeros), 1);
	CHECK_OWNERS(NULL);
	CHECK(page_shows(child, page_at(0), 0));
	CHECK(page_shows(child, page_at(1), 1));
	vm_space_put(s);
	vm_space_put(child);
	CHECK_EQ(frame_count(zeros), 1);
	CHECK_LEDGER(&before);
}
