/* SPDX-License-Identifier: MIT */
#include "mm/heap.h"

#include "arch/percpu.h"
#include "arch/timer.h"
#include "lib/string.h"
#include "mm/heap_debug.h"
#include "mm/section.h"

enum {
	DRAIN_WAIT_MS = 1000,
	ASK_AGAIN = 64, /* turns of a wait between requests, which may have been merged away */
};

/* Until heap_init(), its magazines are all zero: empty, and without room. */
static struct heap_cpu first_cpu;

struct heap heap = { .cpu = { &first_cpu } };
static _Atomic unsigned inject_every, injected;

/* ---- start ---- */

static void magazine_init(struct heap_magazine *m, unsigned number)
{
	struct heap_shape s = heap_shape_of(number);
	uint64_t most = s.size == 0 ? 0
				    : max_u64(HEAP_MAGAZINE_BYTES / s.size, HEAP_MAGAZINE_LEAST);
	bool in_slot = heap_shape_tags_in_slot(&s);

	most = min_u64(most, HEAP_MAGAZINE) & ~UINT64_C(1); /* two batches */
	m->base = m->entry;
	m->end = m->entry + most;
	m->number = number;
	m->batch = (uint32_t)most / 2;
	m->inverse = s.inverse;
	m->bias = -(uint64_t)s.r * s.inverse;
	if (in_slot)
		m->bias += (uint64_t)offsetof(struct meta_slot, u.slab.tag) << HEAP_FRACTION_BITS;
	m->slot_mask = in_slot ? UINTPTR_MAX : 0;
	m->frame_mask = in_slot ? 0 : ~(uintptr_t)(PAGE_SIZE - 1);
	heap_set_top(m, m->base);
}

void heap_open_magazines(struct heap_cpu *cpu, enum heap_magazines how)
{
	for (unsigned number = 0; number < HEAP_CLASSES; number++) {
		struct heap_magazine *m = &cpu->magazine[number];

		m->end = how == HEAP_MAGAZINES_CLOSED ? m->base : m->base + 2 * m->batch;
	}
}

static void cpu_init(struct heap_cpu *cpu)
{
	memset(cpu, 0, sizeof(*cpu));
	for (unsigned number = 0; number < HEAP_CLASSES; number++)
		magazine_init(&cpu->magazine[number], number);
}

/* ---- frames ---- */

void heap_inject_failure(unsigned nth)
{
	/* relaxed: a test's dial */
	atomic_store_explicit(&injected, 0, memory_order_relaxed);
	atomic_store_explicit(&inject_every, nth, memory_order_relaxed);
}

static bool inject_now(void)
{
	unsigned every = atomic_load_explicit(&inject_every, memory_order_relaxed);

	return unlikely(every != 0) &&
	       (atomic_fetch_add_explicit(&injected, 1, memory_order_relaxed) + 1) % every == 0;
}

static struct frame *get_frames(enum frame_kind kind, unsigned order)
{
	if (inject_now())
		return NULL;
	return order == 0 ? frame_alloc(kind) : frame_alloc_block(kind, order);
}

/* Address of the first frame without a slot in the section of pfn. */
static uintptr_t stretch_end(pfn_t pfn)
{
	uint64_t index = pfn / SECTION_FRAMES;
	uint64_t end = index * SECTION_FRAMES + section_at((uint32_t)index)->covered;

	return (uintptr_t)arch_direct(paddr(end * PAGE_SIZE));
}

/* Slabs come from a few stretches of memory, mostly from one: that of the first frame we get.  It
 * grows upwards when the next section is populated. */
static err_t span_init(void)
{
	struct frame *f = frame_alloc(FRAME_SLAB);
	struct heap_span *s = &heap.span;
	pfn_t pfn, first;

	if (f == NULL)
		return ERR_NO_MEMORY;
	pfn = frame_pfn(f);
	frame_put(f);
	first = pfn / SECTION_FRAMES * SECTION_FRAMES;
	s->base = (uintptr_t)arch_direct(pfn_to_paddr(first));
	s->slots = (uintptr_t)meta_slot_of(first);
	/* relaxed: nobody else runs */
	atomic_store_explicit(&s->bytes, stretch_end(pfn) - s->base, memory_order_relaxed);
	return OK;
}

