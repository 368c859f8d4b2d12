/* SPDX-License-Identifier: MIT */
/*
 * Tests of mm/frame/regions.c.  The oracle is a map of UNITS units, each with the first type of all
 * entries that cover it; the expected regions are its runs.
 */
#include "mm/frame/regions.h"

#include "lib/string.h"
#include "mm/frame/page.h"
#include "tests/test.h"

#ifndef KEEL_TESTS
#include <stdlib.h>
#endif

enum {
	UNITS = 256, /* of the oracle's map */
	NOTHING = REGION_TYPES,
	ENTRIES_MAX = 40, /* of a random map */
#ifdef KEEL_TESTS
	ROUNDS = 2000,
	MANY = 1000,
#else
	ROUNDS = 100000,
	MANY = 10000,
#endif
};

static struct region in[MANY], normal[2 * MANY], final[6 * MANY];
static struct region_edge edges[2 * MANY];
static size_t in_count, normal_count, final_count;

static void add(uint64_t start, uint64_t end, enum region_type type)
{
	in[in_count++] = (struct region){ start, end, type };
}

static void build(void)
{
	normal_count = regions_normalise(in, in_count, edges, normal);
	final_count = regions_trim(normal, normal_count, final);
	CHECK_EQ(regions_check(normal, normal_count), normal_count);
	CHECK_EQ(regions_check(final, final_count), final_count);
}

static bool same(const struct region *a, size_t n, const struct region *b, size_t m)
{
	if (n != m)
		return false;
	for (size_t i = 0; i < n; i++)
		if (a[i].start != b[i].start || a[i].end != b[i].end || a[i].type != b[i].type)
			return false;
	return true;
}

static void print_list(const char *name, const struct region *r, size_t n)
{
	for (size_t i = 0; i < n; i++)
		test_diag("%s: %#lx %#lx %s", name, r[i].start, r[i].end,
			  region_type_name(r[i].type));
}

/* ---- the oracle ---- */

static uint64_t origin, unit; /* unit i: `unit` bytes at origin + i * unit */
static uint8_t bitmap[UNITS];
static struct region expected[UNITS];

static void oracle_mark(void)
{
	memset(bitmap, NOTHING, sizeof(bitmap));
	for (size_t i = 0; i < in_count; i++) {
		if ((unsigned)in[i].type >= REGION_TYPES)
			continue;
		for (uint64_t at = in[i].start; at < in[i].end; at += unit) {
			uint8_t *u = &bitmap[(at - origin) / unit];

			if (*u > in[i].type)
				*u = (uint8_t)in[i].type;
		}
	}
}

/* Usable units in a frame that is not entirely usable become reserved. */
static void oracle_trim(void)
{
	uint64_t units_in_frame = PAGE_SIZE / unit;
	uint8_t before[UNITS];

	memcpy(before, bitmap, sizeof(before));
	for (uint64_t u = 0; u < UNITS; u++) {
		uint64_t first = u - u % units_in_frame; /* origin is a multiple of a frame */

		for (uint64_t k = first; k < first + units_in_frame && before[u] == REGION_USABLE;
		     k++)
			if (k >= UNITS || before[k] != REGION_USABLE)
				bitmap[u] = REGION_RESERVED;
	}
}

static size_t oracle_read(void)
{
	size_t n = 0;

	for (uint64_t u = 0; u < UNITS; u++) {
		uint64_t start = origin + u * unit;

		if (bitmap[u] == NOTHING)
			continue;
		if (u > 0 && bitmap[u - 1] == bitmap[u])
			expected[n - 1].end = start + unit;
		else
			expected[n++] = (struct region){ start, start + unit, bitmap[u] };
	}
	return n;
}

static uint64_t oracle_bytes(void)
{
	uint64_t units = 0;

	for (unsigned u = 0; u < UNITS; u++)
		units += bitmap[u] != NOTHING;
	return units * unit;
}

static uint64_t all_bytes(const struct region *r, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += r[i].end - r[i].start;
	return sum;
}

