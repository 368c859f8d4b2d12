/* SPDX-License-Identifier: MIT */
#include "lib/print.h"

#include <stdatomic.h>

#include "lib/string.h"

enum {
	BYTE_BITS = 8,
	NUMBER_CHARS = 24, /* 2^64 in octal has 22 digits */
};

struct spec {
	bool left, zero, alternate;
	size_t width, precision;
};

static struct print_sink *current_sink;
static atomic_uint warnings;

void print_set_sink(struct print_sink *sink)
{
	current_sink = sink;
}

struct print_sink *print_sink_now(void)
{
	return current_sink;
}

static void put(struct print_sink *sink, const char *bytes, size_t n)
{
	if (n != 0)
		sink->write(sink, bytes, n);
}

static void put_repeated(struct print_sink *sink, char c, size_t n)
{
	static const char blanks[] = "                ", zeros[] = "0000000000000000";
	const char *run = c == '0' ? zeros : blanks;

	for (; n > sizeof(blanks) - 1; n -= sizeof(blanks) - 1)
		put(sink, run, sizeof(blanks) - 1);
	put(sink, run, n);
}

static void put_padded(struct print_sink *sink, const struct spec *spec, const char *prefix,
		       const char *body, size_t n)
{
	size_t prefix_len = strlen(prefix);
	size_t len = n + prefix_len;
	size_t pad = spec->width > len ? spec->width - len : 0;
	bool zeros = spec->zero && !spec->left;

	if (!spec->left && !zeros)
		put_repeated(sink, ' ', pad);
	put(sink, prefix, prefix_len);
	if (zeros)
		put_repeated(sink, '0', pad);
	put(sink, body, n);
	if (spec->left)
		put_repeated(sink, ' ', pad);
}

static void put_number(struct print_sink *sink, const struct spec *spec, uint64_t v, unsigned base,
		       const char *prefix, const char *digits)
{
	char text[NUMBER_CHARS];
	size_t at = sizeof(text);

	do {
		text[--at] = digits[v % base];
		v /= base;
	} while (v != 0);
	put_padded(sink, spec, prefix, text + at, sizeof(text) - at);
}

static size_t bounded_len(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n] != '\0')
		n++;
	return n;
}

static const char *read_flags(const char *f, struct spec *spec)
{
	for (;; f++) {
		if (*f == '-')
			spec->left = true;
		else if (*f == '0')
			spec->zero = true;
		else if (*f == '#')
			spec->alternate = true;
		else
			return f;
	}
}

static const char *read_digits(const char *f, size_t *value)
{
	*value = 0;
	while (*f >= '0' && *f <= '9')
		*value = *value * 10 + (size_t)(*f++ - '0');
	return f;
}

/* Stores the size of the integer that the length modifier names. */
static const char *read_length(const char *f, unsigned *bytes)
{
	*bytes = sizeof(int);
	if (*f == 'h') {
		*bytes = f[1] == 'h' ? sizeof(char) : sizeof(short);
		return f + (f[1] == 'h' ? 2 : 1);
	}
	if (*f == 'l' || *f == 'z' || *f == 'j' || *f == 't') {
		*bytes = sizeof(long);
		return f + (f[0] == 'l' && f[1] == 'l' ? 2 : 1);
	}
	return f;
}

static uint64_t narrow(uint64_t v, unsigned bytes)
{
	return bytes == sizeof(long) ? v : v & ((UINT64_C(1) << bytes * BYTE_BITS) - 1);
}

static int64_t narrow_signed(int64_t v, unsigned bytes)
{
	switch (bytes) {
	case sizeof(char): return (signed char)v;
	case sizeof(short): return (short)v;
	default: return v;
	}
}

void print_va(struct print_sink *sink, const char *f, va_list args)
{
	static const char lower[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";

	if (sink == NULL)
		return;
	while (*f != '\0') {
		struct spec spec = { .precision = SIZE_MAX };
		const char *start = f, *s;
		unsigned bytes;
		uint64_t u;
		int64_t i;
		char c;

		while (*f != '\0' && *f != '%')
			f++;
		put(sink, start, (size_t)(f - start));
		if (*f == '\0')
			return;
		f = read_flags(f + 1, &spec);
		if (*f == '*') {
			int width = va_arg(args, int);

			spec.left = spec.left || width < 0;
			spec.width = (size_t)(width < 0 ? -(int64_t)width : width);
			f++;
		} else {
			f = read_digits(f, &spec.width);
		}
		if (*f == '.' && f[1] == '*') {
			int precision = va_arg(args, int);

			spec.precision = precision < 0 ? SIZE_MAX : (size_t)precision;
			f += 2;
		} else if (*f == '.') {
			f = read_digits(f + 1, &spec.precision);
		}
		f = read_length(f, &bytes);
		switch (*f) {
		case 'd':
		case 'i':
			i = bytes == sizeof(long) ? va_arg(args, long) : va_arg(args, int);
			i = narrow_signed(i, bytes);
			u = i < 0 ? -(uint64_t)i : (uint64_t)i;
			put_number(sink, &spec, u, 10, i < 0 ? "-" : "", lower);
			break;
		case 'u':
		case 'x':
		case 'X':
		case 'o':
			u = bytes == sizeof(long) ? va_arg(args, unsigned long)
						  : va_arg(args, unsigned);
			u = narrow(u, bytes);
			put_number(sink, &spec, u,
				   *f == 'u'   ? 10
				   : *f == 'o' ? 8
					       : 16,
				   spec.alternate && *f == 'x' ? "0x" : "",
				   *f == 'X' ? upper : lower);
			break;
		case 'p':
			put_number(sink, &spec, (uintptr_t)va_arg(args, void *), 16, "0x", lower);
			break;
		case 'c':
			c = (char)va_arg(args, int);
			put_padded(sink, &spec, "", &c, 1);
			break;
		case 's':
			s = va_arg(args, const char *);
			s = s == NULL ? "(null)" : s;
			put_padded(sink, &spec, "", s, bounded_len(s, spec.precision));
			break;
		case '\0': return;
		default: put(sink, f, 1); break;
		}
		f++;
	}
}

struct buffer_sink {
	struct print_sink sink;
	char *at;
	size_t room, len; /* room: without the terminator; len: untruncated */
};

static void buffer_write(struct print_sink *sink, const char *bytes, size_t n)
{
	struct buffer_sink *b = container_of(sink, struct buffer_sink, sink);
	size_t fits = n < b->room ? n : b->room;

	b->len += n;
	if (fits == 0) /* the buffer may be NULL */
		return;
	memcpy(b->at, bytes, fits);
	b->at += fits;
	b->room -= fits;
}

size_t print_to_va(char *buffer, size_t size, const char *format, va_list args)
{
	struct buffer_sink b = { { buffer_write }, buffer, size == 0 ? 0 : size - 1, 0 };

	print_va(&b.sink, format, args);
	if (size != 0)
		*b.at = '\0';
	return b.len;
}

size_t print_to(char *buffer, size_t size, const char *format, ...)
{
	va_list args;
	size_t n;

	va_start(args, format);
	n = print_to_va(buffer, size, format, args);
	va_end(args);
	return n;
}

void print(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_va(current_sink, format, args);
	va_end(args);
}

void warn(const char *format, ...)
{
	va_list args;

	atomic_fetch_add_explicit(&warnings, 1, memory_order_relaxed); /* statistics only */
	print("keel: warning: ");
	va_start(args, format);
	print_va(current_sink, format, args);
	va_end(args);
	print("\n");
}

unsigned warn_count(void)
{
	return atomic_load_explicit(&warnings, memory_order_relaxed);
}
