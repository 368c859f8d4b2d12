/* SPDX-License-Identifier: MIT */
#include "mm/vm/object.h"

#include "lib/bits.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "mm/heap/heap.h"
#include "mm/vm/wait.h"

LOCK_CLASS(object_class, "mappings of an object", RANK_OBJECT);
static _Atomic unsigned next_number; /* (a) */

/* ---- lifetime ---- */

err_t vm_object_new_paged(uint64_t bytes, const struct vm_pager *pager, void *context,
			  struct vm_object **out)
{
	struct vm_object *o;

	if (bytes == 0 || bytes > VM_OBJECT_BYTES_MAX)
		return ERR_BAD_RANGE;
	o = heap_zalloc(sizeof(*o));
	if (o == NULL)
		return ERR_NO_MEMORY;
	if (page_table_init(&o->pages, arch_pt_levels()) != OK) {
		heap_free(o);
		return ERR_NO_MEMORY;
	}
	spin_init(&o->lock, &object_class);
	/* relaxed: not yet published */
	atomic_store_explicit(&o->bytes, align_up(bytes, PAGE_SIZE), memory_order_relaxed);
	atomic_store_explicit(&o->users, 1, memory_order_relaxed);
	o->number = 1 + atomic_fetch_add_explicit(&next_number, 1, memory_order_relaxed);
	o->pager = pager;
	o->context = context;
	*out = o;
	return OK;
}

err_t vm_object_new(uint64_t bytes, struct vm_object **out)
{
	return vm_object_new_paged(bytes, NULL, NULL, out);
}

void vm_object_get(struct vm_object *o)
{
	/* relaxed: the caller ensures that another count is held meanwhile */
	unsigned before = atomic_fetch_add_explicit(&o->users, 1, memory_order_relaxed);

	ASSERT(before != 0);
}

void vm_object_put(struct vm_object *o)
{
	/* acquire-release: all accesses by former holders happen before the free */
	unsigned before = atomic_fetch_sub_explicit(&o->users, 1, memory_order_acq_rel);

	ASSERT(before != 0);
	if (before != 1)
		return;
	ASSERT(list_is_empty(&o->mappings));
	page_table_destroy(&o->pages);
	heap_free(o);
}

bool vm_object_has(const struct vm_object *o, uint64_t offset, uint64_t len)
{
	/* acquire pairs with vm_object_truncate() */
	uint64_t bytes = atomic_load_explicit(&o->bytes, memory_order_acquire);

	return len <= bytes && offset <= bytes - len;
}

/* ---- pages ---- */

/* Lock the page at `offset`.  ERR_NOT_FOUND: beyond the end.  The end is read with the page locked:
 * vm_object_truncate() sets it before it frees pages. */
static err_t open_page(struct vm_object *o, uint64_t offset, struct cursor *c,
		       struct tlb_batch *gone)
{
	err_t err;

	if (offset >= VM_OBJECT_BYTES_MAX)
		return ERR_NOT_FOUND;
	tlb_batch_init_for(gone, &tlb_no_walker);
	err = cursor_open(c, &o->pages, (struct vrange){ offset, PAGE_SIZE }, gone);
	ASSERT(err == OK);
	if (vm_object_has(o, offset, PAGE_SIZE))
		return OK;
	cursor_close(c);
	tlb_batch_finish(gone); /* the node may have become empty meanwhile */
	return ERR_NOT_FOUND;
}

static void close_page(struct cursor *c, struct tlb_batch *gone)
{
	cursor_close(c);
	tlb_batch_finish(gone);
}

/* Map a new page of zeros; returns it with a count for the caller. */
__owns static struct frame *new_page(struct cursor *c, err_t *why)
{
	struct frame *mapped = frame_alloc(FRAME_USER), *f;

	*why = ERR_NO_MEMORY;
	if (mapped == NULL)
		return NULL;
	memset(arch_direct(frame_paddr(mapped)), 0, PAGE_SIZE);
	f = frame_get(mapped);
	*why = cursor_map(c, mapped, (struct page_prop){ PROP_READ, MEM_WRITE_BACK });
	if (*why == OK)
		return f;
	frame_put(mapped);
	frame_put(f);
	return NULL;
}

