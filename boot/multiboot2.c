/* SPDX-License-Identifier: MIT */
#include "boot/multiboot2.h"

#include <elf.h>
#include <efi.h>

#include "lib/bits.h"
#include "lib/print.h"
#include "lib/string.h"

enum {
	TAG_END = 0,
	TAG_CMDLINE = 1,
	TAG_LOADER_NAME = 2,
	TAG_MODULE = 3,
	TAG_MMAP = 6,
	TAG_FRAMEBUFFER = 8,
	TAG_ELF_SECTIONS = 9,
	TAG_EFI32_SYSTEM_TABLE = 11,
	TAG_EFI64_SYSTEM_TABLE = 12,
	TAG_ACPI_OLD = 14,
	TAG_ACPI_NEW = 15,
	TAG_EFI_MMAP = 17,
	TAG_EFI_BOOT_SERVICES = 18,
};

/* Offsets in bytes from the start of a tag, and minimum sizes. */
enum {
	BLOCK_HEADER = 8,
	TAG_HEADER = 8,
	TAG_ALIGN = 8,

	MODULE_START = 8,
	MODULE_END = 12,
	MODULE_STRING = 16,

	MAP_ENTRY_SIZE = 8,
	MAP_ENTRIES = 16,
	MMAP_ENTRY_MIN = 20, /* base, length, type */
	MMAP_LENGTH = 8,
	MMAP_TYPE = 16,
	EFI_ENTRY_MIN = 40,
	EFI_PAGE_SIZE_BYTES = 4096,

	FRAMEBUFFER_MIN = 31,
	FRAMEBUFFER_RGB_MIN = 38,

	ELF_COUNT = 8,
	ELF_ENTRY_SIZE = 12,
	ELF_SECTIONS = 20,

	RSDP = 8,
	RSDP_V1_BYTES = 20,
	SYSTEM_TABLE = 8,

	SOURCE_MIN_BYTES = 16, /* lower bound of the block's bytes per memory map entry */
};

struct tag {
	uint32_t type;
	const uint8_t *bytes; /* `size` bytes, including the header */
	size_t size;
};

/* Read the tag at *offset and advance to the next.  False at the end tag or on a broken chain; the
 * latter sets *why. */
static bool next_tag(const struct multiboot2 *mb, size_t *offset, struct tag *tag, const char **why)
{
	const uint8_t *p = mb->bytes + *offset;
	size_t room = mb->len - *offset;

	if (room < TAG_HEADER) {
		*why = "the tag list has no end tag";
		return false;
	}
	*tag = (struct tag){ read_le32(p), p, read_le32(p + 4) };
	if (tag->size < TAG_HEADER || tag->size > room) {
		*why = "a tag is shorter than its header or longer than the block";
		return false;
	}
	*offset += min_u64(align_up(tag->size, TAG_ALIGN), room);
	return tag->type != TAG_END;
}

static enum region_type mmap_region_type(uint32_t type)
{
	switch (type) {
	case 1: return REGION_USABLE;
	case 3: return REGION_ACPI;
	case 4: return REGION_ACPI_NVS;
	case 5: return REGION_BAD;
	default: return REGION_RESERVED;
	}
}

/* UEFI 2.10, tables 7.6 and 7.10: usage of the memory after ExitBootServices(). */
static enum region_type efi_region_type(uint32_t type)
{
	switch (type) {
	case EfiLoaderCode:
	case EfiLoaderData:
	case EfiBootServicesCode:
	case EfiBootServicesData:
	case EfiConventionalMemory: return REGION_USABLE;
	case EfiUnusableMemory: return REGION_BAD;
	case EfiACPIReclaimMemory: return REGION_ACPI;
	case EfiACPIMemoryNVS: return REGION_ACPI_NVS;
	default: return REGION_RESERVED;
	}
}

/* Report each entry of a memory map tag; the stride is read from the tag. */
static err_t say_map(const struct tag *tag, size_t entry_min, struct source_visitor *v,
		     void (*say)(struct source_visitor *v, const uint8_t *entry))
{
	size_t stride, left;

	if (tag->size < MAP_ENTRIES)
		return ERR_BAD_FORMAT;
	stride = read_le32(tag->bytes + MAP_ENTRY_SIZE);
	if (stride < entry_min)
		return ERR_BAD_FORMAT;
	left = tag->size - MAP_ENTRIES;
	for (const uint8_t *p = tag->bytes + MAP_ENTRIES; left >= stride;
	     p += stride, left -= stride)
		say(v, p);
	return OK;
}