static bool build_agrees(void)
{
	size_t n, m;
	bool good;

	build();
	oracle_mark();
	n = oracle_read();
	good = same(normal, normal_count, expected, n) &&
	       all_bytes(normal, normal_count) == oracle_bytes();
	oracle_trim();
	m = oracle_read();
	good = good && same(final, final_count, expected, m) &&
	       all_bytes(final, final_count) == oracle_bytes();
	if (!good) {
		print_list("in", in, in_count);
		print_list("normalised", normal, normal_count);
		print_list("trimmed", final, final_count);
		print_list("expected", expected, m);
	}
	return good;
}

static void make_random_map(void)
{
	static const uint64_t units[] = { 512, 1024, PAGE_SIZE };
	static const uint64_t origins[] = { 0, MIB(1), TIB(3), -(uint64_t)MIB(2) };
	size_t n = test_random_below(ENTRIES_MAX + 1);
	/* few types and short entries half of the time, so that many touch */
	uint64_t types = test_random_below(2) == 0 ? 2 : REGION_TYPES;
	uint64_t longest = 1 + test_random_below(UNITS);

	in_count = 0;
	unit = units[test_random_below(ARRAY_SIZE(units))];
	origin = origins[test_random_below(ARRAY_SIZE(origins))];
	for (size_t i = 0; i < n; i++) {
		uint64_t start = test_random_below(UNITS);
		uint64_t len = test_random_below(longest + 1);
		uint64_t type = REGION_USABLE + 1 - types + test_random_below(types);

		add(origin + start * unit, origin + min_u64(start + len, UNITS) * unit,
		    (enum region_type)type);
		if (test_random_below(32) == 0)
			in[in_count - 1].type =
				(enum region_type)(REGION_TYPES + test_random_below(3));
		if (test_random_below(32) == 0)
			in[in_count - 1].end = in[in_count - 1].start;
	}
}

TEST(regions_random_maps_agree_with_a_bitmap)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		make_random_map();
		NEED(build_agrees());
	}
}

/* ---- the memory map of finding MEM-01 ---- */

TEST(audit_mem_01_overlapping_usable_regions_come_out_once)
{
	static const struct region want[] = {
		{ 1, 2, REGION_RESERVED },  { 3, 5, REGION_RESERVED },   { 5, 8, REGION_USABLE },
		{ 8, 10, REGION_RESERVED }, { 11, 12, REGION_RESERVED },
	};
	unsigned usable = 0;

	in_count = 0;
	add(4, 9, REGION_USABLE);
	add(5, 9, REGION_USABLE);
	add(1, 2, REGION_RESERVED);
	add(3, 5, REGION_RESERVED);
	add(8, 10, REGION_RESERVED);
	add(11, 12, REGION_RESERVED);
	build();
	CHECK(same(normal, normal_count, want, ARRAY_SIZE(want)));
	for (size_t i = 0; i < normal_count; i++)
		usable += normal[i].type == REGION_USABLE;
	CHECK_EQ(usable, 1);
}

/* The same in frames, through the trim. */
TEST(audit_mem_01_overlapping_usable_frames_come_out_once)
{
	static const struct region want[] = {
		{ 1 * PAGE_SIZE, 2 * PAGE_SIZE, REGION_RESERVED },
		{ 3 * PAGE_SIZE, 5 * PAGE_SIZE, REGION_RESERVED },
		{ 5 * PAGE_SIZE, 8 * PAGE_SIZE, REGION_USABLE },
		{ 8 * PAGE_SIZE, 10 * PAGE_SIZE, REGION_RESERVED },
		{ 11 * PAGE_SIZE, 12 * PAGE_SIZE, REGION_RESERVED },
	};

	in_count = 0;
	add(4 * PAGE_SIZE, 9 * PAGE_SIZE, REGION_USABLE);
	add(5 * PAGE_SIZE, 9 * PAGE_SIZE, REGION_USABLE);
	add(1 * PAGE_SIZE, 2 * PAGE_SIZE, REGION_RESERVED);
	add(3 * PAGE_SIZE, 5 * PAGE_SIZE, REGION_RESERVED);
	add(8 * PAGE_SIZE, 10 * PAGE_SIZE, REGION_RESERVED);
	add(11 * PAGE_SIZE, 12 * PAGE_SIZE, REGION_RESERVED);
	build();
	CHECK(same(final, final_count, want, ARRAY_SIZE(want)));
	CHECK_EQ(regions_bytes(final, final_count, REGION_USABLE), 3 * PAGE_SIZE);
}

