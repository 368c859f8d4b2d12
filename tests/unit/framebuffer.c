/* SPDX-License-Identifier: MIT */
/*
 * Tests of drivers/tty/framebuffer.c, drivers/tty/vga_text.c and drivers/tty/screen.c: they draw
 * into plain memory, which is read back against the font.
 */
#include "drivers/tty/framebuffer.h"

#include "drivers/tty/font.h"
#include "drivers/tty/vga_text.h"
#include "lib/string.h"
#include "tests/test.h"

enum {
	ROWS = 5,
	COLUMNS = 22,
	WIDTH = COLUMNS * FONT_WIDTH + 5, /* a partial character remains */
	HEIGHT = ROWS * FONT_HEIGHT + 7,
	PADDING = 12, /* bytes between two lines */
	GUARD = 64,   /* bytes around the memory */
	JUNK = 0xa5,
	SMALL_BYTES = HEIGHT * (WIDTH * 4 + PADDING),
	WIDE_WIDTH = 1930,
	WIDE_HEIGHT = 2 * 2 * FONT_HEIGHT,
	WIDE_BYTES = WIDE_HEIGHT * WIDE_WIDTH * 2,
	MEMORY_BYTES = WIDE_BYTES > SMALL_BYTES ? WIDE_BYTES : SMALL_BYTES,
	ROUNDS = 2000,
	NOT_A_CHARACTER = 0,
};

static uint8_t memory[GUARD + MEMORY_BYTES + GUARD];
static struct screen screen;

/* ---- making and reading ---- */

static struct boot_framebuffer rgb(unsigned bits, unsigned red, unsigned green, unsigned blue,
				   unsigned channel_bits)
{
	return (struct boot_framebuffer){
		.address = GIB(3),
		.pitch = WIDTH * bits / 8 + PADDING,
		.width = WIDTH,
		.height = HEIGHT,
		.bits_per_pixel = (uint8_t)bits,
		.type = FRAMEBUFFER_RGB,
		.red_position = (uint8_t)red,
		.red_bits = (uint8_t)channel_bits,
		.green_position = (uint8_t)green,
		.green_bits = (uint8_t)channel_bits,
		.blue_position = (uint8_t)blue,
		.blue_bits = (uint8_t)channel_bits,
	};
}

static void begin(struct framebuffer *f, const struct boot_framebuffer *b)
{
	const char *why;

	memset(memory, JUNK, sizeof(memory));
	CHECK_EQ(framebuffer_check(b, &why), OK);
	framebuffer_start(f, b, memory + GUARD);
	screen_start(&screen, &f->painter);
}

static void write_text(const char *text)
{
	screen_write(&screen, text, strlen(text));
}

static uint32_t pixel_at(const struct framebuffer *f, uint64_t x, uint64_t y)
{
	uint32_t pixel = 0;

	memcpy(&pixel, f->base + y * f->pitch + x * f->pixel_bytes, f->pixel_bytes);
	return pixel;
}

/* Pixel line `y` of a cell as dots, as in the font; *sound becomes false when a dot has neither
 * of the two colours, or is not of one colour. */
static uint8_t dots_at(const struct framebuffer *f, uint64_t x, uint64_t y, bool *sound)
{
	unsigned dots = 0;

	for (unsigned dot = 0; dot < FONT_WIDTH; dot++) {
		uint32_t pixel = pixel_at(f, x + dot * f->scale, y);

		for (unsigned i = 1; i < f->scale; i++)
			*sound &= pixel == pixel_at(f, x + dot * f->scale + i, y);
		*sound &= pixel == 0 || pixel == f->foreground;
		dots = dots << 1 | (pixel != 0);
	}
	return (uint8_t)dots;
}

static uint8_t match(const uint8_t *glyph)
{
	for (unsigned c = FONT_FIRST; c <= FONT_LAST; c++) {
		unsigned plain = 0, inverse = 0;

		for (unsigned y = 0; y < FONT_HEIGHT; y++) {
			plain += glyph[y] == font_glyphs[c - FONT_FIRST][y];
			inverse += glyph[y] + font_glyphs[c - FONT_FIRST][y] == UINT8_MAX;
		}
		if (plain == FONT_HEIGHT || inverse == FONT_HEIGHT)
			return (uint8_t)(c | (plain == FONT_HEIGHT ? 0 : SCREEN_CURSOR));
	}
	return NOT_A_CHARACTER;
}

