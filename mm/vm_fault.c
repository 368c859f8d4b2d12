/* SPDX-License-Identifier: MIT */
/* vm_fault.c - what becomes of an access that was refused. */
#include "mm/vm_fault.h"

#include "lib/bits.h"
#include "lib/panic.h"
#include "lib/string.h"

static struct frame *zero_frame;

err_t vm_fault_init(void)
{
	zero_frame = frame_alloc(FRAME_KERNEL);
	if (zero_frame == NULL)
		return ERR_NO_MEMORY;
	memset(arch_direct(frame_paddr(zero_frame)), 0, PAGE_SIZE);
	return OK;
}

paddr_t vm_zero_page(void)
{
	return frame_paddr(zero_frame);
}

/* One fault, or what else needs a page of the space's own. */
struct job {
	struct vm_space *space;
	enum fault_access access;
	struct cursor cursor;
	struct tlb_batch gone;
	struct frame *large; /* a block of the size that is held, or NULL */
};

/* The block behind a large leaf, any page of which the item may begin at. */
static struct frame *block_behind(const struct pt_item *item)
{
	return frame_of_slot(
		meta_slot_of(paddr_to_pfn(paddr(align_down(item->pa.raw, pte_span(item->level))))));
}

/* ---- a page of one's own ---- */

/* Map `f`, a page of `level` and the caller's, where the cursor stands. */
static err_t map_own(struct job *j, struct frame *f, struct page_prop prop, unsigned level)
{
	err_t err;

	prop.flags |= PROP_USER | PROP_TRACKED | PROP_ACCESSED;
	err = cursor_replace(&j->cursor, frame_paddr(f), prop, level);
	if (err != OK)
		frame_put(f);
	return err;
}

static err_t map_zeroed(struct job *j, struct page_prop prop)
{
	struct frame *f = frame_alloc(FRAME_USER);

	if (f == NULL)
		return ERR_NO_MEMORY;
	memset(arch_direct(frame_paddr(f)), 0, PAGE_SIZE);
	vm_total_add(&this_cpu_ptr(vm_totals)->zeroed);
	return map_own(j, f, prop, 1);
}

static err_t map_zeroed_large(struct job *j, struct page_prop prop, unsigned level)
{
	struct frame *f = j->large;

	j->large = NULL;
	vm_total_add(&this_cpu_ptr(vm_totals)->zeroed_large);
	return map_own(j, f, prop, level);
}

/* Whatever reads of a page that nobody has written get. */
static err_t map_zero_page(struct job *j, struct page_prop prop)
{
	if ((prop.flags & PROP_WRITE) != 0)
		prop.flags ^= PROP_WRITE | PROP_COPY;
	prop.flags |= PROP_USER | PROP_ACCESSED;
	vm_total_add(&this_cpu_ptr(vm_totals)->zero_page);
	return cursor_replace(&j->cursor, vm_zero_page(), prop, 1);
}

static err_t map_copy(struct job *j, const struct pt_item *item, struct page_prop prop)
{
	struct frame *f = frame_alloc(FRAME_USER);

	if (f == NULL)
		return ERR_NO_MEMORY;
	memcpy(arch_direct(frame_paddr(f)), arch_direct(item->pa), PAGE_SIZE);
	vm_total_add(&this_cpu_ptr(vm_totals)->copied);
	return map_own(j, f, prop, 1);
}

static err_t map_copy_large(struct job *j, const struct pt_item *item, struct page_prop prop)
{
	struct frame *f = j->large;

	j->large = NULL;
	memcpy(arch_direct(frame_paddr(f)), arch_direct(item->pa), pte_span(item->level));
	vm_total_add(&this_cpu_ptr(vm_totals)->copied_large);
	return map_own(j, f, prop, item->level);
}

/* ---- what a fault finds ---- */

