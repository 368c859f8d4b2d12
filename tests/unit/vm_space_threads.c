/* SPDX-License-Identifier: MIT */
/* Concurrency tests of spaces on the host, with threads as CPUs.  tests/kernel/vm_space_cpus.c runs
 * the same on real CPUs. */
#ifndef KEEL_TESTS
#include <sched.h>

#include "arch/host/host.h"
#include "kern/lock.h"
#include "mm/frame/epoch.h"
#include "tests/host_workers.h"
#include "tests/machine.h"
#include "tests/space_storm.h"
#include "tests/spaces.h"
#include "tests/test.h"

enum {
	CPUS = 4,
	LEVELS = 4,
	STEPS = 6000,
	MIB_OF_HOST = 256,
	SLOW_ONE_IN = 4, /* one store in four yields between translation and store */
	FORKS = 4000,
};
#define PAGE_OF_ALL UINT64_C(0x20000000000)

struct member {
	struct storm_member storm; /* first member: storm_member pointers are cast to this */
	struct worker *worker;
};

static uint64_t next_random(struct storm_member *me)
{
	return worker_random(((struct member *)(void *)me)->worker);
}

/* Translate va with this CPU's TLB and handle faults.  On success interrupts are off, so that no
 * shootdown is served before the access, as within one instruction: a CPU that unmaps the page
 * waits.  NULL: the access fails; interrupts are on. */
static _Atomic uint64_t *reach(vaddr_t va, enum fault_access access, uintptr_t *irq)
{
	enum host_tlb_use use = access == FAULT_WRITE ? HOST_TLB_WRITE : HOST_TLB_READ;

	for (;;) {
		struct vm_space *s = vm_space_current();
		uint64_t pa;

		*irq = arch_irq_save();
		if (host_tlb_access(va, LEVELS, use, &pa))
			return arch_direct(paddr(pa));
		arch_irq_restore(*irq);
		if (vm_space_handle_fault(s, va, access) != OK)
			return NULL;
	}
}

static bool store(vaddr_t va, uint64_t value)
{
	uintptr_t irq;
	_Atomic uint64_t *word = reach(va, FAULT_WRITE, &irq);

	if (word == NULL)
		return false;
	if (value % SLOW_ONE_IN == 0)
		sched_yield(); /* between translation and store */
	atomic_store(word, value);
	arch_irq_restore(irq);
	return true;
}

static bool load(vaddr_t va, uint64_t *value)
{
	uintptr_t irq;
	_Atomic uint64_t *word = reach(va, FAULT_READ, &irq);

	if (word == NULL)
		return false;
	*value = atomic_load(word);
	arch_irq_restore(irq);
	return true;
}

/* As in the kernel: a CPU that waits for a spinlock or a node serves shootdowns. */
static void serve(void)
{
	if (shootdown_pending())
		shootdown_serve();
}

static void *take_part(void *arg)
{
	struct worker *w = arg;
	struct member me = { { w->cpu, next_random, store, load }, w };

	host_cpu_bind(w->cpu);
	storm_run(&me.storm, STEPS);
	host_cpu_unbind();
	return NULL;
}

/* Drain the per-CPU node caches; machine_ledger() does that for CPU 0. */
static void drain_all(void)
{
	epoch_barrier();
	for (host_cpu = CPUS - 1; host_cpu > 0; host_cpu--)
		pt_node_drain();
}

static void run_storm(unsigned contexts)
{
	struct worker w[CPUS];
	struct ledger before;
	lock_waiter_t waiter;

	spaces_begin(MIB_OF_HOST, 0, CPUS);
	host_tlb_contexts = contexts;
	host_tlb_is_slow = true;
	before = machine_ledger();
	NEED(storm_begin());
	waiter = lock_set_waiter(serve);
	workers_start(w, 0, CPUS, take_part);
	workers_join(w, CPUS);
	(void)lock_set_waiter(waiter);
	STORM_END();
	drain_all();
	CHECK_LEDGER(&before);
}

TEST(vm_space_storm_keeps_spaces_apart)
{
	run_storm(0);
}

TEST(vm_space_storm_with_tlb_contexts_keeps_spaces_apart)
{
	run_storm(4);
}

/* ---- stores while others fork and copy ---- */

static struct vm_space *shared;
static _Atomic unsigned lost, forks_left;
static _Atomic bool over;

/* Each CPU stores to its own word of one page. */
static void *store_own_word(void *arg)
{
	struct worker *w = arg;
	vaddr_t va = PAGE_OF_ALL + w->cpu * sizeof(uint64_t);
	uint64_t value = 0, found;

	host_cpu_bind(w->cpu);
	vm_space_activate(shared);
	while (!atomic_load(&over)) {
		if (!load(va, &found) || found != value)
			atomic_fetch_add(&lost, 1);
		value++;
		if (!store(va, value))
			atomic_fetch_add(&lost, 1);
	}
	vm_space_activate(NULL);
	host_cpu_unbind();
	return NULL;
}

