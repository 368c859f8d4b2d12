/* SPDX-License-Identifier: MIT */
#include "tests/space_storm.h"

#include "lib/bits.h"
#include "lib/string.h"
#include "tests/spaces.h"
#include "tests/test.h"

enum {
	RO = PROP_READ,
	RW = PROP_READ | PROP_WRITE,
	OWN = 8, /* own pages per CPU */
	OWN_ALL = STORM_CPUS * OWN,
	SHARED = OWN_ALL, /* index of the first shared page */
	SHARED_PAGES = 24,
	OBJECT = SHARED + SHARED_PAGES,
	OBJECT_PAGES = 16,
	LARGE = OBJECT + OBJECT_PAGES, /* 4 KiB pages tested in the large area */
	LARGE_PAGES = 8,
	COMMON = LARGE + LARGE_PAGES,
	COMMON_PAGES = 4,
	FIRST = 0, /* R6: of the common pages */
	SECOND = 1,
	ORDER_TURNS = 100,
	PAGES = COMMON + COMMON_PAGES,
	LARGE_STRIDE = 128, /* distance of tested pages in the large area, in pages */
	PLACES = 4,
	FAMILY = 1 << 14, /* maximum number of spaces created */
	GENERATIONS = 1 << 14,
};
#define STORM       UINT64_C(0x20000000000)
#define FAR         GIB(5) /* distance of the two halves of a CPU's own pages */
#define OBJECT_BASE (STORM + MIB(1))
#define LARGE_BASE  (STORM + MIB(4))
#define COMMON_BASE (STORM + MIB(3))

/* ---- values ---- */

/*
 *   63:56 mark | 55:48 page | 47:44 CPU | 43:28 space | 27:0 count
 */
enum {
	PAGE_SHIFT_IN = 48,
	CPU_SHIFT_IN = 44,
	SPACE_SHIFT_IN = 28,
	MARK_SHIFT_IN = 56,
	MARK = 0xa5,
};

struct value {
	unsigned mark, page, cpu, space;
	uint64_t count;
};

static uint64_t pack(struct value v)
{
	return (uint64_t)MARK << MARK_SHIFT_IN | (uint64_t)v.page << PAGE_SHIFT_IN |
	       (uint64_t)v.cpu << CPU_SHIFT_IN | (uint64_t)v.space << SPACE_SHIFT_IN | v.count;
}

static struct value unpack(uint64_t raw)
{
	return (struct value){
		(unsigned)(raw >> MARK_SHIFT_IN),
		(unsigned)(raw >> PAGE_SHIFT_IN & 0xff),
		(unsigned)(raw >> CPU_SHIFT_IN & 0xf),
		(unsigned)(raw >> SPACE_SHIFT_IN & 0xffff),
		raw & ((UINT64_C(1) << SPACE_SHIFT_IN) - 1),
	};
}

/* ---- spaces ---- */

/* All spaces created so far, by member number. */
static struct {
	unsigned parent;        /* 0: none */
	uint64_t parents_count; /* the parent's `count` when the fork completed */
	_Atomic uint64_t count; /* values stored in the space */
} family[FAMILY];
static _Atomic unsigned family_size;

/* Expected state of an own page. */
struct own_page {
	uint64_t value;
	unsigned rights;
};

/* A space that all CPUs may use, and the state that each CPU expects of its part. */
static struct place {
	_Atomic int users; /* -1: it is being replaced */
	struct vm_space *space;
	unsigned member; /* index in `family` */
	bool is_known[STORM_CPUS];
	struct own_page own[STORM_CPUS][OWN];
	uint64_t common[STORM_CPUS][COMMON_PAGES];
} places[PLACES];

static struct vm_object *object;
static _Atomic uint64_t object_count;

/* ---- one CPU's state ---- */

