/* SPDX-License-Identifier: MIT */
/* A pager whose thread sleeps, as one does that waits for a device. */
#include "kern/kthread.h"
#include "lib/string.h"
#include "mm/vm/space.h"
#include "tests/machine.h"
#include "tests/spaces.h"
#include "tests/test.h"

enum {
	WAITERS = 3,
	FILL_MS = 20,
};

static struct vm_space *space;
static _Atomic unsigned fills, failures;
static _Atomic bool came;

static err_t fill_after_a_sleep(struct vm_object *o, uint64_t offset, void *page)
{
	(void)o, (void)offset;
	atomic_fetch_add(&fills, 1);
	thread_sleep(FILL_MS);
	memset(page, 7, PAGE_SIZE);
	atomic_store(&came, true);
	return OK;
}

static const struct vm_pager pager = { fill_after_a_sleep };

static void touch(void *unused)
{
	(void)unused;
	if (vm_space_handle_fault(space, page_at(0), FAULT_READ) != OK || !atomic_load(&came))
		atomic_fetch_add(&failures, 1);
}

/* Threads of one CPU: those that wait for the page leave it to the one that brings it. */
TEST(vm_object_pager_that_sleeps_is_waited_for_asleep)
{
	struct thread *waiter[WAITERS];
	struct ledger before = machine_ledger();
	struct vm_object *o;
	uint64_t start;

	atomic_store(&fills, 0);
	atomic_store(&failures, 0);
	atomic_store(&came, false);
	NEED(vm_space_new(&space) == OK);
	NEED(vm_object_new_paged(PAGE_SIZE, &pager, NULL, &o) == OK);
	CHECK_EQ(vm_space_map_object(space, pages(0, 1), o, 0, PROP_READ), OK);
	start = arch_ticks();
	for (unsigned i = 0; i < WAITERS; i++)
		NEED(kthread_create_on(0, "waiter", touch, NULL, &waiter[i]) == OK);
	for (unsigned i = 0; i < WAITERS; i++)
		kthread_join(waiter[i]);
	CHECK(arch_ticks() - start >= FILL_MS * arch_ticks_per_ms());
	CHECK_EQ(atomic_load(&fills), 1);
	CHECK_EQ(atomic_load(&failures), 0);
	vm_space_put(space);
	vm_object_put(o);
	CHECK_LEDGER(&before);
}
