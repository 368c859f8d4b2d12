/* SPDX-License-Identifier: MIT */
/*
 * io.h - bounds-checked copies between kernel memory, user memory and frames.
 *
 * A reader is a range of bytes left to read, a writer a range of bytes left to write.  Each has a
 * cursor that only advances.  Kernel memory does not fault.  User memory may fault at any byte: the
 * operation then returns an error with the preceding bytes copied; it never panics.
 *
 *   struct vm_reader r;
 *   err = vm_reader_of_user(&r, va, len);       (va comes from user code and is not trusted)
 *   err = vm_read_value(&r, &header);
 *   err = vm_copy(&w, &r, &done);
 *
 * Invariants: I1..I3 of mm/vm/span.h for each, and
 *   V1  nothing outside [cursor, end) is read or written
 *   V2  the cursor advances by exactly the number of bytes transferred
 *   V3  a value or a slice advances the cursor completely or not at all; a partial read clears the
 *       output buffer, so that the caller cannot mistake stale bytes for data
 *   V4  user addresses enter a reader or writer only through vm_user_range()
 *
 * vm_io accesses the memory of a frame, block, segment or frame list by offset.  A range that is
 * not completely inside is refused, and nothing is transferred.  vm_io holds no reference: the
 * caller keeps its counts of the frames until the last access.
 *
 * Sizes are in bytes.  Functions that take a number of elements also take the element size and
 * check the product for overflow (IOV-01).  The macros take sizes from types.
 *
 * No lock: the caller owns the reader or writer, and serializes access to the memory where needed.
 * Nothing allocates.  User memory: do not hold a lock that the page fault handler takes.
 */
#pragma once

#include "mm/frame/frame.h"
#include "mm/vm/span.h"

struct vm_reader {
	struct vm_span span;
};
struct vm_writer {
	struct vm_span span;
};

/* ---- initialization ---- */

/* Kernel memory [p, p + len), which stays mapped during use and does not end at the last address.
 */
struct vm_reader vm_reader_of(const void *p, size_t len);
struct vm_writer vm_writer_of(void *p, size_t len);

/* Check that [va, va + len) is in the user half (like access_ok() of Linux).  ERR_BAD_RANGE: the
 * range includes the null page, non-canonical addresses or the kernel half, or wraps.  Does not
 * access the memory, which need not be mapped.  An empty range is valid at any address. */
err_t vm_user_range(vaddr_t va, size_t len, struct vrange *range);
/* A user range, as above, of the address space loaded on this CPU.  Errors as above; *r or *w is
 * then empty. */
err_t vm_reader_of_user(struct vm_reader *r, vaddr_t va, size_t len);
err_t vm_writer_of_user(struct vm_writer *w, vaddr_t va, size_t len);

/* ---- cursor ---- */

/* Bytes left to read. */
static inline size_t vm_reader_left(const struct vm_reader *r)
{
	return vm_span_left(&r->span);
}

/* Truncate to at most `max` bytes. */
static inline void vm_reader_limit(struct vm_reader *r, size_t max)
{
	vm_span_limit(&r->span, max);
}

/* Skip n bytes.  ERR_BAD_RANGE: fewer are left; r is unchanged. */
static inline err_t vm_reader_skip(struct vm_reader *r, size_t n)
{
	return vm_span_skip(&r->span, n);
}

/* The same for a writer; skipped bytes keep their contents. */
static inline size_t vm_writer_left(const struct vm_writer *w)
{
	return vm_span_left(&w->span);
}

static inline void vm_writer_limit(struct vm_writer *w, size_t max)
{
	vm_span_limit(&w->span, max);
}

static inline err_t vm_writer_skip(struct vm_writer *w, size_t n)
{
	return vm_span_skip(&w->span, n);
}

/* ---- bytes ---- */

/* Copy until the reader or the writer is at its end.  *done is the number of bytes copied, by which
 * both cursors advance.  A fault's error: user memory faulted at the next byte.  Ranges of kernel
 * memory may overlap. */
err_t vm_copy(struct vm_writer *w, struct vm_reader *r, size_t *done);

