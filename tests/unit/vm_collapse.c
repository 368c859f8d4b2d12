/* SPDX-License-Identifier: MIT */
/* Tests of vm_space_collapse() on what seems to be a large page, and must not become one; on the
 * host, where a test can choose the frames. */
#ifndef KEEL_TESTS
#include "mm/vm/space.h"

#include "tests/hog.h"
#include "tests/machine.h"
#include "tests/spaces.h"
#include "tests/test.h"

enum {
	RW = PROP_READ | PROP_WRITE,
	N = PT_NODE_ENTRIES,
};

static struct vm_space *s;
static struct ledger before;

static void begin(void)
{
	spaces_begin(64, 0, 1);
	before = machine_ledger();
	NEED(vm_space_new(&s) == OK);
}

static void end(void)
{
	vm_space_put(s);
	CHECK_LEDGER(&before);
}

/* Store to the pages in an order in which page k gets frame k of one aligned block: no other memory
 * is free. */
static void store_to_one_block(void)
{
	struct frame *block;
	uint64_t base;

	block = frame_alloc_block(FRAME_USER, PT_INDEX_BITS);
	NEED(block != NULL);
	base = frame_pfn(block);
	NEED(hog_all_but(0));
	frame_put(block);
	for (unsigned i = 0; i < N; i++) {
		struct frame *f = frame_alloc(FRAME_USER);
		uint64_t k;

		NEED(f != NULL);
		k = frame_pfn(f) - base;
		frame_put(f); /* the next allocation gets it again */
		NEED(k < N);
		CHECK_EQ(page_store(s, page_at((unsigned)k), 100 + k), OK);
	}
	hog_give_all();
}

TEST(vm_collapse_leaves_copies_of_an_objects_pages)
{
	struct vm_object *o;
	uint64_t collapsed, value;

	begin();
	NEED(vm_object_new(MIB(2), &o) == OK);
	CHECK_EQ(vm_space_map_object(s, pages(0, N), o, 0, RW | VM_COPY), OK);
	for (unsigned i = 0; i < N; i++)
		CHECK(page_shows(s, page_at(i), 0));
	store_to_one_block();
	CHECK_EQ(vm_space_collapse(s, pages(0, N), &collapsed), OK);
	CHECK_EQ(collapsed, 0);
	CHECK_EQ(vm_object_truncate(o, 0), OK);
	CHECK_EQ(page_load(s, page_at(3), &value), ERR_NOT_FOUND);
	CHECK_EQ(page_store(s, page_at(3), 1), ERR_NOT_FOUND);
	CHECK_EQ(vm_object_truncate(o, MIB(2)), OK);
	CHECK(page_shows(s, page_at(3), 0));
	vm_object_put(o);
	end();
}

TEST(vm_collapse_leaves_frames_that_were_mapped_one_by_one)
{
	struct segment frames;
	uint64_t collapsed, done;

	begin();
	NEED(segment_alloc(FRAME_USER, N, MIB(2), UINT64_MAX, &frames) == OK);
	for (unsigned i = 0; i < N; i++)
		CHECK_EQ(vm_space_map_frame(s, page_at(i),
					    frame_of_slot(meta_slot_of(frames.first + i)), RW),
			 OK);
	CHECK_EQ(vm_space_collapse(s, pages(0, N), &collapsed), OK);
	CHECK_EQ(collapsed, 0);
	CHECK_EQ(vm_space_unmap(s, pages(1, N - 1), &done), OK);
	end();
}

/* The only large page of all that a program can have. */
TEST(vm_collapse_of_everything_finds_the_page)
{
	uint64_t collapsed, done;
	struct vrange all;

	begin();
	all = (struct vrange){ s->start, s->end - s->start };
	CHECK_EQ(vm_space_collapse(s, all, &collapsed), OK);
	CHECK_EQ(collapsed, 0);
	CHECK_EQ(vm_space_map(s, pages(0, 2 * N), RW, 2), OK);
	CHECK_EQ(page_store(s, page_at(N), 1), OK);
	CHECK_EQ(vm_space_protect(s, pages(N + 1, 1), PROP_READ, &done), OK);
	CHECK_EQ(vm_space_protect(s, pages(N + 1, 1), RW, &done), OK);
	CHECK_EQ(vm_space_query(s, page_at(N)).level, 1);
	CHECK_EQ(vm_space_collapse(s, all, &collapsed), OK);
	CHECK_EQ(collapsed, 1);
	CHECK_EQ(vm_space_query(s, page_at(N)).level, 2);
	end();
}

#endif
