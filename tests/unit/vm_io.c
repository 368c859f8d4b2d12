/* SPDX-License-Identifier: MIT */
/* Tests of mm/vm/io.c, compared with plain byte arrays.  On the host, user memory is memory of the
 * test process that ends at a chosen byte; for the kernel see tests/kernel/uaccess.c. */
#include "mm/vm/io.h"

#include "lib/string.h"
#include "tests/machine.h"
#include "tests/test.h"

#ifndef KEEL_TESTS
#include <sys/mman.h>
#endif

enum {
	BYTES = 300, /* more than the bounce buffer of mm/vm/io.c */
	OPERATIONS = 12,
#ifdef KEEL_TESTS
	ROUNDS = 200,
#else
	ROUNDS = 4000,
#endif
};

/* ---- a range and its model ---- */

struct side {
	char *at;
	size_t cursor, end; /* offsets */
	size_t there;       /* accessible bytes; the next one faults */
	char bytes[BYTES];  /* the model */
};

static char memory[2][BYTES];
static struct side from, to;
static struct vm_reader reader;
static struct vm_writer writer;

#ifdef KEEL_TESTS
static bool may_be_users(void)
{
	return false;
}

static char *user_bytes(unsigned which, size_t there)
{
	(void)which;
	(void)there;
	return NULL;
}
#else
static bool may_be_users(void)
{
	return test_random_below(2) == 0;
}

/* `there` accessible bytes, followed by an inaccessible page. */
static char *user_bytes(unsigned which, size_t there)
{
	static char *pages[2];

	if (pages[which] == NULL) {
		pages[which] = mmap(NULL, 2 * PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
				    0);
		mprotect(pages[which], PAGE_SIZE, PROT_READ | PROT_WRITE);
	}
	return pages[which] + PAGE_SIZE - there;
}
#endif

static bool choose(struct side *s, unsigned which)
{
	bool users = may_be_users();

	*s = (struct side){ .end = test_random_below(BYTES + 1), .there = BYTES };
	s->at = memory[which];
	if (users) {
		s->there = test_random_below(4) == 0 ? s->end : test_random_below(BYTES + 1);
		s->at = user_bytes(which, s->there);
	}
	for (size_t i = 0; i < s->there; i++)
		s->at[i] = s->bytes[i] = (char)test_random();
	return users;
}

static void begin_round(void)
{
	if (choose(&from, 0))
		CHECK_EQ(vm_reader_of_user(&reader, (vaddr_t)from.at, from.end), OK);
	else
		reader = vm_reader_of(from.at, from.end);
	if (choose(&to, 1))
		CHECK_EQ(vm_writer_of_user(&writer, (vaddr_t)to.at, to.end), OK);
	else
		writer = vm_writer_of(to.at, to.end);
}

static bool span_agrees(const struct vm_span *s, const struct side *m)
{
	return m->end == 0 || (s->cursor == (vaddr_t)m->at + m->cursor &&
			       s->end == (vaddr_t)m->at + m->end && s->cursor <= s->end);
}

static bool memory_agrees(const struct side *m)
{
	return memcmp(m->at, m->bytes, m->there) == 0;
}

static size_t left(const struct side *m)
{
	return m->end - m->cursor;
}

/* The number of accessible bytes among the next n. */
static size_t before_fault(const struct side *m, size_t n)
{
	size_t there = m->there > m->cursor ? m->there - m->cursor : 0;

	return there < n ? there : n;
}

