/* SPDX-License-Identifier: MIT */
#include "mm/vm/mapping.h"

#include "lib/bits.h"
#include "lib/panic.h"
#include "mm/heap/heap.h"
#include "mm/vm/space.h"

enum {
	PIECE_MAPPINGS = 32, /* are cut at a time with interrupts off */
	SKIPS_MAX = 32,      /* mappings that a walk skips with the lock held */
};

LOCK_CLASS(mappings_class, "mappings of a space", RANK_MAPPINGS);

void vm_mappings_init(struct vm_mappings *ms)
{
	spin_init(&ms->lock, &mappings_class);
	ms->tree = (struct tree){ NULL };
	atomic_store_explicit(&ms->count, 0, memory_order_relaxed);
}

static struct vm_mapping *mapping_of(struct tree_node *n)
{
	return n == NULL ? NULL : tree_entry(n, struct vm_mapping, node);
}

/* ---- find; the lock is held ---- */

/* The first mapping that ends behind va. */
static struct vm_mapping *first_behind(const struct vm_mappings *ms, vaddr_t va)
{
	struct tree_node *n = ms->tree.root;
	struct vm_mapping *found = NULL;

	while (n != NULL) {
		struct vm_mapping *m = mapping_of(n);

		if (m->end > va)
			found = m;
		n = n->child[m->end > va ? TREE_LEFT : TREE_RIGHT];
	}
	return found;
}

static struct vm_view view_of(const struct vm_mapping *m, vaddr_t va)
{
	return (struct vm_view){ m->object, m->offset + (va - m->start), m->end - va, m->sharing };
}

bool vm_mappings_next(struct vm_mappings *ms, vaddr_t va, vaddr_t *at, struct vm_view *out)
{
	const struct vm_mapping *m;
	uintptr_t irq;

	if (!vm_mappings_exist(ms))
		return false;
	irq = spin_lock_irq(&ms->lock);
	m = first_behind(ms, va);
	if (m != NULL) {
		*at = max_u64(va, m->start);
		*out = view_of(m, *at);
	}
	spin_unlock_irq(&ms->lock, irq);
	return m != NULL;
}

bool vm_mappings_find(struct vm_mappings *ms, vaddr_t va, struct vm_view *out)
{
	vaddr_t at;

	return vm_mappings_next(ms, va, &at, out) && at == va;
}

unsigned vm_mappings_object_number(struct vm_mappings *ms, vaddr_t va)
{
	uintptr_t irq = spin_lock_irq(&ms->lock);
	const struct vm_mapping *m = first_behind(ms, va);
	unsigned number = m != NULL && m->start <= va ? m->object->number : 0;

	spin_unlock_irq(&ms->lock, irq);
	return number;
}

/* ---- add and remove; both locks are held ---- */

struct held {
	struct vm_object *object;
	struct vm_mappings *mappings;
	uintptr_t irq;
};

static void hold(struct held *h, struct vm_object *o, struct vm_mappings *ms) __no_tsa
{
	*h = (struct held){ o, ms, spin_lock_irq(&o->lock) };
	spin_lock(&ms->lock);
}

static void let_go(const struct held *h) __no_tsa
{
	spin_unlock(&h->mappings->lock);
	spin_unlock_irq(&h->object->lock, h->irq);
}

static void tree_add(struct vm_mappings *ms, struct vm_mapping *m)
{
	struct tree_node **link = &ms->tree.root, *parent = NULL;

	while (*link != NULL) {
		parent = *link;
		link = &parent->child[mapping_of(parent)->start < m->start];
	}
	tree_link(&ms->tree, &m->node, parent, link);
	atomic_fetch_add_explicit(&ms->count, 1, memory_order_relaxed);
}

static void remove_mapping(struct vm_mappings *ms, struct vm_mapping *m)
{
	tree_remove(&ms->tree, &m->node);
	atomic_fetch_sub_explicit(&ms->count, 1, memory_order_relaxed);
	list_remove(&m->object->mappings, &m->link);
}