static void span_cover(pfn_t pfn)
{
	uintptr_t first =
		(uintptr_t)arch_direct(pfn_to_paddr(pfn / SECTION_FRAMES * SECTION_FRAMES));
	struct heap_span *s = &heap.span;
	uint64_t bytes = first - s->base;

	/* release pairs with the acquire in heap_free(); who comes late has lost nothing */
	if (unlikely(bytes == atomic_load_explicit(&s->bytes, memory_order_relaxed)))
		atomic_compare_exchange_strong_explicit(&s->bytes, &bytes,
							stretch_end(pfn) - s->base,
							memory_order_release, memory_order_relaxed);
}

err_t heap_init(unsigned cpus)
{
	ASSERT(cpus >= 1 && cpus <= ARCH_MAX_CPUS);
	memset(&heap, 0, sizeof(heap));
	atomic_store_explicit(&inject_every, 0, memory_order_relaxed); /* nobody else runs */
	for (unsigned number = 0; number < HEAP_CLASSES; number++)
		slab_class_init(number, heap_magazine_offset(number));
	for (size_t grains = 0; grains < ARRAY_SIZE(heap.magazine_of); grains++)
		heap.magazine_of[grains] = heap_magazine_offset(heap_class_of(grains * HEAP_GRAIN));
	for (unsigned i = 0; i < cpus; i++) {
		struct frame *f = i == 0 ? NULL : frame_alloc_block(FRAME_KERNEL, heap_cpu_order());

		if (i != 0 && f == NULL)
			return ERR_NO_MEMORY;
		heap.cpu[i] = i == 0 ? &first_cpu : arch_direct(frame_paddr(f));
		cpu_init(heap.cpu[i]);
	}
	heap.cpus = cpus;
	heap_set_debug(0);
	return span_init();
}

/* ---- magazines, slowly ---- */

/* Objects that it takes at once: none while it has some, which an interrupt brought; a batch when
 * it is empty; when it is closed one, which is handed on at once. */
static unsigned want(const struct heap_magazine *m)
{
	if (heap_top(m) != m->base)
		return 0;
	return m->end == m->base ? 1 : m->batch;
}

/* The top object, or NULL.  Interrupts are off. */
static void *pop(struct heap_magazine *m)
{
	struct heap_entry *top = heap_top(m);

	if (top == m->base)
		return NULL;
	top--;
	slab_set_tag(top->tag, TAG_ALLOCATED);
	heap_set_top(m, top);
	return top->object;
}

static void *take(unsigned number, enum slab_right right)
{
	uintptr_t irq = arch_irq_save();
	struct heap_magazine *m = heap_magazine_at(heap_magazine_offset(number));
	unsigned n = right == SLAB_CLAIMANT ? (unsigned)min_u64(want(m), 1) : want(m);
	void *object;

	if (n != 0)
		heap_set_top(m, m->base + slab_take(&slab_classes[number], m->base, n, right));
	object = pop(m);
	arch_irq_restore(irq);
	return object;
}

/* A new slab; its first object is ours before anybody sees the others. */
static void *take_from_new(unsigned number, struct frame *f)
{
	struct heap_magazine *m;
	unsigned n;
	uintptr_t irq;
	void *object;

	span_cover(frame_pfn(f));
	heap_debug_fresh(arch_direct(frame_paddr(f)), PAGE_SIZE);
	irq = arch_irq_save();
	m = heap_magazine_at(heap_magazine_offset(number));
	slab_add(&slab_classes[number], f, heap_top(m), want(m), &n);
	heap_set_top(m, heap_top(m) + n);
	object = pop(m);
	arch_irq_restore(irq);
	return object;
}

/* The owner, or who acts for it, interrupts off. */
static void empty_magazine(struct heap_magazine *m)
{
	unsigned n = (unsigned)(heap_top(m) - m->base);

	heap_set_top(m, m->base);
	if (n != 0)
		(void)slab_give(&slab_classes[m->number], m->base, n,
				SLAB_HOME); /* a drain follows */
}

static void empty_magazines(void *arg)
{
	struct heap_cpu *cpu = arg;

	for (unsigned number = 1; number < HEAP_CLASSES; number++)
		empty_magazine(&cpu->magazine[number]);
	/* release pairs with wait_for(): the objects are in their slabs by now */
	atomic_fetch_add_explicit(&cpu->drains, 1, memory_order_release);
}

