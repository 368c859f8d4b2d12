/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target for boot/pvh.c: the input is the physical memory from 4 KiB on, which starts with the
 * start info.
 *
 *   byte 0      bit 0: repair magic and version; bit 1: reads must not cross multiples of 64
 *   the rest    memory
 *
 * Each mapping is a separate heap block, so that ASan detects any read beyond its end, even if
 * memory continues.
 */
#include "boot/pvh.h"

#include "lib/bits.h"
#include "lib/print.h"
#include "lib/string.h"

/* <stdlib.h> has a daddr_t of its own. */
void *malloc(size_t n);
void free(void *p);
void abort(void);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	MEMORY_AT = 4096,
	MAPPINGS = 1 << 16,
	REPAIR = 1 << 0,
	PIECES = 1 << 1,
	PIECE_BYTES = 64,
	VERSION_AT = 4,
	SPARE = 2,
	ARENA_MAX = 1 << 24, /* larger arenas only make the fuzzer slower */
};

struct memory {
	uint8_t *bytes;
	uint64_t size, piece;
};

static void *mappings[MAPPINGS];
static size_t mapping_count;
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

static uint8_t *exact_copy(const uint8_t *bytes, size_t n)
{
	uint8_t *copy = malloc(n);

	require(copy != NULL || n == 0);
	for (size_t i = 0; i < n; i++)
		copy[i] = bytes[i];
	return copy;
}

static const uint8_t *map(void *ctx, uint64_t pa, uint64_t len)
{
	const struct memory *m = ctx;
	uint64_t at = pa - MEMORY_AT;

	if (pa < MEMORY_AT || at > m->size || len > m->size - at)
		return NULL;
	if (m->piece != 0 && len != 0 && at / m->piece != (at + len - 1) / m->piece)
		return NULL;
	if (mapping_count == MAPPINGS)
		return m->bytes + at;
	mappings[mapping_count] = exact_copy(m->bytes + at, len);
	return mappings[mapping_count++];
}

static void drop_mappings(void)
{
	while (mapping_count > 0)
		free(mappings[--mapping_count]);
}

static void check_info(const struct boot_info *bi)
{
	require(bi->source_count + SPARE <= bi->source_room);
	written += strlen(bi->cmdline);
	for (size_t i = 0; i < bi->source_count; i++)
		require(bi->sources[i].start < bi->sources[i].end &&
			(unsigned)bi->sources[i].type < REGION_TYPES);
	for (size_t i = 0; i < bi->module_count; i++) {
		require(bi->modules[i].range.start <= bi->modules[i].range.end);
		written += strlen(bi->modules[i].cmdline);
	}
}

static void parse(const struct pvh *pvh)
{
	size_t room = pvh_arena_bytes(pvh) + SPARE * sizeof(struct region);
	struct boot_arena arena;
	struct boot_info bi;
	uint8_t *memory;

	if (room > ARENA_MAX)
		return;
	memory = malloc(room);
	require(memory != NULL);
	arena = (struct boot_arena){ memory, memory + room };
	require(pvh_parse(pvh, &arena, SPARE, &bi) == OK);
	drop_mappings(); /* everything is copied */
	check_info(&bi);
	free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct print_sink sink = { discard };
	const char *why = NULL;
	struct memory m;
	struct pvh pvh;

	if (size <= 2 * sizeof(uint64_t))
		return 0;
	print_set_sink(&sink);
	m.size = size - 1;
	m.bytes = exact_copy(data + 1, m.size);
	m.piece = (data[0] & PIECES) != 0 ? PIECE_BYTES : 0;
	if ((data[0] & REPAIR) != 0) {
		for (unsigned i = 0; i < sizeof(uint32_t); i++)
			m.bytes[i] = (uint8_t)(PVH_MAGIC >> 8 * i);
		m.bytes[VERSION_AT] |= 1;
	}
	if (pvh_init(&pvh, map, &m, MEMORY_AT, &why) == OK)
		parse(&pvh);
	else
		require(why != NULL);
	drop_mappings();
	free(m.bytes);
	return 0;
}
