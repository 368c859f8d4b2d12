/* SPDX-License-Identifier: MIT */
/*
 * space.c - mm/vm: faults, copy-on-write, forks, maps, objects and truncations beside each other.
 *
 * One space, sometimes with a child, on two CPUs.  After each execution every space is valid
 * (vm_space_check()), what must have happened has happened, and all memory comes back.
 *
 * Where a third CPU reads, it has the space loaded and the page in its TLB (tlb.h), and takes no
 * interrupt within a read.
 */
#include "mm/vm/space.h"

#include "kern/lock.h"
#include "mm/frame/epoch.h"
#include "mm/heap/heap.h"
#include "mm/pt/spot.h"
#include "tests/explore/explore.h"
#include "tests/explore/scenario/tlb.h"

enum {
	MACHINE_KIB = 8192,
	LEVELS = 4,
	CPUS = 3,
	READER = 2, /* the CPU that reads */
	READS = 2,
	POLLS_MAX = 4, /* until all nodes are freed, once all readers have left */
	RW = PROP_READ | PROP_WRITE,
	NODE = 512,
	ELSEWHERE = 1 << 18, /* a page in 1 GiB where nothing is mapped */
	BOUND = 2,           /* an operation has up to 200 atomic accesses */
};
#define BASE UINT64_C(0x10000000000)

static struct page_table kernel_table;
static struct vm_space *space, *child;
static struct vm_object *object, *other;

/* ---- set-up ---- */

static struct vrange pages(unsigned first, unsigned n)
{
	return (struct vrange){ BASE + first * PAGE_SIZE, n * PAGE_SIZE };
}

static void expect(err_t err, const char *what)
{
	if (err != OK)
		explore_fail("%s: %s", what, err_name(err));
}

static void fault(unsigned page, enum fault_access access)
{
	expect(vm_space_handle_fault(space, pages(page, 1).start, access), "a fault");
}

/* A machine whose CPUs have nodes and heap objects at hand, and an empty space. */
static void setup(void)
{
	explore_machine(MACHINE_KIB, CPUS);
	lock_set_waiter(shootdown_serve);
	cpu_set_count(CPUS);
	expect(heap_init(CPUS), "the heap");
	expect(page_table_init(&kernel_table, LEVELS), "the kernel's table");
	expect(vm_space_init(&kernel_table), "the zero page");
	explore_machine_mark();
	expect(vm_space_new(&space), "a space");
}

/* Page 0 is written. */
static void setup_page(void)
{
	setup();
	expect(vm_space_map(space, pages(0, 1), RW, 1), "a map");
	fault(0, FAULT_WRITE);
}

static void setup_child(void)
{
	setup_page();
	expect(vm_space_fork(space, &child), "a fork");
}

static _Atomic pte_t *entry; /* of page 0 */

static pte_t find_entry(void)
{
	struct pt_spot spot;

	pt_spot_lock(&spot, &space->table, BASE);
	entry = spot.entry;
	pt_spot_unlock(&spot);
	return spot.pte;
}

/* The reader has page 0, which the child shares, in its TLB. */
static void setup_reader(void)
{
	pte_t pte;

	setup_child();
	pte = find_entry();
	explore_as(READER);
	tlb_switch_to(&space->tlb, frame_paddr(space->table.root));
	tlb_fill(0, (uint32_t)pte);
	explore_as(0);
}

/* Page 0 shows the page of an object, mapped and read. */
static void setup_object(void)
{
	setup();
	expect(vm_object_new(PAGE_SIZE, &object), "an object");
	expect(vm_space_map_object(space, pages(0, 1), object, 0, RW), "a map");
}

static void setup_object_page(void)
{
	setup_object();
	fault(0, FAULT_READ);
}

static void setup_two_objects(void)
{
	setup_object_page();
	expect(vm_object_new(PAGE_SIZE, &other), "another object");
}

/* Page 510 and 511, at the end of a node, show an object; the next node is there. */
static void setup_end_of_node(void)
{
	setup();
	expect(vm_object_new(3 * PAGE_SIZE, &object), "an object");
	expect(vm_space_map(space, pages(NODE + 1, 1), RW, 1), "a map");
	expect(vm_space_map_object(space, pages(NODE - 2, 2), object, 0, RW), "a map");
}

static struct frame *pinned;

