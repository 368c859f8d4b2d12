/* SPDX-License-Identifier: MIT */
#include "monitor/vm_report.h"

#include "lib/bits.h"
#include "lib/print.h"
#include "lib/string.h"
#include "mm/kspace/kspace.h"
#include "monitor/command.h"

enum {
	EXTENTS_MAX = 40, /* lines of one answer */
	WORDS_BYTES = 64,
	CPUS_BYTES = 16,
};

/* ---- meaning ---- */

static struct vm_meaning meaning_of_marker(uint32_t marker)
{
	struct vm_meaning m = { VM_WHAT_GUARD, 0, 0 };

	switch (vm_marker_kind(marker)) {
	case VM_ANON:
		m = (struct vm_meaning){ VM_WHAT_ZEROS, vm_marker_prop(marker),
					 vm_marker_largest(marker) };
		break;
	case VM_OBJECT: m = (struct vm_meaning){ VM_WHAT_OBJECT, vm_marker_prop(marker), 0 }; break;
	case VM_GUARD:
	case VM_ABSENT: break;
	}
	return m;
}

static enum vm_what what_of_leaf(const struct pt_item *item)
{
	unsigned flags = item->prop.flags;

	if ((flags & PROP_SHARED) != 0)
		return VM_WHAT_SHARED;
	if ((flags & PROP_TRACKED) == 0)
		return VM_WHAT_ZERO_PAGE; /* A2 */
	return (flags & PROP_COPY) != 0 ? VM_WHAT_COPY : VM_WHAT_PRIVATE;
}

struct vm_meaning vm_meaning_of(const struct pt_item *item)
{
	struct vm_meaning m = { VM_WHAT_NOTHING, 0, 0 };

	if (item->kind == PT_ITEM_MARKER)
		return meaning_of_marker(item->marker);
	if (item->kind == PT_ITEM_LEAF) {
		m.what = what_of_leaf(item);
		m.rights = item->prop.flags & (PROP_READ | PROP_WRITE | PROP_EXECUTE);
		m.rights |= (item->prop.flags & PROP_COPY) != 0 ? PROP_WRITE : 0u;
	}
	return m;
}

struct vm_meaning vm_meaning_in(struct vm_space *s, const struct pt_item *item)
{
	struct vm_meaning m = vm_meaning_of(item);

	if (m.what == VM_WHAT_OBJECT)
		m.detail = vm_mappings_object_number(&s->mappings, item->start);
	return m;
}

static bool same_meaning(struct vm_meaning a, struct vm_meaning b)
{
	return a.what == b.what && a.rights == b.rights && a.detail == b.detail;
}

/* ---- extents ---- */

/* The part of the item from va on; it may have changed since the last query. */
static struct pt_item item_from(const struct vm_space *s, vaddr_t va)
{
	struct pt_item item = vm_space_query(s, va);

	item.len -= va - item.start;
	item.start = va;
	return item;
}

static void extent_add(struct vm_extent *extent, const struct pt_item *item)
{
	extent->len += item->len;
	if (item->kind == PT_ITEM_LEAF)
		extent->pages[item->level]++;
}

bool vm_extent_next(struct vm_space *s, vaddr_t va, struct vm_extent *out)
{
	vaddr_t half = pt_half_bytes(s->table.levels);
	struct pt_item item;

	*out = (struct vm_extent){ 0 };
	for (; va < half; va += item.len) {
		struct vm_meaning m;

		item = item_from(s, va);
		m = vm_meaning_in(s, &item);
		if (out->len != 0 && !same_meaning(m, out->meaning))
			break;
		if (m.what == VM_WHAT_NOTHING)
			continue;
		if (out->len == 0) {
			out->start = va;
			out->meaning = m;
		}
		extent_add(out, &item);
	}
	return out->len != 0;
}

/* ---- stats ---- */

static void stats_add(struct vm_space_stats *f, const struct pt_item *item)
{
	enum vm_what what = vm_meaning_of(item).what;
	uint64_t *const bytes[VM_WHATS] = {
		[VM_WHAT_ZEROS] = &f->on_demand,     [VM_WHAT_OBJECT] = &f->on_demand,
		[VM_WHAT_GUARD] = &f->guard,         [VM_WHAT_COPY] = &f->copy,
		[VM_WHAT_ZERO_PAGE] = &f->zero_page, [VM_WHAT_SHARED] = &f->shared,
	};

	if (bytes[what] != NULL)
		*bytes[what] += item->len;
	if (item->kind == PT_ITEM_LEAF && what != VM_WHAT_ZERO_PAGE)
		f->resident[item->level]++;
}

