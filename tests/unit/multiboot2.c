/* SPDX-License-Identifier: MIT */
/*
 * Tests of boot/multiboot2.c with synthetic information blocks, damaged ones, and blocks dumped
 * from a real GRUB.
 *
 * A second, independent reader below decodes the same blocks; it finds the type of a byte by
 * searching all memory map entries.
 */
#include "boot/multiboot2.h"

#include "lib/string.h"
#include "mm/frame/page.h"
#include "mm/frame/regions.h"
#include "tests/test.h"

#ifndef KEEL_TESTS
#include <stdlib.h>
#endif

/* Multiboot2 2.0, 3.6. */
enum {
	END = 0,
	CMDLINE = 1,
	LOADER_NAME = 2,
	MODULE = 3,
	BASIC_MEMINFO = 4,
	MMAP = 6,
	FRAMEBUFFER = 8,
	ELF_SECTIONS = 9,
	EFI32 = 11,
	EFI64 = 12,
	RSDP_OLD = 14,
	RSDP_NEW = 15,
	EFI_MMAP = 17,
	EFI_BOOT_SERVICES = 18,
	LOAD_BASE = 21,
};

enum {
	BLOCK_AT = 0x100650, /* physical address of the block */
	SHDR32_BYTES = 40,
	SHDR64_BYTES = 64,
	SHF_ALLOCATED = 2, /* ELF-64, figure 4 */
	SPARE = 2,
#ifdef KEEL_TESTS
	MANY = 1000,
	MUTATIONS = 500,
#else
	MANY = 10000,
	MUTATIONS = 20000,
#endif
	BLOCK_BYTES = MANY * 48 + 4096,
	ARENA_BYTES = 12 * BLOCK_BYTES,
	REGION_BYTES = MANY * 320,
	PATH_BYTES = 256,
	NAME_BYTES = 128,
};

#define IMAGE_OFFSET 0xffffffff80000000u

/* ---- building a block ---- */

static uint8_t block[BLOCK_BYTES];
static size_t block_used, tag_at;

static void put(uint64_t v, unsigned bytes)
{
	for (; bytes > 0; bytes--, v >>= 8)
		block[block_used++] = (uint8_t)v;
}

static void put_at(size_t at, uint64_t v, unsigned bytes)
{
	for (; bytes > 0; bytes--, v >>= 8)
		block[at++] = (uint8_t)v;
}

static void put_text(const char *s)
{
	do
		put((uint8_t)*s, 1);
	while (*s++ != '\0');
}

static void put_zeros(size_t n)
{
	while (n-- > 0)
		put(0, 1);
}

static void tag_begin(uint32_t type)
{
	tag_at = block_used;
	put(type, 4);
	put(0, 4);
}

static void tag_end(void)
{
	put_at(tag_at + 4, block_used - tag_at, 4);
	while (block_used % 8 != 0)
		put(0xcc, 1); /* padding, ignored */
}

static void block_begin(void)
{
	block_used = 0;
	put(0, 4);
	put(0, 4);
}

static void block_end(void)
{
	tag_begin(END);
	tag_end();
	put_at(0, block_used, 4);
}

static void put_string_tag(uint32_t type, const char *s)
{
	tag_begin(type);
	put_text(s);
	tag_end();
}

static void put_module(uint32_t start, uint32_t end, const char *s)
{
	tag_begin(MODULE);
	put(start, 4);
	put(end, 4);
	put_text(s);
	tag_end();
}

static uint32_t map_stride;

static void mmap_begin(uint32_t stride)
{
	map_stride = stride;
	tag_begin(MMAP);
	put(stride, 4);
	put(0, 4);
}

/* Bytes after the fields are not zero, so that a wrong stride is detected. */
static void put_filler(size_t used)
{
	while (used++ < map_stride)
		put(0xa5, 1);
}

static void put_mmap(uint64_t start, uint64_t len, uint32_t type)
{
	put(start, 8);
	put(len, 8);
	put(type, 4);
	put_filler(20);
}

static void efi_mmap_begin(uint32_t stride)
{
	map_stride = stride;
	tag_begin(EFI_MMAP);
	put(stride, 4);
	put(1, 4);
}

static void put_efi(uint64_t start, uint64_t pages, uint32_t type)
{
	put(type, 4);
	put(0x5a5a5a5a, 4);
	put(start, 8);
	put(~start, 8); /* virtual address, ignored */
	put(pages, 8);
	put(0xf, 8);
	put_filler(40);
}

static void put_framebuffer(uint64_t address, uint32_t pitch, uint32_t height, uint8_t type)
{
	tag_begin(FRAMEBUFFER);
	put(address, 8);
	put(pitch, 4);
	put(800, 4);
	put(height, 4);
	put(32, 1);
	put(type, 1);
	put(0, 2);
	if (type == FRAMEBUFFER_RGB) {
		put(0x0810, 2);
		put(0x0708, 2);
		put(0x0600, 2);
	}
	tag_end();
}

static void elf_begin(uint32_t count, uint32_t entry_bytes)
{
	map_stride = entry_bytes;
	tag_begin(ELF_SECTIONS);
	put(count, 4);
	put(entry_bytes, 4);
	put(0, 4);
}

static void put_shdr64(uint64_t flags, uint64_t address, uint64_t size)
{
	put(0x01, 4);
	put(1, 4);
	put(flags, 8);
	put(address, 8);
	put(0x1111, 8);
	put(size, 8);
	put_filler(40);
}

static void put_shdr32(uint32_t flags, uint32_t address, uint32_t size)
{
	put(0x01, 4);
	put(1, 4);
	put(flags, 4);
	put(address, 4);
	put(0x1111, 4);
	put(size, 4);
	put_filler(24);
}

static void put_rsdp(uint32_t type, size_t bytes, uint8_t fill)
{
	tag_begin(type);
	while (bytes-- > 0)
		put(fill, 1);
	tag_end();
}

static void put_small_map(void)
{
	mmap_begin(24);
	put_mmap(0, 0x9fc00, 1);
	put_mmap(0x9fc00, 0x400, 2);
	put_mmap(MIB(1), MIB(127), 1);
	tag_end();
}

