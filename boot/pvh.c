/* SPDX-License-Identifier: MIT */
#include "boot/pvh.h"

#include "lib/string.h"

/* Byte offsets of struct hvm_start_info, version 1, and of what it points to. */
enum {
	INFO_MAGIC = 0,
	INFO_VERSION = 4,
	INFO_MODULE_COUNT = 12,
	INFO_MODULES = 16,
	INFO_CMDLINE = 24,
	INFO_RSDP = 32,
	INFO_MAP = 40,
	INFO_MAP_COUNT = 48,
	INFO_BYTES = 56,
	INFO_VERSION_WITH_MAP = 1,

	MAP_SIZE = 8,
	MAP_TYPE = 16,
	MAP_ENTRY_BYTES = 24,

	MODULE_SIZE = 8,
	MODULE_CMDLINE = 16,
	MODULE_BYTES = 32,

	COUNT_MAX = 65536, /* of entries; a larger count is treated as corrupt */
	STRING_MAX = 4096,
};

static const uint8_t *pvh_read(const struct pvh *p, uint64_t pa, uint64_t len)
{
	return pa == 0 ? NULL : p->read(p->ctx, pa, len);
}

/* Length of the string at pa, at most STRING_MAX; it ends at an inaccessible byte. */
static size_t string_length(const struct pvh *p, uint64_t pa)
{
	size_t n = 0;

	while (n < STRING_MAX) {
		const uint8_t *c = pvh_read(p, pa + n, 1);

		if (pa == 0 || c == NULL || *c == '\0')
			break;
		n++;
	}
	return n;
}

/* E820 types, ACPI 6.5 table 15.4. */
static enum region_type e820_region_type(uint32_t type)
{
	switch (type) {
	case 1: return REGION_USABLE;
	case 3: return REGION_ACPI;
	case 4: return REGION_ACPI_NVS;
	case 5: return REGION_BAD;
	default: return REGION_RESERVED;
	}
}

static void say_map(const struct pvh *p, struct source_visitor *v)
{
	for (uint32_t i = 0; i < p->map_count; i++) {
		const uint8_t *e = pvh_read(p, p->map + i * MAP_ENTRY_BYTES, MAP_ENTRY_BYTES);
		uint64_t start, len;
		uint32_t type;

		if (e == NULL)
			return;
		start = read_le64(e);
		len = read_le64(e + MAP_SIZE);
		type = read_le32(e + MAP_TYPE);
		if (start != 0 || len != 0 || type != 0) /* QEMU microvm adds a null entry */
			source_say(v, "memory map", start, len, e820_region_type(type));
	}
}

static void say_strings(const struct pvh *p, struct source_visitor *v, uint64_t string)
{
	size_t n = string_length(p, string);

	if (n != 0)
		source_say(v, "command line", string, n + 1, REGION_BOOT_INFO);
}

static void say_modules(const struct pvh *p, struct source_visitor *v)
{
	for (uint32_t i = 0; i < p->module_count; i++) {
		const uint8_t *m = pvh_read(p, p->modules + i * MODULE_BYTES, MODULE_BYTES);

		if (m == NULL)
			return;
		source_say(v, "module", read_le64(m), read_le64(m + MODULE_SIZE), REGION_MODULE);
		say_strings(p, v, read_le64(m + MODULE_CMDLINE));
	}
}

static err_t each_source(const struct source_walk *walk, struct source_visitor *v)
{
	const struct pvh *p = container_of(walk, const struct pvh, walk);

	source_say(v, "start info", p->start_info, INFO_BYTES, REGION_BOOT_INFO);
	source_say(v, "start info", p->map, (uint64_t)p->map_count * MAP_ENTRY_BYTES,
		   REGION_BOOT_INFO);
	if (p->module_count != 0)
		source_say(v, "start info", p->modules, (uint64_t)p->module_count * MODULE_BYTES,
			   REGION_BOOT_INFO);
	say_strings(p, v, p->cmdline);
	say_map(p, v);
	say_modules(p, v);
	return OK;
}