struct vm_space_stats vm_space_stats_of(const struct vm_space *s)
{
	vaddr_t half = pt_half_bytes(s->table.levels), counted[PT_LEVEL_MAX + 1];
	struct vm_space_stats f = { .nodes = 1 };
	struct pt_item item;

	/* a node of a level begins at a multiple of what its parent's entry covers */
	for (unsigned level = 0; level <= PT_LEVEL_MAX; level++)
		counted[level] = half; /* none */
	for (vaddr_t va = 0; va < half; va += item.len) {
		item = item_from(s, va);
		stats_add(&f, &item);
		for (unsigned level = item.level; level < s->table.levels; level++) {
			vaddr_t base = align_down(va, pte_span(level + 1));

			f.nodes += counted[level] != base;
			counted[level] = base;
		}
	}
	return f;
}

/* ---- text ---- */

void vm_format_bytes(uint64_t bytes, char *text, size_t size)
{
	static const char units[] = "KMGT";
	unsigned unit = 0;

	bytes /= KIB(1);
	while (bytes != 0 && bytes % KIB(1) == 0 && units[unit + 1] != '\0') {
		bytes /= KIB(1);
		unit++;
	}
	print_to(text, size, "%lu%c", bytes, units[unit]);
}

void vm_describe(struct vm_meaning meaning, char *text, size_t size)
{
	static const char *const words[VM_WHATS] = {
		[VM_WHAT_NOTHING] = "nothing is mapped", [VM_WHAT_GUARD] = "guard",
		[VM_WHAT_PRIVATE] = "private",           [VM_WHAT_COPY] = "copy-on-write",
		[VM_WHAT_ZERO_PAGE] = "zero page",       [VM_WHAT_SHARED] = "shared",
	};
	char bytes[VM_BYTES_TEXT];

	if (meaning.what == VM_WHAT_ZEROS) {
		vm_format_bytes(pte_span(meaning.detail > 1 ? meaning.detail : 1), bytes,
				sizeof(bytes));
		print_to(text, size, "zeros on demand, pages %s%s",
			 meaning.detail > 1 ? "up to " : "of ", bytes);
	} else if (meaning.what == VM_WHAT_OBJECT) {
		if (meaning.detail != 0)
			print_to(text, size, "object %u on demand", meaning.detail);
		else
			print_to(text, size, "an object on demand");
	} else {
		print_to(text, size, "%s", words[meaning.what]);
	}
}

/* Formats the CPUs of the set as "0-2,5", or "-". */
static void format_cpus(const struct cpu_set *set, char *text, size_t size)
{
	unsigned n = cpu_count();
	size_t at = 0;

	print_to(text, size, "-");
	for (unsigned cpu = 0; cpu < n && at < size; cpu++) {
		unsigned first = cpu;

		if (!cpu_set_has(set, cpu))
			continue;
		while (cpu + 1 < n && cpu_set_has(set, cpu + 1))
			cpu++;
		at += print_to(text + at, size - at, first == cpu ? "%s%u" : "%s%u-%u",
			       at == 0 ? "" : ",", first, cpu);
	}
}

/* ---- spaces: one line each ---- */

static void print_stats(const struct vm_space_stats *f)
{
	print(" %8lu %5lu %4lu %7lu %7lu %6lu %11lu %6lu %6lu\n", f->resident[1], f->resident[2],
	      f->resident[3], f->shared / PAGE_SIZE, f->copy / PAGE_SIZE, f->zero_page / PAGE_SIZE,
	      f->on_demand / KIB(1), f->guard / PAGE_SIZE, f->nodes);
}

static void print_space(const struct vm_space *s)
{
	struct vm_space_stats f = vm_space_stats_of(s);
	char cpus[CPUS_BYTES];

	format_cpus(&s->tlb.loaded, cpus, sizeof(cpus));
	/* relaxed: statistics; one count is this report's */
	print("%6u %5u %-6s", s->number, atomic_load_explicit(&s->users, memory_order_relaxed) - 1,
	      cpus);
	print_stats(&f);
}

static void add_kernel_item(void *ctx, const struct pt_item *item)
{
	struct vm_space_stats *f = ctx;

	if (item->kind == PT_ITEM_LEAF)
		f->resident[item->level]++;
	else
		f->guard += item->len;
}

static void print_kernel(void)
{
	struct vm_space_stats f = { .nodes = kspace_stats().nodes };

	(void)kspace_each(add_kernel_item, &f); /* `kspace` reports violations */
	print("kernel     - all   ");
	print_stats(&f);
}