static bool allows(unsigned flags, enum fault_access access)
{
	switch (access) {
	case FAULT_READ: return true;
	case FAULT_WRITE: return (flags & PROP_WRITE) != 0;
	case FAULT_EXECUTE: return (flags & PROP_EXECUTE) != 0;
	}
	return false;
}

/* A page of an object; the object keeps its own count. */
static err_t map_object_page(struct job *j, uint32_t note)
{
	struct vm_object *o = vm_object_of(vm_note_object_number(note));
	struct page_prop prop = { (uint16_t)(vm_note_prop(note) | PROP_SHARED), MEM_WRITE_BACK };
	struct frame *f;
	err_t err = vm_object_page(o, j->cursor.va, &f);

	if (err != OK)
		return err;
	vm_total_add(&this_cpu_ptr(vm_totals)->object);
	return map_own(j, f, prop, 1);
}

static err_t meet_note(struct job *j, const struct pt_item *item, unsigned held)
{
	struct page_prop prop = { (uint16_t)vm_note_prop(item->note), MEM_WRITE_BACK };

	if (vm_note_kind(item->note) == VM_GUARD)
		return ERR_NOT_FOUND;
	if (!allows(prop.flags, j->access))
		return ERR_DENIED;
	if (vm_note_kind(item->note) == VM_OBJECT)
		return map_object_page(j, item->note);
	if (j->access != FAULT_WRITE)
		return map_zero_page(j, prop);
	prop.flags |= PROP_DIRTY;
	return held > 1 ? map_zeroed_large(j, prop, held) : map_zeroed(j, prop);
}

/* Write to a leaf whose frame may have others. */
static err_t meet_copy(struct job *j, const struct pt_item *item)
{
	struct page_prop prop = item->prop;

	if (cursor_take_over(&j->cursor) == OK) {
		vm_total_add(&this_cpu_ptr(vm_totals)->taken_over);
		return OK;
	}
	prop.flags = (uint16_t)((prop.flags & ~PROP_COPY) | PROP_WRITE | PROP_DIRTY);
	if (item->level > 1) /* without a block: it has others by now; the access comes again */
		return j->large == NULL ? OK : map_copy_large(j, item, prop);
	return item->pa.raw == vm_zero_page().raw ? map_zeroed(j, prop) : map_copy(j, item, prop);
}

static err_t meet_leaf(struct job *j, const struct pt_item *item)
{
	unsigned flags = item->prop.flags;

	if (allows(flags, j->access)) {
		vm_total_add(&this_cpu_ptr(vm_totals)->spurious);
		return OK;
	}
	if (j->access == FAULT_WRITE && (flags & PROP_COPY) != 0)
		return meet_copy(j, item);
	return ERR_DENIED;
}

/* ---- how much is held ---- */

/* The level of the page that this fault would best be answered with, at most `most`. */
static unsigned level_to_hold(const struct job *j, const struct pt_item *item, unsigned most)
{
	unsigned largest;

	if (item->kind == PT_ITEM_ABSENT || j->access != FAULT_WRITE)
		return 1;
	if (item->kind == PT_ITEM_LEAF)
		return (item->prop.flags & PROP_COPY) != 0 ? item->level : 1;
	if (vm_note_kind(item->note) != VM_ANON)
		return 1;
	largest = vm_note_largest(item->note);
	largest = largest < most ? largest : most;
	return item->level < largest ? item->level : largest;
}

/* Hold the page of `level` at va; what stands at va. */
static struct pt_item hold(struct job *j, vaddr_t va, unsigned level)
{
	struct vrange range = { align_down(va, pte_span(level)), pte_span(level) };
	err_t err;

	tlb_batch_init(&j->gone, &j->space->flush);
	err = cursor_open(&j->cursor, &j->space->table, range, &j->gone);
	if (err == OK && level > 1)
		err = cursor_jump(&j->cursor, align_down(va, PAGE_SIZE));
	ASSERT(err == OK); /* the caller looked at the address */
	return cursor_query(&j->cursor);
}

