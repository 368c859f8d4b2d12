/* SPDX-License-Identifier: MIT */
/* Tests of mm/vm_space.c and vm_fault.c, one CPU; vm_space_threads.c has several. */
#include "mm/vm_space.h"

#include "lib/string.h"
#include "mm/heap.h"
#include "mm/kspace.h"
#include "tests/machine.h"
#include "tests/test.h"

enum {
	RW = PROP_READ | PROP_WRITE,
	PAGES = 16,
};

#define BASE UINT64_C(0x10000000000)

#ifndef KEEL_TESTS
static struct page_table kernel_table;
#endif

/* A machine with the kernel's table; in the kernel there is one. */
static void begin(void)
{
#ifndef KEEL_TESTS
	machine_start_simple(256, 0, 1);
	NEED(heap_init(1) == OK);
	NEED(page_table_init(&kernel_table, arch_pt_levels()) == OK);
	NEED(vm_space_init(&kernel_table) == OK);
#endif
	pt_node_inject_failure(0);
}

static struct vrange pages(unsigned first, unsigned n)
{
	return (struct vrange){ BASE + (uint64_t)first * PAGE_SIZE, (uint64_t)n * PAGE_SIZE };
}

static vaddr_t page_at(unsigned i)
{
	return BASE + (uint64_t)i * PAGE_SIZE;
}

/* The memory that the page shows. */
static volatile uint64_t *word_at(const struct vm_space *s, unsigned i)
{
	struct pt_item item = vm_space_query(s, page_at(i));

	if (item.kind != PT_ITEM_LEAF)
		return NULL;
	return (uint64_t *)((char *)arch_direct(item.pa) + (page_at(i) - item.start));
}

/* As user code would: with the faults that it takes. */
static err_t store(struct vm_space *s, unsigned i, uint64_t value)
{
	for (unsigned tries = 0; tries < 3; tries++) {
		struct pt_item item = vm_space_query(s, page_at(i));
		err_t err;

		if (item.kind == PT_ITEM_LEAF && (item.prop.flags & PROP_WRITE) != 0) {
			*word_at(s, i) = value;
			return OK;
		}
		err = vm_space_handle_fault(s, page_at(i), FAULT_WRITE);
		if (err != OK)
			return err;
	}
	return ERR_BUSY;
}

static err_t load(struct vm_space *s, unsigned i, uint64_t *value)
{
	if (vm_space_query(s, page_at(i)).kind != PT_ITEM_LEAF) {
		err_t err = vm_space_handle_fault(s, page_at(i), FAULT_READ);

		if (err != OK)
			return err;
	}
	*value = *word_at(s, i);
	return OK;
}

TEST(vm_space_zeros_come_on_demand)
{
	struct vm_space *s;
	struct ledger before;
	uint64_t done, value = 1;

	begin();
	before = machine_ledger();
	NEED(vm_space_new(&s) == OK);
	CHECK_EQ(load(s, 0, &value), ERR_NOT_FOUND);
	CHECK_EQ(vm_space_map(s, pages(0, PAGES), RW, 1), OK);
	CHECK_EQ(vm_space_map(s, pages(PAGES - 1, 2), RW, 1), ERR_IN_USE);
	CHECK_EQ(vm_space_query(s, page_at(PAGES)).kind, PT_ITEM_ABSENT);
	CHECK_EQ(load(s, 3, &value), OK);
	CHECK_EQ(value, 0);
	CHECK_EQ(vm_space_query(s, page_at(3)).pa.raw, vm_zero_page().raw);
	CHECK_EQ(store(s, 3, 33), OK);
	CHECK_EQ(store(s, 4, 44), OK);
	CHECK_EQ(load(s, 3, &value), OK);
	CHECK_EQ(value, 33);
	CHECK(vm_space_query(s, page_at(3)).pa.raw != vm_zero_page().raw);
	CHECK_EQ(vm_space_protect(s, pages(4, 1), PROP_READ, &done), OK);
	CHECK_EQ(store(s, 4, 45), ERR_DENIED);
	CHECK_EQ(vm_space_protect(s, pages(0, PAGES), RW, &done), OK);
	CHECK_EQ(store(s, 4, 46), OK);
	CHECK(vm_space_check(s) == NULL);
	CHECK_EQ(vm_space_unmap(s, pages(4, 1), &done), OK);
	CHECK_EQ(store(s, 4, 47), ERR_NOT_FOUND);
	CHECK(vm_space_check(s) == NULL);
	vm_space_put(s);
	CHECK_LEDGER(&before);
}

