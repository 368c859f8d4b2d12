/* SPDX-License-Identifier: MIT */
#include "tests/capture.h"

#include "lib/bits.h"
#include "lib/print.h"
#include "lib/string.h"

static char text[CAPTURE_BYTES];
static size_t used;
static struct print_sink *before;

static void keep(struct print_sink *sink, const char *bytes, size_t n)
{
	(void)sink;
	n = (size_t)min_u64(n, sizeof(text) - 1 - used);
	memcpy(text + used, bytes, n);
	used += n;
	text[used] = '\0';
}

void capture_begin(void)
{
	static struct print_sink sink = { keep };

	used = 0;
	text[0] = '\0';
	before = print_sink_now();
	print_set_sink(&sink);
}

const char *capture_end(void)
{
	print_set_sink(before);
	return text;
}

const char *capture_text(void)
{
	return text;
}
