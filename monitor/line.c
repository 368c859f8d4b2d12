/* SPDX-License-Identifier: MIT */
#include "monitor/line.h"

#include "drivers/input/keys.h"
#include "lib/bits.h"
#include "lib/print.h"
#include "lib/string.h"

#define CLEAR_SCREEN "\033[H\033[2J" /* ECMA-48 8.3.21 CUP, 8.3.39 ED */

/* ---- output to the terminal ---- */

static void go_left(struct line *l, size_t at)
{
	for (; l->at > at; l->at--)
		print("\b");
}

/* Prints the text from the terminal's cursor up to character `end` of the window. */
static void print_to_end(struct line *l, size_t end)
{
	size_t n = end - l->at;

	print("%.*s", (int)n, l->text + l->window + l->at);
	l->at = end;
}

/* Keeps the cursor inside the window.  True: the window moved. */
static bool follow(struct line *l)
{
	size_t half = l->width / 2;

	if (l->cursor >= l->window && l->cursor <= l->window + l->width)
		return false;
	l->window = l->cursor > half ? l->cursor - half : 0;
	return true;
}

/* Redraws the line, of which the characters from `changed` on are new. */
static void show(struct line *l, size_t changed)
{
	size_t from, end, blanks;

	from = follow(l) || changed < l->window ? 0 : changed - l->window;
	end = min_u64(l->length - l->window, l->width);
	if (from < l->at)
		go_left(l, from);
	if (from < end || l->shown > end) {
		print_to_end(l, end);
		blanks = l->shown > end ? l->shown - end : 0;
		print("%*s", (int)blanks, "");
		l->at += blanks;
		l->shown = end;
	}
	if (l->at < l->cursor - l->window)
		print_to_end(l, l->cursor - l->window);
	go_left(l, l->cursor - l->window);
}

static void show_afresh(struct line *l)
{
	print("%s", l->prompt);
	l->at = l->shown = 0;
	show(l, 0);
}

/* ---- editing ---- */

static void move(struct line *l, size_t cursor)
{
	l->cursor = cursor;
	show(l, l->length);
}

static void insert(struct line *l, char c)
{
	if (l->length + 1 == LINE_BYTES)
		return;
	memmove(l->text + l->cursor + 1, l->text + l->cursor, l->length - l->cursor + 1);
	l->text[l->cursor++] = c;
	l->length++;
	show(l, l->cursor - 1);
}

/* Deletes [from, end); the cursor moves to `from`. */
static void cut(struct line *l, size_t from, size_t end)
{
	memmove(l->text + from, l->text + end, l->length - end + 1);
	l->length -= end - from;
	l->cursor = from;
	show(l, from);
}

static void replace(struct line *l, const char *text)
{
	(void)str_copy(l->text, text, LINE_BYTES); /* it fits: text is in such a buffer */
	l->length = l->cursor = strlen(l->text);
	show(l, 0);
}

/* ---- history ---- */

static char *entry(struct line *l, unsigned back)
{
	return l->history[(l->entered - back) % LINE_HISTORY];
}

static void recall(struct line *l, unsigned back)
{
	if (back > min_u64(l->entered, LINE_HISTORY))
		return;
	if (l->back == 0)
		memcpy(l->draft, l->text, LINE_BYTES);
	l->back = back;
	replace(l, back == 0 ? l->draft : entry(l, back));
}

static void remember(struct line *l)
{
	if (l->length == 0 || (l->entered > 0 && strcmp(entry(l, 1), l->text) == 0))
		return;
	memcpy(l->history[l->entered % LINE_HISTORY], l->text, LINE_BYTES);
	l->entered++;
}

/* ---- keys ---- */

static void moving_key(struct line *l, int key)
{
	switch (key) {
	case KEY_LEFT:
	case KEY_CONTROL('b'): move(l, l->cursor - (l->cursor > 0)); break;
	case KEY_RIGHT:
	case KEY_CONTROL('f'): move(l, l->cursor + (l->cursor < l->length)); break;
	case KEY_HOME:
	case KEY_CONTROL('a'): move(l, 0); break;
	case KEY_END:
	case KEY_CONTROL('e'): move(l, l->length); break;
	case KEY_UP:
	case KEY_CONTROL('p'): recall(l, l->back + 1); break;
	case KEY_DOWN:
	case KEY_CONTROL('n'):
		if (l->back > 0)
			recall(l, l->back - 1);
		break;
	default: break;
	}
}

static void editing_key(struct line *l, int key)
{
	switch (key) {
	case KEY_BACKSPACE:
		if (l->cursor > 0)
			cut(l, l->cursor - 1, l->cursor);
		break;
	case KEY_DELETE:
	case KEY_CONTROL('d'):
		if (l->cursor < l->length)
			cut(l, l->cursor, l->cursor + 1);
		break;
	case KEY_CONTROL('k'): cut(l, l->cursor, l->length); break;
	case KEY_CONTROL('u'): cut(l, 0, l->cursor); break;
	case KEY_CONTROL('l'):
		print(CLEAR_SCREEN);
		show_afresh(l);
		break;
	default: moving_key(l, key); break;
	}
}

void line_begin(struct line *l, const char *prompt, unsigned columns)
{
	size_t used = strlen(prompt) + 1; /* the last column stays blank: terminals wrap there */

	l->prompt = prompt;
	l->text[0] = '\0';
	l->length = l->cursor = l->window = 0;
	l->back = 0;
	l->width = columns > used + LINE_WIDTH_MIN ? columns - used : LINE_WIDTH_MIN;
	show_afresh(l);
}

enum line_result line_key(struct line *l, int key)
{
	if (key == KEY_ENTER) {
		print("\n");
		remember(l);
		return LINE_ENTERED;
	}
	if (key == KEY_CONTROL('c')) {
		print("^C\n");
		return LINE_CANCELLED;
	}
	if (key >= ' ' && key <= '~')
		insert(l, (char)key);
	else
		editing_key(l, key);
	return LINE_MORE;
}
