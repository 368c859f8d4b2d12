/* SPDX-License-Identifier: MIT */
/*
 * Tests of the page-table engine with a second format, that of an IOMMU: random operations, a flat
 * map, and a walker that does not snoop caches, so it sees only entries that were written back.  It
 * caches translations until they are invalidated, and a frame that it can still reach must not be
 * freed.
 */
#include "iommu/second_stage.h"

#include "lib/string.h"
#include "mm/pt/engine.h"
#include "tests/machine.h"
#include "tests/test.h"
#include "tests/walker.h"

enum {
	LEVELS = 4,
	PAGES = 3 * 512, /* of the window that the model covers */
	NODES_MAX = 16,
	FRAMES = 64, /* tracked frames in the window */
#ifdef KEEL_TESTS
	STEPS = 300,
#else
	STEPS = 3000,
#endif
};
#define BASE (GIB(512) - MIB(4)) /* the window spans two root entries */
#define TOP  (UINT64_C(1) << 48)

/* A device's access to a page. */
struct access {
	uint64_t pa;
	uint8_t read, write;
	uint8_t shift; /* log2 of the page size; set by walk() only */
};

static struct second_stage stage = { .leaf_level_max = PT_LEAF_LEVEL_MAX };
static struct access model[PAGES], cached[PAGES];
static struct frame *spacer[FRAMES]; /* in between, so that tracked frames are not contiguous */
static struct tlb_batch gone;

/* ---- memory as seen by a walker that does not snoop caches ---- */

static struct {
	uint64_t table; /* physical address, 0: free */
	uint64_t entry[PT_ENTRIES];
} seen[NODES_MAX];
static unsigned write_backs; /* calls of second_stage_write_lines() */

static uint64_t *seen_table(uint64_t table)
{
	for (unsigned i = 0; i < NODES_MAX; i++)
		if (seen[i].table == table)
			return seen[i].entry;
	return NULL;
}

void second_stage_write_lines(const _Atomic pte_t *first, unsigned n)
{
	uint64_t pa = arch_direct_to_paddr((const void *)(uintptr_t)first).raw;
	uint64_t table = align_down(pa, PAGE_SIZE), *entry = seen_table(table);

	for (unsigned i = 0; entry == NULL && i < NODES_MAX; i++)
		if (seen[i].table == 0) {
			seen[i].table = table;
			memset(seen[i].entry, 0xff, PAGE_SIZE);
			entry = seen[i].entry;
		}
	if (entry == NULL) {
		test_fail(__FILE__, __LINE__, "more than NODES_MAX tables");
		return;
	}
	for (unsigned i = 0; i < n; i++)
		entry[pa % PAGE_SIZE / sizeof(pte_t) + i] =
			atomic_load_explicit(&first[i], memory_order_relaxed);
	write_backs++;
}

/* An independent version of the walk: VT-d 3.6 and 9.8. */
static struct access walk(uint64_t va)
{
	uint64_t table = frame_paddr(stage.table.root).raw;

	for (int shift = 12 + 9 * (LEVELS - 1);; shift -= 9) {
		const uint64_t *memory = stage.snoops ? arch_direct(paddr(table))
						      : seen_table(table);
		uint64_t e = memory == NULL ? 0 : memory[va >> shift & 511];

		if ((e & 3) == 0)
			return (struct access){ 0, 0, 0, 0 };
		if (shift == 12 || (e >> 7 & 1) != 0)
			return (struct access){ (e & 0x000ffffffffff000) +
							(va & ((UINT64_C(1) << shift) - 1)),
						e & 1, e >> 1 & 1, (uint8_t)shift };
		table = e & 0x000ffffffffff000;
	}
}

/* ---- the walker's cache ---- */

static vaddr_t page_va(unsigned page)
{
	return BASE + (uint64_t)page * PAGE_SIZE;
}

static bool equal(struct access a, struct access b)
{
	return a.pa == b.pa && a.read == b.read && a.write == b.write;
}

/* Fails if the walk still reaches memory that is about to be freed. */
static void check_unreachable(uint64_t pa, uint64_t len)
{
	for (unsigned page = 0; page < PAGES; page++) {
		struct access is = walk(page_va(page));

		if ((is.read | is.write) != 0 && is.pa - pa < len)
			test_fail(__FILE__, __LINE__,
				  "page %u: a device reaches %lx, which is being freed", page,
				  is.pa);
	}
}

static bool tables_went; /* since the last nodes were retired, a request without hint came */

/* A unit may remember a large page in parts. */
static void invalidate(struct tlb_walker *w, const struct tlb_pages *pages)
{
	CHECK(w == &stage.walker);
	for (unsigned page = 0; page < PAGES; page++)
		if (walker_is_told(pages, page_va(page)))
			cached[page].read = cached[page].write = 0;
	tables_went |= pages->reach == TLB_TABLES;
	for (unsigned i = 0; i < gone.runs; i++)
		check_unreachable(frame_paddr(gone.run[i].first).raw,
				  (uint64_t)gone.run[i].n * PAGE_SIZE << gone.run[i].order);
}

