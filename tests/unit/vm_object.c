/* SPDX-License-Identifier: MIT */
/* Tests of mm/vm/object.c, mapping.c and truncate.c, and of spaces that map objects. */
#include "mm/vm/object.h"

#ifndef KEEL_TESTS
#include "arch/host/host.h"
#endif
#include "lib/string.h"
#include "mm/heap/heap.h"
#include "tests/machine.h"
#include "tests/spaces.h"
#include "tests/test.h"

enum {
	RO = PROP_READ,
	RW = PROP_READ | PROP_WRITE,
	PAGES = 3, /* of an object */
	MANY = 300,
	MIB_OF_HOST = 256,
};

static struct ledger before;

static void begin(void)
{
	spaces_begin(MIB_OF_HOST, 0, 1);
	before = machine_ledger();
}

static unsigned users(struct vm_object *o)
{
	return atomic_load(&o->users);
}

static err_t unmap(struct vm_space *s, unsigned first, unsigned n)
{
	uint64_t done;

	return vm_space_unmap(s, pages(first, n), &done);
}

/* ---- shared mappings ---- */

TEST(vm_object_shows_the_same_pages_in_all_spaces)
{
	struct vm_space *a, *b, *child;
	struct vm_object *o;
	struct handles h = { .object = &o, .objects = 1 };
	uint64_t done;

	begin();
	NEED(vm_object_new(PAGES * PAGE_SIZE, &o) == OK);
	NEED(vm_space_new(&a) == OK && vm_space_new(&b) == OK);
	CHECK_EQ(vm_space_map_object(a, pages(0, PAGES), o, 0, RW), OK);
	CHECK_EQ(vm_space_map_object(b, pages(20, 2), o, PAGE_SIZE, RO | VM_MAY_WRITE), OK);
	CHECK(page_shows(a, page_at(2), 0));
	CHECK_EQ(page_store(a, page_at(1), 11), OK);
	CHECK(page_shows(b, page_at(20), 11));
	CHECK_EQ(page_store(b, page_at(20), 12), ERR_DENIED);
	CHECK_EQ(page_store(b, page_at(21), 12), ERR_DENIED);
	NEED(vm_space_fork(a, &child) == OK);
	CHECK_EQ(users(o), 4);
	CHECK_EQ(page_store(child, page_at(0), 20), OK); /* a marker in both spaces */
	CHECK_EQ(page_store(child, page_at(1), 21), OK); /* a leaf in both spaces */
	CHECK(page_shows(a, page_at(0), 20));
	CHECK(page_shows(a, page_at(1), 21));
	CHECK(page_shows(b, page_at(20), 21));
	CHECK_EQ(vm_space_protect(b, pages(20, 2), RW, &done), OK);
	CHECK_EQ(page_store(b, page_at(21), 32), OK);
	CHECK(page_shows(child, page_at(2), 32));
	CHECK_OWNERS(&h);
	vm_space_put(a);
	/* pages that no space maps stay in the object */
	vm_space_clear(b);
	vm_space_clear(child);
	CHECK_EQ(users(o), 1);
	CHECK_EQ(vm_space_map_object(child, pages(4, PAGES), o, 0, RW), OK);
	CHECK(page_shows(child, page_at(4), 20));
	CHECK(page_shows(child, page_at(6), 32));
	CHECK_OWNERS(&h);
	vm_space_put(b);
	vm_space_put(child);
	CHECK_EQ(users(o), 1);
	vm_object_put(o);
	CHECK_LEDGER(&before);
}

/* An address says nothing about the offset: one page at several places of a space. */
TEST(vm_object_is_mapped_at_any_address)
{
	struct vm_space *s;
	struct vm_object *o;

	begin();
	NEED(vm_object_new(PAGES * PAGE_SIZE, &o) == OK && vm_space_new(&s) == OK);
	CHECK_EQ(vm_space_map_object(s, pages(1, 1), o, 2 * PAGE_SIZE, RW), OK);
	CHECK_EQ(vm_space_map_object(s, pages(2, 2), o, PAGE_SIZE, RW), OK);
	CHECK_EQ(vm_space_map_object(s, pages(4, 1), o, 2 * PAGE_SIZE, RW), OK);
	CHECK_EQ(page_store(s, page_at(4), 7), OK);
	CHECK(page_shows(s, page_at(1), 7) && page_shows(s, page_at(3), 7));
	CHECK(page_shows(s, page_at(2), 0));
	CHECK_OWNERS((&(struct handles){ .object = &o, .objects = 1 }));
	vm_space_put(s);
	vm_object_put(o);
	CHECK_LEDGER(&before);
}

