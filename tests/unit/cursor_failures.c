/* SPDX-License-Identifier: MIT */
/*
 * Each operation of mm/pt/cursor*.c with the nth node allocation failing, for every n: it returns
 * ERR_NO_MEMORY, it has done exactly what it advanced over (C3), and it leaks nothing.
 *
 * A table with every kind of entry is built for each n.  The state after a failed operation is
 * compared, entry by entry and count by count, with that after the same operation over the shorter
 * length.
 */
#include "mm/pt/cursor.h"

#include "lib/string.h"
#include "tests/machine.h"
#include "tests/test.h"

enum {
	SINGLES = 600,
	RUNS_MAX = 64,
	FIRST_OF_RUN = 8, /* index of the first single frame of "map a run" */
};
#define BASE  TIB(1)
#define LARGE (BASE + GIB(512)) /* 2 MiB, untracked */
#define BLOCK (LARGE + MIB(2))  /* 2 MiB, tracked */
#define SMALL (LARGE + MIB(4))  /* four tracked pages, the first with two owners */
#define ROW   (LARGE + MIB(8))  /* 512 contiguous, aligned pages */
#define HUGE  (LARGE + GIB(1))  /* 1 GiB, untracked */
#define NONE  (LARGE + GIB(3))  /* nothing */
#define END   (BASE + TIB(1))

static const struct page_prop rw = { PROP_READ | PROP_WRITE, MEM_WRITE_BACK };
static const struct page_prop ro = { PROP_READ, MEM_WRITE_BACK };

static struct page_table pt;
static struct tlb_batch gone;
static struct cursor c;
static struct frame *block, *loose;
static struct segment row;

/* ---- the state of the table ---- */

/* Consecutive entries with the same contents are one run, so a split alone changes nothing. */
struct run {
	vaddr_t start, end;
	enum pt_item_kind kind;
	uint64_t pa;
	uint32_t marker;
	struct page_prop prop;
};

struct picture {
	unsigned runs;
	struct run run[RUNS_MAX];
	uint32_t of_block[CHUNK_FRAMES]; /* counts */
	uint32_t of_single[SINGLES];
	uint32_t of_loose;
};

static bool continues(const struct run *r, const struct run *next)
{
	return r->end == next->start && r->kind == next->kind && r->marker == next->marker &&
	       page_prop_equal(r->prop, next->prop) &&
	       (r->kind != PT_ITEM_LEAF || r->pa + (r->end - r->start) == next->pa);
}

/* Each table has another block, so pages of the block are identified by their offset. */
static uint64_t place(uint64_t pa)
{
	uint64_t offset = pa - frame_paddr(block).raw;

	return offset < MIB(2) ? offset : pa;
}

static void add_run(struct picture *p, const struct pt_item *i)
{
	uint64_t pa = i->kind == PT_ITEM_LEAF ? place(i->pa.raw) : 0;
	struct run next = { i->start, i->start + i->len, i->kind, pa, i->marker, i->prop };

	if (p->runs > 0 && continues(&p->run[p->runs - 1], &next))
		p->run[p->runs - 1].end = next.end;
	else if (p->runs < RUNS_MAX)
		p->run[p->runs++] = next;
	else
		test_fail(__FILE__, __LINE__, "more than RUNS_MAX runs");
}

static struct frame *nth_frame(pfn_t first, unsigned n)
{
	return frame_of_slot(meta_slot_of(first + n));
}

/* The count of a frame of the block; 0 for a freed one, which may be in use by others. */
static uint32_t owners(const struct frame *f)
{
	return frame_kind_of(f) == FRAME_TEST ? frame_count(f) : 0;
}

static void take_picture(struct picture *p)
{
	struct pt_item i;

	memset(p, 0, sizeof(*p));
	for (vaddr_t va = BASE; va < END; va = i.start + i.len) {
		i = page_table_query(&pt, va);
		if (i.kind != PT_ITEM_ABSENT)
			add_run(p, &i);
	}
	for (unsigned n = 0; n < CHUNK_FRAMES; n++)
		p->of_block[n] = owners(nth_frame(frame_pfn(block), n));
	for (unsigned n = 0; n < SINGLES; n++)
		p->of_single[n] = frame_count(nth_frame(row.first, n));
	p->of_loose = frame_count(loose);
}

static bool same_runs(const struct picture *a, const struct picture *b)
{
	if (a->runs != b->runs)
		return false;
	for (unsigned i = 0; i < a->runs; i++) {
		const struct run *x = &a->run[i], *y = &b->run[i];

		if (x->start != y->start || x->end != y->end || x->kind != y->kind ||
		    x->pa != y->pa || x->marker != y->marker || !page_prop_equal(x->prop, y->prop))
			return false;
	}
	return true;
}

static bool same(const struct picture *a, const struct picture *b)
{
	return same_runs(a, b) && memcmp(a->of_block, b->of_block, sizeof(a->of_block)) == 0 &&
	       memcmp(a->of_single, b->of_single, sizeof(a->of_single)) == 0 &&
	       a->of_loose == b->of_loose;
}