void second_stage_retire(pfn_t first)
{
	CHECK(tables_went);
	tables_went = false;
	for (unsigned i = 0; i < NODES_MAX; i++)
		if (seen[i].table != 0 && seen[i].table != frame_paddr(stage.table.root).raw &&
		    atomic_load_explicit(&meta_slot_at(paddr(seen[i].table))->u.node.dead,
					 memory_order_relaxed) != 0)
			seen[i].table = 0;
	engine_retire(&second_stage_format, first);
}

void second_stage_destroy(struct page_table *table)
{
	engine_destroy(&second_stage_format, table->root);
}

/* ---- the model ---- */

static bool fails(unsigned page, struct access is, struct access should, const char *source)
{
	test_fail(__FILE__, __LINE__,
		  "page %u: %s has %lx, %u%u, and it should be %lx, %u%u (SEED=%lu)", page, source,
		  is.pa, is.read, is.write, should.pa, should.read, should.write, test_seed());
	return false;
}

static struct access lookup_access(vaddr_t va)
{
	struct pt_item item = engine_query_table(&second_stage_format, &stage.table, va);

	if (item.kind != PT_ITEM_LEAF)
		return (struct access){ 0, 0, 0, 0 };
	return (struct access){ item.pa.raw + (va - item.start), (item.prop.flags & PROP_READ) != 0,
				(item.prop.flags & PROP_WRITE) != 0, 0 };
}

/* Memory, the engine's lookup and the walker's cache agree with the model. */
static bool all_agree(void)
{
	for (unsigned page = 0; page < PAGES; page++) {
		struct access is = walk(page_va(page));

		if (!equal(is, model[page]) ||
		    is.shift > PT_PAGE_SHIFT + PT_INDEX_BITS * (stage.leaf_level_max - 1))
			return fails(page, is, model[page], "memory");
		if (!equal(lookup_access(page_va(page)), model[page]))
			return fails(page, lookup_access(page_va(page)), model[page], "the lookup");
		if ((cached[page].read | cached[page].write) != 0 &&
		    !equal(cached[page], model[page]))
			return fails(page, cached[page], model[page], "the walker");
		cached[page] = is; /* a device may access any page at any time */
	}
	return true;
}

static void set_model(unsigned page, unsigned n, uint64_t pa, unsigned flags)
{
	for (unsigned i = page; i < page + n; i++)
		model[i] = (struct access){ flags == 0 ? 0 : pa + (uint64_t)(i - page) * PAGE_SIZE,
					    (flags & PROP_READ) != 0, (flags & PROP_WRITE) != 0,
					    0 };
}

/* ---- steps ---- */

static unsigned some_rights(void)
{
	static const unsigned rights[] = { PROP_READ, PROP_WRITE, PROP_READ | PROP_WRITE };

	return rights[test_random_below(3)];
}

static bool is_free(unsigned page, unsigned n)
{
	for (unsigned i = page; i < page + n; i++)
		if ((model[i].read | model[i].write) != 0)
			return false;
	return true;
}

static err_t map_registers(struct cursor *c, unsigned page, unsigned n)
{
	unsigned flags = some_rights();
	bool alike = test_random_below(2) == 0;
	uint64_t pa = alike ? GIB(4) + (uint64_t)page * PAGE_SIZE : GIB(8) + PAGE_SIZE;
	err_t err = engine_map_pa(&second_stage_format, c, paddr(pa), (uint64_t)n * PAGE_SIZE,
				  (struct page_prop){ (uint16_t)flags, MEM_WRITE_BACK }, 3);

	if (err == OK)
		set_model(page, n, pa, flags);
	return err;
}

/* Map tracked frames one by one. */
static err_t map_frames(struct cursor *c, unsigned page, unsigned n)
{
	err_t err = OK;

	for (unsigned i = page; i < page + n && i < FRAMES && err == OK; i++) {
		struct frame *f = frame_alloc(FRAME_TEST);
		unsigned flags = some_rights();

		if (f == NULL)
			return ERR_NO_MEMORY;
		err = engine_map(&second_stage_format, c, f,
				 (struct page_prop){ (uint16_t)flags, MEM_WRITE_BACK });
		if (err != OK) {
			frame_put(f);
			return err;
		}
		set_model(i, 1, frame_paddr(f).raw, flags);
	}
	return err;
}