/* The character displayed in a cell, with SCREEN_CURSOR when it is inverse. */
static uint8_t read_cell(const struct framebuffer *f, unsigned row, unsigned column)
{
	uint8_t glyph[FONT_HEIGHT];
	bool sound = true;

	for (unsigned y = 0; y < FONT_HEIGHT * f->scale; y++) {
		uint64_t line = (uint64_t)row * FONT_HEIGHT * f->scale + y;
		uint8_t dots = dots_at(f, (uint64_t)column * FONT_WIDTH * f->scale, line, &sound);

		sound &= y % f->scale == 0 || dots == glyph[y / f->scale];
		glyph[y / f->scale] = dots;
	}
	return sound ? match(glyph) : NOT_A_CHARACTER;
}

static uint8_t wanted_cell(unsigned row, unsigned column)
{
	unsigned cursor = screen.column < screen.columns ? screen.column : screen.columns - 1;
	bool here = row == screen.row && column == cursor;

	return screen.wanted[row][column] | (here ? SCREEN_CURSOR : 0);
}

/* Checks that the picture matches the grid, and that the memory around it is unchanged. */
static void check_picture(const struct framebuffer *f)
{
	const uint8_t *end = f->base + f->pitch * f->height;
	unsigned wrong = 0, spilt = 0;

	for (unsigned row = 0; row < screen.rows; row++)
		for (unsigned column = 0; column < screen.columns; column++)
			wrong += read_cell(f, row, column) != wanted_cell(row, column);
	CHECK_EQ(wrong, 0);
	for (unsigned i = 0; i < GUARD; i++)
		spilt += (memory[i] != JUNK) + (end[i] != JUNK);
	for (uint32_t y = 0; y < f->height; y++)
		for (uint64_t x = (uint64_t)f->width * f->pixel_bytes; x < f->pitch; x++)
			spilt += f->base[y * f->pitch + x] != JUNK;
	CHECK_EQ(spilt, 0);
}

static void check_row(unsigned row, const char *text)
{
	for (unsigned column = 0; column < screen.columns; column++) {
		char c = column < strlen(text) ? text[column] : ' ';

		if (screen.wanted[row][column] != (uint8_t)c) {
			test_fail(__FILE__, __LINE__, "row %u is \"%.*s\", expected \"%s\"", row,
				  (int)screen.columns, (const char *)screen.wanted[row], text);
			return;
		}
	}
}

/* ---- the font ---- */

TEST(font_has_a_shape_of_its_own_for_each_character)
{
	for (unsigned c = FONT_FIRST; c <= FONT_LAST; c++)
		CHECK_EQ(match(font_glyphs[c - FONT_FIRST]), c);
	for (unsigned y = 0; y < FONT_HEIGHT; y++)
		CHECK_EQ(font_glyphs[0][y], 0);
}

/* ---- formats ---- */

TEST(framebuffer_text_can_be_read_in_every_format)
{
	struct boot_framebuffer formats[] = {
		rgb(32, 16, 8, 0, 8),   rgb(32, 0, 8, 16, 8), rgb(32, 24, 16, 8, 8),
		rgb(32, 20, 10, 0, 10), rgb(24, 16, 8, 0, 8), rgb(24, 0, 8, 16, 8),
		rgb(16, 11, 5, 0, 5),   rgb(16, 0, 5, 10, 5), rgb(16, 8, 4, 0, 4),
		rgb(32, 0, 0, 16, 16),  rgb(16, 2, 1, 0, 1),  rgb(32, 31, 30, 0, 1),
	};
	struct framebuffer f;

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		begin(&f, &formats[i]);
		CHECK_EQ(screen.rows, ROWS);
		CHECK_EQ(screen.columns, COLUMNS);
		check_picture(&f);
		for (char c = ' '; c <= '~'; c++)
			screen_write(&screen, &c, 1);
		check_row(4, "xyz{|}~");
		check_picture(&f);
	}
}

TEST(framebuffer_wide_screens_have_larger_dots)
{
	struct boot_framebuffer b = rgb(16, 11, 5, 0, 5);
	struct framebuffer f;

	b.width = WIDE_WIDTH;
	b.height = WIDE_HEIGHT;
	b.pitch = WIDE_WIDTH * 2;
	begin(&f, &b);
	CHECK_EQ(f.scale, 2);
	CHECK_EQ(screen.columns, WIDE_WIDTH / (2 * FONT_WIDTH));
	CHECK_EQ(screen.rows, 2);
	write_text("keel> wide\nline");
	check_picture(&f);
	b.height = FONT_HEIGHT; /* too low for that */
	begin(&f, &b);
	CHECK_EQ(f.scale, 1);
	CHECK_EQ(screen.rows, 1);
	CHECK_EQ(screen.columns, SCREEN_COLUMNS_MAX);
	write_text("flat\nline");
	check_picture(&f);
}