/* ---- building and tearing down ---- */

static void lock_range(void)
{
	tlb_batch_init(&gone, &tlb_kernel_space);
	CHECK_EQ(cursor_open(&c, &pt, (struct vrange){ BASE, END - BASE }, &gone), OK);
}

static void unlock_range(void)
{
	cursor_close(&c);
	tlb_batch_finish(&gone);
}

static struct cursor *jump(vaddr_t va)
{
	CHECK_EQ(cursor_jump(&c, va), OK);
	return &c;
}

/* The table is the only owner of the block; the test keeps a count of all other frames. */
static bool build(void)
{
	err_t err = page_table_init(&pt, 4);

	block = frame_alloc_block(FRAME_TEST, CHUNK_ORDER);
	CHECK(err == OK && block != NULL);
	if (err != OK || block == NULL)
		return false;
	lock_range();
	CHECK_EQ(cursor_set_marker(&c, GIB(512), 5), OK);
	CHECK_EQ(cursor_map_pa(&c, paddr(GIB(8)), MIB(2), rw, 2), OK);
	CHECK_EQ(cursor_map(&c, block, rw), OK);
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(cursor_map(&c, frame_get(nth_frame(row.first, i)), rw), OK);
	CHECK_EQ(cursor_map_pa(jump(ROW), paddr(GIB(12)), MIB(2), rw, 1), OK);
	CHECK_EQ(cursor_set_marker(&c, MIB(2), 9), OK);
	CHECK_EQ(cursor_map_pa(jump(HUGE), paddr(GIB(10)), GIB(1), rw, 3), OK);
	return true;
}

static void tear_down(const char *name)
{
	const char *wrong;

	unlock_range();
	wrong = page_table_check(&pt);
	if (wrong != NULL)
		test_fail(__FILE__, __LINE__, "%s: %s", name, wrong);
	page_table_destroy(&pt);
	for (unsigned i = 0; i < SINGLES; i++)
		if (frame_count(nth_frame(row.first, i)) != 1)
			test_fail(__FILE__, __LINE__, "%s: frame %u has %u owners", name, i,
				  frame_count(nth_frame(row.first, i)));
	CHECK_EQ(frame_count(loose), 1);
}

/* ---- the operations: from va on, over `len` bytes ---- */

struct operation {
	const char *name;
	vaddr_t start;
	uint64_t len;
	err_t (*run)(uint64_t len); /* C3: advances va over what it did; a split does not */
	unsigned nodes; /* that it allocates: missing nodes on paths, and splits at both ends */
};

static err_t run_map_pa(uint64_t len)
{
	return cursor_map_pa(&c, paddr(GIB(16) + (c.va - NONE)), len, rw, 3);
}

static err_t run_map_run(uint64_t len)
{
	unsigned n = (unsigned)(len / PAGE_SIZE), left;
	pfn_t first = row.first + FIRST_OF_RUN + (pfn_t)((c.va - (NONE + MIB(1))) / PAGE_SIZE);
	vaddr_t start = c.va;
	err_t err;

	for (unsigned i = 0; i < n; i++)
		(void)frame_get(nth_frame(first, i));
	err = cursor_map_run(&c, first, n, rw);
	left = n - (unsigned)((c.va - start) / PAGE_SIZE);
	for (unsigned i = n - left; i < n; i++)
		frame_put(nth_frame(first, i));
	return err;
}

static err_t run_map(uint64_t len)
{
	err_t err = cursor_map(&c, frame_get(loose), ro);

	(void)len;
	if (err != OK)
		frame_put(loose);
	return err;
}

static err_t run_marker(uint64_t len)
{
	return cursor_set_marker(&c, len, 3);
}

static err_t run_replace(uint64_t len)
{
	struct page_prop own = { PROP_READ | PROP_TRACKED, MEM_WRITE_BACK };
	err_t err = cursor_replace(&c, frame_paddr(frame_get(loose)), own, 1);

	(void)len;
	if (err != OK)
		frame_put(loose);
	return err;
}

static err_t run_replace_large(uint64_t len)
{
	(void)len;
	return cursor_replace(&c, paddr(GIB(20)), rw, 2);
}

static err_t run_unmap(uint64_t len)
{
	return cursor_unmap(&c, len);
}

static err_t run_protect(uint64_t len)
{
	return cursor_protect(&c, len, &(struct pt_change){ ro, 1, 0x100 });
}

static err_t run_split(uint64_t len)
{
	(void)len;
	return cursor_split(&c);
}

static err_t run_collapse(uint64_t len)
{
	(void)len;
	return cursor_collapse(&c, 2);
}