static err_t protect(struct cursor *c, unsigned page, unsigned n)
{
	unsigned flags = some_rights();
	const struct pt_change change = { { (uint16_t)flags, MEM_WRITE_BACK }, ~0u, 0 };
	err_t err = engine_protect(&second_stage_format, c, (uint64_t)n * PAGE_SIZE, &change);

	for (unsigned i = page; err == OK && i < page + n; i++)
		if ((model[i].read | model[i].write) != 0)
			model[i] = (struct access){ model[i].pa, (flags & PROP_READ) != 0,
						    (flags & PROP_WRITE) != 0, 0 };
	return err;
}

static err_t step(struct cursor *c, unsigned page, unsigned n)
{
	err_t err;

	if (is_free(page, n))
		return test_random_below(2) == 0 ? map_registers(c, page, n)
						 : map_frames(c, page, n);
	if (test_random_below(3) == 0)
		return protect(c, page, n);
	err = engine_unmap(&second_stage_format, c, (uint64_t)n * PAGE_SIZE);
	if (err == OK)
		set_model(page, n, 0, 0);
	return err;
}

static err_t one_step(unsigned page, unsigned n)
{
	struct cursor c;
	err_t err;

	tlb_batch_init_for(&gone, &stage.walker);
	err = engine_open(&second_stage_format, &c, &stage.table,
			  (struct vrange){ page_va(page), (uint64_t)n * PAGE_SIZE }, &gone);
	if (err != OK)
		return err;
	err = step(&c, page, n);
	engine_close(&second_stage_format, &c);
	tlb_batch_finish_by(&gone, second_stage_retire);
	return err;
}

static void begin(void)
{
	static struct frame *other[FRAMES];

#ifndef KEEL_TESTS
	machine_start_simple(256, 0, 1);
#endif
	pt_node_inject_failure(0);
	stage.walker.invalidate = invalidate;
	tables_went = false;
	write_backs = 0;
	memset(model, 0, sizeof(model));
	memset(cached, 0, sizeof(cached));
	memset(seen, 0, sizeof(seen));
	stage.table = (struct page_table){ .root = pt_node_alloc(LEVELS),
					   .levels = LEVELS,
					   .keep = LEVELS };
	NEED(stage.table.root != NULL);
	second_stage_write_back(&stage.table, pt_node_entries(stage.table.root), PT_ENTRIES);
	for (unsigned i = 0; i < FRAMES; i++) {
		other[i] = frame_alloc(FRAME_TEST);
		spacer[i] = frame_alloc(FRAME_TEST);
		NEED(other[i] != NULL && spacer[i] != NULL);
	}
	for (unsigned i = 0; i < FRAMES; i++)
		frame_put(other[i]);
}

static void end(void)
{
	for (unsigned i = 0; i < FRAMES; i++)
		frame_put(spacer[i]);
	frame_put(stage.table.root);
}

static bool unmap_all(void)
{
	struct cursor c;
	err_t err;

	tlb_batch_init_for(&gone, &stage.walker);
	err = engine_open(&second_stage_format, &c, &stage.table, (struct vrange){ 0, TOP }, &gone);
	if (err != OK)
		return false;
	err = engine_unmap(&second_stage_format, &c, TOP);
	engine_close(&second_stage_format, &c);
	tlb_batch_finish_by(&gone, second_stage_retire);
	return err == OK && pt_node_children(stage.table.root) == 0;
}

static void random_operations(void)
{
	struct ledger before;

#ifndef KEEL_TESTS
	machine_start_simple(256, 0, 1);
#endif
	before = machine_ledger();
	begin();
	for (unsigned i = 0; i < STEPS; i++) {
		unsigned page = (unsigned)test_random_below(PAGES);
		unsigned n = 1 + (unsigned)test_random_below(
					 test_random_below(4) == 0 ? PAGES - page : 40);
		const char *wrong;
		err_t err;

		n = n < PAGES - page ? n : PAGES - page;
		if (test_random_below(8) == 0) {
			page = (unsigned)align_down(page, 512);
			n = 512;
		}
		err = one_step(page, n);
		if (err != OK) {
			test_fail(__FILE__, __LINE__, "step %u of [%u, %u): %s (SEED=%lu)", i, page,
				  page + n, err_name(err), test_seed());
			break;
		}
		wrong = engine_check_table(&second_stage_format, &stage.table);
		CHECK_STR(wrong == NULL ? "" : wrong, "");
		if (!all_agree() || wrong != NULL)
			break;
	}
	CHECK(unmap_all());
	set_model(0, PAGES, 0, 0);
	CHECK(all_agree());
	test_diag("%d steps, %u write-backs", STEPS, write_backs);
	end();
	CHECK_LEDGER(&before);
}

TEST(second_stage_random_operations_agree_with_memory_and_what_walkers_remember)
{
	random_operations();
	CHECK(write_backs != 0);
}

