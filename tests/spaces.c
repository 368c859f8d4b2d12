/* SPDX-License-Identifier: MIT */
#include "tests/spaces.h"

#include "lib/bits.h"
#include "lib/string.h"
#include "mm/heap/heap.h"
#include "monitor/frame_report.h"
#include "tests/machine.h"
#include "tests/test.h"

enum {
	TRIES = 3, /* of an access: one fault may make a page readable, the next writable */
	LAST_WORD = PAGE_SIZE / sizeof(uint64_t) - 1,
	OWNERS_MAX = 1 << 16,
	OBJECTS_MAX = 1024,
};
#define SECOND_WORD UINT64_C(0x9e3779b97f4a7c15) /* factor from the first word to the last */
#define FNV_PRIME   UINT64_C(0x100000001b3)

#ifdef KEEL_TESTS
void spaces_begin(uint64_t mib, uint64_t high_mib, unsigned cpus)
{
	(void)mib, (void)high_mib, (void)cpus;
	pt_node_inject_failure(0);
}
#else
void spaces_begin(uint64_t mib, uint64_t high_mib, unsigned cpus)
{
	static struct page_table kernel_table;

	machine_start_simple(mib, high_mib, cpus);
	pt_node_inject_failure(0);
	if (heap_init(cpus) != OK || page_table_init(&kernel_table, arch_pt_levels()) != OK ||
	    vm_space_init(&kernel_table) != OK)
		test_fail(__FILE__, __LINE__, "no memory to initialize address spaces");
}
#endif

/* ---- access ---- */

/* The memory of the page at va, which `item` maps. */
static volatile uint64_t *words_of(const struct pt_item *item, vaddr_t va)
{
	va = align_down(va, PAGE_SIZE);
	return (uint64_t *)(void *)((char *)arch_direct(item->pa) + (va - item->start));
}

/* Handle faults until the page at va allows the access. */
static err_t reach(struct vm_space *s, vaddr_t va, enum fault_access access, struct pt_item *item)
{
	unsigned wanted = access == FAULT_WRITE ? PROP_WRITE : PROP_READ;

	for (unsigned tries = 0; tries < TRIES; tries++) {
		err_t err;

		*item = vm_space_query(s, va);
		if (item->kind == PT_ITEM_LEAF && (item->prop.flags & wanted) != 0)
			return OK;
		err = vm_space_handle_fault(s, va, access);
		if (err != OK)
			return err;
	}
	return ERR_BUSY;
}

err_t page_store(struct vm_space *s, vaddr_t va, uint64_t value)
{
	struct pt_item item;
	err_t err = reach(s, va, FAULT_WRITE, &item);

	if (err != OK)
		return err;
	words_of(&item, va)[0] = value;
	words_of(&item, va)[LAST_WORD] = value * SECOND_WORD;
	return OK;
}

err_t page_load(struct vm_space *s, vaddr_t va, uint64_t *value)
{
	struct pt_item item;
	err_t err = reach(s, va, FAULT_READ, &item);

	if (err != OK)
		return err;
	*value = words_of(&item, va)[0];
	return words_of(&item, va)[LAST_WORD] == *value * SECOND_WORD ? OK : ERR_BAD_FORMAT;
}

bool page_shows(struct vm_space *s, vaddr_t va, uint64_t value)
{
	uint64_t found = 0;

	return page_load(s, va, &found) == OK && found == value;
}

bool space_is_bare(const struct vm_space *s)
{
	vaddr_t half = pt_half_bytes(s->table.levels);

	return page_table_next(&s->table, 0, half) == half &&
	       page_table_nodes(&s->table) <= s->table.levels;
}

/* ---- snapshots ---- */

/* The user-visible rights, or the marker, of an entry. */
static uint64_t what_of(const struct pt_item *item)
{
	unsigned flags = item->prop.flags;
	uint64_t what = (uint64_t)item->kind << PT_MARKER_BITS;

	if (item->kind == PT_ITEM_MARKER)
		return what | item->marker;
	if ((flags & PROP_COPY) != 0)
		flags |= PROP_WRITE;
	return what | (flags & (PROP_READ | PROP_WRITE | PROP_EXECUTE | PROP_USER | PROP_SHARED));
}

