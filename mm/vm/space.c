/* SPDX-License-Identifier: MIT */
/* space.c - create, destroy, map, unmap and protect spaces; fork.c and fault.c have the rest. */
#include "mm/vm/space.h"

#include "kern/lock.h"
#include "lib/bits.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "mm/heap/heap.h"
#include "mm/vm/fault.h"
#include "mm/vm/space_impl.h"
#include "mm/vm/span.h"
#include "mm/vm/wait.h"

/* The part of a range that is changed at a time with interrupts off; a multiple of the span of a
 * level-1 node. */
#define PIECE_BYTES MIB(64)

LOCK_CLASS(spaces_class, "list of spaces", RANK_SPACES);
static struct spinlock spaces_lock = SPINLOCK_INIT(&spaces_class);
static struct list spaces;   /* (l), by descending number */
static unsigned next_number; /* (l) */
static const struct page_table *kernel_table;
PER_CPU(struct vm_stats, vm_stats);

/* ---- lifetime ---- */

err_t vm_space_init(const struct page_table *kernel)
{
	kernel_table = kernel;
	return vm_fault_init();
}

void vm_space_publish(struct vm_space *s)
{
	uintptr_t irq = spin_lock_irq(&spaces_lock);

	s->number = ++next_number;
	s->is_published = true;
	list_push_front(&spaces, &s->link);
	spin_unlock_irq(&spaces_lock, irq);
}

static void space_unpublish(struct vm_space *s)
{
	uintptr_t irq = spin_lock_irq(&spaces_lock);

	list_remove(&spaces, &s->link);
	spin_unlock_irq(&spaces_lock, irq);
}

err_t vm_space_create(struct vm_space **out)
{
	struct vm_space *s = heap_zalloc(sizeof(*s));

	if (s == NULL)
		return ERR_NO_MEMORY;
	if (page_table_init(&s->table, kernel_table->levels) != OK) {
		heap_free(s);
		return ERR_NO_MEMORY;
	}
	page_table_share_kernel(&s->table, kernel_table);
	page_table_keep_spare(&s->table);
	page_table_break_before_split(&s->table);
	tlb_space_init(&s->tlb);
	vm_mappings_init(&s->mappings);
	atomic_store_explicit(&s->users, 1, memory_order_relaxed); /* not yet published */
	s->start = PAGE_SIZE;
	s->end = vm_user_end(s->table.levels);
	*out = s;
	return OK;
}

err_t vm_space_new(struct vm_space **out)
{
	err_t err = vm_space_create(out);

	if (err == OK)
		vm_space_publish(*out);
	return err;
}

/* No CPU has the space loaded. */
static void space_destroy(struct vm_space *s)
{
	if (s->is_published)
		space_unpublish(s);
	for (unsigned w = 0; w < CPU_SET_WORDS; w++)
		ASSERT(atomic_load_explicit(&s->tlb.loaded.word[w], memory_order_seq_cst) == 0);
	page_table_destroy(&s->table);
	vm_mappings_clear(&s->mappings);
	heap_free(s);
}

void vm_space_allow_page_0(struct vm_space *s)
{
	s->start = 0;
}

struct vm_space *vm_space_get(struct vm_space *s)
{
	/* relaxed: the caller holds a count */
	unsigned before = atomic_fetch_add_explicit(&s->users, 1, memory_order_relaxed);

	ASSERT(before != 0);
	return s;
}

void vm_space_put(struct vm_space *s)
{
	/* acquire-release: all accesses by former holders happen before the free */
	unsigned before = atomic_fetch_sub_explicit(&s->users, 1, memory_order_acq_rel);

	ASSERT(before != 0);
	if (before == 1)
		space_destroy(s);
}

bool vm_space_try_get(struct vm_space *s)
{
	unsigned users = atomic_load_explicit(&s->users, memory_order_relaxed);

	/* relaxed: the fields read through it are constant or have their own ordering */
	while (users != 0)
		if (atomic_compare_exchange_weak_explicit(&s->users, &users, users + 1,
							  memory_order_relaxed,
							  memory_order_relaxed))
			return true;
	return false;
}

/* The space with the lowest number in [min, max], with a count.  Skips spaces whose last count was
 * put. */
static struct vm_space *find_if(unsigned min, unsigned max)
{
	uintptr_t irq = spin_lock_irq(&spaces_lock);
	struct vm_space *found;

	do {
		found = NULL;
		list_for_each (n, &spaces) {
			struct vm_space *s = list_entry(n, struct vm_space, link);

			if (s->number >= min && s->number <= max &&
			    atomic_load_explicit(&s->users, memory_order_relaxed) != 0)
				found = s;
		}
	} while (found != NULL && !vm_space_try_get(found));
	spin_unlock_irq(&spaces_lock, irq);
	return found;
}

