/* SPDX-License-Identifier: MIT */
/* Tests of boot/source.c, in addition to those of the parsers that use it
 * (tests/unit/multiboot2.c). */
#include "boot/source.h"

#include "lib/bits.h"
#include "lib/string.h"
#include "mm/frame/page.h"
#include "tests/test.h"

enum {
#ifdef KEEL_TESTS
	GAP_ROUNDS = 500,
#else
	GAP_ROUNDS = 20000,
#endif
};

/* ---- memory ---- */

/* Whether [0x4000, 0x6000) has memory when a region of that type is at [start, end). */
static bool has_ram(uint64_t start, uint64_t end, enum region_type type)
{
	struct region list[] = { { 0, 0x1000, REGION_USABLE }, { start, end, type } };
	struct boot_info bi = { .sources = list, .source_count = ARRAY_SIZE(list) };

	return boot_info_has_ram(&bi, (struct prange){ paddr(0x4000), 0x2000 });
}

/* What each type is: RAM, in the direct map, with metadata for its frames. */
TEST(source_types_of_regions_answer_each_question)
{
	static const struct {
		bool ram, mapped, frames;
	} want[REGION_TYPES] = {
		[REGION_BAD] = { .ram = true },
		[REGION_KERNEL] = { true, true, true },
		[REGION_MODULE] = { true, true, true },
		[REGION_BOOT_INFO] = { true, true, true },
		[REGION_FRAMEBUFFER] = { .ram = false },
		[REGION_ACPI_NVS] = { .ram = true, .mapped = true },
		[REGION_ACPI] = { .ram = true, .mapped = true },
		[REGION_RESERVED] = { .ram = false },
		[REGION_USABLE] = { true, true, true },
	};

	for (enum region_type type = 0; type < REGION_TYPES; type++) {
		CHECK_EQ(region_type_is_ram(type), want[type].ram);
		CHECK_EQ(region_type_is_mapped(type), want[type].mapped);
		CHECK_EQ(region_type_has_frames(type), want[type].frames);
		CHECK_EQ(has_ram(0x3000, 0x7000, type), want[type].ram);
	}
}

TEST(source_memory_beside_a_range_is_not_in_it)
{
	CHECK(!has_ram(0x1000, 0x4000, REGION_USABLE));
	CHECK(!has_ram(0x6000, 0x8000, REGION_USABLE));
	CHECK(has_ram(0x1000, 0x4001, REGION_USABLE));
	CHECK(has_ram(0x5fff, 0x8000, REGION_USABLE));
	CHECK(has_ram(0x5000, 0x5001, REGION_USABLE));
}

/* ---- gap search ---- */

struct list_walk {
	struct source_walk walk;
	const struct region *list;
	size_t count;
};
static unsigned walks; /* over a list */

static err_t each_of_list(const struct source_walk *walk, struct source_visitor *v)
{
	const struct list_walk *l = container_of(walk, const struct list_walk, walk);

	walks++;
	for (size_t i = 0; i < l->count; i++)
		v->visit(v, &l->list[i]);
	return OK;
}

/* Whether [at, at + len) is inside a usable entry and [min, max), and overlaps no other type. */
static bool gap_is_good(const struct list_walk *l, uint64_t min, uint64_t max, uint64_t at,
			uint64_t len)
{
	bool inside = false;

	if (at < min || at >= max || max - at < len || at % PAGE_SIZE != 0)
		return false;
	for (size_t i = 0; i < l->count; i++) {
		const struct region *r = &l->list[i];

		if (r->type == REGION_USABLE)
			inside = inside || (r->start <= at && at < r->end && r->end - at >= len);
		else if (r->start < at + len && at < r->end)
			return false;
	}
	return inside;
}

TEST(source_gaps_agree_with_a_search_of_every_page)
{
	static struct region list[12];
	struct list_walk l = { { each_of_list }, list, 0 };
	enum {
		PAGES = 48,
		QUARTER = PAGE_SIZE / 4
	};
	unsigned found = 0;

	for (unsigned round = 0; round < GAP_ROUNDS; round++) {
		uint64_t len = 1 + test_random_below(8 * PAGE_SIZE), at = 0;
		uint64_t min = test_random_below(PAGES) * QUARTER;
		uint64_t max = min + test_random_below(4 * PAGES) * QUARTER, first;
		bool any = false;
		err_t e;

		l.count = test_random_below(ARRAY_SIZE(list) + 1);
		for (size_t i = 0; i < l.count; i++) {
			uint64_t start = test_random_below(4 * PAGES) * QUARTER;
			uint64_t max_quarters = test_random_below(2) == 0 ? 4 * PAGES : 12;

			list[i].start = start;
			list[i].end = start + (1 + test_random_below(max_quarters)) * QUARTER;
			list[i].type = test_random_below(2) == 0
					       ? REGION_USABLE
					       : (enum region_type)test_random_below(REGION_USABLE);
		}
		for (first = 0; first < 2 * PAGES && !any; first += !any)
			any = gap_is_good(&l, min, max, first * PAGE_SIZE, len);
		e = source_find_gap(&l.walk, min, max, len, &at);
		NEED(e == (any ? OK : ERR_NO_MEMORY));
		NEED(!any || at == first * PAGE_SIZE);
		found += any;
	}
	CHECK(found > GAP_ROUNDS / 10);
	CHECK(found < GAP_ROUNDS);
}

