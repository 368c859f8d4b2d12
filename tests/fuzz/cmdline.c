/* SPDX-License-Identifier: MIT */
/* Fuzz target for boot/cmdline.c: the input is the command line, in a heap block of exact size. */
#include "boot/cmdline.h"

#include "lib/print.h"
#include "lib/string.h"

/* <stdlib.h> has a daddr_t of its own. */
void *malloc(size_t n);
void free(void *p);
void abort(void);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t written;

static void discard(struct print_sink *sink, const char *bytes, size_t n)
{
	(void)sink;
	for (size_t i = 0; i < n; i++)
		written += (uint8_t)bytes[i];
}

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_apply(const struct cmdline *c)
{
	struct region sources[2 + CMDLINE_MEMMAP_MAX] = { { 0, GIB(4), REGION_USABLE },
							  { 0, MIB(1), REGION_RESERVED } };
	struct boot_info bi = {
		.sources = sources,
		.source_count = 2,
		.source_room = 2 + CMDLINE_MEMMAP_MAX,
	};

	cmdline_apply_memory(c, &bi);
	require(bi.source_count == 2 + c->memmap_count);
	require(sources[0].start == 0 && sources[0].end <= GIB(4));
	require(sources[0].end == GIB(4) || sources[0].end == c->mem_limit);
	require(sources[1].end == MIB(1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct print_sink sink = { discard };
	char *text = malloc(size + 1);
	struct cmdline c;

	require(text != NULL);
	print_set_sink(&sink);
	for (size_t i = 0; i < size; i++)
		text[i] = (char)data[i];
	text[size] = '\0';
	cmdline_parse(text, &c);
	free(text);
	require(c.mem_limit != 0);
	require(c.memmap_count <= CMDLINE_MEMMAP_MAX);
	require(strlen(c.ktest) < CMDLINE_TEXT_BYTES && strlen(c.monitor) < CMDLINE_TEXT_BYTES);
	for (unsigned i = 0; i < c.memmap_count; i++)
		require(c.memmap[i].start < c.memmap[i].end);
	check_apply(&c);
	return 0;
}
