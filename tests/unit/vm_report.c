/* SPDX-License-Identifier: MIT */
/* Tests of monitor/vm_report.c: extents and stats compared with a query of every page. */
#include "monitor/vm_report.h"

#include "lib/string.h"
#include "mm/heap/heap.h"
#include "monitor/command.h"
#include "tests/machine.h"
#include "tests/spaces.h"
#include "tests/test.h"

enum {
	RW = PROP_READ | PROP_WRITE,
	PAGES = 3 * PT_NODE_ENTRIES, /* that random operations work on */
	ROUNDS = 40,
	OPERATIONS = 24,
	SAID_BYTES = 16384,
};

#ifndef KEEL_TESTS
static struct page_table kernel_table;
#endif

static void begin(void)
{
#ifndef KEEL_TESTS
	machine_start_simple(256, 0, 1);
	NEED(heap_init(1) == OK);
	NEED(page_table_init(&kernel_table, arch_pt_levels()) == OK);
	NEED(vm_space_init(&kernel_table) == OK);
#endif
	pt_node_inject_failure(0);
}

/* ---- output of a command ---- */

static char said[SAID_BYTES];
static size_t said_length;

static void keep(struct print_sink *sink, const char *bytes, size_t n)
{
	(void)sink;
	n = n < sizeof(said) - 1 - said_length ? n : sizeof(said) - 1 - said_length;
	memcpy(said + said_length, bytes, n);
	said_length += n;
	said[said_length] = '\0';
}

static void command(const char *text)
{
	static struct print_sink sink = { keep };
	struct print_sink *before = print_sink_now();
	char line[80];

	said[said_length = 0] = '\0';
	CHECK(str_copy(line, text, sizeof(line)));
	print_set_sink(&sink);
	CHECK(command_run(line));
	print_set_sink(before);
}

static unsigned said_lines(void)
{
	unsigned n = 0;

	for (const char *c = said; *c != '\0'; c++)
		n += *c == '\n';
	return n;
}

/* ---- comparison with every page ---- */

static bool same_meaning(struct vm_meaning a, struct vm_meaning b)
{
	return a.what == b.what && a.rights == b.rights && a.detail == b.detail;
}

/* True: every page of [va, end) has meaning m. */
static bool all_mean(struct vm_space *s, vaddr_t va, vaddr_t end, struct vm_meaning m)
{
	for (; va < end; va += PAGE_SIZE) {
		struct pt_item item = vm_space_query(s, va);

		if (!same_meaning(vm_meaning_in(s, &item), m))
			return false;
	}
	return true;
}

/* Checks R1, R2 and that an extent has the meaning of its pages.  NULL, or the violation. */
static const char *wrong_with_extents(struct vm_space *s)
{
	const struct vm_meaning nothing = { VM_WHAT_NOTHING, 0, 0 };
	struct vm_extent extent, before = { 0 };
	vaddr_t va = 0, page = BASE;

	for (; vm_extent_next(s, va, &extent); va = page) {
		if (extent.start < va || extent.len == 0)
			return "R1: extents overlap";
		if (before.len != 0 && page == extent.start &&
		    same_meaning(before.meaning, extent.meaning))
			return "R1: extents that touch mean the same";
		if (!all_mean(s, page, extent.start, nothing))
			return "R2: a page is in no extent";
		page = extent.start + extent.len;
		if (!all_mean(s, extent.start, page, extent.meaning))
			return "R2: a page means something else than its extent";
		before = extent;
	}
	return all_mean(s, page, page_at(PAGES), nothing) ? NULL : "R2: a page is in no extent";
}

