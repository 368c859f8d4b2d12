/* SPDX-License-Identifier: MIT */
/* Document 002: a page of the kernel image is unmapped, replaced and restored. */
#include "mm/kspace/kspace.h"
#include "tests/machine.h"
#include "tests/test.h"

TEST(document_002_a_page_of_the_image_is_replaced_and_put_back)
{
	struct ledger before;

	CHECK(kspace_hole_demo()); /* the first call splits a large page, if there is one */
	before = machine_ledger();
	CHECK(kspace_hole_demo());
	CHECK_LEDGER(&before);
	CHECK(kspace_check() == NULL);
}

TEST(kspace_image_pages_that_are_not_data_stay)
{
	struct pt_item old;

	CHECK_EQ(
		kspace_image_page_take((vaddr_t)kspace_hole_demo & ~(vaddr_t)(PAGE_SIZE - 1), &old),
		ERR_BAD_RANGE);
	CHECK_EQ(kspace_image_page_take(0, &old), ERR_BAD_RANGE);
	CHECK_EQ(kspace_image_page_put(0, paddr(0), (struct page_prop){ PROP_READ, 0 }),
		 ERR_BAD_RANGE);
}
