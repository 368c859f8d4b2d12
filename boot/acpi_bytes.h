/* SPDX-License-Identifier: MIT */
/*
 * acpi_bytes.h - bounds-checked reads of little-endian fields, at any alignment.
 *
 * Private to boot/acpi*.c.  A field that is not completely inside the span reads as 0: a shorter,
 * older table needs no special case, and no byte outside the span is read.
 */
#pragma once

#include "boot/acpi.h"
#include "lib/string.h"
#include "lib/types.h"

enum {
	ACPI_BYTE_BITS = 8,
};

struct acpi_span {
	const uint8_t *bytes;
	uint32_t length;
};

static inline uint64_t acpi_le(struct acpi_span s, uint32_t at, uint32_t bytes)
{
	uint64_t v = 0;

	if (at > s.length || s.length - at < bytes)
		return 0;
	while (bytes-- > 0)
		v = v << ACPI_BYTE_BITS | s.bytes[at + bytes];
	return v;
}

static inline uint8_t acpi_le8(struct acpi_span s, uint32_t at)
{
	return (uint8_t)acpi_le(s, at, sizeof(uint8_t));
}

static inline uint16_t acpi_le16(struct acpi_span s, uint32_t at)
{
	return (uint16_t)acpi_le(s, at, sizeof(uint16_t));
}

static inline uint32_t acpi_le32(struct acpi_span s, uint32_t at)
{
	return (uint32_t)acpi_le(s, at, sizeof(uint32_t));
}

static inline uint64_t acpi_le64(struct acpi_span s, uint32_t at)
{
	return acpi_le(s, at, sizeof(uint64_t));
}

/* Copy the characters of [at, at + n) that are inside the span, without trailing blanks and zeros.
 * Bytes other than printable ASCII become '.'.  `out` has room for n + 1. */
static inline void acpi_text(struct acpi_span s, uint32_t at, uint32_t n, char *out)
{
	uint32_t used = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint8_t c = acpi_le8(s, at + i);

		out[i] = c >= ' ' && c <= '~' ? (char)c : '.';
		if (c != ' ' && c != 0)
			used = i + 1;
	}
	out[used] = '\0';
}

static inline struct acpi_span acpi_span_of(const struct acpi_table *t)
{
	return (struct acpi_span){ t->bytes, t->length };
}

/* Whether the table has this signature and at least `min` bytes, its mandatory part. */
static inline bool acpi_is(const struct acpi_table *t, const char *signature, uint32_t min)
{
	return strcmp(t->signature, signature) == 0 && t->length >= min;
}