/* All tags that the parser uses, and some that it ignores. */
static void make_rich_block(void)
{
	block_begin();
	put_string_tag(LOAD_BASE, "abc");
	put_string_tag(CMDLINE, "mem=1G \"quoted text\"");
	put_string_tag(LOADER_NAME, "GRUB 2.06");
	put_module(0x200000, 0x200800, "first");
	put_module(0x200800, 0x201000, "second, in the same page");
	tag_begin(BASIC_MEMINFO);
	put(639, 4);
	put(7000, 4);
	tag_end();
	put_small_map();
	elf_begin(2, SHDR64_BYTES);
	put_shdr64(SHF_ALLOCATED, IMAGE_OFFSET + MIB(4), 0x3000);
	put_shdr64(0, 0x110000, 0x500);
	tag_end();
	put_framebuffer(0xfd000000, 3200, 600, FRAMEBUFFER_RGB);
	tag_begin(EFI64);
	put(0x7e9ec018, 8);
	tag_end();
	put_rsdp(RSDP_OLD, 20, 1);
	put_rsdp(RSDP_NEW, 36, 2);
	efi_mmap_begin(48);
	put_efi(0, 160, 7);
	put_efi(MIB(1), 1024, 4);
	put_efi(MIB(5), 16, 9);
	tag_end();
	block_end();
}

/* ---- parsing a block ---- */

#ifdef KEEL_TESTS
static uint8_t arena_memory[ARENA_BYTES] __aligned(8), region_memory[REGION_BYTES] __aligned(8);

static void *take(size_t n, uint8_t *memory, size_t room)
{
	return n <= room ? memory : NULL;
}

static void give_back(void *p)
{
	(void)p;
}

static const uint8_t *exact_copy(size_t len)
{
	(void)len;
	return block;
}
#else
/* On the host every object has its exact size, so that ASan detects any access beyond its end. */
#define arena_memory  NULL
#define region_memory NULL

static void *take(size_t n, uint8_t *memory, size_t room)
{
	(void)memory;
	(void)room;
	return malloc(n == 0 ? 1 : n);
}

static void give_back(void *p)
{
	free(p);
}

static const uint8_t *exact_copy(size_t len)
{
	uint8_t *copy = malloc(len);

	return len == 0 ? copy : memcpy(copy, block, len);
}
#endif

static struct {
	const uint8_t *bytes;
	void *arena, *memory;
	struct multiboot2 mb;
	struct boot_info bi;
	struct region *map;
	size_t map_count;
	const char *why;
	unsigned warnings; /* of the parse */
} got;

static void drop(void)
{
	give_back((void *)(uintptr_t)got.bytes);
	give_back(got.arena);
	give_back(got.memory);
	memset(&got, 0, sizeof(got));
}

static bool source_is_sane(const struct region *r)
{
	return r->start < r->end && (unsigned)r->type < REGION_TYPES;
}

static void check_parsed(void)
{
	CHECK(got.bi.source_count <= got.bi.source_room - SPARE);
	CHECK(got.bi.module_count <= got.bi.module_room);
	CHECK(got.bi.cmdline != NULL);
	CHECK(got.bi.has_memory_map);
	CHECK(strlen(got.bi.loader) < BOOT_NAME_BYTES);
	for (size_t i = 0; i < got.bi.source_count; i++)
		CHECK(source_is_sane(&got.bi.sources[i]));
	for (size_t i = 0; i < got.bi.module_count; i++)
		CHECK(got.bi.modules[i].cmdline != NULL &&
		      got.bi.modules[i].range.start <= got.bi.modules[i].range.end);
	CHECK_EQ(regions_check(got.map, got.map_count), got.map_count);
}

/* Parse the first `len` bytes of the block as the kernel does; warnings are counted, not printed.
 */
static err_t parse_at(size_t len, uint64_t address)
{
	struct print_sink *before = print_sink_now();
	struct boot_arena arena;
	size_t room;
	err_t e;

	drop();
	got.bytes = exact_copy(len);
	e = multiboot2_init(&got.mb, got.bytes, len, address, IMAGE_OFFSET, &got.why);
	if (e != OK)
		return e;
	room = multiboot2_arena_bytes(&got.mb) + SPARE * sizeof(struct region);
	got.arena = take(room, arena_memory, ARENA_BYTES);
	if (got.arena == NULL)
		return ERR_OVERFLOW;
	arena = (struct boot_arena){ got.arena, (uint8_t *)got.arena + room };
	got.warnings = warn_count();
	print_set_sink(NULL);
	e = multiboot2_parse(&got.mb, &arena, SPARE, &got.bi);
	print_set_sink(before);
	got.warnings = warn_count() - got.warnings;
	if (e != OK)
		return e;
	room = regions_bytes_needed(got.bi.source_count);
	got.memory = take(room, region_memory, REGION_BYTES);
	if (got.memory == NULL)
		return ERR_OVERFLOW;
	got.map_count = regions_build(got.bi.sources, got.bi.source_count, got.memory, &got.map);
	check_parsed();
	return OK;
}

static err_t parse(void)
{
	return parse_at(block_used, BLOCK_AT);
}

static bool has_source(uint64_t start, uint64_t end, enum region_type type)
{
	for (size_t i = 0; i < got.bi.source_count; i++) {
		const struct region *r = &got.bi.sources[i];

		if (r->start == start && r->end == end && r->type == type)
			return true;
	}
	return false;
}

static unsigned sources_of(enum region_type type)
{
	unsigned n = 0;

	for (size_t i = 0; i < got.bi.source_count; i++)
		n += got.bi.sources[i].type == type;
	return n;
}

/* ---- a second reader ---- */

struct facts {
	struct region *list;
	size_t count;
	unsigned bad; /* invalid entries */
};

static uint64_t le(const uint8_t *p, unsigned bytes)
{
	uint64_t v = 0;

	while (bytes-- > 0)
		v = v << 8 | p[bytes];
	return v;
}

/* WIDE: the length of the entry exceeds 64 bits. */
enum width {
	NARROW,
	WIDE,
};

static void fact(struct facts *f, uint64_t start, uint64_t len, enum width width,
		 enum region_type type)
{
	bool wraps = width == WIDE || (len != 0 && start > UINT64_MAX - len);

	f->bad += len == 0 || wraps;
	if (len == 0 || (wraps && type == REGION_USABLE) || (wraps && start == UINT64_MAX))
		return;
	f->list[f->count++] = (struct region){ start, wraps ? UINT64_MAX : start + len, type };
}

static void facts_of_mmap(struct facts *f, const uint8_t *tag, uint64_t size)
{
	/* types 0 to 5 of the specification; all others are reserved */
	static const enum region_type types[] = { REGION_RESERVED, REGION_USABLE,   REGION_RESERVED,
						  REGION_ACPI,     REGION_ACPI_NVS, REGION_BAD };
	uint64_t stride = le(tag + 8, 4);

	for (uint64_t at = 16; at + stride <= size; at += stride) {
		uint64_t type = le(tag + at + 16, 4);

		fact(f, le(tag + at, 8), le(tag + at + 8, 8), NARROW,
		     type < ARRAY_SIZE(types) ? types[type] : REGION_RESERVED);
	}
}

