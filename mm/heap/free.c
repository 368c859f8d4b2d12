/* SPDX-License-Identifier: MIT */
/* free.c - the free path of mm/heap/heap.h. */
#include "mm/heap/heap.h"

#include "lib/string.h"
#include "mm/heap/debug.h"
#include "mm/frame/section.h"

/* ---- lookup of a pointer ---- */

/* The object that a pointer passed by a caller points at. */
struct target {
	struct meta_slot *slot; /* NULL: a large object */
	const struct slab_class *in;
	_Atomic uint8_t *tag;
	size_t room;
};

/* The head of the large object that contains the frame, or PFN_NONE. */
static pfn_t large_around(pfn_t pfn)
{
	for (unsigned order = 1; order <= ORDER_MAX; order++) {
		pfn_t head = pfn >> order << order;
		const struct meta_slot *slot = section_slot(pfn_to_paddr(head));
		struct slot_state s;

		if (slot == NULL)
			return PFN_NONE;
		s = meta_state(slot);
		if (s.kind == FRAME_HEAP_LARGE && s.order >= order)
			return head;
	}
	return PFN_NONE;
}

static void panic_foreign(const void *object, const struct meta_slot *slot) __noreturn;
static void panic_foreign(const void *object, const struct meta_slot *slot)
{
	pfn_t pfn, head;

	if (slot == NULL)
		panic("heap: bad pointer: %p is not heap memory", object);
	pfn = meta_pfn_of(slot);
	head = large_around(pfn);
	if (head != PFN_NONE)
		panic("heap: bad pointer: %p points into the large object at %p", object,
		      arch_direct(pfn_to_paddr(head)));
	panic("heap: bad pointer: %p is not heap memory, or was freed: frame %#x is %s", object,
	      pfn, frame_kind_name((enum frame_kind)meta_state(slot).kind));
}

static void panic_interior(const void *object, const struct target *t) __noreturn;
static void panic_interior(const void *object, const struct target *t)
{
	panic("heap: bad pointer: no object of %u bytes begins at %p in slab %#x",
	      t->in->shape.size, object, meta_pfn_of(t->slot));
}

static void panic_free_already(const void *object, const struct target *t) __noreturn;
static void panic_free_already(const void *object, const struct target *t)
{
	if (slab_tag(t->tag) == TAG_NO_OBJECT)
		panic_interior(object, t);
	heap_debug_tell(object, t->room);
	panic("heap: double free: %p, of %u bytes in slab %#x, is free", object, t->in->shape.size,
	      meta_pfn_of(t->slot));
}

/* Panics when no allocated object starts there. */
static struct target find(const void *object)
{
	uint64_t pa = arch_direct_to_paddr(object).raw, product;
	struct target t = { .slot = pa < PHYS_LIMIT ? section_slot(paddr(pa)) : NULL };
	struct slot_state s = { 0 };

	if (t.slot != NULL)
		s = meta_state(t.slot);
	if (s.kind == FRAME_HEAP_LARGE && slot_is_counted(s)) {
		if (pa % PAGE_SIZE != 0)
			panic("heap: bad pointer: %p points into the large object at %p", object,
			      arch_direct(pfn_to_paddr(meta_pfn_of(t.slot))));
		return (struct target){ .room = (size_t)PAGE_SIZE << s.order };
	}
	if (s.kind != FRAME_SLAB || !slot_is_counted(s))
		panic_foreign(object, t.slot);
	t.in = &slab_classes[s.aux / sizeof(struct heap_magazine)];
	t.room = t.in->shape.size;
	product = heap_product(&t.in->shape, (uint32_t)(pa % PAGE_SIZE));
	if (!heap_product_is_cut(product, t.in->shape.inverse))
		panic_interior(object, &t);
	t.tag = &slab_tags(t.slot, &t.in->shape)[heap_product_place(product)];
	if (slab_tag(t.tag) != TAG_ALLOCATED)
		panic_free_already(object, &t);
	return t;
}

/* ---- free ---- */