/* Checks the stats page by page, and R3. */
static bool stats_agree(const struct vm_space *s)
{
	struct vm_space_stats f = vm_space_stats_of(s);
	uint64_t bytes[VM_WHATS] = { 0 }, resident = 0;

	for (vaddr_t va = BASE; va < page_at(PAGES); va += PAGE_SIZE) {
		struct pt_item item = vm_space_query(s, va);
		enum vm_what what = vm_meaning_of(&item).what;

		bytes[what] += PAGE_SIZE;
		resident += item.kind == PT_ITEM_LEAF && what != VM_WHAT_ZERO_PAGE ? PAGE_SIZE : 0;
	}
	return f.resident[1] * PAGE_SIZE + f.resident[2] * MIB(2) + f.resident[3] * GIB(1) ==
		       resident &&
	       f.on_demand == bytes[VM_WHAT_ZEROS] + bytes[VM_WHAT_OBJECT] &&
	       f.guard == bytes[VM_WHAT_GUARD] && f.copy == bytes[VM_WHAT_COPY] &&
	       f.zero_page == bytes[VM_WHAT_ZERO_PAGE] && f.shared == bytes[VM_WHAT_SHARED] &&
	       f.nodes == page_table_nodes(&s->table);
}

/* Operations may fail: the test checks the resulting state, not their result. */
static void change_at_random(struct vm_space *s, struct vm_object *object)
{
	unsigned first = (unsigned)test_random_below(PAGES), rights = RW;
	unsigned n = 1 + (unsigned)test_random_below(PAGES - first);
	uint64_t done;
	err_t err = OK;

	if (test_random_below(2) == 0) /* where large pages fit */
		first -= first % PT_NODE_ENTRIES;
	if (test_random_below(3) == 0)
		rights = PROP_READ;
	switch (test_random_below(8)) {
	case 0: err = vm_space_map(s, pages(first, n), rights, 1); break;
	case 1: err = vm_space_map(s, pages(first, n), rights, 2); break;
	case 2: err = vm_space_guard(s, pages(first, n < 8 ? n : 1 + n % 8)); break;
	case 3:
		err = vm_space_map_object(s, pages(first % 8, 8), object,
					  (uint64_t)(first % 8) * PAGE_SIZE, rights);
		break;
	case 4: err = vm_space_unmap(s, pages(first, n), &done); break;
	case 5: err = vm_space_protect(s, pages(first, n % 16 + 1), rights, &done); break;
	case 6: err = vm_space_handle_fault(s, page_at(first), FAULT_READ); break;
	default: err = vm_space_handle_fault(s, page_at(first), FAULT_WRITE); break;
	}
	CHECK(err != ERR_NO_MEMORY);
}

TEST(vm_report_agrees_with_a_query_of_every_page)
{
	struct vm_object *object;
	struct ledger before;
	const char *wrong;

	begin();
	before = machine_ledger();
	NEED(vm_object_new(16 * PAGE_SIZE, &object) == OK);
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct vm_space *s, *child;

		NEED(vm_space_new(&s) == OK);
		for (unsigned i = 0; i < OPERATIONS; i++)
			change_at_random(s, object);
		NEED(vm_space_fork(s, &child) == OK);
		for (unsigned i = 0; i < OPERATIONS / 2; i++)
			change_at_random(child, object);
		wrong = wrong_with_extents(s);
		if (wrong == NULL)
			wrong = wrong_with_extents(child);
		CHECK_STR(wrong == NULL ? "" : wrong, "");
		CHECK(stats_agree(s) && stats_agree(child));
		vm_space_put(s);
		vm_space_put(child);
	}
	vm_object_put(object);
	CHECK_LEDGER(&before);
}

