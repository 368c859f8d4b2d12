/* SPDX-License-Identifier: MIT */
/* Tests of loaded spaces: page faults of the CPU in the kernel's copies from and to user memory. */
#include "mm/vm/space.h"

#include "mm/vm/io.h"
#include "tests/machine.h"
#include "tests/test.h"

enum {
	RW = PROP_READ | PROP_WRITE,
	PAGES = 64,
};

#define BASE UINT64_C(0x80000000000)

static size_t store(vaddr_t va, uint64_t value)
{
	return arch_copy_to_user(va, &value, sizeof(value));
}

static uint64_t load(vaddr_t va)
{
	uint64_t value = 0;

	return arch_copy_from_user(&value, va, sizeof(value)) == sizeof(value) ? value : UINT64_MAX;
}

TEST(vm_space_faults_of_the_cpu_are_handled)
{
	struct vm_space *s, *child;
	struct ledger before;
	uint64_t done;

	before = machine_ledger();
	NEED(vm_space_new(&s) == OK);
	CHECK_EQ(vm_space_map(s, (struct vrange){ BASE, PAGES * PAGE_SIZE }, RW, 2), OK);
	vm_space_activate(s);
	CHECK(vm_space_current() == s);
	CHECK_EQ(load(BASE), 0);
	for (unsigned i = 0; i < PAGES; i++)
		CHECK_EQ(store(BASE + i * PAGE_SIZE, i), sizeof(uint64_t));
	CHECK_EQ(store(BASE + PAGES * PAGE_SIZE, 1), 0);
	CHECK_EQ(store(BASE + PAGES * PAGE_SIZE - 4, 1), 4); /* across the end */
	NEED(vm_space_fork(s, &child) == OK);
	CHECK_EQ(store(BASE, 100), sizeof(uint64_t));
	vm_space_activate(child);
	CHECK_EQ(load(BASE), 0);
	CHECK_EQ(store(BASE + PAGE_SIZE, 101), sizeof(uint64_t));
	CHECK_EQ(vm_space_protect(child, (struct vrange){ BASE, PAGE_SIZE }, PROP_READ, &done), OK);
	CHECK_EQ(store(BASE, 5), 0);
	vm_space_activate(s);
	CHECK_EQ(load(BASE), 100);
	CHECK_EQ(load(BASE + PAGE_SIZE), 1);
	CHECK_EQ(vm_space_unmap(s, (struct vrange){ BASE, PAGE_SIZE }, &done), OK);
	CHECK_EQ(load(BASE), UINT64_MAX);
	vm_space_activate(NULL);
	CHECK(vm_space_current() == NULL);
	CHECK_EQ(load(BASE + PAGE_SIZE), UINT64_MAX);
	CHECK(vm_space_check(s) == NULL && vm_space_check(child) == NULL);
	vm_space_put(s);
	vm_space_put(child);
	CHECK_LEDGER(&before);
}
