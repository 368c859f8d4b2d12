/* SPDX-License-Identifier: MIT */
/* Tests of monitor/fault_report.c and mm/pt/walk.c, on intact and damaged tables. */
#include "monitor/fault_report.h"

#include "lib/string.h"
#include "mm/pt/cursor.h"
#include "mm/pt/walk.h"
#include "mm/vm/marker.h"
#include "tests/machine.h"
#include "tests/test.h"

enum {
	LINE_BYTES = 192,
};
#define BASE UINT64_C(0xffffc10000000000)
#define TEXT PTE_PRESENT
#define DATA (PTE_PRESENT | PTE_WRITE | PTE_NX)

static struct page_table pt;

static void begin(void)
{
#ifndef KEEL_TESTS
	machine_start_simple(256, 0, 1);
#endif
	pt_node_inject_failure(0);
}

static err_t map(vaddr_t va, uint64_t pa, uint64_t len, unsigned flags)
{
	struct page_prop prop = { (uint16_t)flags, MEM_WRITE_BACK };
	struct cursor c;
	err_t err = cursor_open(&c, &pt, (struct vrange){ va, len }, NULL);

	if (err != OK)
		return err;
	err = cursor_map_pa(&c, paddr(pa), len, prop, 2);
	cursor_close(&c);
	return err;
}

static void walk_says(vaddr_t va, const char *want)
{
	char line[LINE_BYTES];
	struct pt_walk w;

	pt_walk_read(&w, frame_paddr(pt.root), pt.levels, va);
	pt_walk_line(&w, line, sizeof(line));
	CHECK_STR(line, want);
}

TEST(fault_walk_prints_each_entry)
{
	struct ledger before;
	struct pt_walk w;

	begin();
	before = machine_ledger();
	NEED(page_table_init(&pt, 4) == OK);
	NEED(map(BASE, MIB(64), PAGE_SIZE, PROP_READ | PROP_EXECUTE) == OK);
	NEED(map(BASE + MIB(2), MIB(66), MIB(2), PROP_READ | PROP_WRITE) == OK);
	walk_says(BASE, "PML4[386] -> PDPT[0] -> PD[0] -> PT[0] present, read, execute");
	walk_says(BASE + PAGE_SIZE, "PML4[386] -> PDPT[0] -> PD[0] -> PT[1] not present");
	walk_says(BASE + MIB(3), "PML4[386] -> PDPT[0] -> PD[1] present, read, write");
	walk_says(BASE + MIB(4), "PML4[386] -> PDPT[0] -> PD[2] not present");
	walk_says(BASE + GIB(3), "PML4[386] -> PDPT[3] not present");
	walk_says(8, "PML4[0] not present");

	pt_walk_read(&w, frame_paddr(pt.root), 4, BASE + MIB(3) + 5);
	CHECK(pt_walk_leaf(&w) != 0);
	CHECK_EQ(pt_walk_paddr(&w), MIB(67) + 5);
	pt_walk_read(&w, frame_paddr(pt.root), 4, BASE + MIB(4));
	CHECK_EQ(pt_walk_leaf(&w), 0);
	page_table_destroy(&pt);
	CHECK_LEDGER(&before);
}

TEST(fault_walk_survives_a_damaged_table)
{
	struct frame *table;
	pte_t *entry;
	char line[LINE_BYTES];
	struct pt_walk w;

	begin();
	table = frame_alloc(FRAME_TEST);
	NEED(table != NULL);
	entry = arch_direct(frame_paddr(table));
	memset(entry, 0, PAGE_SIZE);
	for (unsigned i = 0; i < PT_ENTRIES; i++)
		entry[i] = test_random() | PTE_PRESENT;
	entry[0] = PTE_ADDRESS | PTE_PRESENT;
	for (unsigned i = 0; i < PT_ENTRIES; i++) {
		vaddr_t va = (vaddr_t)i << 39;

		pt_walk_read(&w, frame_paddr(table), 4, va);
		pt_walk_line(&w, line, sizeof(line));
		(void)pt_walk_leaf(&w);
	}
	pt_walk_read(&w, frame_paddr(table), 4, 0);
	CHECK(!w.readable);
	CHECK_EQ(pt_walk_leaf(&w), 0);
	pt_walk_line(&w, line, sizeof(line));
	CHECK_STR(line, "PML4[0] leads to unreadable memory: the table is damaged");
	pt_walk_read(&w, paddr(PHYS_LIMIT), 4, 0);
	CHECK(!w.readable);
	CHECK_EQ(w.last, 5);
	pt_walk_line(&w, line, sizeof(line));
	/* short buffers cut the line and stay inside */
	for (size_t n = 1; n < 20; n++) {
		line[n] = '!';
		pt_walk_line(&w, line, n);
		CHECK(line[n] == '!' && strlen(line) < n);
	}
	frame_put(table);
}