TEST(vm_report_joins_what_means_the_same)
{
	struct vm_extent extent;
	struct ledger before;
	struct vm_space *s;

	begin();
	before = machine_ledger();
	NEED(vm_space_new(&s) == OK);
	CHECK(!vm_extent_next(s, 0, &extent));
	CHECK_EQ(vm_space_map(s, (struct vrange){ BASE, MIB(8) }, RW, 2), OK);
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(vm_space_handle_fault(s, BASE + i * MIB(2), FAULT_WRITE), OK);
	CHECK_EQ(vm_space_map(s, (struct vrange){ BASE + MIB(8), MIB(1) }, RW, 1), OK);
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(vm_space_handle_fault(s, BASE + MIB(8) + i * PAGE_SIZE, FAULT_WRITE), OK);
	NEED(vm_extent_next(s, 0, &extent));
	CHECK_EQ(extent.start, BASE);
	CHECK_EQ(extent.len, MIB(8) + 3 * PAGE_SIZE);
	CHECK_EQ(extent.meaning.what, VM_WHAT_PRIVATE);
	CHECK_EQ(extent.pages[1], 3);
	CHECK_EQ(extent.pages[2], 4);
	NEED(vm_extent_next(s, BASE + MIB(8) + 2 * PAGE_SIZE, &extent)); /* from its middle */
	CHECK_EQ(extent.len, PAGE_SIZE);
	CHECK_EQ(extent.pages[1], 1);
	NEED(vm_extent_next(s, BASE + MIB(8) + 3 * PAGE_SIZE, &extent));
	CHECK_EQ(extent.meaning.what, VM_WHAT_ZEROS);
	CHECK_EQ(extent.start + extent.len, BASE + MIB(9));
	CHECK(!vm_extent_next(s, BASE + MIB(9), &extent));
	vm_space_put(s);
	CHECK_LEDGER(&before);
}

TEST(vm_report_has_words_for_every_meaning)
{
	static const struct {
		struct vm_meaning meaning;
		const char *text;
	} cases[] = {
		{ { VM_WHAT_NOTHING, 0, 0 }, "nothing is mapped" },
		{ { VM_WHAT_ZEROS, RW, 1 }, "zeros on demand, pages of 4K" },
		{ { VM_WHAT_ZEROS, RW, 2 }, "zeros on demand, pages up to 2M" },
		{ { VM_WHAT_ZEROS, RW, 3 }, "zeros on demand, pages up to 1G" },
		{ { VM_WHAT_GUARD, 0, 0 }, "guard" },
		{ { VM_WHAT_OBJECT, RW, 17 }, "object 17 on demand" },
		{ { VM_WHAT_PRIVATE, RW, 0 }, "private" },
		{ { VM_WHAT_COPY, RW, 0 }, "copy-on-write" },
		{ { VM_WHAT_ZERO_PAGE, RW, 0 }, "zero page" },
		{ { VM_WHAT_SHARED, RW, 0 }, "shared" },
	};
	static const struct {
		uint64_t bytes;
		const char *text;
	} sizes[] = { { 0, "0K" },
		      { PAGE_SIZE, "4K" },
		      { MIB(2), "2M" },
		      { MIB(2) + KIB(4), "2052K" },
		      { TIB(1), "1T" },
		      { TIB(128), "128T" },
		      { TIB(1) << 10, "1024T" } };
	char text[64];

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		vm_describe(cases[i].meaning, text, sizeof(text));
		CHECK_STR(text, cases[i].text);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		vm_format_bytes(sizes[i].bytes, text, sizeof(text));
		CHECK_STR(text, sizes[i].text);
	}
}

TEST(vm_report_cuts_long_lists_and_goes_on)
{
	struct ledger before;
	struct vm_space *s;
	char line[40];

	begin();
	before = machine_ledger();
	NEED(vm_space_new(&s) == OK);
	print_to(line, sizeof(line), "spaces %u", s->number);
	command(line);
	CHECK(str_glob("space *: nothing is mapped\n", said));
	for (unsigned i = 0; i < 100; i += 2)
		CHECK_EQ(vm_space_map(s, pages(i, 1), RW, 1), OK);
	command(line);
	CHECK_EQ(said_lines(), 41);
	CHECK(str_glob("*\n... and more: `spaces * 10000050000` goes on\n", said));
	print_to(line, sizeof(line), "spaces %u 10000050000", s->number);
	command(line);
	CHECK_EQ(said_lines(), 10);
	CHECK(str_glob("00010000050000-00010000051000 *4K rw-  zeros on demand, pages of 4K\n*",
		       said));
	CHECK_EQ(atomic_load(&s->users), 1);
	vm_space_put(s);
	command(line);
	CHECK(str_glob("spaces: there is no space *\n", said));
	command("spaces x");
	CHECK(str_glob("spaces: `x` is no number of a space\n", said));
	command("spaces 1 zz");
	CHECK(str_glob("usage: *\n", said));
	CHECK_LEDGER(&before);
}