/* FNV-1a hash of the page, word by word. */
static uint64_t content_of(const struct pt_item *item, vaddr_t va)
{
	volatile uint64_t *word = words_of(item, va);
	uint64_t hash = 0;

	for (unsigned i = 0; i <= LAST_WORD; i++)
		hash = (hash ^ word[i]) * FNV_PRIME;
	return hash;
}

/* Append a run, or extend the last one. */
static void add_run(struct picture *p, struct picture_run run)
{
	struct picture_run *last = p->runs == 0 ? NULL : &p->run[p->runs - 1];

	if (run.what >> PT_MARKER_BITS != PT_ITEM_LEAF && last != NULL && last->what == run.what &&
	    last->start + last->len == run.start) {
		last->len += run.len;
		return;
	}
	if (p->runs == PICTURE_RUNS)
		test_fail(__FILE__, __LINE__, "a snapshot has more than PICTURE_RUNS runs");
	else
		p->run[p->runs++] = run;
}

void picture_take(struct picture *p, const struct vm_space *s)
{
	vaddr_t va = 0, half = pt_half_bytes(s->table.levels);

	p->runs = 0;
	while (va < half) {
		struct pt_item item = vm_space_query(s, va);
		uint64_t step = item.kind == PT_ITEM_LEAF ? PAGE_SIZE : item.len;

		for (; va - item.start < item.len; va += step)
			add_run(p, (struct picture_run){
					   va, step, what_of(&item),
					   item.kind == PT_ITEM_LEAF ? content_of(&item, va) : 0 });
	}
}

void picture_check(const struct picture *p, const struct vm_space *s, const char *file, int line)
{
	static struct picture now;

	picture_take(&now, s);
	for (unsigned i = 0; i < p->runs && i < now.runs; i++) {
		const struct picture_run *a = &p->run[i], *b = &now.run[i];

		if (a->start == b->start && a->len == b->len && a->what == b->what &&
		    a->content == b->content)
			continue;
		test_fail(file, line,
			  "at %#lx: %#lx for %#lx bytes, at %#lx before: %#lx for %#lx%s", b->start,
			  b->what, b->len, a->start, a->what, a->len,
			  a->content == b->content ? "" : ", other content");
		return;
	}
	if (p->runs != now.runs)
		test_fail(file, line, "%u runs, %u before", now.runs, p->runs);
}

/* ---- reference counts ---- */

/* One frame number per reference found. */
static pfn_t owner[OWNERS_MAX];
static unsigned owners;
/* References found per object. */
static struct found_object {
	struct vm_object *object;
	unsigned owners;
} found[OBJECTS_MAX];
static unsigned objects;

static void add_owner(pfn_t pfn)
{
	if (owners < OWNERS_MAX)
		owner[owners] = pfn;
	owners++;
}

/* The head of the block that the frame heads or is inside of. */
static pfn_t head_of(pfn_t pfn)
{
	for (unsigned order = 0; order <= ORDER_MAX; order++) {
		pfn_t head = (pfn_t)align_down(pfn, UINT64_C(1) << order);
		struct slot_state s = meta_state(meta_slot_of(head));

		if (slot_is_owned(s) && s.order >= order)
			return head;
	}
	return pfn;
}

/* Add the counts that a leaf of a page owns (mm/frame/frame_page.h), if it maps FRAME_USER frames.
 */
static void add_page(pfn_t first, uint64_t frames)
{
	for (pfn_t pfn = first; pfn < first + frames;) {
		const struct frame *f = frame_of_slot(meta_slot_of(head_of(pfn)));

		if (frame_kind_of(f) == FRAME_USER)
			add_owner(frame_pfn(f));
		pfn = (pfn_t)min_u64(frame_pfn(f) + (UINT64_C(1) << frame_order(f)),
				     first + frames);
	}
}