/* Units differ: this one has no pages of 1 GiB or 2 MiB, and snoops the caches. */
TEST(second_stage_unit_that_snoops_and_has_small_pages_alone)
{
	stage.snoops = true;
	stage.leaf_level_max = 1;
	random_operations();
	CHECK_EQ(write_backs, 0);
	stage.snoops = false;
	stage.leaf_level_max = PT_LEAF_LEVEL_MAX;
}

TEST(second_stage_addresses_begin_at_zero_and_end_where_the_levels_do)
{
	static const struct {
		struct vrange range;
		unsigned levels;
		bool ok;
	} row[] = {
		{ { 0, PAGE_SIZE }, 3, true },
		{ { GIB(512) - PAGE_SIZE, PAGE_SIZE }, 3, true },
		{ { GIB(512), PAGE_SIZE }, 3, false },
		{ { GIB(512) - PAGE_SIZE, 2 * PAGE_SIZE }, 3, false },
		{ { TOP / 2, TOP / 2 }, 4, true }, /* not canonical, but valid for a device */
		{ { 0, TOP }, 4, true },
		{ { TOP, PAGE_SIZE }, 4, false },
		{ { TOP, PAGE_SIZE }, 5, true },
		{ { 0 - PAGE_SIZE, PAGE_SIZE }, 5, false },
		{ { UINT64_C(0xffff800000000000), PAGE_SIZE }, 4, false },
		{ { 0, 0 }, 4, false },
		{ { 1, PAGE_SIZE }, 4, false },
	};

	for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct page_table t = { .levels = row[i].levels };

		CHECK_EQ(engine_range_ok(&second_stage_format, &t, row[i].range), row[i].ok);
	}
}

TEST(second_stage_entries_are_those_of_the_specification)
{
	const struct page_prop rw = { PROP_READ | PROP_WRITE, MEM_WRITE_BACK };
	const struct page_prop read = { PROP_READ, MEM_WRITE_BACK };
	const struct page_prop write = { PROP_WRITE | PROP_TRACKED, MEM_WRITE_BACK };

	/* VT-d 9.8: R, W, PS */
	CHECK_EQ(second_stage_make_leaf(&stage.table, 0x12345000, rw, 1), 0x12345003);
	CHECK_EQ(second_stage_make_leaf(&stage.table, 0x12345000, read, 1), 0x12345001);
	CHECK_EQ(second_stage_make_leaf(&stage.table, 0x40000000, rw, 2), 0x40000083);
	CHECK_EQ(second_stage_make_leaf(&stage.table, 0x40000000, write, 3), 0x0010000040000082);
	stage.snoop_control = true; /* SNP */
	CHECK_EQ(second_stage_make_leaf(&stage.table, 0x12345000, rw, 1), 0x12345803);
	stage.snoop_control = false;
	CHECK_EQ(second_stage_format.make_table(0x5000), 0x5003);
	CHECK(pt_is_present(&second_stage_format, 2));      /* write-only is present */
	CHECK(!pt_is_marker(&second_stage_format, 0x3000)); /* there are none */
	CHECK(pt_is_leaf(&second_stage_format, 0x82, 2));
	CHECK(!pt_is_leaf(&second_stage_format, 0x3, 2));
}

static void map_one(struct page_table *table, uint64_t va, struct frame *f, bool tracked)
{
	struct page_prop rw = { PROP_READ | PROP_WRITE | PROP_DIRTY, MEM_WRITE_BACK };
	struct cursor c;

	tlb_batch_init_for(&gone, &stage.walker);
	CHECK_EQ(engine_open(&second_stage_format, &c, table, (struct vrange){ va, PAGE_SIZE },
			     &gone),
		 OK);
	if (tracked)
		CHECK_EQ(engine_map(&second_stage_format, &c, f, rw), OK);
	else
		CHECK_EQ(engine_map_pa(&second_stage_format, &c, frame_paddr(f), PAGE_SIZE, rw, 1),
			 OK);
	engine_close(&second_stage_format, &c);
}

/* Bits that mean something else in a CPU's entry: the dirty bit, and bit 52. */
TEST(second_stage_destroyed_table_puts_what_it_owns_alone)
{
	struct frame *borrowed, *owned;
	struct ledger before;

#ifndef KEEL_TESTS
	machine_start_simple(64, 0, 1);
#endif
	before = machine_ledger();
	memset(seen, 0, sizeof(seen));
	borrowed = frame_alloc(FRAME_DMA);
	owned = frame_alloc(FRAME_DMA);
	NEED(borrowed != NULL && owned != NULL && page_table_init(&stage.table, LEVELS) == OK);
	map_one(&stage.table, MIB(4), borrowed, false);
	map_one(&stage.table, GIB(8), frame_get(owned), true);
	page_table_destroy(&stage.table);
	CHECK_EQ(frame_count(borrowed), 1);
	CHECK_EQ(frame_count(owned), 1);
	frame_put(borrowed);
	frame_put(owned);
	CHECK_LEDGER(&before);
}
