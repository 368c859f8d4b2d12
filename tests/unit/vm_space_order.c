/* SPDX-License-Identifier: MIT */
/*
 * Order of two locations on three CPUs, while one of them changes the translation of one location.
 *
 *   CPU 0 changes the translation of X.  CPU 1 has the old one in its TLB and takes no interrupt.
 *   CPU 2 stores X = 2 as soon as it can, then Y = 1.  If CPU 1 loads Y = 1, it must load X = 2.
 *
 * The TLB of the host (arch/host/tlb.c) keeps what is not invalidated, so a new page that can be
 * written before CPU 1 has given up the old one is seen at once.
 */
#ifndef KEEL_TESTS
#include <sched.h>
#include <time.h>

#include "arch/host/host.h"
#include "kern/lock.h"
#include "tests/host_workers.h"
#include "tests/machine.h"
#include "tests/spaces.h"
#include "tests/test.h"

enum {
	CPUS = 3,
	LEVELS = 4,
	MIB_OF_HOST = 256,
	TRIES = 100, /* of CPU 2 while CPU 1 has not answered the shootdown */
	WATCH_MAX_MS = 300,
	NS_PER_MS = 1000000,
	OLD = 1,
	NEW = 2,
};
#define RW (PROP_READ | PROP_WRITE)
#define X  UINT64_C(0x20000000000)
#define Y  UINT64_C(0x30000000000)

static struct vm_space *sp;
static struct vrange at_x;

enum stage {
	PREPARING,
	READY,    /* CPU 2 has a page of its own at Y */
	WATCHING, /* CPU 1 has X in its TLB and interrupts off */
	WATCHED,
	CHANGED,
	STORED, /* CPU 2 has stored both */
};
static _Atomic enum stage changer_at, watcher_at, storer_at;
static _Atomic unsigned tries;
static uint64_t seen_y, seen_x, last_x; /* by CPU 1 */

/* What CPU 0 does to X, and how CPU 2 gets at X meanwhile; false: not yet. */
static void (*change)(void);
static bool (*reach_x)(uint64_t *pa);

static void wait_for(_Atomic enum stage *who, enum stage stage)
{
	while (atomic_load(who) < stage) {
		if (shootdown_pending())
			shootdown_serve();
		sched_yield();
	}
}

/* One instruction: through the TLB or by a walk, without a fault. */
static bool access_once(vaddr_t va, enum host_tlb_use use, uint64_t *pa)
{
	return host_tlb_access(va, LEVELS, use, pa);
}

static _Atomic uint64_t *word_at(uint64_t pa)
{
	return arch_direct(paddr(pa));
}

/* A load or a store with all faults that it takes. */
static uint64_t load(vaddr_t va)
{
	for (;;) {
		uintptr_t irq = arch_irq_save();
		uint64_t pa, value = 0;
		bool done = access_once(va, HOST_TLB_READ, &pa);

		if (done)
			value = atomic_load(word_at(pa));
		arch_irq_restore(irq);
		if (done)
			return value;
		CHECK_EQ(vm_space_handle_fault(sp, va, FAULT_READ), OK);
	}
}

static void store(vaddr_t va, uint64_t value)
{
	for (;;) {
		uintptr_t irq = arch_irq_save();
		uint64_t pa;
		bool done = access_once(va, HOST_TLB_WRITE, &pa);

		if (done)
			atomic_store(word_at(pa), value);
		arch_irq_restore(irq);
		if (done)
			return;
		CHECK_EQ(vm_space_handle_fault(sp, va, FAULT_WRITE), OK);
	}
}

static void *changer(void *arg)
{
	host_cpu_bind(((struct worker *)arg)->cpu);
	vm_space_activate(sp);
	wait_for(&watcher_at, WATCHING);
	change();
	atomic_store(&changer_at, CHANGED);
	wait_for(&storer_at, STORED);
	vm_space_activate(NULL);
	host_cpu_unbind();
	return NULL;
}

/* Load Y with interrupts off, until it is 1, or CPU 2 has had its chance while the shootdown waits
 * for this CPU. */
static uint64_t watch_y(void)
{
	const struct timespec ms = { 0, NS_PER_MS };
	unsigned limit = UINT32_MAX;

	for (unsigned i = 0; i < WATCH_MAX_MS && atomic_load(&tries) < limit; i++) {
		uint64_t pa;

		if (access_once(Y, HOST_TLB_READ, &pa) && atomic_load(word_at(pa)) == 1)
			return 1;
		if (shootdown_pending() && limit == UINT32_MAX)
			limit = atomic_load(&tries) + TRIES;
		nanosleep(&ms, NULL);
	}
	return 0;
}

static void *watcher(void *arg)
{
	uint64_t pa;
	uintptr_t irq;

	host_cpu_bind(((struct worker *)arg)->cpu);
	vm_space_activate(sp);
	wait_for(&storer_at, READY);
	CHECK_EQ(load(Y), 0);
	CHECK_EQ(load(X), OLD);
	irq = arch_irq_save();
	atomic_store(&watcher_at, WATCHING);
	seen_y = watch_y();
	seen_x = access_once(X, HOST_TLB_READ, &pa) ? atomic_load(word_at(pa)) : NEW;
	arch_irq_restore(irq);
	atomic_store(&watcher_at, WATCHED);
	wait_for(&storer_at, STORED);
	last_x = load(X);
	vm_space_activate(NULL);
	host_cpu_unbind();
	return NULL;
}

