/* SPDX-License-Identifier: MIT */
/*
 * crash.c - the monitor's `crash`: deliberate kernel bugs, to test how they are reported.
 *
 * Each kind makes one typical kernel bug, in plain C where possible; tools/crashes.py has the
 * expected report of each.  The undefined behaviour sanitizer is off here.
 */
#include "arch/arch.h"
#include "lib/panic.h"
#include "lib/print.h"
#include "lib/string.h"
#include "mm/kspace/kspace.h"
#include "mm/frame/page.h"
#include "mm/vm/space.h"
#include "monitor/command.h"

enum {
	STACK_STEP = 512, /* bytes of stack for each call */
	AREA_BYTES = 3 * PAGE_SIZE,
	FIELD_OFFSET = 0x18, /* as of a field of a structure at address 0 */
};
/* Unused by kernel space, with 4-level and with 5-level paging. */
#define UNMAPPED      UINT64_C(0xffffd00000001000)
#define NOT_CANONICAL UINT64_C(0x4b1d4b1d4b1d4b1d)
#define USERS         UINT64_C(0x0000000010000000)

#define __may_be_wrong __attribute__((no_sanitize("undefined"), noinline))

static volatile uint32_t sink;
static volatile uint32_t zero;
static const uint32_t constants[] = { 1, 2 };

static __may_be_wrong void touch(vaddr_t va)
{
	sink = *(volatile uint32_t *)va;
}

static __may_be_wrong void overwrite(vaddr_t va)
{
	*(volatile uint32_t *)va = sink;
}

static __may_be_wrong void call(vaddr_t va)
{
	((void (*)(void))va)();
	sink++; /* not a tail call: the caller must be in the backtrace */
}

static void crash_null(void)
{
	touch(FIELD_OFFSET);
}

static void crash_null_call(void)
{
	call(0);
}

static void crash_unmapped(void)
{
	touch(UNMAPPED);
}

static void crash_wild(void)
{
	touch(NOT_CANONICAL);
}

static __may_be_wrong unsigned recurse(volatile uint8_t *above)
{
	volatile uint8_t local[STACK_STEP];

	local[0] = above == NULL ? 0 : above[0];
	if (zero != 0)
		return 0;
	return recurse(local) + local[0];
}

static void crash_stack(void)
{
	sink = recurse(NULL);
}

/* An area whose upper guard page is its own: one that is also below another area, a stack perhaps,
 * would be reported as that one's. */
static vaddr_t make_area(void)
{
	void *p;

	do {
		p = vmalloc(AREA_BYTES);
		if (p == NULL)
			panic("crash: no memory for a vmalloc area");
	} while (page_table_query(kspace_table(), (vaddr_t)p + AREA_BYTES + PAGE_SIZE).kind ==
		 PT_ITEM_LEAF);
	return (vaddr_t)p;
}

static void crash_guard(void)
{
	overwrite(make_area() + AREA_BYTES);
}

static void crash_below(void)
{
	overwrite(make_area() - sizeof(uint32_t));
}

static void crash_freed(void)
{
	vaddr_t va = make_area();

	vfree((void *)va);
	touch(va);
}

static void crash_text(void)
{
	overwrite((vaddr_t)crash_text);
}

static void crash_constant(void)
{
	overwrite((vaddr_t)constants);
}

static void crash_execute(void)
{
	call((vaddr_t)&sink);
}

/* Writes to user memory without arch_copy_to_user(), while its space is loaded. */
static void crash_user(void)
{
	struct vm_space *s;

	if (vm_space_new(&s) != OK ||
	    vm_space_map(s, (struct vrange){ USERS, AREA_BYTES }, PROP_READ, 1) != OK)
		panic("crash: no memory for a space");
	vm_space_activate(s);
	overwrite(USERS + FIELD_OFFSET);
}

static void crash_ud2(void)
{
	__builtin_trap();
}

static __may_be_wrong void crash_div0(void)
{
	sink = sink / zero;
}

static void crash_double_free(void)
{
	struct frame *f = frame_alloc(FRAME_KERNEL);
	pfn_t pfn;

	if (f == NULL)
		panic("crash: no frame is available");
	pfn = frame_pfn(f);
	frame_put(f);
	frame_put(frame_of_slot(meta_slot_of(pfn))); /* by its number: `make analyze` follows f */
}

static void crash_assert(void)
{
	ASSERT(zero == 1);
}

/* ---- a print sink fails while it prints the report: halts after one line ---- */

static void sink_that_panics(struct print_sink *out, const char *bytes, size_t n)
{
	(void)out;
	(void)bytes;
	panic("a sink of %zu bytes failed", n);
}

static void sink_that_faults(struct print_sink *out, const char *bytes, size_t n)
{
	(void)out;
	(void)bytes;
	touch(n);
}

static void crash_nested_panic(void)
{
	static struct print_sink out = { sink_that_panics };

	print_set_sink(&out);
	print("?");
}

static void crash_nested_fault(void)
{
	static struct print_sink out = { sink_that_faults };

	print_set_sink(&out);
	print("?");
}

static const struct crash {
	const char *kind, *what;
	void (*run)(void);
} crashes[] = {
	{ "null", "read a field through a null pointer", crash_null },
	{ "null-call", "call a null pointer", crash_null_call },
	{ "unmapped", "read an unmapped address", crash_unmapped },
	{ "wild", "read an address that is not canonical", crash_wild },
	{ "stack", "recurse without end", crash_stack },
	{ "guard", "write past the end of a vmalloc area", crash_guard },
	{ "below", "write below the start of a vmalloc area", crash_below },
	{ "freed", "read a vmalloc area after vfree", crash_freed },
	{ "text", "write to kernel text", crash_text },
	{ "constant", "write to a constant", crash_constant },
	{ "execute", "execute data", crash_execute },
	{ "user", "write to a user address directly", crash_user },
	{ "ud2", "execute ud2, as a compiler's trap does", crash_ud2 },
	{ "div0", "divide by zero", crash_div0 },
	{ "double-free", "put the last reference of a frame twice", crash_double_free },
	{ "assert", "fail an assertion", crash_assert },
	{ "nested-panic", "panic in the sink that prints the panic", crash_nested_panic },
	{ "nested-fault", "fault in the sink that prints the fault report", crash_nested_fault },
};

COMMAND(crash, "KIND", "trigger a kernel bug on purpose; without KIND: list the kinds")
{
	for (unsigned i = 0; i < ARRAY_SIZE(crashes); i++) {
		if (argc == 1)
			print("  %-12s %s\n", crashes[i].kind, crashes[i].what);
		else if (strcmp(argv[1], crashes[i].kind) == 0)
			crashes[i].run();
	}
	if (argc > 1)
		print("crash: there is no kind `%s`\n", argv[1]);
}
