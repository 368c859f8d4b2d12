/* SPDX-License-Identifier: MIT */
/* Tests of spaces with allocation failures: each operation with each of its node and frame
 * allocations failing once.  It returns an error, leaves the space unchanged, and leaks nothing. */
#include "mm/vm/space.h"

#include "lib/bits.h"
#include "mm/heap/heap.h"
#include "tests/hog.h"
#include "tests/machine.h"
#include "tests/spaces.h"
#include "tests/test.h"

enum {
	RO = PROP_READ,
	RW = PROP_READ | PROP_WRITE,
	LARGE = 512, /* pages */
	NTH_MAX = 64,
	SINGLES = 16, /* frames that are freed one by one, before all are freed */
	MIB_OF_HOST = 256,
};

/* Test environment of an operation, created anew for each try. */
struct scene {
	struct vm_space *space;
	struct vm_space *child; /* of a fork, or NULL */
	struct vm_object *object;
	struct frame *frame;
};

enum outcome {
	ALL_OR_NOTHING, /* an error changes nothing */
	AS_FAR_AS_DONE, /* the first `done` bytes are changed */
};

struct operation {
	const char *name;
	err_t (*run)(struct scene *s, uint64_t *done);
	bool (*prepare)(struct scene *s); /* or NULL */
	unsigned failures_min;            /* tries that fail before one succeeds */
};

static struct picture picture, child_picture;

/* ---- scenes ---- */

/*
 * Pages   0 ..   3  written         at  512 ..  two anonymous large pages, one of them written
 *         4 ..   7  zero page       at 3072 ..  two large pages of an object
 *         8 ..  15  untouched       at   1 GiB  anonymous, 1 GiB in one entry
 */
static bool scene_make(struct scene *s)
{
	uint64_t value;

	*s = (struct scene){ 0 };
	if (vm_space_new(&s->space) != OK ||
	    vm_object_new(2 * LARGE * PAGE_SIZE, &s->object) != OK ||
	    (s->frame = frame_alloc(FRAME_USER)) == NULL ||
	    vm_space_map(s->space, pages(0, 16), RW, 1) != OK ||
	    vm_space_map(s->space, pages(LARGE, 2 * LARGE), RW, 2) != OK ||
	    vm_space_map_object(s->space, pages(6 * LARGE, 2 * LARGE), s->object, 0, RW) != OK ||
	    vm_space_map(s->space, (struct vrange){ BASE + GIB(1), GIB(1) }, RW, 2) != OK)
		return false;
	for (unsigned i = 0; i < 4; i++)
		if (page_store(s->space, page_at(i), 100 + i) != OK ||
		    page_load(s->space, page_at(4 + i), &value) != OK)
			return false;
	return page_store(s->space, page_at(LARGE + 1), 600) == OK &&
	       page_store(s->space, page_at(6 * LARGE + 1), 700) == OK;
}

static void scene_end(struct scene *s)
{
	if (s->space != NULL)
		vm_space_put(s->space);
	if (s->child != NULL)
		vm_space_put(s->child);
	if (s->object != NULL)
		vm_object_put(s->object);
	if (s->frame != NULL)
		frame_put(s->frame);
}

static void check_owners(struct scene *s)
{
	CHECK_OWNERS((&(struct handles){ .frame = &s->frame,
					 .frames = s->frame != NULL,
					 .object = &s->object,
					 .objects = 1 }));
}

static bool fork_scene(struct scene *s)
{
	return vm_space_fork(s->space, &s->child) == OK;
}

/* ---- operations ---- */

static err_t run_new(struct scene *s, uint64_t *done)
{
	struct vm_space *other;
	err_t err = vm_space_new(&other);

	(void)s, (void)done;
	if (err == OK)
		vm_space_put(other);
	return err;
}

static err_t run_new_object(struct scene *s, uint64_t *done)
{
	struct vm_object *other;
	err_t err = vm_object_new(GIB(1), &other);

	(void)s, (void)done;
	if (err == OK)
		vm_object_put(other);
	return err;
}

/* Needs entries of all levels at both ends of the range. */
static err_t run_map(struct scene *s, uint64_t *done)
{
	(void)done;
	return vm_space_map(
		s->space,
		(struct vrange){ BASE + GIB(3) - 5 * PAGE_SIZE, GIB(3) + MIB(4) + 9 * PAGE_SIZE },
		RW, 1);
}

