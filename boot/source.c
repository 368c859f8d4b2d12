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

void source_say(struct source_visitor *v, const char *who, uint64_t start, uint64_t len,
		enum region_type type)
{
	struct region r = { start, start + len, type };

	if (len == 0) {
		source_warn(v, "%s: empty range at %#lx passed over", who, start);
		return;
	}
	if (r.end <= start) {
		source_warn(v, "%s: range %#lx + %#lx wraps, %s", who, start, len,
			    type == REGION_USABLE ? "left out" : "cut");
		if (type == REGION_USABLE || start == UINT64_MAX)
			return;
		r.end = UINT64_MAX;
	}
	v->visit(v, &r);
}

/* ---- a gap that everybody calls usable ---- */

struct gap {
	struct source_visitor visitor;
	const struct source_walk *walk;
	uint64_t min, max, len;
	uint64_t at; /* where the candidate begins */
	bool moved, found;
	struct region usable; /* the statement being tried */
};

/* The next possible start at or above v; UINT64_MAX, which fits nothing, when there is none. */
static uint64_t gap_align(uint64_t v)
{
	uint64_t at = align_up(v, GAP_ALIGN);

	return at < v ? UINT64_MAX : at;
}

static void gap_avoid(struct source_visitor *v, const struct region *r)
{
	struct gap *g = container_of(v, struct gap, visitor);

	if (r->type != REGION_USABLE && r->start < g->at + g->len && r->end > g->at) {
		g->at = gap_align(r->end);
		g->moved = true;
	}
}

static bool gap_fits(const struct gap *g)
{
	uint64_t end = min_u64(g->usable.end, g->max);

	return g->at >= g->usable.start && g->at < end && end - g->at >= g->len;
}

static void gap_try(struct source_visitor *v, const struct region *r)
{
	struct gap *outer = container_of(v, struct gap, visitor);
	struct gap inner = *outer;

	if (outer->found || r->type != REGION_USABLE)
		return;
	inner.visitor.visit = gap_avoid;
	inner.usable = *r;
	inner.at = gap_align(max_u64(r->start, outer->min));
	inner.moved = true;
	while (inner.moved && gap_fits(&inner)) {
		inner.moved = false;
		if (outer->walk->each(outer->walk, &inner.visitor) != OK)
			return;
	}
	if (gap_fits(&inner)) {
		outer->found = true;
		outer->at = inner.at;
	}
}

err_t source_find_gap(const struct source_walk *walk, uint64_t min, uint64_t max, uint64_t len,
		      uint64_t *start)
{
	struct gap g = {
		.visitor = { gap_try, false },
		.walk = walk,
		.min = min,
		.max = max,
		.len = len,
	};
	err_t err = walk->each(walk, &g.visitor);

	if (err != OK)
		return err;
	if (!g.found)
		return ERR_NO_MEMORY;
	*start = g.at;
	return OK;
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

bool boot_info_has_memory(const struct boot_info *bi, struct prange range)
{
	for (size_t i = 0; i < bi->source_count; i++) {
		const struct region *r = &bi->sources[i];

		if (r->start < range.start.raw + range.len && r->end > range.start.raw &&
		    r->type != REGION_FRAMEBUFFER && r->type != REGION_RESERVED)
			return true;
	}
	return false;
}