static struct state {
	struct place *at;
	uint64_t seen[PAGES][STORM_CPUS];        /* R3: highest counts loaded in this space */
	uint64_t seen_object[PAGES][STORM_CPUS]; /* R3: in any space */
	struct own_page forked[OWN];
	uint64_t forked_common[COMMON_PAGES];
} states[STORM_CPUS];

/* The first violation, for the report. */
static _Atomic unsigned wrong;
static struct {
	const char *what;
	unsigned page, cpu, member;
	uint64_t value;
} first_wrong;

static void report(const struct storm_member *me, const char *what, unsigned page, uint64_t value)
{
	if (atomic_fetch_add(&wrong, 1) != 0)
		return;
	first_wrong.what = what;
	first_wrong.page = page;
	first_wrong.cpu = me->cpu;
	first_wrong.member = states[me->cpu].at == NULL ? 0 : states[me->cpu].at->member;
	first_wrong.value = value;
}

static void expect(const struct storm_member *me, bool holds, const char *what, unsigned page)
{
	if (!holds)
		report(me, what, page, 0);
}

static unsigned below(struct storm_member *me, unsigned n)
{
	return (unsigned)(me->random(me) % n);
}

/* ---- pages ---- */

static vaddr_t va_of(unsigned page)
{
	if (page >= COMMON)
		return COMMON_BASE + (uint64_t)(page - COMMON) * PAGE_SIZE;
	if (page >= LARGE)
		return LARGE_BASE + (uint64_t)(page - LARGE) * LARGE_STRIDE * PAGE_SIZE;
	if (page >= OBJECT)
		return OBJECT_BASE + (uint64_t)(page - OBJECT) * PAGE_SIZE;
	if (page < OWN_ALL && page % OWN >= OWN / 2)
		return STORM + FAR + (uint64_t)page * PAGE_SIZE;
	return STORM + (uint64_t)page * PAGE_SIZE;
}

static unsigned own_page(const struct storm_member *me, unsigned i)
{
	return me->cpu * OWN + i;
}

/* R2: whether the value may be visible in the space of that member. */
static bool may_be_seen_in(struct value v, unsigned member)
{
	uint64_t max = atomic_load(&family[member].count);

	for (unsigned i = 0; member != 0 && i < GENERATIONS; i++) {
		if (v.space == member)
			return v.count <= max;
		max = family[member].parents_count;
		member = family[member].parent;
	}
	return false;
}

/* R1 to R3. */
static void check_value(const struct storm_member *me, unsigned page, uint64_t raw)
{
	struct state *s = &states[me->cpu];
	struct value v = unpack(raw);
	bool is_objects = page >= OBJECT && page < LARGE;
	uint64_t *seen = is_objects ? s->seen_object[page] : s->seen[page];

	if (raw == 0)
		return;
	if (v.mark != MARK || v.page != page || v.cpu >= STORM_CPUS)
		report(me, "R1: a value of another page", page, raw);
	else if (!is_objects && !may_be_seen_in(v, s->at->member))
		report(me, "R2: a value of another space", page, raw);
	/* a value from before a fork has a count of another space */
	else if ((is_objects || v.space == s->at->member) && v.count < seen[v.cpu])
		report(me, "R3: an older value after a newer one", page, raw);
	else if (is_objects || v.space == s->at->member)
		seen[v.cpu] = v.count;
}

static uint64_t next_value(const struct storm_member *me, unsigned page)
{
	unsigned member = states[me->cpu].at->member;
	bool is_objects = page >= OBJECT && page < LARGE;
	_Atomic uint64_t *count = is_objects ? &object_count : &family[member].count;

	return pack((struct value){ MARK, page, me->cpu, member, atomic_fetch_add(count, 1) + 1 });
}

static struct vrange range_of(unsigned first, unsigned n)
{
	return (struct vrange){ va_of(first), va_of(first + n - 1) - va_of(first) + PAGE_SIZE };
}

static struct vm_space *space_of(const struct storm_member *me)
{
	return states[me->cpu].at->space;
}

