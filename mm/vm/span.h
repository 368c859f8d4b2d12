/* SPDX-License-Identifier: MIT */
/*
 * span.h - what is left to read or to write: [cursor, end), as pure arithmetic.
 *
 * The part of readers and writers (mm/vm/io.h) that decides which bytes they may touch.  Addresses
 * are numbers here; nothing is accessed.  Every size is in bytes, never in elements (finding
 * IOV-01: a length of elements served as one of bytes).
 *
 * Invariants:
 *   I1  cursor <= end
 *   I2  the span only shrinks: the cursor never goes back, the end never goes up
 *   I3  an operation that is refused changes nothing
 *
 * `make prove T=vm_span` shows them for every argument.  No lock, no allocation, any context; a
 * span is its caller's.
 */
#pragma once

#include "lib/err.h"
#include "lib/types.h"

enum vm_side {
	VM_KERNEL, /* memory that is there */
	VM_USER,   /* addresses of a user's half, where anything may be or nothing */
};

struct vm_span {
	vaddr_t cursor, end;
	enum vm_side side;
};

/* Bytes of the span. */
static inline size_t vm_span_left(const struct vm_span *s)
{
	return s->end - s->cursor;
}

/* Keep the first `most` bytes, or all when there are not as many. */
static inline void vm_span_limit(struct vm_span *s, size_t most)
{
	if (most < vm_span_left(s))
		s->end = s->cursor + most;
}

/* Step over n bytes.  ERR_BAD_RANGE: there are not as many. */
static inline err_t vm_span_skip(struct vm_span *s, size_t n)
{
	if (n > vm_span_left(s))
		return ERR_BAD_RANGE;
	s->cursor += n;
	return OK;
}

/* How many bytes go from one to the other: all of the shorter. */
static inline size_t vm_span_common(const struct vm_span *a, const struct vm_span *b)
{
	return vm_span_left(a) < vm_span_left(b) ? vm_span_left(a) : vm_span_left(b);
}

/* The bytes of `count` elements of `size` bytes.  ERR_BAD_RANGE: elements of nothing. ERR_OVERFLOW:
 * more than SIZE_MAX. */
static inline err_t vm_slice_bytes(size_t count, size_t size, size_t *bytes)
{
	if (size == 0)
		return ERR_BAD_RANGE;
	return __builtin_mul_overflow(count, size, bytes) ? ERR_OVERFLOW : OK;
}

/* `count` values of `size` bytes, one beginning every `step` bytes; step >= size. */
struct vm_stride {
	size_t count, size, step;
};

/* Bytes from the first value's to the last value's.  Errors as above; ERR_BAD_RANGE: values that
 * overlap, too. */
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

/* Whether [va, va + len) is a user's to name: above the null page, below `half`, no wrap; or empty,
 * wherever va is.  `half` is the size of the user's half. */
static inline bool vm_span_is_users(vaddr_t va, size_t len, uint64_t half, uint64_t null_page)
{
	if (len == 0)
		return true;
	return va >= null_page && va < half && len <= half - va;
}
