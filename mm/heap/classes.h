/* SPDX-License-Identifier: MIT */
/*
 * classes.h - size classes of the heap and the layout of a slab's frame.  Pure.
 *
 * A slab is one frame.  Its objects are packed towards the frame's end, so that an object of
 * 2^k bytes is aligned to 2^k; the space left at the front holds one byte per object (a tag, see
 * mm/heap/slab.h).  A class with at most HEAP_SLOT_TAGS objects keeps its tags in the frame's
 * MetaSlot, and its objects use the whole frame.
 *
 *   r      remainder of the frame divided by the object size: PAGE_SIZE mod size
 *   place  index of an object-sized part of the frame, from 0 at offset r; of the PAGE_SIZE / size
 *          places the first `lead` hold tags and no object
 *
 * An offset is a cut (the start of a place) when (offset - r) is a multiple of size.  With F = 32
 * fraction bits and inverse = ceil(2^F / size), the product (offset - r) * inverse has the quotient
 * above bit F, and its low F bits are below `inverse` exactly for a multiple (Lemire, Kaser, Kurz:
 * Faster remainder by direct computation, 2019).  One multiplication yields both the divisibility
 * test and the place.  The arithmetic is modulo 2^64; offsets below r fail the test.
 *
 * Tested and proved for each class and offset (tests/unit/heap.c; make prove T='heap_*').
 * Independent of the machine.
 */
#pragma once

#include "lib/bits.h"
#include "mm/frame/page.h"

enum {
	HEAP_GRAIN_BITS = 4,
	HEAP_GRAIN = 1 << HEAP_GRAIN_BITS, /* each size and offset is a multiple of it */
	HEAP_FRAME_GRAINS = PAGE_SIZE / HEAP_GRAIN,
	HEAP_SMALL_MAX = PAGE_SIZE, /* larger objects are blocks of frames */
	HEAP_SLOT_TAGS = 4,
	HEAP_FRACTION_BITS = 32,
	HEAP_CLASS_NONE = 0, /* size 0: has no objects */
};

/* Each size wastes little of a frame; from 48 bytes to 1 KiB it is at most a third larger than the
 * previous one. */
#define HEAP_SIZES(X)                                                                              \
	X(1, 16)                                                                                   \
	X(2, 32)                                                                                   \
	X(3, 48)                                                                                   \
	X(4, 64)                                                                                   \
	X(5, 80)                                                                                   \
	X(6, 96)                                                                                   \
	X(7, 112)                                                                                  \
	X(8, 128)                                                                                  \
	X(9, 160)                                                                                  \
	X(10, 192)                                                                                 \
	X(11, 224)                                                                                 \
	X(12, 256)                                                                                 \
	X(13, 288)                                                                                 \
	X(14, 336)                                                                                 \
	X(15, 400)                                                                                 \
	X(16, 448)                                                                                 \
	X(17, 512)                                                                                 \
	X(18, 672)                                                                                 \
	X(19, 816)                                                                                 \
	X(20, 1024)                                                                                \
	X(21, 1360)                                                                                \
	X(22, 2048)                                                                                \
	X(23, 4096)

#define HEAP_COUNT_ONE(number, size) +1
enum {
	HEAP_CLASSES = 1 HEAP_SIZES(HEAP_COUNT_ONE), /* with HEAP_CLASS_NONE */
};
#undef HEAP_COUNT_ONE

/* Class of a size, HEAP_CLASS_NONE for 0 and for sizes above HEAP_SMALL_MAX.  Folds to a constant
 * for a constant size; for other sizes the hit path uses heap.magazine_of, computed from it. */
static __forceinline unsigned heap_class_of(size_t size)
{
	if (size == 0)
		return HEAP_CLASS_NONE;
#define HEAP_FITS(number, max)                                                                     \
	if (size <= (max))                                                                         \
		return number;
	HEAP_SIZES(HEAP_FITS)
#undef HEAP_FITS
	return HEAP_CLASS_NONE;
}

/* Object size in bytes; number < HEAP_CLASSES. */
static inline size_t heap_class_size(unsigned number)
{
	static const uint16_t sizes[HEAP_CLASSES] = {
#define HEAP_SIZE_OF(number, size) [number] = (size),
		HEAP_SIZES(HEAP_SIZE_OF)
#undef HEAP_SIZE_OF
	};

	return sizes[number];
}

struct heap_shape {
	uint32_t size, r;
	uint32_t places, lead, objects;
	uint64_t inverse;
};

static inline struct heap_shape heap_shape_of(unsigned number)
{
	struct heap_shape s = { .size = (uint32_t)heap_class_size(number) };

	if (s.size == 0)
		return s;
	s.r = PAGE_SIZE % s.size;
	s.places = PAGE_SIZE / s.size;
	s.inverse = ((UINT64_C(1) << HEAP_FRACTION_BITS) + s.size - 1) / s.size;
	/* give up leading places until one tag per place fits before the first object */
	if (s.places > HEAP_SLOT_TAGS)
		/*@ loop invariant 0 <= s.lead < s.places;
		    loop invariant s.lead > 0 ==> s.r + (s.lead - 1) * s.size < s.places;
		    loop assigns s.lead;
		    loop variant s.places - s.lead; */
		while (s.r + s.lead * s.size < s.places)
			s.lead++;
	s.objects = s.places - s.lead;
	return s;
}

static inline bool heap_shape_tags_in_slot(const struct heap_shape *s)
{
	return s->places <= HEAP_SLOT_TAGS;
}

/* Offset in the frame of the object at a place. */
static inline uint32_t heap_shape_offset(const struct heap_shape *s, uint32_t place)
{
	return s->r + place * s->size;
}

/* Index of the grain that starts at the offset, from 0.  The low bits of an unaligned offset rotate
 * into the highest bits, so that the result is larger than any valid index. */
static inline uint64_t heap_grain_of(uint64_t offset)
{
	return offset >> HEAP_GRAIN_BITS | offset << (64 - HEAP_GRAIN_BITS);
}

/* Index of a tag that belongs to no object: of a place that holds tags, or past the last place.
 * For classes with tags in the frame. */
static inline uint32_t heap_shape_spare_tag(const struct heap_shape *s)
{
	return s->lead != 0 ? 0 : s->places;
}

/* The argument of heap_product_is_cut() and heap_product_place(). */
static inline uint64_t heap_product(const struct heap_shape *s, uint32_t offset)
{
	return ((uint64_t)offset - s->r) * s->inverse;
}

static inline bool heap_product_is_cut(uint64_t product, uint64_t inverse)
{
	return (uint32_t)product < (uint32_t)inverse; /* at most 2^F / HEAP_GRAIN */
}

static inline uint64_t heap_product_place(uint64_t product)
{
	return product >> HEAP_FRACTION_BITS;
}