static err_t run_guard(struct scene *s, uint64_t *done)
{
	(void)done;
	return vm_space_guard(s->space, (struct vrange){ BASE + TIB(2) - PAGE_SIZE, GIB(2) });
}

static err_t run_map_object(struct scene *s, uint64_t *done)
{
	(void)done;
	return vm_space_map_object(s->space,
				   (struct vrange){ BASE + TIB(1) + PAGE_SIZE, PAGE_SIZE },
				   s->object, PAGE_SIZE, RO);
}

static err_t run_map_frame(struct scene *s, uint64_t *done)
{
	err_t err = vm_space_map_frame(s->space, BASE + TIB(1), s->frame, RW);

	(void)done;
	if (err == OK)
		s->frame = NULL;
	return err;
}

/* The range starts and ends inside markers of 1 GiB and of 2 MiB. */
static err_t run_unmap(struct scene *s, uint64_t *done)
{
	return vm_space_unmap(
		s->space,
		(struct vrange){ page_at(2 * LARGE + 7), GIB(1) + MIB(64) - 2 * LARGE * PAGE_SIZE },
		done);
}

static err_t run_protect(struct scene *s, uint64_t *done)
{
	return vm_space_protect(
		s->space,
		(struct vrange){ page_at(2 * LARGE + 7), GIB(1) + MIB(65) - 2 * LARGE * PAGE_SIZE },
		RO, done);
}

static err_t run_unmap_large(struct scene *s, uint64_t *done)
{
	return vm_space_unmap(s->space, pages(LARGE + 9, 5), done);
}

static err_t run_protect_large(struct scene *s, uint64_t *done)
{
	return vm_space_protect(s->space, pages(LARGE + 9, 2 * LARGE - 18), RO, done);
}

static err_t run_fork(struct scene *s, uint64_t *done)
{
	struct vm_space *child;
	err_t err = vm_space_fork(s->space, &child);

	(void)done;
	if (err != OK)
		return err;
	CHECK_PICTURE(&picture, child);
	vm_space_put(child);
	return OK;
}

static err_t fault(struct scene *s, vaddr_t va, enum fault_access access)
{
	return vm_space_handle_fault(s->space, va, access);
}

static err_t run_read_zeros(struct scene *s, uint64_t *done)
{
	(void)done;
	return fault(s, BASE + GIB(1) + GIB(1) / 2, FAULT_READ);
}

static err_t run_write_zeros(struct scene *s, uint64_t *done)
{
	(void)done;
	return fault(s, BASE + GIB(1) + GIB(1) / 2, FAULT_WRITE);
}

static err_t run_write_zero_page(struct scene *s, uint64_t *done)
{
	(void)done;
	return fault(s, page_at(5), FAULT_WRITE);
}

static err_t run_write_large(struct scene *s, uint64_t *done)
{
	(void)done;
	return fault(s, page_at(2 * LARGE + 3), FAULT_WRITE);
}

static err_t run_object(struct scene *s, uint64_t *done)
{
	(void)done;
	return fault(s, page_at(7 * LARGE + 3), FAULT_READ);
}

static err_t run_copy(struct scene *s, uint64_t *done)
{
	(void)done;
	return fault(s, page_at(1), FAULT_WRITE);
}

static err_t run_copy_large(struct scene *s, uint64_t *done)
{
	(void)done;
	return fault(s, page_at(LARGE + 1), FAULT_WRITE);
}

/* The operations, with the minimum number of failures before each succeeds. */
static const struct operation takes_nodes[] = {
	{ "new", run_new, NULL, 1 },
	{ "new object", run_new_object, NULL, 1 },
	{ "map", run_map, NULL, 3 },
	{ "guard", run_guard, NULL, 4 },
	{ "map an object", run_map_object, NULL, 3 },
	{ "map a frame", run_map_frame, NULL, 3 },
	{ "unmap", run_unmap, NULL, 2 },
	{ "unmap of a large page", run_unmap_large, NULL, 1 },
	{ "protect", run_protect, NULL, 3 },
	{ "protect of a large page", run_protect_large, NULL, 2 },
	{ "protect of a large page with others", run_protect_large, fork_scene, 2 },
	{ "fork", run_fork, NULL, 5 },
	{ "read of zeros", run_read_zeros, NULL, 2 },
	{ "write of zeros", run_write_zeros, NULL, 1 }, /* in a large page */
	{ "page of an object", run_object, NULL, 2 },
};