static void let_go(struct job *j)
{
	cursor_close(&j->cursor);
	tlb_batch_finish(&j->gone);
}

static void put_large(struct job *j)
{
	if (j->large != NULL)
		frame_put(j->large);
	j->large = NULL;
}

/* Nothing is held: have the block ready that a page of `level` takes; cleared, for zeros on demand.
 * A page that this space alone owns takes none.  False: no memory. */
static bool get_large(struct job *j, const struct pt_item *item, unsigned level)
{
	put_large(j);
	if (level == 1 ||
	    (item->kind == PT_ITEM_LEAF && frame_count(block_behind(item)) == 1))
		return true;
	j->large = frame_alloc_block(FRAME_USER, (level - 1) * PT_INDEX_BITS);
	if (j->large != NULL && item->kind == PT_ITEM_NOTE)
		memset(arch_direct(frame_paddr(j->large)), 0, pte_span(level));
	return j->large != NULL;
}

/* The item at va is known and held as one page. */
static err_t meet(struct job *j, unsigned held)
{
	struct pt_item item;
	err_t err = cursor_jump(&j->cursor, j->cursor.start);

	ASSERT(err == OK);
	item = cursor_query(&j->cursor);
	switch (item.kind) {
	case PT_ITEM_ABSENT: return ERR_NOT_FOUND;
	case PT_ITEM_NOTE: return meet_note(j, &item, held);
	case PT_ITEM_LEAF: return meet_leaf(j, &item);
	}
	return ERR_NOT_FOUND;
}

static void note_failure(err_t err)
{
	if (err == ERR_NO_MEMORY)
		vm_total_add(&this_cpu_ptr(vm_totals)->no_memory);
	else if (err != OK)
		vm_total_add(&this_cpu_ptr(vm_totals)->refused);
}

err_t vm_space_handle_fault(struct vm_space *s, vaddr_t va, enum fault_access access)
{
	struct job j __uninitialized;
	unsigned held = 1, most = arch_pt_leaf_level_most();
	err_t err = OK;

	if (va < PAGE_SIZE || va >= pt_half_bytes(s->table.levels))
		return ERR_NOT_FOUND;
	j.space = s;
	j.access = access;
	j.large = NULL;
	for (;;) {
		struct pt_item item = hold(&j, va, held);
		unsigned want = level_to_hold(&j, &item, most);

		if (likely(want == held))
			break;
		let_go(&j);
		if (get_large(&j, &item, want))
			held = want;
		else if (item.kind == PT_ITEM_NOTE)
			most = want - 1;
		else
			err = ERR_NO_MEMORY;
		if (err != OK)
			break;
	}
	if (err == OK) {
		err = meet(&j, held);
		let_go(&j);
	}
	put_large(&j);
	note_failure(err);
	return err;
}

/* ---- a large page of one's own ---- */

err_t vm_fault_own_large(struct vm_space *s, vaddr_t va)
{
	struct job j __uninitialized;
	struct pt_item item = page_table_query(&s->table, va);
	unsigned level = item.level;
	err_t err = OK;

	if (item.kind != PT_ITEM_LEAF || level == 1)
		return OK; /* somebody split it */
	if (level > 2 || (item.prop.flags & PROP_SHARED) != 0)
		return ERR_IN_USE;
	j.space = s;
	j.large = frame_alloc_block(FRAME_USER, (level - 1) * PT_INDEX_BITS);
	if (j.large == NULL)
		return ERR_NO_MEMORY;
	item = hold(&j, va, level);
	if (item.kind == PT_ITEM_LEAF && item.level == level &&
	    frame_count(block_behind(&item)) != 1) {
		err = cursor_jump(&j.cursor, j.cursor.start);
		item = cursor_query(&j.cursor);
		if (err == OK)
			err = map_copy_large(&j, &item, item.prop);
	}
	let_go(&j);
	put_large(&j);
	return err;
}
