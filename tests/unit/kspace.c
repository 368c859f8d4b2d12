/* SPDX-License-Identifier: MIT */
/*
 * Tests of mm/kspace/kspace.c.  In the kernel on the table that the CPU walks; on the host on one
 * built for a simulated machine, whose areas are queried but not accessed.
 */
#include "mm/kspace/kspace.h"

#include "lib/panic.h"
#include "lib/string.h"
#include "mm/frame/regions.h"
#include "tests/machine.h"
#include "tests/test.h"
#ifndef KEEL_TESTS
#include "arch/host/host.h"
#endif

enum {
	FLAG_W = 1 << 1,
	AREAS = 40,
#ifdef KEEL_TESTS
	STEPS = 400,
#else
	STEPS = 4000,
#endif
};
#define DIRECT       UINT64_C(0xffff800000000000)
#define VMALLOC      UINT64_C(0xfffff00000000000)
#define IMAGE_OFFSET UINT64_C(0xffffffff80000000)
#define NO_MEMORY    GIB(3) /* in no region: for simulated devices */

static void begin(void)
{
#ifndef KEEL_TESTS
	static struct region r[] = { { MIB(1), MIB(2), REGION_USABLE },
				     { MIB(2), MIB(4), REGION_KERNEL },
				     { MIB(4), MIB(200) + 100, REGION_USABLE },
				     { MIB(200) + 100, MIB(200) + 8192, REGION_ACPI },
				     { MIB(201), MIB(202), REGION_RESERVED },
				     { GIB(4), GIB(5), REGION_USABLE } };
	static const struct kspace_section sections[] = {
		{ IMAGE_OFFSET + MIB(2), IMAGE_OFFSET + MIB(2) + KIB(64), PROP_READ | PROP_EXECUTE,
		  "text" },
		{ IMAGE_OFFSET + MIB(2) + KIB(64), IMAGE_OFFSET + MIB(3), PROP_READ,
		  "read-only data" },
		{ IMAGE_OFFSET + MIB(3), IMAGE_OFFSET + MIB(4), PROP_READ | PROP_WRITE, "data" },
	};
	struct kspace_layout layout = { DIRECT, (vaddr_t)host_meta, VMALLOC, IMAGE_OFFSET + MIB(2),
					GIB(4), IMAGE_OFFSET };

	layout.meta = UINT64_C(0xffffe00000000000);
	NEED(machine_start(r, ARRAY_SIZE(r), 1, MIB(32) / PAGE_SIZE) == OK);
	NEED(kspace_build(&layout, sections, ARRAY_SIZE(sections), r, ARRAY_SIZE(r)) == OK);
#endif
}

/* A page walk as in SDM 3A 4.5; *rights combines those of all levels. */
static uint64_t walk(uint64_t va, uint64_t *rights, uint64_t *page)
{
	const struct page_table *pt = kspace_table();
	uint64_t table = frame_paddr(pt->root).raw, all = UINT64_MAX;

	*rights = 0;
	for (int shift = 12 + 9 * ((int)pt->levels - 1);; shift -= 9) {
		uint64_t e = ((uint64_t *)arch_direct(paddr(table)))[va >> shift & 511];

		if ((e & 1) == 0)
			return UINT64_MAX;
		all &= e ^ UINT64_C(1) << 63; /* NX is combined by OR, the others by AND */
		if (shift == 12 || (e & 0x80) != 0) {
			*rights = (all & FLAG_W) | (all >> 63) << 2 | (e & 0x118);
			*page = UINT64_C(1) << shift;
			return (e & 0x000ffffffffff000) + (va & (*page - 1));
		}
		table = e & 0x000ffffffffff000;
	}
}

