/* SPDX-License-Identifier: MIT */
/* Random operations on up to six spaces that fork from each other, compared with a model that
 * records the state of each page. */
#include "mm/vm/space.h"

#include "lib/bits.h"
#include "lib/string.h"
#include "tests/machine.h"
#include "tests/spaces.h"
#include "tests/test.h"

enum {
	SPACES = 6,
	BEFORE = 32, /* pages of the window below the first large page */
	LARGE = 512,
	PAGES = BEFORE + 2 * LARGE + 100,
	OBJECTS = 3,
	SINGLES = 3, /* frames for vm_space_map_frame(), followed by a block */
	BLOCK = SINGLES,
	FRAMES,
	SMALL_MAX = 8, /* pages of most ranges */
	MIB_OF_HOST = 256,
	CHECK_EVERY = 32,  /* steps */
	COUNT_EVERY = 256, /* likewise */
#ifdef KEEL_TESTS
	STEPS = 1500,
#else
	STEPS = 6000,
#endif
};
#define FIELD (BASE - BEFORE * PAGE_SIZE)

static const unsigned object_pages[OBJECTS] = { 1, 40, LARGE + 200 }; /* at most */

/* ---- the model ---- */

enum kind {
	ABSENT,
	GUARD,
	PRIVATE,
	OBJECT, /* page `index` of object `which` */
	VIEW,   /* the same, mapped privately and not written to yet */
	COPIED, /* the same, written to */
	SHARED, /* frame `which`; in the block, the page for the address */
};

struct page {
	uint8_t kind, rights, which;
	uint8_t max; /* rights that protect can give */
	uint16_t index;
	uint64_t value; /* PRIVATE, COPIED */
};

/* A space and its model. */
static struct model_space {
	struct vm_space *space; /* or NULL */
	struct page page[PAGES];
} spaces[SPACES];
static struct vm_object *objects[OBJECTS];
static struct frame *frames[FRAMES];  /* the test holds a count of each */
static unsigned object_size[OBJECTS]; /* pages */
static uint64_t object_value[OBJECTS][LARGE + 200], frame_value[SINGLES], block_value[LARGE];
static uint64_t stamp;
static bool may_fail; /* node allocations fail at random */

static vaddr_t field_at(unsigned i)
{
	return FIELD + (uint64_t)i * PAGE_SIZE;
}

static struct vrange field(unsigned first, unsigned n)
{
	return (struct vrange){ field_at(first), (uint64_t)n * PAGE_SIZE };
}

/* The model's value of the page. */
static uint64_t *value_of(struct model_space *m, unsigned i)
{
	struct page *p = &m->page[i];

	if (p->kind == OBJECT || p->kind == VIEW)
		return &object_value[p->which][p->index];
	if (p->kind == SHARED && p->which == BLOCK)
		return &block_value[(i - BEFORE) % LARGE];
	if (p->kind == SHARED)
		return &frame_value[p->which];
	return &p->value;
}

static bool is_free(const struct model_space *m, unsigned first, unsigned n)
{
	while (n > 0 && m->page[first].kind == ABSENT)
		first++, n--;
	return n == 0;
}

static void set_pages(struct model_space *m, unsigned first, unsigned n, struct page p)
{
	for (unsigned i = first; i < first + n; i++, p.index++)
		m->page[i] = p;
}

static bool is_of_object(const struct page *p)
{
	return p->kind == OBJECT || p->kind == VIEW || p->kind == COPIED;
}

/* The result of an access that needs this right. */
static err_t access_result(const struct page *p, unsigned right)
{
	if (p->kind <= GUARD)
		return ERR_NOT_FOUND;
	if ((p->rights & right) == 0)
		return ERR_DENIED;
	return is_of_object(p) && p->index >= object_size[p->which] ? ERR_NOT_FOUND : OK;
}

/* ---- comparison ---- */

