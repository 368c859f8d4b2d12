/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target for boot/multiboot2.c, boot/source.c and mm/frame/regions.c.
 *
 *   byte 0      bit 0: repair total_size; a wrong one would stop the fuzzer early
 *   bytes 1-8   physical address of the block
 *   the rest    the block
 *
 * The block, the arena and the memory of the regions are heap blocks of exact size.  The resulting
 * regions are compared with the memory map entries at both ends of each entry.
 */
#include "boot/multiboot2.h"

#include "lib/bits.h"
#include "lib/print.h"
#include "lib/string.h"
#include "mm/frame/page.h"
#include "mm/frame/regions.h"

/* <stdlib.h> has a daddr_t of its own. */
void *malloc(size_t n);
void free(void *p);
void abort(void);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	REPAIR_SIZE = 1 << 0,
	BLOCK = 9,
	SPARE = 3,
};

#define IMAGE_OFFSET 0xffffffff80000000u

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

static void *take(size_t n)
{
	void *p = malloc(n);

	require(p != NULL || n == 0);
	return p;
}

/* The type with the highest precedence of all entries that contain the byte. */
static unsigned type_of_byte(const struct boot_info *bi, uint64_t byte)
{
	unsigned type = REGION_TYPES;

	for (size_t i = 0; i < bi->source_count; i++) {
		const struct region *r = &bi->sources[i];

		if (r->start <= byte && byte < r->end && r->type < type)
			type = r->type;
	}
	return type;
}

static void check_byte(const struct boot_info *bi, const struct region *map, size_t count,
		       uint64_t byte)
{
	const struct region *r = regions_find(map, count, byte);
	unsigned want = type_of_byte(bi, byte);

	require((r == NULL) == (want == REGION_TYPES));
	/* trimming to whole frames makes some usable bytes reserved */
	require(r == NULL || r->type == want ||
		(want == REGION_USABLE && r->type == REGION_RESERVED));
	require(r == NULL || r->type != REGION_USABLE ||
		(r->start % PAGE_SIZE == 0 && r->end % PAGE_SIZE == 0));
}

static void check_regions(const struct boot_info *bi)
{
	void *memory = take(regions_bytes_needed(bi->source_count));
	struct region *map;
	size_t count = regions_build(bi->sources, bi->source_count, memory, &map);

	require(regions_check(map, count) == count);
	for (size_t i = 0; i < bi->source_count; i++) {
		check_byte(bi, map, count, bi->sources[i].start);
		check_byte(bi, map, count, bi->sources[i].start - 1);
		check_byte(bi, map, count, bi->sources[i].end);
		check_byte(bi, map, count, bi->sources[i].end - 1);
	}
	free(memory);
}

static void check_gap(const struct multiboot2 *mb, const struct boot_info *bi)
{
	uint64_t len = 3 * PAGE_SIZE + 5, at;

	if (source_find_gap(&mb->walk, MIB(1), GIB(4), len, &at) != OK)
		return;
	require(at % PAGE_SIZE == 0 && at >= MIB(1) && at + len <= GIB(4));
	require(type_of_byte(bi, at) == REGION_USABLE);
	for (size_t i = 0; i < bi->source_count; i++)
		require(bi->sources[i].type == REGION_USABLE || bi->sources[i].end <= at ||
			bi->sources[i].start >= at + len);
}

static void check_info(const struct boot_info *bi)
{
	require(bi->source_count + SPARE <= bi->source_room);
	require(bi->rsdp_length <= BOOT_RSDP_BYTES);
	require(strlen(bi->loader) < BOOT_NAME_BYTES);
	written += strlen(bi->cmdline);
	for (size_t i = 0; i < bi->source_count; i++)
		require(bi->sources[i].start < bi->sources[i].end &&
			(unsigned)bi->sources[i].type < REGION_TYPES);
	for (size_t i = 0; i < bi->module_count; i++) {
		require(bi->modules[i].range.start <= bi->modules[i].range.end);
		written += strlen(bi->modules[i].cmdline);
	}
}

static void parse(const struct multiboot2 *mb)
{
	size_t room = multiboot2_arena_bytes(mb) + SPARE * sizeof(struct region);
	uint8_t *memory = take(room);
	struct boot_arena arena = { memory, memory + room };
	struct boot_info bi;

	require(multiboot2_parse(mb, &arena, SPARE, &bi) == OK);
	check_info(&bi);
	check_regions(&bi);
	check_gap(mb, &bi);
	free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct print_sink sink = { discard };
	const char *why = NULL;
	struct multiboot2 mb;
	uint8_t *block;
	size_t len;

	if (size < BLOCK)
		return 0;
	print_set_sink(&sink);
	len = size - BLOCK;
	block = take(len);
	for (size_t i = 0; i < len; i++)
		block[i] = data[BLOCK + i];
	if ((data[0] & REPAIR_SIZE) != 0)
		for (unsigned i = 0; i < sizeof(uint32_t) && i < len; i++)
			block[i] = (uint8_t)(len >> 8 * i);
	if (multiboot2_init(&mb, block, len, read_le64(data + 1), IMAGE_OFFSET, &why) == OK)
		parse(&mb);
	else
		require(why != NULL);
	free(block);
	return 0;
}