/* An object that is mapped nowhere belongs to its creator alone. */
TEST(vm_object_belongs_to_a_space_while_it_is_mapped_there)
{
	struct vm_space *s, *child;
	struct vm_object *o;

	begin();
	NEED(vm_object_new(PAGES * PAGE_SIZE, &o) == OK && vm_space_new(&s) == OK);
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(vm_space_map_object(s, pages(i * PAGES, PAGES), o, 0, RW), OK);
	CHECK_EQ(users(o), 4);
	CHECK_EQ(unmap(s, 1, PAGES), OK); /* of one mapping the end, of another the start */
	CHECK_EQ(users(o), 4);
	CHECK_EQ(page_store(s, page_at(0), 1), OK);
	CHECK(page_shows(s, page_at(4), 0) && page_shows(s, page_at(6), 1));
	CHECK_EQ(unmap(s, 7, 1), OK); /* the middle: two mappings */
	CHECK_EQ(users(o), 5);
	CHECK_EQ(page_store(s, page_at(8), 3), OK);
	CHECK(page_shows(s, page_at(5), 3));
	CHECK_OWNERS((&(struct handles){ .object = &o, .objects = 1 }));
	NEED(vm_space_fork(s, &child) == OK);
	CHECK_EQ(users(o), 9);
	CHECK_EQ(unmap(s, 0, 3 * PAGES), OK);
	CHECK_EQ(users(o), 5);
	vm_space_put(s);
	vm_object_put(o);
	CHECK(page_shows(child, page_at(8), 3)); /* the object lives on */
	CHECK_OWNERS(NULL);
	CHECK_EQ(unmap(child, 0, 3 * PAGES), OK);
	CHECK_OWNERS(NULL);
	vm_space_put(child);
	CHECK_LEDGER(&before);
}

TEST(vm_object_that_is_unmapped_leaves_nothing_in_the_space)
{
	struct vm_space *s;
	struct ledger with_space;

	begin();
	NEED(vm_space_new(&s) == OK);
	CHECK_EQ(vm_space_map(s, pages(PAGES, 1), RW, 1), OK); /* keeps the nodes */
	with_space = machine_ledger();
	for (unsigned i = 0; i < MANY; i++) {
		struct vm_object *o;

		NEED(vm_object_new(PAGES * PAGE_SIZE, &o) == OK);
		CHECK_EQ(vm_space_map_object(s, pages(0, PAGES), o, 0, RW), OK);
		CHECK_EQ(page_store(s, page_at(1), i), OK);
		vm_object_put(o);
		CHECK_EQ(unmap(s, 0, PAGES), OK);
	}
	CHECK_LEDGER(&with_space);
	vm_space_put(s);
	CHECK_LEDGER(&before);
}

TEST(vm_object_many_are_mapped_in_one_space)
{
	static struct vm_object *all[MANY];
	struct vm_space *s, *child;

	begin();
	NEED(vm_space_new(&s) == OK);
	for (unsigned i = 0; i < MANY; i++) {
		unsigned at = i * 7 % MANY; /* not by address */

		NEED(vm_object_new(PAGE_SIZE, &all[at]) == OK);
		CHECK_EQ(vm_space_map_object(s, pages(at, 1), all[at], 0, RW), OK);
		CHECK_EQ(page_store(s, page_at(at), at), OK);
	}
	NEED(vm_space_fork(s, &child) == OK);
	for (unsigned i = 0; i < MANY; i++)
		CHECK(page_shows(child, page_at(i), i));
	CHECK_OWNERS((&(struct handles){ .object = all, .objects = MANY }));
	CHECK_EQ(unmap(child, MANY / 3, MANY / 3), OK);
	for (unsigned i = 0; i < MANY; i++)
		CHECK_EQ(users(all[i]), i / (MANY / 3) == 1 ? 2 : 3);
	for (unsigned i = 0; i < MANY; i++)
		vm_object_put(all[i]);
	vm_space_put(s);
	CHECK_OWNERS(NULL);
	vm_space_put(child);
	CHECK_LEDGER(&before);
}

