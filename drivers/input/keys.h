/* SPDX-License-Identifier: MIT */
/*
 * keys.h - decoders of keys, from terminal bytes and from keyboard scan codes.
 *
 * A key is a byte of ASCII, control characters included, or one of enum key.  Both decoders
 * take one byte at a time and accept any sequence of bytes: each is decoded or skipped, and none
 * leaves a decoder stuck.  Pure.
 *
 * Sources: ECMA-48 5.4 and the DEC VT220 and xterm sequences of the editing keys; IBM PS/2
 * technical reference, "Keyboard", scan code set 1, with the US layout.
 */
#pragma once

#include "lib/types.h"

enum key {
	KEY_NONE = -1, /* nothing yet */
	KEY_FIRST = 0x100,
	KEY_UP = KEY_FIRST,
	KEY_DOWN,
	KEY_LEFT,
	KEY_RIGHT,
	KEY_HOME,
	KEY_END,
	KEY_DELETE,
};

enum {
	KEY_CONTROL_MASK = 0x1f, /* Ctrl and a letter give the letter's low bits */
	KEY_BACKSPACE = 8,
	KEY_ENTER = '\r',
};
#define KEY_CONTROL(letter) ((letter)&KEY_CONTROL_MASK)

enum terminal_state {
	TERMINAL_TEXT,
	TERMINAL_ENTER,   /* after a carriage return: a line feed belongs to it */
	TERMINAL_ESCAPE,  /* after ESC */
	TERMINAL_CONTROL, /* after ESC [ */
	TERMINAL_SHIFT,   /* after ESC O */
};

/* All zero at the start. */
struct keys_terminal {
	enum terminal_state state;
	unsigned parameter;
};

/* The key that `byte` completes, or KEY_NONE.  Enter is KEY_ENTER, backspace KEY_BACKSPACE
 * whatever the terminal sends for it. */
int keys_from_terminal(struct keys_terminal *t, uint8_t byte);

/* All zero at the start. */
struct keys_keyboard {
	unsigned shift, control; /* held: bit 0 the left one, bit 1 the right one */
	bool caps, number;       /* locked */
	bool extended;           /* after 0xe0 */
	unsigned to_ignore;      /* codes of Pause that are still to come */
};

/* The key that scan code `code` of set 1 completes, or KEY_NONE. */
int keys_from_keyboard(struct keys_keyboard *k, uint8_t code);
