/* SPDX-License-Identifier: MIT */
/*
 * truncate.c - set the size of an object: what lies behind it leaves all spaces and the object.
 *
 * In this order: the size is stored, so that a fault that locks its page from now on is refused;
 * then the pages behind it become markers again in every space, each node locked for itself, so
 * that a fault which had read the old size has finished before; then the object's own pages go.
 */
#include "mm/vm/fault.h"

#include "kern/lock.h"
#include "lib/bits.h"
#include "mm/pt/spot.h"
#include "mm/vm/wait.h"

/* Pages of the object that are removed at a time with interrupts off, and of a space. */
#define PIECE_BYTES     MIB(2)
#define ZAP_PIECE_BYTES (64 * PAGE_SIZE)

/* ---- spaces ---- */

/* The pages of a node that may have to go. */
struct zap {
	struct vm_space *space;
	const struct vm_object *object;
	uint64_t from; /* offset in the object */
	struct tlb_batch gone;
};

/* The marker in whose place a leaf of these flags came. */
static uint32_t marker_of_leaf(unsigned flags)
{
	flags |= (flags & PROP_COPY) != 0 ? PROP_WRITE : 0u;
	return vm_marker_object(flags & VM_MARKER_PROPS);
}

static void zap_page(struct zap *z, const struct pt_spot *spot, int offset, vaddr_t va)
{
	struct frame *f;

	if (!pt_spot_is_leaf_at(spot, offset))
		return;
	if (tlb_batch_is_full(&z->gone))
		tlb_batch_finish(&z->gone);
	f = pt_spot_set_marker_at(spot, offset,
				  marker_of_leaf(pt_spot_prop_at(spot, offset).flags));
	tlb_batch_page(&z->gone, va, 1);
	tlb_batch_run(&z->gone, f, 1, 0);
}

/* The pages [va, end) of the locked node, of level 1, in which `spot` is at va. */
static void zap_pages(struct zap *z, const struct pt_spot *spot, vaddr_t va, vaddr_t end)
{
	struct vm_view view;
	vaddr_t at = va, stop;

	for (; at < end && vm_mappings_next(&z->space->mappings, at, &at, &view); at = stop) {
		stop = min_u64(end, at + view.left);
		if (view.object != z->object)
			continue;
		if (view.offset < z->from)
			at += min_u64(z->from - view.offset, view.left);
		for (; at < stop; at += PAGE_SIZE)
			zap_page(z, spot, (int)((at - va) / PAGE_SIZE), at);
	}
}

/* A piece of [va, end) that the lowest node for va covers; returns the address behind it. */
static vaddr_t zap_node(struct zap *z, vaddr_t va, vaddr_t end)
{
	struct pt_spot spot __uninitialized;
	uintptr_t irq = arch_irq_save();

	tlb_batch_init(&z->gone, &z->space->tlb);
	pt_spot_lock(&spot, &z->space->table, va);
	if (spot.level == 1) {
		end = min_u64(end, align_down(va, ZAP_PIECE_BYTES) + ZAP_PIECE_BYTES);
		zap_pages(z, &spot, va, end);
	} else {
		/* objects have no large pages: a marker, or nothing */
		end = min_u64(end, align_down(va, pte_span(spot.level)) + pte_span(spot.level));
	}
	tlb_batch_unlock(&z->gone);
	pt_spot_unlock(&spot);
	arch_irq_restore(irq);
	tlb_batch_finish(&z->gone);
	return end;
}

static void zap_spaces(struct vm_object *o, uint64_t from)
{
	struct zap z __uninitialized;
	struct vrange range;

	z.object = o;
	z.from = from;
	vm_object_walk(o);
	while ((z.space = vm_object_walk_space(o, from)) != NULL) {
		vm_space_begin_truncation(z.space);
		while (vm_object_walk_next(o, from, z.space, &range))
			for (vaddr_t va = range.start; va < range.start + range.len;)
				va = zap_node(&z, va, range.start + range.len);
		vm_space_end_truncation(z.space);
		vm_space_put(z.space);
	}
}

/* ---- the object ---- */

/* Where no page is found is locked, too: a page may be on its way whose owner read the old size. */
static void free_pages(struct vm_object *o, uint64_t from, uint64_t end)
{
	while (from < end) {
		uint64_t next = page_table_next(&o->pages, from, end);
		uint64_t stop = min_u64(end, align_down(next, PIECE_BYTES) + PIECE_BYTES);
		uint64_t len = stop - from;
		struct tlb_batch gone __uninitialized;
		struct cursor c __uninitialized;
		err_t err;

		tlb_batch_init_for(&gone, &tlb_no_walker);
		err = cursor_open(&c, &o->pages, (struct vrange){ from, len }, &gone);
		if (err == OK)
			err = cursor_unmap(&c, len);
		ASSERT(err == OK); /* its pages are small: nothing is split */
		cursor_close(&c);
		tlb_batch_finish(&gone);
		from = stop;
	}
}

static bool is_free(const void *o)
{
	const struct vm_object *object = o;

	return atomic_load_explicit(&object->resizing, memory_order_relaxed) == 0;
}

err_t vm_object_truncate(struct vm_object *o, uint64_t bytes)
{
	uint64_t before;

	if (bytes > VM_OBJECT_BYTES_MAX)
		return ERR_BAD_RANGE;
	bytes = align_up(bytes, PAGE_SIZE);
	/* acquire pairs with the release below: one truncation after the other */
	while (atomic_exchange_explicit(&o->resizing, 1, memory_order_acquire) != 0)
		vm_wait_until(o, is_free, o);
	/* acquire-release: faults that lock their page later see it */
	before = atomic_exchange_explicit(&o->bytes, bytes, memory_order_acq_rel);
	if (bytes < before) {
		zap_spaces(o, bytes);
		free_pages(o, bytes, before);
	}
	atomic_store_explicit(&o->resizing, 0, memory_order_release);
	vm_wait_over(o);
	return OK;
}