/* Pages that are mapped one after the other, as a loader does, are one mapping. */
TEST(vm_object_mappings_that_continue_are_one)
{
	struct vm_space *s;
	struct vm_object *o;

	begin();
	NEED(vm_object_new(4 * PAGE_SIZE, &o) == OK && vm_space_new(&s) == OK);
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(vm_space_map_object(s, pages(i, 1), o, i * PAGE_SIZE, RW), OK);
	CHECK_EQ(users(o), 2);
	CHECK_EQ(vm_space_map_object(s, pages(4, 1), o, 0, RW), OK); /* another page follows */
	CHECK_EQ(vm_space_map_object(s, pages(5, 1), o, PAGE_SIZE, RW | VM_COPY), OK);
	CHECK_EQ(users(o), 4);
	CHECK_EQ(page_store(s, page_at(3), 3), OK);
	CHECK(page_shows(s, page_at(4), 0));
	CHECK_OWNERS((&(struct handles){ .object = &o, .objects = 1 }));
	vm_space_put(s);
	vm_object_put(o);
	CHECK_LEDGER(&before);
}

TEST(vm_object_pages_outside_are_refused)
{
	struct vm_space *s;
	struct vm_object *o, *none = NULL;
	struct frame *f;
	err_t why;

	begin();
	CHECK_EQ(vm_object_new(0, &none), ERR_BAD_RANGE);
	CHECK_EQ(vm_object_new(VM_OBJECT_BYTES_MAX + 1, &none), ERR_BAD_RANGE);
	CHECK_EQ(vm_object_new(UINT64_MAX, &none), ERR_BAD_RANGE);
	CHECK(none == NULL);
	NEED(vm_object_new((PAGES - 1) * PAGE_SIZE + 1, &o) == OK && vm_space_new(&s) == OK);
	CHECK_EQ(o->bytes, PAGES * PAGE_SIZE);
	CHECK_EQ(vm_space_map_object(s, pages(0, PAGES + 1), o, 0, RW), ERR_BAD_RANGE);
	CHECK_EQ(vm_space_map_object(s, pages(1, PAGES), o, PAGE_SIZE, RW), ERR_BAD_RANGE);
	CHECK_EQ(vm_space_map_object(s, pages(3, 1), o, 3 * PAGE_SIZE, RW), ERR_BAD_RANGE);
	CHECK_EQ(vm_space_map_object(s, pages(0, 1), o, -(uint64_t)PAGE_SIZE, RW), ERR_BAD_RANGE);
	CHECK_EQ(vm_space_map_object(s, pages(0, 1), o, 1, RW), ERR_BAD_RANGE);
	CHECK_EQ(vm_space_map_object(s, pages(0, 1), o, 0, PROP_WRITE), ERR_BAD_RANGE);
	CHECK_EQ(vm_space_map_object(s, pages(0, 1), o, 0, RW | PROP_SHARED), ERR_BAD_RANGE);
	CHECK_EQ(vm_space_map_object(s, (struct vrange){ 0, PAGE_SIZE }, o, 0, RW), ERR_BAD_RANGE);
	CHECK_EQ(users(o), 1);
	CHECK_EQ(page_table_nodes(&s->table), 1);
	CHECK_EQ(vm_space_map_object(s, pages(6, 1), o, 2 * PAGE_SIZE, RW), OK);
	CHECK_EQ(vm_space_map_object(s, pages(4, PAGES), o, 0, RW), ERR_IN_USE);
	CHECK_EQ(users(o), 2);
	CHECK_EQ(vm_space_query(s, page_at(4)).kind, PT_ITEM_ABSENT);
	CHECK(vm_object_page(o, PAGES * PAGE_SIZE, &why) == NULL);
	CHECK_EQ(why, ERR_NOT_FOUND);
	CHECK(vm_object_page(o, UINT64_MAX, &why) == NULL);
	CHECK_EQ(why, ERR_NOT_FOUND);
	f = vm_object_page(o, PAGES * PAGE_SIZE - 1, &why);
	CHECK(f != NULL && why == OK);
	frame_put(f);
	CHECK_EQ(vm_object_fetch(o, 0), OK); /* no pager: nothing to wait for */
	vm_space_put(s);
	vm_object_put(o);
	CHECK_LEDGER(&before);
}