/* Thousands of entries in descending order, each usable one overlapped by a bad one: the number of
 * walks must stay linear in the number of entries. */
TEST(source_gaps_in_a_hostile_map_take_two_passes_an_entry_at_most)
{
	enum {
		PAIRS = 2000,
		STEP = 64 * PAGE_SIZE,
		BEHIND = 62 * PAGE_SIZE /* end of the overlapping entry */
	};
	static struct region list[2 * PAIRS];
	struct list_walk l = { { each_of_list }, list, 2 * PAIRS };
	uint64_t at = 0;

	for (uint64_t i = 0; i < PAIRS; i++) {
		uint64_t start = (PAIRS - i) * STEP;

		list[2 * i] = (struct region){ start, start + STEP, REGION_USABLE };
		list[2 * i + 1] = (struct region){ start + PAGE_SIZE, start + BEHIND, REGION_BAD };
	}
	walks = 0;
	CHECK(source_find_gap(&l.walk, 0, UINT64_MAX, 3 * PAGE_SIZE, &at) == ERR_NO_MEMORY);
	CHECK(walks <= 2 * l.count + 1);
	CHECK(source_find_gap(&l.walk, 0, UINT64_MAX, 2 * PAGE_SIZE, &at) == OK);
	CHECK_EQ(at, STEP + BEHIND);
	test_diag("%zu entries, %u walks", l.count, walks);
}

/* Rounding up beyond the last page must neither wrap nor loop forever. */
TEST(source_gaps_at_the_end_of_the_address_space)
{
	struct region list[] = { { UINT64_MAX - 9999, UINT64_MAX, REGION_USABLE },
				 { 0, UINT64_MAX, REGION_ACPI } };
	struct list_walk l = { { each_of_list }, list, 2 };
	uint64_t at;

	CHECK(source_find_gap(&l.walk, 0, UINT64_MAX, 1, &at) == ERR_NO_MEMORY);
	CHECK(source_find_gap(&l.walk, UINT64_MAX - 1, UINT64_MAX, 1, &at) == ERR_NO_MEMORY);
	l.count = 1;
	CHECK(source_find_gap(&l.walk, UINT64_MAX - 1, UINT64_MAX, 1, &at) == ERR_NO_MEMORY);
	NEED(source_find_gap(&l.walk, 0, UINT64_MAX, 4095, &at) == OK);
	CHECK(gap_is_good(&l, 0, UINT64_MAX, at, 4095));
	CHECK(source_find_gap(&l.walk, 0, UINT64_MAX, UINT64_MAX, &at) == ERR_NO_MEMORY);
	CHECK(source_find_gap(&l.walk, 0, 0, 1, &at) == ERR_NO_MEMORY);
}

static err_t each_fails(const struct source_walk *walk, struct source_visitor *v)
{
	(void)walk;
	(void)v;
	return ERR_BAD_FORMAT;
}

TEST(source_gap_returns_the_error_of_the_walk)
{
	struct source_walk walk = { each_fails };
	uint64_t at;

	CHECK(source_find_gap(&walk, 0, MIB(1), 1, &at) == ERR_BAD_FORMAT);
}

/* ---- the arena ---- */

TEST(source_arena_is_aligned_zeroed_and_bounded)
{
	static uint8_t memory[64] __aligned(8);
	struct boot_arena a = { memory + 1, memory + sizeof(memory) };
	uint8_t *p;

	memset(memory, 0xff, sizeof(memory));
	p = boot_arena_take(&a, 3);
	CHECK(p == memory + 8);
	CHECK(p[0] == 0 && p[2] == 0 && p[3] == 0xff);
	CHECK(boot_arena_take(&a, 49) == NULL);
	CHECK(boot_arena_take(&a, SIZE_MAX) == NULL);
	CHECK(boot_arena_take(&a, SIZE_MAX - 8) == NULL);
	p = boot_arena_take(&a, 48);
	CHECK(p == memory + 16);
	CHECK(boot_arena_take(&a, 0) != NULL);
	CHECK(boot_arena_take(&a, 1) == NULL);
	CHECK(boot_arena_string(&a, "", 0) == NULL);
}

TEST(source_arena_copies_strings_up_to_their_end)
{
	static uint8_t memory[64] __aligned(8);
	struct boot_arena a = { memory, memory + sizeof(memory) };

	CHECK_STR(boot_arena_string(&a, "abcdef", 3), "abc");
	CHECK_STR(boot_arena_string(&a, "abc\0def", 7), "abc");
	CHECK_STR(boot_arena_string(&a, "", 0), "");
}

static void add_two_sources(void *arg)
{
	struct region room[1], r = { 0, 1, REGION_BAD };
	struct boot_info bi = { .sources = room, .source_room = 1 };

	(void)arg;
	boot_info_add_source(&bi, &r);
	boot_info_add_source(&bi, &r);
}

static void add_a_module(void *arg)
{
	struct boot_info bi = { .module_room = 0 };
	struct boot_module m = { .cmdline = "" };

	(void)arg;
	boot_info_add_module(&bi, &m);
}

TEST(source_full_arrays_are_an_assertion_failure)
{
	CHECK(test_panics(add_two_sources, NULL, "source_room"));
	CHECK(test_panics(add_a_module, NULL, "module_room"));
}
