/* SPDX-License-Identifier: MIT */
/*
 * video_memory.h - stores to a framebuffer or to VGA text memory.
 *
 * This is memory, usually write-combining, and no register: an access has no effect but the pixels,
 * so these are plain stores, at any alignment, and not arch_mmio_write*().  They are volatile to
 * stay one access of their width each: compilers would make memset() of a loop of them, or store
 * bytes.  The one place in the drivers where volatile is used to access memory (REM-03); rule
 * volatile-access of tools/lint.py refuses it elsewhere.
 *
 * Any context; the caller serializes drawing.
 */
#pragma once

#include "lib/types.h"

struct unaligned_word {
	uint64_t value;
} __attribute__((packed, may_alias));

static inline void video_store8(void *at, uint8_t value)
{
	*(volatile uint8_t *)at = value;
}

/* `at` is aligned to 2 bytes. */
static inline void video_store16(void *at, uint16_t value)
{
	*(volatile uint16_t *)at = value;
}

static inline void video_store64(void *at, uint64_t value)
{
	((volatile struct unaligned_word *)at)->value = value;
}
