/* SPDX-License-Identifier: MIT */
/* Tests of pins: a page that a device uses stays behind its address. */
#include "tests/machine.h"
#include "tests/spaces.h"
#include "tests/test.h"

enum {
	MIB_OF_HOST = 64,
};
#define RO PROP_READ
#define RW (PROP_READ | PROP_WRITE)

static struct ledger before;
static struct vm_space *s, *child;

static void begin(unsigned n, unsigned largest)
{
	spaces_begin(MIB_OF_HOST, 0, 1);
	before = machine_ledger();
	NEED(vm_space_new(&s) == OK);
	CHECK_EQ(vm_space_map(s, pages(0, n), RW, largest), OK);
}

static void end(void)
{
	CHECK(vm_space_check(s) == NULL);
	vm_space_put(s);
	CHECK_LEDGER(&before);
}

static paddr_t page_of(struct vm_space *of, unsigned i)
{
	struct pt_item item = vm_space_query(of, page_at(i));

	return item.kind == PT_ITEM_LEAF ? paddr(item.pa.raw + (page_at(i) - item.start))
					 : PADDR_NONE;
}

static err_t protect(unsigned i, unsigned rights)
{
	uint64_t done;

	return vm_space_protect(s, pages(i, 1), rights, &done);
}

TEST(vm_space_pinned_page_is_copied_for_the_child_at_once)
{
	struct frame *pinned;

	begin(4, 1);
	CHECK_EQ(page_store(s, page_at(1), 1), OK);
	CHECK_EQ(page_store(s, page_at(2), 2), OK);
	NEED(vm_space_pin(s, page_at(1), FAULT_WRITE, &pinned) == OK);
	CHECK_EQ(page_of(s, 1).raw, frame_paddr(pinned).raw);
	NEED(vm_space_fork(s, &child) == OK);
	CHECK(page_of(child, 1).raw != frame_paddr(pinned).raw);
	CHECK_EQ(page_of(child, 2).raw, page_of(s, 2).raw);
	CHECK(page_shows(child, page_at(1), 1));
	CHECK_EQ(page_store(s, page_at(1), 5), OK);
	CHECK_EQ(page_of(s, 1).raw, frame_paddr(pinned).raw); /* where the device sees it */
	CHECK(page_shows(child, page_at(1), 1));
	CHECK_EQ(page_store(child, page_at(1), 6), OK);
	CHECK(page_shows(s, page_at(1), 5));
	CHECK_OWNERS(NULL);
	vm_space_put(child);
	vm_space_unpin(pinned);
	CHECK_OWNERS(NULL);
	end();
}

TEST(vm_space_pin_of_a_page_that_a_fork_shares_copies_it)
{
	struct frame *pinned, *zeros;

	begin(4, 1);
	CHECK_EQ(page_store(s, page_at(1), 1), OK);
	CHECK(page_shows(s, page_at(2), 0)); /* the zero page */
	CHECK_EQ(protect(1, RO), OK);
	NEED(vm_space_fork(s, &child) == OK);
	NEED(vm_space_pin(s, page_at(1), FAULT_READ, &pinned) == OK);
	NEED(vm_space_pin(s, page_at(2), FAULT_READ, &zeros) == OK);
	CHECK(frame_paddr(zeros).raw != vm_zero_page().raw);
	CHECK(page_of(child, 1).raw != frame_paddr(pinned).raw);
	CHECK_EQ(page_store(s, page_at(1), 3), ERR_DENIED); /* the rights are as they were */
	CHECK_EQ(vm_space_pin(s, page_at(1), FAULT_WRITE, &pinned), ERR_DENIED);
	CHECK_EQ(protect(1, RW), OK);
	CHECK_EQ(page_store(s, page_at(1), 3), OK);
	CHECK_EQ(page_store(s, page_at(2), 4), OK);
	CHECK_EQ(page_of(s, 1).raw, frame_paddr(pinned).raw);
	CHECK_EQ(page_of(s, 2).raw, frame_paddr(zeros).raw);
	CHECK(page_shows(child, page_at(1), 1));
	CHECK_OWNERS(NULL);
	vm_space_put(child);
	vm_space_unpin(pinned);
	vm_space_unpin(zeros);
	end();
}