/* ---- single rules ---- */

static enum region_type type_at(uint64_t byte)
{
	const struct region *r = regions_find(final, final_count, byte);

	return r == NULL ? REGION_TYPES : r->type;
}

/* The order of types, written out. */
TEST(regions_the_first_type_of_the_list_wins)
{
	static const struct {
		enum region_type type;
		const char *name;
	} order[] = {
		{ REGION_BAD, "bad" },
		{ REGION_KERNEL, "kernel" },
		{ REGION_MODULE, "module" },
		{ REGION_BOOT_INFO, "boot-info" },
		{ REGION_FRAMEBUFFER, "framebuffer" },
		{ REGION_ACPI_NVS, "acpi-nvs" },
		{ REGION_ACPI, "acpi" },
		{ REGION_RESERVED, "reserved" },
		{ REGION_USABLE, "usable" },
	};

	CHECK_EQ(ARRAY_SIZE(order), REGION_TYPES);
	for (unsigned a = 0; a < REGION_TYPES; a++)
		for (unsigned b = 0; b < REGION_TYPES; b++) {
			in_count = 0;
			add(0, 2 * PAGE_SIZE, order[a].type);
			add(PAGE_SIZE, 3 * PAGE_SIZE, order[b].type);
			build();
			CHECK_STR(region_type_name(type_at(PAGE_SIZE)), order[a < b ? a : b].name);
			CHECK_EQ(final_count, a == b ? 1 : 2);
		}
}

TEST(regions_unknown_types_have_a_name)
{
	CHECK_STR(region_type_name(REGION_TYPES), "?");
	CHECK_STR(region_type_name((enum region_type) - 1), "?");
}

TEST(regions_touching_regions_of_one_type_are_one)
{
	in_count = 0;
	for (uint64_t i = 0; i < 100; i++)
		add((99 - i) * PAGE_SIZE, (100 - i) * PAGE_SIZE, REGION_USABLE);
	build();
	CHECK_EQ(final_count, 1);
	CHECK_EQ(final[0].start, 0);
	CHECK_EQ(final[0].end, 100 * PAGE_SIZE);
}

TEST(regions_touching_regions_of_two_types_stay_two)
{
	in_count = 0;
	add(0, PAGE_SIZE, REGION_USABLE);
	add(PAGE_SIZE, 2 * PAGE_SIZE, REGION_ACPI);
	build();
	CHECK_EQ(final_count, 2);
}

TEST(regions_a_byte_without_an_entry_is_in_no_region)
{
	in_count = 0;
	add(0, PAGE_SIZE, REGION_USABLE);
	add(2 * PAGE_SIZE, 3 * PAGE_SIZE, REGION_USABLE);
	build();
	CHECK_EQ(final_count, 2);
	CHECK(regions_find(final, final_count, PAGE_SIZE) == NULL);
}

TEST(regions_usable_is_rounded_inwards_and_the_rest_is_reserved)
{
	static const struct region want[] = {
		{ 1, PAGE_SIZE, REGION_RESERVED },
		{ PAGE_SIZE, 3 * PAGE_SIZE, REGION_USABLE },
		{ 3 * PAGE_SIZE, 3 * PAGE_SIZE + 5, REGION_RESERVED },
		{ 3 * PAGE_SIZE + 5, 3 * PAGE_SIZE + 7, REGION_MODULE }, /* keeps its bytes */
		{ 3 * PAGE_SIZE + 7, 5 * PAGE_SIZE - 1, REGION_RESERVED },
	};

	in_count = 0;
	add(1, 5 * PAGE_SIZE - 1, REGION_USABLE);
	add(3 * PAGE_SIZE + 5, 3 * PAGE_SIZE + 7, REGION_MODULE);
	build();
	CHECK_EQ(final_count, 5);
	CHECK(same(final, 3, want, 3));
	CHECK(same(final + 3, 1, want + 3, 1));
	CHECK_EQ(final[4].start, want[4].start);
	CHECK_EQ(regions_bytes(final, final_count, REGION_USABLE), 2 * PAGE_SIZE);
}

