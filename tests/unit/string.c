/* SPDX-License-Identifier: MIT */
/*
 * Tests of lib/string.c and, in the kernel, of the C library functions that it supplies, compared
 * byte by byte with loops.
 */
#include "lib/string.h"

#include "tests/test.h"

enum {
	BYTES = 96,
	MARGIN = 16,
#ifdef KEEL_TESTS
	ROUNDS = 2000,
#else
	ROUNDS = 30000,
#endif
};

/* ---- str_glob ---- */

TEST(glob_matches_the_whole_of_a_name)
{
	static const struct {
		const char *pattern, *s;
		bool want;
	} cases[] = {
		{ "", "", true },
		{ "", "a", false },
		{ "a", "", false },
		{ "a", "a", true },
		{ "a", "ab", false },
		{ "ab", "a", false },
		{ "*", "", true },
		{ "*", "abc", true },
		{ "**", "", true },
		{ "***", "a", true },
		{ "?", "", false },
		{ "?", "a", true },
		{ "?", "ab", false },
		{ "a*", "a", true },
		{ "a*", "abc", true },
		{ "a*", "ba", false },
		{ "*a", "ba", true },
		{ "*a", "ab", false },
		{ "*a*", "xay", true },
		{ "*a*", "xyz", false },
		{ "a*b*c", "aXbYc", true },
		{ "a*b*c", "abbbc", true },
		{ "a*b*c", "acb", false },
		{ "*ab", "aab", true },
		{ "*aab", "aaab", true },
		{ "?*", "", false },
		{ "?*", "x", true },
		{ "*?", "x", true },
		{ "*??", "x", false },
		{ "a?c", "abc", true },
		{ "zone_*", "zone_", true },
		{ "*.bin", "a.bin.addr", false },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
		if (str_glob(cases[i].pattern, cases[i].s) != cases[i].want)
			test_fail(__FILE__, __LINE__, "\"%s\" and \"%s\"", cases[i].pattern,
				  cases[i].s);
}

enum {
	GLOB_MAX = 8,
};

/* can[i]: the pattern so far matches the first i characters. */
static bool slow_glob(const char *pattern, const char *s)
{
	bool can[GLOB_MAX + 1] = { true };
	size_t n = strlen(s);

	for (; *pattern != '\0'; pattern++) {
		bool next[GLOB_MAX + 1] = { false };

		for (size_t i = 0; i <= n; i++) {
			if (*pattern == '*')
				next[i] = can[i] || (i > 0 && next[i - 1]);
			else if (i > 0)
				next[i] = can[i - 1] && (*pattern == '?' || *pattern == s[i - 1]);
		}
		memcpy(can, next, sizeof(can));
	}
	return can[n];
}

static void random_text(char *s, const char *letters, size_t letter_count)
{
	size_t n = test_random_below(GLOB_MAX + 1);

	for (size_t i = 0; i < n; i++)
		s[i] = letters[test_random_below(letter_count)];
	s[n] = '\0';
}

TEST(glob_random_patterns_agree_with_a_table)
{
	char pattern[GLOB_MAX + 1], s[GLOB_MAX + 1];
	unsigned matched = 0;

	for (unsigned round = 0; round < ROUNDS; round++) {
		random_text(pattern, "aab**?", 6);
		random_text(s, "ab", 2);
		NEED(str_glob(pattern, s) == slow_glob(pattern, s));
		matched += str_glob(pattern, s);
	}
	CHECK(matched > ROUNDS / 20);
	CHECK(matched < ROUNDS);
}

/* No recursion and no exponential time. */
TEST(glob_of_many_stars_ends)
{
	static char s[1001];

	memset(s, 'a', sizeof(s) - 1);
	CHECK(!str_glob("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", s));
	CHECK(str_glob("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*", s));
}

/* ---- str_to_size ---- */

TEST(size_every_base_and_suffix)
{
	static const struct {
		const char *text;
		uint64_t want;
		const char *rest; /* NULL: rejected */
	} cases[] = {
		{ "0", 0, "" },
		{ "00", 0, "" },
		{ "1", 1, "" },
		{ "12345678901234567890", 12345678901234567890u, "" },
		{ "18446744073709551615", UINT64_MAX, "" },
		{ "18446744073709551616", 0, NULL },
		{ "99999999999999999999", 0, NULL },
		{ "0x0", 0, "" },
		{ "0x1f", 31, "" },
		{ "0X1F", 31, "" },
		{ "0xffffffffffffffff", UINT64_MAX, "" },
		{ "0x10000000000000000", 0, NULL },
		{ "0x", 0, NULL },
		{ "0xg", 0, NULL },
		{ "010", 8, "" },
		{ "0777", 511, "" },
		{ "08", 0, "8" },
		{ "01777777777777777777777", UINT64_MAX, "" },
		{ "02000000000000000000000", 0, NULL },
		{ "1k", KIB(1), "" },
		{ "1K", KIB(1), "" },
		{ "3m", MIB(3), "" },
		{ "3M", MIB(3), "" },
		{ "4g", GIB(4), "" },
		{ "4G", GIB(4), "" },
		{ "5t", TIB(5), "" },
		{ "5T", TIB(5), "" },
		{ "0x10M", MIB(16), "" },
		{ "010K", KIB(8), "" },
		{ "0K", 0, "" },
		{ "16777215T", TIB(16777215), "" },
		{ "16777216T", 0, NULL },
		{ "18014398509481983K", KIB(18014398509481983), "" },
		{ "18014398509481984K", 0, NULL },
		{ "1KB", KIB(1), "B" },
		{ "1P", 1, "P" },
		{ "1M@16M", MIB(1), "@16M" },
		{ "7 8", 7, " 8" },
		{ "", 0, NULL },
		{ "K", 0, NULL },
		{ "-1", 0, NULL },
		{ "+1", 0, NULL },
		{ " 1", 0, NULL },
		{ "a", 0, NULL },
		{ "12a", 12, "a" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t v = 77;
		const char *rest = str_to_size(cases[i].text, &v);

		if ((rest == NULL) != (cases[i].rest == NULL) ||
		    (rest != NULL && (strcmp(rest, cases[i].rest) != 0 || v != cases[i].want)))
			test_fail(__FILE__, __LINE__, "\"%s\": %lu, rest \"%s\"", cases[i].text, v,
				  rest == NULL ? "refused" : rest);
		CHECK(rest != NULL || v == 77); /* a rejected text leaves the value unchanged */
	}
}

TEST(size_what_is_printed_is_read_back)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t want = test_random() >> test_random_below(64), v = 0;
		char text[32];
		const char *rest;

		print_to(text, sizeof(text), round % 2 == 0 ? "%#lx" : "%lu", want);
		rest = str_to_size(text, &v);
		NEED(rest != NULL && *rest == '\0' && v == want);
	}
}