static void say_mmap_entry(struct source_visitor *v, const uint8_t *p)
{
	source_say(v, "memory map", read_le64(p), read_le64(p + MMAP_LENGTH),
		   mmap_region_type(read_le32(p + MMAP_TYPE)));
}

static void say_efi_entry(struct source_visitor *v, const uint8_t *p)
{
	uint64_t start = read_le64(p + offsetof(EFI_MEMORY_DESCRIPTOR, PhysicalStart));
	uint64_t pages = read_le64(p + offsetof(EFI_MEMORY_DESCRIPTOR, NumberOfPages));
	enum region_type type = efi_region_type(read_le32(p));
	uint64_t len;

	if (__builtin_mul_overflow(pages, (uint64_t)EFI_PAGE_SIZE_BYTES, &len)) {
		source_warn(v, "EFI memory map: %#lx pages at %#lx wrap", pages, start);
		if (type == REGION_USABLE)
			return;
		len = UINT64_MAX - start;
	}
	source_say(v, "EFI memory map", start, len, type);
}

static void say_module(struct source_visitor *v, const struct tag *tag)
{
	uint64_t start, end;

	if (tag->size < MODULE_STRING) {
		source_warn(v, "a module tag is too short, ignored");
		return;
	}
	start = read_le32(tag->bytes + MODULE_START);
	end = read_le32(tag->bytes + MODULE_END);
	if (end < start)
		source_warn(v, "a module ends at %#lx before it starts at %#lx, ignored", end,
			    start);
	else
		source_say(v, "module", start, end - start, REGION_MODULE);
}

static void read_framebuffer(const struct tag *tag, struct boot_framebuffer *fb)
{
	const uint8_t *p = tag->bytes;

	*fb = (struct boot_framebuffer){ 0 };
	if (tag->size < FRAMEBUFFER_MIN)
		return;
	fb->address = read_le64(p + 8);
	fb->pitch = read_le32(p + 16);
	fb->width = read_le32(p + 20);
	fb->height = read_le32(p + 24);
	fb->bits_per_pixel = p[28];
	fb->type = p[29];
	if (fb->type == FRAMEBUFFER_RGB && tag->size >= FRAMEBUFFER_RGB_MIN) {
		fb->red_position = p[32];
		fb->red_bits = p[33];
		fb->green_position = p[34];
		fb->green_bits = p[35];
		fb->blue_position = p[36];
		fb->blue_bits = p[37];
	}
}

static void say_framebuffer(struct source_visitor *v, const struct tag *tag)
{
	struct boot_framebuffer fb;

	read_framebuffer(tag, &fb);
	if (tag->size < FRAMEBUFFER_MIN)
		source_warn(v, "the framebuffer tag is too short, ignored");
	if (fb.address != 0)
		source_say(v, "framebuffer", fb.address, (uint64_t)fb.pitch * fb.height,
			   REGION_FRAMEBUFFER);
}

struct elf_section {
	uint64_t address, size;
	bool allocated;
};

/* Read a section header, of ELF64 or ELF32 depending on the entry size. */
static bool read_elf_section(const uint8_t *p, size_t entry_size, uint64_t image_offset,
			     struct elf_section *s)
{
	if (entry_size >= sizeof(Elf64_Shdr)) {
		s->allocated = (read_le64(p + offsetof(Elf64_Shdr, sh_flags)) & SHF_ALLOC) != 0;
		s->address = read_le64(p + offsetof(Elf64_Shdr, sh_addr));
		s->size = read_le64(p + offsetof(Elf64_Shdr, sh_size));
	} else {
		s->allocated = (read_le32(p + offsetof(Elf32_Shdr, sh_flags)) & SHF_ALLOC) != 0;
		s->address = read_le32(p + offsetof(Elf32_Shdr, sh_addr));
		s->size = read_le32(p + offsetof(Elf32_Shdr, sh_size));
	}
	if (s->address >= image_offset)
		s->address -= image_offset;
	return s->size != 0 && (s->allocated || s->address != 0);
}

/* Report the allocated sections as one REGION_KERNEL range; the others are symbol tables and the
 * like, which the loader placed in memory: REGION_BOOT_INFO. */
