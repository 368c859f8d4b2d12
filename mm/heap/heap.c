/* SPDX-License-Identifier: MIT */
#include "mm/heap/heap.h"

#include "kern/call.h"
#include "lib/string.h"
#include "mm/heap/debug.h"
#include "mm/frame/section.h"

enum {
	DRAIN_WAIT_MS = 1000, /* for all that is in flight */
};

/* Until heap_init(), its magazines are all zero: empty and closed. */
static struct heap_cpu first_cpu;

struct heap heap = { .cpu = { &first_cpu } };
static _Atomic unsigned inject_every, injected;

/* ---- start ---- */

/* Fills tag_at[] with the tag offset of each object of the class; with none for a closed magazine,
 * so that no free is a hit. */
static void find_tags(struct heap_magazine *m, enum heap_magazines how)
{
	struct heap_shape s = heap_shape_of(m->number);
	bool in_slot = heap_shape_tags_in_slot(&s);
	size_t first = in_slot ? offsetof(struct meta_slot, u.slab.tag) : 0;

	m->slot_mask = in_slot ? UINTPTR_MAX : 0;
	m->frame_mask = in_slot ? 0 : ~(uintptr_t)(PAGE_SIZE - 1);
	/* a slab has order 0, which is never TAG_ALLOCATED */
	memset(m->tag_at, in_slot ? offsetof(struct slot_state, order) : heap_shape_spare_tag(&s),
	       sizeof(m->tag_at));
	for (uint32_t place = s.lead; place < s.places && how == HEAP_MAGAZINES_OPEN; place++)
		m->tag_at[heap_shape_offset(&s, place) / HEAP_GRAIN] = (uint8_t)(first + place);
}

static void magazine_init(struct heap_magazine *m, unsigned number)
{
	struct heap_shape s = heap_shape_of(number);
	uint64_t max = s.size == 0 ? 0 : max_u64(HEAP_MAGAZINE_BYTES / s.size, HEAP_MAGAZINE_MIN);

	max = min_u64(max, HEAP_MAGAZINE) & ~UINT64_C(1); /* two batches */
	m->base = m->entry;
	m->end = m->entry + max;
	m->number = number;
	m->batch = (uint32_t)max / 2;
	find_tags(m, HEAP_MAGAZINES_OPEN);
	heap_set_top(m, m->base);
}

void heap_open_magazines(struct heap_cpu *cpu, enum heap_magazines how)
{
	for (unsigned number = 0; number < HEAP_CLASSES; number++) {
		struct heap_magazine *m = &cpu->magazine[number];

		m->end = how == HEAP_MAGAZINES_CLOSED ? m->base : m->base + 2 * m->batch;
		find_tags(m, how);
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
	/* relaxed: a test's setting */
	atomic_store_explicit(&injected, 0, memory_order_relaxed);
	atomic_store_explicit(&inject_every, nth, memory_order_relaxed);
}

static bool inject_now(void)
{
	unsigned every = atomic_load_explicit(&inject_every, memory_order_relaxed);

	return unlikely(every != 0) &&
	       (atomic_fetch_add_explicit(&injected, 1, memory_order_relaxed) + 1) % every == 0;
}

__owns static struct frame *get_frames(enum frame_kind kind, unsigned order)
{
	if (inject_now())
		return NULL;
	return order == 0 ? frame_alloc(kind) : frame_alloc_block(kind, order);
}

/* Address of the first frame without a MetaSlot in the section of pfn. */
static uintptr_t extent_end(pfn_t pfn)
{
	uint64_t index = pfn / SECTION_FRAMES;
	uint64_t end = index * SECTION_FRAMES + section_at((uint32_t)index)->covered;

	return (uintptr_t)arch_direct(paddr(end * PAGE_SIZE));
}

/* Most slabs are in one section.  The span starts with the section of the first frame allocated and
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
	/* relaxed: no other CPU runs */
	atomic_store_explicit(&s->grains, (extent_end(pfn) - s->base) / HEAP_GRAIN,
			      memory_order_relaxed);
	return OK;
}

static void span_cover(pfn_t pfn)
{
	uintptr_t first =
		(uintptr_t)arch_direct(pfn_to_paddr(pfn / SECTION_FRAMES * SECTION_FRAMES));
	struct heap_span *s = &heap.span;
	uint64_t grains = (first - s->base) / HEAP_GRAIN;

	/* release pairs with the acquire in heap_free(); a CPU that loses the exchange needs no
	 * retry: another one has grown the span */
	if (unlikely(grains == atomic_load_explicit(&s->grains, memory_order_relaxed)))
		atomic_compare_exchange_strong_explicit(&s->grains, &grains,
							(extent_end(pfn) - s->base) / HEAP_GRAIN,
							memory_order_release, memory_order_relaxed);
}