/* Page 0 is a copy of an object's page that a device uses. */
static void setup_pinned(void)
{
	setup();
	expect(vm_object_new(PAGE_SIZE, &object), "an object");
	expect(vm_space_map_object(space, pages(0, 1), object, 0, RW | VM_COPY), "a map");
	expect(vm_space_pin(space, BASE, FAULT_WRITE, &pinned), "a pin");
}

/* Page 0 is written; there is an object. */
static void setup_page_and_object(void)
{
	setup_page();
	expect(vm_object_new(PAGE_SIZE, &object), "an object");
	pinned = NULL;
}

/* ---- tasks ---- */

static void do_read(void *arg)
{
	err_t err = vm_space_handle_fault(space, BASE, FAULT_READ);

	(void)arg;
	EXPLORE_CHECK(err == OK || err == ERR_NOT_FOUND);
}

static void do_write(void *of)
{
	err_t err = vm_space_handle_fault(*(struct vm_space **)of, BASE, FAULT_WRITE);

	EXPLORE_CHECK(err == OK || err == ERR_NOT_FOUND);
}

static void do_unmap(void *arg)
{
	uint64_t done;

	(void)arg;
	expect(vm_space_unmap(space, pages(0, 1), &done), "an unmap");
}

static void do_fork(void *arg)
{
	(void)arg;
	expect(vm_space_fork(space, &child), "a fork");
}

static void do_map_object(void *arg)
{
	(void)arg;
	expect(vm_space_map_object(space, pages(ELSEWHERE, 1), object, 0, RW), "a map");
}

static void do_unmap_an_end(void *arg)
{
	uint64_t done;

	(void)arg;
	expect(vm_space_unmap(space, pages(NODE - 1, 1), &done), "an unmap");
}

static void do_map_what_follows(void *arg)
{
	(void)arg;
	expect(vm_space_map_object(space, pages(NODE, 1), object, 2 * PAGE_SIZE, RW), "a map");
}

static void do_truncate(void *arg)
{
	(void)arg;
	expect(vm_object_truncate(object, 0), "a truncation");
}

static void do_get_page(void *arg)
{
	err_t why;
	struct frame *f = vm_object_page(object, 0, &why);

	(void)arg;
	EXPLORE_CHECK(f != NULL || why == ERR_NOT_FOUND);
	if (f != NULL)
		frame_put(f);
}

/* ERR_DENIED: the object's page is there, which may be read. */
static void do_pin(void *arg)
{
	err_t err = vm_space_pin(space, BASE, FAULT_WRITE, &pinned);

	(void)arg;
	EXPLORE_CHECK(err == OK || err == ERR_DENIED || err == ERR_NOT_FOUND);
}

static void do_exchange_for_reading(void *arg)
{
	do_unmap(arg);
	expect(vm_space_map_object(space, pages(0, 1), object, 0, PROP_READ), "a map");
	fault(0, FAULT_READ);
}

static void do_exchange(void *arg)
{
	do_unmap(arg);
	expect(vm_space_map_object(space, pages(0, 1), other, 0, RW | VM_COPY), "a map");
	fault(0, FAULT_WRITE);
}

/* Frames of a small machine are below 4 GiB, so the low half of an entry is enough for the TLB. */
EXPLORE_UNSEEN static bool is_owned(uint64_t pte)
{
	const void *slot = meta_slot_at(paddr(pte & PTE_ADDRESS));
	union slot_word w = { .word = *(
				      const volatile uint64_t *)slot }; /* the state comes first */

	return slot_is_owned(w.state);
}

static void do_reads(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < READS; i++) {
		uintptr_t irq = arch_irq_save();
		uint64_t pte = (uint32_t)tlb_access(0, entry);

		if ((pte & PTE_PRESENT) != 0 && !is_owned(pte))
			explore_fail("CPU %u reads a frame that was freed", READER);
		arch_irq_restore(irq);
	}
}

static void do_end_child(void *arg)
{
	(void)arg;
	vm_space_put(child);
	child = NULL;
}

/* ---- a walker that is no CPU: it keeps a copy of the entry of page 0 ---- */

LOCK_CLASS(copy_class, "a walker's copies", RANK_RESOURCES);
static struct spinlock copy_lock = SPINLOCK_INIT(&copy_class);
EXPLORE_MODEL static pte_t copy; /* (l) */

static void drop_copy(struct tlb_walker *w, const struct tlb_pages *list)
{
	(void)w;
	EXPLORE_CHECK(list->n > 0);
	spin_lock(&copy_lock);
	copy = 0;
	spin_unlock(&copy_lock);
}