/* ---- map ---- */

struct vm_mapping *vm_mapping_new(struct vm_space *s, struct vrange range,
				  const struct vm_view *view)
{
	struct vm_mapping *m = heap_zalloc(sizeof(*m));

	if (m == NULL)
		return NULL;
	m->space = s;
	m->object = view->object;
	m->start = range.start;
	m->end = range.start + range.len;
	m->offset = view->offset;
	m->sharing = view->sharing;
	return m;
}

void vm_mapping_free(struct vm_mapping *m)
{
	if (m != NULL)
		heap_free(m);
}

/* Whether m shows what follows in the object that the mapping before it shows. */
static bool continues(const struct vm_mapping *before, const struct vm_mapping *m)
{
	return before != NULL && before->end == m->start && before->object == m->object &&
	       before->sharing == m->sharing &&
	       before->offset + (before->end - before->start) == m->offset;
}

struct vm_mapping *vm_mapping_add(struct vm_mapping *m)
{
	struct vm_mappings *ms = &m->space->mappings;
	struct vm_mapping *before;
	struct held h;

	hold(&h, m->object, ms);
	/* within a node: an unmap that holds the last page of that mapping has seen its end */
	before = m->start % pte_span(2) == 0 ? NULL : first_behind(ms, m->start - 1);
	if (continues(before, m)) {
		before->end = m->end;
	} else {
		tree_add(ms, m);
		/* no page is there yet, so a walk may pass it by */
		m->walk = m->object->walk;
		list_push_back(&m->object->mappings, &m->link);
		vm_object_get(m->object);
		m = NULL;
	}
	let_go(&h);
	return m;
}

/* ---- unmap ---- */

/* Whether the mapping begins before the range and ends behind it. */
static bool surrounds(const struct vm_mapping *m, struct vrange range)
{
	return m->start < range.start && m->end > range.start + range.len;
}

uint64_t vm_mappings_piece(struct vm_mappings *ms, struct vrange range)
{
	uint64_t len = range.len;
	struct vm_mapping *m;
	uintptr_t irq;

	if (!vm_mappings_exist(ms))
		return len;
	irq = spin_lock_irq(&ms->lock);
	m = first_behind(ms, range.start);
	for (unsigned i = 1; m != NULL && i < PIECE_MAPPINGS; i++)
		m = mapping_of(tree_next(&m->node));
	if (m != NULL)
		len = min_u64(len, m->end - range.start);
	spin_unlock_irq(&ms->lock, irq);
	return len;
}

bool vm_mappings_splits(struct vm_mappings *ms, struct vrange range)
{
	const struct vm_mapping *m;
	uintptr_t irq;
	bool splits;

	if (!vm_mappings_exist(ms))
		return false;
	irq = spin_lock_irq(&ms->lock);
	m = first_behind(ms, range.start);
	splits = m != NULL && surrounds(m, range);
	spin_unlock_irq(&ms->lock, irq);
	return splits;
}

/* The second part of a mapping that the range splits. */
static void split_off(struct vm_mappings *ms, struct vm_mapping *m, struct vrange range,
		      struct vm_mapping *second)
{
	vaddr_t end = range.start + range.len;

	*second = *m;
	second->start = end;
	second->offset += end - m->start;
	m->end = range.start;
	tree_add(ms, second);
	list_insert_after(&m->object->mappings, &m->link, &second->link); /* M4 */
	vm_object_get(m->object);
}

static void cut_mapping(struct vm_mappings *ms, struct vm_mapping *m, struct vrange range,
			struct vm_cut *cut)
{
	vaddr_t end = range.start + range.len;

	if (surrounds(m, range)) {
		ASSERT(cut->spare != NULL);
		split_off(ms, m, range, cut->spare);
		cut->spare = NULL;
	} else if (m->start < range.start) {
		m->end = range.start;
	} else if (m->end > end) {
		m->offset += end - m->start;
		m->start = end;
	} else {
		remove_mapping(ms, m);
		list_push_back(&cut->removed, &m->link);
	}
}