struct vm_space *vm_space_find(unsigned number)
{
	return find_if(number, number);
}

struct vm_space *vm_space_from(unsigned number)
{
	return find_if(number, UINT32_MAX);
}

/* ---- walkers that are no CPUs ---- */

void vm_space_add_walker(struct vm_space *s, struct tlb_walker *w)
{
	tlb_space_add_walker(&vm_space_get(s)->tlb, w);
}

void vm_space_remove_walker(struct vm_space *s, struct tlb_walker *w)
{
	tlb_space_remove_walker(&s->tlb, w);
	vm_space_put(s);
}

/* ---- activation ---- */

/* (c) after start-up */
static void (*switch_space)(struct tlb_space *space, paddr_t root) = tlb_switch_to;

void vm_space_set_switch(void (*switch_to)(struct tlb_space *space, paddr_t root))
{
	switch_space = switch_to;
}

void vm_space_activate(struct vm_space *s)
{
	struct tlb_space *tlb = s == NULL ? &tlb_kernel_space : &s->tlb;
	paddr_t root = frame_paddr(s == NULL ? kernel_table->root : s->table.root);
	uintptr_t irq = arch_irq_save();

	switch_space(tlb, root);
	arch_irq_restore(irq);
}

struct vm_space *vm_space_current(void)
{
	struct tlb_space *loaded = tlb_loaded_space();

	return loaded == &tlb_kernel_space ? NULL : container_of(loaded, struct vm_space, tlb);
}

/* ---- ranges ---- */

static bool range_ok(const struct vm_space *s, struct vrange range)
{
	return range.len != 0 && (range.start | range.len) % PAGE_SIZE == 0 &&
	       vm_span_is_users(range.start, range.len, s->end, s->start);
}

static bool rights_ok(unsigned rights)
{
	return (rights == 0 || (rights & PROP_READ) != 0) &&
	       (rights & ~(unsigned)(PROP_READ | PROP_WRITE | PROP_EXECUTE)) == 0;
}

/* Rights with VM_MAY_* and VM_COPY: the rights, and PROP_DENY_* for those that can never be added.
 */
static unsigned with_denials(unsigned rights)
{
	unsigned flags = rights & ~(unsigned)(VM_MAY | VM_COPY);

	if ((rights & (PROP_WRITE | VM_MAY_WRITE | VM_COPY)) == 0)
		flags |= PROP_DENY_WRITE;
	if ((rights & (PROP_EXECUTE | VM_MAY_EXECUTE)) == 0)
		flags |= PROP_DENY_EXECUTE;
	return flags;
}

uint64_t vm_space_piece(const struct vm_space *s, vaddr_t va, uint64_t left)
{
	uint64_t piece = PIECE_BYTES - va % PIECE_BYTES;
	unsigned level;

	(void)page_table_lookup(&s->table, va, &level);
	return min_u64(left, max_u64(piece, pte_span(level) - va % pte_span(level)));
}

/* The space whose mappings each CPU is changing, or NULL: (a), written with interrupts off. */
static PER_CPU(const struct vm_space *_Atomic, changing);

/* From here to end_change() a fork of s does not begin to copy.  False: one is in progress. */
static __forceinline bool begin_change(const struct vm_space *s)
{
	/* seq_cst: then the forks are read; vm_space_wait_for_changes() does it the other way round
	 */
	(void)atomic_exchange_explicit(this_cpu_ptr(changing), s, memory_order_seq_cst);
	return likely(atomic_load_explicit(&s->forks, memory_order_seq_cst) == 0);
}

static __forceinline void end_change(void)
{
	/* release pairs with vm_space_wait_for_changes() */
	atomic_store_explicit(this_cpu_ptr(changing), NULL, memory_order_release);
}

void vm_space_wait_for_changes(const struct vm_space *s)
{
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
		while (atomic_load_explicit(per_cpu_ptr(changing, cpu), memory_order_seq_cst) == s)
			vm_wait_turn();
}

static void close_changed(struct cursor *c, struct tlb_batch *gone)
{
	end_change();
	cursor_close(c);
	tlb_batch_finish(gone);
}

/* Lock a range to change what is mapped there; waits while a fork is in progress. */
static __forceinline err_t open_to_change(struct vm_space *s, struct cursor *c, struct vrange range,
					  struct tlb_batch *gone)
{
	err_t err;

	tlb_batch_init(gone, &s->tlb);
	while ((err = cursor_open(c, &s->table, range, gone)) == OK && !begin_change(s)) {
		close_changed(c, gone);
		vm_space_wait_for_fork(s);
	}
	return err;
}

