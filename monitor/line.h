/* SPDX-License-Identifier: MIT */
/*
 * line.h - one line of input, edited in place, and the lines before it.
 *
 * Keys go in, characters come out through print(): of control characters only backspace is used
 * for editing, so every terminal and the dumbest screen show the same.  A line longer than the
 * place for it is shown in part, a window that follows the cursor; so the prompt and the line
 * never leave their row.
 *
 *   keys: arrows, Home, End, Delete, Backspace; Ctrl-A E B F P N as in Emacs; Ctrl-D deletes,
 *   Ctrl-K cuts the rest, Ctrl-U all before the cursor, Ctrl-C the whole line, Ctrl-L clears the
 *   screen; up and down walk the history
 *
 * Invariants, between any two keys:
 *   E1  cursor <= length < LINE_BYTES, and text[length] is '\0'
 *   E2  window <= cursor <= window + width
 *   E3  behind the prompt stand text[window .. window + width), then blanks, and the terminal's
 *       cursor stands `at` characters into them, at = cursor - window
 *
 * One user at a time: no lock.
 */
#pragma once

#include "lib/types.h"

enum {
	LINE_BYTES = 128,
	LINE_HISTORY = 16,
	LINE_WIDTH_MIN = 8, /* of the part that is shown */
};

enum line_result {
	LINE_MORE,
	LINE_ENTERED,   /* text is the line; it was added to the history */
	LINE_CANCELLED, /* discard it and begin again */
};

/* All zero at first. */
struct line {
	const char *prompt;
	char text[LINE_BYTES];
	size_t length, cursor;
	size_t window, width; /* the part that is shown */
	size_t at, shown;     /* where the terminal's cursor is; characters behind the prompt */
	char history[LINE_HISTORY][LINE_BYTES];
	unsigned entered;       /* lines ever put into the history */
	unsigned back;          /* how many lines back we look; 0: at the line being written */
	char draft[LINE_BYTES]; /* the line being written, while we look back */
};

/* Print the prompt and begin an empty line on a terminal of `columns` columns. */
void line_begin(struct line *l, const char *prompt, unsigned columns);

/* Take one key (drivers/input/keys.h). */
enum line_result line_key(struct line *l, int key);