err_t heap_init(unsigned cpus)
{
	ASSERT(cpus >= 1 && cpus <= ARCH_MAX_CPUS);
	memset(&heap, 0, sizeof(heap));
	atomic_store_explicit(&inject_every, 0, memory_order_relaxed); /* no other CPU runs */
	for (unsigned number = 0; number < HEAP_CLASSES; number++)
		slab_class_init(number, heap_magazine_offset(number));
	for (size_t grains = 0; grains < ARRAY_SIZE(heap.magazine_of); grains++)
		heap.magazine_of[grains] = heap_magazine_offset(heap_class_of(grains * HEAP_GRAIN));
	for (unsigned i = 0; i < cpus; i++) {
		struct frame *f = i == 0 ? NULL : frame_alloc_block(FRAME_KERNEL, heap_cpu_order());

		if (i != 0 && f == NULL)
			return ERR_NO_MEMORY;
		heap.cpu[i] = i == 0 ? &first_cpu : arch_direct(frame_into_raw(f));
		cpu_init(heap.cpu[i]);
	}
	heap.cpus = cpus;
	heap_set_debug(0);
	return span_init();
}

/* ---- magazines: slow path ---- */

/* Number of objects to refill with: 0 when an interrupt has refilled the magazine already; a batch
 * when it is empty; 1 when it is closed, and that one is popped at once. */
static unsigned want(const struct heap_magazine *m)
{
	if (heap_top(m) != m->base)
		return 0;
	return m->end == m->base ? 1 : m->batch;
}

/* Pops the top object; NULL: empty.  Interrupts are off. */
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

/* Makes a slab of the frame and takes one object before the others are published. */
static void *take_from_new(unsigned number, struct frame *f) __takes(2)
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

/* Takes an object from a new slab; NULL: no frame is available. */
static void *take_from_frames(unsigned number)
{
	struct heap_cpu *way = heap_set_out();
	struct frame *f = get_frames(FRAME_SLAB, 0);
	void *object;

	if (f == NULL) {
		heap_turn_back(way);
		return NULL;
	}
	object = take_from_new(number, f);
	heap_arrive(way);
	return object;
}

/* On the owning CPU, or on its behalf, with interrupts off. */
static void empty_magazine(struct heap_magazine *m)
{
	unsigned n = (unsigned)(heap_top(m) - m->base);

	heap_set_top(m, m->base);
	if (n != 0)
		(void)slab_give(&slab_classes[m->number], m->base, n,
				SLAB_HOME); /* the caller frees empty slabs */
}

/* Runs on the CPU whose magazines are emptied. */
static void empty_magazines(void *unused)
{
	struct heap_cpu *cpu = heap.cpu[arch_cpu_id()];

	(void)unused;
	for (unsigned number = 1; number < HEAP_CLASSES; number++)
		empty_magazine(&cpu->magazine[number]);
	/* relaxed: a statistic */
	atomic_fetch_add_explicit(&cpu->drains, 1, memory_order_relaxed);
}

static void empty_own(void)
{
	uintptr_t irq = arch_irq_save();

	empty_magazines(NULL);
	arch_irq_restore(irq);
}

static bool interrupts_are_on(void)
{
	uintptr_t irq = arch_irq_save();

	arch_irq_restore(irq);
	return arch_irq_was_on(irq);
}

/* Interrupts are on.  This CPU again, too: the thread may have migrated since empty_own(). */
static void empty_all(void)
{
	(void)call_on_cpus_wait(empty_magazines, NULL);
}

/* ---- reclaim ---- */

void heap_put_chain(struct heap_cpu *way, struct slab_chain *chain)
{
	bool any = chain->front != PFN_NONE;

	slab_chain_put(chain);
	if (any)
		heap_arrive(way);
	else
		heap_turn_back(way);
}

static struct slab_chain collect_empty(void)
{
	struct slab_chain gone = SLAB_CHAIN_NONE;

	for (unsigned number = 1; number < HEAP_CLASSES; number++)
		slab_shrink(&slab_classes[number], &gone);
	return gone;
}

/* Frees all empty slabs. */
static void give_empty(void)
{
	struct heap_cpu *way = heap_set_out();
	struct slab_chain gone = collect_empty();

	heap_put_chain(way, &gone);
}

/* Number of arrivals on all CPUs, modulo 2^32. */
static uint32_t arrivals(void)
{
	uint32_t sum = 0;

	/* acquire pairs with heap_arrive(): the next search sees what has been counted */
	for (unsigned i = 0; i < heap.cpus; i++)
		sum += (uint32_t)(atomic_load_explicit(&heap.cpu[i]->flow, memory_order_acquire) /
				  HEAP_FLOW_ARRIVED);
	return sum;
}

static bool is_late(uint64_t start)
{
	return arch_ticks() - start > DRAIN_WAIT_MS * arch_ticks_per_ms();
}

/* Waits until every search in flight has ended, by heap_arrive() or heap_turn_back().  Interrupts
 * are on, so that a preempted thread with such a search is scheduled again. */
static void wait_for_flow(uint64_t start)
{
	for (unsigned i = 0; i < heap.cpus; i++)
		/* acquire pairs with heap_arrive() and heap_turn_back() */
		while ((uint32_t)atomic_load_explicit(&heap.cpu[i]->flow, memory_order_acquire) !=
			       0 &&
		       !is_late(start))
			arch_relax();
}