static struct tlb_walker walker;

/* The protocol of tlb_space_add_walker(). */
static void do_copy(void *arg)
{
	_Atomic uint64_t *generation = &space->tlb.generation;
	uint64_t before = atomic_load_explicit(generation, memory_order_seq_cst);
	unsigned level;
	pte_t pte = page_table_lookup(&space->table, BASE, &level);
	uintptr_t irq = spin_lock_irq(&copy_lock);

	(void)arg;
	if (level == 1 && atomic_load_explicit(generation, memory_order_seq_cst) == before)
		copy = pte;
	spin_unlock_irq(&copy_lock, irq);
}

/* A walker that reads memory itself, in one step. */
EXPLORE_UNSEEN static void walk(void)
{
	copy = *(const volatile pte_t *)(uintptr_t)entry;
}

static void drop_what_was_walked(struct tlb_walker *w, const struct tlb_pages *list)
{
	(void)w;
	(void)list;
	copy = 0;
}

static void do_add_walker(void *arg)
{
	(void)arg;
	walker.invalidate = drop_what_was_walked;
	vm_space_add_walker(space, &walker);
	walk();
}

static void setup_walker(void)
{
	setup_child();
	copy = 0;
	walker.invalidate = drop_copy;
	vm_space_add_walker(space, &walker);
}

static void setup_late_walker(void)
{
	setup_child();
	(void)find_entry();
	copy = 0;
}

/* ---- checks ---- */

static void unload(void)
{
	explore_as(READER);
	tlb_switch_to(&tlb_kernel_space, frame_paddr(kernel_table.root));
	explore_as(0);
}

static void check_space(struct vm_space *s)
{
	const char *wrong = vm_space_check(s);

	if (wrong != NULL)
		explore_fail("%s", wrong);
}

static void check(void)
{
	check_space(space);
	vm_space_put(space);
	if (child != NULL) {
		check_space(child);
		vm_space_put(child);
	}
	if (object != NULL) {
		EXPLORE_CHECK(object->users == 1);
		vm_object_put(object);
	}
	if (other != NULL)
		vm_object_put(other);
	for (unsigned i = 0; i < POLLS_MAX; i++)
		for (unsigned cpu = 0; cpu < CPUS; cpu++) {
			explore_as(cpu);
			(void)epoch_poll();
		}
	for (unsigned cpu = CPUS; cpu-- > 0;) {
		explore_as(cpu);
		pt_node_drain();
		heap_drain();
	}
	explore_machine_check();
}

static void check_read(void)
{
	unload();
	check();
}

static bool is_mapped(const struct vm_space *s)
{
	return s != NULL && vm_space_query(s, BASE).kind == PT_ITEM_LEAF;
}

static void check_truncated(void)
{
	EXPLORE_CHECK(!is_mapped(space) && !is_mapped(child));
	EXPLORE_CHECK(page_table_next(&object->pages, 0, PAGE_SIZE) == PAGE_SIZE);
	check();
}

static void check_pinned(void)
{
	vm_space_unpin(pinned);
	check_truncated();
}

/* No device may write to what the space may not write to. */
static void check_pinned_for_writing(void)
{
	struct pt_item item = vm_space_query(space, BASE);

	if (pinned != NULL) {
		EXPLORE_CHECK(item.pa.raw != frame_paddr(pinned).raw);
		vm_space_unpin(pinned);
	}
	check();
}

/* A page that was written before the fork is in both. */
static void check_forked(void)
{
	EXPLORE_CHECK(is_mapped(child));
	check();
}

/* What the walker has copied is what is mapped, but for what CPUs set. */
static void check_copy(void)
{
	const pte_t more = PTE_ACCESSED | PTE_DIRTY | PTE_WRITE | PTE_COPY | PTE_FORKED;
	unsigned level;
	pte_t pte = page_table_lookup(&space->table, BASE, &level);

	if (copy != 0 && ((copy ^ pte) & ~more) != 0)
		explore_fail("the walker has %#lx, mapped is %#lx", copy, pte);
	vm_space_remove_walker(space, &walker);
	check();
}

/* A truncation of what was there before leaves what is there now. */
static void check_exchanged(void)
{
	EXPLORE_CHECK(is_mapped(space));
	check();
}

/* ---- scenarios ---- */

