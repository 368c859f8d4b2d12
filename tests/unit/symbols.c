/* SPDX-License-Identifier: MIT */
/* Tests of lib/symbols.c.  In the kernel they check its own table. */
#include "lib/symbols.h"

#include "lib/panic.h"
#include "lib/string.h"
#include "tests/test.h"

#ifdef KEEL_TESTS

extern const uint8_t text_start[], text_end[], kernel_image_end[];

static __noinline void name_is(const void *p, const char *want)
{
	char text[SYMBOL_TEXT_BYTES];

	symbols_format((vaddr_t)p, text, sizeof(text));
	CHECK_STR(text, want);
}

TEST(symbols_of_the_kernel_have_their_names)
{
	vaddr_t va;

	name_is((const uint8_t *)(vaddr_t)panic, "panic+0x0");
	name_is((const uint8_t *)symbols_find + 1, "symbols_find+0x1");
	name_is((const void *)name_is, "name_is+0x0");
	CHECK(symbols_address("print", &va));
	CHECK_EQ(va, (vaddr_t)print);
	CHECK(!symbols_address("print_", &va));
	name_is((const void *)8, "?");
	name_is(kernel_image_end, "?");
}

TEST(symbols_name_every_byte_of_the_text_in_order)
{
	struct symbol s;
	vaddr_t start = 0;

	for (vaddr_t va = (vaddr_t)text_start + 64; va < (vaddr_t)text_end; va++) {
		if (!symbols_find(va, &s)) {
			test_fail(__FILE__, __LINE__, "%#lx has no name", va);
			return;
		}
		NEED(va - s.offset >= start);
		start = va - s.offset;
	}
}

/* A call clobbers what a leaf function may keep, so this one has a frame in the middle. */
static __noinline void call_twice(void (*f)(void))
{
	f();
	f();
}

TEST(symbols_know_where_code_has_no_frame)
{
	vaddr_t start = (vaddr_t)call_twice, framed = 0;
	struct symbol s;

	CHECK(symbols_frameless(start));
	for (vaddr_t va = start; symbols_find(va, &s) && s.offset == va - start; va++)
		framed += !symbols_frameless(va);
	CHECK(framed != 0);
	CHECK(!symbols_frameless((vaddr_t)text_end));
	CHECK(!symbols_frameless((vaddr_t)kernel_image_end));
	CHECK(!symbols_frameless(0));
}

#else

enum {
	ENTRIES = 4,
	RUN_BYTES = 8,
};
#define BASE UINT64_C(0xffffffff80000000)

/* struct symbols_head followed by entries, names and runs. */
static struct {
	uint64_t base;
	uint32_t count, name_bytes, run_bytes, code_start;
	struct symbol_entry entry[ENTRIES];
	char names[14];
	uint8_t runs[10];
} image;
_Static_assert(offsetof(typeof(image), entry) == sizeof(struct symbols_head),
	       "as the table has it");

static void make_image(void)
{
	memset(&image, 0, sizeof(image));
	image.base = BASE;
	image.count = ENTRIES;
	image.name_bytes = 14;
	image.entry[0] = (struct symbol_entry){ 0x1000, 0 };
	image.entry[1] = (struct symbol_entry){ 0x1010, 4 };
	image.entry[2] = (struct symbol_entry){ 0x2000, 8 };
	image.entry[3] = (struct symbol_entry){ 0x2040, 12 };
	memcpy(image.names, "abc\0def\0ghi\0z", 14);
	/* 4 without a frame, 12 with one, none without, 0x80 with, 0x4001 without */
	memcpy(image.runs, "\x04\x0c\x00\x80\x01\x81\x80\x01", RUN_BYTES);
	image.run_bytes = RUN_BYTES;
	image.code_start = 0x1000;
}

static err_t use(size_t bytes)
{
	return symbols_use(&image, bytes, BASE + 0x3000);
}

static void is_called(vaddr_t va, const char *want)
{
	char text[SYMBOL_TEXT_BYTES];

	symbols_format(va, text, sizeof(text));
	CHECK_STR(text, want);
}