static void free_large(void *object)
{
	struct frame *f = frame_of_slot(slab_slot_of(object));

	atomic_fetch_sub_explicit(&heap.large_frames, UINT64_C(1) << frame_order(f),
				  memory_order_relaxed); /* a statistic */
	frame_put(f);
}

/* Moves the older half to the depot or the slabs.  Interrupts are off.  Result as slab_give(). */
static bool shrink(struct heap_magazine *m)
{
	struct heap_entry *top = heap_top(m);
	unsigned n = m->batch;

	bool trim = slab_give(&slab_classes[m->number], m->base, n, SLAB_BY_DEPOT);

	memmove(m->base, m->base + n, (char *)top - (char *)(m->base + n));
	heap_set_top(m, top - n);
	return trim;
}

/* Frees an object whose magazine is full or closed.  Interrupts are off; restores `irq`. */
static __noinline void free_full(void *object, struct heap_magazine *m, _Atomic uint8_t *tag,
				 uintptr_t irq)
{
	const struct heap_entry e = { object, tag };
	struct slab_class *c = &slab_classes[m->number];
	struct slab_chain gone = SLAB_CHAIN_NONE;
	struct heap_cpu *way;
	bool trim = false;

	slab_set_tag(tag, TAG_CACHED);
	if (m->end == m->base) {
		trim = slab_give(c, &e, 1, SLAB_HOME);
	} else {
		if (heap_top(m) == m->end)
			trim = shrink(m);
		*heap_top(m) = e;
		heap_set_top(m, heap_top(m) + 1);
	}
	arch_irq_restore(irq);
	if (likely(!trim))
		return;
	way = heap_set_out();
	slab_trim(c, &gone);
	heap_put_chain(way, &gone);
}

static __noinline void free_slow(void *object, const void *where, uintptr_t irq)
{
	struct target t;

	arch_irq_restore(irq);
	if (object == NULL)
		return;
	if (heap.cpus == 0)
		panic("heap used before heap_init()");
	t = find(object);
	if (heap_debug_flags() != 0)
		heap_debug_freed(object, t.room, where);
	if (t.slot == NULL) {
		free_large(object);
		return;
	}
	irq = arch_irq_save();
	free_full(object, heap_magazine_at(t.in->aux), t.tag, irq);
}

/* Kind, order and aux of a slot's struct slot_state in one load; relaxed: the owner of an object
 * sees its slab. */
static uint32_t slab_state_of(uintptr_t slot)
{
	return atomic_load_explicit(
		(const _Atomic uint32_t *)(slot + offsetof(struct slot_state, kind)),
		memory_order_relaxed);
}

void heap_free(void *object)
{
	uintptr_t irq = arch_irq_save();
	/* acquire pairs with span_cover() */
	uint64_t grains = atomic_load_explicit(&heap.span.grains, memory_order_acquire);
	uintptr_t p = (uintptr_t)object, slot;
	uint64_t grain = heap_grain_of(p - heap.span.base);
	struct heap_magazine *m;
	struct heap_entry *top;
	_Atomic uint8_t *tag;
	uint32_t state;

	if (unlikely(grain >= grains))
		goto slow;
	slot = heap.span.slots + grain / HEAP_FRAME_GRAINS * META_SLOT_BYTES;
	state = slab_state_of(slot);
	if (unlikely((uint8_t)state != FRAME_SLAB))
		goto slow;
	m = heap_magazine_at(state >> 16);
	tag = (_Atomic uint8_t *)((slot & m->slot_mask) + (p & m->frame_mask) +
				  m->tag_at[grain % HEAP_FRAME_GRAINS]);
	top = heap_top(m);
	if (unlikely(slab_tag(tag) != TAG_ALLOCATED))
		goto slow;
	if (unlikely(top == m->end)) {
		free_full(object, m, tag, irq);
		return;
	}
	slab_set_tag(tag, TAG_CACHED);
	*top = (struct heap_entry){ object, tag };
	heap_set_top(m, top + 1);
	arch_irq_restore(irq);
	return;
slow:
	free_slow(object, __builtin_return_address(0), irq);
}

size_t heap_size_of(const void *object)
{
	struct target t = find(object);

	return heap_debug_flags() != 0 ? heap_debug_size(object, t.room) : t.room;
}