TEST(vm_object_rights_that_are_none_are_refused)
{
	struct vm_space *s;
	struct vm_object *o;
	struct frame *f;

	begin();
	NEED(vm_object_new(PAGE_SIZE, &o) == OK && vm_space_new(&s) == OK);
	NEED((f = frame_alloc(FRAME_USER)) != NULL);
	CHECK_EQ(vm_space_map_object(s, pages(0, 1), o, 0, RW | PROP_DENY_WRITE), ERR_BAD_RANGE);
	CHECK_EQ(vm_space_map_object(s, pages(0, 1), o, 0, RW | PROP_DENY_EXECUTE), ERR_BAD_RANGE);
	CHECK_EQ(vm_space_map_frame(s, page_at(0), f, RO | PROP_GLOBAL), ERR_BAD_RANGE);
	CHECK_EQ(vm_space_map_frame(s, page_at(0), f, RO | VM_COPY), ERR_BAD_RANGE);
	frame_put(f);
	vm_space_put(s);
	vm_object_put(o);
	CHECK_LEDGER(&before);
}

/* However many mappings a range has, a bounded number is cut with interrupts off. */
TEST(vm_object_unmap_goes_in_pieces_of_some_mappings)
{
	struct vm_space *s;
	struct vm_object *o;
	uint64_t done, piece;

	begin();
	NEED(vm_object_new(PAGE_SIZE, &o) == OK && vm_space_new(&s) == OK);
	CHECK_EQ(vm_mappings_piece(&s->mappings, pages(0, MANY)), MANY * PAGE_SIZE);
	for (unsigned i = 0; i < MANY; i++)
		CHECK_EQ(vm_space_map_object(s, pages(i, 1), o, 0, RW), OK);
	piece = vm_mappings_piece(&s->mappings, pages(0, MANY));
	CHECK(piece >= PAGE_SIZE && piece <= 64 * PAGE_SIZE);
	CHECK_EQ(vm_mappings_piece(&s->mappings, pages(MANY - 1, 9)), PAGE_SIZE * 9);
	CHECK_EQ(vm_space_unmap(s, pages(1, MANY - 2), &done), OK);
	CHECK_EQ(done, (MANY - 2) * PAGE_SIZE);
	CHECK_EQ(users(o), 3);
	CHECK_OWNERS((&(struct handles){ .object = &o, .objects = 1 }));
	vm_space_put(s);
	vm_object_put(o);
	CHECK_LEDGER(&before);
}

/* ---- private mappings ---- */

/* A device that writes to the object through a shared mapping pins no private view of it. */
TEST(vm_object_pin_of_a_shared_page_leaves_private_views_to_the_object)
{
	struct vm_space *s, *child;
	struct vm_object *o;
	struct frame *of_object, *own;

	begin();
	NEED(vm_object_new(PAGE_SIZE, &o) == OK && vm_space_new(&s) == OK);
	CHECK_EQ(vm_space_map_object(s, pages(0, 1), o, 0, RW), OK);
	CHECK_EQ(vm_space_map_object(s, pages(10, 1), o, 0, RO | VM_COPY), OK);
	CHECK_EQ(vm_space_map(s, pages(20, 1), RW, 1), OK);
	CHECK_EQ(page_store(s, page_at(0), 1), OK);
	CHECK(page_shows(s, page_at(10), 1));
	CHECK_EQ(vm_space_pin(s, page_at(0), FAULT_WRITE, &of_object), OK);
	CHECK_EQ(vm_space_pin(s, page_at(20), FAULT_WRITE, &own), OK);
	NEED(vm_space_fork(s, &child) == OK);
	CHECK_EQ(page_store(s, page_at(0), 7), OK);
	CHECK(page_shows(s, page_at(10), 7) && page_shows(child, page_at(0), 7));
	CHECK(page_shows(child, page_at(10), 7));
	vm_space_unpin(of_object);
	vm_space_unpin(own);
	vm_space_put(child);
	vm_space_put(s);
	vm_object_put(o);
	CHECK_LEDGER(&before);
}