static void print_cursor_stats(void)
{
	uint64_t splits = 0, collapses = 0;

	for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
		const struct cursor_stats *own = per_cpu_ptr(cursor_stats, cpu);

		/* relaxed: counters of other CPUs change while they are read */
		splits += atomic_load_explicit(&own->splits, memory_order_relaxed);
		collapses += atomic_load_explicit(&own->collapses, memory_order_relaxed);
	}
	print("large pages of all tables: %lu split, %lu collapsed\n", splits, collapses);
}

static void print_fault_stats(void)
{
	struct vm_stats t = { 0 };
	_Atomic uint64_t *sum = (_Atomic uint64_t *)&t;

	for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
		const _Atomic uint64_t *own = (const _Atomic uint64_t *)per_cpu_ptr(vm_stats, cpu);

		/* relaxed: counters of other CPUs change while they are read */
		for (size_t i = 0; i < sizeof(t) / sizeof(*sum); i++)
			atomic_fetch_add_explicit(
				&sum[i], atomic_load_explicit(&own[i], memory_order_relaxed),
				memory_order_relaxed);
	}
	print("faults: %lu zero page, %lu zeroed, %lu fault-around, %lu zeroed large, "
	      "%lu from objects, %lu copied, %lu reused\n",
	      t.zero_page, t.zeroed, t.ahead, t.zeroed_large, t.object, t.copied, t.reused);
	print("faults: %lu brought by pagers, %lu spurious, %lu refused, %lu out of memory\n",
	      t.brought, t.spurious, t.refused, t.no_memory);
	print("operations: %lu forks, %lu unmaps, %lu protects\n", t.forks, t.unmaps, t.protects);
	print_cursor_stats();
}

static void print_spaces(void)
{
	struct vm_space *s;

	print(" space users CPUs         4K    2M   1G  shared     cow  zeros  demand KiB guards"
	      "  nodes\n");
	for (unsigned n = 1; (s = vm_space_from(n)) != NULL;) {
		n = s->number + 1;
		print_space(s);
		vm_space_put(s);
	}
	print_kernel();
	print_fault_stats();
}

/* ---- spaces N: its extents ---- */

static void print_extent(const struct vm_extent *extent)
{
	static const char *const sizes[] = { "", "4K", "2M", "1G" };
	unsigned rights = extent->meaning.rights;
	char bytes[VM_BYTES_TEXT], words[WORDS_BYTES];

	vm_format_bytes(extent->len, bytes, sizeof(bytes));
	vm_describe(extent->meaning, words, sizeof(words));
	print("%014lx-%014lx %10s %c%c%c  %s", extent->start, extent->start + extent->len, bytes,
	      (rights & PROP_READ) != 0 ? 'r' : '-', (rights & PROP_WRITE) != 0 ? 'w' : '-',
	      (rights & PROP_EXECUTE) != 0 ? 'x' : '-', words);
	for (unsigned level = 1; level <= PT_LEAF_LEVEL_MAX; level++)
		if (extent->pages[level] != 0)
			print(", %lu x %s", extent->pages[level], sizes[level]);
	print("\n");
}

static void print_extents(struct vm_space *s, vaddr_t va)
{
	struct vm_extent extent;
	unsigned lines = 0;

	for (; vm_extent_next(s, va, &extent); va = extent.start + extent.len) {
		if (lines++ == EXTENTS_MAX) {
			print("... and more: `spaces %u %lx` goes on\n", s->number, extent.start);
			return;
		}
		print_extent(&extent);
	}
	if (lines == 0)
		print("space %u: nothing is mapped\n", s->number);
}

struct vm_space *vm_report_find(const char *command, const char *number)
{
	uint64_t n;
	struct vm_space *s = NULL;

	if (!command_number(number, &n))
		print("%s: `%s` is no number of a space\n", command, number);
	else if (n > UINT32_MAX || (s = vm_space_find((unsigned)n)) == NULL)
		print("%s: there is no space %s; `spaces` lists them\n", command, number);
	return s;
}

COMMAND(spaces, "[N [VA]]", "user address spaces; with N: the mappings of one, from VA on")
{
	struct vm_space *s;
	vaddr_t va = 0;

	if (argc == 1) {
		print_spaces();
		return;
	}
	if (argc > 3 || (argc == 3 && !command_address(argv[2], &va))) {
		print("usage: spaces [N [VA]], as in `spaces`, `spaces 2` or `spaces 2 "
		      "10000000`\n");
		return;
	}
	s = vm_report_find("spaces", argv[1]);
	if (s == NULL)
		return;
	print_extents(s, align_down(va, PAGE_SIZE));
	vm_space_put(s);
}
