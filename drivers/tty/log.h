/* SPDX-License-Identifier: MIT */
/*
 * log.h - the last bytes that were printed.
 *
 * A ring in static memory: it works before the allocators, and the screen, when it starts, shows
 * the earlier output from it.  A position counts the bytes ever written, so that a reader that
 * writers have overtaken detects that and continues with the oldest byte that is kept.
 *
 * Invariant: the ring holds the bytes [written - min(written, LOG_BYTES), written).
 * Locking: the owner's (drivers/tty/console.c).
 */
#pragma once

#include "lib/types.h"

enum {
	LOG_BYTES = 64 << 10, /* a power of two: positions are taken modulo it */
};

struct log_ring {
	uint64_t written; /* bytes, since the beginning */
	char bytes[LOG_BYTES];
};

/* Add n bytes; they overwrite the oldest. */
void log_write(struct log_ring *ring, const char *bytes, size_t n);

/* The position of the oldest byte that is kept. */
uint64_t log_oldest(const struct log_ring *ring);

/* The position where the last `lines` lines begin, or the oldest there is. */
uint64_t log_last_lines(const struct log_ring *ring, uint64_t lines);

/* Copy at most n bytes from position *at on and move *at behind them; what is no longer kept is
 * passed over.  Returns how many; 0: *at has reached the end. */
size_t log_read(const struct log_ring *ring, uint64_t *at, char *out, size_t n);

/* The next line from *at on, as a terminal shows it: backspaces are applied, other control
 * characters and escape sequences are left out.  Terminated, cut at size - 1 bytes (the rest is the
 * next line).  False: *at has reached the end. */
bool log_line(const struct log_ring *ring, uint64_t *at, char *out, size_t size);
