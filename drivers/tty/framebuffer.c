/* SPDX-License-Identifier: MIT */
#include "drivers/tty/framebuffer.h"

#include "drivers/tty/font.h"
#include "drivers/tty/video_memory.h"
#include "lib/bits.h"
#include "lib/string.h"

enum {
	BYTE_BITS = 8,
	PIXEL_BYTES_MAX = 4,
	WORD_BYTES = 8,
	LINE_BYTES = FONT_WIDTH * FRAMEBUFFER_SCALE_MAX * PIXEL_BYTES_MAX,
	LEFTMOST_DOT = 1 << (FONT_WIDTH - 1),
	BRIGHTNESS = 0xd0, /* of 255: text in light grey on black */
	BRIGHTNESS_BITS = 8,
	CHANNEL_BITS_MAX = 16,
};

/* Every line of a glyph is a whole number of words, as FONT_WIDTH is WORD_BYTES. */
_Static_assert((int)FONT_WIDTH == WORD_BYTES, "a glyph's line is pixel_bytes words");

/* ---- check of firmware data ---- */

static bool channel_fits(const struct boot_framebuffer *b, unsigned position, unsigned bits)
{
	return bits <= CHANNEL_BITS_MAX && position + bits <= b->bits_per_pixel;
}

static bool channels_fit(const struct boot_framebuffer *b)
{
	return channel_fits(b, b->red_position, b->red_bits) &&
	       channel_fits(b, b->green_position, b->green_bits) &&
	       channel_fits(b, b->blue_position, b->blue_bits) &&
	       b->red_bits + b->green_bits + b->blue_bits > 0;
}

static const char *fault_of(const struct boot_framebuffer *b)
{
	unsigned bits = b->bits_per_pixel;

	if (b->type != FRAMEBUFFER_RGB)
		return "its pixels are not RGB";
	if (bits != 16 && bits != 24 && bits != 32)
		return "only 16, 24 and 32 bits a pixel are supported";
	if (!channels_fit(b))
		return "its colours do not fit into a pixel";
	if (b->width < FONT_WIDTH || b->height < FONT_HEIGHT)
		return "no character fits on it";
	if (b->pitch < (uint64_t)b->width * bits / BYTE_BITS)
		return "its lines overlap";
	if (b->address == 0 || b->address > UINT64_MAX - (uint64_t)b->pitch * b->height)
		return "its memory lies outside the address space";
	return NULL;
}

err_t framebuffer_check(const struct boot_framebuffer *b, const char **why)
{
	*why = fault_of(b);
	return *why == NULL ? OK : ERR_BAD_FORMAT;
}

struct prange framebuffer_memory(const struct boot_framebuffer *b)
{
	return (struct prange){ paddr(b->address), (uint64_t)b->pitch * b->height };
}

/* ---- drawing ---- */

static uint32_t channel(unsigned position, unsigned bits)
{
	uint32_t level = bits <= BRIGHTNESS_BITS ? BRIGHTNESS >> (BRIGHTNESS_BITS - bits)
						 : BRIGHTNESS << (bits - BRIGHTNESS_BITS);

	return bits == 0 ? 0 : level << position;
}

static void framebuffer_clear(struct screen_painter *p)
{
	struct framebuffer *f = container_of(p, struct framebuffer, painter);
	uint64_t bytes = (uint64_t)f->width * f->pixel_bytes;

	for (uint32_t y = 0; y < f->height; y++) {
		uint8_t *line = f->base + y * f->pitch;
		uint64_t x = 0;

		for (; x + WORD_BYTES <= bytes; x += WORD_BYTES)
			video_store64(line + x, 0);
		for (; x < bytes; x++)
			video_store8(line + x, 0);
	}
}

/* The pixels of one line of a glyph; bytes of little-endian pixels, as memory has them. */
static void expand(const struct framebuffer *f, uint8_t dots, uint8_t *line)
{
	for (unsigned dot = 0; dot < FONT_WIDTH; dot++, dots = (uint8_t)(dots << 1)) {
		uint32_t pixel = (dots & LEFTMOST_DOT) != 0 ? f->foreground : 0;

		for (unsigned i = 0; i < f->scale; i++, line += f->pixel_bytes)
			for (unsigned byte = 0; byte < f->pixel_bytes; byte++)
				line[byte] = (uint8_t)(pixel >> byte * BYTE_BITS);
	}
}

static void framebuffer_draw(struct screen_painter *p, unsigned row, unsigned column, uint8_t cell)
{
	struct framebuffer *f = container_of(p, struct framebuffer, painter);
	const uint8_t *glyph = font_glyphs[(cell & ~SCREEN_CURSOR) - FONT_FIRST];
	uint8_t inverse = (cell & SCREEN_CURSOR) != 0 ? UINT8_MAX : 0;
	size_t bytes = (size_t)WORD_BYTES * f->pixel_bytes * f->scale;
	uint8_t *at = f->base + (uint64_t)row * FONT_HEIGHT * f->scale * f->pitch + column * bytes;
	uint8_t line[LINE_BYTES] __aligned(WORD_BYTES);

	for (unsigned y = 0; y < FONT_HEIGHT * f->scale; y++, at += f->pitch) {
		if (y % f->scale == 0)
			expand(f, glyph[y / f->scale] ^ inverse, line);
		for (size_t x = 0; x < bytes; x += WORD_BYTES)
			video_store64(at + x, ((struct unaligned_word *)(line + x))->value);
	}
}

/* The smallest scale at which the grid is as wide as the screen. */
static unsigned scale_for(uint32_t width)
{
	uint64_t unscaled = SCREEN_COLUMNS_MAX * FONT_WIDTH;

	return (unsigned)min_u64((width + unscaled - 1) / unscaled, FRAMEBUFFER_SCALE_MAX);
}

void framebuffer_start(struct framebuffer *f, const struct boot_framebuffer *b, void *base)
{
	unsigned scale = scale_for(b->width);

	/* a wide and very low screen still has one row */
	while (b->height < FONT_HEIGHT * scale)
		scale--;
	*f = (struct framebuffer){
		.painter = { b->height / (FONT_HEIGHT * scale), b->width / (FONT_WIDTH * scale),
			     framebuffer_clear, framebuffer_draw },
		.base = base,
		.pitch = b->pitch,
		.width = b->width,
		.height = b->height,
		.foreground = channel(b->red_position, b->red_bits) |
			      channel(b->green_position, b->green_bits) |
			      channel(b->blue_position, b->blue_bits),
		.pixel_bytes = b->bits_per_pixel / BYTE_BITS,
		.scale = scale,
	};
}

void framebuffer_set_base(struct framebuffer *f, void *base)
{
	f->base = base;
}