TEST(vm_object_private_mappings_copy_what_is_written)
{
	struct vm_space *s, *child;
	struct vm_object *o;
	struct handles h = { .object = &o, .objects = 1 };
	uint64_t done;

	begin();
	NEED(vm_object_new(PAGES * PAGE_SIZE, &o) == OK && vm_space_new(&s) == OK);
	CHECK_EQ(vm_space_map_object(s, pages(0, PAGES), o, 0, RW), OK);
	CHECK_EQ(vm_space_map_object(s, pages(10, PAGES), o, 0, RW | VM_COPY), OK);
	CHECK_EQ(page_store(s, page_at(0), 1), OK);
	CHECK(page_shows(s, page_at(10), 1));
	CHECK_EQ(page_store(s, page_at(1), 2), OK);
	CHECK_EQ(page_store(s, page_at(11), 3), OK); /* a copy at the first access */
	CHECK_EQ(page_store(s, page_at(10), 4), OK); /* a copy after a read */
	CHECK(page_shows(s, page_at(0), 1) && page_shows(s, page_at(1), 2));
	CHECK(page_shows(s, page_at(10), 4) && page_shows(s, page_at(11), 3));
	CHECK(page_shows(s, page_at(12), 0));
	CHECK_EQ(page_store(s, page_at(2), 5), OK); /* seen until the page is copied */
	CHECK(page_shows(s, page_at(12), 5));
	CHECK_OWNERS(&h);
	NEED(vm_space_fork(s, &child) == OK);
	CHECK_EQ(page_store(child, page_at(10), 6), OK);
	CHECK_EQ(page_store(child, page_at(12), 7), OK);
	CHECK(page_shows(s, page_at(10), 4) && page_shows(s, page_at(12), 5));
	CHECK(page_shows(child, page_at(11), 3) && page_shows(child, page_at(2), 5));
	CHECK_OWNERS(&h);
	vm_space_put(s);
	vm_object_put(o);
	/* read-only: protect may add the right to write, to copies */
	NEED(vm_object_new(PAGE_SIZE, &o) == OK);
	CHECK_EQ(vm_space_map_object(child, pages(20, 1), o, 0, RO | VM_COPY), OK);
	CHECK(page_shows(child, page_at(20), 0));
	CHECK_EQ(page_store(child, page_at(20), 1), ERR_DENIED);
	CHECK_EQ(vm_space_protect(child, pages(20, 1), RW, &done), OK);
	CHECK_EQ(vm_space_map_object(child, pages(21, 1), o, 0, RO), OK);
	CHECK_EQ(page_store(child, page_at(20), 1), OK);
	CHECK(page_shows(child, page_at(21), 0) && page_shows(child, page_at(20), 1));
	CHECK_OWNERS(&h);
	vm_object_put(o);
	vm_space_put(child);
	CHECK_LEDGER(&before);
}

/* ---- truncation ---- */

TEST(vm_object_truncation_takes_pages_from_all_spaces)
{
	struct vm_space *s, *child;
	struct vm_object *o;
	struct handles h = { .object = &o, .objects = 1 };

	begin();
	NEED(vm_object_new(4 * PAGE_SIZE, &o) == OK && vm_space_new(&s) == OK);
	CHECK_EQ(vm_space_map_object(s, pages(0, 4), o, 0, RW), OK);
	CHECK_EQ(vm_space_map_object(s, pages(9, 3), o, PAGE_SIZE, RW | VM_COPY), OK);
	CHECK_EQ(vm_space_map(s, pages(12, 1), RW, 1), OK); /* a neighbour */
	CHECK_EQ(page_store(s, page_at(12), 99), OK);
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(page_store(s, page_at(i), 10 + i), OK);
	CHECK(page_shows(s, page_at(10), 12));
	CHECK_EQ(page_store(s, page_at(9), 21), OK);  /* a copy of page 1 */
	CHECK_EQ(page_store(s, page_at(11), 23), OK); /* and of page 3 */
	NEED(vm_space_fork(s, &child) == OK);
	CHECK_EQ(vm_object_truncate(o, 2 * PAGE_SIZE), OK);
	CHECK_OWNERS(&h);
	CHECK(page_shows(s, page_at(1), 11) && page_shows(child, page_at(9), 21));
	CHECK_EQ(page_store(s, page_at(2), 1), ERR_NOT_FOUND);
	CHECK_EQ(page_store(child, page_at(3), 1), ERR_NOT_FOUND);
	CHECK_EQ(page_store(s, page_at(10), 1), ERR_NOT_FOUND);
	CHECK_EQ(page_store(child, page_at(11), 1), ERR_NOT_FOUND); /* the copy went, too */
	CHECK(page_shows(s, page_at(12), 99));
	CHECK_EQ(vm_space_map_object(s, pages(20, 3), o, 0, RW), ERR_BAD_RANGE);
	/* what grows again is new */
	CHECK_EQ(vm_object_truncate(o, 4 * PAGE_SIZE), OK);
	CHECK(page_shows(s, page_at(2), 0) && page_shows(child, page_at(11), 0));
	CHECK_EQ(page_store(child, page_at(3), 5), OK);
	CHECK(page_shows(s, page_at(3), 5) && page_shows(s, page_at(11), 5));
	CHECK(page_shows(s, page_at(1), 11));
	CHECK_OWNERS(&h);
	CHECK_EQ(vm_object_truncate(o, 0), OK);
	CHECK_EQ(page_store(s, page_at(0), 1), ERR_NOT_FOUND);
	CHECK_EQ(vm_object_truncate(o, VM_OBJECT_BYTES_MAX + 1), ERR_BAD_RANGE);
	CHECK_OWNERS(&h);
	vm_object_put(o);
	vm_space_put(child);
	vm_space_put(s);
	CHECK_LEDGER(&before);
}