err_t pvh_init(struct pvh *p, phys_read_t read, void *ctx, uint64_t start_info, const char **why)
{
	const uint8_t *info = start_info == 0 ? NULL : read(ctx, start_info, INFO_BYTES);

	*why = "the start info is not accessible or has a wrong magic";
	if (info == NULL || read_le32(info + INFO_MAGIC) != PVH_MAGIC)
		return ERR_BAD_FORMAT;
	*why = "the start info has version 0, which has no memory map";
	if (read_le32(info + INFO_VERSION) < INFO_VERSION_WITH_MAP)
		return ERR_NOT_FOUND;
	*p = (struct pvh){
		.walk = { each_source },
		.read = read,
		.ctx = ctx,
		.start_info = start_info,
		.map = read_le64(info + INFO_MAP),
		.map_count = read_le32(info + INFO_MAP_COUNT),
		.modules = read_le64(info + INFO_MODULES),
		.module_count = read_le32(info + INFO_MODULE_COUNT),
		.cmdline = read_le64(info + INFO_CMDLINE),
		.rsdp = read_le64(info + INFO_RSDP),
	};
	*why = "it has no memory map";
	if (p->map == 0 || p->map_count == 0)
		return ERR_NOT_FOUND;
	*why = "its memory map or module list is too long, or the map is not accessible";
	if (p->map_count > COUNT_MAX || p->module_count > COUNT_MAX ||
	    pvh_read(p, p->map, (uint64_t)p->map_count * MAP_ENTRY_BYTES) == NULL)
		return ERR_BAD_FORMAT;
	return OK;
}

static size_t sources_max(const struct pvh *p)
{
	return p->map_count + 2 * (size_t)p->module_count + 4; /* info, map, list, command line */
}

size_t pvh_arena_bytes(const struct pvh *p)
{
	return sources_max(p) * sizeof(struct region) +
	       p->module_count * (sizeof(struct boot_module) + STRING_MAX + sizeof(uint64_t)) +
	       STRING_MAX + sizeof(uint64_t);
}

struct storing_visitor {
	struct source_visitor visitor;
	struct boot_info *bi;
};

static void store(struct source_visitor *v, const struct region *r)
{
	boot_info_add_source(container_of(v, struct storing_visitor, visitor)->bi, r);
}

static const char *copy_string(const struct pvh *p, struct boot_arena *arena, uint64_t pa)
{
	size_t n = string_length(p, pa);
	const uint8_t *s = n == 0 ? NULL : pvh_read(p, pa, n);

	/* read() may refuse the whole string even if each byte is accessible */
	return s == NULL ? boot_arena_string(arena, "", 0)
			 : boot_arena_string(arena, (const char *)s, n);
}

static err_t store_modules(const struct pvh *p, struct boot_arena *arena, struct boot_info *bi)
{
	for (uint32_t i = 0; i < p->module_count; i++) {
		const uint8_t *e = pvh_read(p, p->modules + i * MODULE_BYTES, MODULE_BYTES);
		struct boot_module m = { .range.type = REGION_MODULE };

		if (e == NULL)
			return OK;
		m.range.start = read_le64(e);
		m.range.end = m.range.start + read_le64(e + MODULE_SIZE);
		m.cmdline = copy_string(p, arena, read_le64(e + MODULE_CMDLINE));
		if (m.cmdline == NULL)
			return ERR_NO_MEMORY;
		if (m.range.start <= m.range.end)
			boot_info_add_module(bi, &m);
	}
	return OK;
}

/* Copy the size of the ACPI 2.0 RSDP; acpi_rsdp_parse() determines how many bytes are valid. */
static void copy_rsdp(const struct pvh *p, struct boot_info *bi)
{
	const uint8_t *rsdp = pvh_read(p, p->rsdp, BOOT_RSDP_BYTES);

	if (rsdp == NULL)
		return;
	memcpy(bi->rsdp, rsdp, BOOT_RSDP_BYTES);
	bi->rsdp_length = BOOT_RSDP_BYTES;
}

err_t pvh_parse(const struct pvh *p, struct boot_arena *arena, size_t spare, struct boot_info *bi)
{
	struct storing_visitor v = { { store, true }, bi };
	err_t err;

	*bi = (struct boot_info){
		.protocol = BOOT_PVH,
		.loader = "PVH",
		.has_memory_map = true,
	};
	copy_rsdp(p, bi);
	bi->source_room = sources_max(p) + spare;
	bi->sources = boot_arena_take(arena, bi->source_room * sizeof(struct region));
	bi->module_room = p->module_count;
	bi->modules = boot_arena_take(arena, bi->module_room * sizeof(struct boot_module));
	bi->cmdline = copy_string(p, arena, p->cmdline);
	if (bi->sources == NULL || bi->modules == NULL || bi->cmdline == NULL)
		return ERR_NO_MEMORY;
	err = store_modules(p, arena, bi);
	return err == OK ? each_source(&p->walk, &v.visitor) : err;
}
