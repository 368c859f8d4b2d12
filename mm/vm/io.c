/* SPDX-License-Identifier: MIT */
#include "mm/vm/io.h"

#include "arch/arch.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "mm/frame/page.h"
#include "mm/vm/space.h"

enum {
	BOUNCE_BYTES = 256, /* of the stack buffer for user-to-user copies */
};

/* ---- initialization ---- */

static struct vm_span kernel_span(const void *p, size_t len)
{
	vaddr_t start = (vaddr_t)p;

	ASSERT(len <= UINTPTR_MAX - start);
	return (struct vm_span){ start, start + len, VM_KERNEL };
}

struct vm_reader vm_reader_of(const void *p, size_t len)
{
	return (struct vm_reader){ kernel_span(p, len) };
}

struct vm_writer vm_writer_of(void *p, size_t len)
{
	return (struct vm_writer){ kernel_span(p, len) };
}

err_t vm_user_range(vaddr_t va, size_t len, struct vrange *range)
{
	const struct vm_space *s = vm_space_current();

	if (!vm_span_is_users(va, len, vm_user_end(arch_pt_levels()),
			      s == NULL ? PAGE_SIZE : s->start))
		return ERR_BAD_RANGE;
	*range = (struct vrange){ va, len };
	return OK;
}

static err_t user_span(struct vm_span *s, vaddr_t va, size_t len)
{
	struct vrange range = { 0, 0 };
	err_t err = vm_user_range(va, len, &range);

	*s = (struct vm_span){ range.start, range.start + range.len, VM_USER };
	return err;
}

err_t vm_reader_of_user(struct vm_reader *r, vaddr_t va, size_t len)
{
	return user_span(&r->span, va, len);
}

err_t vm_writer_of_user(struct vm_writer *w, vaddr_t va, size_t len)
{
	return user_span(&w->span, va, len);
}

/* ---- bytes ---- */

/* Bytes that were read but could not be written are not counted. */
static struct user_copied copy_user_to_user(vaddr_t to, vaddr_t from, size_t n)
{
	uint8_t bounce[BOUNCE_BYTES];
	struct user_copied got, put;
	size_t done = 0, part;

	do {
		part = min_u64(n - done, sizeof(bounce));
		got = arch_copy_from_user(bounce, from + done, part);
		put = arch_copy_to_user(to + done, bounce, got.done);
		done += put.done;
	} while (done < n && put.done == part);
	return (struct user_copied){ done, put.err != OK ? put.err : got.err };
}

/* Copy n bytes from one cursor to the other. */
static struct user_copied move(const struct vm_span *to, const struct vm_span *from, size_t n)
{
	if (to->side == VM_USER && from->side == VM_USER)
		return copy_user_to_user(to->cursor, from->cursor, n);
	if (to->side == VM_USER)
		return arch_copy_to_user(to->cursor, (const void *)from->cursor, n);
	if (from->side == VM_USER)
		return arch_copy_from_user((void *)to->cursor, from->cursor, n);
	memmove((void *)to->cursor, (const void *)from->cursor, n);
	return (struct user_copied){ n, OK };
}

err_t vm_copy(struct vm_writer *w, struct vm_reader *r, size_t *done)
{
	size_t n = vm_span_common(&w->span, &r->span);
	struct user_copied copied = { 0, OK };

	if (n != 0)
		copied = move(&w->span, &r->span, n);
	*done = copied.done;
	w->span.cursor += *done;
	r->span.cursor += *done;
	return copied.err;
}

err_t vm_zero(struct vm_writer *w, size_t n, size_t *done)
{
	struct user_copied copied = { n, OK };

	*done = 0;
	if (n > vm_writer_left(w))
		return ERR_BAD_RANGE;
	if (n == 0)
		return OK;
	if (w->span.side == VM_USER)
		copied = arch_clear_user(w->span.cursor, n);
	else
		memset((void *)w->span.cursor, 0, n);
	*done = copied.done;
	w->span.cursor += *done;
	return copied.err;
}

err_t vm_fill(struct vm_writer *w, const void *value, size_t size, size_t *done)
{
	*done = 0;
	if (size == 0)
		return ERR_BAD_RANGE;
	while (vm_writer_left(w) >= size) {
		err_t err = vm_write_bytes(w, value, size);

		if (err != OK)
			return err;
		++*done;
	}
	return OK;
}

/* ---- values, slices ---- */