/* ---- own pages: R4 ---- */

static void check_own(struct storm_member *me, unsigned i, const struct own_page *known,
		      const char *what)
{
	unsigned page = own_page(me, i);
	uint64_t raw = 0;

	if (!me->load(va_of(page), &raw))
		report(me, "R4: an own page cannot be loaded", page, 0);
	else if (raw != known->value)
		report(me, what, page, raw);
}

static void store_own(struct storm_member *me, unsigned i)
{
	struct own_page *own = &states[me->cpu].at->own[me->cpu][i];
	unsigned page = own_page(me, i);
	uint64_t raw = next_value(me, page);
	bool stored = me->store(va_of(page), raw);

	expect(me, stored == ((own->rights & PROP_WRITE) != 0),
	       "R4: rights of an own page do not hold", page);
	if (stored)
		own->value = raw;
}

/* Own pages [first, end) lie in a row in each half of them. */
static void some_own(struct storm_member *me, unsigned *first, unsigned *n)
{
	unsigned half = below(me, 2) * (OWN / 2);

	*first = half + below(me, OWN / 2);
	*n = 1 + below(me, half + OWN / 2 - *first);
}

static void remap_own(struct storm_member *me)
{
	struct place *at = states[me->cpu].at;
	unsigned first, n;
	struct vrange range;
	uint64_t done;

	some_own(me, &first, &n);
	range = range_of(own_page(me, first), n);
	expect(me, vm_space_unmap(at->space, range, &done) == OK && done == range.len,
	       "own pages cannot be unmapped", own_page(me, first));
	expect(me, !me->load(range.start, &done), "R4: an unmapped page can be loaded",
	       own_page(me, first));
	expect(me, vm_space_map(at->space, range, RW, 1) == OK, "own pages cannot be mapped",
	       own_page(me, first));
	for (unsigned i = first; i < first + n; i++)
		at->own[me->cpu][i] = (struct own_page){ 0, RW };
}

static void protect_own(struct storm_member *me)
{
	struct place *at = states[me->cpu].at;
	unsigned first, n, rights = below(me, 2) == 0 ? RO : RW;
	struct vrange range;
	uint64_t done;

	some_own(me, &first, &n);
	range = range_of(own_page(me, first), n);
	expect(me, vm_space_protect(at->space, range, rights, &done) == OK && done == range.len,
	       "own pages cannot be protected", own_page(me, first));
	for (unsigned i = first; i < first + n; i++) {
		at->own[me->cpu][i].rights = rights;
		store_own(me, i);
	}
}

static void check_all_own(struct storm_member *me, const struct own_page *known, const char *what)
{
	for (unsigned i = 0; i < OWN; i++)
		check_own(me, i, &known[i], what);
}

/* On first use of a space that another CPU forked: accept the current contents of the own pages,
 * unless this CPU was changing them during the fork. */
static void learn_own(struct storm_member *me)
{
	struct place *at = states[me->cpu].at;

	for (unsigned i = 0; i < OWN; i++) {
		unsigned page = own_page(me, i);
		struct vrange range = range_of(page, 1);
		uint64_t raw = 0, done;

		expect(me, vm_space_protect(at->space, range, RW, &done) == OK,
		       "own pages cannot be protected", page);
		if (!me->load(range.start, &raw))
			expect(me, vm_space_map(at->space, range, RW, 1) == OK,
			       "own pages cannot be mapped", page);
		check_value(me, page, raw);
		at->own[me->cpu][i] = (struct own_page){ raw, RW };
	}
}

/* ---- own words of common pages: R5 ---- */

static vaddr_t common_va(unsigned cpu, unsigned i)
{
	return va_of(COMMON + i) + cpu * sizeof(uint64_t);
}

static void store_word(struct storm_member *me, unsigned i, uint64_t raw)
{
	expect(me, me->store(common_va(me->cpu, i), raw), "R5: a common page cannot be stored to",
	       COMMON + i);
	states[me->cpu].at->common[me->cpu][i] = raw;
}