static const struct operation operations[] = {
	{ "map memory", NONE + PAGE_SIZE, MIB(4) + 2 * PAGE_SIZE, run_map_pa, 3 },
	{ "map a run", NONE + MIB(1), 520 * PAGE_SIZE, run_map_run, 3 },
	{ "map a frame", NONE, PAGE_SIZE, run_map, 2 },
	{ "marker", NONE + PAGE_SIZE, GIB(1) + MIB(2) + PAGE_SIZE, run_marker, 4 },
	{ "replace nothing", NONE, MIB(2), run_replace_large, 1 },
	{ "replace in a marker", BASE + GIB(3) + 5 * PAGE_SIZE, PAGE_SIZE, run_replace, 3 },
	{ "replace a page", SMALL, PAGE_SIZE, run_replace, 0 },
	{ "unmap the end of a marker", LARGE - PAGE_SIZE, 3 * PAGE_SIZE, run_unmap, 4 },
	{ "unmap in a block", BLOCK + 3 * PAGE_SIZE, MIB(2), run_unmap, 1 },
	{ "unmap nearly all", BASE + PAGE_SIZE, END - BASE - 2 * PAGE_SIZE, run_unmap, 3 },
	{ "protect in a huge page", HUGE + MIB(2) + PAGE_SIZE, PAGE_SIZE, run_protect, 2 },
	{ "protect in a block", BLOCK + PAGE_SIZE, PAGE_SIZE, run_protect, 1 },
	{ "change markers", BASE + GIB(2) - PAGE_SIZE, GIB(2), run_protect, 5 },
	{ "split a huge page", HUGE + 5 * PAGE_SIZE, PAGE_SIZE, run_split, 2 },
	{ "split a marker", BASE + PAGE_SIZE, PAGE_SIZE, run_split, 3 },
	{ "split a block", BLOCK + PAGE_SIZE, PAGE_SIZE, run_split, 1 },
	{ "collapse", ROW, MIB(2), run_collapse, 0 },
};

/* The state of a new table after the operation over `len` bytes; 0: it does not run. */
static bool picture_after(const struct operation *o, uint64_t len, struct picture *out)
{
	if (!build())
		return false;
	(void)jump(o->start);
	if (len > 0)
		CHECK_EQ(o->run(len), OK);
	take_picture(out);
	tear_down(o->name);
	return true;
}

static struct picture failed, expected, finished, whole;

/* False: it succeeded. */
static bool fails_with_nth(const struct operation *o, unsigned n)
{
	uint64_t moved;
	err_t err;

	if (!build())
		return false;
	(void)jump(o->start);
	pt_node_inject_failure(n);
	err = o->run(o->len);
	pt_node_inject_failure(0);
	moved = c.va - o->start;
	take_picture(&failed);
	if (err != OK)
		CHECK_EQ(o->run(o->len - moved), OK); /* resume where it stopped */
	take_picture(&finished);
	tear_down(o->name);
	if (!same(&finished, &whole))
		test_fail(__FILE__, __LINE__, "%s: cannot be completed after failure %u", o->name,
			  n);
	if (err == OK)
		return false;
	CHECK_EQ(err, ERR_NO_MEMORY);
	CHECK(picture_after(o, moved, &expected));
	if (!same(&failed, &expected))
		test_fail(__FILE__, __LINE__, "%s: failure %u did more or less than %#lx bytes",
			  o->name, n, moved);
	return true;
}

static void check_operation(const struct operation *o)
{
	unsigned n = 1;

	CHECK(picture_after(o, o->len, &whole));
	while (fails_with_nth(o, n))
		n++;
	if (n - 1 != o->nodes)
		test_fail(__FILE__, __LINE__, "%s: allocates %u nodes, not %u", o->name, n - 1,
			  o->nodes);
}

TEST(cursor_operations_survive_the_failure_of_each_node)
{
	struct ledger before;

#ifndef KEEL_TESTS
	machine_start_simple(256, 0, 1);
#endif
	pt_node_inject_failure(0);
	before = machine_ledger();
	loose = frame_alloc(FRAME_TEST);
	NEED(loose != NULL);
	NEED(segment_alloc(FRAME_TEST, SINGLES, PAGE_SIZE, UINT64_MAX, &row) == OK);
	for (unsigned i = 0; i < ARRAY_SIZE(operations); i++) {
		check_operation(&operations[i]);
		CHECK_EQ(frame_count(loose), 1);
	}
	segment_put(&row);
	frame_put(loose);
	CHECK_LEDGER(&before);
}

TEST(page_table_populate_survives_the_failure_of_each_node)
{
	struct vrange range = { BASE, GIB(3) };
	struct ledger before;

#ifndef KEEL_TESTS
	machine_start_simple(256, 0, 1);
#endif
	before = machine_ledger();
	pt_node_inject_failure(1);
	CHECK_EQ(page_table_init(&pt, 4), ERR_NO_MEMORY);
	for (unsigned n = 1; n <= 1 + 3; n++) { /* one of level 3, three of level 2 */
		NEED(page_table_init(&pt, 4) == OK);
		pt_node_inject_failure(n);
		CHECK_EQ(page_table_populate(&pt, range, 2), ERR_NO_MEMORY);
		pt_node_inject_failure(0);
		CHECK(page_table_check(&pt) == NULL);
		CHECK_EQ(page_table_populate(&pt, range, 2), OK);
		CHECK_EQ(page_table_nodes(&pt), 1 + 1 + 3);
		page_table_destroy(&pt);
	}
	CHECK_LEDGER(&before);
}
