/* SPDX-License-Identifier: MIT */
/*
 * Tests of the monitor's input: drivers/input/keys.c and monitor/line.c.  The line editor prints to
 * a screen (drivers/tty/screen.c), which must show the line after every key.
 */
#include "drivers/input/keys.h"
#include "monitor/line.h"
#include "drivers/tty/screen.h"
#include "lib/string.h"
#include "tests/test.h"

enum {
	COLUMNS = 40,
	ROWS = 4,
	ROUNDS = 20000,
	KEYS_MAX = 32,
};

#define PROMPT "keel> "

/* ---- the terminal that the editor prints to ---- */

static struct screen screen;

static void draw(struct screen_painter *p, unsigned row, unsigned column, uint8_t cell)
{
	(void)p;
	(void)row;
	(void)column;
	(void)cell;
}

static void clear(struct screen_painter *p)
{
	(void)p;
}

static struct screen_painter painter = { ROWS, COLUMNS, clear, draw };

static void screen_sink_write(struct print_sink *sink, const char *bytes, size_t n)
{
	(void)sink;
	screen_write(&screen, bytes, n);
}

static struct print_sink screen_sink = { screen_sink_write };
static struct line line;

static void begin(void)
{
	struct print_sink *old = print_sink_now();

	print_set_sink(&screen_sink);
	line_begin(&line, PROMPT, COLUMNS);
	print_set_sink(old);
}

static void fresh(void)
{
	memset(&line, 0, sizeof(line));
	screen_start(&screen, &painter);
	begin();
}

static enum line_result press(int key)
{
	struct print_sink *old = print_sink_now();
	enum line_result result;

	print_set_sink(&screen_sink);
	result = line_key(&line, key);
	print_set_sink(old);
	return result;
}

static void type(const char *text)
{
	for (; *text != '\0'; text++)
		(void)press(*text);
}

static void enter(const char *text)
{
	type(text);
	CHECK_EQ(press(KEY_ENTER), LINE_ENTERED);
	CHECK_STR(line.text, text);
	begin();
}

/* Checks E1, E2 and E3 of line.h on the row of the cursor. */
static bool shows_the_line(void)
{
	size_t prompt = strlen(PROMPT), end = line.window + line.width;
	const uint8_t *row = screen.wanted[screen.row];

	if (line.cursor > line.length || line.length >= LINE_BYTES ||
	    strlen(line.text) != line.length)
		return false;
	if (line.cursor < line.window || line.cursor > end || line.at + line.window != line.cursor)
		return false;
	if (memcmp(row, PROMPT, prompt) != 0 || screen.column != prompt + line.at)
		return false;
	for (size_t i = prompt; i < COLUMNS; i++) {
		size_t at = line.window + i - prompt;
		char c = at < line.length && at < end ? line.text[at] : ' ';

		if (row[i] != (uint8_t)c)
			return false;
	}
	return true;
}

/* ---- editing ---- */

TEST(line_can_be_edited_in_the_middle)
{
	fresh();
	type("fraes");
	(void)press(KEY_LEFT);
	(void)press(KEY_LEFT);
	type("m");
	CHECK(shows_the_line());
	CHECK_STR(line.text, "frames");
	(void)press(KEY_HOME);
	(void)press(KEY_DELETE);
	(void)press(KEY_END);
	(void)press(KEY_BACKSPACE);
	CHECK(shows_the_line());
	CHECK_STR(line.text, "rame");
	(void)press(KEY_HOME);
	(void)press(KEY_RIGHT);
	(void)press(KEY_CONTROL('k'));
	CHECK_STR(line.text, "r");
	type("eg");
	(void)press(KEY_LEFT);
	(void)press(KEY_CONTROL('u'));
	CHECK_STR(line.text, "g");
	CHECK(shows_the_line());
	CHECK_EQ(press(KEY_ENTER), LINE_ENTERED);
}

TEST(line_is_limited_to_its_buffer)
{
	fresh();
	for (unsigned i = 0; i < 2 * LINE_BYTES; i++)
		(void)press('a' + (int)(i % 26));
	CHECK_EQ(line.length, LINE_BYTES - 1);
	CHECK(shows_the_line());
	(void)press(KEY_HOME);
	CHECK(shows_the_line());
	CHECK_EQ(line.window, 0);
	CHECK_EQ(screen.row, 0);
}