/* Bytes of the range before the cursor. */
static uint64_t bytes_done(const struct cursor *c, struct vrange range)
{
	return c->done ? range.len : c->va - range.start;
}

/* ---- map ---- */

/* Undo a failed cursor_set_marker(): unmap the markers that it stored, which needs no split. */
static void take_back(struct cursor *c, struct vrange range)
{
	uint64_t done = bytes_done(c, range);
	err_t err = cursor_jump(c, range.start);

	if (err == OK && done != 0)
		err = cursor_unmap(c, done);
	ASSERT(err == OK);
}

/* Whether something is mapped in a range of more than one node: then it is refused without locking
 * all its nodes.  A map that comes later is found with the range locked. */
static bool is_occupied(const struct vm_space *s, struct vrange range)
{
	vaddr_t end = range.start + range.len;

	return range.len > PT_LARGE_BYTES && page_table_next(&s->table, range.start, end) < end;
}

/* Map a marker, and the mapping that belongs to it, if any; a mapping that is not needed is left in
 * *mapping. */
static err_t map_marker(struct vm_space *s, struct vrange range, uint32_t marker,
			struct vm_mapping **mapping)
{
	struct tlb_batch gone __uninitialized;
	struct cursor c __uninitialized;
	err_t err = is_occupied(s, range) ? ERR_IN_USE : open_to_change(s, &c, range, &gone);

	if (err != OK)
		return err;
	err = cursor_set_marker(&c, range.len, marker);
	if (err != OK)
		take_back(&c, range);
	else if (mapping != NULL)
		*mapping = vm_mapping_add(*mapping);
	close_changed(&c, &gone);
	return err;
}

err_t vm_space_map(struct vm_space *s, struct vrange range, unsigned rights, unsigned largest)
{
	if (!range_ok(s, range) || !rights_ok(rights) || largest < 1 || largest > PT_LEAF_LEVEL_MAX)
		return ERR_BAD_RANGE;
	return map_marker(s, range, vm_marker_anon(rights, largest), NULL);
}

err_t vm_space_guard(struct vm_space *s, struct vrange range)
{
	return range_ok(s, range) ? map_marker(s, range, VM_GUARD, NULL) : ERR_BAD_RANGE;
}

err_t vm_space_map_object(struct vm_space *s, struct vrange range, struct vm_object *object,
			  uint64_t offset, unsigned rights)
{
	unsigned flags = with_denials(rights);
	struct vm_view view = { object, offset, range.len,
				(rights & VM_COPY) != 0 ? VM_PRIVATE : VM_SHARED };
	struct vm_mapping *m;
	err_t err;

	if (!range_ok(s, range) || !rights_ok(rights & ~(unsigned)(VM_MAY | VM_COPY)) ||
	    offset % PAGE_SIZE != 0 || !vm_object_has(object, offset, range.len))
		return ERR_BAD_RANGE;
	m = vm_mapping_new(s, range, &view);
	if (m == NULL)
		return ERR_NO_MEMORY;
	err = map_marker(s, range, vm_marker_object(flags), &m);
	vm_mapping_free(m);
	return err;
}

err_t vm_space_map_frame(struct vm_space *s, vaddr_t va, struct frame *f, unsigned rights)
{
	struct vrange range = { va, (uint64_t)PAGE_SIZE << frame_order(f) };
	unsigned flags = with_denials(rights) | PROP_USER | PROP_SHARED;
	struct tlb_batch gone __uninitialized;
	struct cursor c __uninitialized;
	err_t err;

	if (!range_ok(s, range) || !rights_ok(rights & ~(unsigned)VM_MAY))
		return ERR_BAD_RANGE;
	err = open_to_change(s, &c, range, &gone);
	if (err != OK)
		return err;
	err = cursor_map(&c, f, (struct page_prop){ (uint16_t)flags, MEM_WRITE_BACK });
	close_changed(&c, &gone);
	return err;
}

/* ---- unmap, protect ---- */

/* Split the entry that spans va, if one does, so that one starts at va. */
static err_t split_at(struct vm_space *s, vaddr_t va)
{
	struct tlb_batch gone __uninitialized;
	struct cursor c __uninitialized;
	unsigned level;
	err_t err;

	if (page_table_lookup(&s->table, va, &level) == 0 || va % pte_span(level) == 0)
		return OK;
	err = open_to_change(s, &c, (struct vrange){ va, PAGE_SIZE }, &gone);
	if (err != OK)
		return err;
	err = cursor_split(&c);
	close_changed(&c, &gone);
	return err;
}

