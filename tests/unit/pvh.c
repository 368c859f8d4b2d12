/* SPDX-License-Identifier: MIT */
/*
 * Tests of boot/pvh.c with one window of simulated physical memory, in which tests place the start
 * info, the memory map, the modules and the strings.
 */
#include "boot/pvh.h"

#include "lib/string.h"
#include "mm/frame/regions.h"
#include "tests/test.h"

#ifndef KEEL_TESTS
#include <stdlib.h>
#endif

enum {
	WINDOW_AT = 0x6000,
	WINDOW_BYTES = 16384,
	SPARE = 1,
	STRING_MAX = 4096, /* the parser's maximum string length */
	ENTRY_BYTES = 24,
	MODULE_BYTES = 32,
	COUNT_MAX = 65536,

	/* Offsets in the window. */
	INFO = 0,
	MAP = 0x100,
	MODULES = 0x800,
	TEXT = 0x1000,
	MODULE_TEXT = 0x3000,
	RSDP_COPY = 0x3800,

	/* Fields of the start info. */
	VERSION = 4,
	MODULE_COUNT = 12,
	MODULE_LIST = 16,
	COMMAND_LINE = 24,
	RSDP = 32,
	MAP_LIST = 40,
	MAP_COUNT = 48,
	INFO_BYTES = 56,

	ARENA_BYTES = 128 << 10,
	ROUNDS = 20000,
	KERNEL_ROUNDS = 500,
};

static uint8_t window[WINDOW_BYTES];
static uint64_t window_end; /* accessible bytes */
static uint64_t piece;      /* a read must not cross a multiple of it; 0: no limit */

/* ---- reading ---- */

#ifdef KEEL_TESTS
static const uint8_t *mapping(uint64_t at, uint64_t len)
{
	(void)len;
	return window + at;
}

static void drop_mappings(void)
{
}
#else
/* Each mapping is a separate heap block, so that ASan detects any access beyond its end.  Mappings
 * of single bytes, of which there are many, share the window. */
static void *mappings[1 << 17];
static size_t mapping_count;

static const uint8_t *mapping(uint64_t at, uint64_t len)
{
	if (len == 1 || mapping_count == ARRAY_SIZE(mappings))
		return window + at;
	mappings[mapping_count] = malloc(len);
	return memcpy(mappings[mapping_count++], window + at, len);
}

static void drop_mappings(void)
{
	while (mapping_count > 0)
		free(mappings[--mapping_count]);
}
#endif

static const uint8_t *read_window(void *ctx, uint64_t pa, uint64_t len)
{
	uint64_t at = pa - WINDOW_AT;

	CHECK(ctx == window);
	if (pa < WINDOW_AT || at > window_end || len > window_end - at)
		return NULL;
	if (piece != 0 && at / piece != (at + len - 1) / piece)
		return NULL;
	return mapping(at, len);
}

/* ---- writing ---- */

static void put_at(size_t at, uint64_t v, unsigned bytes)
{
	for (; bytes > 0; bytes--, v >>= 8)
		window[at++] = (uint8_t)v;
}

static void put_text(size_t at, const char *s)
{
	memcpy(window + at, s, strlen(s) + 1);
}

static void put_entry(unsigned i, uint64_t start, uint64_t len, uint32_t type)
{
	put_at(MAP + i * ENTRY_BYTES, start, 8);
	put_at(MAP + i * ENTRY_BYTES + 8, len, 8);
	put_at(MAP + i * ENTRY_BYTES + 16, type, 4);
	put_at(MAP + i * ENTRY_BYTES + 20, 0xa5a5a5a5, 4);
	put_at(INFO + MAP_COUNT, i + 1, 4);
}

static void put_module(unsigned i, uint64_t start, uint64_t len, uint64_t text)
{
	put_at(MODULES + i * MODULE_BYTES, start, 8);
	put_at(MODULES + i * MODULE_BYTES + 8, len, 8);
	put_at(MODULES + i * MODULE_BYTES + 16, text, 8);
	put_at(INFO + MODULE_COUNT, i + 1, 4);
}