static void facts_of_efi_mmap(struct facts *f, const uint8_t *tag, uint64_t size)
{
	/* UEFI 2.10, 7.2.3: reserved, loader code and data, boot services code and data, runtime
	 * services code and data, conventional, unusable, ACPI reclaim, ACPI NVS, MMIO, MMIO
	 * ports, PAL, persistent, unaccepted */
	static const char types[] = "RUUUURRUBANRRRRR";
	uint64_t stride = le(tag + 8, 4);

	for (uint64_t at = 16; at + stride <= size; at += stride) {
		uint64_t type = le(tag + at, 4), pages = le(tag + at + 24, 8);
		char c = type < sizeof(types) - 1 ? types[type] : 'R';

		fact(f, le(tag + at + 8, 8), pages << 12 == 0 && pages != 0 ? 1 : pages << 12,
		     pages >> 52 != 0 ? WIDE : NARROW,
		     c == 'U'   ? REGION_USABLE
		     : c == 'B' ? REGION_BAD
		     : c == 'A' ? REGION_ACPI
		     : c == 'N' ? REGION_ACPI_NVS
				: REGION_RESERVED);
	}
}

static void facts_of_sections(struct facts *f, const uint8_t *tag, uint64_t size)
{
	uint64_t count = le(tag + 8, 4), entry = le(tag + 12, 4), low = UINT64_MAX, high = 0;

	for (uint64_t i = 0; i < count && 20 + (i + 1) * entry <= size; i++) {
		const uint8_t *s = tag + 20 + i * entry;
		unsigned word = entry >= SHDR64_BYTES ? 8 : 4;
		uint64_t flags = le(s + 8, word), at = le(s + 8 + word, word);
		uint64_t len = le(s + 8 + 3 * word, word);

		at = at >= IMAGE_OFFSET ? at - IMAGE_OFFSET : at;
		if (len == 0)
			continue;
		if (flags & SHF_ALLOCATED) {
			f->bad += at > UINT64_MAX - len;
			if (at > UINT64_MAX - len)
				continue;
			low = at < low ? at : low;
			high = at + len > high ? at + len : high;
		} else if (at != 0) {
			fact(f, at, len, NARROW, REGION_BOOT_INFO);
		}
	}
	if (low < high)
		fact(f, low, high - low, NARROW, REGION_KERNEL);
}

static void facts_of_tag(struct facts *f, const uint8_t *tag, uint64_t size)
{
	switch (le(tag, 4)) {
	case MODULE: {
		uint64_t start = le(tag + 8, 4), end = le(tag + 12, 4);

		if (start <= end)
			fact(f, start, end - start, NARROW, REGION_MODULE);
		else
			f->bad++;
		break;
	}
	case MMAP: facts_of_mmap(f, tag, size); break;
	case EFI_MMAP: facts_of_efi_mmap(f, tag, size); break;
	case ELF_SECTIONS: facts_of_sections(f, tag, size); break;
	case FRAMEBUFFER:
		if (le(tag + 8, 8) != 0)
			fact(f, le(tag + 8, 8), le(tag + 16, 4) * le(tag + 24, 4), NARROW,
			     REGION_FRAMEBUFFER);
		break;
	default: break;
	}
}

/* For a valid block: lengths are not checked. */
static struct facts facts_of_block(const uint8_t *b, uint64_t address)
{
	static struct region list[2 * MANY];
	struct facts f = { list, 0, 0 };
	uint64_t total = le(b, 4), at = 8;

	fact(&f, address, total, NARROW, REGION_BOOT_INFO);
	while (at < total && le(b + at, 4) != END) {
		uint64_t size = le(b + at + 4, 4);

		facts_of_tag(&f, b + at, size);
		at += (size + 7) / 8 * 8;
	}
	return f;
}

static unsigned type_of_byte(const struct facts *f, uint64_t byte)
{
	unsigned type = REGION_TYPES;

	for (size_t i = 0; i < f->count; i++)
		if (f->list[i].start <= byte && byte < f->list[i].end && f->list[i].type < type)
			type = f->list[i].type;
	return type;
}

/* The same with usable memory limited to whole frames.  Inside a frame the type changes only where
 * an entry starts or ends. */
static unsigned type_of_byte_in_frames(const struct facts *f, uint64_t byte)
{
	uint64_t frame = byte - byte % PAGE_SIZE, end = frame + (PAGE_SIZE - 1);

	if (type_of_byte(f, byte) != REGION_USABLE)
		return type_of_byte(f, byte);
	if (end == UINT64_MAX || type_of_byte(f, frame) != REGION_USABLE)
		return REGION_RESERVED;
	for (size_t i = 0; i < f->count; i++) {
		uint64_t edges[] = { f->list[i].start, f->list[i].end };

		for (unsigned k = 0; k < ARRAY_SIZE(edges); k++)
			if (edges[k] >= frame && edges[k] <= end &&
			    type_of_byte(f, edges[k]) != REGION_USABLE)
				return REGION_RESERVED;
	}
	return REGION_USABLE;
}

static unsigned type_in_map(uint64_t byte)
{
	for (size_t i = 0; i < got.map_count; i++)
		if (got.map[i].start <= byte && byte < got.map[i].end)
			return got.map[i].type;
	return REGION_TYPES;
}

static bool byte_agrees(const struct facts *f, uint64_t byte)
{
	unsigned want = type_of_byte_in_frames(f, byte);

	if (type_in_map(byte) == want)
		return true;
	test_diag("byte %#lx is %s, not %s", byte,
		  region_type_name((enum region_type)type_in_map(byte)),
		  region_type_name((enum region_type)want));
	return false;
}

/* Compare the bytes on both sides of each address where either result can change. */
static bool edge_agrees(const struct facts *f, uint64_t edge)
{
	uint64_t down = edge - edge % PAGE_SIZE;

	return byte_agrees(f, edge) && byte_agrees(f, edge - (edge != 0)) && byte_agrees(f, down) &&
	       byte_agrees(f, down - (down != 0)) && byte_agrees(f, down + (PAGE_SIZE - 1)) &&
	       byte_agrees(f, down > UINT64_MAX - PAGE_SIZE ? down : down + PAGE_SIZE);
}

static bool map_agrees(const struct facts *f)
{
	for (size_t i = 0; i < f->count; i++)
		if (!edge_agrees(f, f->list[i].start) || !edge_agrees(f, f->list[i].end))
			return false;
	for (size_t i = 0; i < got.map_count; i++)
		if (!edge_agrees(f, got.map[i].start) || !edge_agrees(f, got.map[i].end))
			return false;
	return true;
}

