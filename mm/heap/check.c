/* SPDX-License-Identifier: MIT */
/* check.c - statistics and checks of mm/heap/heap.h; read-only. */
#include "mm/heap/heap.h"

#include "mm/frame/section.h"

struct each_object {
	void (*fn)(void *ctx, const void *object, size_t room);
	void *ctx;
};

static void each_in_slab(const struct each_object *each, struct meta_slot *slot,
			 const struct heap_shape *s)
{
	const _Atomic uint8_t *tags = slab_tags(slot, s);
	const char *frame = arch_direct(pfn_to_paddr(meta_pfn_of(slot)));

	for (uint32_t place = s->lead; place < s->places; place++)
		if (slab_tag(&tags[place]) == TAG_ALLOCATED)
			each->fn(each->ctx, frame + heap_shape_offset(s, place), s->size);
}

static void each_in_range(void *ctx, pfn_t first, uint32_t frames)
{
	const struct each_object *each = ctx;

	for (uint32_t i = 0; i < frames; i++) {
		struct meta_slot *slot = meta_slot_of(first + i);
		struct slot_state s = meta_state(slot);

		if (!slot_is_counted(s))
			continue;
		if (s.kind == FRAME_SLAB)
			each_in_slab(each, slot,
				     &slab_classes[s.aux / sizeof(struct heap_magazine)].shape);
		else if (s.kind == FRAME_HEAP_LARGE)
			each->fn(each->ctx, arch_direct(pfn_to_paddr(first + i)),
				 (size_t)PAGE_SIZE << s.order);
	}
}

void heap_each_object(void (*fn)(void *ctx, const void *object, size_t room), void *ctx)
{
	struct each_object each = { fn, ctx };

	for (uint32_t i = 0; i < section_count(); i++)
		if (section_slot(paddr((uint64_t)i * GIB(1))) != NULL)
			section_each_range(i, each_in_range, &each);
}

struct heap_class_stats heap_class_stats(unsigned number)
{
	struct slab_class *c = &slab_classes[number];
	uintptr_t irq = spin_lock_irq(&c->lock);
	struct heap_class_stats t = {
		.slabs = c->slabs,
		.empty = c->empty,
		.queued = c->queued,
		.in_slabs = c->free,
		.in_depot = c->depot_count,
	};
	uint64_t outside;

	for (unsigned i = 0; i < heap.cpus; i++) {
		const struct heap_magazine *m = &heap.cpu[i]->magazine[number];

		t.in_magazines += (uint64_t)(heap_top(m) - m->base);
	}
	spin_unlock_irq(&c->lock, irq);
	outside = t.in_slabs + t.in_depot + t.in_magazines;
	/* other CPUs' magazines may change meanwhile */
	t.allocated = t.slabs * c->shape.objects - min_u64(outside, t.slabs * c->shape.objects);
	return t;
}

struct heap_stats heap_stats(void)
{
	struct heap_stats sum = {
		.large_frames = atomic_load_explicit(&heap.large_frames, memory_order_relaxed),
		.cpu_frames = heap.cpus == 0 ? 0 : (uint64_t)(heap.cpus - 1) << heap_cpu_order(),
	};

	for (unsigned number = 1; number < HEAP_CLASSES; number++) {
		struct heap_class_stats t = heap_class_stats(number);

		sum.slab_frames += t.slabs;
		sum.allocated += t.allocated;
		sum.cached += t.in_depot + t.in_magazines;
		sum.in_slabs += t.in_slabs;
		sum.allocated_bytes += t.allocated * heap_class_size(number);
	}
	return sum;
}

/* H6: the tag and class of each entry, and that no object is in the magazine twice. */
static const char *check_magazine(const struct heap_magazine *m)
{
	for (const struct heap_entry *e = m->base; e < heap_top(m); e++) {
		const struct slab_class *c = &slab_classes[m->number];
		struct slot_state s = meta_state(slab_slot_of(e->object));

		if (slab_tag(e->tag) != TAG_CACHED)
			return "H6: an object in a magazine is not CACHED";
		if (s.kind != FRAME_SLAB || s.aux != c->aux)
			return "H6: an object in a magazine is of another class";
		for (const struct heap_entry *other = e + 1; other < heap_top(m); other++)
			if (other->object == e->object)
				return "H6: an object is in a magazine twice";
	}
	return NULL;
}

const char *heap_check(void)
{
	const char *wrong = NULL;

	for (unsigned number = 1; number < HEAP_CLASSES && wrong == NULL; number++) {
		wrong = slab_check(&slab_classes[number]);
		for (unsigned i = 0; i < heap.cpus && wrong == NULL; i++)
			wrong = check_magazine(&heap.cpu[i]->magazine[number]);
	}
	return wrong;
}