TEST(vm_space_fork_copies_on_the_first_write)
{
	struct vm_space *s, *child;
	struct ledger before;
	uint64_t value = 0;
	paddr_t pa;

	begin();
	before = machine_ledger();
	NEED(vm_space_new(&s) == OK);
	CHECK_EQ(vm_space_map(s, pages(0, PAGES), RW, 1), OK);
	CHECK_EQ(store(s, 1, 11), OK);
	CHECK_EQ(store(s, 2, 22), OK);
	CHECK_EQ(load(s, 3, &value), OK);
	NEED(vm_space_fork(s, &child) == OK);
	pa = vm_space_query(s, page_at(1)).pa;
	CHECK_EQ(vm_space_query(child, page_at(1)).pa.raw, pa.raw);
	CHECK_EQ(store(s, 1, 111), OK);
	CHECK(vm_space_query(s, page_at(1)).pa.raw != pa.raw);
	CHECK_EQ(load(child, 1, &value), OK);
	CHECK_EQ(value, 11);
	CHECK_EQ(store(child, 1, 1111), OK); /* the last owner */
	CHECK_EQ(vm_space_query(child, page_at(1)).pa.raw, pa.raw);
	CHECK_EQ(store(child, 3, 3333), OK);
	CHECK_EQ(load(s, 3, &value), OK);
	CHECK_EQ(value, 0);
	CHECK_EQ(load(s, 1, &value), OK);
	CHECK_EQ(value, 111);
	CHECK(vm_space_check(s) == NULL && vm_space_check(child) == NULL);
	vm_space_put(s);
	CHECK_EQ(store(child, 2, 2222), OK);
	vm_space_put(child);
	CHECK_LEDGER(&before);
}

TEST(vm_space_large_pages_come_where_they_fit)
{
	struct vm_space *s, *child;
	struct ledger before;
	uint64_t value, done;

	begin();
	before = machine_ledger();
	NEED(vm_space_new(&s) == OK);
	CHECK_EQ(vm_space_map(s, pages(1, 2 * 512), RW, 2), OK);
	CHECK_EQ(store(s, 5, 5), OK);
	CHECK_EQ(vm_space_query(s, page_at(5)).level, 1);
	CHECK_EQ(store(s, 600, 600), OK);
	CHECK_EQ(vm_space_query(s, page_at(600)).level, 2);
	NEED(vm_space_fork(s, &child) == OK);
	CHECK_EQ(store(child, 601, 601), OK);
	CHECK_EQ(load(child, 600, &value), OK);
	CHECK_EQ(value, 600);
	CHECK_EQ(load(s, 601, &value), OK);
	CHECK_EQ(value, 0);
	CHECK_EQ(vm_space_unmap(s, pages(700, 1), &done), OK);
	CHECK_EQ(load(s, 600, &value), OK);
	CHECK_EQ(value, 600);
	CHECK_EQ(load(s, 700, &value), ERR_NOT_FOUND);
	CHECK_EQ(vm_space_query(s, page_at(600)).level, 1);
	CHECK(vm_space_check(s) == NULL && vm_space_check(child) == NULL);
	vm_space_put(child);
	vm_space_clear(s);
	CHECK_EQ(page_table_nodes(&s->table), 1);
	vm_space_put(s);
	CHECK_LEDGER(&before);
}
