/* SPDX-License-Identifier: MIT */
/*
 * kernel_user.c - bench of address spaces and page faults, in TSC ticks (measure.h).
 *
 * The monitor's `benchuser`.  Names and loops are the peer's.  Its user program touches a page with
 * one instruction; here the kernel copies eight bytes to the user, so the cost of that copy without
 * a fault is measured too, and subtracted from the results of single faults.  Pages are of 4 KiB,
 * in the peer too, except for the one of 2 MiB.
 */
#include "lib/panic.h"
#include "mm/vm/space.h"
#include "monitor/command.h"
#include "tests/bench/measure.h"

enum {
	USER_SAMPLES = 301,
	RANGE_SAMPLES = 101,
	FORK_SAMPLES = 5,
	FAULT_PAGES = 8192,
	FORK_PAGES = 16384,
	RANGE_PAGES = 512,
	LARGE_PAGES = 16,
	RW = PROP_READ | PROP_WRITE,
};
#define BASE UINT64_C(0x10000000000)

static struct vm_space *space, *child;
static uint64_t touch_overhead; /* ticks of a touch without a fault */

static struct vrange pages(unsigned n)
{
	return (struct vrange){ BASE, (uint64_t)n * PAGE_SIZE };
}

static void must(err_t err)
{
	if (err != OK)
		panic("bench: %s", err_name(err));
}

static inline void touch_page(unsigned i)
{
	uint64_t value = i;

	if (arch_copy_to_user(BASE + (uint64_t)i * PAGE_SIZE, &value, sizeof(value)).done !=
	    sizeof(value))
		panic("bench: page %u cannot be written", i);
}

static inline void read_page(unsigned i)
{
	uint64_t value;

	if (arch_copy_from_user(&value, BASE + (uint64_t)i * PAGE_SIZE, sizeof(value)).done !=
	    sizeof(value))
		panic("bench: page %u cannot be read", i);
}

static __forceinline void map_pages(unsigned n)
{
	must(vm_space_map(space, pages(n), RW, 1));
}

static __forceinline void touch_pages(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		touch_page(i);
}

/* In descending order, so that fault-around maps no page. */
static __forceinline void touch_pages_down(unsigned n)
{
	while (n-- > 0)
		touch_page(n);
}

static __forceinline void read_pages(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		read_page(i);
}

static __forceinline void unmap_pages(unsigned n)
{
	uint64_t done;

	must(vm_space_unmap(space, pages(n), &done));
}

static __forceinline void protect_pages(unsigned n, unsigned rights)
{
	uint64_t done;

	must(vm_space_protect(space, pages(n), rights, &done));
}

static __forceinline void map_touch(unsigned n)
{
	map_pages(n);
	touch_pages(n);
}

static __forceinline void map_touch_unmap(unsigned n)
{
	map_touch(n);
	unmap_pages(n);
}

static __forceinline void make_readable(unsigned n)
{
	protect_pages(n, PROP_READ);
}

static __forceinline void make_writable(unsigned n)
{
	protect_pages(n, RW);
}

static __forceinline void make_writable_and_touch(unsigned n)
{
	make_writable(n);
	touch_pages(n);
}

static __forceinline void map_large(unsigned unused)
{
	(void)unused;
	must(vm_space_map(space, (struct vrange){ BASE, PT_LARGE_BYTES }, RW, 2));
}

static __forceinline void unmap_large(unsigned unused)
{
	(void)unused;
	unmap_pages(RANGE_PAGES);
}

static __forceinline void touch_large(unsigned unused)
{
	(void)unused;
	touch_page(0);
}

static __forceinline void fork_space(unsigned unused)
{
	(void)unused;
	must(vm_space_fork(space, &child));
}

static __forceinline void end_child(unsigned unused)
{
	(void)unused;
	vm_space_put(child);
	touch_pages(FORK_PAGES);
}

