/* SPDX-License-Identifier: MIT */
/*
 * vga_text.h - characters in the memory of a VGA in text mode.
 *
 * A painter for drivers/tty/screen.h.  A cell is a character and its colours, 16 bits; the adapter
 * has the font.  Written only, never read.  Source: IBM VGA technical reference, 2-2.
 */
#pragma once

#include "boot/boot_info.h"
#include "drivers/tty/screen.h"
#include "lib/err.h"

struct vga_text {
	struct screen_painter painter;
	uint8_t *base;
	uint32_t pitch; /* bytes from one line to the next */
};

/* The mode in which every BIOS leaves the VGA: 80 x 25 at 0xb8000. */
struct boot_framebuffer vga_text_standard(void);

/* ERR_BAD_FORMAT: it cannot be written to; *why is the reason. */
err_t vga_text_check(const struct boot_framebuffer *b, const char **why);

/* Prepare to write on `b`, which passed the check and is mapped at `base`. */
void vga_text_start(struct vga_text *v, const struct boot_framebuffer *b, void *base);

/* From now on write through another mapping of the same memory. */
void vga_text_set_base(struct vga_text *v, void *base);
