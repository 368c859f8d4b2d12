/* SPDX-License-Identifier: MIT */
#include "boot/source.h"

#include "lib/bits.h"
#include "lib/panic.h"
#include "lib/print.h"
#include "lib/string.h"

enum {
	GAP_ALIGN = 4096,
	ARENA_ALIGN = 8,
	WARNING_BYTES = 128,
};

void source_warn(const struct source_visitor *v, const char *format, ...)
{
	char text[WARNING_BYTES];
	va_list args;

	if (!v->warns)
		return;
	va_start(args, format);
	print_to_va(text, sizeof(text), format, args);
	va_end(args);
	warn("%s", text);
}

void source_say(struct source_visitor *v, const char *origin, uint64_t start, uint64_t len,
		enum region_type type)
{
	struct region r = { start, start + len, type };

	if (len == 0) {
		source_warn(v, "%s: empty range at %#lx ignored", origin, start);
		return;
	}
	if (r.end <= start) {
		source_warn(v, "%s: range %#lx + %#lx wraps, %s", origin, start, len,
			    type == REGION_USABLE ? "ignored" : "truncated");
		if (type == REGION_USABLE || start == UINT64_MAX)
			return;
		r.end = UINT64_MAX;
	}
	v->visit(v, &r);
}

/* ---- gap search ---- */

/* State of one walk over all entries.  The candidate `at` only increases: to the end of an entry
 * that overlaps it, or to the start of the next usable entry.  So there are at most two walks per
 * entry, in any order of the entries. */
struct gap {
	struct source_visitor visitor;
	uint64_t max, len;
	uint64_t at;   /* start of the candidate; UINT64_MAX: none */
	uint64_t next; /* lowest start of a usable entry above `at` */
	bool moved, is_usable;
};

/* v rounded up to GAP_ALIGN; UINT64_MAX on overflow. */
static uint64_t gap_align(uint64_t v)
{
	uint64_t at = align_up(v, GAP_ALIGN);

	return at < v ? UINT64_MAX : at;
}

static void gap_visit(struct source_visitor *v, const struct region *r)
{
	struct gap *g = container_of(v, struct gap, visitor);
	uint64_t end = min_u64(r->end, g->max);

	if (r->type != REGION_USABLE) {
		if (r->start < g->at + g->len && r->end > g->at) {
			g->at = gap_align(r->end);
			g->moved = true;
		}
	} else if (r->start > g->at) {
		g->next = min_u64(g->next, gap_align(r->start));
	} else if (g->at < end && end - g->at >= g->len) {
		g->is_usable = true;
	}
}

err_t source_find_gap(const struct source_walk *walk, uint64_t min, uint64_t max, uint64_t len,
		      uint64_t *start)
{
	struct gap g = {
		.visitor = { gap_visit, false }, .max = max, .len = len, .at = gap_align(min)
	};

	while (g.at < max && max - g.at >= len) {
		err_t err;

		g.moved = g.is_usable = false;
		g.next = UINT64_MAX;
		err = walk->each(walk, &g.visitor);
		if (err != OK)
			return err;
		if (g.moved)
			continue;
		if (g.is_usable) {
			*start = g.at;
			return OK;
		}
		g.at = g.next;
	}
	return ERR_NO_MEMORY;
}

/* ---- the arena ---- */

void *boot_arena_take(struct boot_arena *a, size_t bytes)
{
	size_t pad = -(uintptr_t)a->at % ARENA_ALIGN;
	size_t room = (size_t)(a->end - a->at);
	uint8_t *p = a->at + pad;

	if (room < pad || room - pad < bytes)
		return NULL;
	a->at = p + bytes;
	memset(p, 0, bytes);
	return p;
}

const char *boot_arena_string(struct boot_arena *a, const char *s, size_t len)
{
	size_t n = 0;
	char *copy;

	while (n < len && s[n] != '\0')
		n++;
	copy = boot_arena_take(a, n + 1);
	if (copy != NULL)
		memcpy(copy, s, n);
	return copy;
}

void boot_info_add_source(struct boot_info *bi, const struct region *r)
{
	ASSERT(bi->source_count < bi->source_room);
	bi->sources[bi->source_count++] = *r;
}

void boot_info_add_module(struct boot_info *bi, const struct boot_module *m)
{
	ASSERT(bi->module_count < bi->module_room);
	bi->modules[bi->module_count++] = *m;
}

bool boot_info_has_ram(const struct boot_info *bi, struct prange range)
{
	for (size_t i = 0; i < bi->source_count; i++) {
		const struct region *r = &bi->sources[i];

		if (r->start < range.start.raw + range.len && r->end > range.start.raw &&
		    region_type_is_ram(r->type))
			return true;
	}
	return false;
}