TEST(symbols_are_found_at_and_behind_their_addresses)
{
	vaddr_t va;

	make_image();
	CHECK_EQ(use(sizeof(image)), OK);
	is_called(0, "?");
	is_called(BASE + 0xfff, "?");
	is_called(BASE + 0x1000, "abc+0x0");
	is_called(BASE + 0x100f, "abc+0xf");
	is_called(BASE + 0x1010, "def+0x0");
	is_called(BASE + 0x1fff, "def+0xfef");
	is_called(BASE + 0x2000, "ghi+0x0");
	is_called(BASE + 0x2040, "z+0x0");
	is_called(BASE + 0x2fff, "z+0xfbf");
	is_called(BASE + 0x3000, "?");
	is_called(UINT64_MAX, "?");
	CHECK(symbols_address("ghi", &va));
	CHECK_EQ(va, BASE + 0x2000);
	CHECK(!symbols_address("gh", &va));
}

TEST(symbols_of_return_addresses_are_those_of_the_call)
{
	char text[SYMBOL_TEXT_BYTES];

	make_image();
	CHECK_EQ(use(sizeof(image)), OK);
	symbols_format_return(BASE + 0x1010, text, sizeof(text));
	CHECK_STR(text, "abc+0x10");
	symbols_format_return(BASE + 0x1011, text, sizeof(text));
	CHECK_STR(text, "def+0x1");
	symbols_format_return(BASE + 0x1000, text, sizeof(text));
	CHECK_STR(text, "?");
}

TEST(symbols_runs_of_frames_are_decoded)
{
	static const struct {
		uint64_t first, end; /* offsets from the base */
	} frameless[] = { { 0x1000, 0x1004 }, { 0x1090, 0x5091 } };

	make_image();
	CHECK_EQ(use(sizeof(image)), OK);
	CHECK(!symbols_frameless(0));
	CHECK(!symbols_frameless(UINT64_MAX));
	for (vaddr_t at = 0xf00; at < 0x6000; at++) {
		bool want = false;

		for (unsigned i = 0; i < ARRAY_SIZE(frameless); i++)
			want |= at >= frameless[i].first && at < frameless[i].end;
		NEED(symbols_frameless(BASE + at) == want);
	}
	image.run_bytes = 0;
	CHECK_EQ(use(sizeof(image)), OK);
	CHECK(!symbols_frameless(BASE + 0x1000));
}

TEST(symbols_refuse_a_damaged_table)
{
	size_t least = sizeof(struct symbols_head) + sizeof(image.entry) + 14 + RUN_BYTES;

	make_image();
	for (size_t n = 0; n < least; n++)
		CHECK_EQ(use(n), ERR_BAD_FORMAT);
	CHECK_EQ(use(least), OK);
	image.entry[2].offset = 0x100f;
	CHECK_EQ(use(least), ERR_BAD_FORMAT);
	is_called(BASE + 0x1000, "?");
	make_image();
	image.entry[3].name = 14;
	CHECK_EQ(use(least), ERR_BAD_FORMAT);
	make_image();
	image.names[13] = 'y';
	CHECK_EQ(use(least), ERR_BAD_FORMAT);
	make_image();
	image.runs[RUN_BYTES - 1] = 0x80;
	CHECK_EQ(use(least), ERR_BAD_FORMAT);
	make_image();
	image.run_bytes = UINT32_MAX;
	CHECK_EQ(use(sizeof(image)), ERR_BAD_FORMAT);
	make_image();
	image.count = UINT32_MAX;
	CHECK_EQ(use(sizeof(image)), ERR_BAD_FORMAT);
	make_image();
	image.count = 0;
	CHECK_EQ(use(sizeof(struct symbols_head)), ERR_BAD_FORMAT);
	image.name_bytes = image.run_bytes = 0;
	CHECK_EQ(use(sizeof(struct symbols_head)), OK);
	is_called(BASE + 0x1000, "?");
}

#endif
