/* SPDX-License-Identifier: MIT */
/*
 * classes.h - size classes of the heap and where their objects lie in a frame.  Pure.
 *
 * A slab is one frame.  Its objects are packed towards the frame's end, so that an object of
 * 2^k bytes is aligned to 2^k; what is left at the front holds a byte for each object (a tag, see
 * mm/heap/slab.h).  A class with at most HEAP_SLOT_TAGS objects keeps its tags in the frame's
 * MetaSlot and leaves the frame to the objects.
 *
 *   r      what a frame leaves when it is cut into objects: PAGE_SIZE mod size
 *   place  number of a cut, from 0 at offset r; the first `lead` of PAGE_SIZE / size places are
 *          taken by tags and hold no object
 *
 * An offset is a cut when (offset - r) is a multiple of size.  With F = 32 fraction bits and
 * inverse = ceil(2^F / size), the product (offset - r) * inverse has the quotient above bit F,
 * and its low F bits are below `inverse` exactly for a multiple (Lemire, Kaser, Kurz: Faster
 * remainder by direct computation, 2019).  One multiplication answers both questions.  The
 * arithmetic is modulo 2^64; offsets below r come out as no multiple.
 *
 * Tested and proved for each class and offset (tests/unit/heap.c; make prove T='heap_*'); nothing
 * here depends on a machine.
 */
#pragma once

#include "lib/bits.h"
#include "mm/frame/page.h"

enum {
	HEAP_GRAIN_BITS = 4,
	HEAP_GRAIN = 1 << HEAP_GRAIN_BITS, /* each size and offset is a multiple of it */
	HEAP_FRAME_GRAINS = PAGE_SIZE / HEAP_GRAIN,
	HEAP_SMALL_MAX = PAGE_SIZE, /* larger ones are blocks of frames */
	HEAP_SLOT_TAGS = 4,
	HEAP_FRACTION_BITS = 32,
	HEAP_CLASS_NONE = 0, /* of size 0: never holds anything */
};

/* Each cuts a frame with little left over; steps are at most a third up to 1 KiB. */
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

/* Class of a size, HEAP_CLASS_NONE for 0 and for sizes above HEAP_SMALL_MAX.  For constants: it
 * folds to a number; others use a table made from it. */
static __forceinline unsigned heap_class_of(size_t size)
{
	if (size == 0)
		return HEAP_CLASS_NONE;
#define HEAP_FITS(number, most)                                                                    \
	if (size <= (most))                                                                        \
		return number;
	HEAP_SIZES(HEAP_FITS)
#undef HEAP_FITS
	return HEAP_CLASS_NONE;
}

/* Bytes of an object; class below HEAP_CLASSES. */
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
	/* places that become room for a tag of each place */
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

/* Where the object at a place begins. */
static inline uint32_t heap_shape_offset(const struct heap_shape *s, uint32_t place)
{
	return s->r + place * s->size;
}

/* Number of the grain that begins at the offset, from 0; where none begins, more than there can be:
 * what is left over goes to the highest bits. */
static inline uint64_t heap_grain_of(uint64_t offset)
{
	return offset >> HEAP_GRAIN_BITS | offset << (64 - HEAP_GRAIN_BITS);
}

/* A tag that no object has: of a place that holds tags, or behind the last.  Tags are in the
 * frame. */
static inline uint32_t heap_shape_spare_tag(const struct heap_shape *s)
{
	return s->lead != 0 ? 0 : s->places;
}

/* The product that heap_product_is_cut() and heap_product_place() read. */
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
