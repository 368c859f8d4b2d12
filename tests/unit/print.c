/* SPDX-License-Identifier: MIT */
/*
 * Tests of lib/print.c: known texts on the host and in the kernel; on the host, random formats
 * against the C library's snprintf.  Where keel differs on purpose (`#` puts 0x before a zero, too)
 * a known text documents it.
 */
#include "lib/print.h"

#include "lib/string.h"
#include "tests/test.h"

#ifndef KEEL_TESTS
#include <stdio.h>
#endif

enum {
	TEXT_BYTES = 256,
	ROUNDS = 50000,
};

/* The formats here are data. */
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

static char text[TEXT_BYTES];
static size_t text_len;

/* No format attribute: arguments wider than their format are tested, too. */
static const char *formatted(const char *format, ...)
{
	va_list args;

	memset(text, 0xa5, sizeof(text));
	va_start(args, format);
	text_len = print_to_va(text, sizeof(text), format, args);
	va_end(args);
	CHECK_EQ(text_len, strlen(text));
	return text;
}

/* ---- known texts ---- */

TEST(print_numbers)
{
	CHECK_STR(formatted("%d %i %u", -1, 0, 4294967295u), "-1 0 4294967295");
	CHECK_STR(formatted("%d %d", INT32_MIN, INT32_MAX), "-2147483648 2147483647");
	CHECK_STR(formatted("%ld", INT64_MIN), "-9223372036854775808");
	CHECK_STR(formatted("%lu", UINT64_MAX), "18446744073709551615");
	CHECK_STR(formatted("%lx %lX %lo", UINT64_MAX, UINT64_MAX, UINT64_MAX),
		  "ffffffffffffffff FFFFFFFFFFFFFFFF 1777777777777777777777");
	CHECK_STR(formatted("%llu %zu %ju %td", 1ull, (size_t)2, (uintmax_t)3, (ptrdiff_t)-4),
		  "1 2 3 -4");
}

TEST(print_numbers_of_less_than_an_int)
{
	CHECK_STR(formatted("%hhd %hhu %hhx", 0xff, 0x1ff, 0xabc), "-1 255 bc");
	CHECK_STR(formatted("%hd %hu %hx", 0xffff, 0x1ffff, 0xabcde), "-1 65535 bcde");
	CHECK_STR(formatted("%x", -1), "ffffffff");
}

TEST(print_widths_and_flags)
{
	CHECK_STR(formatted("[%5d][%-5d][%05d]", 42, 42, 42), "[   42][42   ][00042]");
	CHECK_STR(formatted("[%5d][%-5d][%05d]", -42, -42, -42), "[  -42][-42  ][-0042]");
	CHECK_STR(formatted("[%*d][%*d][%-*d]", 4, 7, -4, 7, 4, 7), "[   7][7   ][7   ]");
	CHECK_STR(formatted("[%#x][%#8x][%#08x][%#-8x]", 255, 255, 255, 255),
		  "[0xff][    0xff][0x0000ff][0xff    ]");
	CHECK_STR(formatted("[%016lx]", UINT64_C(0x123456789)), "[0000000123456789]");
	CHECK_STR(formatted("[%1d][%2d]", 1234, 1234), "[1234][1234]");
	CHECK_STR(formatted("[%40d]", 7), "[                                       7]");
}

/* All addresses have the same form, 0 included. */
TEST(print_zero_keeps_its_prefix)
{
	CHECK_STR(formatted("%#x %#lx", 0, UINT64_C(0)), "0x0 0x0");
	CHECK_STR(formatted("%p", NULL), "0x0");
}

TEST(print_strings_and_characters)
{
	CHECK_STR(formatted("%s|%5s|%-5s|%.2s|%5.1s|%.*s", "abc", "abc", "abc", "abc", "abc", 1,
			    "abc"),
		  "abc|  abc|abc  |ab|    a|a");
	CHECK_STR(formatted("%c%c%3c%-3c|", 'a', 'b', 'c', 'd'), "ab  cd  |");
	CHECK_STR(formatted("%%"), "%");
	CHECK_STR(formatted("%.*s", -1, "abc"), "abc"); /* as if there were none */
}

TEST(print_a_string_is_not_read_beyond_its_precision)
{
	static const char four[4] = { 'a', 'b', 'c', 'd' };

	CHECK_STR(formatted("%.4s", four), "abcd");
}

TEST(print_null_is_a_text)
{
	const char *volatile none = NULL;

	CHECK_STR(formatted("%s", none), "(null)");
}

/* ---- buffers ---- */

TEST(print_to_never_writes_beyond_its_buffer)
{
	char small[8];

	for (size_t size = 0; size <= sizeof(small); size++) {
		memset(small, 0x5a, sizeof(small));
		CHECK_EQ(print_to(small, size, "%s-%d", "abcd", 12345), 10);
		for (size_t i = size; i < sizeof(small); i++)
			CHECK_EQ(small[i], 0x5a);
		if (size == 0)
			continue;
		CHECK_EQ(strlen(small), size - 1);
		CHECK_EQ(strncmp(small, "abcd-12345", size - 1), 0);
	}
	CHECK_EQ(print_to(NULL, 0, "abc"), 3);
}