static void empty_own(void)
{
	uintptr_t irq = arch_irq_save();

	empty_magazines(heap.cpu[arch_cpu_id()]);
	arch_irq_restore(irq);
}

static void wait_for(unsigned i, uint32_t before)
{
	struct heap_cpu *cpu = heap.cpu[i];
	uint64_t start = arch_ticks();

	for (unsigned turn = 1; atomic_load_explicit(&cpu->drains, memory_order_acquire) == before;
	     turn++) {
		if (arch_ticks() - start > DRAIN_WAIT_MS * arch_ticks_per_ms())
			return;
		if (turn % ASK_AGAIN == 0 && arch_cpu_kick(i, empty_magazines, cpu) != OK)
			return;
		arch_relax();
	}
}

static bool interrupts_are_on(void)
{
	uintptr_t irq = arch_irq_save();

	arch_irq_restore(irq);
	return arch_irq_was_on(irq);
}

/* Interrupts are on.  Each CPU's interrupt handler empties its magazines. */
static void empty_others(void)
{
	for (unsigned i = 0; i < heap.cpus; i++) {
		uint32_t before;

		if (i == arch_cpu_id())
			continue;
		before = atomic_load_explicit(&heap.cpu[i]->drains, memory_order_acquire);
		if (arch_cpu_kick(i, empty_magazines, heap.cpu[i]) == OK)
			wait_for(i, before);
	}
}

/* ---- rescue ---- */

static struct slab_chain collect_empty(void)
{
	struct slab_chain gone = SLAB_CHAIN_NONE;

	for (unsigned number = 1; number < HEAP_CLASSES; number++)
		slab_drain(&slab_classes[number], &gone);
	return gone;
}

/* What magazines that are empty now have left behind: an object, else a frame for one. */
static void *claim_left(unsigned number)
{
	struct slab_chain gone = collect_empty();
	void *object = take(number, SLAB_CLAIMANT);
	struct frame *f = object == NULL ? slab_chain_take(&gone) : NULL;

	slab_chain_put(&gone);
	return f == NULL ? object : take_from_new(number, f);
}

static void *rescue_small(unsigned number)
{
	struct frame *f;
	void *object;

	slab_claim(&slab_classes[number]);
	empty_own();
	object = claim_left(number);
	if (object == NULL && interrupts_are_on()) {
		empty_others();
		object = claim_left(number);
	}
	slab_unclaim(&slab_classes[number]);
	if (object == NULL && (f = get_frames(FRAME_SLAB, 0)) != NULL)
		object = take_from_new(number, f);
	return object;
}

static void *rescue_large(unsigned order)
{
	struct slab_chain gone;
	struct frame *f;

	empty_own();
	if (interrupts_are_on())
		empty_others();
	gone = collect_empty();
	slab_chain_put(&gone);
	f = get_frames(FRAME_HEAP_LARGE, order);
	return f;
}

/* H8.  False: this CPU is in a rescue, which was interrupted. */
static bool rescue_enter(struct heap_cpu **cpu)
{
	uintptr_t irq = arch_irq_save();
	bool entered;

	*cpu = heap.cpu[arch_cpu_id()];
	/* relaxed: a CPU's handlers see what it wrote */
	entered = !atomic_exchange_explicit(&(*cpu)->rescuing, true, memory_order_relaxed);
	arch_irq_restore(irq);
	return entered;
}

static void rescue_leave(struct heap_cpu *cpu)
{
	atomic_store_explicit(&cpu->rescuing, false, memory_order_relaxed);
}

/* ---- allocation ---- */

static void *alloc_small(unsigned number)
{
	void *object = take(number, SLAB_ANYBODY);
	struct heap_cpu *cpu;
	struct frame *f;

	if (object != NULL)
		return object;
	f = get_frames(FRAME_SLAB, 0);
	if (f != NULL)
		return take_from_new(number, f);
	if (rescue_enter(&cpu)) {
		object = rescue_small(number);
		rescue_leave(cpu);
	}
	return object;
}

