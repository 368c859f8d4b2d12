/* SPDX-License-Identifier: MIT */
/*
 * Proof of the multiplication by an inverse in mm/heap_class.h and of what mm/heap.c folds into
 * it: for every class and every offset in a frame, whether an object begins there, which one, and
 * where its tag is; and of the class for a size and an alignment.  A claim for each class, for its
 * constants; the sizes come from HEAP_SIZES.
 *
 * By: words
 * Seconds: 10
 */
#include <stdatomic.h>

/* One thread: what magazine_init() writes are the plain values that the claims read. */
#undef atomic_load_explicit
#undef atomic_store_explicit
#define atomic_load_explicit(object, order)         (*(object))
#define atomic_store_explicit(object, value, order) (*(object) = (value))
#define _Atomic(type) type

#include "mm/heap.c"
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

/* heap_free() asks the magazine instead of the shape.  Its two lines are written out here. */
static bool magazine_knows_the_tag(unsigned number, uint64_t slot, uint64_t p)
{
	struct heap_shape s = heap_shape_of(number);
	uint32_t offset = p % PAGE_SIZE;
	uint64_t tags = heap_shape_tags_in_slot(&s) ? slot + offsetof(struct meta_slot, u.slab.tag)
						    : p - offset;
	struct heap_magazine m;
	uint64_t product, tag;

	magazine_init(&m, number);
	product = p % PAGE_SIZE * m.inverse + m.bias;
	tag = (slot & m.slot_mask) + (p & m.frame_mask) + heap_product_place(product);
	if (!is_cut(&s, offset))
		return !heap_product_is_cut(product, m.inverse);
	return heap_product_is_cut(product, m.inverse) && tag == tags + (offset - s.r) / s.size;
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
static bool class_for_is_the_least(unsigned number, uint64_t size, uint64_t align)
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
	CLAIM(magazine_knows_the_tag_##size, uint64_t slot, uint64_t p)                            \
	{                                                                                          \
		return magazine_knows_the_tag(number, slot, p);                                    \
	}                                                                                          \
	CLAIM(objects_are_aligned_##size, uint32_t place, unsigned order)                          \
	{                                                                                          \
		GIVEN(order <= PAGE_SHIFT);                                                        \
		return objects_are_aligned(number, place, order);                                  \
	}                                                                                          \
	CLAIM(class_for_is_the_least_##size, uint64_t bytes, unsigned order)                       \
	{                                                                                          \
		GIVEN(order <= PAGE_SHIFT && bytes <= (size));                                     \
		GIVEN(bytes > heap_class_size((number)-1));                                        \
		return class_for_is_the_least(number, bytes, UINT64_C(1) << order);                \
	}
HEAP_SIZES(CLAIMS_OF)

/* The table for sizes that are no constants goes by whole grains. */
CLAIM(class_depends_on_grains_alone, uint64_t size)
{
	GIVEN(size >= 1 && size <= HEAP_SMALL_MOST);
	return heap_class_of(size) ==
	       heap_class_of((size + HEAP_GRAIN - 1) / HEAP_GRAIN * HEAP_GRAIN);
}