static void make_info(void)
{
	memset(window, 0, sizeof(window));
	window_end = WINDOW_BYTES;
	piece = 0;
	put_at(INFO, PVH_MAGIC, 4);
	put_at(INFO + VERSION, 1, 4);
	put_at(INFO + MODULE_LIST, WINDOW_AT + MODULES, 8);
	put_at(INFO + COMMAND_LINE, WINDOW_AT + TEXT, 8);
	put_at(INFO + RSDP, WINDOW_AT + RSDP_COPY, 8);
	put_at(INFO + MAP_LIST, WINDOW_AT + MAP, 8);
	put_text(TEXT, "no5lvl mem=1G");
	put_text(MODULE_TEXT, "initrd");
	for (unsigned i = 0; i < BOOT_RSDP_BYTES; i++)
		window[RSDP_COPY + i] = (uint8_t)(i + 1);
	put_entry(0, 0, 0x9fc00, 1);
	put_entry(1, 0x9fc00, 0x400, 2);
	put_entry(2, MIB(1), MIB(127), 1);
	put_entry(3, 0xfee00000, 0x1000, 3);
	put_entry(4, 0xfef00000, 0x1000, 4);
	put_entry(5, MIB(64), MIB(1), 5);
	put_module(0, MIB(8), 0x1234, WINDOW_AT + MODULE_TEXT);
}

/* ---- parsing ---- */

static struct {
	struct pvh pvh;
	struct boot_info bi;
	const char *why;
	unsigned warnings;
} got;

static uint8_t arena_memory[ARENA_BYTES] __aligned(8);

static err_t parse_in(size_t room)
{
	struct print_sink *before = print_sink_now();
	struct boot_arena arena = { arena_memory, arena_memory + room };
	err_t e;

	print_set_sink(NULL);
	got.warnings = warn_count();
	e = pvh_parse(&got.pvh, &arena, SPARE, &got.bi);
	got.warnings = warn_count() - got.warnings;
	print_set_sink(before);
	drop_mappings();
	return e;
}

static size_t arena_room(void)
{
	return pvh_arena_bytes(&got.pvh) + SPARE * sizeof(struct region);
}

static err_t init(void)
{
	err_t e;

	memset(&got, 0, sizeof(got));
	e = pvh_init(&got.pvh, read_window, window, WINDOW_AT + INFO, &got.why);
	drop_mappings();
	return e;
}

static err_t parse(void)
{
	err_t e = init();

	if (e != OK)
		return e;
	return arena_room() > ARENA_BYTES ? ERR_OVERFLOW : parse_in(arena_room());
}

static bool has_source(uint64_t start, uint64_t end, enum region_type type)
{
	for (size_t i = 0; i < got.bi.source_count; i++) {
		const struct region *r = &got.bi.sources[i];

		if (r->start == start && r->end == end && r->type == type)
			return true;
	}
	return false;
}

/* ---- valid start info ---- */

TEST(pvh_everything_is_understood)
{
	make_info();
	NEED(parse() == OK);
	CHECK_EQ(got.bi.protocol, BOOT_PVH);
	CHECK_STR(got.bi.loader, "PVH");
	CHECK_STR(got.bi.cmdline, "no5lvl mem=1G");
	CHECK_EQ(got.bi.rsdp_length, BOOT_RSDP_BYTES);
	CHECK(got.bi.has_memory_map);
	CHECK(!got.bi.has_efi_map);
	NEED(got.bi.module_count == 1);
	CHECK_STR(got.bi.modules[0].cmdline, "initrd");
	CHECK_EQ(got.bi.modules[0].range.start, MIB(8));
	CHECK_EQ(got.bi.modules[0].range.end, MIB(8) + 0x1234);
	CHECK_EQ(got.bi.source_count, 12);
	CHECK(has_source(0, 0x9fc00, REGION_USABLE));
	CHECK(has_source(0x9fc00, 0xa0000, REGION_RESERVED));
	CHECK(has_source(MIB(1), MIB(128), REGION_USABLE));
	CHECK(has_source(0xfee00000, 0xfee01000, REGION_ACPI));
	CHECK(has_source(0xfef00000, 0xfef01000, REGION_ACPI_NVS));
	CHECK(has_source(MIB(64), MIB(65), REGION_BAD));
	CHECK(has_source(MIB(8), MIB(8) + 0x1234, REGION_MODULE));
	CHECK_EQ(got.warnings, 0);
}