/* ---- firmware data ---- */

static void refused(struct boot_framebuffer b, const char *part)
{
	const char *why;

	CHECK_EQ(framebuffer_check(&b, &why), ERR_BAD_FORMAT);
	NEED(why != NULL);
	for (; *why != '\0'; why++)
		if (strncmp(why, part, strlen(part)) == 0)
			return;
	test_fail(__FILE__, __LINE__, "the reason does not say '%s'", part);
}

TEST(framebuffer_that_makes_no_sense_is_refused)
{
	static const unsigned bad_bits[] = { 0, 1, 4, 8, 12, 15, 17, 30, 48, 64, 255 };
	const struct boot_framebuffer good = rgb(32, 16, 8, 0, 8);
	struct boot_framebuffer b = good;

	b.width = b.height = b.pitch = 0;
	refused(b, "no character");
	b = good;
	b.height = FONT_HEIGHT - 1;
	refused(b, "no character");
	for (size_t i = 0; i < ARRAY_SIZE(bad_bits); i++) {
		b = good;
		b.bits_per_pixel = (uint8_t)bad_bits[i];
		refused(b, "16, 24 and 32 bits");
	}
	b = good;
	b.type = FRAMEBUFFER_INDEXED;
	refused(b, "not RGB");
	b.type = 77;
	refused(b, "not RGB");
	b = good;
	b.pitch = WIDTH * 4 - 1;
	refused(b, "lines overlap");
	b = good;
	b.width = UINT32_MAX;
	refused(b, "lines overlap");
	b = good;
	b.address = UINT64_MAX - MIB(1) + 1;
	b.pitch = MIB(1);
	refused(b, "address space");
	b = good;
	b.address = 0;
	refused(b, "address space");
}

TEST(framebuffer_whose_colours_do_not_fit_is_refused)
{
	struct boot_framebuffer b = rgb(32, 16, 8, 25, 8);

	refused(b, "colours");
	b = rgb(16, 16, 8, 0, 8);
	refused(b, "colours");
	b = rgb(32, 255, 8, 0, 255);
	refused(b, "colours");
	b = rgb(32, 0, 0, 0, 0);
	refused(b, "colours");
}

TEST(framebuffer_above_4_gib_is_accepted)
{
	struct boot_framebuffer b = rgb(32, 16, 8, 0, 8);
	struct prange memory_of;
	const char *why;

	b.address = GIB(256);
	CHECK_EQ(framebuffer_check(&b, &why), OK);
	memory_of = framebuffer_memory(&b);
	CHECK_EQ(memory_of.start.raw, GIB(256));
	CHECK_EQ(memory_of.len, b.pitch * HEIGHT);
}

/* ---- scrolling ---- */

TEST(framebuffer_scrolling_draws_only_what_changes)
{
	struct boot_framebuffer b = rgb(32, 16, 8, 0, 8);
	struct framebuffer f;
	unsigned kept = 0;

	begin(&f, &b);
	for (unsigned i = 0; i < ROWS; i++)
		write_text("\nsame");
	/* if the memory were read, this would appear elsewhere */
	memset(f.base, JUNK, f.pitch * f.height);
	write_text("\nsame");
	for (uint64_t i = 0; i < f.pitch * FONT_HEIGHT * (ROWS - 1); i++)
		kept += f.base[i] == JUNK;
	CHECK_EQ(kept, f.pitch * FONT_HEIGHT * (ROWS - 1));
	screen_start(&screen, &f.painter);
	write_text("a\nb\nc\nd\ne\nf");
	check_row(0, "b");
	check_row(4, "f");
	check_picture(&f);
}