/* ---- sinks and warnings ---- */

static char sunk[TEXT_BYTES];
static size_t sunk_len;

static void sink_write(struct print_sink *sink, const char *bytes, size_t n)
{
	(void)sink;
	n = min_u64(n, sizeof(sunk) - 1 - sunk_len);
	memcpy(sunk + sunk_len, bytes, n);
	sunk_len += n;
	sunk[sunk_len] = '\0';
}

TEST(print_goes_to_the_current_sink)
{
	static struct print_sink sink = { sink_write };
	struct print_sink *before = print_sink_now();
	unsigned warnings = warn_count();

	sunk_len = 0;
	print_set_sink(&sink);
	CHECK(print_sink_now() == &sink);
	print("%d and ", 1);
	warn("%s is odd", "this");
	print_set_sink(NULL);
	print("discarded\n");
	warn("also discarded");
	CHECK(print_sink_now() == NULL);
	print_set_sink(before);
	CHECK_STR(sunk, "1 and keel: warning: this is odd\n");
	CHECK_EQ(warn_count() - warnings, 2);
}

/* ---- against the C library ---- */

#ifndef KEEL_TESTS
static bool same_as_library(const char *format, ...)
{
	static char want[TEXT_BYTES], have[TEXT_BYTES];
	size_t size = 1 + test_random_below(sizeof(want)), n;
	va_list args;
	int m;

	va_start(args, format);
	m = vsnprintf(want, size, format, args);
	va_end(args);
	va_start(args, format);
	n = print_to_va(have, size, format, args);
	va_end(args);
	if (m >= 0 && n == (size_t)m && strcmp(want, have) == 0)
		return true;
	test_diag("format \"%s\": \"%s\", expected \"%s\"", format, have, want);
	return false;
}

/* A random number of any length. */
static uint64_t random_number(void)
{
	uint64_t v = test_random() >> test_random_below(64);

	return test_random_below(2) == 0 ? v : -v;
}

static bool random_integer(void)
{
	static const char *const lengths[] = { "hh", "h", "", "l", "ll", "z", "j", "t" };
	static const char conversions[] = "diuxXo";
	size_t length = test_random_below(ARRAY_SIZE(lengths));
	char c = conversions[test_random_below(sizeof(conversions) - 1)];
	static const char *const all_flags[] = { "", "-", "0", "-0", "0-", "#", "#0", "#-", "-#0" };
	const char *flags = all_flags[test_random_below(ARRAY_SIZE(all_flags))];
	uint64_t v = random_number();
	char format[32];

	if (strchr(flags, '#') != NULL && (c != 'x' || (v & 0xff) == 0))
		flags = "-0";
	if (test_random_below(2) == 0)
		snprintf(format, sizeof(format), "<%%%s%u%s%c>", flags,
			 (unsigned)test_random_below(40), lengths[length], c);
	else
		snprintf(format, sizeof(format), "<%%%s%s%c>", flags, lengths[length], c);
	return length < 3 ? same_as_library(format, (int)v) : same_as_library(format, v);
}

static bool random_string(void)
{
	static const char *const strings[] = { "", "a", "some words", "%d is not read again" };
	const char *s = strings[test_random_below(ARRAY_SIZE(strings))];
	const char *flag = test_random_below(2) == 0 ? "-" : "";
	char format[32];

	switch (test_random_below(4)) {
	case 0:
		snprintf(format, sizeof(format), "%%%s%us|", flag, (unsigned)test_random_below(30));
		return same_as_library(format, s);
	case 1:
		snprintf(format, sizeof(format), "%%%s.%us|", flag,
			 (unsigned)test_random_below(12));
		return same_as_library(format, s);
	case 2:
		return same_as_library("%*.*s|%c", (int)test_random_below(40) - 20,
				       (int)test_random_below(14) - 4, s, 'x');
	default:
		snprintf(format, sizeof(format), "%%%s%uc|%%%%", flag,
			 (unsigned)test_random_below(9));
		return same_as_library(format, (int)(' ' + test_random_below(90)));
	}
}

TEST(print_random_formats_agree_with_the_c_library)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		NEED(random_integer());
		NEED(random_string());
		NEED(same_as_library("%p", (void *)(uintptr_t)(test_random() | 1)));
	}
}

TEST(print_mixed_formats_agree_with_the_c_library)
{
	for (unsigned round = 0; round < ROUNDS / 10; round++)
		NEED(same_as_library("a%d%s%%%-7lx|%08u %c%hhu%5.3s%*d", (int)test_random(), "text",
				     (long)random_number(), (unsigned)test_random(), 'q',
				     (int)test_random(), "precise", (int)test_random_below(12),
				     (int)random_number()));
}
#endif
