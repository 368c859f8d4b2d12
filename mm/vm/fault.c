/* SPDX-License-Identifier: MIT */
/* fault.c - page faults: anonymous memory, copy-on-write, objects, large pages. */
#include "mm/vm/fault.h"

#include "kern/lock.h"
#include "lib/bits.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "mm/pt/spot.h"

static paddr_t zero_page; /* (c) after vm_fault_init() */

err_t vm_fault_init(void)
{
	struct frame *f = frame_alloc(FRAME_KERNEL);

	if (f == NULL)
		return ERR_NO_MEMORY;
	zero_page = frame_into_raw(f);
	memset(arch_direct(zero_page), 0, PAGE_SIZE);
	return OK;
}

paddr_t vm_zero_page(void)
{
	return zero_page;
}

/* ---- access rights ---- */

static bool allows(unsigned flags, enum fault_access access)
{
	switch (access) {
	case FAULT_READ: return (flags & PROP_READ) != 0;
	case FAULT_WRITE: return (flags & PROP_WRITE) != 0;
	case FAULT_EXECUTE: return (flags & PROP_EXECUTE) != 0;
	}
	return false;
}

/* The error for an access to an absent page with this marker; OK: the access is allowed. */
static inline err_t refusal(uint32_t marker, enum fault_access access)
{
	if (unlikely(vm_marker_kind(marker) == VM_GUARD))
		return ERR_NOT_FOUND;
	return likely(allows(vm_marker_prop(marker), access)) ? OK : ERR_DENIED;
}

/* ---- 4 KiB pages; the node of the entry is locked ---- */

/* One fault. */
struct job {
	struct vm_space *space;
	vaddr_t va;
	enum fault_access access;
	/* a page that must be brought, when ERR_BUSY is returned: its object, with a count, or
	 * NULL */
	struct vm_object *brings;
	uint64_t offset;
	/* likewise: the leaf of the zero page, and the marker in whose place it came, if their node
	 * may become a large page; no marker is 0 */
	pte_t zeros;
	uint32_t zeros_marker;
	bool is_small; /* it may not: 4 KiB are copied */
};

static inline struct page_prop prop_of(unsigned flags)
{
	return (struct page_prop){ (uint16_t)flags, MEM_WRITE_BACK };
}

/* Put a leaf that owns the frame in the place of the marker at `offset`. */
static inline void map_own(const struct pt_spot *spot, int offset, struct frame *f, unsigned flags)
	__takes(3)
{
	pt_spot_map_at(spot, offset, frame_into_raw(f), prop_of(flags | PROP_USER | PROP_TRACKED));
}

/* Read fault on an untouched anonymous page: map the shared zero page, copy-on-write if writable.
 */
static err_t map_zero_page(const struct pt_spot *spot, uint32_t marker)
{
	unsigned flags = vm_marker_prop(marker);

	if ((flags & PROP_WRITE) != 0)
		flags ^= PROP_WRITE | PROP_COPY;
	flags |= PROP_USER | PROP_ACCESSED | PROP_FORKED;
	vm_stat_add(&this_cpu_ptr(vm_stats)->zero_page);
	pt_spot_map_hint(spot, zero_page, prop_of(flags), vm_marker_largest(marker));
	return OK;
}

__owns static struct frame *zeroed_frame(void)
{
	struct frame *f = frame_alloc(FRAME_USER);

	if (likely(f != NULL))
		memset(arch_direct(frame_paddr(f)), 0, PAGE_SIZE);
	return f;
}

/* The number of contiguous present pages directly before `index`, at most VM_FAULT_AROUND_MAX. */
static unsigned pages_before(const struct pt_spot *spot, unsigned index)
{
	unsigned max = index < VM_FAULT_AROUND_MAX ? index : VM_FAULT_AROUND_MAX, n = 0;

	while (n < max && pt_spot_is_leaf_at(spot, -(int)n - 1))
		n++;
	return n;
}

/* Fault-around: map up to `max` following pages of the same node, while their markers are equal to
 * that of the faulting page and frames are available.  A sequential writer takes one fault for a
 * growing number of pages. */
static __noinline void fault_around(const struct job *j, const struct pt_spot *spot, unsigned flags,
				    unsigned max)
{
	unsigned left = PT_NODE_ENTRIES - 1 - pte_index(j->va, 1);

	max = max < left ? max : left;
	for (int i = 1; i <= (int)max; i++) {
		struct frame *f;

		if (!pt_spot_is_same_at(spot, i))
			return;
		f = zeroed_frame();
		if (f == NULL)
			return;
		map_own(spot, i, f, flags);
		vm_stat_add(&this_cpu_ptr(vm_stats)->ahead);
	}
}

