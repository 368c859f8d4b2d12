/* SPDX-License-Identifier: MIT */
#include "lib/symbols.h"

#include "lib/print.h"
#include "lib/string.h"

/* A byte of a run. */
enum {
	RUN_BITS = 7,
	RUN_VALUE = 0x7f,
	RUN_GOES_ON = 0x80,
};

static const struct symbols_head *head;
static const char *names;
static const uint8_t *runs;
static vaddr_t names_end; /* addresses at or above this have no name */

static bool entries_are_good(const struct symbols_head *h)
{
	uint32_t last = 0;

	for (uint32_t i = 0; i < h->count; i++) {
		if (h->entry[i].offset < last || h->entry[i].name >= h->name_bytes)
			return false;
		last = h->entry[i].offset;
	}
	return true;
}

/* Whether the parts of the table lie in `bytes`. */
static bool sizes_are_good(const struct symbols_head *h, size_t bytes)
{
	size_t left = bytes - sizeof(*h);

	if (bytes < sizeof(*h) || h->count > left / sizeof(h->entry[0]))
		return false;
	left -= h->count * sizeof(h->entry[0]);
	return h->name_bytes <= left && h->run_bytes <= left - h->name_bytes;
}

err_t symbols_use(const void *image, size_t bytes, vaddr_t end)
{
	const struct symbols_head *h = image;
	const char *text;
	const uint8_t *code;

	head = NULL;
	if (!sizes_are_good(h, bytes))
		return ERR_BAD_FORMAT;
	text = (const char *)&h->entry[h->count];
	if (h->name_bytes != 0 && text[h->name_bytes - 1] != '\0')
		return ERR_BAD_FORMAT;
	code = (const uint8_t *)text + h->name_bytes;
	if (h->run_bytes != 0 && (code[h->run_bytes - 1] & RUN_GOES_ON) != 0)
		return ERR_BAD_FORMAT;
	if (!entries_are_good(h))
		return ERR_BAD_FORMAT;
	names = text;
	runs = code;
	names_end = end;
	head = h;
	return OK;
}

bool symbols_find(vaddr_t va, struct symbol *out)
{
	uint32_t low = 0, high;

	if (head == NULL || head->count == 0 || va >= names_end ||
	    va < head->base + head->entry[0].offset)
		return false;
	/* entry[low] is at or below va, entry[high] above it */
	high = head->count;
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (head->base + head->entry[middle].offset <= va)
			low = middle;
		else
			high = middle;
	}
	out->name = names + head->entry[low].name;
	out->offset = va - (head->base + head->entry[low].offset);
	return true;
}

void symbols_format(vaddr_t va, char *text, size_t size)
{
	struct symbol s;

	if (symbols_find(va, &s))
		print_to(text, size, "%s+%#lx", s.name, s.offset);
	else
		print_to(text, size, "?");
}

void symbols_format_return(vaddr_t va, char *text, size_t size)
{
	struct symbol s;

	if (symbols_find(va - 1, &s))
		print_to(text, size, "%s+%#lx", s.name, s.offset + 1);
	else
		print_to(text, size, "?");
}

/* Decodes the run at *p, which is moved behind it. */
static uint64_t read_run(const uint8_t **p)
{
	uint64_t length = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		byte = *(*p)++;
		length |= (uint64_t)(byte & RUN_VALUE) << (shift % 64); /* < 64 unless damaged */
		shift += RUN_BITS;
	} while ((byte & RUN_GOES_ON) != 0);
	return length;
}

bool symbols_frameless(vaddr_t va)
{
	bool frameless = true;
	uint64_t left;

	if (head == NULL || va < head->base + head->code_start)
		return false;
	left = va - head->base - head->code_start;
	for (const uint8_t *p = runs; p < runs + head->run_bytes; frameless = !frameless) {
		uint64_t length = read_run(&p);

		if (left < length)
			return frameless;
		left -= length;
	}
	return false;
}

bool symbols_address(const char *name, vaddr_t *va)
{
	for (uint32_t i = 0; head != NULL && i < head->count; i++) {
		if (strcmp(names + head->entry[i].name, name) == 0) {
			*va = head->base + head->entry[i].offset;
			return true;
		}
	}
	return false;
}