TEST(vm_space_pinned_part_of_a_large_page_stays_where_it_is)
{
	struct frame *pinned, *again;
	uint64_t done;
	paddr_t was;

	begin(PT_ENTRIES, 2);
	CHECK_EQ(page_store(s, page_at(7), 7), OK);
	CHECK_EQ(vm_space_query(s, BASE).level, 2);
	was = page_of(s, 7);
	NEED(vm_space_pin(s, page_at(7), FAULT_WRITE, &pinned) == OK);
	NEED(vm_space_pin(s, page_at(7) + 5, FAULT_READ, &again) == OK);
	CHECK(pinned == again);
	CHECK_EQ(frame_paddr(pinned).raw, was.raw);
	CHECK_EQ(page_of(s, 7).raw, was.raw);
	CHECK_OWNERS(NULL);
	/* the frame outlives its mapping */
	CHECK_EQ(vm_space_unmap(s, pages(0, PT_ENTRIES), &done), OK);
	CHECK_EQ(frame_count(pinned), 2);
	CHECK_EQ(*(uint64_t *)arch_direct(was), 7);
	vm_space_unpin(again);
	vm_space_unpin(pinned);
	end();
}

TEST(vm_space_pins_are_counted_to_their_limit)
{
	struct frame *pinned, *one_more;
	struct slot_state full;

	begin(1, 1);
	CHECK_EQ(vm_space_pin(s, page_at(5), FAULT_READ, &pinned), ERR_NOT_FOUND);
	CHECK_EQ(vm_space_pin(s, 0, FAULT_READ, &pinned), ERR_NOT_FOUND);
	for (unsigned i = 0; i < SLOT_PINS_MAX; i++)
		CHECK_EQ(vm_space_pin(s, page_at(0), FAULT_WRITE, &pinned), OK);
	full = meta_state(frame_slot(pinned));
	CHECK_EQ(full.count, SLOT_PINS_MAX + 1);
	CHECK_EQ(vm_space_pin(s, page_at(0), FAULT_WRITE, &one_more), ERR_OVERFLOW);
	CHECK_EQ(meta_state(frame_slot(pinned)).count, SLOT_PINS_MAX + 1);
	CHECK_EQ(page_store(s, page_at(0), 1), OK);
	for (unsigned i = 0; i < SLOT_PINS_MAX; i++)
		vm_space_unpin(pinned);
	end();
}

/* A block that its owner shares with the space is mapped in parts, which are never copied. */
TEST(vm_space_pin_of_a_part_of_a_shared_block_counts_the_block)
{
	struct frame *block, *handle, *pinned[2];
	uint64_t done;

	begin(1, 1);
	block = frame_alloc_block(FRAME_USER, CHUNK_ORDER);
	NEED(block != NULL);
	handle = frame_get(block);
	CHECK_EQ(vm_space_map_frame(s, page_at(PT_ENTRIES), block, RW), OK);
	NEED(vm_space_pin(s, page_at(PT_ENTRIES), FAULT_WRITE, &pinned[0]) == OK);
	NEED(vm_space_pin(s, page_at(PT_ENTRIES + 9), FAULT_READ, &pinned[1]) == OK);
	CHECK_EQ(frame_paddr(pinned[1]).raw, frame_paddr(handle).raw + 9 * PAGE_SIZE);
	CHECK_EQ(frame_count(handle), 1 + PT_ENTRIES + 2);
	NEED(vm_space_fork(s, &child) == OK);
	CHECK_EQ(page_of(child, PT_ENTRIES + 9).raw, frame_paddr(pinned[1]).raw);
	vm_space_put(child);
	CHECK_EQ(vm_space_unmap(s, pages(PT_ENTRIES, PT_ENTRIES), &done), OK);
	CHECK_EQ(frame_count(handle), 1 + 2);
	vm_space_unpin(pinned[0]);
	vm_space_unpin(pinned[1]);
	CHECK_EQ(frame_count(handle), 1);
	frame_put(handle);
	end();
}