static bool sources_agree(const struct facts *f)
{
	if (f->count != got.bi.source_count)
		return false;
	for (size_t i = 0; i < f->count; i++)
		if (!has_source(f->list[i].start, f->list[i].end, f->list[i].type))
			return false;
	return true;
}

static void check_against_second_reader(uint64_t address)
{
	struct facts f = facts_of_block(block, address);

	CHECK_EQ(f.count, got.bi.source_count);
	CHECK(sources_agree(&f));
	CHECK(map_agrees(&f));
	CHECK_EQ(got.warnings, f.bad);
}

/* ---- every tag ---- */

TEST(multiboot2_every_tag_is_understood)
{
	make_rich_block();
	NEED(parse() == OK);
	CHECK_EQ(got.bi.protocol, BOOT_MULTIBOOT2);
	CHECK_STR(got.bi.cmdline, "mem=1G \"quoted text\"");
	CHECK_STR(got.bi.loader, "GRUB 2.06");
	NEED(got.bi.module_count == 2);
	CHECK_STR(got.bi.modules[0].cmdline, "first");
	CHECK_EQ(got.bi.modules[0].range.start, 0x200000);
	CHECK_EQ(got.bi.modules[0].range.end, 0x200800);
	CHECK_STR(got.bi.modules[1].cmdline, "second, in the same page");
	CHECK_EQ(got.bi.framebuffer.address, 0xfd000000);
	CHECK_EQ(got.bi.efi_system_table, 0x7e9ec018);
	CHECK_EQ(got.bi.rsdp_length, 36);
	CHECK(got.bi.has_efi_map);
	CHECK(!got.bi.boot_services_running);
	CHECK(has_source(BLOCK_AT, BLOCK_AT + block_used, REGION_BOOT_INFO));
	CHECK(has_source(MIB(4), MIB(4) + 0x3000, REGION_KERNEL));
	CHECK(has_source(0x110000, 0x110500, REGION_BOOT_INFO));
	CHECK_EQ(got.warnings, 0);
	check_against_second_reader(BLOCK_AT);
	drop();
}

TEST(multiboot2_boot_info_is_a_copy)
{
	make_rich_block();
	NEED(parse() == OK);
	memset((void *)(uintptr_t)got.bytes, 0xee, block_used);
	CHECK_STR(got.bi.cmdline, "mem=1G \"quoted text\"");
	CHECK_STR(got.bi.loader, "GRUB 2.06");
	CHECK_STR(got.bi.modules[1].cmdline, "second, in the same page");
	CHECK_EQ(got.bi.rsdp[0], 2);
	drop();
}

TEST(multiboot2_absent_strings_are_empty)
{
	block_begin();
	put_small_map();
	tag_begin(CMDLINE); /* no bytes, not even a terminator */
	tag_end();
	block_end();
	NEED(parse() == OK);
	CHECK_STR(got.bi.cmdline, "");
	CHECK_STR(got.bi.loader, "");
	CHECK_EQ(got.bi.module_count, 0);
	CHECK_EQ(got.bi.framebuffer.address, 0);
	CHECK_EQ(got.bi.rsdp_length, 0);
	CHECK(!got.bi.has_efi_map);
	drop();
}

TEST(multiboot2_strings_without_a_terminator_end_with_their_tag)
{
	block_begin();
	put_small_map();
	tag_begin(CMDLINE);
	put(0x64636261, 4);
	tag_end(); /* padding follows */
	tag_begin(MODULE);
	put(0, 8);
	put(0x7a, 1);
	tag_end();
	block_end();
	NEED(parse() == OK);
	CHECK_STR(got.bi.cmdline, "abcd");
	NEED(got.bi.module_count == 1);
	CHECK_STR(got.bi.modules[0].cmdline, "z");
	drop();
}

TEST(multiboot2_a_long_loader_name_is_truncated)
{
	block_begin();
	put_small_map();
	tag_begin(LOADER_NAME);
	for (unsigned i = 0; i < 3 * BOOT_NAME_BYTES; i++)
		put('x', 1);
	tag_end();
	block_end();
	NEED(parse() == OK);
	CHECK_EQ(strlen(got.bi.loader), BOOT_NAME_BYTES - 1);
	drop();
}

/* ---- memory maps ---- */

TEST(multiboot2_the_stride_of_the_map_comes_from_its_tag)
{
	static const uint32_t strides[] = { 20, 24, 32, 40, 56, 1024 };

	for (unsigned i = 0; i < ARRAY_SIZE(strides); i++) {
		block_begin();
		mmap_begin(strides[i]);
		put_mmap(0, 0x9f000, 1);
		put_mmap(0x9f000, 0x1000, 2);
		put_mmap(MIB(1), MIB(7), 1);
		tag_end();
		block_end();
		NEED(parse() == OK);
		CHECK_EQ(got.bi.source_count, 4);
		CHECK(has_source(0, 0x9f000, REGION_USABLE));
		CHECK(has_source(0x9f000, 0xa0000, REGION_RESERVED));
		CHECK(has_source(MIB(1), MIB(8), REGION_USABLE));
		check_against_second_reader(BLOCK_AT);
	}
	drop();
}

TEST(multiboot2_the_stride_of_the_efi_map_comes_from_its_tag)
{
	static const uint32_t strides[] = { 40, 48, 64, 100 };

	for (unsigned i = 0; i < ARRAY_SIZE(strides); i++) {
		block_begin();
		efi_mmap_begin(strides[i]);
		put_efi(0, 160, 7);
		put_efi(MIB(1), 256, 10);
		put_efi(MIB(2), 1, 8);
		tag_end();
		block_end();
		NEED(parse() == OK);
		CHECK_EQ(got.bi.source_count, 4);
		CHECK(has_source(0, 160 * PAGE_SIZE, REGION_USABLE));
		CHECK(has_source(MIB(1), MIB(2), REGION_ACPI_NVS));
		CHECK(has_source(MIB(2), MIB(2) + PAGE_SIZE, REGION_BAD));
		CHECK(got.bi.has_efi_map);
		check_against_second_reader(BLOCK_AT);
	}
	drop();
}

/* A partial entry at the end of a map. */
TEST(multiboot2_a_partial_entry_is_ignored)
{
	block_begin();
	mmap_begin(24);
	put_mmap(0, MIB(1), 1);
	put(MIB(1), 8);
	put(MIB(1), 8);
	put(1, 4);
	tag_end();
	block_end();
	NEED(parse() == OK);
	CHECK_EQ(sources_of(REGION_USABLE), 1);
	drop();
}