static bool leaf_agrees(struct model_space *m, unsigned i, const struct pt_item *item)
{
	const struct page *p = &m->page[i];
	unsigned flags = item->prop.flags;
	uint64_t value = 0;

	if ((flags & PROP_COPY) != 0)
		flags |= PROP_WRITE;
	if (p->rights == 0) /* no access; the content is there */
		value = *(volatile uint64_t *)(void *)((char *)arch_direct(item->pa) +
						       (field_at(i) - item->start));
	else if (page_load(m->space, field_at(i), &value) != OK)
		return false;
	return p->kind > GUARD && (flags & PROP_RIGHTS) == p->rights &&
	       !(is_of_object(p) && p->index >= object_size[p->which]) &&
	       ((flags & PROP_SHARED) != 0) == (p->kind == OBJECT || p->kind == SHARED) &&
	       value == *value_of(m, i);
}

static bool marker_agrees(struct model_space *m, unsigned i, uint32_t marker)
{
	const struct page *p = &m->page[i];
	unsigned rights = vm_marker_prop(marker) & PROP_RIGHTS;

	switch (vm_marker_kind(marker)) {
	case VM_GUARD: return p->kind == GUARD;
	case VM_ANON: return p->kind == PRIVATE && p->value == 0 && rights == p->rights;
	case VM_OBJECT:
		return (p->kind == OBJECT || p->kind == VIEW) && rights == p->rights &&
		       vm_mappings_object_number(&m->space->mappings, field_at(i)) ==
			       objects[p->which]->number;
	case VM_ABSENT: break;
	}
	return false;
}

static bool page_agrees(struct model_space *m, unsigned i)
{
	struct pt_item item = vm_space_query(m->space, field_at(i));

	switch (item.kind) {
	case PT_ITEM_ABSENT: return m->page[i].kind == ABSENT;
	case PT_ITEM_MARKER: return marker_agrees(m, i, item.marker);
	case PT_ITEM_LEAF: return leaf_agrees(m, i, &item);
	}
	return false;
}

static bool all_agree(unsigned step)
{
	for (struct model_space *m = spaces; m < spaces + SPACES; m++)
		for (unsigned i = 0; m->space != NULL && i < PAGES; i++)
			if (!page_agrees(m, i)) {
				test_fail(__FILE__, __LINE__,
					  "step %u: page %u of space %u is not of kind %u, "
					  "rights %u, value %lu",
					  step, i, (unsigned)(m - spaces), m->page[i].kind,
					  m->page[i].rights, *value_of(m, i));
				return false;
			}
	return true;
}

/* ---- steps ---- */

/* An operation on a range, and its result. */
struct step {
	struct model_space *m;
	unsigned first, n;
	const char *name;
	err_t got, expected;
};

static void random_range(struct step *s)
{
	unsigned max = PAGES;

	s->first = (unsigned)test_random_below(PAGES);
	if (test_random_below(4) == 0) /* aligned for large pages */
		s->first = BEFORE + (unsigned)test_random_below(2) * LARGE;
	if (test_random_below(3) != 0)
		max = SMALL_MAX;
	else if (test_random_below(3) == 0)
		max = LARGE;
	s->n = 1 + (unsigned)test_random_below(max);
	if (test_random_below(8) == 0)
		s->n = LARGE;
	s->n = s->n < PAGES - s->first ? s->n : PAGES - s->first;
}

static unsigned random_rights(void)
{
	if (test_random_below(8) == 0)
		return 0;
	return PROP_READ | (test_random_below(3) != 0 ? PROP_WRITE : 0u) |
	       (test_random_below(3) == 0 ? PROP_EXECUTE : 0u);
}

/* Rights of a shared page that protect may add. */
static unsigned random_may(struct page *p)
{
	unsigned may = (test_random_below(2) == 0 ? VM_MAY_WRITE : 0u) |
		       (test_random_below(2) == 0 ? VM_MAY_EXECUTE : 0u);

	p->max = (uint8_t)(p->rights | PROP_READ | ((may & VM_MAY_WRITE) != 0 ? PROP_WRITE : 0u) |
			   ((may & VM_MAY_EXECUTE) != 0 ? PROP_EXECUTE : 0u));
	return may;
}

