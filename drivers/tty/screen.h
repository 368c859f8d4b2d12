/* SPDX-License-Identifier: MIT */
/*
 * screen.h - a grid of characters: the wanted content, and what is drawn of it.
 *
 * Text goes into `wanted`; at the end of each screen_write() the cells that differ from `drawn`
 * are given to the painter, and nothing else.  So scrolling redraws only cells whose character
 * changes, a long text costs one redraw, and the memory of the screen is never read: reading it
 * back takes tens of seconds a screen on real machines.
 *
 * Understood: printable ASCII (other bytes show as '?'), \n \r \b \t, ESC[H and ESC[2J; other
 * escape sequences are ignored.  A character in the last column wraps when the next one comes.
 *
 * Invariants, whatever is written:
 *   S1  row < rows <= SCREEN_ROWS_MAX, column <= columns <= SCREEN_COLUMNS_MAX
 *   S2  each wanted cell of the grid is printable ASCII
 *   S3  after screen_write() drawn equals wanted, with the cursor in one cell
 *
 * A larger screen than the grid is used in part.  Locking: the owner's (drivers/tty/console.c).
 */
#pragma once

#include "lib/types.h"

enum {
	SCREEN_COLUMNS_MAX = 240,
	SCREEN_ROWS_MAX = 135,
	SCREEN_CURSOR = 0x80, /* in a cell: the cursor is here */
};

/* How cells become visible. */
struct screen_painter {
	unsigned rows, columns; /* that there is room for, at least 1 each */
	/* Make all of the screen blank, the part outside the grid, too. */
	void (*clear)(struct screen_painter *p);
	/* `cell` is printable ASCII, with SCREEN_CURSOR or without. */
	void (*draw)(struct screen_painter *p, unsigned row, unsigned column, uint8_t cell);
};

enum screen_escape {
	SCREEN_TEXT,
	SCREEN_ESCAPE,  /* after ESC */
	SCREEN_CONTROL, /* after ESC [ */
};

struct screen {
	struct screen_painter *painter;
	unsigned rows, columns, row, column;
	unsigned dirty_first, dirty_end; /* rows that may differ */
	unsigned cursor_row;             /* where the cursor is drawn */
	enum screen_escape escape;
	unsigned parameter; /* of the escape sequence */
	uint8_t wanted[SCREEN_ROWS_MAX][SCREEN_COLUMNS_MAX];
	uint8_t drawn[SCREEN_ROWS_MAX][SCREEN_COLUMNS_MAX];
};

/* Clear the painter's screen and begin at the top.  The painter must live as long as `s`. */
void screen_start(struct screen *s, struct screen_painter *painter);

/* Take n bytes and draw what they change. */
void screen_write(struct screen *s, const char *bytes, size_t n);
