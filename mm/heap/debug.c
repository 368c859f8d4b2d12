/* SPDX-License-Identifier: MIT */
#include "mm/heap/debug.h"

#include "lib/print.h"
#include "lib/string.h"
#include "lib/symbols.h"
#include "mm/heap/heap.h"

enum {
	POISON_FREE = 0x6b,
	POISON_NEW = 0x5a,
	POISON_RED = 0xcc,
	RED_MIN = 16, /* bytes of red zone at least */
	SITES_MAX = 64,
};
#define RECORD_ALLOCATED UINT64_C(0x6b65656c416c6c6f)
#define RECORD_FREE      UINT64_C(0x6b65656c46726565)

/* At the end of an object. */
struct record {
	uint64_t magic, size, ticks;
	const void *allocated_at, *freed_at;
	uint64_t cpu;
};

static unsigned flags;

bool heap_debug_parse(const char *value, unsigned *out)
{
	unsigned found = 0;
	bool known = false;

	if (*value == '\0') {
		*out = HEAP_DEBUG_ALL;
		return true;
	}
	/* a list of caches may follow after a comma; ignored: the flags apply to all classes */
	for (; *value != '\0' && *value != ','; value++) {
		const char *letter = strchr("FZPU-", *value);

		known |= letter != NULL;
		found |= *value == 'P' ? HEAP_DEBUG_POISON : 0;
		found |= *value == 'Z' ? HEAP_DEBUG_RED : 0;
		found |= *value == 'U' ? HEAP_DEBUG_OWNER : 0;
	}
	if (known)
		*out = found;
	return known;
}

void heap_set_debug(unsigned new_flags)
{
	struct heap_stats t = heap_stats();

	ASSERT(heap.cpus != 0 && t.slab_frames == 0 && t.large_frames == 0);
	flags = new_flags;
	for (unsigned i = 0; i < heap.cpus; i++)
		heap_open_magazines(heap.cpu[i],
				    flags == 0 ? HEAP_MAGAZINES_OPEN : HEAP_MAGAZINES_CLOSED);
}

unsigned heap_debug_flags(void)
{
	return flags;
}

size_t heap_debug_extra(void)
{
	return flags == 0 ? 0 : sizeof(struct record) + RED_MIN;
}

static struct record *record_of(const void *object, size_t room)
{
	return (struct record *)(void *)((char *)(uintptr_t)object + room - sizeof(struct record));
}

/* The first byte in [from, to) that is not `byte`, or NULL. */
static const uint8_t *find_other(const void *from, const void *to, uint8_t byte)
{
	for (const uint8_t *p = from; p < (const uint8_t *)to; p++)
		if (*p != byte)
			return p;
	return NULL;
}

/* A call site as "name+0x12", or its address where no symbol is known. */
struct site_text {
	char text[SYMBOL_TEXT_BYTES];
};

static struct site_text site_text(const void *where)
{
	struct site_text t = { "" };
	struct symbol s;

	if (symbols_find((vaddr_t)where - 1, &s))
		symbols_format_return((vaddr_t)where, t.text, sizeof(t.text));
	else
		print_to(t.text, sizeof(t.text), "%p", where);
	return t;
}

void heap_debug_tell(const void *object, size_t room)
{
	const struct record *r = record_of(object, room);

	if (flags == 0)
		return;
	if (r->magic == RECORD_ALLOCATED)
		print("heap: %p: %lu bytes, allocated by %s on CPU %lu\n", object, r->size,
		      site_text(r->allocated_at).text, r->cpu);
	else if (r->magic == RECORD_FREE)
		print("heap: %p: %lu bytes, allocated by %s, freed by %s\n", object, r->size,
		      site_text(r->allocated_at).text, site_text(r->freed_at).text);
	else
		print("heap: %p: its record is corrupted\n", object);
}

void heap_debug_fresh(void *memory, size_t bytes)
{
	if ((flags & HEAP_DEBUG_POISON) != 0)
		memset(memory, POISON_FREE, bytes);
}