static void say_elf(const struct multiboot2 *mb, struct source_visitor *v, const struct tag *tag)
{
	uint64_t low = UINT64_MAX, high = 0;
	size_t count, stride, room;

	if (tag->size < ELF_SECTIONS ||
	    read_le32(tag->bytes + ELF_ENTRY_SIZE) < sizeof(Elf32_Shdr)) {
		source_warn(v, "the ELF sections tag is too short, ignored");
		return;
	}
	stride = read_le32(tag->bytes + ELF_ENTRY_SIZE);
	room = (tag->size - ELF_SECTIONS) / stride;
	count = min_u64(read_le32(tag->bytes + ELF_COUNT), room);
	for (size_t i = 0; i < count; i++) {
		struct elf_section s;

		if (!read_elf_section(tag->bytes + ELF_SECTIONS + i * stride, stride,
				      mb->image_offset, &s))
			continue;
		if (!s.allocated) {
			source_say(v, "ELF section", s.address, s.size, REGION_BOOT_INFO);
		} else if (s.address + s.size < s.address) {
			source_warn(v, "ELF section %#lx + %#lx wraps, ignored", s.address, s.size);
		} else {
			low = min_u64(low, s.address);
			high = max_u64(high, s.address + s.size);
		}
	}
	if (low < high)
		source_say(v, "kernel", low, high - low, REGION_KERNEL);
}

static err_t each_source(const struct source_walk *walk, struct source_visitor *v)
{
	const struct multiboot2 *mb = container_of(walk, const struct multiboot2, walk);
	size_t offset = BLOCK_HEADER;
	const char *why = NULL;
	struct tag tag;
	err_t err = OK;

	source_say(v, "boot information", mb->address, mb->len, REGION_BOOT_INFO);
	while (err == OK && next_tag(mb, &offset, &tag, &why)) {
		switch (tag.type) {
		case TAG_MODULE: say_module(v, &tag); break;
		case TAG_MMAP: err = say_map(&tag, MMAP_ENTRY_MIN, v, say_mmap_entry); break;
		case TAG_EFI_MMAP: err = say_map(&tag, EFI_ENTRY_MIN, v, say_efi_entry); break;
		case TAG_FRAMEBUFFER: say_framebuffer(v, &tag); break;
		case TAG_ELF_SECTIONS: say_elf(mb, v, &tag); break;
		default: break;
		}
	}
	return why == NULL ? err : ERR_BAD_FORMAT;
}

static void discard(struct source_visitor *v, const struct region *r)
{
	(void)v;
	(void)r;
}

err_t multiboot2_init(struct multiboot2 *mb, const uint8_t *bytes, size_t len, uint64_t address,
		      uint64_t image_offset, const char **why)
{
	struct source_visitor discarding = { discard, false };
	size_t offset = BLOCK_HEADER, total;
	bool has_map = false;
	struct tag tag;

	*why = "shorter than its header";
	if (len < BLOCK_HEADER)
		return ERR_BAD_FORMAT;
	total = read_le32(bytes);
	*why = "its size is below a header and an end tag, or above the readable bytes";
	if (total < BLOCK_HEADER + TAG_HEADER || total > len)
		return ERR_BAD_FORMAT;
	*why = "it wraps around the end of the address space";
	if (address > UINT64_MAX - total)
		return ERR_BAD_FORMAT;
	*mb = (struct multiboot2){ { each_source }, bytes, total, address, image_offset };
	*why = NULL;
	while (next_tag(mb, &offset, &tag, why))
		has_map = has_map || tag.type == TAG_MMAP || tag.type == TAG_EFI_MMAP;
	if (*why != NULL)
		return ERR_BAD_FORMAT;
	*why = "it has no memory map";
	if (!has_map)
		return ERR_NOT_FOUND;
	*why = "the entry size of its memory map is too small";
	return mb->walk.each(&mb->walk, &discarding);
}

static size_t sources_max(const struct multiboot2 *mb)
{
	return mb->len / SOURCE_MIN_BYTES + 1;
}

static size_t modules_max(const struct multiboot2 *mb)
{
	return mb->len / MODULE_STRING + 1;
}

size_t multiboot2_arena_bytes(const struct multiboot2 *mb)
{
	/* strings have fewer characters than the block; each may need a terminator and padding */
	return sources_max(mb) * sizeof(struct region) +
	       modules_max(mb) * (sizeof(struct boot_module) + 2 * TAG_ALIGN) + 2 * mb->len;
}