/* Each structure of the loader is reported as REGION_BOOT_INFO, with its exact length. */
TEST(pvh_start_info_structures_are_boot_info)
{
	make_info();
	NEED(parse() == OK);
	CHECK(has_source(WINDOW_AT, WINDOW_AT + INFO_BYTES, REGION_BOOT_INFO));
	CHECK(has_source(WINDOW_AT + MAP, WINDOW_AT + MAP + 6 * ENTRY_BYTES, REGION_BOOT_INFO));
	CHECK(has_source(WINDOW_AT + MODULES, WINDOW_AT + MODULES + MODULE_BYTES,
			 REGION_BOOT_INFO));
	CHECK(has_source(WINDOW_AT + TEXT, WINDOW_AT + TEXT + 14, REGION_BOOT_INFO));
	CHECK(has_source(WINDOW_AT + MODULE_TEXT, WINDOW_AT + MODULE_TEXT + 7, REGION_BOOT_INFO));
}

TEST(pvh_boot_info_is_a_copy)
{
	make_info();
	NEED(parse() == OK);
	memset(window, 0xee, sizeof(window));
	CHECK_STR(got.bi.cmdline, "no5lvl mem=1G");
	CHECK_STR(got.bi.modules[0].cmdline, "initrd");
	for (unsigned i = 0; i < BOOT_RSDP_BYTES; i++)
		CHECK_EQ(got.bi.rsdp[i], i + 1);
}

TEST(pvh_an_inaccessible_rsdp_is_ignored)
{
	make_info();
	put_at(INFO + RSDP, WINDOW_AT + WINDOW_BYTES - BOOT_RSDP_BYTES + 1, 8);
	NEED(parse() == OK);
	CHECK_EQ(got.bi.rsdp_length, 0);
	put_at(INFO + RSDP, WINDOW_AT + WINDOW_BYTES - BOOT_RSDP_BYTES, 8);
	NEED(parse() == OK);
	CHECK_EQ(got.bi.rsdp_length, BOOT_RSDP_BYTES);
}

/* The map of QEMU's microvm ends with a null entry. */
TEST(pvh_a_null_entry_is_ignored_without_a_warning)
{
	make_info();
	put_entry(6, 0, 0, 0);
	NEED(parse() == OK);
	CHECK_EQ(got.bi.source_count, 12);
	CHECK_EQ(got.warnings, 0);
	put_entry(6, 0, 0, 2);
	NEED(parse() == OK);
	CHECK_EQ(got.bi.source_count, 12);
	CHECK_EQ(got.warnings, 1);
}

TEST(pvh_types_of_entries)
{
	static const uint32_t types[] = { 0, 2, 6, 7, 12, 20, 0x101, UINT32_MAX };

	make_info();
	for (unsigned i = 0; i < ARRAY_SIZE(types); i++)
		put_entry(i, MIB(1 + i), MIB(1), types[i]);
	NEED(parse() == OK);
	for (unsigned i = 0; i < ARRAY_SIZE(types); i++)
		CHECK(has_source(MIB(1 + i), MIB(2 + i), REGION_RESERVED));
}

TEST(pvh_wrapping_entries_and_modules)
{
	make_info();
	put_entry(0, UINT64_MAX - 4095, 8192, 1);
	put_entry(1, UINT64_MAX - 8191, 16384, 2);
	put_module(0, UINT64_MAX - 4095, 8192, 0);
	NEED(parse() == OK);
	CHECK_EQ(got.bi.module_count, 0);
	CHECK_EQ(got.warnings, 3);
	CHECK(has_source(UINT64_MAX - 8191, UINT64_MAX, REGION_RESERVED));
	CHECK(has_source(UINT64_MAX - 4095, UINT64_MAX, REGION_MODULE));
}

