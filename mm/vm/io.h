/* SPDX-License-Identifier: MIT */
/*
 * io.h - checked reading and writing of memory: kernel memory, user memory, frames.
 *
 * A reader is a range of bytes that is still to be read, a writer one that is still to be written.
 * Both stand at a cursor and only move on.  Kernel memory does not fault; user memory may at any
 * byte, which is an error with the bytes before it done, never a panic.
 *
 *   struct vm_reader r;
 *   err = vm_reader_of_user(&r, va, len);       (the caller's pointer is not trusted)
 *   err = vm_read_value(&r, &header);
 *   err = vm_copy(&w, &r, &done);
 *
 * Invariants: I1..I3 of mm/vm/span.h for each, and
 *   V1  nothing outside [cursor, end) is read or written
 *   V2  the cursor moves over exactly what was done
 *   V3  a value or a slice moves the cursor whole or not at all; what a reader did not
 *       deliver whole is cleared, so that nobody takes old bytes for read ones
 *   V4  user addresses come into a reader or writer only through vm_user_range()
 *
 * vm_io gives the memory of a frame, block, segment or list of frames by offset: a range that does
 * not lie in it whole is refused and nothing is done.  It borrows: the caller's counts stay
 * until the last access.
 *
 * Sizes are bytes; what counts elements takes their size beside it and checks the product (IOV-01).
 * The macros take sizes from types.
 *
 * No lock: a reader or writer is its caller's, and so is keeping others from the memory where that
 * matters.  Nothing allocates.  User memory: not with a lock held that handling a fault would take.
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

/* ---- making them ---- */

/* Kernel memory [p, p + len), which stays and is there; it does not end at the last address. */
struct vm_reader vm_reader_of(const void *p, size_t len);
struct vm_writer vm_writer_of(void *p, size_t len);

/* Whether user code may name [va, va + len).  ERR_BAD_RANGE: the null page, a wrap, addresses that
 * are not canonical, the kernel's half.  Nothing is accessed, nothing need be there.  An empty
 * range is fine anywhere. */
err_t vm_user_range(vaddr_t va, size_t len, struct vrange *range);
/* Such a range of the space that this CPU uses.  Errors as above, *r or *w is then empty. */
err_t vm_reader_of_user(struct vm_reader *r, vaddr_t va, size_t len);
err_t vm_writer_of_user(struct vm_writer *w, vaddr_t va, size_t len);

/* ---- moving ---- */

/* Bytes that are left to read. */
static inline size_t vm_reader_left(const struct vm_reader *r)
{
	return vm_span_left(&r->span);
}

/* Leave out all behind the next `most` bytes. */
static inline void vm_reader_limit(struct vm_reader *r, size_t most)
{
	vm_span_limit(&r->span, most);
}

/* Step over n bytes.  ERR_BAD_RANGE: not as many are left, r is as it was. */
static inline err_t vm_reader_skip(struct vm_reader *r, size_t n)
{
	return vm_span_skip(&r->span, n);
}

/* The same of a writer; what is stepped over keeps its contents. */
static inline size_t vm_writer_left(const struct vm_writer *w)
{
	return vm_span_left(&w->span);
}

static inline void vm_writer_limit(struct vm_writer *w, size_t most)
{
	vm_span_limit(&w->span, most);
}

static inline err_t vm_writer_skip(struct vm_writer *w, size_t n)
{
	return vm_span_skip(&w->span, n);
}

/* ---- bytes ---- */

/* Copy until one of the two is at its end.  *done says how many bytes went, which both cursors
 * moved over.  ERR_BAD_RANGE: user memory faulted at the next byte.  Ranges of kernel memory may
 * overlap. */
err_t vm_copy(struct vm_writer *w, struct vm_reader *r, size_t *done);

/* Clear the next n bytes.  ERR_BAD_RANGE with *done == 0: not as many are left; else as above. */
err_t vm_zero(struct vm_writer *w, size_t n, size_t *done);

/* Write `value` over and over, as often as it fits whole; *done says how often.  ERR_BAD_RANGE:
 * nothing is no value, or user memory faulted within the next one, where the cursor stands. */
err_t vm_fill(struct vm_writer *w, const void *value, size_t size, size_t *done);

/* ---- values, slices (V3) ---- */

/* Exactly n bytes.  ERR_BAD_RANGE: not as many are left, nothing happened; or user memory faulted:
 * the cursor stays, `out` is cleared, and of a writer's memory any part may be written. */
err_t vm_read_bytes(struct vm_reader *r, void *out, size_t n);
err_t vm_write_bytes(struct vm_writer *w, const void *from, size_t n);

/* `count` elements of `elem_size` bytes.  ERR_OVERFLOW: no memory is that long, or an element is
 * (ERR_BAD_RANGE) nothing; else as above. */
err_t vm_read_slice(struct vm_reader *r, void *out, size_t count, size_t elem_size);
err_t vm_write_slice(struct vm_writer *w, const void *from, size_t count, size_t elem_size);

/* The value that `p` points to. */
#define vm_read_value(r, p)  vm_read_bytes((r), (p), sizeof(*(p)))
#define vm_write_value(w, p) vm_write_bytes((w), (p), sizeof(*(p)))

/* Values at a stride, packed in `out` and `from`; *done counts whole ones.  ERR_BAD_RANGE or
 * ERR_OVERFLOW with *done == 0: see vm_stride_bytes(), or they do not fit.  ERR_BAD_RANGE: user
 * memory faulted within the next value, where the cursor stands.  Gaps keep their contents; none
 * belongs to the last value. */
err_t vm_read_strided(struct vm_reader *r, void *out, struct vm_stride s, size_t *done);
err_t vm_write_strided(struct vm_writer *w, const void *from, struct vm_stride s, size_t *done);

/* ---- frames, by offset ---- */

struct vm_io {
	paddr_t start;                 /* where it lies, unless it is a list */
	const struct frame_list *list; /* or NULL */
	uint64_t bytes;
};

/* A frame or block; frames in a row; frames anywhere. */
struct vm_io vm_io_of_frame(const struct frame *f);
struct vm_io vm_io_of_segment(const struct segment *s);
struct vm_io vm_io_of_list(const struct frame_list *l);

/* Fill the writer from `offset` on, empty the reader to there.  ERR_BAD_RANGE with *done == 0: not
 * as many bytes lie there; else user memory faulted, V2. */
err_t vm_io_read(const struct vm_io *io, uint64_t offset, struct vm_writer *w, size_t *done);
err_t vm_io_write(const struct vm_io *io, uint64_t offset, struct vm_reader *r, size_t *done);

/* Kernel memory.  ERR_BAD_RANGE: they do not lie inside; ERR_OVERFLOW as above.  Nothing happened
 * then. */
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
