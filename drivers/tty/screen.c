/* SPDX-License-Identifier: MIT */
#include "drivers/tty/screen.h"

#include "lib/string.h"

enum {
	BLANK = ' ',
	UNKNOWN = '?',
	CHAR_ESCAPE = 0x1b,
	TAB_COLUMNS = 8,
	PARAMETER_MAX = 1000,
	CLEAR_ALL = 2, /* ECMA-48 8.3.39, ED */
};

static unsigned smaller(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static void mark(struct screen *s, unsigned first, unsigned end)
{
	s->dirty_first = smaller(s->dirty_first, first);
	s->dirty_end = s->dirty_end > end ? s->dirty_end : end;
}

static void clear(struct screen *s)
{
	memset(s->wanted, BLANK, sizeof(s->wanted));
	mark(s, 0, s->rows);
}

static void next_row(struct screen *s)
{
	if (s->row + 1 < s->rows) {
		s->row++;
		return;
	}
	memmove(s->wanted[0], s->wanted[1], (s->rows - 1) * sizeof(s->wanted[0]));
	memset(s->wanted[s->rows - 1], BLANK, sizeof(s->wanted[0]));
	mark(s, 0, s->rows);
}

static void put(struct screen *s, uint8_t c)
{
	if (s->column == s->columns) {
		s->column = 0;
		next_row(s);
	}
	s->wanted[s->row][s->column++] = c;
	mark(s, s->row, s->row + 1);
}

/* A control character acts in the same way inside an escape sequence. */
static void control(struct screen *s, uint8_t c)
{
	s->escape = SCREEN_TEXT;
	switch (c) {
	case '\n':
		s->column = 0;
		next_row(s);
		break;
	case '\r': s->column = 0; break;
	case '\b': s->column -= s->column > 0; break;
	case '\t':
		s->column = smaller(s->columns, (s->column / TAB_COLUMNS + 1) * TAB_COLUMNS);
		break;
	case CHAR_ESCAPE: s->escape = SCREEN_ESCAPE; break;
	default: break;
	}
}

static void sequence(struct screen *s, uint8_t c)
{
	if (s->escape == SCREEN_ESCAPE) {
		s->escape = c == '[' ? SCREEN_CONTROL : SCREEN_TEXT;
		s->parameter = 0;
		return;
	}
	if (c >= '0' && c <= '9') {
		s->parameter = smaller(s->parameter * 10 + (unsigned)(c - '0'), PARAMETER_MAX);
		return;
	}
	if (c < '@') /* other parameters and intermediates, ECMA-48 5.4 */
		return;
	s->escape = SCREEN_TEXT;
	if (c == 'H')
		s->row = s->column = 0;
	else if (c == 'J' && s->parameter == CLEAR_ALL)
		clear(s);
}

static void take(struct screen *s, uint8_t c)
{
	if (c < ' ')
		control(s, c);
	else if (s->escape != SCREEN_TEXT)
		sequence(s, c);
	else
		put(s, c <= '~' ? c : UNKNOWN);
}

static void draw_row(struct screen *s, unsigned row)
{
	unsigned cursor = smaller(s->column, s->columns - 1);

	for (unsigned column = 0; column < s->columns; column++) {
		uint8_t cell = s->wanted[row][column];

		if (row == s->row && column == cursor)
			cell |= SCREEN_CURSOR;
		if (cell == s->drawn[row][column])
			continue;
		s->drawn[row][column] = cell;
		s->painter->draw(s->painter, row, column, cell);
	}
}

static void write_out(struct screen *s)
{
	mark(s, s->row, s->row + 1);
	mark(s, s->cursor_row, s->cursor_row + 1);
	for (unsigned row = s->dirty_first; row < s->dirty_end; row++)
		draw_row(s, row);
	s->cursor_row = s->row;
	s->dirty_first = s->rows;
	s->dirty_end = 0;
}

void screen_start(struct screen *s, struct screen_painter *painter)
{
	s->painter = painter;
	s->rows = smaller(painter->rows, SCREEN_ROWS_MAX);
	s->columns = smaller(painter->columns, SCREEN_COLUMNS_MAX);
	s->row = s->column = s->cursor_row = 0;
	s->dirty_first = s->rows;
	s->dirty_end = 0;
	s->escape = SCREEN_TEXT;
	painter->clear(painter);
	memset(s->wanted, BLANK, sizeof(s->wanted));
	memset(s->drawn, BLANK, sizeof(s->drawn));
	write_out(s);
}

void screen_write(struct screen *s, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		take(s, (uint8_t)bytes[i]);
	write_out(s);
}
