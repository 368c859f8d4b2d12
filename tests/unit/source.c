/* SPDX-License-Identifier: MIT */
/* Tests of boot/source.c beside those of the parsers, which go through it (unit/multiboot2.c). */
#include "boot/source.h"

#include "lib/bits.h"
#include "tests/test.h"

/* A screen at [0x4000, 0x6000): may it be written to? */
static bool has_memory(uint64_t start, uint64_t end, enum region_type type)
{
	struct region list[] = { { 0, 0x1000, REGION_USABLE }, { start, end, type } };
	struct boot_info bi = { .sources = list, .source_count = ARRAY_SIZE(list) };

	return boot_info_has_memory(&bi, (struct prange){ paddr(0x4000), 0x2000 });
}

TEST(source_memory_is_what_neither_is_reserved_nor_a_framebuffer)
{
	for (enum region_type type = 0; type < REGION_TYPES; type++)
		CHECK_EQ(has_memory(0x3000, 0x7000, type),
			 type != REGION_RESERVED && type != REGION_FRAMEBUFFER);
}

TEST(source_memory_beside_a_range_is_not_in_it)
{
	CHECK(!has_memory(0x1000, 0x4000, REGION_USABLE));
	CHECK(!has_memory(0x6000, 0x8000, REGION_USABLE));
	CHECK(has_memory(0x1000, 0x4001, REGION_USABLE));
	CHECK(has_memory(0x5fff, 0x8000, REGION_USABLE));
	CHECK(has_memory(0x5000, 0x5001, REGION_USABLE));
}