static void *alloc_large(size_t size, size_t align)
{
	unsigned order = bits_order((size - 1) / PAGE_SIZE + 1);
	unsigned align_order = bits_order((align - 1) / PAGE_SIZE + 1);
	struct heap_cpu *cpu;
	struct frame *f;

	order = order < align_order ? align_order : order;
	if (order > ORDER_MOST)
		return NULL;
	f = get_frames(FRAME_HEAP_LARGE, order);
	if (f == NULL && rescue_enter(&cpu)) {
		f = rescue_large(order);
		rescue_leave(cpu);
	}
	if (f == NULL)
		return NULL;
	/* relaxed: a statistic */
	atomic_fetch_add_explicit(&heap.large_frames, UINT64_C(1) << order, memory_order_relaxed);
	return arch_direct(frame_paddr(f));
}

/* The least class of at least `size` bytes whose objects are so aligned, or HEAP_CLASS_NONE: an
 * object is aligned to the largest power of two that divides its size. */
static unsigned class_for(size_t size, size_t align)
{
	unsigned number = heap_class_of(size);

	if (size == 0 || size > HEAP_SMALL_MOST || align > HEAP_SMALL_MOST)
		return HEAP_CLASS_NONE;
	while (heap_class_size(number) % align != 0)
		number++;
	return number;
}

static struct frame *large_of(const void *object)
{
	struct meta_slot *slot = slab_slot_of(object);

	return frame_of_slot(slot);
}

void *heap_alloc_slow(size_t size, size_t align, const void *where, uintptr_t irq)
{
	size_t extra = heap_debug_extra(), room;
	unsigned number;
	void *object;

	arch_irq_restore(irq);
	if (unlikely(heap.cpus == 0))
		panic("heap used before heap_init()");
	if (size == 0 || size > SIZE_MAX - extra || !bits_is_pow2(align))
		return NULL;
	number = class_for(size + extra, align);
	object = number != HEAP_CLASS_NONE ? alloc_small(number) : alloc_large(size + extra, align);
	if (likely(extra == 0) || object == NULL)
		return object;
	if (number != HEAP_CLASS_NONE)
		heap_debug_check_free(object, heap_class_size(number));
	room = number != HEAP_CLASS_NONE ? heap_class_size(number)
					 : (size_t)PAGE_SIZE << frame_order(large_of(object));
	heap_debug_allocated(object, room, size,
			     where != NULL ? where : __builtin_return_address(0));
	return object;
}

static __forceinline void *alloc_any(size_t size, const void *where)
{
	if (unlikely(size > HEAP_SMALL_MOST))
		return heap_alloc_slow(size, HEAP_GRAIN, where, arch_irq_save());
	return heap_hit(heap.magazine_of[(size + HEAP_GRAIN - 1) / HEAP_GRAIN], size, HEAP_GRAIN,
			where);
}

void *heap_alloc_any(size_t size)
{
	return alloc_any(size, __builtin_return_address(0));
}

void *heap_zalloc(size_t size)
{
	void *object = alloc_any(size, __builtin_return_address(0));

	if (object != NULL)
		memset(object, 0, size);
	return object;
}

void *heap_alloc_aligned(size_t size, size_t align)
{
	const void *where = __builtin_return_address(0);
	unsigned number = bits_is_pow2(align) ? class_for(size, align) : HEAP_CLASS_NONE;

	return heap_hit(heap_magazine_offset(number), size, align, where);
}

/* ---- free ---- */

/* What a pointer that somebody came with points at. */
struct target {
	struct meta_slot *slot; /* NULL: large, or nothing */
	const struct slab_class *in;
	_Atomic uint8_t *tag;
	size_t room;
};