TEST(multiboot2_types_of_entries_are_32_bits_wide)
{
	block_begin();
	mmap_begin(24);
	for (uint32_t type = 0; type < 8; type++)
		put_mmap(MIB(1 + type), MIB(1), type);
	put_mmap(MIB(20), MIB(1), 20);
	put_mmap(MIB(21), MIB(1), 0x101); /* 1 in its low byte */
	put_mmap(MIB(22), MIB(1), 0x10001);
	put_mmap(MIB(23), MIB(1), UINT32_MAX);
	tag_end();
	efi_mmap_begin(48);
	for (uint32_t type = 0; type < 20; type++)
		put_efi(MIB(100 + type), 256, type);
	put_efi(MIB(200), 256, 0x107);
	put_efi(MIB(201), 256, 0x80000007);
	tag_end();
	block_end();
	NEED(parse() == OK);
	CHECK_EQ(sources_of(REGION_USABLE), 6); /* 1; loader, boot services and conventional */
	CHECK_EQ(sources_of(REGION_BAD), 2);
	CHECK_EQ(sources_of(REGION_ACPI), 2);
	CHECK_EQ(sources_of(REGION_ACPI_NVS), 2);
	check_against_second_reader(BLOCK_AT);
	drop();
}

TEST(multiboot2_wrapping_entries_are_truncated_or_ignored)
{
	block_begin();
	mmap_begin(24);
	put_mmap(MIB(1), MIB(1), 1);
	put_mmap(UINT64_MAX - 4095, 8192, 1);  /* usable: ignored */
	put_mmap(UINT64_MAX - 4095, 4096, 1);  /* ends at 2^64: does not fit in 64 bits */
	put_mmap(UINT64_MAX - 8191, 16384, 2); /* reserved: truncated */
	put_mmap(UINT64_MAX, 1, 2);
	put_mmap(5, UINT64_MAX, 5);
	put_mmap(0, 0, 1);
	tag_end();
	efi_mmap_begin(40);
	put_efi(0, UINT64_MAX, 7);
	put_efi(0, UINT64_C(1) << 52, 7);
	put_efi(0, UINT64_C(1) << 52, 10);
	put_efi(MIB(1), (UINT64_C(1) << 52) - 1, 7);
	put_efi(MIB(1), UINT64_C(1) << 63, 9);
	tag_end();
	block_end();
	NEED(parse() == OK);
	CHECK_EQ(sources_of(REGION_USABLE), 1);
	CHECK(has_source(UINT64_MAX - 8191, UINT64_MAX, REGION_RESERVED));
	CHECK(has_source(5, UINT64_MAX, REGION_BAD));
	CHECK(has_source(0, UINT64_MAX, REGION_ACPI_NVS));
	CHECK(has_source(MIB(1), UINT64_MAX, REGION_ACPI));
	CHECK_EQ(got.warnings, 11);
	check_against_second_reader(BLOCK_AT);
	drop();
}

TEST(multiboot2_ten_thousand_entries)
{
	block_begin();
	mmap_begin(24);
	for (uint64_t i = 0; i < MANY; i++)
		put_mmap(MIB(16) + 2 * (MANY - i) * PAGE_SIZE, PAGE_SIZE, 1);
	tag_end();
	block_end();
	NEED(parse() == OK);
	CHECK_EQ(got.bi.source_count, MANY + 1);
	CHECK_EQ(regions_bytes(got.map, got.map_count, REGION_USABLE), MANY * (uint64_t)PAGE_SIZE);
	drop();
}

TEST(multiboot2_ten_thousand_tags)
{
	block_begin();
	for (unsigned i = 0; i < MANY; i++) {
		tag_begin(i % 3 == 0 ? CMDLINE : 1000 + i);
		tag_end();
	}
	put_small_map();
	for (unsigned i = 0; i < MANY; i++)
		put_module(i * PAGE_SIZE, i * PAGE_SIZE + 1, "");
	block_end();
	NEED(parse() == OK);
	CHECK_EQ(got.bi.module_count, MANY);
	CHECK_EQ(got.bi.modules[MANY - 1].range.start, (MANY - 1) * (uint64_t)PAGE_SIZE);
	drop();
}

TEST(multiboot2_without_a_map_it_is_not_found)
{
	block_begin();
	put_string_tag(CMDLINE, "x");
	tag_begin(BASIC_MEMINFO); /* does not replace a memory map */
	put(640, 4);
	put(65536, 4);
	tag_end();
	block_end();
	CHECK(parse() == ERR_NOT_FOUND);
	CHECK(got.why != NULL && str_glob("*no memory map*", got.why));
	drop();
}

TEST(multiboot2_a_map_without_entries_is_a_map)
{
	block_begin();
	mmap_begin(24);
	tag_end();
	block_end();
	CHECK(parse() == OK);
	CHECK_EQ(got.map_count, 1); /* the block itself */
	drop();
}

/* ---- modules ---- */

TEST(multiboot2_modules_empty_reversed_and_in_one_page)
{
	block_begin();
	put_small_map();
	put_module(0x300000, 0x300000, "empty");
	put_module(0x400000, 0x3fffff, "reversed");
	put_module(0x500100, 0x500200, "a");
	put_module(0x500200, 0x500201, "b");
	put_module(0xfffff000, 0xffffffff, "top");
	tag_begin(MODULE); /* too short for its addresses */
	put(0x600000, 4);
	tag_end();
	block_end();
	NEED(parse() == OK);
	NEED(got.bi.module_count == 4);
	CHECK_STR(got.bi.modules[0].cmdline, "empty");
	CHECK_EQ(got.bi.modules[0].range.start, got.bi.modules[0].range.end);
	CHECK_STR(got.bi.modules[1].cmdline, "a");
	CHECK_STR(got.bi.modules[2].cmdline, "b");
	CHECK_STR(got.bi.modules[3].cmdline, "top");
	CHECK_EQ(sources_of(REGION_MODULE), 3);
	CHECK_EQ(got.warnings, 3);
	CHECK_EQ(regions_find(got.map, got.map_count, 0x500200)->type, REGION_MODULE);
	CHECK_EQ(regions_find(got.map, got.map_count, 0x500000)->type, REGION_RESERVED);
	CHECK_EQ(regions_find(got.map, got.map_count, 0x500fff)->type, REGION_RESERVED);
	CHECK_EQ(regions_find(got.map, got.map_count, 0x501000)->type, REGION_USABLE);
	drop();
}

/* ---- framebuffer ---- */

