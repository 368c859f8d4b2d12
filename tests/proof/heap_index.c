/* SPDX-License-Identifier: MIT */
/*
 * Proof of mm/heap/classes.h but for the multiplication (heap_product.c): the class of a size is the
 * least that fits, and the objects of a class and their tags lie in a frame without overlap.
 *
 * Seconds: 45
 * Only: heap_class_size heap_class_of heap_shape_of heap_shape_tags_in_slot heap_shape_offset object_has_room
 */
#include "mm/heap/classes.h"

#define IS_SIZE(number, size) n == number ? size :
/*@ logic integer size_of(integer n) = HEAP_SIZES(IS_SIZE) 0;
    predicate is_shape(struct heap_shape s, integer n) =
      s.size == size_of(n) && s.r == PAGE_SIZE % s.size && s.places == PAGE_SIZE / s.size &&
      s.r + s.places * s.size == PAGE_SIZE && s.objects == s.places - s.lead && s.objects > 0 &&
      s.inverse * s.size >= 4294967296 && (s.inverse - 1) * s.size < 4294967296; */

/*@ requires number < HEAP_CLASSES; assigns \nothing;
    ensures \result == size_of(number) && \result % HEAP_GRAIN == 0;
    ensures number != HEAP_CLASS_NONE ==> HEAP_GRAIN <= \result <= PAGE_SIZE;
    ensures number == HEAP_CLASS_NONE ==> \result == 0; */
static inline size_t heap_class_size(unsigned number);

/*@ assigns \nothing;
    ensures \result < HEAP_CLASSES;
    ensures \result != HEAP_CLASS_NONE <==> 0 < size <= HEAP_SMALL_MAX;
    ensures \result != HEAP_CLASS_NONE ==> size_of(\result - 1) < size <= size_of(\result); */
static unsigned heap_class_of(size_t size);

/* The tags of all places lie before the first object, or in the slot when they are few. */
/*@ requires 0 < number < HEAP_CLASSES; assigns \nothing;
    ensures is_shape(\result, number);
    ensures \result.places <= HEAP_SLOT_TAGS ==> \result.lead == 0;
    ensures \result.places > HEAP_SLOT_TAGS ==>
      \result.r + \result.lead * \result.size >= \result.places &&
      (\result.lead > 0 ==> \result.r + (\result.lead - 1) * \result.size < \result.places); */
static inline struct heap_shape heap_shape_of(unsigned number);

/*@ requires \valid_read(s); assigns \nothing; ensures \result <==> s->places <= HEAP_SLOT_TAGS; */
static inline bool heap_shape_tags_in_slot(const struct heap_shape *s);

/* The last object ends where the frame ends. */
/*@ requires \valid_read(s) && place < s->places && s->size > 0;
    requires s->r + s->places * s->size == PAGE_SIZE;
    assigns \nothing;
    ensures \result == s->r + place * s->size && \result + s->size <= PAGE_SIZE;
    ensures place == s->places - 1 ==> \result + s->size == PAGE_SIZE; */
static inline uint32_t heap_shape_offset(const struct heap_shape *s, uint32_t place);

/* An object lies behind the tags and before the next one, for every size that can be asked for. */
/*@ requires 0 < size <= HEAP_SMALL_MAX; assigns \nothing;
    ensures \result >= size; */
uint32_t object_has_room(size_t size, uint32_t place)
{
	unsigned number = heap_class_of(size);
	struct heap_shape s = heap_shape_of(number);
	uint32_t at, next;

	if (place < s.lead || place >= s.places - 1)
		return s.size;
	at = heap_shape_offset(&s, place);
	next = heap_shape_offset(&s, place + 1);
	/*@ assert tags: s.places > HEAP_SLOT_TAGS ==> at >= s.places; */
	return next - at;
}