err_t vm_read_bytes(struct vm_reader *r, void *out, size_t n)
{
	struct vm_reader ahead = *r;
	struct vm_writer w;
	size_t done;
	err_t err;

	if (n > vm_reader_left(r))
		return ERR_BAD_RANGE;
	w = vm_writer_of(out, n);
	err = vm_copy(&w, &ahead, &done);
	if (err != OK)
		memset(out, 0, n);
	else
		*r = ahead;
	return err;
}

err_t vm_write_bytes(struct vm_writer *w, const void *from, size_t n)
{
	struct vm_writer ahead = *w;
	struct vm_reader r;
	size_t done;
	err_t err;

	if (n > vm_writer_left(w))
		return ERR_BAD_RANGE;
	r = vm_reader_of(from, n);
	err = vm_copy(&ahead, &r, &done);
	if (err == OK)
		*w = ahead;
	return err;
}

err_t vm_read_slice(struct vm_reader *r, void *out, size_t count, size_t elem_size)
{
	size_t bytes;
	err_t err = vm_slice_bytes(count, elem_size, &bytes);

	return err != OK ? err : vm_read_bytes(r, out, bytes);
}

err_t vm_write_slice(struct vm_writer *w, const void *from, size_t count, size_t elem_size)
{
	size_t bytes;
	err_t err = vm_slice_bytes(count, elem_size, &bytes);

	return err != OK ? err : vm_write_bytes(w, from, bytes);
}

/* Check that the values of the stride fit in `left` bytes. */
static err_t check_stride(struct vm_stride s, uint64_t left)
{
	size_t bytes;
	err_t err = vm_stride_bytes(s, &bytes);

	if (err == OK && bytes > left)
		err = ERR_BAD_RANGE;
	return err;
}

/* Skip the gap before value i; check_stride() has checked that it fits. */
static void skip_gap(struct vm_span *s, struct vm_stride stride, size_t i)
{
	err_t err = i == 0 ? OK : vm_span_skip(s, stride.step - stride.size);

	ASSERT(err == OK);
}

err_t vm_read_strided(struct vm_reader *r, void *out, struct vm_stride s, size_t *done)
{
	err_t err = check_stride(s, vm_reader_left(r));

	for (*done = 0; err == OK && *done < s.count; *done += err == OK) {
		skip_gap(&r->span, s, *done);
		err = vm_read_bytes(r, (char *)out + *done * s.size, s.size);
	}
	return err;
}

err_t vm_write_strided(struct vm_writer *w, const void *from, struct vm_stride s, size_t *done)
{
	err_t err = check_stride(s, vm_writer_left(w));

	for (*done = 0; err == OK && *done < s.count; *done += err == OK) {
		skip_gap(&w->span, s, *done);
		err = vm_write_bytes(w, (const char *)from + *done * s.size, s.size);
	}
	return err;
}

/* ---- frames ---- */

struct vm_io vm_io_of_frame(const struct frame *f)
{
	return (struct vm_io){ frame_paddr(f), NULL, (uint64_t)PAGE_SIZE << frame_order(f) };
}

struct vm_io vm_io_of_segment(const struct segment *s)
{
	return (struct vm_io){ pfn_to_paddr(s->first), NULL, (uint64_t)s->frames * PAGE_SIZE };
}

struct vm_io vm_io_of_list(const struct frame_list *l)
{
	return (struct vm_io){ PADDR_NONE, l, (uint64_t)l->frames * PAGE_SIZE };
}

/* A place in a vm_io that only moves forward: the contiguous memory from `offset` on, and for a
 * list the frame that contains it. */
struct place {
	const struct vm_io *io;
	const struct frame *frame; /* NULL: not a list */
	uint64_t offset;
};

static struct place place_at_start(const struct vm_io *io)
{
	return (struct place){ io, io->list == NULL ? NULL : frame_list_first(io->list), 0 };
}

/* Move to `offset`, at or behind the place and inside the vm_io.  Linear in the frames that are
 * passed, not in those before the place. */
static void place_move(struct place *p, uint64_t offset)
{
	uint64_t passed = p->frame == NULL ? 0 : offset / PAGE_SIZE - p->offset / PAGE_SIZE;

	while (passed-- > 0)
		p->frame = frame_list_next(p->frame);
	p->offset = offset;
}

static char *place_bytes(const struct place *p)
{
	if (p->frame == NULL)
		return (char *)arch_direct(p->io->start) + p->offset;
	return (char *)arch_direct(frame_paddr(p->frame)) + p->offset % PAGE_SIZE;
}

static size_t place_len(const struct place *p)
{
	return p->frame == NULL ? p->io->bytes - p->offset : PAGE_SIZE - p->offset % PAGE_SIZE;
}