/* The rights of a page that went are those of the page that comes in its place. */
TEST(vm_object_truncation_keeps_rights)
{
	struct vm_space *s;
	struct vm_object *o;
	uint64_t done;

	begin();
	NEED(vm_object_new(2 * PAGE_SIZE, &o) == OK && vm_space_new(&s) == OK);
	CHECK_EQ(vm_space_map_object(s, pages(0, 2), o, 0, RO), OK);
	CHECK_EQ(vm_space_map_object(s, pages(4, 2), o, 0, RW | VM_COPY), OK);
	CHECK(page_shows(s, page_at(1), 0) && page_shows(s, page_at(5), 0));
	CHECK_EQ(vm_space_protect(s, pages(0, 1), 0, &done), OK);
	CHECK_EQ(vm_object_truncate(o, 0), OK);
	CHECK_EQ(vm_object_truncate(o, 2 * PAGE_SIZE), OK);
	CHECK_EQ(page_store(s, page_at(1), 1), ERR_DENIED);
	CHECK_EQ(vm_space_protect(s, pages(1, 1), RW, &done), ERR_DENIED);
	CHECK_EQ(vm_space_handle_fault(s, page_at(0), FAULT_READ), ERR_DENIED);
	CHECK_EQ(page_store(s, page_at(5), 1), OK);
	CHECK(page_shows(s, page_at(1), 0));
	CHECK_OWNERS((&(struct handles){ .object = &o, .objects = 1 }));
	vm_space_put(s);
	vm_object_put(o);
	CHECK_LEDGER(&before);
}

/* Large markers, several nodes, more pages than one batch has room for. */
TEST(vm_object_truncation_of_many_pages)
{
	enum {
		LARGE = 512,
		N = 3 * LARGE
	};
	struct vm_space *s;
	struct vm_object *o;

	begin();
	NEED(vm_object_new(N * PAGE_SIZE, &o) == OK && vm_space_new(&s) == OK);
	CHECK_EQ(vm_space_map_object(s, pages(0, N), o, 0, RW), OK);
	for (unsigned i = 0; i < N; i += i < LARGE ? 3 : 1)
		if (i < LARGE || i >= 2 * LARGE)
			CHECK_EQ(page_store(s, page_at(i), i), OK);
	CHECK_EQ(vm_object_truncate(o, 9 * PAGE_SIZE), OK);
	CHECK(page_shows(s, page_at(6), 6));
	CHECK_EQ(page_store(s, page_at(9), 1), ERR_NOT_FOUND);
	CHECK_EQ(page_store(s, page_at(LARGE + 1), 1), ERR_NOT_FOUND);
	CHECK_EQ(page_store(s, page_at(N - 1), 1), ERR_NOT_FOUND);
	CHECK_OWNERS((&(struct handles){ .object = &o, .objects = 1 }));
	vm_object_put(o);
	vm_space_put(s);
	CHECK_LEDGER(&before);
}