TEST(regions_what_the_trim_cuts_off_joins_its_reserved_neighbour)
{
	in_count = 0;
	add(0, 100, REGION_RESERVED);
	add(100, PAGE_SIZE + 100, REGION_USABLE);
	add(PAGE_SIZE + 100, 3 * PAGE_SIZE, REGION_RESERVED);
	build();
	CHECK_EQ(final_count, 1);
	CHECK_EQ(final[0].type, REGION_RESERVED);
	CHECK_EQ(final[0].end, 3 * PAGE_SIZE);
}

TEST(regions_no_entry_gives_no_region)
{
	in_count = 0;
	build();
	CHECK_EQ(final_count, 0);
	CHECK(regions_find(final, 0, 0) == NULL);
	CHECK_EQ(regions_bytes(final, 0, REGION_USABLE), 0);
	CHECK(!regions_have_ram(final, 0, 0, UINT64_MAX));
	CHECK_EQ(regions_check(final, 0), 0);
}

TEST(regions_with_no_usable_frame_have_no_usable_bytes)
{
	in_count = 0;
	add(0, 1000, REGION_USABLE); /* no whole frame */
	add(0, 16 * PAGE_SIZE, REGION_RESERVED);
	add(20 * PAGE_SIZE, 21 * PAGE_SIZE - 1, REGION_USABLE);
	build();
	CHECK_EQ(regions_bytes(final, final_count, REGION_USABLE), 0);
	CHECK_EQ(final_count, 2);
}

TEST(regions_empty_reversed_and_unknown_entries_are_skipped)
{
	in_count = 0;
	add(5, 5, REGION_BAD);
	add(9, 3, REGION_BAD);
	add(UINT64_MAX, 0, REGION_BAD);
	add(0, PAGE_SIZE, REGION_TYPES);
	add(0, PAGE_SIZE, (enum region_type)1000);
	add(0, PAGE_SIZE, (enum region_type) - 1);
	build();
	CHECK_EQ(final_count, 0);
	add(0, PAGE_SIZE, REGION_USABLE);
	build();
	CHECK_EQ(final_count, 1);
	CHECK_EQ(final[0].type, REGION_USABLE);
}

TEST(regions_reach_the_end_of_the_address_space)
{
	uint64_t last_frame = UINT64_MAX - UINT64_MAX % PAGE_SIZE;

	in_count = 0;
	add(last_frame - PAGE_SIZE, UINT64_MAX, REGION_USABLE);
	add(UINT64_MAX - 1, UINT64_MAX, REGION_BAD);
	add(0, UINT64_MAX, REGION_USABLE);
	build();
	CHECK_EQ(final_count, 3);
	CHECK_EQ(final[0].start, 0);
	CHECK_EQ(final[0].end, last_frame);
	CHECK_EQ(final[1].type, REGION_RESERVED);
	CHECK_EQ(final[1].end, UINT64_MAX - 1);
	CHECK_EQ(final[2].end, UINT64_MAX);
	in_count = 0;
	add(last_frame + 1, UINT64_MAX, REGION_USABLE); /* cannot be rounded up */
	build();
	CHECK_EQ(final_count, 1);
	CHECK_EQ(final[0].type, REGION_RESERVED);
}

TEST(regions_the_order_of_entries_does_not_matter)
{
	for (unsigned round = 0; round < ROUNDS / 100; round++) {
		static struct region first[6 * ENTRIES_MAX];
		size_t n;

		make_random_map();
		build();
		n = final_count;
		memcpy(first, final, n * sizeof(*first));
		for (size_t i = in_count; i > 1; i--) {
			size_t k = test_random_below(i);
			struct region r = in[i - 1];

			in[i - 1] = in[k];
			in[k] = r;
		}
		build();
		NEED(same(final, final_count, first, n));
	}
}

