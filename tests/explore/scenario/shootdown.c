/* SPDX-License-Identifier: MIT */
/*
 * shootdown.c - kern/shootdown.c: when shootdown_run() returns, no CPU can use the old translation
 * any more; and it returns.
 *
 * One page-table entry, one page; two of them where the order of two shootdowns matters.  The
 * unmapping task stores 0 into the entry with a relaxed store, runs a shootdown, and marks the page
 * as gone; an accessing task checks that it is not gone.  The hardware walks of the accessing CPU
 * are a separate task.
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
	struct tlb_pages f;

	atomic_store_explicit(&entry, 0, memory_order_relaxed);
	tlb_pages_init(&f);
	tlb_pages_add(&f, 0, 1);
	shootdown_run(of, &f);
	gone = true;
}

static void use(void)
{
	if (tlb_access(0, &entry) != 0)
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
	(void)tlb_walk(WALKED, (uintptr_t)arg, 0, &entry);
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
		EXPLORE_CHECK(tlb_peek(cpu, 0) == 0);
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

/* ---- two pages of a space that a third CPU has loaded ---- */

enum {
	PAGE_B = 2,
	TARGET = 2, /* the CPU with the space */
};
static _Atomic uint64_t entry_b;
EXPLORE_MODEL static bool gone_b;

static void setup_loaded_by_a_third(void)
{
	setup_three();
	atomic_store_explicit(&entry_b, PAGE_B, memory_order_relaxed);
	explore_as(TARGET);
	tlb_switch_to(&space, paddr(TABLE));
	tlb_fill(0, PAGE_A);
	tlb_fill(1, PAGE_B);
	explore_as(0);
}

static void unmap_b(void)
{
	struct tlb_pages f;

	atomic_store_explicit(&entry_b, 0, memory_order_relaxed);
	tlb_pages_init(&f);
	tlb_pages_add(&f, PT_PAGE_BYTES, 1);
	shootdown_run(&space, &f);
}

static void unmap_a_and_check(void *arg)
{
	(void)arg;
	unmap_from(&space);
	EXPLORE_CHECK(tlb_peek(TARGET, 0) == 0);
}

static void unmap_b_and_check(void *arg)
{
	(void)arg;
	unmap_b();
	EXPLORE_CHECK(tlb_peek(TARGET, 1) == 0);
}

/* The requests may arrive in another order than their generations. */
EXPLORE(shootdown_of_two_pages_arrives_in_any_order, .setup = setup_loaded_by_a_third, .bound = 2,
	.task = { { "a", unmap_a_and_check, NULL, 0 },
		  { "b", unmap_b_and_check, NULL, 1 },
		  { "target", nothing, NULL, TARGET } });

/* ---- a space that is left and loaded again, with contexts ---- */

/* CPU 1 has used the space, and keeps what it cached under its context. */
static void setup_with_contexts(void)
{
	setup();
	explore_tlb_contexts = TLB_SLOTS - 1;
	explore_as(WALKED);
	tlb_switch_to(&space, paddr(TABLE));
	tlb_fill(0, PAGE_A);
	tlb_switch_to(&tlb_kernel_space, paddr(0));
	explore_as(0);
}

EXPLORE(shootdown_races_with_a_cpu_that_loads_a_kept_context, .setup = setup_with_contexts,
	.task = { { "unmap", unmap_in_space, NULL, 0 },
		  { "use", load_and_use, NULL, WALKED },
		  { "walk", walk, (void *)TABLE, 2 } });

/* The table itself goes: no walk of it may begin after the shootdown. */
static void setup_loaded(void)
{
	setup();
	explore_tlb_contexts = TLB_SLOTS - 1;
	explore_as(WALKED);
	tlb_switch_to(&space, paddr(TABLE));
	tlb_fill(0, PAGE_A);
	explore_as(0);
}

static void leave_space(void *arg)
{
	uintptr_t irq = arch_irq_save();

	(void)arg;
	tlb_switch_to(&tlb_kernel_space, paddr(0));
	arch_irq_restore(irq);
}

/* Here what the TLB holds is a link to a table, which walks follow while the space is loaded. */
static void follow_link(void *arg)
{
	bool was_gone = gone;

	(void)arg;
	if (tlb_root(WALKED) == TABLE && tlb_peek(WALKED, 0) != 0)
		EXPLORE_CHECK(!was_gone);
}

EXPLORE(shootdown_races_with_a_cpu_that_leaves_the_space, .setup = setup_loaded,
	.task = { { "unmap", unmap_in_space, NULL, 0 },
		  { "leave", leave_space, NULL, WALKED },
		  { "walk", follow_link, NULL, 2 } });

/* ---- an idle CPU with a space, which was marked, and leaves idle while another CPU asks it ----
 */

static void setup_marked(void)
{
	setup_loaded_by_a_third();
	*per_cpu_ptr(tlb_idle_state, TARGET) = TLB_MARKED; /* page 0 was unmapped */
	space.generation++;
}

static void use_b(void)
{
	if (tlb_access(1, &entry_b) != 0)
		EXPLORE_CHECK(!gone_b);
}

static void leave_idle(void *arg)
{
	uintptr_t irq = arch_irq_save();

	(void)arg;
	tlb_idle_leave();
	use_b();
	arch_irq_restore(irq);
	use_b();
}

static void walk_b(void *arg)
{
	(void)arg;
	(void)tlb_walk(TARGET, TABLE, 1, &entry_b);
}

static void unmap_b_of_idle(void *arg)
{
	(void)arg;
	unmap_b();
	gone_b = true;
}

EXPLORE(shootdown_of_a_cpu_that_leaves_idle_with_a_space, .setup = setup_marked,
	.task = { { "b", unmap_b_of_idle, NULL, 0 },
		  { "leave", leave_idle, NULL, TARGET },
		  { "walk", walk_b, NULL, 1 } });