static void add_table(const struct page_table *pt)
{
	vaddr_t va = 0, half = pt_half_bytes(pt->levels);

	while (va < half) {
		struct pt_item item = page_table_query(pt, va);

		if (item.kind == PT_ITEM_LEAF && (item.prop.flags & PROP_TRACKED) != 0)
			add_page(paddr_to_pfn(item.pa), item.len / PAGE_SIZE);
		va = item.start + item.len;
	}
}

static void add_object(struct vm_object *o)
{
	unsigned i = 0;

	while (i < objects && found[i].object != o)
		i++;
	if (i == OBJECTS_MAX)
		return; /* objects stays OBJECTS_MAX: reported */
	if (i == objects) {
		found[objects++] = (struct found_object){ o, 0 };
		add_table(&o->pages);
	}
	found[i].owners++;
}

static void add_mappings(const struct vm_space *s)
{
	for (struct tree_node *n = tree_first(&s->mappings.tree); n != NULL; n = tree_next(n))
		add_object(tree_entry(n, struct vm_mapping, node)->object);
}

static void add_spaces(const char *file, int line)
{
	struct vm_space *s = vm_space_from(0);

	while (s != NULL) {
		unsigned next = s->number + 1;
		const char *wrong = vm_space_check(s);

		if (wrong != NULL)
			test_fail(file, line, "space %u: %s", s->number, wrong);
		add_table(&s->table);
		add_mappings(s);
		vm_space_put(s);
		s = vm_space_from(next);
	}
}

/* Shell sort. */
static void sort_owners(void)
{
	for (unsigned gap = owners / 2; gap > 0; gap /= 2)
		for (unsigned i = gap; i < owners; i++) {
			pfn_t moved = owner[i];
			unsigned at = i;

			for (; at >= gap && owner[at - gap] > moved; at -= gap)
				owner[at] = owner[at - gap];
			owner[at] = moved;
		}
}

/* Compare the counts of all frames with references; returns the number of these frames. */
static uint64_t check_counts(const char *file, int line)
{
	uint64_t frames = 0;

	for (unsigned i = 0, n; i < owners; i += n) {
		const struct frame *f = frame_of_slot(meta_slot_of(owner[i]));

		unsigned pins = frame_order(f) == 0 ? meta_state(frame_slot(f)).aux : 0;

		for (n = 1; i + n < owners && owner[i + n] == owner[i];)
			n++;
		if (frame_kind_of(f) != FRAME_USER || frame_count(f) != n + pins) {
			test_fail(file, line,
				  "frame %#x, of kind %s, has %u owners and a count of %u",
				  owner[i], frame_kind_name(frame_kind_of(f)), n, frame_count(f));
			return UINT64_MAX;
		}
		frames += UINT64_C(1) << frame_order(f);
	}
	return frames;
}

static void check_objects(const char *file, int line)
{
	for (unsigned i = 0; i < objects; i++) {
		unsigned users = atomic_load(&found[i].object->users), mappings = 0;

		if (users != found[i].owners)
			test_fail(file, line, "object %u has %u owners and a count of %u",
				  found[i].object->number, found[i].owners, users);
		list_for_each (n, &found[i].object->mappings)
			mappings++;
		if (mappings > users)
			test_fail(file, line, "object %u has %u mappings and a count of %u",
				  found[i].object->number, mappings, users);
	}
	if (objects == OBJECTS_MAX)
		test_fail(file, line, "%u objects: not all were checked", objects);
}

void owners_check(const struct handles *h, const char *file, int line)
{
	uint64_t frames, kind = frame_audit().by_kind[FRAME_USER];

	owners = 0;
	objects = 0;
	add_spaces(file, line);
	for (unsigned i = 0; h != NULL && i < h->objects; i++)
		add_object(h->object[i]);
	for (unsigned i = 0; h != NULL && i < h->frames; i++)
		add_owner(frame_pfn(h->frame[i]));
	check_objects(file, line);
	if (owners > OWNERS_MAX) {
		test_fail(file, line, "%u owners: more than OWNERS_MAX", owners);
		return;
	}
	sort_owners();
	frames = check_counts(file, line);
	if (frames != UINT64_MAX && frames != kind)
		test_fail(file, line, "%lu frames have owners, %lu are of kind user", frames, kind);
}