static err_t map_zeroed(const struct job *j, const struct pt_spot *spot, unsigned flags)
{
	struct frame *f;
	unsigned before = pages_before(spot, pte_index(j->va, 1));

	if (vm_space_is_forking(j->space))
		return ERR_BUSY;
	f = zeroed_frame();
	if (f == NULL)
		return ERR_NO_MEMORY;
	vm_stat_add(&this_cpu_ptr(vm_stats)->zeroed);
	map_own(spot, 0, f, flags | PROP_ACCESSED | PROP_DIRTY);
	if (before != 0)
		fault_around(j, spot, flags, before);
	return OK;
}

/* A write to a private mapping: map a copy of the object's page. */
static err_t map_object_copy(const struct job *j, const struct pt_spot *spot,
			     const struct frame *page, unsigned flags)
{
	struct frame *f;

	if (vm_space_is_forking(j->space))
		return ERR_BUSY;
	f = frame_alloc(FRAME_USER);
	if (f == NULL)
		return ERR_NO_MEMORY;
	memcpy(arch_direct(frame_paddr(f)), arch_direct(frame_paddr(page)), PAGE_SIZE);
	vm_stat_add(&this_cpu_ptr(vm_stats)->copied);
	map_own(spot, 0, f, flags | PROP_ACCESSED | PROP_DIRTY);
	return OK;
}

/* Map the object's page, of which the leaf receives the caller's count. */
static void map_object_leaf(const struct pt_spot *spot, struct frame *page, unsigned flags,
			    enum vm_sharing sharing)
{
	if (sharing == VM_SHARED)
		flags |= PROP_SHARED;
	else if ((flags & PROP_WRITE) != 0)
		flags ^= PROP_WRITE | PROP_COPY | PROP_FORKED;
	else
		flags |= PROP_FORKED;
	vm_stat_add(&this_cpu_ptr(vm_stats)->object);
	map_own(spot, 0, page, flags | PROP_ACCESSED);
}

/* Map a page of an object; the object's table keeps its own count of the frame. */
static err_t map_object_page(struct job *j, const struct pt_spot *spot, uint32_t marker)
{
	unsigned flags = vm_marker_prop(marker);
	struct frame *page;
	struct vm_view view;
	err_t err;

	if (!vm_mappings_find(&j->space->mappings, j->va, &view))
		return ERR_NOT_FOUND; /* against A4 */
	page = vm_object_page(view.object, view.offset, &err);
	if (err == ERR_BUSY) {
		vm_object_get(view.object);
		j->brings = view.object;
		j->offset = view.offset;
	}
	if (page == NULL)
		return err;
	if (view.sharing == VM_SHARED || j->access != FAULT_WRITE) {
		map_object_leaf(spot, page, flags, view.sharing);
		return OK;
	}
	err = map_object_copy(j, spot, page, flags);
	frame_put(page);
	return err;
}

static err_t fault_anon(struct job *j, const struct pt_spot *spot)
{
	uint32_t marker = pt_spot_marker(spot);
	err_t err = refusal(marker, j->access);

	if (err != OK)
		return err;
	if (vm_marker_kind(marker) == VM_OBJECT)
		return map_object_page(j, spot, marker);
	return j->access == FAULT_WRITE ? map_zeroed(j, spot, vm_marker_prop(marker))
					: map_zero_page(spot, marker);
}

/* Copy-on-write: map a copy of the frame, read-only until no CPU can read the old one: a CPU that
 * sees a later store to another page must not read the old frame afterwards (mm/pt/batch.h).  Only
 * then is the old frame put. */
static err_t cow_copy(const struct job *j, const struct pt_spot *spot)
{
	bool zeros = pt_spot_paddr(spot).raw == zero_page.raw;
	struct frame *f = zeros ? zeroed_frame() : frame_alloc(FRAME_USER);
	struct tlb_pages pages __uninitialized;

	if (f == NULL)
		return ERR_NO_MEMORY;
	if (!zeros)
		memcpy(arch_direct(frame_paddr(f)), arch_direct(pt_spot_paddr(spot)), PAGE_SIZE);
	pt_spot_map_copy(spot, frame_into_raw(f));
	tlb_pages_init(&pages);
	tlb_pages_add(&pages, align_down(j->va, PAGE_SIZE), 1);
	shootdown_run(&j->space->tlb, &pages);
	if (pt_spot_needs_copy(spot))
		pt_spot_allow_write(spot);
	if (pt_spot_is_tracked(spot))
		frame_put(pt_spot_frame(spot));
	vm_stat_add(zeros ? &this_cpu_ptr(vm_stats)->zeroed : &this_cpu_ptr(vm_stats)->copied);
	return OK;
}