TEST(kspace_linear_map_has_all_memory_and_nothing_else)
{
	const struct region *r;
	uint64_t rights, page;
	size_t n;

	begin();
	r = report_regions(&n);
	for (size_t i = 0; i < n; i++) {
		bool memory = r[i].type != REGION_RESERVED && r[i].type != REGION_FRAMEBUFFER &&
			      r[i].type != REGION_BAD;
		uint64_t first = align_up(r[i].start, PAGE_SIZE),
			 last = align_down(r[i].end, PAGE_SIZE);
		uint64_t middle = align_down(first + (last - first) / 2, PAGE_SIZE);

		if (first >= last || last > TIB(16))
			continue;
		for (unsigned k = 0; k < 3; k++) {
			uint64_t pa = k == 0 ? first : k == 1 ? middle : last - PAGE_SIZE;
			uint64_t got = walk(DIRECT + pa, &rights, &page);

			CHECK_EQ(got, memory ? pa : UINT64_MAX);
			CHECK_EQ(rights & 4, 0);                 /* never executable */
			CHECK(!memory || (rights & 0x18) == 0);  /* cached */
			CHECK(!memory || (rights & 0x100) != 0); /* global */
		}
	}
	CHECK_EQ(walk(DIRECT + TIB(15), &rights, &page), UINT64_MAX);
}

TEST(kspace_uses_the_largest_pages_that_fit)
{
	const struct region *r;
	uint64_t rights, page;
	size_t n;

	begin();
	r = report_regions(&n);
	for (size_t i = 0; i < n; i++) {
		uint64_t at = align_up(r[i].start, MIB(2));

		if (r[i].type != REGION_USABLE || at + MIB(2) > r[i].end || at < MIB(2))
			continue;
		(void)walk(DIRECT + at, &rights, &page);
		CHECK(page >= MIB(2));
		at = align_up(r[i].start, GIB(1));
		if (at + GIB(1) > r[i].end || arch_pt_leaf_level_max() < 3)
			continue;
		(void)walk(DIRECT + at, &rights, &page);
		CHECK_EQ(page, GIB(1));
	}
}

TEST(kspace_has_no_page_that_is_writable_and_executable)
{
	const char *wrong;

	begin();
	wrong = kspace_check();
	if (wrong != NULL)
		test_fail(__FILE__, __LINE__, "%s", wrong);
}

/* ---- areas ---- */

struct test_area {
	uint8_t *p;
	size_t bytes;
};

static void touch(const struct test_area *a, uint8_t byte)
{
#ifdef KEEL_TESTS
	memset(a->p, byte, a->bytes);
#else
	(void)a;
	(void)byte;
#endif
}

static bool holds(const struct test_area *a, uint8_t byte)
{
#ifdef KEEL_TESTS
	return a->p[0] == byte && a->p[a->bytes / 2] == byte && a->p[a->bytes - 1] == byte;
#else
	(void)a;
	(void)byte;
	return true;
#endif
}

static void check_area(const struct test_area *a)
{
	vaddr_t va = (vaddr_t)a->p;
	uint64_t pages = align_up(a->bytes, PAGE_SIZE) / PAGE_SIZE, rights, page;

	CHECK_EQ(va % PAGE_SIZE, 0);
	CHECK_EQ(vmalloc_size(a->p), pages * PAGE_SIZE);
	CHECK_EQ(walk(va - 1, &rights, &page), UINT64_MAX); /* guards */
	CHECK_EQ(walk(va + pages * PAGE_SIZE, &rights, &page), UINT64_MAX);
	for (uint64_t i = 0; i < pages; i++) {
		uint64_t pa = walk(va + i * PAGE_SIZE, &rights, &page);

		CHECK(pa != UINT64_MAX && (rights & FLAG_W) != 0 && (rights & 4) == 0);
		CHECK_EQ(frame_count(frame_of_slot(meta_slot_of(paddr_to_pfn(paddr(pa))))), 1);
	}
}

TEST(kspace_areas_are_apart_guarded_and_come_back)
{
	static struct test_area areas[AREAS];
	struct kspace_stats was;
	struct ledger before;

	begin();
	/* tables of the area are never freed: allocate them first */
	vfree(vmalloc(PAGE_SIZE));
	vfree(vmalloc(MIB(4)));
	before = machine_ledger();
	was = kspace_stats();
	memset(areas, 0, sizeof(areas));
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned i = (unsigned)test_random_below(AREAS);
		struct test_area *a = &areas[i];

		if (a->p != NULL) {
			CHECK(holds(a, (uint8_t)i));
			vfree(a->p);
			a->p = NULL;
			continue;
		}
		a->bytes = 1 + test_random_below(test_random_below(8) == 0 ? 600000 : 20000);
		a->p = vmalloc(a->bytes);
		NEED(a->p != NULL);
		touch(a, (uint8_t)i);
		if (step % 16 == 0)
			check_area(a);
	}
	for (unsigned i = 0; i < AREAS; i++)
		vfree(areas[i].p);
	CHECK_EQ(kspace_stats().areas, was.areas);
	CHECK_EQ(kspace_stats().pages, was.pages);
	/* level-2 tables allocated meanwhile stay: the only legitimate difference */
	before.available -= kspace_stats().nodes - was.nodes;
	CHECK_LEDGER(&before);
	CHECK(kspace_check() == NULL);
}