static err_t split_ends(struct vm_space *s, struct vrange range)
{
	vaddr_t end = range.start + range.len;
	err_t err = split_at(s, range.start);

	return err == OK && end != s->end ? split_at(s, end) : err;
}

/* What a protect changes. */
struct vm_change {
	struct pt_change pt;
	uint32_t marker_denied;
};

/* Lock a range to unmap it, with a spare mapping if one is split. */
static err_t open_to_cut(struct vm_space *s, struct cursor *c, struct vrange range,
			 struct tlb_batch *gone, struct vm_cut *cut)
{
	err_t err;

	while ((err = open_to_change(s, c, range, gone)) == OK && cut->spare == NULL &&
	       vm_mappings_splits(&s->mappings, range)) {
		close_changed(c, gone);
		cut->spare = vm_mapping_new(s, range, &(struct vm_view){ .object = NULL });
		if (cut->spare == NULL)
			return ERR_NO_MEMORY;
	}
	return err;
}

/* unmap_piece() of a space with mappings of objects. */
static __noinline err_t unmap_and_cut(struct vm_space *s, struct vrange piece, uint64_t *done)
{
	struct vm_cut cut = { .spare = NULL };
	struct tlb_batch gone __uninitialized;
	struct cursor c __uninitialized;
	err_t err = open_to_cut(s, &c, piece, &gone, &cut);

	if (err == OK) {
		err = cursor_unmap(&c, piece.len);
		piece.len = bytes_done(&c, piece);
		*done += piece.len;
		/* before a truncation finds no mapping here: no CPU has the pages any more */
		tlb_batch_invalidate(&gone);
		/* what stops an unmap is a large page, behind every mapping that it has met */
		vm_mappings_cut(&s->mappings, piece, &cut);
		close_changed(&c, &gone);
	}
	vm_cut_finish(&cut);
	return err;
}

/* Unmap a piece with one range lock; adds the bytes done to *done. */
static __noinline err_t unmap_piece(struct vm_space *s, struct vrange piece, uint64_t *done)
{
	struct tlb_batch gone __uninitialized;
	struct cursor c __uninitialized;
	err_t err = open_to_change(s, &c, piece, &gone);

	if (err != OK)
		return err;
	if (vm_mappings_exist(&s->mappings)) {
		close_changed(&c, &gone);
		return unmap_and_cut(s, piece, done);
	}
	err = cursor_unmap(&c, piece.len);
	*done += bytes_done(&c, piece);
	close_changed(&c, &gone);
	return err;
}

/* Protect a piece likewise. */
static __noinline err_t protect_piece(struct vm_space *s, struct vrange piece,
				      const struct vm_change *change, uint64_t *done)
{
	struct tlb_batch gone __uninitialized;
	struct cursor c __uninitialized;
	err_t err = open_to_change(s, &c, piece, &gone);

	if (err != OK)
		return err;
	err = cursor_protect_unless(&c, piece.len, &change->pt, change->marker_denied);
	*done += bytes_done(&c, piece);
	close_changed(&c, &gone);
	return err;
}

/* Protect or, with change NULL, unmap a piece. */
static inline err_t change_piece(struct vm_space *s, struct vrange piece,
				 const struct vm_change *change, uint64_t *done)
{
	return change == NULL ? unmap_piece(s, piece, done) : protect_piece(s, piece, change, done);
}

/* Split the entries that cross the ends of the range, then protect or unmap piece by piece. */
static __noinline err_t change_pieces(struct vm_space *s, struct vrange range,
				      const struct vm_change *change, uint64_t *done)
{
	err_t err = split_ends(s, range);

	while (err == OK && *done < range.len) {
		vaddr_t va = range.start + *done;
		struct vrange piece = { va, vm_space_piece(s, va, range.len - *done) };

		if (change == NULL)
			piece.len = vm_mappings_piece(&s->mappings, piece);
		err = change_piece(s, piece, change, done);
	}
	return err;
}

static inline err_t change_range(struct vm_space *s, struct vrange range,
				 const struct vm_change *change, uint64_t *done)
{
	*done = 0;
	/* fast path: a page has an entry of its own in most cases.  The change is all or nothing.
	 */
	return range.len == PAGE_SIZE ? change_piece(s, range, change, done)
				      : change_pieces(s, range, change, done);
}

err_t vm_space_unmap(struct vm_space *s, struct vrange range, uint64_t *done)
{
	*done = 0;
	if (!range_ok(s, range))
		return ERR_BAD_RANGE;
	vm_stat_add(&this_cpu_ptr(vm_stats)->unmaps);
	return change_range(s, range, NULL, done);
}