/* The marker in whose place a leaf of the zero page came. */
static uint32_t marker_of_zeros(const struct pt_spot *spot)
{
	unsigned flags = pt_spot_prop(spot).flags;

	flags |= (flags & PROP_COPY) != 0 ? PROP_WRITE : 0u;
	return vm_marker_anon(flags & PROP_RIGHTS, pt_spot_hint(spot));
}

/* Whether a write to the zero page may give a large page instead: its mapping allows one, and no
 * page of the node was written. */
static bool may_become_large(const struct job *j, const struct pt_spot *spot)
{
	return pt_spot_hint(spot) > 1 && !j->is_small &&
	       pt_spot_node_is_untouched(spot, marker_of_zeros(spot));
}

static err_t fault_cow(struct job *j, const struct pt_spot *spot)
{
	if (j->access == FAULT_WRITE && pt_spot_needs_copy(spot)) {
		if (vm_space_is_forking(j->space))
			return ERR_BUSY;
		if (unlikely(may_become_large(j, spot))) {
			j->zeros = spot->pte;
			j->zeros_marker = marker_of_zeros(spot);
			return ERR_BUSY;
		}
		if (!pt_spot_is_sole_owner(spot))
			return cow_copy(j, spot);
		pt_spot_reuse(spot);
		vm_stat_add(&this_cpu_ptr(vm_stats)->reused);
		return OK;
	}
	if (!allows(pt_spot_prop(spot).flags, j->access))
		return ERR_DENIED;
	vm_stat_add(&this_cpu_ptr(vm_stats)->spurious);
	return OK;
}

/* Give the space a private frame of its own, with the same rights. */
static err_t unshare_spot(const struct job *j, const struct pt_spot *spot)
{
	if (!pt_spot_is_leaf(spot))
		return ERR_NOT_FOUND;
	if (pt_spot_is_shared(spot) || pt_spot_is_sole_owner(spot))
		return OK;
	return vm_space_is_forking(j->space) ? ERR_BUSY : cow_copy(j, spot);
}

/* Whether the access is allowed, to a copy of the page if need be. */
static bool spot_allows(const struct pt_spot *spot, enum fault_access access)
{
	return allows(pt_spot_prop(spot).flags, access) ||
	       (access == FAULT_WRITE && pt_spot_needs_copy(spot) && !pt_spot_is_shared(spot));
}

/* The locked leaf is the space's own, or shared. */
static err_t pin_spot(struct pt_spot *spot, enum fault_access access, struct frame **pinned)
{
	err_t err;

	pt_spot_read(spot);
	if (!spot_allows(spot, access))
		return ERR_BUSY;
	*pinned = pt_spot_frame(spot);
	err = frame_pin(*pinned);
	if (err == OK)
		pt_spot_set_pinned(spot);
	return err;
}

/* vm_fault_pin(), or with `pinned` NULL vm_fault_unshare(). */
static err_t unshare_and_pin(struct vm_space *s, vaddr_t va, enum fault_access access,
			     struct frame **pinned)
{
	const struct job j = { .space = s, .va = va, .access = FAULT_WRITE };
	struct pt_spot spot __uninitialized;
	uintptr_t irq = arch_irq_save();
	err_t err = ERR_IN_USE;

	pt_spot_lock(&spot, &s->table, va);
	if (spot.level == 1)
		err = unshare_spot(&j, &spot);
	if (err == OK && pinned != NULL)
		err = pin_spot(&spot, access, pinned);
	pt_spot_unlock(&spot);
	arch_irq_restore(irq);
	return err;
}

err_t vm_fault_unshare(struct vm_space *s, vaddr_t va)
{
	return unshare_and_pin(s, va, FAULT_READ, NULL);
}

err_t vm_fault_pin(struct vm_space *s, vaddr_t va, enum fault_access access, struct frame **pinned)
{
	return unshare_and_pin(s, va, access, pinned);
}

static err_t fault_spot(struct job *j, const struct pt_spot *spot)
{
	if (likely(pt_spot_is_leaf(spot)))
		return fault_cow(j, spot);
	return pt_spot_is_empty(spot) ? ERR_NOT_FOUND : fault_anon(j, spot);
}

/* ---- large pages, and markers that have no level-1 node yet ---- */