static void store_common(struct storm_member *me)
{
	unsigned i = below(me, COMMON_PAGES);
	uint64_t raw = next_value(me, COMMON + i);

	if (i == SECOND) { /* R6: the same count to the first page before */
		struct value first = unpack(raw);

		first.page = COMMON + FIRST;
		/* without a translation, so that the CPU need not fault */
		vm_space_activate(NULL);
		vm_space_activate(states[me->cpu].at->space);
		store_word(me, FIRST, pack(first));
	}
	if (i != FIRST)
		store_word(me, i, raw);
}

/* Whether a load of the second page may have seen more than one of the first. */
static bool is_newer(uint64_t second, uint64_t first)
{
	struct value a = unpack(second), b = unpack(first);

	return second != 0 && (first == 0 || (a.space == b.space && a.count > b.count));
}

/* R6.  This CPU has a translation of the first page, and answers no shootdown until it has seen the
 * second page change. */
static void check_order(struct storm_member *me)
{
	unsigned cpu = below(me, STORM_CPUS);
	uint64_t second = 0, first = 0;
	bool loaded = me->load(common_va(cpu, FIRST), &first);
	uintptr_t irq = arch_irq_save();

	for (unsigned i = 0; i < ORDER_TURNS && loaded && !is_newer(second, first); i++)
		loaded = me->load(common_va(cpu, SECOND), &second);
	loaded = loaded && me->load(common_va(cpu, FIRST), &first);
	arch_irq_restore(irq);
	if (loaded && is_newer(second, first))
		report(me, "R6: a page shows less than one that was stored to later",
		       COMMON + FIRST, first);
}

static void check_common(struct storm_member *me, const uint64_t *known)
{
	for (unsigned i = 0; i < COMMON_PAGES; i++) {
		uint64_t raw = 0;

		expect(me, me->load(common_va(me->cpu, i), &raw),
		       "R5: a common page cannot be loaded", COMMON + i);
		if (raw != known[i])
			report(me, "R5: an own word is not what was stored", COMMON + i, raw);
	}
}

static void learn_common(struct storm_member *me)
{
	for (unsigned i = 0; i < COMMON_PAGES; i++) {
		uint64_t raw = 0;

		expect(me, me->load(common_va(me->cpu, i), &raw),
		       "R5: a common page cannot be loaded", COMMON + i);
		check_value(me, COMMON + i, raw);
		states[me->cpu].at->common[me->cpu][i] = raw;
	}
}

/* ---- pages shared by all CPUs ---- */

static void load_any(struct storm_member *me, unsigned first, unsigned n)
{
	unsigned page = first + below(me, n);
	uint64_t raw = 0;

	if (me->load(va_of(page), &raw))
		check_value(me, page, raw);
}

static void store_any(struct storm_member *me, unsigned first, unsigned n)
{
	unsigned page = first + below(me, n);

	(void)me->store(va_of(page), next_value(me, page)); /* fails if unmapped or read-only */
}

static err_t map_any(const struct storm_member *me, unsigned first, unsigned n)
{
	struct vrange range = range_of(first, n);

	if (first >= LARGE)
		return vm_space_map(space_of(me), range, RW, 2);
	if (first >= OBJECT)
		return vm_space_map_object(space_of(me), range, object, range.start - OBJECT_BASE,
					   RW);
	return vm_space_map(space_of(me), range, RW, 1);
}