static void *fork_and_put(void *arg)
{
	struct worker *w = arg;
	struct vm_space *child;

	host_cpu_bind(w->cpu);
	while (atomic_load(&forks_left) > 0 && atomic_load(&lost) == 0) {
		if (vm_space_fork(shared, &child) != OK)
			atomic_fetch_add(&lost, 1);
		else
			vm_space_put(child);
		atomic_fetch_sub(&forks_left, 1);
	}
	atomic_store(&over, true);
	host_cpu_unbind();
	return NULL;
}

TEST(vm_space_fork_loses_no_store_of_another_cpu)
{
	struct worker forker, storer[CPUS - 1];
	lock_waiter_t waiter;
	struct ledger before;

	spaces_begin(MIB_OF_HOST, 0, CPUS);
	host_tlb_is_slow = true;
	before = machine_ledger();
	atomic_store(&lost, 0);
	atomic_store(&forks_left, FORKS);
	atomic_store(&over, false);
	NEED(vm_space_new(&shared) == OK);
	CHECK_EQ(vm_space_map(shared, (struct vrange){ PAGE_OF_ALL, PAGE_SIZE },
			      PROP_READ | PROP_WRITE, 1),
		 OK);
	waiter = lock_set_waiter(serve);
	workers_start(&forker, 0, 1, fork_and_put);
	workers_start(storer, 1, CPUS - 1, store_own_word);
	workers_join(&forker, 1);
	workers_join(storer, CPUS - 1);
	(void)lock_set_waiter(waiter);
	CHECK_EQ(atomic_load(&lost), 0);
	CHECK_OWNERS(NULL);
	vm_space_put(shared);
	drain_all();
	CHECK_LEDGER(&before);
}

/* ---- a map beside a fork: the child has all of it or nothing ---- */

#define MANY_PAGES (512 - 1) /* the last page of their node stays mapped, so the node does */

static struct vm_object *object;

static void *map_and_unmap(void *arg)
{
	const struct vrange range = { PAGE_OF_ALL, MANY_PAGES * PAGE_SIZE };
	uint64_t done;

	host_cpu_bind(((struct worker *)arg)->cpu);
	while (!atomic_load(&over)) {
		CHECK_EQ(vm_space_map_object(shared, range, object, 0, PROP_READ), OK);
		CHECK_EQ(vm_space_unmap(shared, range, &done), OK);
	}
	host_cpu_unbind();
	return NULL;
}

static void *fork_and_check(void *arg)
{
	struct vm_space *child;

	host_cpu_bind(((struct worker *)arg)->cpu);
	for (unsigned i = 0; i < FORKS && atomic_load(&lost) == 0; i++) {
		const char *wrong;

		if (vm_space_fork(shared, &child) != OK)
			break;
		wrong = vm_space_check(child); /* the mappings agree with the entries */
		if (wrong != NULL)
			test_fail(__FILE__, __LINE__, "%s", wrong);
		if (vm_space_query(child, PAGE_OF_ALL).kind !=
		    vm_space_query(child, PAGE_OF_ALL + (MANY_PAGES - 1) * PAGE_SIZE).kind)
			atomic_fetch_add(&lost, 1);
		vm_space_put(child);
	}
	atomic_store(&over, true);
	host_cpu_unbind();
	return NULL;
}

TEST(vm_space_fork_copies_the_whole_of_a_map_or_nothing)
{
	struct worker forker, mapper;
	lock_waiter_t waiter;
	struct ledger before;

	spaces_begin(MIB_OF_HOST, 0, CPUS);
	before = machine_ledger();
	atomic_store(&lost, 0);
	atomic_store(&over, false);
	NEED(vm_space_new(&shared) == OK && vm_object_new(512 * PAGE_SIZE, &object) == OK);
	CHECK_EQ(vm_space_map(shared,
			      (struct vrange){ PAGE_OF_ALL + MANY_PAGES * PAGE_SIZE, PAGE_SIZE },
			      PROP_READ, 1),
		 OK);
	waiter = lock_set_waiter(serve);
	workers_start(&forker, 0, 1, fork_and_check);
	workers_start(&mapper, 1, 1, map_and_unmap);
	workers_join(&forker, 1);
	workers_join(&mapper, 1);
	(void)lock_set_waiter(waiter);
	CHECK_EQ(atomic_load(&lost), 0);
	vm_space_put(shared);
	vm_object_put(object);
	drain_all();
	CHECK_LEDGER(&before);
}
#endif