#ifndef KEEL_TESTS
TEST(vm_object_truncation_leaves_no_translation)
{
	enum {
		N = 100
	};
	struct vm_space *s;
	struct vm_object *o;
	uint64_t pa[N];

	begin();
	NEED(vm_object_new(N * PAGE_SIZE, &o) == OK && vm_space_new(&s) == OK);
	CHECK_EQ(vm_space_map_object(s, pages(0, N), o, 0, RW), OK);
	vm_space_activate(s);
	for (unsigned i = 0; i < N; i++) {
		CHECK_EQ(vm_space_handle_fault(s, page_at(i), FAULT_READ), OK);
		CHECK(host_tlb_access(page_at(i), arch_pt_levels(), HOST_TLB_READ, &pa[i]));
	}
	CHECK_EQ(vm_object_truncate(o, PAGE_SIZE), OK);
	CHECK(host_tlb_has_page(0, pa[0], PAGE_SIZE) ||
	      host_tlb_access(page_at(0), arch_pt_levels(), HOST_TLB_READ, &pa[0]));
	for (unsigned i = 1; i < N; i++)
		CHECK(!host_tlb_has_page(0, pa[i], PAGE_SIZE));
	vm_space_activate(NULL);
	vm_object_put(o);
	vm_space_put(s);
	CHECK_LEDGER(&before);
}
#endif

/* ---- pagers ---- */

/* A pager whose pages say where they are from. */
static struct {
	unsigned fills;
	err_t fails;
	struct vm_object *truncates; /* meanwhile */
} pager_state;

static err_t fill(struct vm_object *o, uint64_t offset, void *page)
{
	uint64_t *word = page;

	CHECK(o->context == &pager_state);
	pager_state.fills++;
	if (pager_state.truncates != NULL)
		CHECK_EQ(vm_object_truncate(pager_state.truncates, 0), OK);
	if (pager_state.fails != OK)
		return pager_state.fails;
	for (unsigned i = 0; i < PAGE_SIZE / sizeof(*word); i++)
		word[i] = offset + i;
	return OK;
}

static const struct vm_pager pager = { fill };

static struct vm_object *new_paged(unsigned n)
{
	struct vm_object *o = NULL;

	memset(&pager_state, 0, sizeof(pager_state));
	CHECK_EQ(vm_object_new_paged(n * PAGE_SIZE, &pager, &pager_state, &o), OK);
	return o;
}

/* The first word of the page at va, which is mapped. */
static uint64_t first_word(const struct vm_space *s, vaddr_t va)
{
	return *(const uint64_t *)arch_direct(vm_space_query(s, va).pa);
}

TEST(vm_object_pager_brings_each_page_once)
{
	struct vm_space *s;
	struct vm_object *o;
	struct frame *f;
	err_t why;

	begin();
	o = new_paged(PAGES);
	NEED(o != NULL && vm_space_new(&s) == OK);
	CHECK_EQ(vm_space_map_object(s, pages(0, PAGES), o, 0, RW), OK);
	CHECK_EQ(vm_space_map_object(s, pages(8, PAGES), o, 0, RW | VM_COPY), OK);
	CHECK_EQ(pager_state.fills, 0);
	CHECK_EQ(vm_space_handle_fault(s, page_at(1), FAULT_READ), OK);
	CHECK_EQ(first_word(s, page_at(1)), PAGE_SIZE);
	CHECK_EQ(vm_space_handle_fault(s, page_at(9), FAULT_WRITE), OK); /* a copy */
	CHECK_EQ(first_word(s, page_at(9)), PAGE_SIZE);
	CHECK_EQ(pager_state.fills, 1);
	CHECK_EQ(vm_space_handle_fault(s, page_at(10), FAULT_WRITE), OK);
	CHECK_EQ(first_word(s, page_at(10)), 2 * PAGE_SIZE);
	CHECK_EQ(pager_state.fills, 2);
	CHECK(vm_object_page(o, 0, &why) == NULL);
	CHECK_EQ(why, ERR_BUSY);
	CHECK_EQ(vm_object_fetch(o, 0), OK);
	CHECK_EQ(vm_object_fetch(o, 0), OK);
	CHECK_EQ(pager_state.fills, 3);
	f = vm_object_page(o, 0, &why);
	CHECK(f != NULL);
	frame_put(f);
	CHECK_EQ(vm_object_fetch(o, PAGES * PAGE_SIZE), ERR_NOT_FOUND);
	CHECK_OWNERS((&(struct handles){ .object = &o, .objects = 1 }));
	vm_space_put(s);
	vm_object_put(o);
	CHECK_LEDGER(&before);
}