static void change_any(struct storm_member *me, unsigned first, unsigned n)
{
	unsigned from = below(me, n), some = 1 + below(me, n - from), what = below(me, 4);
	struct vrange range = range_of(first + from, some);
	uint64_t done;
	err_t err;

	if (what < 2)
		err = vm_space_protect(space_of(me), range, what == 0 ? RO : RW, &done);
	else
		err = vm_space_unmap(space_of(me), range, &done);
	/* another CPU may map a large page across an end, and fork it, at the same time */
	expect(me, err == OK || (err == ERR_IN_USE && first == LARGE), "a change fails",
	       first + from);
	expect(me, err != OK || done == range.len, "a change stops early", first + from);
	if (what < 2)
		return;
	err = map_any(me, first + from, some);
	expect(me, err == OK || err == ERR_IN_USE, "a page cannot be mapped", first + from);
}

static void use_any(struct storm_member *me, unsigned first, unsigned n)
{
	unsigned what = below(me, 8);

	if (what < 4)
		load_any(me, first, n);
	else if (what < 7)
		store_any(me, first, n);
	else
		change_any(me, first, n);
}

/* ---- places ---- */

static bool enter(struct storm_member *me, struct place *p)
{
	struct state *s = &states[me->cpu];
	int users = atomic_load(&p->users);

	while (users >= 0 && !atomic_compare_exchange_weak(&p->users, &users, users + 1))
		;
	if (users < 0)
		return false;
	if (p->space == NULL) {
		atomic_fetch_sub(&p->users, 1);
		return false;
	}
	s->at = p;
	vm_space_activate(p->space);
	memset(s->seen, 0, sizeof(s->seen));
	if (!p->is_known[me->cpu]) {
		learn_own(me);
		learn_common(me);
		p->is_known[me->cpu] = true;
	}
	return true;
}

static void leave(struct storm_member *me)
{
	struct state *s = &states[me->cpu];

	vm_space_activate(NULL);
	atomic_fetch_sub(&s->at->users, 1);
	s->at = NULL;
}

static void enter_any(struct storm_member *me)
{
	while (!enter(me, &places[below(me, PLACES)]))
		arch_relax();
}

/* Claim a place that no CPU uses, for a new space; NULL: none. */
static struct place *take_place(struct storm_member *me)
{
	unsigned start = below(me, PLACES);

	for (unsigned i = 0; i < PLACES; i++) {
		struct place *p = &places[(start + i) % PLACES];
		int users = 0;

		if (atomic_compare_exchange_strong(&p->users, &users, -1))
			return p;
	}
	return NULL;
}

/* Add a member to the family; 0: the array is full. */
static unsigned add_member(unsigned parent, uint64_t parents_count)
{
	unsigned member = atomic_fetch_add(&family_size, 1);

	if (member >= FAMILY)
		return 0;
	family[member].parent = parent;
	family[member].parents_count = parents_count;
	return member;
}

/* This CPU has claimed the place, so no other CPU uses the child: it equals the parent at the time
 * of the fork. */
static void check_fork(struct storm_member *me, struct place *child, struct place *parent)
{
	struct state *s = &states[me->cpu];

	s->at = child;
	vm_space_activate(child->space);
	check_all_own(me, s->forked, "R4: a fork does not preserve an own page");
	check_common(me, s->forked_common);
	memcpy(child->own[me->cpu], s->forked, sizeof(s->forked));
	memcpy(child->common[me->cpu], s->forked_common, sizeof(s->forked_common));
	child->is_known[me->cpu] = true;
	for (unsigned i = 0; i < OWN; i++)
		if (below(me, 2) == 0)
			store_own(me, i);
	store_common(me);
	s->at = parent;
	vm_space_activate(parent->space);
	check_all_own(me, s->forked, "R4: a store in the child is visible in the parent");
	check_common(me, s->forked_common);
}