void vm_mappings_cut(struct vm_mappings *ms, struct vrange range, struct vm_cut *cut)
{
	vaddr_t end = range.start + range.len, at;
	struct vm_view view;

	while (vm_mappings_next(ms, range.start, &at, &view) && at < end) {
		struct held h;

		/* its pages in the range are locked: it stays, and so does its object */
		hold(&h, view.object, ms);
		cut_mapping(ms, first_behind(ms, range.start), range, cut);
		let_go(&h);
	}
}

static void free_removed(struct list *removed)
{
	struct list_node *n;

	while ((n = list_pop_front(removed)) != NULL) {
		struct vm_mapping *m = list_entry(n, struct vm_mapping, link);

		vm_object_put(m->object);
		vm_mapping_free(m);
	}
}

void vm_cut_finish(struct vm_cut *cut)
{
	free_removed(&cut->removed);
	vm_mapping_free(cut->spare);
	cut->spare = NULL;
}

/* ---- fork, end ---- */

/* Add a copy of a mapping to a space, next to it in the list of the object: M4. */
static void add_forked(struct vm_mapping *m, struct vm_mapping *of)
{
	struct held h;

	hold(&h, m->object, &m->space->mappings);
	tree_add(&m->space->mappings, m);
	m->walk = of->walk;
	list_insert_after(&m->object->mappings, &of->link, &m->link);
	vm_object_get(m->object);
	let_go(&h);
}

static struct vm_mapping *mapping_after(struct vm_mappings *ms, vaddr_t va)
{
	uintptr_t irq = spin_lock_irq(&ms->lock);
	struct vm_mapping *m = first_behind(ms, va);

	spin_unlock_irq(&ms->lock, irq);
	return m;
}

err_t vm_mappings_copy(struct vm_space *to, struct vm_space *from)
{
	struct vm_mapping *of = mapping_after(&from->mappings, 0);

	for (; of != NULL; of = mapping_after(&from->mappings, of->end)) {
		struct vm_view view = view_of(of, of->start);
		struct vm_mapping *m = vm_mapping_new(to, (struct vrange){ of->start, view.left },
						      &view);

		if (m == NULL)
			return ERR_NO_MEMORY;
		add_forked(m, of);
	}
	return OK;
}

void vm_mappings_clear(struct vm_mappings *ms)
{
	struct vm_cut all = { .spare = NULL };
	struct tree_node *n;

	while ((n = tree_first(&ms->tree)) != NULL) {
		struct vm_mapping *m = mapping_of(n);
		struct held h;

		hold(&h, m->object, ms);
		remove_mapping(ms, m);
		list_push_back(&all.removed, &m->link);
		let_go(&h);
		vm_cut_finish(&all);
	}
}

/* ---- the mappings of an object ---- */

void vm_object_walk(struct vm_object *o)
{
	uintptr_t irq = spin_lock_irq(&o->lock);

	o->walk++;
	spin_unlock_irq(&o->lock, irq);
}

static struct vm_mapping *first_unmet(const struct vm_object *o)
{
	struct vm_mapping *m = list_entry_or_null(o->mappings.first, struct vm_mapping, link);

	return m == NULL || m->walk == o->walk ? NULL : m;
}

/* Put the mapping behind all others: M4. */
static void meet(struct vm_object *o, struct vm_mapping *m)
{
	m->walk = o->walk;
	list_remove(&o->mappings, &m->link);
	list_push_back(&o->mappings, &m->link);
}

/* The range of what m shows behind `from`; empty if all of it lies before. */
static struct vrange range_behind(const struct vm_mapping *m, uint64_t from)
{
	uint64_t len = m->end - m->start, before = from > m->offset ? from - m->offset : 0;

	before = min_u64(before, len);
	return (struct vrange){ m->start + before, len - before };
}

/* The space of the first mapping that matters, after up to SKIPS_MAX others.  NULL: none was found,
 * and *left says whether there may be one. */
