/* SPDX-License-Identifier: MIT */
/*
 * framebuffer.h - characters as pixels in linear memory.
 *
 * A painter for drivers/tty/screen.h.  Pixels have 16, 24 or 32 bits with the three channels
 * anywhere in them.  A screen wider than the grid of characters has its dots doubled, tripled
 * and so on.  The memory is written in words of 8 bytes, for a write-combining mapping, and
 * never read.
 *
 * framebuffer_check() accepts any input: firmware data is used only after it.  The caller makes
 * sure that the memory exists, by mapping it.
 */
#pragma once

#include "boot/boot_info.h"
#include "drivers/tty/screen.h"
#include "lib/err.h"

enum {
	FRAMEBUFFER_SCALE_MAX = 4, /* of a dot, in pixels; wider screens are used in part */
};

struct framebuffer {
	struct screen_painter painter;
	uint8_t *base;
	uint64_t pitch;         /* bytes from one line to the next */
	uint32_t width, height; /* pixels */
	uint32_t foreground;    /* a pixel; the background is 0 */
	unsigned pixel_bytes, scale;
};

/* ERR_BAD_FORMAT: it cannot be drawn on; *why is the reason. */
err_t framebuffer_check(const struct boot_framebuffer *b, const char **why);

/* The memory of a framebuffer that passed the check. */
struct prange framebuffer_memory(const struct boot_framebuffer *b);

/* Prepare to draw on `b`, which passed the check and is mapped at `base`. */
void framebuffer_start(struct framebuffer *f, const struct boot_framebuffer *b, void *base);

/* From now on draw through another mapping of the same memory. */
void framebuffer_set_base(struct framebuffer *f, void *base);