static void free_it(void *p)
{
	vfree(p);
}

TEST(kspace_bad_sizes_and_pointers_are_refused)
{
	uint8_t *p;

	begin();
	CHECK(vmalloc(0) == NULL);
	CHECK(vmalloc(SIZE_MAX) == NULL);
	CHECK(vmalloc(GIB(2)) == NULL);
	vfree(NULL);
	p = vmalloc(3 * PAGE_SIZE);
	NEED(p != NULL);
	CHECK(test_panics(free_it, p + PAGE_SIZE, "not the start of an area"));
	CHECK(test_panics(free_it, p + 8, "not the start of an area"));
	CHECK(test_panics(free_it, (void *)DIRECT, "not the start of an area"));
	CHECK_EQ(vmalloc_size(p + 1), 0);
	vfree(p);
	CHECK(test_panics(free_it, p, "not the start of an area"));
}

TEST(kspace_stack_has_guards_and_is_no_vmalloc_area)
{
	uint64_t rights, page;
	char text[80];
	uint8_t *s;

	begin();
	s = kspace_stack_alloc(4 * PAGE_SIZE, "test");
	NEED(s != NULL);
	CHECK_EQ(walk((vaddr_t)s - 8, &rights, &page), UINT64_MAX);
	kspace_describe((vaddr_t)s - 8, text, sizeof(text));
	CHECK_STR(text, "guard page below a stack of 4 pages of test");
	kspace_describe((vaddr_t)s + PAGE_SIZE, text, sizeof(text));
	CHECK_STR(text, "page 1 of a stack of 4 pages of test");
	CHECK(test_panics(free_it, s, "not the start of an area"));
	kspace_stack_free(s);
}

/* ---- windows ---- */

TEST(kspace_windows_of_two_devices_in_a_page_are_shared_and_counted)
{
	uint64_t rights, page;
	uint8_t *a, *b, *c;
	struct kspace_stats was;

	begin();
	was = kspace_stats();
	CHECK_EQ(
		kspace_map_mmio(paddr(NO_MEMORY + 0x200), 0x200, MEM_UNCACHED, "test", (void **)&a),
		OK);
	CHECK_EQ(
		kspace_map_mmio(paddr(NO_MEMORY + 0xe00), 0x200, MEM_UNCACHED, "test", (void **)&b),
		OK);
	CHECK_EQ(a + 0xc00, b);
	CHECK_EQ(kspace_stats().windows, was.windows + 1);
	CHECK_EQ(kspace_map_mmio(paddr(NO_MEMORY), 8, MEM_WRITE_COMBINING, "test", (void **)&c),
		 ERR_IN_USE);
	CHECK_EQ(walk((vaddr_t)a, &rights, &page), NO_MEMORY + 0x200);
	CHECK_EQ(rights & 0x18, 0x18); /* uncached */
	kspace_unmap_mmio(a);
	CHECK_EQ(walk((vaddr_t)b, &rights, &page), NO_MEMORY + 0xe00);
	kspace_unmap_mmio(b);
	CHECK_EQ(walk((vaddr_t)b, &rights, &page), UINT64_MAX);
	CHECK_EQ(kspace_map_mmio(paddr(NO_MEMORY), 8, MEM_WRITE_COMBINING, "test", (void **)&c),
		 OK);
	CHECK_EQ(walk((vaddr_t)c, &rights, &page), NO_MEMORY);
	CHECK_EQ(rights & 0x18, 0x08); /* PAT 1: write-combining */
	kspace_unmap_mmio(c);
	CHECK_EQ(kspace_stats().windows, was.windows);
}

