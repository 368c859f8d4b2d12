/* SPDX-License-Identifier: MIT */
/*
 * span.h - bounds arithmetic for the bytes left to read or write: [cursor, end).
 *
 * Readers and writers (mm/vm/io.h) use it to decide which bytes they may access.  Addresses are
 * plain numbers here; no memory is accessed.  Every size is in bytes, never in elements (finding
 * IOV-01: a number of elements was used as a number of bytes).
 *
 * Invariants:
 *   I1  cursor <= end
 *   I2  the span only shrinks: the cursor never decreases, the end never increases
 *   I3  an operation that fails changes nothing
 *
 * `make prove T=vm_span` proves them for every argument.  No lock, no allocation, any context; the
 * caller owns the span.
 */
#pragma once

#include "lib/err.h"
#include "lib/types.h"

enum vm_side {
	VM_KERNEL, /* mapped kernel memory: no access faults */
	VM_USER,   /* addresses of the user half, mapped or not: any access may fault */
};

struct vm_span {
	vaddr_t cursor, end;
	enum vm_side side;
};

/* Length of the span in bytes. */
static inline size_t vm_span_left(const struct vm_span *s)
{
	return s->end - s->cursor;
}

/* Truncate to the first `max` bytes, if the span is longer. */
static inline void vm_span_limit(struct vm_span *s, size_t max)
{
	if (max < vm_span_left(s))
		s->end = s->cursor + max;
}

/* Skip n bytes.  ERR_BAD_RANGE: fewer are left. */
static inline err_t vm_span_skip(struct vm_span *s, size_t n)
{
	if (n > vm_span_left(s))
		return ERR_BAD_RANGE;
	s->cursor += n;
	return OK;
}

/* The number of bytes that can be copied from one span to the other: the shorter length. */
static inline size_t vm_span_common(const struct vm_span *a, const struct vm_span *b)
{
	return vm_span_left(a) < vm_span_left(b) ? vm_span_left(a) : vm_span_left(b);
}

/* The bytes of `count` elements of `size` bytes.  ERR_BAD_RANGE: size is 0.  ERR_OVERFLOW: more
 * than SIZE_MAX. */
static inline err_t vm_slice_bytes(size_t count, size_t size, size_t *bytes)
{
	if (size == 0)
		return ERR_BAD_RANGE;
	return __builtin_mul_overflow(count, size, bytes) ? ERR_OVERFLOW : OK;
}

/* `count` values of `size` bytes, one starting every `step` bytes; step >= size. */
struct vm_stride {
	size_t count, size, step;
};

/* Bytes from the start of the first value to the end of the last.  Errors as above; ERR_BAD_RANGE
 * also when the values overlap (step < size). */
static inline err_t vm_stride_bytes(struct vm_stride s, size_t *bytes)
{
	if (s.size == 0 || s.step < s.size)
		return ERR_BAD_RANGE;
	*bytes = 0;
	if (s.count == 0)
		return OK;
	if (__builtin_mul_overflow(s.count - 1, s.step, bytes) ||
	    __builtin_add_overflow(*bytes, s.size, bytes))
		return ERR_OVERFLOW;
	return OK;
}

/* Whether [va, va + len) is in the user half: above the null page, below `half`, no wrap; an empty
 * range is at any va.  `half` is the size of the user half. */
static inline bool vm_span_is_users(vaddr_t va, size_t len, uint64_t half, uint64_t null_page)
{
	if (len == 0)
		return true;
	return va >= null_page && va < half && len <= half - va;
}