static struct vm_space *walk_some(struct vm_object *o, uint64_t from, bool *left)
{
	uintptr_t irq = spin_lock_irq(&o->lock);
	struct vm_space *found = NULL;
	struct vm_mapping *m = NULL;

	for (unsigned i = 0; i < SKIPS_MAX && found == NULL && (m = first_unmet(o)) != NULL; i++) {
		if (range_behind(m, from).len != 0 && vm_space_try_get(m->space))
			found = m->space;
		else
			meet(o, m);
	}
	*left = m != NULL;
	spin_unlock_irq(&o->lock, irq);
	return found;
}

struct vm_space *vm_object_walk_space(struct vm_object *o, uint64_t from)
{
	struct vm_space *s = NULL;
	bool left = true;

	while (s == NULL && left)
		s = walk_some(o, from, &left);
	return s;
}

bool vm_object_walk_next(struct vm_object *o, uint64_t from, const struct vm_space *s,
			 struct vrange *range)
{
	uintptr_t irq = spin_lock_irq(&o->lock);
	struct vm_mapping *m = first_unmet(o);
	bool found = m != NULL && m->space == s;

	if (found) {
		*range = range_behind(m, from);
		meet(o, m);
	}
	spin_unlock_irq(&o->lock, irq);
	return found;
}

/* ---- check ---- */

static bool is_of_object(const struct pt_item *item)
{
	return item->kind == PT_ITEM_MARKER && vm_marker_kind(item->marker) == VM_OBJECT;
}

/* M2 for the pages of one mapping. */
static const char *check_pages(const struct vm_space *s, const struct vm_mapping *m)
{
	for (vaddr_t va = m->start; va < m->end;) {
		struct pt_item item = vm_space_query(s, va);

		if (item.kind != PT_ITEM_LEAF && !is_of_object(&item))
			return "M2: a page of a mapping has neither a leaf nor the marker of an "
			       "object";
		va = item.start + item.len;
		if (va > m->end && item.kind == PT_ITEM_MARKER)
			return "M2: a marker reaches beyond its mapping";
	}
	return NULL;
}

static const char *check_mapping(const struct vm_space *s, const struct vm_mapping *m)
{
	if (m->start >= m->end || m->start % PAGE_SIZE != 0 || m->end % PAGE_SIZE != 0 ||
	    m->offset % PAGE_SIZE != 0)
		return "M1: the range of a mapping is empty or not aligned";
	if (m->space != s || atomic_load_explicit(&m->object->users, memory_order_relaxed) == 0)
		return "M3: a mapping is in another space, or holds no count of its object";
	return check_pages(s, m);
}

/* The other half of M2. */
static const char *check_markers(const struct vm_space *s)
{
	for (vaddr_t va = s->start; va < s->end;) {
		struct pt_item item = vm_space_query(s, va);
		const struct vm_mapping *m = is_of_object(&item)
						     ? first_behind(&s->mappings, item.start)
						     : NULL;

		if (is_of_object(&item) && (m == NULL || m->start > item.start))
			return "M2: a marker of an object lies outside all mappings";
		va = item.start + item.len;
	}
	return NULL;
}

const char *vm_mappings_check(const struct vm_space *s)
{
	const char *wrong = tree_check(&s->mappings.tree);
	const struct vm_mapping *before = NULL;
	unsigned count = 0;

	for (struct tree_node *n = tree_first(&s->mappings.tree); wrong == NULL && n != NULL;
	     n = tree_next(n), count++) {
		const struct vm_mapping *m = mapping_of(n);

		wrong = check_mapping(s, m);
		if (wrong == NULL && before != NULL && before->end > m->start)
			wrong = "M1: two mappings overlap";
		before = m;
	}
	if (wrong == NULL &&
	    count != atomic_load_explicit(&s->mappings.count, memory_order_relaxed))
		wrong = "M1: the count of mappings is wrong";
	return wrong == NULL ? check_markers(s) : wrong;
}