static size_t less(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* ---- operations, on memory and on the model ---- */

/* A length that fits in most cases, sometimes too large, rarely near SIZE_MAX. */
static size_t random_length(const struct side *m)
{
	if (test_random_below(30) == 0)
		return SIZE_MAX - test_random_below(3);
	return test_random_below(left(m) + 3);
}

static void do_limit(void)
{
	size_t r = random_length(&from), w = random_length(&to);

	if (test_random_below(4) != 0)
		return;
	vm_reader_limit(&reader, r);
	vm_writer_limit(&writer, w);
	from.end = from.cursor + less(r, left(&from));
	to.end = to.cursor + less(w, left(&to));
}

static void do_skip(void)
{
	size_t r = random_length(&from), w = random_length(&to);

	r /= r > BYTES ? 1 : 4;
	w /= w > BYTES ? 1 : 4;
	CHECK_EQ(vm_reader_skip(&reader, r), r > left(&from) ? ERR_BAD_RANGE : OK);
	CHECK_EQ(vm_writer_skip(&writer, w), w > left(&to) ? ERR_BAD_RANGE : OK);
	from.cursor += r > left(&from) ? 0 : r;
	to.cursor += w > left(&to) ? 0 : w;
}

static void do_copy(void)
{
	struct vm_reader r = reader;
	size_t max = test_random_below(BYTES), n = less(max, less(left(&from), left(&to)));
	size_t want = less(before_fault(&from, n), before_fault(&to, n)), done = 77;

	vm_reader_limit(&r, max);
	CHECK_EQ(vm_copy(&writer, &r, &done), want == n ? OK : ERR_NOT_FOUND);
	CHECK_EQ(done, want);
	reader.span.cursor = r.span.cursor;
	memcpy(to.bytes + to.cursor, from.bytes + from.cursor, want);
	from.cursor += want;
	to.cursor += want;
}

static void do_zero(void)
{
	size_t n = random_length(&to), fits = n <= left(&to) ? n : 0, done = 77;
	size_t want = before_fault(&to, fits);

	CHECK_EQ(vm_zero(&writer, n, &done), n > left(&to) ? ERR_BAD_RANGE
					     : want == n   ? OK
							   : ERR_NOT_FOUND);
	CHECK_EQ(done, want);
	memset(to.bytes + to.cursor, 0, want);
	to.cursor += want;
}

/* Read one value from the model to `out`. */
static err_t model_read(char *out, size_t n)
{
	if (n > left(&from))
		return ERR_BAD_RANGE;
	if (before_fault(&from, n) != n) {
		memset(out, 0, n);
		return ERR_NOT_FOUND;
	}
	memcpy(out, from.bytes + from.cursor, n);
	from.cursor += n;
	return OK;
}

static err_t model_write(const char *value, size_t n)
{
	size_t there = n > left(&to) ? 0 : before_fault(&to, n);

	memcpy(to.bytes + to.cursor, value, there);
	if (n > left(&to))
		return ERR_BAD_RANGE;
	if (there != n)
		return ERR_NOT_FOUND;
	to.cursor += n;
	return OK;
}

static void do_bytes(void)
{
	static char out[BYTES], model[BYTES];
	size_t r = random_length(&from), w = random_length(&to);
	err_t read, wrote;

	memset(out, 'o', sizeof(out));
	memset(model, 'o', sizeof(model));
	read = model_read(model, r);
	CHECK_EQ(vm_read_bytes(&reader, out, r), read);
	CHECK(memcmp(out, model, sizeof(out)) == 0);
	wrote = model_write(model, w);
	CHECK_EQ(vm_write_bytes(&writer, out, w), wrote);
}

static void do_slice(void)
{
	static char out[BYTES + 8], model[BYTES + 8];
	size_t size = test_random_below(9), count = test_random_below(BYTES / 8), bytes;
	err_t want = size == 0 ? ERR_BAD_RANGE : OK;

	bytes = count * size;
	memset(out, 'o', sizeof(out));
	memset(model, 'o', sizeof(model));
	if (size != 0)
		want = model_read(model, bytes);
	CHECK_EQ(vm_read_slice(&reader, out, count, size), want);
	CHECK(memcmp(out, model, sizeof(out)) == 0);
	if (size != 0)
		want = model_write(model, bytes);
	CHECK_EQ(vm_write_slice(&writer, out, count, size), want);
}

/* Bytes from the start of the first value to the end of the last; does not overflow here. */
static size_t stride_bytes(struct vm_stride s)
{
	return s.count == 0 ? 0 : (s.count - 1) * s.step + s.size;
}

static struct vm_stride random_stride(void)
{
	return (struct vm_stride){ test_random_below(12), test_random_below(9),
				   test_random_below(20) };
}

static void do_read_strided(void)
{
	static char out[BYTES], model[BYTES];
	struct vm_stride s = random_stride();
	bool sane = s.size != 0 && s.step >= s.size && stride_bytes(s) <= left(&from);
	size_t done = 77, want = 0;

	memset(out, 'o', sizeof(out));
	memset(model, 'o', sizeof(model));
	while (sane && want < s.count) {
		from.cursor += want == 0 ? 0 : s.step - s.size;
		if (model_read(model + want * s.size, s.size) != OK)
			break;
		want++;
	}
	CHECK_EQ(vm_read_strided(&reader, out, s, &done), !sane             ? ERR_BAD_RANGE
							  : want == s.count ? OK
									    : ERR_NOT_FOUND);
	CHECK_EQ(done, want);
	CHECK(memcmp(out, model, sizeof(out)) == 0);
}

static void do_write_strided(void)
{
	char values[12 * 8];
	struct vm_stride s = random_stride();
	bool sane = s.size != 0 && s.step >= s.size && stride_bytes(s) <= left(&to);
	size_t done = 77, want = 0;

	for (size_t i = 0; i < sizeof(values); i++)
		values[i] = (char)test_random();
	while (sane && want < s.count) {
		to.cursor += want == 0 ? 0 : s.step - s.size;
		if (model_write(values + want * s.size, s.size) != OK)
			break;
		want++;
	}
	CHECK_EQ(vm_write_strided(&writer, values, s, &done), !sane             ? ERR_BAD_RANGE
							      : want == s.count ? OK
										: ERR_NOT_FOUND);
	CHECK_EQ(done, want);
}

static void do_fill(void)
{
	char value[8];
	size_t size = test_random_below(9), done = 77, want = 0;
	struct side saved = to;
	struct vm_writer w = writer;

	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = (char)test_random();
	/* limit the writer, to leave room for the following operations */
	to.end = to.cursor + less(left(&to), 20);
	vm_writer_limit(&w, 20);
	while (size != 0 && model_write(value, size) == OK)
		want++;
	CHECK_EQ(vm_fill(&w, value, size, &done), size == 0           ? ERR_BAD_RANGE
						  : left(&to) >= size ? ERR_NOT_FOUND
								      : OK);
	CHECK_EQ(done, want);
	to.end = saved.end;
	writer.span.cursor = w.span.cursor;
}

TEST(vm_io_random_operations_agree_with_plain_bytes)
{
	static void (*const operations[])(void) = { do_limit, do_skip,         do_copy,
						    do_zero,  do_bytes,        do_slice,
						    do_fill,  do_read_strided, do_write_strided };

	for (unsigned round = 0; round < ROUNDS; round++) {
		begin_round();
		for (unsigned i = 0; i < OPERATIONS; i++) {
			operations[test_random_below(ARRAY_SIZE(operations))]();
			NEED(span_agrees(&reader.span, &from) && span_agrees(&writer.span, &to));
			NEED(memory_agrees(&from) && memory_agrees(&to));
		}
	}
}

/* ---- IOV-01 ---- */

TEST(audit_iov_01_a_slice_is_all_of_its_elements)
{
	uint32_t source[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }, target[8] = { 0 }, value = 0;
	struct vm_reader r = vm_reader_of(source, sizeof(source));
	struct vm_writer w = vm_writer_of(target, sizeof(target));

	CHECK_EQ(vm_read_slice(&r, target, 6, sizeof(target[0])), OK);
	CHECK(memcmp(source, target, 6 * sizeof(source[0])) == 0 && target[6] == 0);
	CHECK_EQ(vm_reader_left(&r), 2 * sizeof(source[0]));
	CHECK_EQ(vm_read_slice(&r, target, 3, sizeof(target[0])), ERR_BAD_RANGE);
	CHECK_EQ(vm_read_value(&r, &value), OK);
	CHECK_EQ(value, 7);
	CHECK_EQ(vm_reader_left(&r), sizeof(value));
	CHECK_EQ(vm_write_value(&w, &value), OK);
	CHECK_EQ(vm_write_slice(&w, source + 1, 7, sizeof(source[0])), OK);
	CHECK_EQ(target[0], 7);
	CHECK(memcmp(source + 1, target + 1, 7 * sizeof(source[0])) == 0);
	CHECK_EQ(vm_writer_left(&w), 0);
}

TEST(audit_iov_01_a_product_that_overflows_is_an_error)
{
	static const struct {
		size_t count, size;
	} too_long[] = {
		{ SIZE_MAX, 2 },         { SIZE_MAX / 8 + 2, 8 }, /* 8 when it wraps */
		{ 2, SIZE_MAX / 2 + 1 },                          /* 0 when it wraps */
		{ SIZE_MAX / 2 + 3, 2 }, { SIZE_MAX, SIZE_MAX },  /* 1 when it wraps */
	};
	uint64_t source[2] = { 1, 2 }, out[2] = { 3, 4 };
	size_t done;

	for (unsigned i = 0; i < ARRAY_SIZE(too_long); i++) {
		size_t count = too_long[i].count, size = too_long[i].size;
		struct vm_reader r = vm_reader_of(source, sizeof(source));
		struct vm_writer w = vm_writer_of(out, sizeof(out));

		CHECK_EQ(vm_read_slice(&r, out, count, size), ERR_OVERFLOW);
		CHECK_EQ(vm_write_slice(&w, source, count, size), ERR_OVERFLOW);
		CHECK_EQ(vm_read_strided(&r, out, (struct vm_stride){ count, size, size }, &done),
			 ERR_OVERFLOW);
		CHECK_EQ(done, 0);
		CHECK_EQ(vm_write_strided(&w, source, (struct vm_stride){ count, size, size },
					  &done),
			 ERR_OVERFLOW);
		CHECK_EQ(vm_reader_left(&r), sizeof(source));
		CHECK_EQ(vm_writer_left(&w), sizeof(out));
	}
	CHECK_EQ(out[0], 3);
	CHECK_EQ(out[1], 4);
	CHECK_EQ(vm_stride_bytes((struct vm_stride){ 2, SIZE_MAX - 1, SIZE_MAX - 1 }, &done),
		 ERR_OVERFLOW);
}

/* ---- user ranges ---- */

TEST(vm_io_ranges_outside_the_user_half_are_errors)
{
	const uint64_t half = pt_half_bytes(arch_pt_levels());
	const struct vrange bad[] = {
		{ 0, 1 },                          /* the null page */
		{ PAGE_SIZE - 1, 2 },              /* ends after it */
		{ 8, SIZE_MAX },                   /* wraps, includes the kernel half */
		{ PAGE_SIZE, SIZE_MAX },           /* wraps to its own start */
		{ half - 1, 2 },                   /* ends at a non-canonical address */
		{ half, 1 },                       /* first non-canonical address */
		{ 0 - half - 1, 1 },               /* last non-canonical address */
		{ 0 - half, 1 },                   /* start of the kernel half */
		{ 0 - UINT64_C(4096), PAGE_SIZE }, /* last page of the kernel half */
		{ UINT64_MAX, 2 },                 /* wraps into the user half */
		{ 0 - UINT64_C(4096), MIB(1) },
		{ PAGE_SIZE, half },
	};
	struct vrange range = { 5, 5 };
	struct vm_reader r;
	struct vm_writer w;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(vm_user_range(bad[i].start, bad[i].len, &range), ERR_BAD_RANGE);
		CHECK_EQ(range.start, 5);
		CHECK_EQ(vm_reader_of_user(&r, bad[i].start, bad[i].len), ERR_BAD_RANGE);
		CHECK_EQ(vm_reader_left(&r), 0);
		CHECK_EQ(vm_writer_of_user(&w, bad[i].start, bad[i].len), ERR_BAD_RANGE);
		CHECK_EQ(vm_writer_left(&w), 0);
	}
	CHECK_EQ(vm_user_range(0, 0, &range), OK);
	CHECK_EQ(range.len, 0);
	CHECK_EQ(vm_user_range(half - PAGE_SIZE, 1, &range), ERR_BAD_RANGE); /* vm_user_end() */
	CHECK_EQ(vm_user_range(half - PAGE_SIZE - 1, 1, &range), OK);
	CHECK_EQ(vm_user_range(PAGE_SIZE, half - 2 * PAGE_SIZE, &range), OK);
	CHECK_EQ(range.start, PAGE_SIZE);
	CHECK_EQ(range.len, half - 2 * PAGE_SIZE);
}