/* ---- str_copy ---- */

TEST(copy_fits_or_is_cut_and_always_ends)
{
	char dst[8];

	for (size_t size = 1; size <= sizeof(dst); size++) {
		memset(dst, 0x5a, sizeof(dst));
		CHECK_EQ(str_copy(dst, "abcd", size), size >= 5);
		CHECK_EQ(strlen(dst), min_u64(4, size - 1));
		CHECK_EQ(strncmp(dst, "abcd", strlen(dst)), 0);
		for (size_t i = size; i < sizeof(dst); i++)
			CHECK_EQ(dst[i], 0x5a);
	}
	dst[0] = 'x';
	CHECK(!str_copy(dst, "abcd", 0));
	CHECK_EQ(dst[0], 'x');
	CHECK(!str_copy(dst, "", 0));
	CHECK(str_copy(dst, "", 1));
	CHECK_EQ(dst[0], '\0');
}

/* ---- the C library ---- */

static uint8_t a[BYTES + 2 * MARGIN], b[BYTES + 2 * MARGIN], want[BYTES + 2 * MARGIN];

static void fill(uint8_t *p)
{
	for (size_t i = 0; i < sizeof(a); i++)
		p[i] = (uint8_t)test_random();
}

static bool same(const uint8_t *p, const uint8_t *q)
{
	for (size_t i = 0; i < sizeof(a); i++)
		if (p[i] != q[i])
			return false;
	return true;
}

static void copy_slowly(uint8_t *p, const uint8_t *q, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = q[i];
}

TEST(string_memory_functions_do_what_loops_do)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		size_t n = test_random_below(BYTES + 1);
		size_t from = test_random_below(2 * MARGIN), to = test_random_below(2 * MARGIN);
		uint8_t before[BYTES + 2 * MARGIN];

		fill(a);
		fill(b);
		copy_slowly(want, b, sizeof(b));
		copy_slowly(want + to, a + from, n);
		NEED(memcpy(b + to, a + from, n) == b + to && same(b, want));
		copy_slowly(before, b, sizeof(b));
		copy_slowly(want + to, before + from, n);
		NEED(memmove(b + to, b + from, n) == b + to && same(b, want));
		for (size_t i = 0; i < n; i++)
			want[from + i] = (uint8_t)round;
		NEED(memset(b + from, (int)(round | 0x100), n) == b + from && same(b, want));
	}
}

static int sign(int v)
{
	return (v > 0) - (v < 0);
}

static int compare_slowly(const uint8_t *p, const uint8_t *q, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != q[i])
			return p[i] < q[i] ? -1 : 1;
	return 0;
}

TEST(string_comparisons_do_what_loops_do)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		size_t n = test_random_below(BYTES + 1), at = test_random_below(BYTES);

		fill(a);
		copy_slowly(b, a, sizeof(b));
		b[at] = (uint8_t)test_random();
		NEED(sign(memcmp(a, b, n)) == compare_slowly(a, b, n));
	}
	CHECK_EQ(sign(strcmp("", "")), 0);
	CHECK_EQ(sign(strcmp("a", "b")), -1);
	CHECK_EQ(sign(strcmp("b", "a")), 1);
	CHECK_EQ(sign(strcmp("a", "ab")), -1);
	CHECK_EQ(sign(strcmp("ab", "a")), 1);
	CHECK_EQ(sign(strcmp("\x80", "a")), 1); /* as unsigned characters */
	CHECK_EQ(sign(strncmp("abc", "abd", 2)), 0);
	CHECK_EQ(sign(strncmp("abc", "abd", 3)), -1);
	CHECK_EQ(sign(strncmp("ab", "ab", 100)), 0);
	CHECK_EQ(sign(strncmp("x", "y", 0)), 0);
}

TEST(string_lengths_and_characters)
{
	static const char s[] = "abcab";

	CHECK_EQ(strlen(""), 0);
	CHECK_EQ(strlen(s), 5);
	CHECK(strchr(s, 'a') == s);
	CHECK(strchr(s, 'c') == s + 2);
	CHECK(strchr(s, 'z') == NULL);
	CHECK(strchr(s, '\0') == s + 5);
}
