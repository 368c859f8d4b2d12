/* SPDX-License-Identifier: MIT */
#include "drivers/input/keys.h"

enum {
	CHAR_ESCAPE = 0x1b,
	CHAR_DELETE = 0x7f,
	PARAMETER_MAX = 1000,
};

/* ---- a terminal ---- */

/* ESC [ n ~ */
static int editing_key(unsigned parameter)
{
	switch (parameter) {
	case 1:
	case 7: return KEY_HOME;
	case 3: return KEY_DELETE;
	case 4:
	case 8: return KEY_END;
	default: return KEY_NONE;
	}
}

/* The letter that ends ESC [ or ESC O. */
static int cursor_key(uint8_t letter)
{
	switch (letter) {
	case 'A': return KEY_UP;
	case 'B': return KEY_DOWN;
	case 'C': return KEY_RIGHT;
	case 'D': return KEY_LEFT;
	case 'F': return KEY_END;
	case 'H': return KEY_HOME;
	default: return KEY_NONE;
	}
}

static int plain_byte(struct keys_terminal *t, uint8_t byte)
{
	enum terminal_state before = t->state;

	t->state = TERMINAL_TEXT;
	switch (byte) {
	case CHAR_ESCAPE: t->state = TERMINAL_ESCAPE; return KEY_NONE;
	case '\r': t->state = TERMINAL_ENTER; return KEY_ENTER;
	case '\n': return before == TERMINAL_ENTER ? KEY_NONE : KEY_ENTER;
	case CHAR_DELETE: return KEY_BACKSPACE;
	default: return byte;
	}
}

static int control_byte(struct keys_terminal *t, uint8_t byte)
{
	if (byte >= '0' && byte <= '9') {
		if (t->parameter < PARAMETER_MAX)
			t->parameter = t->parameter * 10 + (unsigned)(byte - '0');
		return KEY_NONE;
	}
	if (byte < '@') /* ESC [ 1 ; 5 C is the right arrow with Ctrl held: the letter counts */
		return KEY_NONE;
	t->state = TERMINAL_TEXT;
	return byte == '~' ? editing_key(t->parameter) : cursor_key(byte);
}

int keys_from_terminal(struct keys_terminal *t, uint8_t byte)
{
	if (byte < ' ' || t->state == TERMINAL_TEXT || t->state == TERMINAL_ENTER)
		return plain_byte(t, byte);
	if (t->state == TERMINAL_CONTROL)
		return control_byte(t, byte);
	if (t->state == TERMINAL_SHIFT) {
		t->state = TERMINAL_TEXT;
		return cursor_key(byte);
	}
	t->parameter = 0;
	t->state = byte == '[' ? TERMINAL_CONTROL : byte == 'O' ? TERMINAL_SHIFT : TERMINAL_TEXT;
	return KEY_NONE;
}

/* ---- a keyboard ---- */

enum {
	SCAN_EXTENDED = 0xe0,
	SCAN_PAUSE = 0xe1,
	SCAN_PAUSE_REST = 2, /* codes after it, for the press and for the release */
	SCAN_RELEASED = 0x80,
	SCAN_ENTER = 0x1c,
	SCAN_CONTROL = 0x1d,
	SCAN_SHIFT_LEFT = 0x2a,
	SCAN_SLASH = 0x35,
	SCAN_SHIFT_RIGHT = 0x36,
	SCAN_CAPS = 0x3a,
	SCAN_NUMBER = 0x45,
	SCAN_PAD_FIRST = 0x47,
	SCAN_PAD_LAST = 0x53,
	PAD_KEYS = SCAN_PAD_LAST - SCAN_PAD_FIRST + 1,
	SIDE_LEFT = 1,
	SIDE_RIGHT = 2,
};

/* From code 0 on; '\0' where there is no character. */
static const char plain[] =
	"\0\0331234567890-=\b\tqwertyuiop[]\r\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";
static const char shifted[] =
	"\0\033!@#$%^&*()_+\b\tQWERTYUIOP{}\r\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 ";
_Static_assert(sizeof(plain) == sizeof(shifted), "one layout, two states");

/* The keypad, and the same codes after 0xe0: the editing keys beside it. */
static const char pad_characters[] = "789-456+1230.";
_Static_assert(sizeof(pad_characters) == PAD_KEYS + 1, "one for each code");
static const int pad_keys[PAD_KEYS] = {
	KEY_HOME, KEY_UP,  KEY_NONE, '-',      KEY_LEFT, KEY_NONE,   KEY_RIGHT,
	'+',      KEY_END, KEY_DOWN, KEY_NONE, KEY_NONE, KEY_DELETE,
};

static void hold(unsigned *held, unsigned side, uint8_t released)
{
	*held = released != 0 ? *held & ~side : *held | side;
}

/* Modifiers and locks.  False: the code is another key's. */
static bool modifier(struct keys_keyboard *k, uint8_t code, uint8_t released)
{
	switch (code) {
	case SCAN_CONTROL: hold(&k->control, SIDE_LEFT, released); return true;
	case SCAN_SHIFT_LEFT: hold(&k->shift, SIDE_LEFT, released); return true;
	case SCAN_SHIFT_RIGHT: hold(&k->shift, SIDE_RIGHT, released); return true;
	case SCAN_CAPS: k->caps ^= released == 0; return true;
	case SCAN_NUMBER: k->number ^= released == 0; return true;
	default: return false;
	}
}

/* A key whose code came after 0xe0.  Shift codes among them are synthetic: the keyboard inserts
 * them. */
static int extended_key(struct keys_keyboard *k, uint8_t code, uint8_t released)
{
	if (code == SCAN_CONTROL)
		hold(&k->control, SIDE_RIGHT, released);
	if (released != 0)
		return KEY_NONE;
	if (code == SCAN_ENTER)
		return KEY_ENTER;
	if (code == SCAN_SLASH)
		return '/';
	if (code >= SCAN_PAD_FIRST && code <= SCAN_PAD_LAST)
		return pad_keys[code - SCAN_PAD_FIRST];
	return KEY_NONE;
}

static int character(const struct keys_keyboard *k, uint8_t code)
{
	char c = code < sizeof(plain) ? plain[code] : '\0';
	bool letter = c >= 'a' && c <= 'z';

	if (c == '\0')
		return KEY_NONE;
	if (letter && k->control != 0)
		return KEY_CONTROL(c);
	return (k->shift != 0) != (letter && k->caps) ? shifted[code] : c;
}

int keys_from_keyboard(struct keys_keyboard *k, uint8_t code)
{
	uint8_t released = code & SCAN_RELEASED;
	bool extended = k->extended;

	k->extended = code == SCAN_EXTENDED;
	if (k->to_ignore > 0) {
		k->to_ignore--;
		return KEY_NONE;
	}
	if (code == SCAN_PAUSE)
		k->to_ignore = SCAN_PAUSE_REST;
	if (code == SCAN_PAUSE || code == SCAN_EXTENDED)
		return KEY_NONE;
	code &= (uint8_t)~SCAN_RELEASED;
	if (extended)
		return extended_key(k, code, released);
	if (modifier(k, code, released) || released != 0)
		return KEY_NONE;
	if (code >= SCAN_PAD_FIRST && code <= SCAN_PAD_LAST)
		return k->number ? pad_characters[code - SCAN_PAD_FIRST]
				 : pad_keys[code - SCAN_PAD_FIRST];
	return character(k, code);
}