/* The locked range, and memory allocated for it. */
struct locked {
	struct cursor cursor;
	struct tlb_batch gone;
	struct frame *large; /* a zeroed block of the size of the locked page, or NULL */
};

/* Map the block at the cursor. */
static err_t map_large(struct locked *h, struct page_prop prop, unsigned level)
{
	err_t err;

	prop.flags |= PROP_USER | PROP_TRACKED | PROP_ACCESSED;
	err = cursor_replace(&h->cursor, frame_paddr(h->large), prop, level);
	if (err == OK)
		h->large = NULL;
	return err;
}

/* Write fault on a copy-on-write large leaf.  Its only owner gets the right back.  Otherwise the
 * page is split and the fault retried, so that 4 KiB are copied: the rest stays shared, and no more
 * memory is needed than for a small page and the nodes above it. */
static err_t cow_large(struct locked *h)
{
	err_t err;

	if (cursor_reuse(&h->cursor) == OK) {
		vm_stat_add(&this_cpu_ptr(vm_stats)->reused);
		return OK;
	}
	err = cursor_split_page(&h->cursor);
	return err == OK ? ERR_BUSY : err;
}

static err_t fault_large_cow(const struct job *j, struct locked *h, const struct pt_item *item)
{
	if (j->access == FAULT_WRITE && (item->prop.flags & PROP_COPY) != 0)
		return cow_large(h);
	if (!allows(item->prop.flags, j->access))
		return ERR_DENIED;
	vm_stat_add(&this_cpu_ptr(vm_stats)->spurious);
	return OK;
}

/* The marker's entry is of level `held` or above; if `held` is 1, of level 2 or above. */
static err_t fault_large_anon(const struct job *j, struct locked *h, const struct pt_item *item,
			      unsigned held)
{
	struct page_prop prop = prop_of(vm_marker_prop(item->marker));
	err_t err = refusal(item->marker, j->access);

	if (err != OK)
		return err;
	if (held == 1) {
		err = cursor_deepen(&h->cursor, 1);
		return err == OK ? ERR_BUSY : err;
	}
	prop.flags |= PROP_DIRTY;
	vm_stat_add(&this_cpu_ptr(vm_stats)->zeroed_large);
	return map_large(h, prop, held);
}

/* ---- locking and allocation ---- */

/* The level of the page that this fault should map, at most `max`. */
static unsigned level_to_lock(const struct job *j, const struct pt_item *item, unsigned max)
{
	unsigned largest;

	if (item->kind != PT_ITEM_MARKER || j->access != FAULT_WRITE)
		return 1;
	if (vm_marker_kind(item->marker) != VM_ANON || refusal(item->marker, j->access) != OK)
		return 1;
	largest = vm_marker_largest(item->marker);
	largest = largest < max ? largest : max;
	return item->level < largest ? item->level : largest;
}

/* Lock the page of `level` that contains va; returns the item at va. */
static struct pt_item lock_page(struct vm_space *s, struct locked *h, vaddr_t va, unsigned level)
{
	struct vrange range = { align_down(va, pte_span(level)), pte_span(level) };
	err_t err;

	tlb_batch_init(&h->gone, &s->tlb);
	err = cursor_open(&h->cursor, &s->table, range, &h->gone);
	if (err == OK && level > 1)
		err = cursor_jump(&h->cursor, align_down(va, PAGE_SIZE));
	ASSERT(err == OK); /* the caller has checked the address */
	return cursor_query(&h->cursor);
}

static void unlock_page(struct locked *h)
{
	cursor_close(&h->cursor);
	tlb_batch_finish(&h->gone);
}

static void put_large(struct locked *h)
{
	if (h->large != NULL)
		frame_put(h->large);
	h->large = NULL;
}

/* Allocate the zeroed block for a page of `level`.  The range is not locked.  False: no memory. */
static bool get_large(struct locked *h, unsigned level)
{
	put_large(h);
	if (level == 1)
		return true;
	h->large = frame_try_alloc_block(FRAME_USER, pt_page_order(level));
	if (h->large != NULL)
		memset(arch_direct(frame_paddr(h->large)), 0, pte_span(level));
	return h->large != NULL;
}

/* Handle the fault with the page of level `held` locked. */
static err_t fault_locked(const struct job *j, struct locked *h, unsigned held)
{
	struct pt_item item;
	err_t err = cursor_jump(&h->cursor, h->cursor.start);

	ASSERT(err == OK);
	if (j->access == FAULT_WRITE && vm_space_is_forking(j->space))
		return ERR_BUSY;
	item = cursor_query(&h->cursor);
	if (item.kind == PT_ITEM_ABSENT)
		return ERR_NOT_FOUND;
	if (item.level == 1)
		return ERR_BUSY; /* another CPU has added a level-1 node */
	return item.kind == PT_ITEM_MARKER ? fault_large_anon(j, h, &item, held)
					   : fault_large_cow(j, h, &item);
}