/* Clear the next n bytes.  ERR_BAD_RANGE with *done == 0: fewer are left; otherwise as above. */
err_t vm_zero(struct vm_writer *w, size_t n, size_t *done);

/* Write as many whole copies of `value` as fit; *done is their number.  ERR_BAD_RANGE: size is 0,
 * or user memory faulted within the next copy, at whose start the cursor is. */
err_t vm_fill(struct vm_writer *w, const void *value, size_t size, size_t *done);

/* ---- values, slices (V3) ---- */

/* Exactly n bytes.  ERR_BAD_RANGE: fewer are left and nothing is transferred; or user memory
 * faulted: the cursor does not advance, `out` is cleared, and any part of the writer's n bytes may
 * be written. */
err_t vm_read_bytes(struct vm_reader *r, void *out, size_t n);
err_t vm_write_bytes(struct vm_writer *w, const void *from, size_t n);

/* `count` elements of `elem_size` bytes.  ERR_OVERFLOW: the product exceeds SIZE_MAX;
 * ERR_BAD_RANGE: elem_size is 0; otherwise as above. */
err_t vm_read_slice(struct vm_reader *r, void *out, size_t count, size_t elem_size);
err_t vm_write_slice(struct vm_writer *w, const void *from, size_t count, size_t elem_size);

/* One value of the type that `p` points to. */
#define vm_read_value(r, p)  vm_read_bytes((r), (p), sizeof(*(p)))
#define vm_write_value(w, p) vm_write_bytes((w), (p), sizeof(*(p)))

/* Values at a stride, packed in `out` and `from`; *done is the number of values transferred.
 * ERR_BAD_RANGE or ERR_OVERFLOW with *done == 0: see vm_stride_bytes(), or the values do not fit.
 * A fault's error: user memory faulted within the next value, at whose start the cursor is.  Gaps
 * keep their contents; no gap follows the last value. */
err_t vm_read_strided(struct vm_reader *r, void *out, struct vm_stride s, size_t *done);
err_t vm_write_strided(struct vm_writer *w, const void *from, struct vm_stride s, size_t *done);

/* ---- frames, by offset ---- */

struct vm_io {
	paddr_t start;                 /* PADDR_NONE for a list */
	const struct frame_list *list; /* or NULL */
	uint64_t bytes;
};

/* A frame or block; contiguous frames; a list of frames. */
struct vm_io vm_io_of_frame(const struct frame *f);
struct vm_io vm_io_of_segment(const struct segment *s);
struct vm_io vm_io_of_list(const struct frame_list *l);

/* Copy from `offset` until the writer is full, or to `offset` until the reader is empty.
 * ERR_BAD_RANGE with *done == 0: the range is not inside; otherwise user memory faulted (V2). */
err_t vm_io_read(const struct vm_io *io, uint64_t offset, struct vm_writer *w, size_t *done);
err_t vm_io_write(const struct vm_io *io, uint64_t offset, struct vm_reader *r, size_t *done);

/* Kernel memory.  ERR_BAD_RANGE: the range is not inside; ERR_OVERFLOW as above.  On an error
 * nothing is transferred. */
err_t vm_io_read_bytes(const struct vm_io *io, uint64_t offset, void *out, size_t n);
err_t vm_io_write_bytes(const struct vm_io *io, uint64_t offset, const void *from, size_t n);
err_t vm_io_read_slice(const struct vm_io *io, uint64_t offset, void *out, size_t count,
		       size_t elem_size);
err_t vm_io_write_slice(const struct vm_io *io, uint64_t offset, const void *from, size_t count,
			size_t elem_size);
err_t vm_io_read_strided(const struct vm_io *io, uint64_t offset, void *out, struct vm_stride s);
err_t vm_io_write_strided(const struct vm_io *io, uint64_t offset, const void *from,
			  struct vm_stride s);

#define vm_io_read_value(io, offset, p)  vm_io_read_bytes((io), (offset), (p), sizeof(*(p)))
#define vm_io_write_value(io, offset, p) vm_io_write_bytes((io), (offset), (p), sizeof(*(p)))