EXPLORE(space_two_write_one_page, .setup = setup_child, .check = check, .bound = BOUND,
	.task = { { "a", do_write, &space, 0 }, { "b", do_write, &space, 1 } });
EXPLORE(space_parent_and_child_write, .setup = setup_child, .check = check, .bound = BOUND,
	.task = { { "parent", do_write, &space, 0 }, { "child", do_write, &child, 1 } });
EXPLORE(space_write_beside_an_unmap, .setup = setup_child, .check = check, .bound = BOUND,
	.task = { { "write", do_write, &space, 0 }, { "unmap", do_unmap, NULL, 1 } });
EXPLORE(space_write_beside_a_fork, .setup = setup_page, .check = check_forked, .bound = BOUND,
	.task = { { "write", do_write, &space, 0 }, { "fork", do_fork, NULL, 1 } });
EXPLORE(space_copy_beside_a_reader_and_the_childs_end, .setup = setup_reader, .check = check_read,
	.bound = BOUND,
	.task = { { "write", do_write, &space, 0 },
		  { "end", do_end_child, NULL, 1 },
		  { "read", do_reads, NULL, READER } });
EXPLORE(space_unmap_beside_a_reader, .setup = setup_reader, .check = check_read, .bound = BOUND,
	.task = { { "unmap", do_unmap, NULL, 0 },
		  { "end", do_end_child, NULL, 1 },
		  { "read", do_reads, NULL, READER } });
EXPLORE(space_unmap_of_an_end_beside_a_map_that_follows, .setup = setup_end_of_node, .check = check,
	.bound = 1,
	.task = { { "unmap", do_unmap_an_end, NULL, 0 }, { "map", do_map_what_follows, NULL, 1 } });
EXPLORE(object_page_beside_a_truncation_that_takes_it, .setup = setup_object_page,
	.check = check_truncated, .bound = 1,
	.task = { { "page", do_get_page, NULL, 0 }, { "truncate", do_truncate, NULL, 1 } });
EXPLORE(object_fork_of_a_pinned_page_beside_a_truncation, .setup = setup_pinned,
	.check = check_pinned, .bound = 1,
	.task = { { "fork", do_fork, NULL, 0 }, { "truncate", do_truncate, NULL, 1 } });
EXPLORE(space_map_beside_a_fork, .setup = setup_object, .check = check, .bound = BOUND,
	.task = { { "map", do_map_object, NULL, 0 }, { "fork", do_fork, NULL, 1 } });
EXPLORE(space_unmap_beside_a_fork, .setup = setup_object_page, .check = check, .bound = BOUND,
	.task = { { "unmap", do_unmap, NULL, 0 }, { "fork", do_fork, NULL, 1 } });
EXPLORE(object_page_beside_a_truncation, .setup = setup_object, .check = check_truncated,
	.bound = 1,
	.task = { { "page", do_get_page, NULL, 0 }, { "truncate", do_truncate, NULL, 1 } });
EXPLORE(object_fault_beside_a_truncation, .setup = setup_object, .check = check_truncated,
	.bound = BOUND,
	.task = { { "fault", do_read, NULL, 0 }, { "truncate", do_truncate, NULL, 1 } });
EXPLORE(object_fork_beside_a_truncation, .setup = setup_object_page, .check = check_truncated,
	.bound = BOUND,
	.task = { { "fork", do_fork, NULL, 0 }, { "truncate", do_truncate, NULL, 1 } });
EXPLORE(object_exchange_beside_a_truncation, .setup = setup_two_objects, .check = check_exchanged,
	.bound = BOUND,
	.task = { { "exchange", do_exchange, NULL, 0 }, { "truncate", do_truncate, NULL, 1 } });
EXPLORE(space_copy_beside_a_walker, .setup = setup_walker, .check = check_copy, .bound = BOUND,
	.task = { { "write", do_write, &space, 0 }, { "walk", do_copy, NULL, 1 } });
EXPLORE(space_unmap_beside_a_walker_that_is_added, .setup = setup_late_walker, .check = check_copy,
	.bound = BOUND,
	.task = { { "unmap", do_unmap, NULL, 0 }, { "add", do_add_walker, NULL, 1 } });
EXPLORE(space_pin_beside_an_exchange, .setup = setup_page_and_object,
	.check = check_pinned_for_writing, .bound = 1,
	.task = { { "pin", do_pin, NULL, 0 }, { "exchange", do_exchange_for_reading, NULL, 1 } });
