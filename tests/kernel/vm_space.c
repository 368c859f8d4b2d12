/* SPDX-License-Identifier: MIT */
/* Tests of loaded spaces: page faults of the CPU in the kernel's copies from and to user memory. */
#include "mm/vm/space.h"

#include "boot/start/start.h"
#include "kern/kthread.h"
#include "mm/vm/io.h"
#include "tests/hog.h"
#include "tests/machine.h"
#include "tests/test.h"

enum {
	RW = PROP_READ | PROP_WRITE,
	PAGES = 64,
};

#define BASE UINT64_C(0x80000000000)

static size_t store(vaddr_t va, uint64_t value)
{
	return arch_copy_to_user(va, &value, sizeof(value)).done;
}

static uint64_t load(vaddr_t va)
{
	uint64_t value = 0;

	return arch_copy_from_user(&value, va, sizeof(value)).done == sizeof(value) ? value
										    : UINT64_MAX;
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

/* ---- a refused access keeps its error ---- */

static err_t error_of_store(vaddr_t va)
{
	uint64_t value = 1;
	struct vm_reader r = vm_reader_of(&value, sizeof(value));
	struct vm_writer w;
	size_t done = 1;
	err_t err = vm_writer_of_user(&w, va, sizeof(value));

	if (err == OK)
		err = vm_copy(&w, &r, &done);
	return done == 0 ? err : OK;
}

TEST(vm_space_copy_gets_the_error_of_the_fault)
{
	struct vm_space *s;
	struct ledger before = machine_ledger();
	err_t without_memory;

	NEED(vm_space_new(&s) == OK);
	CHECK_EQ(vm_space_map(s, (struct vrange){ BASE, PAGE_SIZE }, PROP_READ, 1), OK);
	CHECK_EQ(vm_space_map(s, (struct vrange){ BASE + GIB(1), PAGE_SIZE }, RW, 1), OK);
	vm_space_activate(s);
	CHECK_EQ(error_of_store(BASE), ERR_DENIED);
	CHECK_EQ(error_of_store(BASE + PAGE_SIZE), ERR_NOT_FOUND);
	NEED(hog_all(1));
	without_memory = error_of_store(BASE + GIB(1));
	hog_give_all();
	CHECK_EQ(without_memory, ERR_NO_MEMORY);
	CHECK_EQ(error_of_store(BASE + GIB(1)), OK);
	vm_space_activate(NULL);
	CHECK_EQ(error_of_store(BASE + GIB(1)), ERR_NOT_FOUND);
	vm_space_put(s);
	CHECK_LEDGER(&before);
}

static void be_refused(void *unused)
{
	const struct fault f = { .access = FAULT_WRITE, .address = BASE, .user = true };

	(void)unused;
	start_refuse_user(&f, ERR_NO_MEMORY);
}

/* As for user code, which there is not yet. */
TEST(vm_space_thread_whose_access_is_refused_ends)
{
	struct thread *t;

	NEED(kthread_create("refused", be_refused, NULL, &t) == OK);
	kthread_join(t);
}
