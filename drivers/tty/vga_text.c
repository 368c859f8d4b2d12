/* SPDX-License-Identifier: MIT */
#include "drivers/tty/vga_text.h"

#include "arch/arch.h"
#include "drivers/tty/video_memory.h"

enum {
	CELL_BYTES = 2,
	CELL_BITS = 16,
	STANDARD_ADDRESS = 0xb8000,
	STANDARD_COLUMNS = 80,
	STANDARD_ROWS = 25,
	COLOURS = 0x0700, /* light grey on black */
	COLOURS_CURSOR = 0x7000,

	/* IBM VGA technical reference, CRT controller: cursor start register */
	CRTC_INDEX = 0x3d4,
	CRTC_DATA = 0x3d5,
	CRTC_CURSOR_START = 0x0a,
	CURSOR_OFF = 1 << 5,
};

struct boot_framebuffer vga_text_standard(void)
{
	return (struct boot_framebuffer){
		.address = STANDARD_ADDRESS,
		.pitch = STANDARD_COLUMNS * CELL_BYTES,
		.width = STANDARD_COLUMNS,
		.height = STANDARD_ROWS,
		.bits_per_pixel = CELL_BITS,
		.type = FRAMEBUFFER_EGA_TEXT,
	};
}

static const char *fault_of(const struct boot_framebuffer *b)
{
	if (b->type != FRAMEBUFFER_EGA_TEXT)
		return "it is not VGA text";
	if (b->width == 0 || b->height == 0)
		return "no character fits on it";
	if (b->pitch < (uint64_t)b->width * CELL_BYTES || b->pitch % CELL_BYTES != 0)
		return "its lines overlap";
	if (b->address == 0 || b->address % CELL_BYTES != 0 ||
	    b->address > UINT64_MAX - (uint64_t)b->pitch * b->height)
		return "its memory lies outside the address space";
	return NULL;
}

err_t vga_text_check(const struct boot_framebuffer *b, const char **why)
{
	*why = fault_of(b);
	return *why == NULL ? OK : ERR_BAD_FORMAT;
}

static void vga_text_draw(struct screen_painter *p, unsigned row, unsigned column, uint8_t cell)
{
	struct vga_text *v = container_of(p, struct vga_text, painter);
	void *at = v->base + (uint64_t)row * v->pitch + (uint64_t)column * CELL_BYTES;
	unsigned colours = (cell & SCREEN_CURSOR) != 0 ? COLOURS_CURSOR : COLOURS;

	video_store16(at, (uint16_t)(colours | (cell & ~SCREEN_CURSOR)));
}

/* Firmware leaves a blinking cursor. */
static void vga_text_hide_cursor(void)
{
	arch_port_write8(CRTC_INDEX, CRTC_CURSOR_START);
	arch_port_write8(CRTC_DATA, CURSOR_OFF);
}

static void vga_text_clear(struct screen_painter *p)
{
	for (unsigned row = 0; row < p->rows; row++)
		for (unsigned column = 0; column < p->columns; column++)
			vga_text_draw(p, row, column, ' ');
	vga_text_hide_cursor();
}

void vga_text_start(struct vga_text *v, const struct boot_framebuffer *b, void *base)
{
	*v = (struct vga_text){
		.painter = { b->height, b->width, vga_text_clear, vga_text_draw },
		.base = base,
		.pitch = b->pitch,
	};
}

void vga_text_set_base(struct vga_text *v, void *base)
{
	v->base = base;
}