TEST(multiboot2_the_framebuffer_length_is_pitch_times_height)
{
	block_begin();
	put_small_map();
	put_framebuffer(0xfd000000, 3328, 600, FRAMEBUFFER_RGB); /* 800 * 4 = 3200 */
	block_end();
	NEED(parse() == OK);
	CHECK(has_source(0xfd000000, 0xfd000000 + 3328 * 600, REGION_FRAMEBUFFER));
	CHECK_EQ(got.bi.framebuffer.pitch, 3328);
	CHECK_EQ(got.bi.framebuffer.width, 800);
	CHECK_EQ(got.bi.framebuffer.height, 600);
	CHECK_EQ(got.bi.framebuffer.bits_per_pixel, 32);
	CHECK_EQ(got.bi.framebuffer.red_position, 16);
	CHECK_EQ(got.bi.framebuffer.red_bits, 8);
	CHECK_EQ(got.bi.framebuffer.green_position, 8);
	CHECK_EQ(got.bi.framebuffer.green_bits, 7);
	CHECK_EQ(got.bi.framebuffer.blue_position, 0);
	CHECK_EQ(got.bi.framebuffer.blue_bits, 6);
	drop();
}

TEST(multiboot2_framebuffers_of_other_kinds)
{
	block_begin();
	put_small_map();
	put_framebuffer(0xb8000, 160, 25, FRAMEBUFFER_EGA_TEXT);
	block_end();
	NEED(parse() == OK);
	CHECK(has_source(0xb8000, 0xb8000 + 4000, REGION_FRAMEBUFFER));
	CHECK_EQ(got.bi.framebuffer.type, FRAMEBUFFER_EGA_TEXT);
	CHECK_EQ(got.bi.framebuffer.red_bits, 0);
	block_begin();
	put_small_map();
	put_framebuffer(0, 3200, 600, FRAMEBUFFER_RGB); /* none */
	block_end();
	NEED(parse() == OK);
	CHECK_EQ(sources_of(REGION_FRAMEBUFFER), 0);
	block_begin();
	put_small_map();
	put_framebuffer(GIB(4), UINT32_MAX, UINT32_MAX, 77); /* more than 32 bits */
	block_end();
	NEED(parse() == OK);
	CHECK(has_source(GIB(4), GIB(4) + (uint64_t)UINT32_MAX * UINT32_MAX, REGION_FRAMEBUFFER));
	CHECK_EQ(got.bi.framebuffer.type, 77);
	drop();
}

TEST(multiboot2_a_short_framebuffer_tag_is_ignored)
{
	block_begin();
	put_small_map();
	put_framebuffer(0xfd000000, 3200, 600, FRAMEBUFFER_INDEXED);
	put_at(tag_at + 4, 30, 4);
	block_end();
	NEED(parse() == OK);
	CHECK_EQ(sources_of(REGION_FRAMEBUFFER), 0);
	CHECK_EQ(got.bi.framebuffer.address, 0);
	CHECK_EQ(got.warnings, 1);
	drop();
}

/* ---- RSDP, EFI ---- */

TEST(multiboot2_the_new_rsdp_wins_in_any_order)
{
	for (unsigned new_first = 0; new_first < 2; new_first++) {
		block_begin();
		put_small_map();
		if (new_first)
			put_rsdp(RSDP_NEW, 36, 2);
		put_rsdp(RSDP_OLD, 20, 1);
		if (!new_first)
			put_rsdp(RSDP_NEW, 36, 2);
		block_end();
		NEED(parse() == OK);
		CHECK_EQ(got.bi.rsdp_length, 36);
		CHECK_EQ(got.bi.rsdp[0], 2);
		CHECK_EQ(got.bi.rsdp[35], 2);
	}
	drop();
}