TEST(kspace_large_windows_use_large_pages)
{
	uint64_t rights, page;
	uint8_t *a;

	begin();
	CHECK_EQ(kspace_map_mmio(paddr(NO_MEMORY + MIB(16)), MIB(8), MEM_WRITE_COMBINING, "test",
				 (void **)&a),
		 OK);
	CHECK_EQ(walk((vaddr_t)a + MIB(5), &rights, &page), NO_MEMORY + MIB(21));
	CHECK_EQ(page, MIB(2));
	kspace_unmap_mmio(a);
}

static void unmap_it(void *p)
{
	kspace_unmap_mmio(p);
}

TEST(kspace_windows_into_memory_or_nowhere_are_refused)
{
	const struct region *r;
	void *p;
	size_t n;

	begin();
	r = report_regions(&n);
	for (size_t i = 0; i < n; i++)
		if (r[i].type == REGION_USABLE) {
			CHECK_EQ(kspace_map_mmio(paddr(r[i].start), 8, MEM_UNCACHED, "test", &p),
				 ERR_BAD_RANGE);
			CHECK_EQ(kspace_map_mmio(paddr(r[i].end - 1), 1, MEM_UNCACHED, "test", &p),
				 ERR_BAD_RANGE);
		}
	CHECK_EQ(kspace_map_mmio(paddr(NO_MEMORY), 0, MEM_UNCACHED, "test", &p), ERR_BAD_RANGE);
	CHECK_EQ(kspace_map_mmio(paddr(NO_MEMORY), SIZE_MAX, MEM_UNCACHED, "test", &p),
		 ERR_BAD_RANGE);
	CHECK_EQ(kspace_map_mmio(paddr(UINT64_MAX - 4), 8, MEM_UNCACHED, "test", &p),
		 ERR_BAD_RANGE);
	CHECK_EQ(kspace_map_mmio(paddr(UINT64_C(1) << 60), 8, MEM_UNCACHED, "test", &p),
		 ERR_BAD_RANGE);
	CHECK_EQ(kspace_map_mmio(paddr(NO_MEMORY), 8, MEM_TYPES, "test", &p), ERR_BAD_RANGE);
	CHECK(test_panics(unmap_it, (void *)DIRECT, "not in an MMIO window"));
}

TEST(audit_ksp_02_windows_map_the_requested_address)
{
	void *low, *high;

	begin();
	/* both below and above 4 GiB: there is no fixed range */
	CHECK_EQ(kspace_map_mmio(paddr(NO_MEMORY), PAGE_SIZE, MEM_UNCACHED, "test", &low), OK);
	CHECK_EQ(kspace_map_mmio(paddr(GIB(512)), PAGE_SIZE, MEM_UNCACHED, "test", &high), OK);
	kspace_unmap_mmio(low);
	kspace_unmap_mmio(high);
}

#ifndef KEEL_TESTS
TEST(kspace_invalidates_a_range_before_it_is_used_again)
{
	uint8_t *p;
	bool invalidated = false;

	begin();
	p = vmalloc(2 * PAGE_SIZE);
	NEED(p != NULL);
	host_tlb_log.pages = host_tlb_log.alls = 0;
	vfree(p);
	for (unsigned i = 0; i < host_tlb_log.pages; i++)
		invalidated = invalidated || host_tlb_log.page[i] == (vaddr_t)p + PAGE_SIZE;
	CHECK(invalidated || host_tlb_log.alls != 0);
}

TEST(kspace_survives_every_failure_of_a_node)
{
	void *window;
	uint8_t *p;

	begin();
	vfree(vmalloc(PAGE_SIZE));
	for (unsigned nth = 1; nth < 8; nth++) {
		struct ledger before = machine_ledger();
		uint64_t nodes = kspace_stats().nodes;

		pt_node_inject_failure(nth);
		p = vmalloc(MIB(5));
		if (p != NULL)
			vfree(p);
		pt_node_inject_failure(nth);
		if (kspace_map_mmio(paddr(NO_MEMORY), MIB(3), MEM_UNCACHED, "test", &window) == OK)
			kspace_unmap_mmio(window);
		pt_node_inject_failure(0);
		before.available -= kspace_stats().nodes - nodes;
		CHECK_LEDGER(&before);
	}
}
#endif