static void fork_it(struct storm_member *me)
{
	struct place *parent = states[me->cpu].at, *p = take_place(me);
	struct vm_space *child;
	unsigned member;

	if (p == NULL)
		return;
	memcpy(states[me->cpu].forked, parent->own[me->cpu], sizeof(parent->own[me->cpu]));
	memcpy(states[me->cpu].forked_common, parent->common[me->cpu],
	       sizeof(parent->common[me->cpu]));
	expect(me, vm_space_fork(parent->space, &child) == OK, "a fork fails", 0);
	member = add_member(parent->member, atomic_load(&family[parent->member].count));
	if (member == 0) {
		vm_space_put(child);
		child = p->space;
		p->space = NULL;
	}
	if (p->space != NULL)
		vm_space_put(p->space);
	p->space = child;
	p->member = member == 0 ? p->member : member;
	if (member != 0) {
		memset(p->is_known, 0, sizeof(p->is_known));
		check_fork(me, p, parent);
	}
	atomic_store(&p->users, 0);
}

/* ---- main ---- */

static void step(struct storm_member *me)
{
	unsigned what = below(me, 80), i = below(me, OWN);

	if (what < 12)
		store_own(me, i);
	else if (what < 20)
		check_own(me, i, &states[me->cpu].at->own[me->cpu][i], "R4: not what was stored");
	else if (what < 24)
		remap_own(me);
	else if (what < 27)
		protect_own(me);
	else if (what < 44)
		use_any(me, SHARED, SHARED_PAGES);
	else if (what < 52)
		use_any(me, OBJECT, OBJECT_PAGES);
	else if (what < 56)
		use_any(me, LARGE, LARGE_PAGES);
	else if (what < 60)
		fork_it(me);
	else if (what < 62)
		leave(me), enter_any(me);
	else if (what < 72)
		store_common(me);
	else if (what < 77)
		check_order(me);
	else if (what < 78)
		check_common(me, states[me->cpu].at->common[me->cpu]);
	else
		check_all_own(me, states[me->cpu].at->own[me->cpu], "R4: not what was stored");
}

void storm_run(struct storm_member *me, unsigned steps)
{
	if (me->cpu >= STORM_CPUS)
		return;
	memset(&states[me->cpu], 0, sizeof(states[me->cpu]));
	enter_any(me);
	for (unsigned i = 0; i < steps && atomic_load(&wrong) == 0; i++)
		step(me);
	leave(me);
}

static bool map_all(struct vm_space *s)
{
	bool all = vm_space_map(s, range_of(SHARED, SHARED_PAGES), RW, 1) == OK &&
		   vm_space_map_object(s, range_of(OBJECT, OBJECT_PAGES), object, 0, RW) == OK &&
		   vm_space_map(s, (struct vrange){ LARGE_BASE, MIB(4) }, RW, 2) == OK &&
		   vm_space_map(s, range_of(COMMON, COMMON_PAGES), RW, 1) == OK;

	for (unsigned i = 0; i < OWN_ALL; i++)
		all = all && vm_space_map(s, range_of(i, 1), RW, 1) == OK;
	return all;
}

bool storm_begin(void)
{
	memset(family, 0, sizeof(family));
	memset(places, 0, sizeof(places));
	atomic_store(&family_size, 1); /* 0 means none */
	atomic_store(&object_count, 0);
	atomic_store(&wrong, 0);
	if (vm_object_new(OBJECT_PAGES * PAGE_SIZE, &object) != OK ||
	    vm_space_new(&places[0].space) != OK)
		return false;
	places[0].member = add_member(0, 0);
	return map_all(places[0].space);
}

void storm_end(const char *file, int line)
{
	const struct handles h = { .object = &object, .objects = 1 };

	if (atomic_load(&wrong) != 0)
		test_fail(file, line, "%u wrong, first: %s; page %u, CPU %u, space %u, value %#lx",
			  atomic_load(&wrong), first_wrong.what, first_wrong.page, first_wrong.cpu,
			  first_wrong.member, first_wrong.value);
	owners_check(&h, file, line);
	test_diag("%u spaces, %lu values in the object", atomic_load(&family_size) - 1,
		  atomic_load(&object_count));
	for (unsigned i = 0; i < PLACES; i++)
		if (places[i].space != NULL)
			vm_space_put(places[i].space);
	vm_object_put(object);
}