__owns static struct frame *page_at(const struct vm_object *o, struct cursor *c, err_t *why)
{
	struct pt_item item = cursor_query(c);
	struct frame *f;

	*why = ERR_BUSY;
	if (item.kind == PT_ITEM_LEAF) {
		f = frame_of_slot(meta_slot_of(paddr_to_pfn(item.pa)));
		*why = frame_try_get(f);
		return *why == OK ? f : NULL;
	}
	if (item.kind == PT_ITEM_MARKER || o->pager != NULL)
		return NULL;
	return new_page(c, why);
}

struct frame *vm_object_page(struct vm_object *o, uint64_t offset, err_t *why)
{
	struct tlb_batch gone __uninitialized;
	struct cursor c __uninitialized;
	struct frame *f;

	offset = align_down(offset, PAGE_SIZE);
	*why = open_page(o, offset, &c, &gone);
	if (*why != OK)
		return NULL;
	f = page_at(o, &c, why);
	close_page(&c, &gone);
	return f;
}

/* ---- pages that a pager brings ---- */

enum {
	TICKET_MAX = 1 << (PT_MARKER_BITS - 1),
};

/* A page that a thread needs. */
struct absent {
	struct vm_object *object;
	uint64_t offset;
};

/* Whether no thread brings the page: it came, or it may be tried. */
static bool has_ended(const void *what)
{
	const struct absent *a = what;

	return page_table_query(&a->object->pages, a->offset).kind != PT_ITEM_MARKER;
}

/* Put a ticket in the place of an absent page.  ERR_BUSY: another thread's is there; ERR_IN_USE:
 * the page has come. */
static err_t take_ticket(struct vm_object *o, uint64_t offset, uint32_t *ticket)
{
	struct tlb_batch gone __uninitialized;
	struct cursor c __uninitialized;
	err_t err = open_page(o, offset, &c, &gone);

	if (err != OK)
		return err;
	*ticket = atomic_fetch_add_explicit(&o->tickets, 1, memory_order_relaxed) % TICKET_MAX;
	switch (cursor_query(&c).kind) {
	case PT_ITEM_ABSENT: err = cursor_set_marker(&c, PAGE_SIZE, *ticket); break;
	case PT_ITEM_MARKER: err = ERR_BUSY; break;
	case PT_ITEM_LEAF: err = ERR_IN_USE; break;
	}
	close_page(&c, &gone);
	return err;
}

/* Replace the ticket by the page, or by nothing if f is NULL.  A ticket that has gone, as the
 * object was truncated, leaves everything as it is. */
static err_t hand_in(struct vm_object *o, uint64_t offset, uint32_t ticket, struct frame *f)
	__takes(4)
{
	struct tlb_batch gone __uninitialized;
	struct cursor c __uninitialized;
	err_t err = open_page(o, offset, &c, &gone);
	struct pt_item item;

	if (err == OK) {
		item = cursor_query(&c);
		if (item.kind == PT_ITEM_MARKER && item.marker == ticket) {
			err = cursor_unmap(&c, PAGE_SIZE);
			ASSERT(err == OK); /* the marker has an entry of its own */
			(void)cursor_jump(&c, offset);
			if (f != NULL)
				err = cursor_map(&c, f,
						 (struct page_prop){ PROP_READ, MEM_WRITE_BACK });
			f = err == OK ? NULL : f;
		}
		close_page(&c, &gone);
	}
	if (f != NULL)
		frame_put(f);
	return err == ERR_NOT_FOUND ? OK : err;
}

static err_t bring(struct vm_object *o, uint64_t offset, uint32_t ticket)
{
	struct frame *f = frame_alloc(FRAME_USER);
	err_t err = ERR_NO_MEMORY, put;

	if (f != NULL)
		err = o->pager->fill(o, offset, arch_direct(frame_paddr(f)));
	if (f != NULL && err != OK) {
		frame_put(f);
		f = NULL;
	}
	if (err == ERR_BUSY) /* which would be tried again */
		err = ERR_IO;
	put = hand_in(o, offset, ticket, f);
	vm_wait_over(o);
	return err == OK ? put : err;
}

err_t vm_object_fetch(struct vm_object *o, uint64_t offset)
{
	const struct absent a = { o, align_down(offset, PAGE_SIZE) };
	uint32_t ticket;
	err_t err;

	if (o->pager == NULL)
		return OK;
	if (arch_irq_is_off())
		return ERR_IN_USE;
	err = take_ticket(o, a.offset, &ticket);
	if (err == OK)
		return bring(o, a.offset, ticket);
	if (err == ERR_BUSY)
		vm_wait_until(o, has_ended, &a);
	return err == ERR_BUSY || err == ERR_IN_USE ? OK : err;
}