err_t vm_space_protect(struct vm_space *s, struct vrange range, unsigned rights, uint64_t *done)
{
	unsigned copy = (rights & PROP_WRITE) != 0 ? PROP_COPY : 0u;
	struct vm_change change = {
		.pt = { .prop = { (uint16_t)(rights | PROP_USER | copy), MEM_WRITE_BACK },
			.marker_keep = ~(uint32_t)VM_MARKER_RIGHTS,
			.marker_set = vm_marker_rights(rights) },
		.marker_denied = ((rights & PROP_WRITE) != 0 ? VM_MARKER_DENY_WRITE : 0u) |
				 ((rights & PROP_EXECUTE) != 0 ? VM_MARKER_DENY_EXECUTE : 0u),
	};

	*done = 0;
	if (!range_ok(s, range) || !rights_ok(rights))
		return ERR_BAD_RANGE;
	vm_stat_add(&this_cpu_ptr(vm_stats)->protects);
	return change_range(s, range, &change, done);
}

/* Collapse the page of 2 MiB at va, if it can be: mappings of objects have small pages alone, and
 * frames that are shared are given and taken one by one. */
static err_t collapse_page(struct vm_space *s, vaddr_t va)
{
	struct tlb_batch gone __uninitialized;
	struct cursor c __uninitialized;
	err_t err = open_to_change(s, &c, (struct vrange){ va, PT_LARGE_BYTES }, &gone);
	struct vm_view view;
	vaddr_t at;

	if (err != OK)
		return err;
	if ((cursor_query(&c).prop.flags & PROP_SHARED) != 0 ||
	    (vm_mappings_next(&s->mappings, va, &at, &view) && at - va < PT_LARGE_BYTES))
		err = ERR_IN_USE;
	else
		err = cursor_collapse(&c, 2);
	close_changed(&c, &gone);
	return err;
}

err_t vm_space_collapse(struct vm_space *s, struct vrange range, uint64_t *collapsed)
{
	vaddr_t end = range.start + range.len, va = align_up(range.start, PT_LARGE_BYTES);

	*collapsed = 0;
	if (!range_ok(s, range))
		return ERR_BAD_RANGE;
	for (; va < end && end - va >= PT_LARGE_BYTES; va += PT_LARGE_BYTES) {
		struct pt_item item;

		/* a page whose beginning is absent is left out, too */
		va = align_up(page_table_next(&s->table, va, end), PT_LARGE_BYTES);
		if (va >= end || end - va < PT_LARGE_BYTES)
			break;
		item = page_table_query(&s->table, va);
		if (item.kind == PT_ITEM_LEAF && item.level == 1 && collapse_page(s, va) == OK)
			++*collapsed;
		else if (item.len > PT_LARGE_BYTES)
			va = item.start + item.len - PT_LARGE_BYTES;
	}
	return OK;
}

void vm_space_clear(struct vm_space *s)
{
	struct vrange all = { s->start, s->end - s->start };
	uint64_t done;

	/* No entry crosses the ends of the half.  Retry if another CPU maps an entry across the end
	 * of a piece after vm_space_piece() has read it: the next call puts that entry in one
	 * piece. */
	while (change_range(s, all, NULL, &done) != OK)
		;
}

struct pt_item vm_space_query(const struct vm_space *s, vaddr_t va)
{
	if (va >= s->end)
		return (struct pt_item){ .start = align_down(va, PAGE_SIZE),
					 .len = PAGE_SIZE,
					 .level = 1 };
	return page_table_query(&s->table, va);
}

/* ---- pin ---- */

/* Split the page that contains va down to 4 KiB. */
static err_t split_page(struct vm_space *s, vaddr_t va)
{
	err_t err = split_at(s, va);

	return err == OK && va + PAGE_SIZE < s->end ? split_at(s, va + PAGE_SIZE) : err;
}

err_t vm_space_pin(struct vm_space *s, vaddr_t va, enum fault_access access, struct frame **out)
{
	va = align_down(va, PAGE_SIZE);
	for (;;) {
		err_t err = vm_space_handle_fault(s, va, access);

		if (err != OK)
			return err;
		err = vm_fault_pin(s, va, access, out);
		if (err == ERR_IN_USE)
			err = split_page(s, va);
		else if (err == OK || (err != ERR_BUSY && err != ERR_NOT_FOUND))
			return err;
		if (err != OK && err != ERR_BUSY && err != ERR_NOT_FOUND)
			return err;
		vm_space_wait_for_fork(s); /* or the page is being unmapped */
	}
}

void vm_space_unpin(struct frame *f)
{
	frame_unpin(f);
}