TEST(multiboot2_rsdps_of_odd_lengths)
{
	static const struct {
		uint32_t type, bytes, want;
	} cases[] = {
		{ RSDP_OLD, 20, 20 }, { RSDP_OLD, 19, 0 },  { RSDP_OLD, 0, 0 },
		{ RSDP_OLD, 99, 20 }, { RSDP_NEW, 36, 36 }, { RSDP_NEW, 99, 36 },
		{ RSDP_NEW, 35, 35 }, { RSDP_NEW, 20, 20 }, { RSDP_NEW, 8, 0 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		block_begin();
		put_small_map();
		put_rsdp(cases[i].type, cases[i].bytes, 9);
		block_end();
		NEED(parse() == OK);
		CHECK_EQ(got.bi.rsdp_length, cases[i].want);
		for (unsigned k = 0; k < BOOT_RSDP_BYTES; k++)
			CHECK_EQ(got.bi.rsdp[k], k < cases[i].want ? 9 : 0);
	}
	drop();
}

TEST(multiboot2_efi_system_tables_and_boot_services)
{
	block_begin();
	put_small_map();
	tag_begin(EFI32);
	put(0x80001000, 4);
	tag_end();
	tag_begin(EFI_BOOT_SERVICES);
	tag_end();
	block_end();
	NEED(parse() == OK);
	CHECK_EQ(got.bi.efi_system_table, 0x80001000);
	CHECK(got.bi.boot_services_running);
	block_begin();
	put_small_map();
	tag_begin(EFI64);
	put(0x180001000, 8);
	tag_end();
	tag_begin(EFI64); /* too short, ignored */
	put(0x1234, 4);
	tag_end();
	block_end();
	NEED(parse() == OK);
	CHECK_EQ(got.bi.efi_system_table, 0x180001000);
	CHECK(!got.bi.boot_services_running);
	drop();
}

/* ---- ELF sections ---- */

TEST(multiboot2_the_kernel_is_one_range_of_its_64_bit_sections)
{
	block_begin();
	put_small_map();
	elf_begin(7, SHDR64_BYTES);
	put_shdr64(0, 0, 0);
	put_shdr64(SHF_ALLOCATED, MIB(2), 0x1000);                /* at its physical address */
	put_shdr64(SHF_ALLOCATED, IMAGE_OFFSET + MIB(4), 0x2001); /* at its virtual one */
	put_shdr64(SHF_ALLOCATED | 1, IMAGE_OFFSET + MIB(3), 0x10);
	put_shdr64(SHF_ALLOCATED, MIB(64), 0);                            /* empty */
	put_shdr64(0, 0x104000, 0x123);                                   /* symbols */
	put_shdr64(SHF_ALLOCATED, UINT64_MAX - IMAGE_OFFSET, UINT64_MAX); /* wraps */
	tag_end();
	block_end();
	NEED(parse() == OK);
	CHECK_EQ(sources_of(REGION_KERNEL), 1);
	CHECK(has_source(MIB(2), MIB(4) + 0x2001, REGION_KERNEL));
	CHECK(has_source(0x104000, 0x104123, REGION_BOOT_INFO));
	CHECK_EQ(got.warnings, 1);
	check_against_second_reader(BLOCK_AT);
	drop();
}

TEST(multiboot2_sections_of_32_bits)
{
	block_begin();
	put_small_map();
	elf_begin(3, SHDR32_BYTES);
	put_shdr32(SHF_ALLOCATED, MIB(1), 0x5000);
	put_shdr32(SHF_ALLOCATED, MIB(2), 0x10);
	put_shdr32(0, 0x700000, 0x40);
	tag_end();
	block_end();
	NEED(parse() == OK);
	CHECK(has_source(MIB(1), MIB(2) + 0x10, REGION_KERNEL));
	CHECK(has_source(0x700000, 0x700040, REGION_BOOT_INFO));
	check_against_second_reader(BLOCK_AT);
	drop();
}

TEST(multiboot2_section_count_is_limited_by_the_tag)
{
	block_begin();
	put_small_map();
	elf_begin(UINT32_MAX, SHDR64_BYTES);
	put_shdr64(SHF_ALLOCATED, MIB(1), 0x1000);
	put_shdr64(SHF_ALLOCATED, MIB(2), 0x1000);
	put_zeros(SHDR64_BYTES - 1);
	tag_end();
	block_end();
	NEED(parse() == OK);
	CHECK(has_source(MIB(1), MIB(2) + 0x1000, REGION_KERNEL));
	drop();
}

TEST(multiboot2_invalid_section_tags_are_ignored)
{
	static const uint32_t entry_bytes[] = { 0, 1, SHDR32_BYTES - 1, UINT32_MAX };

	for (unsigned i = 0; i < ARRAY_SIZE(entry_bytes); i++) {
		block_begin();
		put_small_map();
		tag_begin(ELF_SECTIONS);
		put(9, 4);
		put(entry_bytes[i], 4);
		put(0, 4);
		put_zeros(200);
		tag_end();
		block_end();
		NEED(parse() == OK);
		CHECK_EQ(sources_of(REGION_KERNEL), 0);
	}
	block_begin();
	put_small_map();
	tag_begin(ELF_SECTIONS);
	put(9, 4);
	tag_end();
	block_end();
	NEED(parse() == OK);
	CHECK_EQ(got.warnings, 1);
	drop();
}

/* ---- damage ---- */

TEST(multiboot2_every_truncation_is_refused)
{
	size_t whole;

	make_rich_block();
	whole = block_used;
	for (size_t len = 0; len < whole; len++) {
		make_rich_block();
		NEED(parse_at(len, BLOCK_AT) == ERR_BAD_FORMAT);
		NEED(got.why != NULL);
		if (len < 4)
			continue;
		put_at(0, len, 4); /* total_size matches, but the end tag is missing */
		NEED(parse_at(len, BLOCK_AT) == ERR_BAD_FORMAT);
		NEED(got.why != NULL);
	}
	make_rich_block();
	CHECK(parse_at(whole, BLOCK_AT) == OK);
	drop();
}

TEST(multiboot2_bytes_after_the_block_are_ignored)
{
	make_rich_block();
	put_zeros(100);
	CHECK(parse() == OK);
	CHECK_EQ(got.mb.len, block_used - 100);
	CHECK(has_source(BLOCK_AT, BLOCK_AT + block_used - 100, REGION_BOOT_INFO));
	drop();
}

TEST(multiboot2_invalid_sizes_are_refused)
{
	static const uint32_t stats[] = { 0, 1, 7, 8, 15, INT32_MAX, UINT32_MAX };

	for (unsigned i = 0; i < ARRAY_SIZE(stats); i++) {
		make_rich_block();
		put_at(0, stats[i], 4);
		CHECK(parse() == ERR_BAD_FORMAT);
	}
	for (uint32_t size = 0; size < 8; size++) {
		make_rich_block();
		put_at(8 + 4, size, 4); /* of the first tag */
		CHECK(parse() == ERR_BAD_FORMAT);
		block_begin();
		put_small_map();
		block_end();
		put_at(block_used - 4, size, 4); /* of the end tag */
		CHECK(parse() == ERR_BAD_FORMAT);
		put_at(block_used - 4, 9 + size, 4); /* longer than the block */
		CHECK(parse() == ERR_BAD_FORMAT);
	}
	make_rich_block();
	put_at(8 + 4, UINT32_MAX, 4);
	CHECK(parse() == ERR_BAD_FORMAT);
	put_at(8 + 4, block_used - 8, 4); /* up to the last byte: no end follows */
	CHECK(parse() == ERR_BAD_FORMAT);
	put_at(8 + 4, block_used - 7, 4);
	CHECK(parse() == ERR_BAD_FORMAT);
	drop();
}

/* A tag longer than the rest of the block must not be read to its end.  The memory map is the last
 * tag, with one entry more than the block contains. */
TEST(multiboot2_a_tag_longer_than_the_block_is_refused)
{
	block_begin();
	mmap_begin(24);
	put_mmap(0, MIB(1), 1);
	tag_end();
	put_at(tag_at + 4, block_used - tag_at + 24, 4);
	put_at(0, block_used, 4);
	CHECK(parse() == ERR_BAD_FORMAT);
	drop();
}

TEST(multiboot2_a_missing_end_is_refused)
{
	block_begin();
	put_small_map();
	put_at(0, block_used, 4);
	CHECK(parse() == ERR_BAD_FORMAT);
	CHECK(got.why != NULL && str_glob("*no end*", got.why));
	drop();
}

TEST(multiboot2_entries_that_are_too_small_are_refused)
{
	static const uint32_t strides[] = { 0, 1, 19 };
	static const uint32_t efi_strides[] = { 0, 24, 39 };

	for (unsigned i = 0; i < ARRAY_SIZE(strides); i++) {
		make_rich_block();
		block_begin();
		mmap_begin(strides[i]);
		put_zeros(480);
		tag_end();
		block_end();
		CHECK(parse() == ERR_BAD_FORMAT);
		CHECK(got.why != NULL && str_glob("*too small*", got.why));
		block_begin();
		put_small_map();
		efi_mmap_begin(efi_strides[i]);
		put_zeros(480);
		tag_end();
		block_end();
		CHECK(parse() == ERR_BAD_FORMAT);
	}
	block_begin();
	tag_begin(MMAP); /* without even an entry size */
	tag_end();
	block_end();
	CHECK(parse() == ERR_BAD_FORMAT);
	drop();
}

TEST(multiboot2_an_entry_size_beyond_the_tag_gives_no_entry)
{
	block_begin();
	mmap_begin(24);
	put_mmap(0, MIB(1), 1);
	put_at(tag_at + 8, UINT32_MAX, 4);
	tag_end();
	block_end();
	NEED(parse() == OK);
	CHECK_EQ(sources_of(REGION_USABLE), 0);
	drop();
}

TEST(multiboot2_an_address_at_the_end_of_memory_is_refused)
{
	make_rich_block();
	CHECK(parse_at(block_used, UINT64_MAX - 4) == ERR_BAD_FORMAT);
	CHECK(parse_at(block_used, UINT64_MAX - block_used) == OK);
	CHECK(parse_at(block_used, UINT64_MAX - block_used + 1) == ERR_BAD_FORMAT);
	drop();
}

/* For arbitrary bytes the result is an error or a valid map; sanitizers check the accesses. */
TEST(multiboot2_mutated_blocks_are_handled)
{
	unsigned good = 0;

	for (unsigned round = 0; round < MUTATIONS; round++) {
		make_rich_block();
		for (uint64_t n = 1 + test_random_below(6); n > 0; n--) {
			size_t at = test_random_below(block_used);

			if (test_random_below(2) == 0)
				block[at] = (uint8_t)test_random();
			else
				block[at] ^= (uint8_t)(1u << test_random_below(8));
		}
		good += parse() == OK;
	}
	CHECK(good > MUTATIONS / 4);
	CHECK(good < MUTATIONS);
	drop();
}

/* Valid random maps: both readers agree on the entries and on the resulting regions. */
TEST(multiboot2_random_maps_agree_with_the_second_reader)
{
	for (unsigned round = 0; round < MUTATIONS / 20; round++) {
		block_begin();
		mmap_begin((uint32_t)(20 + 4 * test_random_below(6)));
		for (uint64_t n = test_random_below(12); n > 0; n--)
			put_mmap(test_random_below(64) * 1000, test_random_below(20) * 1000,
				 (uint32_t)test_random_below(7));
		tag_end();
		for (uint64_t n = test_random_below(3); n > 0; n--) {
			uint32_t start = (uint32_t)test_random_below(60000);

			put_module(start, start + (uint32_t)test_random_below(9000), "m");
		}
		efi_mmap_begin((uint32_t)(40 + 8 * test_random_below(4)));
		for (uint64_t n = test_random_below(6); n > 0; n--)
			put_efi(test_random_below(16) * PAGE_SIZE, test_random_below(6),
				(uint32_t)test_random_below(17));
		tag_end();
		block_end();
		NEED(parse_at(block_used, test_random_below(70000)) == OK);
		check_against_second_reader(got.mb.address);
	}
	drop();
}

TEST(multiboot2_a_full_arena_is_an_error)
{
	static uint8_t memory[8192] __aligned(8);
	struct boot_arena arena;
	struct multiboot2 mb;
	struct boot_info bi;
	const char *why;
	size_t need;

	make_rich_block();
	NEED(multiboot2_init(&mb, block, block_used, BLOCK_AT, IMAGE_OFFSET, &why) == OK);
	need = multiboot2_arena_bytes(&mb);
	NEED(need <= sizeof(memory));
	arena = (struct boot_arena){ memory, memory + need };
	CHECK(multiboot2_parse(&mb, &arena, 0, &bi) == OK);
	arena = (struct boot_arena){ memory, memory };
	CHECK(multiboot2_parse(&mb, &arena, 0, &bi) == ERR_NO_MEMORY);
	for (size_t room = 0; room < need; room += 8) {
		err_t e;

		arena = (struct boot_arena){ memory, memory + room };
		e = multiboot2_parse(&mb, &arena, 0, &bi);
		CHECK(e == OK || e == ERR_NO_MEMORY);
		CHECK(arena.at <= memory + room);
	}
}

/* ---- blocks of a real GRUB ---- */

static bool read_address(const char *path, uint64_t *address)
{
	size_t len;
	const char *text = (const char *)test_data(path, &len);
	const char *end = text == NULL ? NULL : str_to_size(text, address);

	return end != NULL && (*end == '\n' || *end == '\0');
}

static void check_real_block(const char *name)
{
	static char path[PATH_BYTES];
	const uint8_t *bytes;
	uint64_t address;
	size_t len;

	print_to(path, sizeof(path), "mb2/%s.bin", name);
	bytes = test_data(path, &len);
	NEED(bytes != NULL && len <= sizeof(block));
	memcpy(block, bytes, len);
	block_used = len;
	print_to(path, sizeof(path), "mb2/%s.addr", name);
	NEED(read_address(path, &address));
	NEED(parse_at(len, address) == OK);
	check_against_second_reader(address);
	CHECK(str_glob("GRUB 2.06*", got.bi.loader));
	CHECK_EQ(got.bi.has_efi_map, strncmp(name, "ovmf", 4) == 0);
	CHECK_EQ(got.bi.efi_system_table != 0, got.bi.has_efi_map);
	CHECK(got.bi.rsdp_length == 20 || got.bi.rsdp_length == 36);
	CHECK_EQ(memcmp(got.bi.rsdp, "RSD PTR ", 8), 0);
	CHECK(!str_glob("*allvideo-fb", name) || got.bi.framebuffer.address != 0);
	CHECK(regions_bytes(got.map, got.map_count, REGION_USABLE) > MIB(32));
	CHECK(regions_bytes(got.map, got.map_count, REGION_KERNEL) > 0);
	CHECK_EQ(regions_find(got.map, got.map_count, address)->type, REGION_BOOT_INFO);
}

TEST(multiboot2_real_blocks_agree_with_the_second_reader)
{
	const char *names = test_data_list("mb2");
	static char name[NAME_BYTES];
	unsigned blocks = 0;

	if (names == NULL) {
		test_skip("no folder mb2 of test data here");
		return;
	}
	while (*names != '\0') {
		size_t n = 0;

		while (names[n] != '\0' && names[n] != '\n')
			n++;
		NEED(n < sizeof(name));
		memcpy(name, names, n);
		name[n] = '\0';
		names += n + (names[n] == '\n');
		if (n <= 4 || !str_glob("*.bin", name))
			continue;
		name[n - 4] = '\0';
		check_real_block(name);
		blocks++;
	}
	CHECK(blocks > 0);
	test_diag("mb2: %u blocks", blocks);
	drop();
}

/* ---- gap search ---- */

TEST(multiboot2_gap_does_not_overlap_memory_in_use)
{
	uint64_t at;

	make_rich_block();
	NEED(parse() == OK);
	NEED(source_find_gap(&got.mb.walk, PAGE_SIZE, GIB(4), MIB(1), &at) == OK);
	for (size_t i = 0; i < got.map_count; i++)
		CHECK(got.map[i].type == REGION_USABLE || got.map[i].end <= at ||
		      got.map[i].start >= at + MIB(1));
	drop();
}
