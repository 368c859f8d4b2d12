/* SPDX-License-Identifier: MIT */
/*
 * font.h - glyphs of the printable ASCII characters.
 *
 * tools/font.py makes the array from a font of GRUB's package; the sources contain no font.  A
 * glyph is FONT_HEIGHT bytes from top to bottom, the leftmost dot in the highest bit. Constant
 * data.
 */
#pragma once

#include "lib/types.h"

enum {
	FONT_WIDTH = 8, /* dots */
	FONT_HEIGHT = 16,
	FONT_FIRST = ' ',
	FONT_LAST = '~',
	FONT_GLYPHS = FONT_LAST - FONT_FIRST + 1,
};

extern const uint8_t font_glyphs[FONT_GLYPHS][FONT_HEIGHT];