/* ERR_BUSY: the entry has changed; retry the fault. */
static err_t fault_large(const struct job *j)
{
	struct locked h __uninitialized;
	unsigned held = 1, max = arch_pt_leaf_level_max();
	err_t err = OK;

	h.large = NULL;
	for (;;) {
		struct pt_item item = lock_page(j->space, &h, j->va, held);
		unsigned want = level_to_lock(j, &item, max);

		if (want == held) {
			err = fault_locked(j, &h, held);
			unlock_page(&h);
			break;
		}
		unlock_page(&h);
		if (get_large(&h, want))
			held = want;
		else
			max = want - 1;
	}
	put_large(&h);
	return err;
}

/* A write to the zero page in a node that was only read: map a large page instead, so that a read
 * before the first write does not cost it.  ERR_BUSY: retry, with a small page if there is no
 * block, or another CPU has written to the node. */
static err_t fault_zeros(struct job *j)
{
	struct page_prop prop = prop_of(vm_marker_prop(j->zeros_marker) | PROP_USER | PROP_TRACKED |
					PROP_ACCESSED | PROP_DIRTY);
	struct locked h = { .large = NULL };
	err_t err = ERR_IN_USE;

	if (arch_pt_leaf_level_max() >= 2 && get_large(&h, 2)) {
		(void)lock_page(j->space, &h, j->va, 2);
		err = cursor_jump(&h.cursor, h.cursor.start);
		if (err == OK && vm_space_is_forking(j->space))
			err = ERR_BUSY;
		if (err == OK)
			err = cursor_replace_untouched(&h.cursor, frame_paddr(h.large), prop,
						       j->zeros, j->zeros_marker);
		if (err == OK) {
			h.large = NULL;
			vm_stat_add(&this_cpu_ptr(vm_stats)->zeroed_large);
		}
		unlock_page(&h);
	}
	put_large(&h);
	j->zeros_marker = 0;
	j->is_small = err == ERR_IN_USE;
	return err == OK ? OK : ERR_BUSY;
}

/* ---- faults ---- */

static __cold err_t count_failure(err_t err)
{
	if (err == ERR_NO_MEMORY)
		vm_stat_add(&this_cpu_ptr(vm_stats)->no_memory);
	else
		vm_stat_add(&this_cpu_ptr(vm_stats)->refused);
	return err;
}

/* Wait with nothing locked for the page that the fault needs.  ERR_BUSY: retry. */
static __cold err_t wait_for_page(struct job *j)
{
	err_t err = vm_object_fetch(j->brings, j->offset);
	uintptr_t irq;

	vm_object_put(j->brings);
	j->brings = NULL;
	if (err != OK)
		return err;
	irq = arch_irq_save();
	vm_stat_add(&this_cpu_ptr(vm_stats)->brought);
	arch_irq_restore(irq);
	return ERR_BUSY;
}

/* The fault needs a larger range locked, the end of a fork, or a page that a pager brings.
 * ERR_BUSY: retry; ERR_IN_USE: what it waits for may wait for this CPU, whose interrupts are off.
 */
static __noinline err_t fault_busy(struct job *j)
{
	if (j->brings != NULL)
		return wait_for_page(j);
	if (j->zeros_marker != 0)
		return fault_zeros(j);
	if (j->access != FAULT_WRITE || !vm_space_is_forking(j->space))
		return fault_large(j);
	if (arch_irq_is_off())
		return ERR_IN_USE;
	vm_space_wait_for_fork(j->space);
	return ERR_BUSY;
}

err_t vm_space_handle_fault(struct vm_space *s, vaddr_t va, enum fault_access access)
{
	struct job j = { .space = s, .va = va, .access = access };
	struct pt_spot spot __uninitialized;
	err_t err;

	if (va < s->start || va >= s->end)
		return count_failure(ERR_NOT_FOUND);
	do {
		uintptr_t irq = arch_irq_save();

		pt_spot_lock(&spot, &s->table, va);
		err = likely(spot.level == 1) ? fault_spot(&j, &spot) : ERR_BUSY;
		pt_spot_unlock(&spot);
		arch_irq_restore(irq);
		if (unlikely(err == ERR_BUSY))
			err = fault_busy(&j);
	} while (unlikely(err == ERR_BUSY));
	return likely(err == OK) ? OK : count_failure(err);
}
