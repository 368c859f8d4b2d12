/* SPDX-License-Identifier: MIT */
/*
 * Tests of drivers/tty/console.c with a framebuffer in plain memory.  Host only: in the kernel
 * there is one console, and it is in use (tools/screen.py checks it from outside).
 */
#include "drivers/tty/console.h"

#include "drivers/tty/font.h"
#include "lib/bits.h"
#include "lib/print.h"
#include "lib/string.h"
#include "monitor/command.h"
#include "tests/test.h"

#ifndef KEEL_TESTS

enum {
	COLUMNS = 40,
	ROWS = 10,
	PIXEL_BYTES = 4,
	PITCH = COLUMNS * FONT_WIDTH * PIXEL_BYTES,
	BYTES = PITCH * ROWS * FONT_HEIGHT,
	SERIAL_BYTES = 4096,
};

static uint8_t memory[2][BYTES];

static const struct boot_framebuffer screen = {
	.address = 0xfd000000,
	.pitch = PITCH,
	.width = COLUMNS * FONT_WIDTH,
	.height = ROWS * FONT_HEIGHT,
	.bits_per_pixel = PIXEL_BYTES * 8,
	.type = FRAMEBUFFER_RGB,
	.red_position = 16,
	.red_bits = 8,
	.green_position = 8,
	.green_bits = 8,
	.blue_bits = 8,
};

static bool cell_shows(const uint8_t *pixels, unsigned row, unsigned column, char c)
{
	const uint8_t *cell = pixels + row * FONT_HEIGHT * PITCH + column * FONT_WIDTH * 4;

	for (unsigned y = 0; y < FONT_HEIGHT; y++, cell += PITCH)
		for (unsigned x = 0; x < FONT_WIDTH; x++) {
			bool dot = (font_glyphs[c - FONT_FIRST][y] & 0x80 >> x) != 0;

			if ((cell[x * PIXEL_BYTES] != 0) != dot)
				return false;
		}
	return true;
}

/* Whether a row begins with the text. */
static bool shows(const uint8_t *pixels, unsigned row, const char *text)
{
	for (unsigned column = 0; text[column] != '\0'; column++)
		if (!cell_shows(pixels, row, column, text[column]))
			return false;
	return true;
}

static bool shows_anywhere(const uint8_t *pixels, const char *text)
{
	for (unsigned row = 0; row < ROWS; row++)
		if (shows(pixels, row, text))
			return true;
	return false;
}

/* ---- the log ---- */

static char serial_text[SERIAL_BYTES];
static size_t serial_used;

static void serial_write(void *context, const char *bytes, size_t n)
{
	(void)context;
	n = min_u64(n, sizeof(serial_text) - 1 - serial_used);
	memcpy(serial_text + serial_used, bytes, n);
	serial_used += n;
	serial_text[serial_used] = '\0';
}

/* Whether the serial output of `command` is `text`. */
static bool command_shows(const char *command, const char *text)
{
	char line[COLUMNS];
	bool known = str_copy(line, command, sizeof(line));

	serial_text[serial_used = 0] = '\0';
	known = known && command_run(line);
	return known && strcmp(serial_text, text) == 0;
}

TEST(console_log_shows_the_last_lines_marked)
{
	static const struct console_port port = { .write = serial_write }, none;
	struct print_sink *old = print_sink_now();
	bool two, again, refused, all;

	console_init();
	console_set_serial(&port);
	print("# first\n# second\n# third\n");
	two = command_shows("log 2", "| # second\n| # third\n");
	again = command_shows("log 1", "| # third\n");
	refused = command_shows("log 2x", "log: 2x is no number of lines\n") &&
		  command_shows("log 0", "log: 0 is no number of lines\n");
	print("# fourth\n");
	all = command_shows("log 2", "| log: 0 is no number of lines\n| # fourth\n");
	(void)command_shows("log", "");
	console_set_serial(&none);
	print_set_sink(old);
	CHECK(two);
	CHECK(again);
	CHECK(refused);
	CHECK(all);
	CHECK(str_glob("*| # first\n| # second\n| # third\n*| # fourth\n", serial_text));
}

/* ---- the screen ---- */

/* One test of the screen, as there is one console. */
TEST(console_screen_shows_earlier_output_and_follows_its_mapping)
{
	struct print_sink *old = print_sink_now();
	struct boot_framebuffer bad = screen;
	err_t none, refused, found;
	struct prange wanted;

	console_init();
	bad.address = 0;
	none = console_find_screen(&bad, &wanted);
	bad = screen;
	bad.bits_per_pixel = 15;
	print("# before\n");
	refused = console_find_screen(&bad, &wanted);
	found = console_find_screen(&screen, &wanted);
	console_show_screen(memory[0]);
	print("# shown\n");
	console_hide_screen();
	memcpy(memory[1], memory[0], BYTES);
	print("# hidden\n");
	print_set_sink(old);
	CHECK_EQ(none, ERR_NOT_FOUND);
	CHECK_EQ(refused, ERR_BAD_FORMAT);
	CHECK_EQ(found, OK);
	CHECK_EQ(wanted.start.raw, screen.address);
	CHECK_EQ(wanted.len, BYTES);
	CHECK_EQ(console_columns(), COLUMNS);
	CHECK(shows_anywhere(memory[0], "# before"));
	CHECK(shows_anywhere(memory[0], "keel: warning: no screen: 320 x 160, 15"));
	CHECK(shows_anywhere(memory[0], "# shown"));
	CHECK(!shows_anywhere(memory[0], "# hidden"));
	CHECK(memcmp(memory[0], memory[1], BYTES) == 0);
	console_show_screen(memory[1]);
	CHECK(shows_anywhere(memory[1], "# before"));
	CHECK(shows_anywhere(memory[1], "# hidden"));
	CHECK(!shows_anywhere(memory[0], "# hidden"));
	console_hide_screen();
}

#endif
