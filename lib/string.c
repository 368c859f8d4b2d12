/* SPDX-License-Identifier: MIT */
#include "lib/string.h"

bool str_copy(char *dst, const char *src, size_t size)
{
	size_t len = strlen(src);
	size_t n = len < size ? len : size - 1;

	if (size == 0)
		return false;
	memcpy(dst, src, n);
	dst[n] = '\0';
	return n == len;
}

bool str_glob(const char *pattern, const char *s)
{
	const char *star = NULL, *resume = s;

	while (*s != '\0') {
		if (*pattern == '*') {
			star = pattern++;
			resume = s;
		} else if (*pattern == '?' || *pattern == *s) {
			pattern++;
			s++;
		} else if (star != NULL) {
			pattern = star + 1;
			s = ++resume;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

static unsigned digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 255;
}

static unsigned suffix_shift(char c)
{
	switch (c | 0x20) {
	case 'k': return 10;
	case 'm': return 20;
	case 'g': return 30;
	case 't': return 40;
	default: return 0;
	}
}

const char *str_to_size(const char *s, uint64_t *value)
{
	unsigned base = 10, shift;
	uint64_t v = 0;
	const char *first;

	if (s[0] == '0' && (s[1] | 0x20) == 'x') {
		base = 16;
		s += 2;
	} else if (s[0] == '0') {
		base = 8;
	}
	for (first = s; digit_value(*s) < base; s++) {
		if (__builtin_mul_overflow(v, (uint64_t)base, &v) ||
		    __builtin_add_overflow(v, (uint64_t)digit_value(*s), &v))
			return NULL;
	}
	if (s == first)
		return NULL;
	shift = suffix_shift(*s);
	if (shift != 0) {
		if (v > UINT64_MAX >> shift)
			return NULL;
		v <<= shift;
		s++;
	}
	*value = v;
	return s;
}