void heap_debug_check_free(const void *object, size_t room)
{
	const uint8_t *wrong;

	if ((flags & HEAP_DEBUG_POISON) == 0)
		return;
	wrong = find_other(object, record_of(object, room), POISON_FREE);
	if (wrong == NULL)
		return;
	heap_debug_tell(object, room);
	panic("heap: written after free: byte %lu of the object at %p is %#x",
	      (unsigned long)(wrong - (const uint8_t *)object), object, *wrong);
}

void heap_debug_allocated(void *object, size_t room, size_t size, const void *where)
{
	struct record *r = record_of(object, room);

	if ((flags & HEAP_DEBUG_POISON) != 0)
		memset(object, POISON_NEW, size);
	if ((flags & HEAP_DEBUG_RED) != 0)
		memset((char *)object + size, POISON_RED,
		       (size_t)((char *)r - (char *)object) - size);
	*r = (struct record){ RECORD_ALLOCATED, size, arch_ticks(), where, NULL, arch_cpu_id() };
}

void heap_debug_freed(void *object, size_t room, const void *where)
{
	struct record *r = record_of(object, room);
	const uint8_t *wrong = NULL;

	if (r->magic != RECORD_ALLOCATED || r->size > room - heap_debug_extra())
		panic("heap: written past the end: the record of the object at %p is corrupted",
		      object);
	if ((flags & HEAP_DEBUG_RED) != 0)
		wrong = find_other((const char *)object + r->size, r, POISON_RED);
	if (wrong != NULL) {
		heap_debug_tell(object, room);
		panic("heap: written past the end: byte %lu after the %lu of the object at %p "
		      "is %#x",
		      (unsigned long)(wrong - (const uint8_t *)object) - r->size, r->size, object,
		      *wrong);
	}
	if ((flags & HEAP_DEBUG_POISON) != 0)
		memset(object, POISON_FREE, (size_t)((char *)r - (char *)object));
	r->magic = RECORD_FREE;
	r->freed_at = where;
}

size_t heap_debug_size(const void *object, size_t room)
{
	return record_of(object, room)->size;
}

/* ---- leaks ---- */

struct site {
	const void *where;
	uint64_t objects, bytes, oldest;
};

struct leaks {
	struct site site[SITES_MAX];
	unsigned sites;
	uint64_t objects, bytes; /* of all sites, including those that did not fit */
};

static void count_object(void *ctx, const void *object, size_t room)
{
	const struct record *r = record_of(object, room);
	struct leaks *l = ctx;
	unsigned i = 0;

	if (r->magic != RECORD_ALLOCATED)
		return;
	l->objects++;
	l->bytes += r->size;
	while (i < l->sites && l->site[i].where != r->allocated_at)
		i++;
	if (i == SITES_MAX)
		return;
	if (i == l->sites)
		l->site[l->sites++] = (struct site){ r->allocated_at, 0, 0, r->ticks };
	l->site[i].objects++;
	l->site[i].bytes += r->size;
	l->site[i].oldest = min_u64(l->site[i].oldest, r->ticks);
}

static void sort_sites(struct leaks *l)
{
	for (unsigned i = 1; i < l->sites; i++) {
		struct site s = l->site[i];
		unsigned at = i;

		for (; at > 0 && l->site[at - 1].bytes < s.bytes; at--)
			l->site[at] = l->site[at - 1];
		l->site[at] = s;
	}
}

void heap_debug_leaks(void)
{
	static struct leaks l;

	if (flags == 0) {
		print("leaks: owners are not recorded; boot with page_owner=on or slub_debug=U\n");
		return;
	}
	l = (struct leaks){ .sites = 0 };
	heap_each_object(count_object, &l);
	sort_sites(&l);
	for (unsigned i = 0; i < l.sites; i++)
		print("%8lu objects %12lu bytes by %s, the oldest for %lu ms\n", l.site[i].objects,
		      l.site[i].bytes, site_text(l.site[i].where).text,
		      (arch_ticks() - l.site[i].oldest) / arch_ticks_per_ms());
	print("leaks: %lu objects, %lu bytes are allocated\n", l.objects, l.bytes);
}
