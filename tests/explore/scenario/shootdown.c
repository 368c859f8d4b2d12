/* SPDX-License-Identifier: MIT */
/*
 * shootdown.c - kern/shootdown.c: when shootdown_run() returns, no CPU can use the old translation
 * any more; and it returns.
 *
 * One page-table entry, one page.  The unmapping task stores 0 into the entry with a relaxed store,
 * runs a shootdown, and marks the page as gone; an accessing task checks that it is not gone.  The
 * hardware walks of the accessing CPU are a separate task.
 */
#include "kern/shootdown.h"

#include "kern/lock.h"
#include "tests/explore/scenario/tlb.h"

enum {
	PAGE_A = 1,
	TABLE = 0x7000,
	ACCESSES = 2,
	WALKED = 1, /* the CPU that accesses the page, and whose walks are explored */
};

LOCK_CLASS(class, "explored", RANK_ZONE);
static struct spinlock lock;
static _Atomic uint64_t entry;
static struct tlb_space space;
EXPLORE_MODEL static bool gone;

static void setup(void)
{
	cpu_set_count(2);
	spin_init(&lock, &class);
	lock_set_waiter(shootdown_serve);
	atomic_store_explicit(&entry, PAGE_A, memory_order_relaxed);
	tlb_space_init(&space);
}

static void unmap_from(struct tlb_space *of)
{
	struct shootdown f;

	atomic_store_explicit(&entry, 0, memory_order_relaxed);
	shootdown_init(&f, of);
	shootdown_add_page(&f, 0);
	shootdown_run(&f);
	gone = true;
}

static void use(void)
{
	if (tlb_access(&entry) != 0)
		EXPLORE_CHECK(!gone);
}

static void use_often(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < ACCESSES; i++)
		use();
}

static void walk(void *arg)
{
	tlb_walk(WALKED, (uintptr_t)arg, &entry);
}

/* ---- the kernel's space: every counted CPU ---- */

static void unmap(void *arg)
{
	(void)arg;
	unmap_from(&tlb_kernel_space);
}

/* While no CPU is idle, all CPUs have invalidated, whether they would use the page or not. */
static void unmap_and_check(void *arg)
{
	unmap(arg);
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
		EXPLORE_CHECK(tlb_peek(cpu) == 0);
}

EXPLORE(shootdown_reaches_every_cpu, .setup = setup,
	.task = { { "unmap", unmap_and_check, NULL, 0 },
		  { "use", use_often, NULL, WALKED },
		  { "walk", walk, NULL, 2 } });

static void unmap_twice(void *arg)
{
	unmap(arg);
	unmap(arg);
}

EXPLORE(shootdown_twice_by_one, .setup = setup,
	.task = { { "unmap", unmap_twice, NULL, 0 }, { "use", use_often, NULL, 1 } });

static void setup_three(void)
{
	setup();
	cpu_set_count(3);
}

static void nothing(void *arg)
{
	(void)arg;
}

EXPLORE(shootdown_two_ask_a_third, .setup = setup_three, .bound = 1,
	.task = { { "a", unmap, NULL, 0 }, { "b", unmap, NULL, 1 }, { "c", nothing, NULL, 2 } });

/* ---- a space that is loaded concurrently: the race in kern/shootdown.h ---- */

static void unmap_in_space(void *arg)
{
	(void)arg;
	unmap_from(&space);
}

static void load_and_use(void *arg)
{
	uintptr_t irq = arch_irq_save();

	(void)arg;
	tlb_switch_to(&space, paddr(TABLE));
	arch_irq_restore(irq);
	use();
	use();
	irq = arch_irq_save();
	tlb_switch_to(&tlb_kernel_space, paddr(0));
	arch_irq_restore(irq);
}

EXPLORE(shootdown_races_with_a_cpu_that_loads_the_space, .setup = setup,
	.task = { { "unmap", unmap_in_space, NULL, 0 },
		  { "use", load_and_use, NULL, WALKED },
		  { "walk", walk, (void *)TABLE, 2 } });

/* ---- idle ---- */

static void idle_and_use(void *arg)
{
	uintptr_t irq = arch_irq_save();

	(void)arg;
	tlb_idle_enter();
	arch_irq_restore(irq);
	irq = arch_irq_save();
	tlb_idle_leave();
	use();
	arch_irq_restore(irq);
}

EXPLORE(shootdown_races_with_a_cpu_that_leaves_idle, .setup = setup,
	.task = { { "unmap", unmap, NULL, 0 },
		  { "use", idle_and_use, NULL, WALKED },
		  { "walk", walk, NULL, 2 } });

/* ---- waiting CPUs serve requests ---- */

static void unmap_with_lock(void *arg)
{
	uintptr_t irq = spin_lock_irq(&lock);

	unmap(arg);
	spin_unlock_irq(&lock, irq);
}

static void use_with_lock(void *arg)
{
	uintptr_t irq = spin_lock_irq(&lock);

	(void)arg;
	use();
	spin_unlock_irq(&lock, irq);
}

EXPLORE(shootdown_under_a_contended_lock, .setup = setup,
	.task = { { "unmap", unmap_with_lock, NULL, 0 }, { "use", use_with_lock, NULL, WALKED } });
EXPLORE(shootdown_by_two_at_once, .setup = setup,
	.task = { { "a", unmap, NULL, 0 }, { "b", unmap, NULL, 1 } });
EXPLORE(shootdown_by_one_with_the_lock_and_one_without, .setup = setup, .bound = 2,
	.task = { { "a", unmap_with_lock, NULL, 0 }, { "b", unmap_with_lock, NULL, 1 } });