static bool lies_inside(const struct vm_io *io, uint64_t offset, uint64_t len)
{
	return offset <= io->bytes && len <= io->bytes - offset;
}

/* Copy from `offset`, behind the place, until the writer is full. */
static err_t read_at(struct place *p, uint64_t offset, struct vm_writer *w, size_t *done)
{
	err_t err = OK;

	*done = 0;
	if (!lies_inside(p->io, offset, vm_writer_left(w)))
		return ERR_BAD_RANGE;
	while (err == OK && vm_writer_left(w) != 0) {
		struct vm_reader r;
		size_t n;

		place_move(p, offset + *done);
		r = vm_reader_of(place_bytes(p), place_len(p));
		err = vm_copy(w, &r, &n);
		*done += n;
	}
	return err;
}

/* Copy to `offset`, behind the place, until the reader is empty. */
static err_t write_at(struct place *p, uint64_t offset, struct vm_reader *r, size_t *done)
{
	err_t err = OK;

	*done = 0;
	if (!lies_inside(p->io, offset, vm_reader_left(r)))
		return ERR_BAD_RANGE;
	while (err == OK && vm_reader_left(r) != 0) {
		struct vm_writer w;
		size_t n;

		place_move(p, offset + *done);
		w = vm_writer_of(place_bytes(p), place_len(p));
		err = vm_copy(&w, r, &n);
		*done += n;
	}
	return err;
}

err_t vm_io_read(const struct vm_io *io, uint64_t offset, struct vm_writer *w, size_t *done)
{
	struct place p = place_at_start(io);

	return read_at(&p, offset, w, done);
}

err_t vm_io_write(const struct vm_io *io, uint64_t offset, struct vm_reader *r, size_t *done)
{
	struct place p = place_at_start(io);

	return write_at(&p, offset, r, done);
}

static err_t read_bytes_at(struct place *p, uint64_t offset, void *out, size_t n)
{
	struct vm_writer w;
	size_t done;

	if (!lies_inside(p->io, offset, n))
		return ERR_BAD_RANGE;
	w = vm_writer_of(out, n);
	return read_at(p, offset, &w, &done);
}

static err_t write_bytes_at(struct place *p, uint64_t offset, const void *from, size_t n)
{
	struct vm_reader r;
	size_t done;

	if (!lies_inside(p->io, offset, n))
		return ERR_BAD_RANGE;
	r = vm_reader_of(from, n);
	return write_at(p, offset, &r, &done);
}

err_t vm_io_read_bytes(const struct vm_io *io, uint64_t offset, void *out, size_t n)
{
	struct place p = place_at_start(io);

	return read_bytes_at(&p, offset, out, n);
}

err_t vm_io_write_bytes(const struct vm_io *io, uint64_t offset, const void *from, size_t n)
{
	struct place p = place_at_start(io);

	return write_bytes_at(&p, offset, from, n);
}

err_t vm_io_read_slice(const struct vm_io *io, uint64_t offset, void *out, size_t count,
		       size_t elem_size)
{
	size_t bytes;
	err_t err = vm_slice_bytes(count, elem_size, &bytes);

	return err != OK ? err : vm_io_read_bytes(io, offset, out, bytes);
}

err_t vm_io_write_slice(const struct vm_io *io, uint64_t offset, const void *from, size_t count,
			size_t elem_size)
{
	size_t bytes;
	err_t err = vm_slice_bytes(count, elem_size, &bytes);

	return err != OK ? err : vm_io_write_bytes(io, offset, from, bytes);
}

static err_t check_strided_io(const struct vm_io *io, uint64_t offset, struct vm_stride s)
{
	return offset > io->bytes ? ERR_BAD_RANGE : check_stride(s, io->bytes - offset);
}

err_t vm_io_read_strided(const struct vm_io *io, uint64_t offset, void *out, struct vm_stride s)
{
	err_t err = check_strided_io(io, offset, s);
	struct place p = place_at_start(io);

	for (size_t i = 0; err == OK && i < s.count; i++)
		err = read_bytes_at(&p, offset + i * s.step, (char *)out + i * s.size, s.size);
	return err;
}

err_t vm_io_write_strided(const struct vm_io *io, uint64_t offset, const void *from,
			  struct vm_stride s)
{
	err_t err = check_strided_io(io, offset, s);
	struct place p = place_at_start(io);

	for (size_t i = 0; err == OK && i < s.count; i++)
		err = write_bytes_at(&p, offset + i * s.step, (const char *)from + i * s.size,
				     s.size);
	return err;
}
