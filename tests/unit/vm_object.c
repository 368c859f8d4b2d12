/* SPDX-License-Identifier: MIT */
/* Tests of mm/vm/object.c, and of spaces that map objects. */
#include "mm/vm/object.h"

#include "tests/machine.h"
#include "tests/spaces.h"
#include "tests/test.h"

enum {
	RO = PROP_READ,
	RW = PROP_READ | PROP_WRITE,
	PAGES = 3, /* of an object; the low 2 bits of the page number are the offset */
	SPAN = 4,
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
	CHECK_EQ(vm_space_map_object(b, pages(5 * SPAN + 1, 2), o, PAGE_SIZE, RO | VM_MAY_WRITE),
		 OK);
	CHECK(page_shows(a, page_at(2), 0));
	CHECK_EQ(page_store(a, page_at(1), 11), OK);
	CHECK(page_shows(b, page_at(5 * SPAN + 1), 11));
	CHECK_EQ(page_store(b, page_at(5 * SPAN + 1), 12), ERR_DENIED);
	CHECK_EQ(page_store(b, page_at(5 * SPAN + 2), 12), ERR_DENIED);
	NEED(vm_space_fork(a, &child) == OK);
	CHECK_EQ(users(o), 4);
	CHECK_EQ(page_store(child, page_at(0), 20), OK); /* a marker in both spaces */
	CHECK_EQ(page_store(child, page_at(1), 21), OK); /* a leaf in both spaces */
	CHECK(page_shows(a, page_at(0), 20));
	CHECK(page_shows(a, page_at(1), 21));
	CHECK(page_shows(b, page_at(5 * SPAN + 1), 21));
	CHECK_EQ(vm_space_protect(b, pages(5 * SPAN, SPAN), RW, &done), OK);
	CHECK_EQ(page_store(b, page_at(5 * SPAN + 2), 32), OK);
	CHECK(page_shows(child, page_at(2), 32));
	CHECK_OWNERS(&h);
	vm_space_put(a);
	/* pages that no space maps stay in the object */
	vm_space_clear(b);
	vm_space_clear(child);
	CHECK_EQ(vm_space_map_object(child, pages(SPAN, PAGES), o, 0, RW), OK);
	CHECK(page_shows(child, page_at(SPAN), 20));
	CHECK(page_shows(child, page_at(SPAN + 2), 32));
	CHECK_OWNERS(&h);
	vm_space_put(b);
	vm_space_put(child);
	CHECK_EQ(users(o), 1);
	vm_object_put(o);
	CHECK_LEDGER(&before);
}

TEST(vm_object_lives_as_long_as_a_space_may_refer_to_it)
{
	struct vm_space *s, *child;
	struct vm_object *o, *next;
	unsigned number;
	uint64_t done;

	begin();
	NEED(vm_object_new(PAGES * PAGE_SIZE, &o) == OK && vm_space_new(&s) == OK);
	number = o->number;
	for (unsigned i = 0; i < 3; i++) /* counted once */
		CHECK_EQ(vm_space_map_object(s, pages(i * SPAN, PAGES), o, 0, RW), OK);
	CHECK_EQ(users(o), 2);
	vm_object_put(o);
	NEED(vm_space_fork(s, &child) == OK);
	vm_space_put(s);
	CHECK_EQ(page_store(child, page_at(1), 1), OK);
	CHECK(page_shows(child, page_at(SPAN + 1), 1));
	CHECK_EQ(vm_space_unmap(child, pages(0, 3 * SPAN), &done), OK);
	CHECK_EQ(users(vm_object_of(number)), 1); /* until the space is destroyed */
	CHECK_OWNERS(NULL);
	NEED(vm_object_new(PAGE_SIZE, &next) == OK);
	CHECK(next->number != number);
	vm_object_put(next);
	vm_space_put(child);
	NEED(vm_object_new(PAGE_SIZE, &next) == OK);
	CHECK_EQ(next->number, number);
	vm_object_put(next);
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
	CHECK_EQ(vm_object_span(o), SPAN * PAGE_SIZE);
	CHECK_EQ(vm_space_map_object(s, pages(0, PAGES + 1), o, 0, RW), ERR_BAD_RANGE);
	CHECK_EQ(vm_space_map_object(s, pages(1, PAGES), o, PAGE_SIZE, RW), ERR_BAD_RANGE);
	CHECK_EQ(vm_space_map_object(s, pages(3, 1), o, 3 * PAGE_SIZE, RW), ERR_BAD_RANGE);
	CHECK_EQ(vm_space_map_object(s, pages(0, 1), o, -(uint64_t)PAGE_SIZE, RW), ERR_BAD_RANGE);
	CHECK_EQ(vm_space_map_object(s, pages(0, 1), o, 1, RW), ERR_BAD_RANGE);
	/* addresses that do not match the offset */
	CHECK_EQ(vm_space_map_object(s, pages(1, 1), o, 0, RW), ERR_BAD_RANGE);
	CHECK_EQ(vm_space_map_object(s, pages(PAGES, 1), o, 0, RW), ERR_BAD_RANGE);
	CHECK_EQ(vm_space_map_object(s, pages(0, 1), o, 0, PROP_WRITE), ERR_BAD_RANGE);
	CHECK_EQ(vm_space_map_object(s, (struct vrange){ 0, PAGE_SIZE }, o, 0, RW), ERR_BAD_RANGE);
	CHECK_EQ(users(o), 1);
	CHECK_EQ(page_table_nodes(&s->table), 1);
	CHECK_EQ(vm_space_map_object(s, pages(SPAN + 2, 1), o, 2 * PAGE_SIZE, RW), OK);
	CHECK_EQ(vm_space_map_object(s, pages(SPAN, PAGES), o, 0, RW), ERR_IN_USE);
	CHECK_EQ(vm_space_query(s, page_at(SPAN)).kind, PT_ITEM_ABSENT);
	CHECK(vm_object_page(o, page_at(SPAN + PAGES), &why) == NULL);
	CHECK_EQ(why, ERR_NOT_FOUND);
	f = vm_object_page(o, page_at(SPAN + PAGES - 1), &why);
	CHECK(f != NULL && why == OK);
	frame_put(f);
	vm_space_put(s);
	vm_object_put(o);
	CHECK_LEDGER(&before);
}

TEST(vm_object_numbers_are_limited_and_reused)
{
	static struct vm_object *all[VM_OBJECTS_MAX];
	struct vm_object *more = NULL;
	unsigned number;

	begin();
	for (unsigned i = 0; i < VM_OBJECTS_MAX; i++)
		NEED(vm_object_new(PAGE_SIZE, &all[i]) == OK);
	CHECK_EQ(vm_object_new(PAGE_SIZE, &more), ERR_NO_MEMORY);
	CHECK(more == NULL);
	number = all[VM_OBJECTS_MAX / 2]->number;
	vm_object_put(all[VM_OBJECTS_MAX / 2]);
	CHECK_EQ(vm_object_new(PAGE_SIZE, &all[VM_OBJECTS_MAX / 2]), OK);
	CHECK_EQ(all[VM_OBJECTS_MAX / 2]->number, number);
	CHECK_EQ(vm_object_new(PAGE_SIZE, &more), ERR_NO_MEMORY);
	CHECK_OWNERS((&(struct handles){ .object = all, .objects = VM_OBJECTS_MAX }));
	for (unsigned i = 0; i < VM_OBJECTS_MAX; i++)
		vm_object_put(all[i]);
	CHECK_LEDGER(&before);
}