static void wrap(void *arg)
{
	struct vm_reader r = vm_reader_of(arg, SIZE_MAX);

	CHECK_EQ(vm_reader_left(&r), 0);
}

TEST(vm_io_kernel_memory_that_wraps_is_a_broken_contract)
{
	CHECK(test_panics(wrap, memory, "assertion"));
}

#ifndef KEEL_TESTS
/* The inaccessible page starts at each byte of the copied range in turn. */
TEST(vm_io_user_copies_report_the_bytes_before_a_fault)
{
	static char kernel[BYTES], pattern[BYTES];

	for (size_t i = 0; i < BYTES; i++)
		pattern[i] = (char)test_random();
	for (size_t there = 0; there < BYTES; there++) {
		char *user = user_bytes(0, there);
		struct vm_reader r = vm_reader_of(pattern, BYTES);
		struct vm_writer w;
		size_t done;

		memset(user, 0, there);
		CHECK_EQ(vm_writer_of_user(&w, (vaddr_t)user, BYTES), OK);
		CHECK_EQ(vm_copy(&w, &r, &done), ERR_NOT_FOUND);
		CHECK_EQ(done, there);
		CHECK_EQ(vm_writer_left(&w), BYTES - there);
		CHECK_EQ(vm_reader_left(&r), BYTES - there);
		CHECK(memcmp(user, pattern, there) == 0);
		CHECK_EQ(vm_copy(&w, &r, &done), ERR_NOT_FOUND);
		CHECK_EQ(done, 0);

		memset(kernel, 'k', sizeof(kernel));
		w = vm_writer_of(kernel, BYTES);
		CHECK_EQ(vm_reader_of_user(&r, (vaddr_t)user, BYTES), OK);
		CHECK_EQ(vm_read_bytes(&r, kernel, BYTES), ERR_NOT_FOUND);
		CHECK(kernel[0] == 0 && memcmp(kernel, kernel + 1, BYTES - 1) == 0);
		CHECK_EQ(vm_reader_left(&r), BYTES);
		CHECK_EQ(vm_copy(&w, &r, &done), ERR_NOT_FOUND);
		CHECK_EQ(done, there);
		CHECK(memcmp(kernel, pattern, there) == 0);
		CHECK_EQ(vm_writer_left(&w), BYTES - there);

		CHECK_EQ(vm_writer_of_user(&w, (vaddr_t)user, BYTES), OK);
		CHECK_EQ(vm_zero(&w, BYTES, &done), ERR_NOT_FOUND);
		CHECK_EQ(done, there);
		CHECK_EQ(vm_writer_left(&w), BYTES - there);
	}
}
#endif