TEST(line_is_right_and_shown_after_any_key)
{
	static const int keys[] = {
		KEY_UP,   KEY_DOWN,         KEY_LEFT,         KEY_LEFT,
		KEY_LEFT, KEY_RIGHT,        KEY_HOME,         KEY_END,
		KEY_END,  KEY_DELETE,       KEY_BACKSPACE,    KEY_CONTROL('d'),
		'x',      KEY_CONTROL('k'), KEY_CONTROL('u'), KEY_CONTROL('l'),
	};
	unsigned wrong = 0;

	fresh();
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t what = test_random_below(100);
		int key = what < 60   ? (int)(' ' + test_random_below('~' - ' ' + 1))
			  : what < 97 ? keys[test_random_below(ARRAY_SIZE(keys))]
			  : what < 98 ? KEY_ENTER
				      : (int)test_random_below(KEY_DELETE + 10);

		if (press(key) != LINE_MORE)
			begin();
		wrong += !shows_the_line();
	}
	CHECK_EQ(wrong, 0);
}

TEST(line_control_c_discards_it)
{
	fresh();
	type("poweroff");
	CHECK_EQ(press(KEY_CONTROL('c')), LINE_CANCELLED);
	begin();
	CHECK_EQ(line.length, 0);
	CHECK(shows_the_line());
	(void)press(KEY_UP);
	CHECK_STR(line.text, "");
}

TEST(line_control_l_clears_the_screen_and_keeps_it)
{
	fresh();
	enter("one");
	type("two");
	(void)press(KEY_LEFT);
	(void)press(KEY_CONTROL('l'));
	CHECK_EQ(screen.row, 0);
	CHECK_STR(line.text, "two");
	CHECK(shows_the_line());
	CHECK_EQ(screen.wanted[1][0], ' ');
}

TEST(line_history_goes_up_and_down)
{
	fresh();
	enter("regions");
	enter("frames");
	enter("frames");
	enter("");
	type("bu");
	(void)press(KEY_UP);
	CHECK_STR(line.text, "frames");
	(void)press(KEY_UP);
	CHECK_STR(line.text, "regions");
	(void)press(KEY_UP);
	CHECK_STR(line.text, "regions");
	type(" x");
	CHECK(shows_the_line());
	(void)press(KEY_DOWN);
	CHECK_STR(line.text, "frames");
	(void)press(KEY_DOWN);
	CHECK_STR(line.text, "bu");
	(void)press(KEY_DOWN);
	CHECK_STR(line.text, "bu");
	CHECK(shows_the_line());
}

TEST(line_history_keeps_the_last_ones)
{
	char text[8];

	fresh();
	for (unsigned i = 0; i < 3 * LINE_HISTORY; i++) {
		print_to(text, sizeof(text), "%u", i);
		enter(text);
	}
	for (unsigned i = 0; i < LINE_HISTORY + 4; i++)
		(void)press(KEY_UP);
	print_to(text, sizeof(text), "%u", 2 * LINE_HISTORY);
	CHECK_STR(line.text, text);
}

/* ---- keys of a terminal ---- */

static int found[KEYS_MAX];

static unsigned from_terminal(const char *bytes)
{
	struct keys_terminal t = { 0 };
	unsigned n = 0;

	for (; *bytes != '\0' && n < KEYS_MAX; bytes++) {
		int key = keys_from_terminal(&t, (uint8_t)*bytes);

		if (key != KEY_NONE)
			found[n++] = key;
	}
	return n;
}

TEST(keys_of_a_terminal_are_understood)
{
	static const int want[] = { KEY_UP,     KEY_DOWN, KEY_RIGHT, KEY_LEFT, KEY_HOME,
				    KEY_END,    KEY_UP,   KEY_HOME,  KEY_END,  KEY_HOME,
				    KEY_DELETE, KEY_END,  KEY_RIGHT, 'x' };

	CHECK_EQ(from_terminal("\033[A\033[B\033[C\033[D\033[H\033[F\033OA\033OH\033OF\033[1~"
			       "\033[3~\033[4~\033[1;5Cx"),
		 ARRAY_SIZE(want));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		CHECK_EQ(found[i], want[i]);
}

TEST(keys_enter_is_one_key_for_every_line_ending)
{
	CHECK_EQ(from_terminal("\r"), 1);
	CHECK_EQ(from_terminal("\n"), 1);
	CHECK_EQ(from_terminal("\r\n"), 1);
	CHECK_EQ(from_terminal("\r\r\n\n"), 3);
	CHECK_EQ(from_terminal("\ra\n"), 3);
	CHECK_EQ(found[0], KEY_ENTER);
	CHECK_EQ(found[2], KEY_ENTER);
	CHECK_EQ(from_terminal("\177\b"), 2);
	CHECK_EQ(found[0], KEY_BACKSPACE);
	CHECK_EQ(found[1], KEY_BACKSPACE);
}

TEST(keys_of_an_unknown_sequence_are_ignored)
{
	CHECK_EQ(from_terminal("\033[15~\033[99999999999999~\033[200~\033Oz\033xa"), 1);
	CHECK_EQ(found[0], 'a');
	/* an incomplete sequence: Ctrl-C is delivered, and what follows is text */
	CHECK_EQ(from_terminal("\033[1\003b"), 2);
	CHECK_EQ(found[0], KEY_CONTROL('c'));
	CHECK_EQ(found[1], 'b');
}