static void *storer(void *arg)
{
	uint64_t pa;

	host_cpu_bind(((struct worker *)arg)->cpu);
	vm_space_activate(sp);
	store(Y, 0);
	atomic_store(&storer_at, READY);
	wait_for(&watcher_at, WATCHING);
	for (; !reach_x(&pa); atomic_fetch_add(&tries, 1))
		sched_yield();
	atomic_store(word_at(pa), NEW);
	store(Y, 1);
	wait_for(&changer_at, CHANGED);
	atomic_store(&storer_at, STORED);
	vm_space_activate(NULL);
	host_cpu_unbind();
	return NULL;
}

static void serve(void)
{
	if (shootdown_pending())
		shootdown_serve();
}

static void check_order(void (*changes)(void), bool (*reaches)(uint64_t *pa))
{
	static void *(*const role[CPUS])(void *) = { changer, watcher, storer };
	struct worker w[CPUS];
	lock_waiter_t waiter = lock_set_waiter(serve);

	change = changes;
	reach_x = reaches;
	atomic_store(&tries, 0);
	atomic_store(&changer_at, PREPARING);
	atomic_store(&watcher_at, PREPARING);
	atomic_store(&storer_at, PREPARING);
	for (unsigned i = 0; i < CPUS; i++)
		workers_start(&w[i], i, 1, role[i]);
	workers_join(w, CPUS);
	(void)lock_set_waiter(waiter);
	if (seen_y == 1 && seen_x != NEW)
		test_fail(__FILE__, __LINE__, "CPU 1 loaded Y = 1, then X = %lu", seen_x);
	CHECK_EQ(last_x, NEW);
}

/* X is `bytes` of memory in pages of up to `largest`, with OLD in it; Y is a page with 0. */
static void begin(uint64_t bytes, unsigned largest)
{
	spaces_begin(MIB_OF_HOST, 0, CPUS);
	at_x = (struct vrange){ X, bytes };
	NEED(vm_space_new(&sp) == OK);
	CHECK_EQ(vm_space_map(sp, at_x, RW, largest), OK);
	CHECK_EQ(vm_space_map(sp, (struct vrange){ Y, PAGE_SIZE }, RW, 1), OK);
	vm_space_activate(sp);
	store(X, OLD);
	store(Y, 0);
	vm_space_activate(NULL);
}

static void end(struct vm_space *child)
{
	if (child != NULL)
		vm_space_put(child);
	CHECK(vm_space_check(sp) == NULL);
	vm_space_put(sp);
}

/* ---- changes ---- */

static void write_to_x(void)
{
	CHECK_EQ(vm_space_handle_fault(sp, X, FAULT_WRITE), OK);
}

static void unmap_x(void)
{
	uint64_t done;

	CHECK_EQ(vm_space_unmap(sp, at_x, &done), OK);
}

/* ---- ways to X ---- */

static bool when_it_is_writable(uint64_t *pa)
{
	return access_once(X, HOST_TLB_WRITE, pa);
}

static bool when_it_can_be_mapped(uint64_t *pa)
{
	if (vm_space_map(sp, at_x, RW, 1) != OK)
		return false;
	CHECK_EQ(vm_space_handle_fault(sp, X, FAULT_WRITE), OK);
	return access_once(X, HOST_TLB_WRITE, pa);
}

/* ---- tests ---- */

static void check_copy(uint64_t bytes, unsigned largest)
{
	struct vm_space *child;

	begin(bytes, largest);
	CHECK_EQ(vm_space_query(sp, X).level, largest);
	NEED(vm_space_fork(sp, &child) == OK);
	check_order(write_to_x, when_it_is_writable);
	end(child);
}

TEST(vm_space_order_of_a_copied_page)
{
	check_copy(PAGE_SIZE, 1);
}

TEST(vm_space_order_of_a_copied_large_page)
{
	check_copy(PT_LARGE_BYTES, 2);
}

/* Fault-around and the zero page: CPU 1 has read the zero page, the writer gets a page. */
TEST(vm_space_order_of_the_zero_page)
{
	begin(PAGE_SIZE, 1);
	unmap_x();
	CHECK_EQ(vm_space_map(sp, at_x, RW, 1), OK);
	*(uint64_t *)arch_direct(paddr(vm_zero_page().raw)) = OLD; /* so that it can be told */
	check_order(write_to_x, when_it_is_writable);
	*(uint64_t *)arch_direct(paddr(vm_zero_page().raw)) = 0;
	end(NULL);
}

TEST(vm_space_order_of_an_unmapped_page)
{
	begin(PAGE_SIZE, 1);
	check_order(unmap_x, when_it_can_be_mapped);
	end(NULL);
}

TEST(vm_space_order_of_an_unmapped_large_page)
{
	begin(PT_LARGE_BYTES, 2);
	check_order(unmap_x, when_it_can_be_mapped);
	end(NULL);
}

/* More pages than are invalidated one by one, and a node that goes. */
TEST(vm_space_order_of_an_unmapped_range)
{
	begin(MIB(4), 1);
	check_order(unmap_x, when_it_can_be_mapped);
	end(NULL);
}
#endif