TEST(regions_normalise_is_idempotent)
{
	for (unsigned round = 0; round < ROUNDS / 100; round++) {
		make_random_map();
		build();
		memcpy(in, final, final_count * sizeof(*in));
		in_count = final_count;
		normal_count = regions_normalise(in, in_count, edges, normal);
		NEED(same(normal, normal_count, in, in_count));
	}
}

/* ---- many ---- */

/* Every second frame is usable, in scrambled order: 7 and MANY have no common factor. */
TEST(regions_ten_thousand_entries_apart)
{
	in_count = 0;
	for (uint64_t i = 0; i < MANY; i++) {
		uint64_t k = i * 7 % MANY;

		add(2 * k * PAGE_SIZE, (2 * k + 1) * PAGE_SIZE, REGION_USABLE);
	}
	build();
	CHECK_EQ(final_count, MANY);
	CHECK_EQ(regions_bytes(final, final_count, REGION_USABLE), (uint64_t)MANY * PAGE_SIZE);
	for (uint64_t i = 0; i < MANY; i++)
		NEED(final[i].start == 2 * i * PAGE_SIZE);
}

/* Entry i covers all later ones: the deepest nesting. */
TEST(regions_ten_thousand_entries_nested)
{
	in_count = 0;
	for (uint64_t i = 0; i < MANY; i++)
		add(i * PAGE_SIZE, (2 * MANY - i) * PAGE_SIZE,
		    i % 2 == 0 ? REGION_USABLE : REGION_ACPI);
	build();
	CHECK_EQ(final_count, 3);
	CHECK_EQ(final[1].start, PAGE_SIZE);
	CHECK_EQ(final[1].end, (2 * MANY - 1) * (uint64_t)PAGE_SIZE);
	CHECK_EQ(final[1].type, REGION_ACPI);
}

/* The maximum number of regions for the arrays: each usable region is cut on both sides. */
TEST(regions_ten_thousand_entries_cut_on_both_sides)
{
	in_count = 0;
	for (uint64_t i = 0; i < MANY; i++)
		add(4 * i * PAGE_SIZE + 1, (4 * i + 3) * PAGE_SIZE - 1, REGION_USABLE);
	build();
	CHECK_EQ(final_count, 3 * MANY);
	CHECK_EQ(regions_bytes(final, final_count, REGION_USABLE), (uint64_t)MANY * PAGE_SIZE);
}

TEST(regions_ten_thousand_entries_of_one_range)
{
	in_count = 0;
	for (uint64_t i = 0; i < MANY; i++)
		add(PAGE_SIZE, 9 * PAGE_SIZE, REGION_USABLE);
	build();
	CHECK_EQ(final_count, 1);
	CHECK_EQ(regions_bytes(final, final_count, REGION_USABLE), 8 * PAGE_SIZE);
}

#ifndef KEEL_TESTS
/* AddressSanitizer detects an access beyond the exact sizes. */
static void check_build(void)
{
	void *memory = malloc(regions_bytes_needed(in_count));
	struct region *entries = malloc(in_count * sizeof(*entries));
	struct region *out;
	size_t n;

	memcpy(entries, in, in_count * sizeof(*entries));
	n = regions_build(entries, in_count, memory, &out);
	CHECK(same(out, n, final, final_count));
	free(entries);
	free(memory);
}

TEST(regions_build_stays_within_its_memory)
{
	for (unsigned round = 0; round < ROUNDS / 20; round++) {
		make_random_map();
		build();
		check_build();
	}
	in_count = 0;
	for (uint64_t i = 0; i < MANY; i++)
		add(4 * i * PAGE_SIZE + 1, (4 * i + 3) * PAGE_SIZE - 1, REGION_USABLE);
	build();
	check_build();
}
#endif

/* ---- lookup ---- */

static const struct region *find_slowly(uint64_t byte)
{
	for (size_t i = 0; i < final_count; i++)
		if (final[i].start <= byte && byte < final[i].end)
			return &final[i];
	return NULL;
}