/* Allocates from what the emptied magazines returned: an object, or an empty slab's frame. */
static void *claim_left(unsigned number)
{
	struct heap_cpu *way = heap_set_out();
	struct slab_chain gone = collect_empty();
	void *object = take(number, SLAB_CLAIMANT);
	struct frame *f = object == NULL ? slab_chain_take(&gone) : NULL;

	slab_chain_put(&gone);
	if (f != NULL)
		object = take_from_new(number, f);
	if (object != NULL)
		heap_arrive(way);
	else
		heap_turn_back(way); /* the chain was empty */
	return object;
}

/* Searches everywhere once, for a claimant. */
static void *search_everywhere(unsigned number)
{
	void *object;

	empty_own();
	object = claim_left(number);
	if (object == NULL && interrupts_are_on()) {
		empty_all();
		object = claim_left(number);
	}
	return object != NULL ? object : take_from_frames(number);
}

/* True: something arrived since `before` was read, which the search may have missed. */
static bool is_worth_a_retry(uint32_t before, uint64_t start)
{
	wait_for_flow(start);
	return arrivals() != before && !is_late(start);
}

static void *reclaim_small(unsigned number)
{
	uint64_t start = arch_ticks();
	uint32_t before;
	void *object;

	slab_claim(&slab_classes[number]);
	do {
		before = arrivals();
		object = search_everywhere(number);
	} while (object == NULL && interrupts_are_on() && is_worth_a_retry(before, start));
	slab_unclaim(&slab_classes[number]);
	return object;
}

/* Needs a block, not the last frame: searches once, after all that is in flight has arrived. */
__owns static struct frame *reclaim_large(unsigned order)
{
	uint64_t start = arch_ticks();

	empty_own();
	if (interrupts_are_on())
		empty_all();
	give_empty();
	if (interrupts_are_on())
		wait_for_flow(start);
	return get_frames(FRAME_HEAP_LARGE, order);
}

/* H8.  False: interrupts are off and a reclaim is in progress on this CPU, perhaps the one that
 * this handler interrupted. */
static bool reclaim_enter(struct heap_cpu **cpu)
{
	uintptr_t irq = arch_irq_save();
	bool enters;

	*cpu = heap.cpu[arch_cpu_id()];
	/* relaxed: a CPU's handlers see its own writes */
	enters = arch_irq_was_on(irq) ||
		 atomic_load_explicit(&(*cpu)->reclaims, memory_order_relaxed) == 0;
	if (enters)
		atomic_fetch_add_explicit(&(*cpu)->reclaims, 1, memory_order_relaxed);
	arch_irq_restore(irq);
	return enters;
}

/* On the counter of the CPU where it started: the thread may have migrated. */
static void reclaim_leave(struct heap_cpu *cpu)
{
	atomic_fetch_sub_explicit(&cpu->reclaims, 1, memory_order_relaxed);
}

/* ---- allocation ---- */

static void *alloc_small(unsigned number)
{
	void *object = take(number, SLAB_NEAR);
	struct heap_cpu *cpu;

	if (object == NULL)
		object = take_from_frames(number);
	if (object == NULL)
		object = take(number, SLAB_ANY);
	if (object == NULL && reclaim_enter(&cpu)) {
		object = reclaim_small(number);
		reclaim_leave(cpu);
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
	if (order > ORDER_MAX)
		return NULL;
	f = get_frames(FRAME_HEAP_LARGE, order);
	if (f == NULL && reclaim_enter(&cpu)) {
		f = reclaim_large(order);
		reclaim_leave(cpu);
	}
	if (f == NULL)
		return NULL;
	/* relaxed: a statistic */
	atomic_fetch_add_explicit(&heap.large_frames, UINT64_C(1) << order, memory_order_relaxed);
	return arch_direct(frame_into_raw(f));
}

/* The smallest class of at least `size` bytes whose objects are aligned to `align`, or
 * HEAP_CLASS_NONE: an object is aligned to the largest power of two that divides its size. */
static unsigned class_for(size_t size, size_t align)
{
	unsigned number = heap_class_of(size);

	if (size == 0 || size > HEAP_SMALL_MAX || align > HEAP_SMALL_MAX)
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
	if (unlikely(size > HEAP_SMALL_MAX))
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

/* ---- return of memory ---- */

void heap_drain(void)
{
	empty_own();
	if (interrupts_are_on())
		empty_all();
	give_empty();
}

void heap_age(void)
{
	struct slab_chain gone = SLAB_CHAIN_NONE;
	struct heap_cpu *cpu, *way;
	uintptr_t irq;

	if (heap.cpus == 0)
		return;
	way = heap_set_out();
	irq = arch_irq_save();
	cpu = heap.cpu[arch_cpu_id()];
	for (unsigned number = 1; number < HEAP_CLASSES; number++) {
		struct heap_magazine *m = &cpu->magazine[number];

		if (heap_top(m) == cpu->seen[number] && heap_top(m) != m->base) {
			empty_magazine(m);
			slab_shrink(&slab_classes[number], &gone);
		}
		cpu->seen[number] = heap_top(m);
	}
	arch_irq_restore(irq);
	heap_put_chain(way, &gone);
}