struct storing_visitor {
	struct source_visitor visitor;
	struct boot_info *bi;
};

static void store(struct source_visitor *v, const struct region *r)
{
	boot_info_add_source(container_of(v, struct storing_visitor, visitor)->bi, r);
}

static const char *tag_string(struct boot_arena *arena, const struct tag *tag, size_t offset)
{
	return tag->size < offset ? boot_arena_string(arena, "", 0)
				  : boot_arena_string(arena, (const char *)tag->bytes + offset,
						      tag->size - offset);
}

static bool store_module(struct boot_info *bi, struct boot_arena *arena, const struct tag *tag)
{
	struct boot_module m = { .range.type = REGION_MODULE };

	if (tag->size < MODULE_STRING)
		return true;
	m.range.start = read_le32(tag->bytes + MODULE_START);
	m.range.end = read_le32(tag->bytes + MODULE_END);
	m.cmdline = tag_string(arena, tag, MODULE_STRING);
	if (m.cmdline == NULL)
		return false;
	if (m.range.start <= m.range.end)
		boot_info_add_module(bi, &m);
	return true;
}

static void store_rsdp(struct boot_info *bi, const struct tag *tag)
{
	size_t n = min_u64(tag->size - RSDP, BOOT_RSDP_BYTES);

	/* the ACPI 2.0 tag takes precedence over the 1.0 tag, in any order */
	if (n < RSDP_V1_BYTES || (tag->type == TAG_ACPI_OLD && bi->rsdp_length > RSDP_V1_BYTES))
		return;
	if (tag->type == TAG_ACPI_OLD)
		n = RSDP_V1_BYTES;
	memcpy(bi->rsdp, tag->bytes + RSDP, n);
	bi->rsdp_length = (uint32_t)n;
}

/* False: the arena is full. */
static bool store_tag(struct boot_info *bi, struct boot_arena *arena, const struct tag *tag)
{
	const char *s;

	switch (tag->type) {
	case TAG_CMDLINE:
		bi->cmdline = tag_string(arena, tag, TAG_HEADER);
		return bi->cmdline != NULL;
	case TAG_LOADER_NAME:
		s = tag_string(arena, tag, TAG_HEADER);
		(void)(s != NULL && str_copy(bi->loader, s, sizeof(bi->loader)));
		return s != NULL;
	case TAG_MODULE: return store_module(bi, arena, tag);
	case TAG_FRAMEBUFFER: read_framebuffer(tag, &bi->framebuffer); return true;
	case TAG_ACPI_OLD:
	case TAG_ACPI_NEW: store_rsdp(bi, tag); return true;
	case TAG_EFI32_SYSTEM_TABLE:
		if (tag->size >= SYSTEM_TABLE + sizeof(uint32_t))
			bi->efi_system_table = read_le32(tag->bytes + SYSTEM_TABLE);
		return true;
	case TAG_EFI64_SYSTEM_TABLE:
		if (tag->size >= SYSTEM_TABLE + sizeof(uint64_t))
			bi->efi_system_table = read_le64(tag->bytes + SYSTEM_TABLE);
		return true;
	case TAG_EFI_MMAP: bi->has_efi_map = true; return true;
	case TAG_EFI_BOOT_SERVICES: bi->boot_services_running = true; return true;
	default: return true;
	}
}

err_t multiboot2_parse(const struct multiboot2 *mb, struct boot_arena *arena, size_t spare,
		       struct boot_info *bi)
{
	struct storing_visitor v = { { store, true }, bi };
	size_t offset = BLOCK_HEADER;
	const char *why = NULL;
	struct tag tag;

	*bi = (struct boot_info){ .protocol = BOOT_MULTIBOOT2,
				  .cmdline = "",
				  .has_memory_map = true };
	bi->source_room = sources_max(mb) + spare;
	bi->sources = boot_arena_take(arena, bi->source_room * sizeof(struct region));
	bi->module_room = modules_max(mb);
	bi->modules = boot_arena_take(arena, bi->module_room * sizeof(struct boot_module));
	if (bi->sources == NULL || bi->modules == NULL)
		return ERR_NO_MEMORY;
	while (next_tag(mb, &offset, &tag, &why))
		if (!store_tag(bi, arena, &tag))
			return ERR_NO_MEMORY;
	return each_source(&mb->walk, &v.visitor);
}
