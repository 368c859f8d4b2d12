/* SPDX-License-Identifier: MIT */
#include "arch/arch.h"

/* IBM VGA technical reference, CRT controller: cursor start register. */
enum {
	CRTC_INDEX = 0x3d4,
	CRTC_DATA = 0x3d5,
	CRTC_CURSOR_START = 0x0a,
	CURSOR_OFF = 1 << 5,
};

void arch_vga_cursor_hide(void)
{
	outb(CRTC_INDEX, CRTC_CURSOR_START);
	outb(CRTC_DATA, CURSOR_OFF);
}