/* ---- frames ---- */

enum {
	FRAMES = 3,
	IO_BYTES = FRAMES * PAGE_SIZE,
};
static char io_model[IO_BYTES], io_copy[IO_BYTES];

static void one_access(const struct vm_io *io)
{
	uint64_t offset = test_random_below(io->bytes + 2);
	size_t n = test_random_below(2 * PAGE_SIZE);
	bool inside = offset <= io->bytes && n <= io->bytes - offset;
	err_t want = inside ? OK : ERR_BAD_RANGE;

	if (test_random_below(2) == 0) {
		CHECK_EQ(vm_io_read_bytes(io, offset, io_copy, n), want);
		CHECK(!inside || memcmp(io_copy, io_model + offset, n) == 0);
		return;
	}
	for (size_t i = 0; i < n; i += 8)
		io_copy[i] = (char)test_random();
	CHECK_EQ(vm_io_write_bytes(io, offset, io_copy, n), want);
	if (inside)
		memcpy(io_model + offset, io_copy, n);
}

static void one_strided(const struct vm_io *io)
{
	struct vm_stride s = { test_random_below(30), test_random_below(64),
			       test_random_below(300) };
	uint64_t offset = test_random_below(io->bytes + 2);
	bool sane = s.size != 0 && s.step >= s.size && offset <= io->bytes &&
		    stride_bytes(s) <= io->bytes - offset;
	static char values[30 * 64];

	CHECK_EQ(vm_io_read_strided(io, offset, values, s), sane ? OK : ERR_BAD_RANGE);
	for (size_t i = 0; sane && i < s.count; i++)
		CHECK(memcmp(values + i * s.size, io_model + offset + i * s.step, s.size) == 0);
	for (size_t i = 0; i < sizeof(values); i++)
		values[i] = (char)(test_random() >> 9);
	CHECK_EQ(vm_io_write_strided(io, offset, values, s), sane ? OK : ERR_BAD_RANGE);
	for (size_t i = 0; sane && i < s.count; i++)
		memcpy(io_model + offset + i * s.step, values + i * s.size, s.size);
}

