/* SPDX-License-Identifier: MIT */
/*
 * Proof of the multiplication by an inverse in mm/heap/classes.h: for every class and every offset in
 * a frame, whether an object begins there and which one; of the grain that heap_free() looks up and
 * of what stands there; and of the class for a size and an alignment.  A claim for each class, for
 * its constants; the sizes come from HEAP_SIZES.
 *
 * By: words
 * Seconds: 10
 */
#include "mm/heap/heap.c"
#include "tests/proof/words.h"

static bool is_cut(const struct heap_shape *s, uint32_t offset)
{
	return offset >= s->r && (offset - s->r) % s->size == 0;
}

/* One multiplication is the division and the remainder, below r too, where it wraps. */
static bool product_is_division(unsigned number, uint32_t offset)
{
	struct heap_shape s = heap_shape_of(number);
	uint64_t product = heap_product(&s, offset), place = heap_product_place(product);

	if (!is_cut(&s, offset))
		return !heap_product_is_cut(product, s.inverse);
	return heap_product_is_cut(product, s.inverse) && place == (offset - s.r) / s.size &&
	       place < s.places && heap_shape_offset(&s, (uint32_t)place) == offset;
}

/* What heap_free() finds in a table by the grain: each object has an entry of its own there, its
 * tag fits the entry, and no tag but the spare one is left over. */
static bool table_has_room_for_the_tag(unsigned number, uint32_t place)
{
	struct heap_shape s = heap_shape_of(number);
	bool in_slot = heap_shape_tags_in_slot(&s);
	uint64_t tag = place + (in_slot ? offsetof(struct meta_slot, u.slab.tag) : 0);
	uint64_t grain = heap_grain_of(heap_shape_offset(&s, place));
	uint32_t spare = heap_shape_spare_tag(&s);

	if (place < s.lead || place >= s.places)
		return true;
	return grain < HEAP_FRAME_GRAINS && grain * HEAP_GRAIN == heap_shape_offset(&s, place) &&
	       tag <= UINT8_MAX &&
	       (in_slot || (spare != place && spare < heap_shape_offset(&s, s.lead)));
}

/* An object is aligned to each power of two that divides its size. */
static bool objects_are_aligned(unsigned number, uint32_t place, unsigned order)
{
	struct heap_shape s = heap_shape_of(number);
	uint32_t align = UINT32_C(1) << order;

	return place >= s.places || (s.size & (align - 1)) != 0 ||
	       (heap_shape_offset(&s, place) & (align - 1)) == 0;
}

/* The least class of the sizes above `below` and up to the class's own that is aligned so. */
static bool class_for_is_the_smallest(unsigned number, uint64_t size, uint64_t align)
{
	unsigned found = class_for(size, align);

#define IS_LESS(other, bytes)                                                                      \
	if (other >= number && other < found && ((bytes) & (align - 1)) == 0)                      \
		return false;
	HEAP_SIZES(IS_LESS)
#undef IS_LESS
#define IS_FOUND(other, bytes)                                                                     \
	if (other == found)                                                                        \
		return (bytes) >= size && ((bytes) & (align - 1)) == 0;
	HEAP_SIZES(IS_FOUND)
#undef IS_FOUND
	return false;
}

#define CLAIMS_OF(number, size)                                                                    \
	CLAIM(product_is_division_##size, uint32_t offset)                                         \
	{                                                                                          \
		GIVEN(offset < PAGE_SIZE);                                                         \
		return product_is_division(number, offset);                                        \
	}                                                                                          \
	CLAIM(table_has_room_for_the_tag_##size, uint32_t place)                                   \
	{                                                                                          \
		return table_has_room_for_the_tag(number, place);                                  \
	}                                                                                          \
	CLAIM(objects_are_aligned_##size, uint32_t place, unsigned order)                          \
	{                                                                                          \
		GIVEN(order <= PAGE_SHIFT);                                                        \
		return objects_are_aligned(number, place, order);                                  \
	}                                                                                          \
	CLAIM(class_for_is_the_smallest_##size, uint64_t bytes, unsigned order)                    \
	{                                                                                          \
		GIVEN(order <= PAGE_SHIFT && bytes <= (size));                                     \
		GIVEN(bytes > heap_class_size((number)-1));                                        \
		return class_for_is_the_smallest(number, bytes, UINT64_C(1) << order);             \
	}
HEAP_SIZES(CLAIMS_OF)

/* The table for sizes that are no constants goes by whole grains. */
CLAIM(class_depends_on_grains_alone, uint64_t size)
{
	GIVEN(size >= 1 && size <= HEAP_SMALL_MAX);
	return heap_class_of(size) ==
	       heap_class_of((size + HEAP_GRAIN - 1) / HEAP_GRAIN * HEAP_GRAIN);
}

/* Of any address: what is no multiple of a grain is beyond every extent of memory. */
CLAIM(grain_is_the_division, uint64_t offset)
{
	return offset % HEAP_GRAIN == 0 ? heap_grain_of(offset) == offset / HEAP_GRAIN
					: heap_grain_of(offset) > UINT64_MAX / HEAP_GRAIN;
}