/* The head of a large object that the frame lies in, or PFN_NONE. */
static pfn_t large_around(pfn_t pfn)
{
	for (unsigned order = 1; order <= ORDER_MOST; order++) {
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
		panic("heap: bad pointer: %p is no memory of the heap", object);
	pfn = meta_pfn_of(slot);
	head = large_around(pfn);
	if (head != PFN_NONE)
		panic("heap: bad pointer: %p points into the large object at %p", object,
		      arch_direct(pfn_to_paddr(head)));
	panic("heap: bad pointer: %p is no memory of the heap, or was freed: frame %#x is %s",
	      object, pfn, frame_kind_name((enum frame_kind)meta_state(slot).kind));
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

/* Panics when no object begins there. */
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

static void free_large(void *object)
{
	struct frame *f = large_of(object);

	atomic_fetch_sub_explicit(&heap.large_frames, UINT64_C(1) << frame_order(f),
				  memory_order_relaxed); /* a statistic */
	frame_put(f);
}

/* Make room: the older half leaves.  Interrupts are off.  Result as slab_give(). */
static bool shrink(struct heap_magazine *m)
{
	struct heap_entry *top = heap_top(m);
	unsigned n = m->batch;

	bool trim = slab_give(&slab_classes[m->number], m->base, n, SLAB_BY_DEPOT);

	memmove(m->base, m->base + n, (char *)top - (char *)(m->base + n));
	heap_set_top(m, top - n);
	return trim;
}

/* An object whose magazine has no room, or never has. */
static void free_small(void *object, const struct target *t, unsigned number)
{
	const struct heap_entry e = { object, t->tag };
	struct slab_chain gone = SLAB_CHAIN_NONE;
	uintptr_t irq = arch_irq_save();
	struct heap_magazine *m = heap_magazine_at(heap_magazine_offset(number));
	bool trim = false;

	slab_set_tag(t->tag, TAG_CACHED);
	if (m->end == m->base) {
		trim = slab_give(&slab_classes[number], &e, 1, SLAB_HOME);
	} else {
		if (heap_top(m) == m->end)
			trim = shrink(m);
		*heap_top(m) = e;
		heap_set_top(m, heap_top(m) + 1);
	}
	arch_irq_restore(irq);
	if (!trim)
		return;
	slab_trim(&slab_classes[number], &gone);
	slab_chain_put(&gone);
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
	if (t.slot == NULL)
		free_large(object);
	else
		free_small(object, &t, (unsigned)(t.in - slab_classes));
}

void heap_free(void *object)
{
	uintptr_t irq = arch_irq_save();
	/* acquire pairs with span_cover() */
	uint64_t bytes = atomic_load_explicit(&heap.span.bytes, memory_order_acquire);
	uintptr_t p = (uintptr_t)object, at = p - heap.span.base, slot;
	struct heap_magazine *m;
	struct heap_entry *top;
	_Atomic uint8_t *tag;
	uint64_t product;
	uint32_t state;

	if (unlikely(at >= bytes))
		goto slow;
	slot = heap.span.slots + at / PAGE_SIZE * META_SLOT_BYTES;
	/* kind, order and aux of struct slot_state; relaxed: who has an object sees its slab */
	state = (uint32_t)(atomic_load_explicit(&((const struct meta_slot *)slot)->state,
						memory_order_relaxed) >>
			   32);
	if (unlikely((uint8_t)state != FRAME_SLAB))
		goto slow;
	m = heap_magazine_at(state >> 16);
	product = p % PAGE_SIZE * m->inverse + m->bias;
	if (unlikely(!heap_product_is_cut(product, m->inverse)))
		goto slow;
	tag = (_Atomic uint8_t *)((slot & m->slot_mask) + (p & m->frame_mask) +
				  heap_product_place(product));
	top = heap_top(m);
	if (unlikely(slab_tag(tag) != TAG_ALLOCATED) || unlikely(top == m->end))
		goto slow;
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

/* ---- giving back ---- */

void heap_drain(void)
{
	struct slab_chain gone;

	empty_own();
	if (interrupts_are_on())
		empty_others();
	gone = collect_empty();
	slab_chain_put(&gone);
}

void heap_age(void)
{
	struct slab_chain gone = SLAB_CHAIN_NONE;
	uintptr_t irq = arch_irq_save();
	struct heap_cpu *cpu = heap.cpu[arch_cpu_id()];

	for (unsigned number = 1; number < HEAP_CLASSES && heap.cpus != 0; number++) {
		struct heap_magazine *m = &cpu->magazine[number];

		if (heap_top(m) == cpu->seen[number] && heap_top(m) != m->base) {
			empty_magazine(m);
			slab_drain(&slab_classes[number], &gone);
		}
		cpu->seen[number] = heap_top(m);
	}
	arch_irq_restore(irq);
	slab_chain_put(&gone);
}

static PER_CPU(struct timer, age_timer);

static void age(void *timer)
{
	heap_age();
	timer_again(timer, HEAP_AGE_MS * arch_ticks_per_ms());
}

void heap_start_aging(void)
{
	timer_start(this_cpu_ptr(age_timer), arch_ticks() + HEAP_AGE_MS * arch_ticks_per_ms(), age,
		    this_cpu_ptr(age_timer));
}