/* Prints ticks per page of a loop of `n` touches, without the cost of the touches themselves. */
static void print_per_page(const char *name, uint64_t ticks, unsigned n)
{
	sample[0] = ticks - (uint64_t)n * touch_overhead;
	print_samples(name, n, 1, n);
}

static void measure_touch_overhead(void)
{
	uint64_t start;

	map_touch(RANGE_PAGES);
	start = arch_ticks();
	touch_pages(RANGE_PAGES);
	touch_overhead = (arch_ticks() - start) / RANGE_PAGES;
	unmap_pages(RANGE_PAGES);
	print("BENCH touch_without_fault0 med=%lu.00 min=%lu.00 max=%lu.00 n=1\n", touch_overhead,
	      touch_overhead, touch_overhead);
}

static void measure_faults(void)
{
	uint64_t start;

	map_pages(FAULT_PAGES);
	start = arch_ticks();
	touch_pages(FAULT_PAGES);
	print_per_page("touch_anon_per_page_p", arch_ticks() - start, FAULT_PAGES);
	unmap_pages(FAULT_PAGES);
	map_pages(FAULT_PAGES);
	start = arch_ticks();
	touch_pages_down(FAULT_PAGES);
	print_per_page("touch_anon_alone_p", arch_ticks() - start, FAULT_PAGES);
	unmap_pages(FAULT_PAGES);
	map_pages(FAULT_PAGES);
	start = arch_ticks();
	read_pages(FAULT_PAGES);
	print_per_page("touch_zeropage_per_page_p", arch_ticks() - start, FAULT_PAGES);
	unmap_pages(FAULT_PAGES);
}

/* CoW copy in the child, then reuse in the parent, the last owner. */
static void measure_copies(void)
{
	uint64_t start, ticks;

	map_touch(FORK_PAGES);
	measure("fork_64M_p", FORK_PAGES, FORK_SAMPLES, 1, nothing, fork_space, end_child);
	ticks = arch_ticks();
	fork_space(0);
	vm_space_activate(child);
	start = arch_ticks();
	touch_pages(FORK_PAGES);
	ticks = arch_ticks() - ticks;
	print_per_page("cow_fault_copy_p", arch_ticks() - start, FORK_PAGES);
	sample[0] = ticks;
	print_samples("fork_64M_and_child_touches_p", FORK_PAGES, 1, 1);
	vm_space_activate(space);
	start = arch_ticks();
	touch_pages(FORK_PAGES);
	print_per_page("cow_fault_reuse_p", arch_ticks() - start, FORK_PAGES);
	vm_space_put(child);
	unmap_pages(FORK_PAGES);
}

COMMAND(benchuser, "", "ticks of address space operations and page faults")
{
	uintptr_t irq;

	must(vm_space_new(&space));
	irq = arch_irq_save(); /* no interrupts during the measurement */
	vm_space_activate(space);
	measure_overhead();
	measure_touch_overhead();
	measure("map_touch_unmap_p", 1, USER_SAMPLES, 1, nothing, map_touch_unmap, nothing);
	measure("map_touch_unmap_p", RANGE_PAGES, RANGE_SAMPLES, 1, nothing, map_touch_unmap,
		nothing);
	measure("unmap_touched_p", RANGE_PAGES, RANGE_SAMPLES, 1, map_touch, unmap_pages, nothing);
	measure_faults();
	map_touch(RANGE_PAGES);
	measure("protect_ro_p", RANGE_PAGES, RANGE_SAMPLES, 1, nothing, make_readable,
		make_writable_and_touch);
	measure("protect_rw_p", RANGE_PAGES, RANGE_SAMPLES, 1, make_readable, make_writable,
		touch_pages);
	unmap_pages(RANGE_PAGES);
	measure("fault_2M_", 2, LARGE_PAGES, 1, map_large, touch_large, unmap_large);
	measure_copies();
	vm_space_activate(NULL);
	arch_irq_restore(irq);
	vm_space_put(space);
}