TEST(pvh_without_strings_modules_and_rsdp)
{
	make_info();
	put_at(INFO + COMMAND_LINE, 0, 8);
	put_at(INFO + RSDP, 0, 8);
	put_at(INFO + MODULE_COUNT, 0, 4);
	put_at(INFO + MODULE_LIST, 0, 8);
	NEED(parse() == OK);
	CHECK_STR(got.bi.cmdline, "");
	CHECK_EQ(got.bi.rsdp_length, 0);
	CHECK_EQ(got.bi.module_count, 0);
	CHECK_EQ(got.bi.source_count, 8);
}

TEST(pvh_many_modules_share_a_string)
{
	make_info();
	for (unsigned i = 0; i < 20; i++)
		put_module(i, MIB(10 + i), 1, WINDOW_AT + MODULE_TEXT);
	NEED(init() == OK);
	NEED(arena_room() <= ARENA_BYTES);
	NEED(parse() == OK);
	CHECK_EQ(got.bi.module_count, 20);
	CHECK_STR(got.bi.modules[19].cmdline, "initrd");
}

/* ---- invalid start info ---- */

TEST(pvh_bad_magic_version_and_address_are_refused)
{
	make_info();
	put_at(INFO, PVH_MAGIC + 1, 4);
	CHECK(parse() == ERR_BAD_FORMAT);
	CHECK(got.why != NULL);
	make_info();
	put_at(INFO + VERSION, 0, 4);
	CHECK(parse() == ERR_NOT_FOUND);
	make_info();
	put_at(INFO + VERSION, 2, 4); /* later versions add fields at the end */
	CHECK(parse() == OK);
	make_info();
	window_end = INFO_BYTES - 1;
	CHECK(parse() == ERR_BAD_FORMAT);
	make_info();
	CHECK(pvh_init(&got.pvh, read_window, window, 0, &got.why) == ERR_BAD_FORMAT);
	CHECK(pvh_init(&got.pvh, read_window, window, UINT64_MAX, &got.why) == ERR_BAD_FORMAT);
	CHECK(pvh_init(&got.pvh, read_window, window, WINDOW_AT - 1, &got.why) == ERR_BAD_FORMAT);
	drop_mappings();
}

TEST(pvh_without_a_map_it_is_not_found)
{
	make_info();
	put_at(INFO + MAP_LIST, 0, 8);
	CHECK(parse() == ERR_NOT_FOUND);
	make_info();
	put_at(INFO + MAP_COUNT, 0, 4);
	CHECK(parse() == ERR_NOT_FOUND);
	CHECK(got.why != NULL && str_glob("*no memory map*", got.why));
}

TEST(pvh_counts_that_are_too_large_are_refused)
{
	static const uint32_t counts[] = { COUNT_MAX + 1, INT32_MAX, UINT32_MAX };

	for (unsigned i = 0; i < ARRAY_SIZE(counts); i++) {
		make_info();
		put_at(INFO + MAP_COUNT, counts[i], 4);
		CHECK(parse() == ERR_BAD_FORMAT);
		make_info();
		put_at(INFO + MODULE_COUNT, counts[i], 4);
		CHECK(parse() == ERR_BAD_FORMAT);
	}
	make_info();
	put_at(INFO + MAP_COUNT, WINDOW_BYTES / ENTRY_BYTES + 1, 4); /* beyond the window */
	CHECK(parse() == ERR_BAD_FORMAT);
}

