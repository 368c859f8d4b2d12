/* SPDX-License-Identifier: MIT */
#include "drivers/tty/log.h"

#include "lib/bits.h"
#include "lib/string.h"

enum {
	CHAR_ESCAPE = 0x1b,
};

_Static_assert((LOG_BYTES & (LOG_BYTES - 1)) == 0, "positions wrap at a power of two");

/* Bytes from this position to the end of the array, where the ring wraps. */
static size_t until_turn(uint64_t position)
{
	return LOG_BYTES - (size_t)(position % LOG_BYTES);
}

void log_write(struct log_ring *ring, const char *bytes, size_t n)
{
	if (n > LOG_BYTES) {
		ring->written += n - LOG_BYTES;
		bytes += n - LOG_BYTES;
		n = LOG_BYTES;
	}
	while (n > 0) {
		size_t part = min_u64(n, until_turn(ring->written));

		memcpy(ring->bytes + ring->written % LOG_BYTES, bytes, part);
		ring->written += part;
		bytes += part;
		n -= part;
	}
}

uint64_t log_oldest(const struct log_ring *ring)
{
	return ring->written > LOG_BYTES ? ring->written - LOG_BYTES : 0;
}

uint64_t log_last_lines(const struct log_ring *ring, uint64_t lines)
{
	uint64_t oldest = log_oldest(ring), at = ring->written;

	/* the newline that ends the last line starts no other */
	if (at > oldest && ring->bytes[(at - 1) % LOG_BYTES] == '\n')
		at--;
	for (; at > oldest; at--)
		if (ring->bytes[(at - 1) % LOG_BYTES] == '\n' && --lines == 0)
			break;
	return at;
}

size_t log_read(const struct log_ring *ring, uint64_t *at, char *out, size_t n)
{
	uint64_t from = max_u64(*at, log_oldest(ring));
	size_t copied = 0;

	if (from > ring->written)
		from = ring->written;
	n = min_u64(n, ring->written - from);
	while (copied < n) {
		size_t part = min_u64(n - copied, until_turn(from));

		memcpy(out + copied, ring->bytes + from % LOG_BYTES, part);
		copied += part;
		from += part;
	}
	*at = from;
	return copied;
}

/* Skip an escape sequence after its ESC: ECMA-48 5.4, as far as keel prints them. */
static void skip_sequence(const struct log_ring *ring, uint64_t *at)
{
	char c = '[';

	while (*at < ring->written && (c < '@' || c == '['))
		c = ring->bytes[(*at)++ % LOG_BYTES];
}

bool log_line(const struct log_ring *ring, uint64_t *at, char *out, size_t size)
{
	size_t n = 0, end = 0; /* the place of the next character; the line's length */

	*at = max_u64(*at, log_oldest(ring));
	if (*at >= ring->written)
		return false;
	while (*at < ring->written && n + 1 < size) {
		char c = ring->bytes[(*at)++ % LOG_BYTES];

		if (c == '\n')
			break;
		if (c == '\b' && n > 0)
			n--;
		else if (c == '\r')
			n = 0;
		else if (c == CHAR_ESCAPE)
			skip_sequence(ring, at);
		else if (c >= ' ')
			out[n++] = c;
		end = max_u64(end, n);
	}
	while (end > 0 && out[end - 1] == ' ')
		end--;
	out[end] = '\0';
	return true;
}