static void step_map(struct step *s)
{
	struct page p = { .kind = PRIVATE, .rights = (uint8_t)random_rights(), .max = PROP_RIGHTS };
	unsigned largest = 1 + (unsigned)test_random_below(3);

	s->name = "map";
	s->expected = is_free(s->m, s->first, s->n) ? OK : ERR_IN_USE;
	s->got = vm_space_map(s->m->space, field(s->first, s->n), p.rights, largest);
	if (s->got == OK)
		set_pages(s->m, s->first, s->n, p);
}

static void step_guard(struct step *s)
{
	s->name = "guard";
	s->expected = is_free(s->m, s->first, s->n) ? OK : ERR_IN_USE;
	s->got = vm_space_guard(s->m->space, field(s->first, s->n));
	if (s->got == OK)
		set_pages(s->m, s->first, s->n, (struct page){ .kind = GUARD });
}

static void step_map_object(struct step *s)
{
	unsigned which = (unsigned)test_random_below(OBJECTS);
	struct page p = { .kind = OBJECT,
			  .rights = (uint8_t)random_rights(),
			  .which = (uint8_t)which,
			  .index = (uint16_t)test_random_below(object_pages[which]) };
	unsigned may = random_may(&p);
	uint64_t offset = (uint64_t)p.index * PAGE_SIZE;

	s->name = "map object";
	s->expected = is_free(s->m, s->first, s->n) ? OK : ERR_IN_USE;
	if (test_random_below(16) == 0)
		offset += PAGE_SIZE / 2;
	if (p.index + s->n > object_size[which] || offset % PAGE_SIZE != 0)
		s->expected = ERR_BAD_RANGE;
	if (test_random_below(3) == 0) {
		p.kind = VIEW;
		p.max |= PROP_READ | PROP_WRITE;
		may |= VM_COPY;
	}
	s->got = vm_space_map_object(s->m->space, field(s->first, s->n), objects[which], offset,
				     p.rights | may);
	if (s->got == OK)
		set_pages(s->m, s->first, s->n, p);
}

static void step_map_frame(struct step *s)
{
	unsigned which = (unsigned)test_random_below(FRAMES);
	struct page p = { .kind = SHARED,
			  .rights = (uint8_t)random_rights(),
			  .which = (uint8_t)which };
	unsigned may = random_may(&p);

	s->name = "map frame";
	s->n = which == BLOCK ? LARGE : 1;
	if (which == BLOCK)
		s->first = BEFORE + (unsigned)test_random_below(2) * LARGE;
	s->expected = is_free(s->m, s->first, s->n) ? OK : ERR_IN_USE;
	s->got = vm_space_map_frame(s->m->space, field_at(s->first), frame_get(frames[which]),
				    p.rights | may);
	if (s->got == OK)
		set_pages(s->m, s->first, s->n, p);
	else
		frame_put(frames[which]);
}

static void check_done(const struct step *s, uint64_t done)
{
	CHECK_EQ(done, s->got == OK ? (uint64_t)s->n * PAGE_SIZE : 0);
}

static void step_unmap(struct step *s)
{
	uint64_t done = 1;

	s->name = "unmap";
	s->expected = OK;
	s->got = vm_space_unmap(s->m->space, field(s->first, s->n), &done);
	check_done(s, done);
	if (s->got == OK)
		set_pages(s->m, s->first, s->n, (struct page){ 0 });
}