static bool units_have_ram(uint64_t first, uint64_t end)
{
	for (uint64_t u = first; u < end; u++)
		if (bitmap[u] != NOTHING && bitmap[u] != REGION_RESERVED &&
		    bitmap[u] != REGION_FRAMEBUFFER)
			return true;
	return false;
}

static void check_units(void)
{
	for (uint64_t u = 0; u < UNITS; u++) {
		const struct region *r = regions_find(final, final_count, origin + u * unit);

		NEED((r == NULL) == (bitmap[u] == NOTHING));
		NEED(r == NULL || r->type == bitmap[u]);
		NEED(r == find_slowly(origin + u * unit));
		NEED(regions_find(final, final_count, origin + u * unit + unit - 1) == r);
	}
	for (unsigned i = 0; i < UNITS; i++) {
		uint64_t first = test_random_below(UNITS);
		uint64_t end = first + 1 + test_random_below(UNITS - first);

		NEED(regions_have_ram(final, final_count, origin + first * unit,
				      origin + end * unit) == units_have_ram(first, end));
	}
}

TEST(regions_lookup_agrees_with_the_bitmap)
{
	for (unsigned round = 0; round < ROUNDS / 50; round++) {
		uint64_t sum = 0;

		make_random_map();
		NEED(build_agrees());
		check_units();
		for (unsigned t = 0; t < REGION_TYPES; t++) {
			uint64_t units = 0;

			for (unsigned u = 0; u < UNITS; u++)
				units += bitmap[u] == t;
			NEED(regions_bytes(final, final_count, (enum region_type)t) ==
			     units * unit);
			sum += units;
		}
		NEED(sum * unit == oracle_bytes());
	}
}

TEST(regions_outside_the_map_there_is_nothing)
{
	in_count = 0;
	add(MIB(1), MIB(2), REGION_USABLE);
	build();
	CHECK(regions_find(final, final_count, 0) == NULL);
	CHECK(regions_find(final, final_count, MIB(1) - 1) == NULL);
	CHECK(regions_find(final, final_count, MIB(1)) == &final[0]);
	CHECK(regions_find(final, final_count, MIB(2) - 1) == &final[0]);
	CHECK(regions_find(final, final_count, MIB(2)) == NULL);
	CHECK(regions_find(final, final_count, UINT64_MAX) == NULL);
	CHECK(!regions_have_ram(final, final_count, 0, MIB(1)));
	CHECK(regions_have_ram(final, final_count, 0, MIB(1) + 1));
	CHECK(regions_have_ram(final, final_count, MIB(2) - 1, UINT64_MAX));
	CHECK(!regions_have_ram(final, final_count, MIB(2), UINT64_MAX));
}

TEST(regions_have_ram_where_their_type_is_ram)
{
	for (unsigned t = 0; t < REGION_TYPES; t++) {
		in_count = 0;
		add(MIB(1), MIB(2), (enum region_type)t);
		build();
		CHECK_EQ(regions_have_ram(final, final_count, MIB(1), MIB(2)),
			 region_type_is_ram((enum region_type)t));
	}
}

/* ---- regions_check() rejects each kind of wrong list ---- */

TEST(regions_check_names_the_first_wrong_region)
{
	struct region good[] = { { 0, 1, REGION_USABLE },
				 { 1, 2, REGION_ACPI },
				 { 4, 5, REGION_ACPI } };
	struct region r[3];

	CHECK_EQ(regions_check(good, 3), 3);
	memcpy(r, good, sizeof(r));
	r[1].start = 0; /* overlaps */
	CHECK_EQ(regions_check(r, 3), 1);
	memcpy(r, good, sizeof(r));
	r[2].end = 4; /* empty */
	CHECK_EQ(regions_check(r, 3), 2);
	memcpy(r, good, sizeof(r));
	r[2].start = 2; /* touches a region of the same type */
	CHECK_EQ(regions_check(r, 3), 2);
	memcpy(r, good, sizeof(r));
	r[0].type = REGION_TYPES;
	CHECK_EQ(regions_check(r, 3), 0);
	memcpy(r, good, sizeof(r));
	r[0] = (struct region){ 9, 10, REGION_BAD }; /* not sorted */
	CHECK_EQ(regions_check(r, 3), 1);
}
