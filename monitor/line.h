/* SPDX-License-Identifier: MIT */
/*
 * line.h - line editor: one line of input, edited in place, with a history.
 *
 * Input is keys, output goes through print(): the only control character used for editing is
 * backspace, so that every terminal shows the same.  A line longer than the space for it is shown
 * in part, in a window that follows the cursor; the prompt and the line never leave their row.
 *
 *   keys: arrows, Home, End, Delete, Backspace; Ctrl-A E B F P N as in Emacs; Ctrl-D deletes,
 *   Ctrl-K cuts the rest, Ctrl-U all before the cursor, Ctrl-C the whole line, Ctrl-L clears the
 *   screen; up and down walk the history
 *
 * Invariants, between any two keys:
 *   E1  cursor <= length < LINE_BYTES, and text[length] is '\0'
 *   E2  window <= cursor <= window + width
 *   E3  the row shows the prompt, text[window .. window + width), then blanks, and the terminal's
 *       cursor is `at` characters after the prompt, at = cursor - window
 *
 * One user at a time: no lock.
 */
#pragma once

#include "lib/types.h"

enum {
	LINE_BYTES = 128,
	LINE_HISTORY = 16,
	LINE_WIDTH_MIN = 8, /* of the visible part */
};

enum line_result {
	LINE_MORE,
	LINE_ENTERED,   /* text is the line; added to the history */
	LINE_CANCELLED, /* discard the line and call line_begin() */
};

/* Initially all zero. */
struct line {
	const char *prompt;
	char text[LINE_BYTES];
	size_t length, cursor;
	size_t window, width; /* the visible part */
	size_t at, shown;     /* position of the terminal's cursor; characters after the prompt */
	char history[LINE_HISTORY][LINE_BYTES];
	unsigned entered;       /* lines ever added to the history */
	unsigned back;          /* position in the history, in lines back; 0: the new line */
	char draft[LINE_BYTES]; /* the new line, while an older one is shown */
};

/* Prints the prompt and starts an empty line on a terminal of `columns` columns. */
void line_begin(struct line *l, const char *prompt, unsigned columns);

/* Processes one key (drivers/input/keys.h). */
enum line_result line_key(struct line *l, int key);