/* ---- keys of a keyboard ---- */

static unsigned from_keyboard(const char *codes, size_t n)
{
	struct keys_keyboard k = { 0 };
	unsigned keys = 0;

	for (size_t i = 0; i < n && keys < KEYS_MAX; i++) {
		int key = keys_from_keyboard(&k, (uint8_t)codes[i]);

		if (key != KEY_NONE)
			found[keys++] = key;
	}
	return keys;
}
#define FROM_KEYBOARD(codes) from_keyboard(codes, sizeof(codes) - 1)

TEST(keys_of_a_keyboard_are_understood)
{
	/* h, shift-h, 1, shift-1, enter, backspace, space, slash */
	static const char codes[] = "\x23\xa3\x2a\x23\xa3\xaa\x02\x82\x36\x02\x82\xb6\x1c\x9c\x0e"
				    "\x8e\x39\xb9\x35\xb5";
	static const int want[] = { 'h', 'H', '1', '!', KEY_ENTER, KEY_BACKSPACE, ' ', '/' };

	CHECK_EQ(FROM_KEYBOARD(codes), ARRAY_SIZE(want));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		CHECK_EQ(found[i], want[i]);
}

TEST(keys_caps_lock_is_for_letters)
{
	/* caps, a, 1, shift-a, caps, a */
	CHECK_EQ(FROM_KEYBOARD("\x3a\xba\x1e\x9e\x02\x82\x2a\x1e\x9e\xaa\x3a\xba\x1e\x9e"), 4);
	CHECK_EQ(found[0], 'A');
	CHECK_EQ(found[1], '1');
	CHECK_EQ(found[2], 'a');
	CHECK_EQ(found[3], 'a');
}

TEST(keys_control_and_extended_codes)
{
	/* left Ctrl-C, right Ctrl-L, then up, down, left, right, home, end, delete, pad / enter */
	static const char codes[] = "\x1d\x2e\xae\x9d\xe0\x1d\x26\xa6\xe0\x9d\xe0\x48\xe0\xc8\xe0"
				    "\x50\xe0\x4b\xe0\x4d\xe0\x47\xe0\x4f\xe0\x53\xe0\x35\xe0\x1c"
				    "\x2e";
	static const int want[] = {
		KEY_CONTROL('c'), KEY_CONTROL('l'), KEY_UP,     KEY_DOWN, KEY_LEFT,  KEY_RIGHT,
		KEY_HOME,         KEY_END,          KEY_DELETE, '/',      KEY_ENTER, 'c'
	};

	CHECK_EQ(FROM_KEYBOARD(codes), ARRAY_SIZE(want));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		CHECK_EQ(found[i], want[i]);
}

TEST(keys_fake_shifts_and_pause_are_ignored)
{
	/* the fake shift around an arrow, Pause, print screen, then a and Home on the pad, which
	 * Pause must not have changed to 7 */
	CHECK_EQ(FROM_KEYBOARD("\xe0\x2a\xe0\x48\xe0\xc8\xe0\xaa\xe1\x1d\x45\xe1\x9d\xc5"
			       "\xe0\x37\xe0\xb7\x1e\x9e\x47"),
		 3);
	CHECK_EQ(found[0], KEY_UP);
	CHECK_EQ(found[1], 'a');
	CHECK_EQ(found[2], KEY_HOME);
}

TEST(keys_of_the_pad_follow_num_lock)
{
	CHECK_EQ(FROM_KEYBOARD("\x47\xc7\x45\xc5\x47\xc7\x4e\x53"), 4);
	CHECK_EQ(found[0], KEY_HOME);
	CHECK_EQ(found[1], '7');
	CHECK_EQ(found[2], '+');
	CHECK_EQ(found[3], '.');
}

/* After any bytes, once no key is held down, letters are decoded as letters again. */
TEST(keys_any_bytes_leave_no_decoder_stuck)
{
	unsigned wrong = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct keys_terminal t = { 0 };
		struct keys_keyboard k = { 0 };
		int key;

		for (unsigned n = 0; n < 8; n++) {
			key = keys_from_terminal(&t, (uint8_t)test_random());
			wrong += key < KEY_NONE || key > KEY_DELETE;
			key = keys_from_keyboard(&k, (uint8_t)test_random());
			wrong += key < KEY_NONE || key > KEY_DELETE;
		}
		(void)keys_from_terminal(&t, KEY_CONTROL('c'));
		wrong += keys_from_terminal(&t, 'a') != 'a';
		k.shift = k.control = 0;
		k.caps = false;
		for (unsigned n = 0; n < 4; n++)
			(void)keys_from_keyboard(&k, 0x9e);
		wrong += keys_from_keyboard(&k, 0x1e) != 'a';
	}
	CHECK_EQ(wrong, 0);
}