TEST(vm_object_pager_that_fails_fails_the_fault)
{
	struct vm_space *s;
	struct vm_object *o;
	struct frame *pinned;
	uint64_t brought;
	uintptr_t irq;

	begin();
	o = new_paged(1);
	NEED(o != NULL && vm_space_new(&s) == OK);
	CHECK_EQ(vm_space_map_object(s, pages(0, 1), o, 0, RW), OK);
	pager_state.fails = ERR_IO;
	brought = this_cpu_ptr(vm_stats)->brought;
	CHECK_EQ(vm_space_handle_fault(s, page_at(0), FAULT_READ), ERR_IO);
	CHECK_EQ(this_cpu_ptr(vm_stats)->brought, brought);
	pager_state.fails = ERR_BUSY; /* is no reason to try again */
	CHECK_EQ(vm_space_handle_fault(s, page_at(0), FAULT_READ), ERR_IO);
	pager_state.fills--;
	pager_state.fails = ERR_TIMED_OUT; /* it was given up */
	CHECK_EQ(vm_space_handle_fault(s, page_at(0), FAULT_WRITE), ERR_TIMED_OUT);
	CHECK_EQ(vm_space_pin(s, page_at(0), FAULT_WRITE, &pinned), ERR_TIMED_OUT);
	CHECK_EQ(pager_state.fills, 3);
	irq = arch_irq_save();
	CHECK_EQ(vm_space_handle_fault(s, page_at(0), FAULT_READ), ERR_IN_USE);
	arch_irq_restore(irq);
	CHECK_EQ(pager_state.fills, 3);
	CHECK_OWNERS((&(struct handles){ .object = &o, .objects = 1 }));
	pager_state.fails = OK; /* the next access tries again */
	CHECK_EQ(vm_space_handle_fault(s, page_at(0), FAULT_WRITE), OK);
	CHECK_OWNERS((&(struct handles){ .object = &o, .objects = 1 }));
	vm_space_put(s);
	vm_object_put(o);
	CHECK_LEDGER(&before);
}

TEST(vm_object_page_that_comes_after_a_truncation_is_dropped)
{
	struct vm_space *s;
	struct vm_object *o;

	begin();
	o = new_paged(2);
	NEED(o != NULL && vm_space_new(&s) == OK);
	CHECK_EQ(vm_space_map_object(s, pages(0, 2), o, 0, RW), OK);
	pager_state.truncates = o;
	CHECK_EQ(vm_space_handle_fault(s, page_at(1), FAULT_READ), ERR_NOT_FOUND);
	CHECK_EQ(pager_state.fills, 1);
	CHECK_OWNERS((&(struct handles){ .object = &o, .objects = 1 }));
	vm_space_put(s);
	vm_object_put(o);
	CHECK_LEDGER(&before);
}

/* ---- no memory ---- */

/* Take all heap memory of a mapping's size, with no frame available for more; returns a chain. */
static void **take_heap(void)
{
	void **chain = NULL, **block;

	heap_inject_failure(1);
	while ((block = heap_alloc(sizeof(struct vm_mapping))) != NULL) {
		*block = chain;
		chain = block;
	}
	return chain;
}

static void give_heap(void **chain)
{
	heap_inject_failure(0);
	while (chain != NULL) {
		void **next = *chain;

		heap_free(chain);
		chain = next;
	}
}

TEST(vm_object_unmap_of_a_middle_without_memory_changes_nothing)
{
	struct vm_space *s;
	void **taken;
	struct vm_object *o;
	uint64_t done = 1;

	begin();
	NEED(vm_object_new(PAGES * PAGE_SIZE, &o) == OK && vm_space_new(&s) == OK);
	CHECK_EQ(vm_space_map_object(s, pages(0, PAGES), o, 0, RW), OK);
	CHECK_EQ(page_store(s, page_at(1), 1), OK);
	taken = take_heap();
	CHECK_EQ(vm_space_unmap(s, pages(1, 1), &done), ERR_NO_MEMORY);
	CHECK_EQ(vm_space_map_object(s, pages(7, 1), o, 0, RW), ERR_NO_MEMORY);
	CHECK_EQ(done, 0);
	CHECK(page_shows(s, page_at(1), 1));
	CHECK_EQ(vm_space_unmap(s, pages(1, 2), &done), OK); /* an end needs none */
	give_heap(taken);
	CHECK_OWNERS((&(struct handles){ .object = &o, .objects = 1 }));
	vm_space_put(s);
	vm_object_put(o);
	CHECK_LEDGER(&before);
}
