/* SPDX-License-Identifier: MIT */
/* Tests of the heap's debug options, which need a heap of their own; so they run on the host. */
#ifndef KEEL_TESTS
#include "mm/heap/debug.h"

#include <string.h>

#include "lib/symbols.h"
#include "mm/heap/heap.h"
#include "tests/capture.h"
#include "tests/machine.h"
#include "tests/test.h"

enum {
	MACHINE_MIB = 64,
};

static void free_it(void *p)
{
	heap_free(p);
}

static void alloc_it(void *size)
{
	(void)heap_alloc_any((size_t)size);
}

static struct ledger start_debug(unsigned flags)
{
	machine_start_simple(MACHINE_MIB, 0, 1);
	CHECK_EQ(heap_init(1), OK);
	heap_set_debug(flags);
	return machine_ledger();
}

static void end_debug(const struct ledger *before)
{
	const char *why;

	heap_drain();
	heap_set_debug(0);
	CHECK_LEDGER(before);
	why = heap_check();
	CHECK_STR(why == NULL ? "" : why, "");
}

TEST(heap_debug_values_are_read)
{
	unsigned flags = 99;

	CHECK(heap_debug_parse("", &flags));
	CHECK_EQ(flags, HEAP_DEBUG_ALL);
	CHECK(heap_debug_parse("FZ", &flags));
	CHECK_EQ(flags, HEAP_DEBUG_RED);
	CHECK(heap_debug_parse("PU,kmalloc-64", &flags));
	CHECK_EQ(flags, HEAP_DEBUG_POISON | HEAP_DEBUG_OWNER);
	CHECK(heap_debug_parse("-", &flags));
	CHECK_EQ(flags, 0);
	CHECK(!heap_debug_parse("yes", &flags));
}

TEST(heap_debug_sees_a_write_past_the_end)
{
	static const size_t sizes[] = { 1, 16, 63, 64, 1000, 4000, 4096, 10000 };
	struct ledger before = start_debug(HEAP_DEBUG_ALL);

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		char *p = heap_alloc_any(sizes[i]), old;

		NEED(p != NULL);
		CHECK_EQ(heap_size_of(p), sizes[i]);
		old = p[sizes[i]];
		p[sizes[i]] = 0x11;
		CHECK(test_panics(free_it, p, "past the end"));
		p[sizes[i]] = old;
		heap_free(p);
	}
	end_debug(&before);
}

TEST(heap_debug_sees_a_write_after_free)
{
	char *p, *q;

	(void)start_debug(HEAP_DEBUG_POISON);
	p = heap_alloc_any(100);
	q = heap_alloc_any(100);
	NEED(p != NULL && q != NULL);
	memset(p, 1, 100);
	heap_free(p);
	CHECK_EQ(p[0], 0x6b);
	p[50] = 0;
	CHECK(test_panics(alloc_it, (void *)100, "written after free"));
	heap_free(q); /* p is leaked */
}

TEST(heap_debug_catches_a_double_free)
{
	struct ledger before = start_debug(HEAP_DEBUG_ALL);
	void *p = heap_alloc_any(100);

	NEED(p != NULL);
	heap_free(p);
	CHECK(test_panics(free_it, p, "double free"));
	end_debug(&before);
}

TEST(heap_debug_reports_leaks_by_place)
{
	struct ledger before = start_debug(HEAP_DEBUG_OWNER);
	const char *said;
	void *p[12];

	for (unsigned i = 0; i < 10; i++)
		p[i] = heap_alloc_any(100);
	p[10] = heap_alloc(5000);
	p[11] = heap_zalloc(50000);
	capture_begin();
	heap_debug_leaks();
	said = capture_end();
	CHECK(strstr(said, "10 objects         1000 bytes") != NULL);
	CHECK(strstr(said, "1 objects         5000 bytes") != NULL);
	CHECK(strstr(said, "1 objects        50000 bytes") != NULL);
	CHECK(strstr(said, "12 objects, 56000 bytes are allocated") != NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(p); i++)
		heap_free(p[i]);
	end_debug(&before);
}

/* ---- names of call sites ---- */

static __noinline void *allocate_named(void)
{
	void *p = heap_alloc_any(100);

	CHECK(p != NULL); /* no sibling call: the call site is here */
	return p;
}

/* A symbol table with one name; union: only the end of a struct may have an open array. */
static union {
	struct symbols_head head;
	struct {
		unsigned char head_bytes[sizeof(struct symbols_head)];
		struct symbol_entry entry;
		char name[sizeof("allocate_named")];
	};
} table;

TEST(heap_debug_names_call_sites)
{
	struct ledger before = start_debug(HEAP_DEBUG_OWNER);
	void *p = allocate_named();

	table.head.base = (vaddr_t)allocate_named;
	table.head.count = 1;
	table.head.name_bytes = sizeof(table.name);
	memcpy(table.name, "allocate_named", sizeof(table.name));
	CHECK_EQ(symbols_use(&table, sizeof(table), UINT64_MAX), OK);
	capture_begin();
	heap_debug_leaks();
	CHECK(strstr(capture_end(), "100 bytes by allocate_named+0x") != NULL);
	heap_free(p);
	capture_begin();
	CHECK(test_panics(free_it, p, "double free"));
	CHECK(strstr(capture_end(), "allocated by allocate_named+0x") != NULL);
	p = heap_alloc_any(100);
	table.head.count = table.head.name_bytes = 0;
	CHECK_EQ(symbols_use(&table, sizeof(table), UINT64_MAX), OK);
	capture_begin();
	heap_debug_leaks();
	CHECK(strstr(capture_end(), "100 bytes by 0x") != NULL);
	heap_free(p);
	end_debug(&before);
}
#endif