static void step_protect(struct step *s)
{
	unsigned rights = random_rights(), allowed = 0;
	const struct page *p = &s->m->page[s->first];
	uint64_t done = 1;

	s->name = "protect";
	while (allowed < s->n && (p[allowed].kind <= GUARD || (rights & ~p[allowed].max) == 0))
		allowed++;
	s->expected = allowed == s->n ? OK : ERR_DENIED;
	s->got = vm_space_protect(s->m->space, field(s->first, s->n), rights, &done);
	if (s->got == ERR_DENIED)
		CHECK_EQ(done, (uint64_t)allowed * PAGE_SIZE);
	else
		check_done(s, done);
	if (s->got != OK && s->got != ERR_DENIED)
		return;
	for (unsigned i = s->first; i < s->first + allowed; i++)
		if (s->m->page[i].kind > GUARD)
			s->m->page[i].rights = (uint8_t)rights;
}

static void step_store(struct step *s)
{
	struct page *p = &s->m->page[s->first];

	s->name = "store";
	s->expected = access_result(p, PROP_WRITE);
	s->got = page_store(s->m->space, field_at(s->first), ++stamp);
	if (s->got == OK) {
		p->kind = p->kind == VIEW ? COPIED : p->kind;
		*value_of(s->m, s->first) = stamp;
	}
}

static void step_load(struct step *s)
{
	uint64_t value = 0;

	s->name = "load";
	s->expected = access_result(&s->m->page[s->first], PROP_READ);
	s->got = page_load(s->m->space, field_at(s->first), &value);
	if (s->got == OK)
		CHECK_EQ(value, *value_of(s->m, s->first));
}

static void step_execute(struct step *s)
{
	s->name = "execute";
	s->expected = access_result(&s->m->page[s->first], PROP_EXECUTE);
	s->got = vm_space_handle_fault(s->m->space, field_at(s->first), FAULT_EXECUTE);
}

static struct model_space *slot_that(bool (*wanted)(const struct model_space *m))
{
	unsigned start = (unsigned)test_random_below(SPACES);

	for (unsigned i = 0; i < SPACES; i++)
		if (wanted(&spaces[(start + i) % SPACES]))
			return &spaces[(start + i) % SPACES];
	return NULL;
}

static bool is_live(const struct model_space *m)
{
	return m->space != NULL;
}

static bool is_empty(const struct model_space *m)
{
	return m->space == NULL;
}

static void step_fork(struct step *s)
{
	struct model_space *child = slot_that(is_empty);

	s->name = "fork";
	if (child == NULL)
		return;
	s->got = vm_space_fork(s->m->space, &child->space);
	if (s->got == OK)
		memcpy(child->page, s->m->page, sizeof(child->page));
}

static void step_new(struct step *s)
{
	struct model_space *m = slot_that(is_empty);

	s->name = "new";
	if (m == NULL)
		return;
	s->got = vm_space_new(&m->space);
	if (s->got == OK)
		memset(m->page, 0, sizeof(m->page));
}

static void step_put(struct step *s)
{
	s->name = "put";
	vm_space_put(s->m->space);
	s->m->space = NULL;
}

static void step_clear(struct step *s)
{
	s->name = "clear";
	vm_space_clear(s->m->space);
	memset(s->m->page, 0, sizeof(s->m->page));
	CHECK(space_is_bare(s->m->space));
}

/* Pages of a space that an object's new size takes away. */
static void revert_behind(struct model_space *m, unsigned which)
{
	for (unsigned i = 0; i < PAGES; i++) {
		struct page *p = &m->page[i];

		if (p->kind == COPIED && p->which == which && p->index >= object_size[which])
			p->kind = VIEW;
	}
}

static void step_truncate(struct step *s)
{
	unsigned which = (unsigned)test_random_below(OBJECTS);
	unsigned n = (unsigned)test_random_below(object_pages[which] + 1);

	s->name = "truncate";
	if (test_random_below(2) == 0) /* growth, so that there is something to map */
		n = object_pages[which];
	s->got = vm_object_truncate(objects[which], (uint64_t)n * PAGE_SIZE - (n != 0));
	object_size[which] = n;
	for (unsigned i = n; i < object_pages[which]; i++)
		object_value[which][i] = 0;
	for (unsigned i = 0; i < SPACES; i++)
		if (spaces[i].space != NULL)
			revert_behind(&spaces[i], which);
}