static void play_with(const struct vm_io *io)
{
	uint64_t value = 0x1122334455667788, back = 0;
	uint16_t three[3] = { 1, 2, 3 }, got[3] = { 0 };

	NEED(io->bytes <= IO_BYTES);
	CHECK_EQ(vm_io_read_bytes(io, 0, io_model, io->bytes), OK);
	for (unsigned i = 0; i < ROUNDS / 10; i++) {
		one_access(io);
		one_strided(io);
	}
	CHECK_EQ(vm_io_write_value(io, io->bytes - sizeof(value), &value), OK);
	CHECK_EQ(vm_io_read_value(io, io->bytes - sizeof(value), &back), OK);
	CHECK_EQ(back, value);
	CHECK_EQ(vm_io_write_value(io, io->bytes - sizeof(value) + 1, &value), ERR_BAD_RANGE);
	CHECK_EQ(vm_io_write_slice(io, PAGE_SIZE - 3, three, 3, sizeof(three[0])),
		 io->bytes > PAGE_SIZE ? OK : ERR_BAD_RANGE);
	CHECK_EQ(vm_io_read_slice(io, PAGE_SIZE - 3, got, 3, sizeof(got[0])),
		 io->bytes > PAGE_SIZE ? OK : ERR_BAD_RANGE);
	CHECK(io->bytes == PAGE_SIZE || memcmp(three, got, sizeof(three)) == 0);
	CHECK_EQ(vm_io_read_slice(io, 0, got, SIZE_MAX / 2 + 2, sizeof(got[0])), ERR_OVERFLOW);
	CHECK_EQ(vm_io_read_bytes(io, UINT64_MAX, got, 1), ERR_BAD_RANGE);
	CHECK_EQ(vm_io_write_bytes(io, 1, got, SIZE_MAX), ERR_BAD_RANGE);
	CHECK_EQ(vm_io_read_bytes(io, io->bytes, got, 0), OK);
}