TEST(fault_cause_is_derived_from_access_place_and_entry)
{
	static const struct {
		struct fault fault;
		const char *place;
		pte_t leaf;
		const char *cause;
	} cases[] = {
		{ { .access = FAULT_READ }, "the null page", 0, "a null pointer was used" },
		{ { .access = FAULT_EXECUTE }, "the null page", 0, "a null function pointer*" },
		{ { .access = FAULT_WRITE, .address = BASE },
		  "guard page below a stack of 16 pages",
		  0,
		  "stack overflow" },
		{ { .access = FAULT_WRITE, .address = BASE },
		  "guard page below the NMI stack",
		  0,
		  "stack overflow" },
		{ { .access = FAULT_WRITE, .address = BASE },
		  "guard page above a vmalloc area of 3 pages",
		  0,
		  "*ran past the end of an area" },
		{ { .access = FAULT_READ, .address = BASE },
		  "guard page below a vmalloc area of 3 pages",
		  0,
		  "*ran below the start of an area" },
		{ { .access = FAULT_READ, .address = BASE },
		  "vmalloc area, not in use",
		  0,
		  "use after free*" },
		{ { .access = FAULT_READ, .address = BASE }, "?", 0, "a wild pointer" },
		{ { .access = FAULT_READ, .address = GIB(1) }, "?", 0, "*user half*" },
		{ { .access = FAULT_WRITE, .present = true, .address = BASE },
		  "kernel text",
		  TEXT,
		  "code or constants were written to" },
		{ { .access = FAULT_EXECUTE, .present = true, .address = BASE },
		  "kernel data",
		  DATA,
		  "a jump into data*" },
		{ { .access = FAULT_READ, .present = true, .reserved = true, .address = BASE },
		  "kernel data",
		  DATA,
		  "the page table is damaged*" },
		{ { .access = FAULT_WRITE, .present = true, .address = BASE },
		  "kernel data",
		  DATA,
		  "*the TLB is stale" },
		{ { .access = FAULT_READ, .address = GIB(1) },
		  "space 2: guard",
		  0,
		  "the kernel used a user address*" },
		{ { .access = FAULT_WRITE, .present = true, .address = GIB(1) },
		  "space 2: private",
		  DATA,
		  "the kernel used a user address*" },
		{ { .access = FAULT_EXECUTE, .present = true, .address = GIB(1) },
		  "space 2: private, no right to execute",
		  DATA,
		  "the kernel jumped*" },
		{ { .access = FAULT_READ, .user = true, .address = GIB(1) },
		  "space 2: guard",
		  0,
		  "*ran into a guard page" },
		{ { .access = FAULT_READ, .user = true, .address = GIB(1) },
		  "space 2: nothing is mapped",
		  0,
		  "*where nothing is mapped" },
		{ { .access = FAULT_WRITE, .user = true, .address = GIB(1) },
		  "space 2: zeros on demand, pages of 4K, no right to write",
		  0,
		  "*has no right to this access" },
		{ { .access = FAULT_WRITE, .user = true, .address = GIB(1) },
		  "space 2: zeros on demand, pages of 4K",
		  0,
		  "no memory*" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *cause = fault_likely_cause(&cases[i].fault, cases[i].place,
						       cases[i].leaf);

		if (!str_glob(cases[i].cause, cause))
			test_fail(__FILE__, __LINE__, "case %u: %s", i, cause);
	}
}

TEST(fault_frame_owner_is_read_from_the_head_of_its_block)
{
	struct frame *block;
	char text[LINE_BYTES];

	begin();
	block = frame_alloc_block(FRAME_TEST, 3);
	NEED(block != NULL);
	for (unsigned i = 0; i < 8; i++) {
		fault_describe_frame(frame_paddr(block).raw + i * PAGE_SIZE + 5, text,
				     sizeof(text));
		CHECK_STR(text, "test, count 1, order 3");
	}
	block = frame_get(block);
	fault_describe_frame(frame_paddr(block).raw, text, sizeof(text));
	CHECK_STR(text, "test, count 2, order 3");
	frame_put(block);
	frame_put(block);
	fault_describe_frame(TIB(200), text, sizeof(text));
	CHECK_STR(text, "not in the memory map");
}

/* A walk that ends in this level 1 entry. */
static void users_place_is(pte_t pte, enum fault_access access, const char *want)
{
	struct pt_walk w = { .va = GIB(1), .levels = 4, .last = 1, .readable = true };
	struct fault f = { .access = access, .address = w.va };
	char text[LINE_BYTES];

	w.entry[1] = pte;
	fault_describe_users(&f, &w, 7, text, sizeof(text));
	CHECK_STR(text, want);
	w.readable = false; /* the table is not readable */
	fault_describe_users(&f, &w, 7, text, sizeof(text));
	CHECK_STR(text, "space 7: nothing is mapped");
}

TEST(fault_place_of_a_users_address_is_what_its_entry_means)
{
	const struct page_prop own = { PROP_READ | PROP_USER | PROP_TRACKED, MEM_WRITE_BACK },
			       copy = { PROP_READ | PROP_USER | PROP_TRACKED | PROP_COPY,
					MEM_WRITE_BACK };
	const pte_t zeros = pte_make_marker(vm_marker_anon(PROP_READ | PROP_WRITE, 1)),
		    constant = pte_make_marker(vm_marker_anon(PROP_READ | PROP_EXECUTE, 2));

	users_place_is(0, FAULT_READ, "space 7: nothing is mapped");
	users_place_is(pte_make_marker(VM_GUARD), FAULT_WRITE, "space 7: guard");
	users_place_is(zeros, FAULT_WRITE, "space 7: zeros on demand, pages of 4K");
	users_place_is(zeros, FAULT_EXECUTE,
		       "space 7: zeros on demand, pages of 4K, no right to execute");
	users_place_is(constant, FAULT_WRITE,
		       "space 7: zeros on demand, pages up to 2M, no right to write");
	users_place_is(constant, FAULT_EXECUTE, "space 7: zeros on demand, pages up to 2M");
	users_place_is(pte_make_marker(vm_marker_object(PROP_READ)), FAULT_WRITE,
		       "space 7: an object on demand, no right to write");
	users_place_is(pte_make_leaf(MIB(64), own, 1), FAULT_WRITE,
		       "space 7: private, no right to write");
	users_place_is(pte_make_leaf(MIB(64), copy, 1), FAULT_WRITE, "space 7: copy-on-write");
}