/* Relative frequency of the operations. */
static const struct {
	void (*run)(struct step *s);
	unsigned weight;
} kinds[] = {
	{ step_map, 10 },    { step_guard, 2 },    { step_map_object, 6 }, { step_map_frame, 4 },
	{ step_unmap, 8 },   { step_protect, 10 }, { step_store, 40 },     { step_load, 12 },
	{ step_execute, 2 }, { step_fork, 5 },     { step_new, 1 },        { step_put, 4 },
	{ step_clear, 1 },   { step_truncate, 2 },
};

static void (*random_kind(void))(struct step *s)
{
	uint64_t sum = 0, chosen;
	unsigned k = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++)
		sum += kinds[i].weight;
	for (chosen = test_random_below(sum); chosen >= kinds[k].weight; k++)
		chosen -= kinds[k].weight;
	return kinds[k].run;
}

/* Run one step; false: the result is not as expected. */
static bool step(unsigned number)
{
	struct step s = { .m = slot_that(is_live) };
	void (*run)(struct step * s) = random_kind();

	if (s.m == NULL) {
		spaces[0].space = NULL;
		s.m = &spaces[0];
		run = step_new;
	}
	random_range(&s);
	if (may_fail)
		pt_node_inject_failure((unsigned)test_random_below(5));
	run(&s);
	pt_node_inject_failure(0);
	if (s.got == s.expected || (may_fail && s.got == ERR_NO_MEMORY))
		return true;
	test_fail(__FILE__, __LINE__,
		  "step %u: %s of page %u, %u of them, in space %u: %s, expected %s", number,
		  s.name, s.first, s.n, (unsigned)(s.m - spaces), err_name(s.got),
		  err_name(s.expected));
	return false;
}

/* ---- main ---- */

static bool make_shared(void)
{
	memset(object_value, 0, sizeof(object_value));
	memset(frame_value, 0, sizeof(frame_value));
	memset(block_value, 0, sizeof(block_value));
	for (unsigned i = 0; i < OBJECTS; i++) {
		if (vm_object_new((uint64_t)object_pages[i] * PAGE_SIZE, &objects[i]) != OK)
			return false;
		object_size[i] = object_pages[i];
	}
	for (unsigned i = 0; i < FRAMES; i++) {
		frames[i] = frame_alloc_block(FRAME_USER, i == BLOCK ? CHUNK_ORDER : 0);
		if (frames[i] == NULL)
			return false;
		memset(arch_direct(frame_paddr(frames[i])), 0,
		       (size_t)PAGE_SIZE << frame_order(frames[i]));
	}
	return true;
}

static void put_all(void)
{
	for (unsigned i = 0; i < SPACES; i++)
		if (spaces[i].space != NULL)
			vm_space_put(spaces[i].space);
	for (unsigned i = 0; i < OBJECTS; i++)
		vm_object_put(objects[i]);
	for (unsigned i = 0; i < FRAMES; i++)
		frame_put(frames[i]);
}

static void run_model(void)
{
	const struct handles h = { frames, FRAMES, objects, OBJECTS };
	struct ledger before;

	spaces_begin(MIB_OF_HOST, 0, 1);
	before = machine_ledger();
	memset(spaces, 0, sizeof(spaces));
	stamp = 0;
	NEED(make_shared());
	for (unsigned i = 0; i < STEPS; i++) {
		NEED(step(i));
		if (i % CHECK_EVERY == 0)
			NEED(all_agree(i));
		if (i % COUNT_EVERY == 0)
			CHECK_OWNERS(&h);
	}
	CHECK(all_agree(STEPS));
	CHECK_OWNERS(&h);
	put_all();
	CHECK_LEDGER(&before);
}

TEST(vm_space_random_operations_agree_with_a_flat_model)
{
	may_fail = false;
	run_model();
}

TEST(vm_space_random_operations_agree_with_a_flat_model_when_nodes_are_refused)
{
	may_fail = true;
	run_model();
}