static void begin_frames(void)
{
#ifndef KEEL_TESTS
	machine_start_simple(256, 0, 1);
#endif
}

TEST(vm_io_reads_and_writes_a_frame_a_block_and_a_segment)
{
	struct ledger before;
	struct segment s;
	struct frame *f, *block;
	struct vm_io io;

	begin_frames();
	before = machine_ledger();
	f = frame_alloc(FRAME_TEST);
	block = frame_alloc_block(FRAME_TEST, 1);
	NEED(f != NULL && block != NULL);
	NEED(segment_alloc(FRAME_TEST, FRAMES, PAGE_SIZE, UINT64_MAX, &s) == OK);
	io = vm_io_of_frame(f);
	play_with(&io);
	io = vm_io_of_frame(block);
	CHECK_EQ(io.bytes, 2 * PAGE_SIZE);
	play_with(&io);
	io = vm_io_of_segment(&s);
	CHECK_EQ(io.bytes, IO_BYTES);
	play_with(&io);
	frame_put(f);
	frame_put(block);
	segment_put(&s);
	CHECK_LEDGER(&before);
}

TEST(vm_io_reads_and_writes_a_list_of_frames)
{
	struct ledger before;
	struct frame_list l;
	struct vm_io io;

	begin_frames();
	before = machine_ledger();
	NEED(frame_list_alloc(FRAME_TEST, FRAMES, &l) == OK);
	io = vm_io_of_list(&l);
	play_with(&io);
	frame_list_put(&l);
	CHECK_LEDGER(&before);
}