TEST(pvh_invalid_pointers_are_handled)
{
	static const uint64_t nowhere[] = { 1,      WINDOW_AT - 1,   WINDOW_AT + WINDOW_BYTES,
					    GIB(5), UINT64_MAX - 40, UINT64_MAX };

	for (unsigned i = 0; i < ARRAY_SIZE(nowhere); i++) {
		make_info();
		put_at(INFO + MAP_LIST, nowhere[i], 8);
		CHECK(parse() == ERR_BAD_FORMAT);
		make_info();
		put_at(INFO + COMMAND_LINE, nowhere[i], 8);
		NEED(parse() == OK);
		CHECK_STR(got.bi.cmdline, "");
		make_info();
		put_at(INFO + MODULE_LIST, nowhere[i], 8);
		NEED(parse() == OK);
		CHECK_EQ(got.bi.module_count, 0);
		make_info();
		put_module(0, MIB(8), 1, nowhere[i]);
		NEED(parse() == OK);
		NEED(got.bi.module_count == 1);
		CHECK_STR(got.bi.modules[0].cmdline, "");
	}
}

/* The module list has ten entries, two are accessible. */
TEST(pvh_inaccessible_modules_are_ignored)
{
	make_info();
	put_module(1, MIB(9), 1, 0);
	put_at(INFO + MODULE_COUNT, 10, 4);
	put_at(INFO + COMMAND_LINE, 0, 8);
	window_end = MODULES + 2 * MODULE_BYTES;
	NEED(parse() == OK);
	CHECK_EQ(got.bi.module_count, 2);
	CHECK_STR(got.bi.modules[0].cmdline, "");
}

TEST(pvh_a_string_without_a_terminator_is_limited)
{
	make_info();
	memset(window + TEXT, 'a', WINDOW_BYTES - TEXT);
	NEED(parse() == OK);
	CHECK_EQ(strlen(got.bi.cmdline), STRING_MAX);
	window_end = TEXT + 10; /* memory ends before the maximum length */
	NEED(parse() == OK);
	CHECK_STR(got.bi.cmdline, "aaaaaaaaaa");
}

/* Each byte is accessible, but the string is not accessible as a whole. */
TEST(pvh_a_string_across_two_mappings_is_ignored)
{
	make_info();
	put_at(INFO + COMMAND_LINE, WINDOW_AT + TEXT - 4, 8);
	put_text(TEXT - 4, "across");
	piece = TEXT;
	NEED(parse() == OK);
	CHECK_STR(got.bi.cmdline, "");
}

TEST(pvh_a_full_arena_is_an_error)
{
	make_info();
	NEED(parse() == OK);
	CHECK(parse_in(0) == ERR_NO_MEMORY);
	for (size_t room = 0; room < arena_room(); room += 64) {
		err_t e = parse_in(room);

		CHECK(e == OK || e == ERR_NO_MEMORY);
	}
}

/* For arbitrary bytes the result is an error or valid entries; sanitizers check the accesses. */
TEST(pvh_mutated_start_info_is_handled)
{
#ifdef KEEL_TESTS
	unsigned rounds = KERNEL_ROUNDS;
#else
	unsigned rounds = ROUNDS;
#endif
	unsigned good = 0;

	for (unsigned round = 0; round < rounds; round++) {
		make_info();
		for (uint64_t n = 1 + test_random_below(5); n > 0; n--) {
			size_t at = test_random_below(4) == 0 ? MODULES : INFO;

			window[at + test_random_below(MAP)] ^= (uint8_t)test_random();
		}
		if (parse() != OK)
			continue;
		good++;
		NEED(got.bi.source_count <= got.bi.source_room - SPARE);
		for (size_t i = 0; i < got.bi.source_count; i++)
			NEED(got.bi.sources[i].start < got.bi.sources[i].end);
		for (size_t i = 0; i < got.bi.module_count; i++)
			NEED(got.bi.modules[i].cmdline != NULL);
	}
	CHECK(good > rounds / 10);
	CHECK(good < rounds);
}

TEST(pvh_gap_does_not_overlap_memory_in_use)
{
	uint64_t at;

	make_info();
	NEED(parse() == OK);
	NEED(source_find_gap(&got.pvh.walk, 0x5000, GIB(4), MIB(2), &at) == OK);
	drop_mappings();
	for (size_t i = 0; i < got.bi.source_count; i++) {
		const struct region *r = &got.bi.sources[i];

		CHECK(r->type == REGION_USABLE || r->end <= at || r->start >= at + MIB(2));
	}
}