TEST(framebuffer_moves_to_another_mapping_as_it_is)
{
	struct boot_framebuffer b = rgb(16, 11, 5, 0, 5);
	uint64_t bytes = (uint64_t)b.pitch * b.height;
	struct framebuffer f;
	uint8_t *other;

	begin(&f, &b);
	write_text("one");
	other = f.base + bytes + GUARD;
	NEED(other + bytes + GUARD <= memory + sizeof(memory));
	memcpy(other, f.base, bytes);
	framebuffer_set_base(&f, other);
	write_text(" two");
	check_row(0, "one two");
	for (unsigned column = 0; column < COLUMNS; column++)
		CHECK_EQ(read_cell(&f, 0, column), wanted_cell(0, column));
}

/* ---- the grid ---- */

static void grid(void)
{
	static struct boot_framebuffer b;
	static struct framebuffer f;

	b = rgb(16, 11, 5, 0, 5);
	begin(&f, &b);
}

TEST(screen_wraps_when_the_next_character_comes)
{
	grid();
	write_text("0123456789012345678901");
	CHECK_EQ(screen.row, 0);
	write_text("\nnext");
	check_row(0, "0123456789012345678901");
	check_row(1, "next");
	write_text("\n0123456789012345678901x");
	check_row(3, "x");
}

TEST(screen_understands_control_characters)
{
	grid();
	write_text("abc\b\bX\rY\n\b\bz\n\tt\n12345678\tu\n\001\177\200v");
	check_row(0, "YXc");
	check_row(1, "z");
	check_row(2, "        t");
	check_row(3, "12345678        u");
	check_row(4, "??v");
}

TEST(screen_passes_over_escape_sequences)
{
	grid();
	write_text("a\033[1;31mb\033[?25lc\033[Kd\033=e\033[99999999999Hf");
	check_row(0, "fbcde");
	grid();
	write_text("a\033[1;31mb\033[?25lc\033[Kd\033=e");
	check_row(0, "abcde");
	write_text("\033[\nf");
	check_row(1, "f");
	write_text("\033[2J");
	check_row(0, "");
	write_text("\033[Hg");
	check_row(0, "g");
}

TEST(screen_survives_any_bytes)
{
	static struct framebuffer f;
	struct boot_framebuffer b = rgb(16, 11, 5, 0, 5);
	char bytes[32];

	begin(&f, &b);
	for (unsigned i = 0; i < ROUNDS; i++) {
		size_t n = test_random_below(sizeof(bytes));

		for (size_t k = 0; k < n; k++)
			bytes[k] = (char)(test_random_below(3) == 0
						  ? "\n\r\b\t\033[;2HJ"[test_random_below(10)]
						  : (char)test_random());
		screen_write(&screen, bytes, n);
		NEED(screen.row < screen.rows && screen.column <= screen.columns);
	}
	check_picture(&f);
}

/* ---- VGA text ---- */

TEST(vga_text_standard_screen_shows_text)
{
	struct boot_framebuffer b = vga_text_standard();
	struct vga_text v;
	const char *why;
	uint16_t cell;

	memset(memory, JUNK, sizeof(memory));
	CHECK_EQ(vga_text_check(&b, &why), OK);
	CHECK_EQ(framebuffer_check(&b, &why), ERR_BAD_FORMAT);
	vga_text_start(&v, &b, memory + GUARD);
	screen_start(&screen, &v.painter);
	write_text("keel\n> ");
	CHECK_EQ(screen.columns, 80);
	CHECK_EQ(screen.rows, 25);
	memcpy(&cell, memory + GUARD + 2, sizeof(cell));
	CHECK_EQ(cell, 0x0700 | 'e');
	memcpy(&cell, memory + GUARD + 160 + 4, sizeof(cell));
	CHECK_EQ(cell, 0x7000 | ' ');
	CHECK_EQ(memory[GUARD - 1], JUNK);
	CHECK_EQ(memory[GUARD + 80 * 25 * 2], JUNK);
}

TEST(vga_text_that_makes_no_sense_is_refused)
{
	struct boot_framebuffer b = vga_text_standard();
	const char *why;

	b.width = 0;
	CHECK_EQ(vga_text_check(&b, &why), ERR_BAD_FORMAT);
	b = vga_text_standard();
	b.pitch = 159;
	CHECK_EQ(vga_text_check(&b, &why), ERR_BAD_FORMAT);
	b = vga_text_standard();
	b.address = UINT64_MAX - 1;
	CHECK_EQ(vga_text_check(&b, &why), ERR_BAD_FORMAT);
	b = vga_text_standard();
	b.type = FRAMEBUFFER_RGB;
	CHECK_EQ(vga_text_check(&b, &why), ERR_BAD_FORMAT);
}