static const struct operation takes_frames[] = {
	{ "new", run_new, NULL, 1 },
	{ "new object", run_new_object, NULL, 1 },
	{ "map", run_map, NULL, 3 },
	{ "unmap of a large page with others", run_unmap_large, fork_scene, 1 },
	{ "fork", run_fork, NULL, 5 },
	{ "write of zeros", run_write_zeros, NULL, 3 },
	{ "write to the zero page", run_write_zero_page, NULL, 1 },
	{ "write to a large page of zeros", run_write_large, NULL, 2 },
	{ "page of an object", run_object, NULL, 3 },
	{ "copy", run_copy, fork_scene, 1 },
	{ "copy of a part of a large page", run_copy_large, fork_scene, 2 },
};

/* ---- one try ---- */

/* The operation failed: check that nothing has changed. */
static void check_unchanged(struct scene *s, const struct operation *o, uint64_t done)
{
	if (done != 0)
		test_fail(__FILE__, __LINE__, "%s: failed after %#lx bytes", o->name, done);
	CHECK_PICTURE(&picture, s->space);
	if (s->child != NULL)
		CHECK_PICTURE(&child_picture, s->child);
	check_owners(s);
}

static void take_pictures(const struct scene *s)
{
	picture_take(&picture, s->space);
	if (s->child != NULL)
		picture_take(&child_picture, s->child);
}

/* Prepare the scene; false: no memory. */
static bool begin_try(struct scene *s, const struct operation *o)
{
	if (!scene_make(s) || (o->prepare != NULL && !o->prepare(s))) {
		test_fail(__FILE__, __LINE__, "%s: no memory to begin with", o->name);
		scene_end(s);
		return false;
	}
	take_pictures(s);
	pt_node_drain();
	return true;
}

/* ---- nodes ---- */

/* Run with a failure of the nth node allocation; returns whether the operation succeeds. */
static bool try_without_node(const struct operation *o, unsigned nth)
{
	struct scene s;
	uint64_t done = 0;
	err_t err;

	if (!begin_try(&s, o))
		return true;
	pt_node_inject_failure(nth);
	err = o->run(&s, &done);
	pt_node_inject_failure(0);
	if (err == ERR_NO_MEMORY)
		check_unchanged(&s, o, done);
	else if (err != OK)
		test_fail(__FILE__, __LINE__, "%s: %s", o->name, err_name(err));
	check_owners(&s);
	scene_end(&s);
	return err != ERR_NO_MEMORY;
}

TEST(vm_space_survives_every_failure_of_a_node)
{
	struct ledger before;

	spaces_begin(MIB_OF_HOST, 0, 1);
	before = machine_ledger();
	for (unsigned i = 0; i < ARRAY_SIZE(takes_nodes); i++) {
		const struct operation *o = &takes_nodes[i];
		unsigned nth = 1;

		while (nth < NTH_MAX && !try_without_node(o, nth))
			nth++;
		if (nth <= o->failures_min || nth == NTH_MAX)
			test_fail(__FILE__, __LINE__, "%s succeeds without its node %u", o->name,
				  nth);
		CHECK_LEDGER(&before);
	}
}

/* ---- frames ---- */

/* Repeat the operation with one more free frame each time, then with all; returns the number of
 * failures. */
static unsigned fail_until_it_succeeds(struct scene *s, const struct operation *o)
{
	unsigned failed = 0;
	uint64_t done = 0;
	err_t err;

	while ((err = o->run(s, &done)) == ERR_NO_MEMORY && failed <= SINGLES) {
		check_unchanged(s, o, done);
		if (failed++ == SINGLES || !hog_give_one())
			hog_give_all();
	}
	if (err != OK)
		test_fail(__FILE__, __LINE__, "%s: %s after %u frames", o->name, err_name(err),
			  failed);
	return failed;
}

TEST(vm_space_survives_every_failure_of_a_frame)
{
	struct ledger before;

	spaces_begin(MIB_OF_HOST, 0, 1);
	before = machine_ledger();
	for (unsigned i = 0; i < ARRAY_SIZE(takes_frames); i++) {
		const struct operation *o = &takes_frames[i];
		struct scene s;
		unsigned failed;

		NEED(begin_try(&s, o));
		(void)machine_ledger(); /* drains the per-CPU caches */
		CHECK(hog_all(SINGLES));
		failed = fail_until_it_succeeds(&s, o);
		if (failed < o->failures_min)
			test_fail(__FILE__, __LINE__, "%s succeeds with %u frames", o->name,
				  failed);
		hog_give_all();
		check_owners(&s);
		scene_end(&s);
		CHECK_LEDGER(&before);
	}
}
