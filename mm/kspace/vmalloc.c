/* SPDX-License-Identifier: MIT */
/* vmalloc.c - virtual ranges of kernel space, and the areas mapped in them. */
#include "mm/kspace/kspace_impl.h"

#include "lib/bits.h"
#include "lib/panic.h"
#include "lib/string.h"

enum {
	SECTIONS_MAX = 64,           /* of 1 GiB of virtual pages of the vmalloc area */
	RUN_ORDER_MAX = CHUNK_ORDER, /* memory is allocated in runs of at most 2 MiB */
	RECENT_ORDERS = 10,
	RECENT_MAX = 8,
	MARKER_PAGES_BITS = 20,
	MARKER_PURPOSE_SHIFT = MARKER_PAGES_BITS + OWNER_BITS, /* 2 bits: a marker has 31 */
};

static struct zone ranges; /* virtual pages of the vmalloc area */
static struct chunk_table *range_tables[SECTIONS_MAX];
static uint32_t range_sections; /* populated so far */

/* Cache of recently freed, already invalidated ranges, by order: most areas are small and
 * short-lived. */
static struct {
	unsigned count;
	pfn_t range[RECENT_MAX];
} recent[RECENT_ORDERS];

/* ---- virtual ranges ---- */

void kspace_ranges_init(void)
{
	uint32_t sections = (uint32_t)min_u64(kspace.layout.vmalloc_len / GIB(1), SECTIONS_MAX);

	owners_init();
	range_sections = 0;
	memset(recent, 0, sizeof(recent));
	memset(range_tables, 0, sizeof(range_tables));
	zone_init(&ranges, "vmalloc", range_tables, 0, sections);
}

static pfn_t va_range(vaddr_t va)
{
	return (pfn_t)((va - kspace.layout.vmalloc) / PAGE_SIZE);
}

/* Adds 1 GiB of virtual pages; its chunk table takes 64 KiB. */
static bool ranges_grow(void) __requires(kspace.lock)
{
	unsigned order = bits_order((sizeof(struct chunk_table) + PAGE_SIZE - 1) / PAGE_SIZE);
	struct frame *f;

	if (range_sections == ranges.end_section)
		return false;
	f = frame_alloc_block(FRAME_META, order);
	if (f == NULL)
		return false;
	range_tables[range_sections] = arch_direct(frame_into_raw(f));
	memset(range_tables[range_sections], 0, sizeof(struct chunk_table));
	zone_add(&ranges, range_sections * SECTION_FRAMES, SECTION_FRAMES);
	range_sections++;
	return true;
}

pfn_t kspace_range_alloc(unsigned order)
{
	pfn_t first = PFN_NONE;

	if (order > ORDER_MAX)
		return PFN_NONE;
	if (order < RECENT_ORDERS && recent[order].count > 0)
		return recent[order].range[--recent[order].count];
	do {
		first = zone_alloc(&ranges, order);
	} while (first == PFN_NONE && ranges_grow());
	return first;
}

static void range_free(pfn_t first, unsigned order) __requires(kspace.lock)
{
	if (order < RECENT_ORDERS && recent[order].count < RECENT_MAX)
		recent[order].range[recent[order].count++] = first;
	else if (zone_free(&ranges, first, order) != OK)
		panic("virtual range %#lx is already free", kspace_range_va(first));
}

/* ---- areas ---- */

uint32_t kspace_area_marker(struct area a)
{
	return (uint32_t)a.purpose << MARKER_PURPOSE_SHIFT | a.owner << MARKER_PAGES_BITS | a.pages;
}

bool kspace_read_marker(vaddr_t page, struct area *a)
{
	struct pt_item item;

	if (!kspace_in_area(page))
		return false;
	item = page_table_query(&kspace.table, page);
	if (item.kind != PT_ITEM_MARKER)
		return false;
	a->pages = item.marker & ((1u << MARKER_PAGES_BITS) - 1);
	a->owner = item.marker >> MARKER_PAGES_BITS & ((1u << OWNER_BITS) - 1);
	a->purpose = (enum area_purpose)(item.marker >> MARKER_PURPOSE_SHIFT);
	return true;
}

void kspace_clear_range(vaddr_t va, uint64_t pages, pfn_t range, unsigned order)
{
	struct tlb_batch gone __uninitialized;
	struct cursor c __uninitialized;
	err_t err;

	tlb_batch_init(&gone, &tlb_kernel_space);
	err = cursor_open(&c, &kspace.table, (struct vrange){ va, pages * PAGE_SIZE }, &gone);
	ASSERT(err == OK);
	err = cursor_unmap(&c, pages * PAGE_SIZE);
	ASSERT(err == OK); /* whole areas: no large page is split */
	cursor_close(&c);
	tlb_batch_finish(&gone);
	range_free(range, order);
}

/* ---- memory for areas: runs of frames, linked through the MetaSlot of each run's head ---- */

struct run_chain {
	pfn_t head;
};

static void chain_free(struct run_chain *chain)
{
	while (chain->head != PFN_NONE) {
		struct frame *f = frame_of_slot(meta_slot_of(chain->head));

		chain->head = frame_slot(f)->u.list.next;
		frame_put(f);
	}
}

static bool chain_alloc(struct run_chain *chain, uint32_t pages)
{
	unsigned max_order = RUN_ORDER_MAX;

	chain->head = PFN_NONE;
	while (pages > 0) {
		unsigned order = bits_log2(pages) < max_order ? bits_log2(pages) : max_order;
		struct frame *f = order == 0 ? frame_alloc(FRAME_KERNEL)
					     : frame_try_alloc_block(FRAME_KERNEL, order);

		if (f == NULL && order == 0) {
			chain_free(chain);
			return false;
		}
		if (f == NULL) {
			max_order = order - 1;
			continue;
		}
		frame_slot(f)->u.list.next = chain->head;
		chain->head = paddr_to_pfn(frame_into_raw(f));
		pages -= UINT32_C(1) << order;
	}
	return true;
}

/* Maps the runs of the chain; on an error the unmapped runs stay in it. */
static err_t chain_map(struct run_chain *chain, struct cursor *c)
{
	while (chain->head != PFN_NONE) {
		struct frame *f = frame_of_slot(meta_slot_of(chain->head));
		pfn_t first = chain->head, next = frame_slot(f)->u.list.next;
		vaddr_t before = c->va;
		uint32_t n = frame_split(f), mapped;
		err_t err = cursor_map_run(c, first, n, kspace_memory_prop);

		chain->head = next;
		mapped = (uint32_t)((c->va - before) / PAGE_SIZE);
		if (err != OK) {
			for (uint32_t i = mapped; i < n; i++)
				frame_put(frame_of_slot(meta_slot_of(first + i)));
			return err;
		}
	}
	return OK;
}

/* ---- vmalloc ---- */

static err_t area_map(struct run_chain *chain, struct area a, vaddr_t guard) __requires(kspace.lock)
{
	struct cursor c __uninitialized;
	err_t err = cursor_open(&c, &kspace.table,
				(struct vrange){ guard, ((uint64_t)a.pages + 1) * PAGE_SIZE },
				NULL);

	if (err != OK)
		return err;
	err = cursor_set_marker(&c, PAGE_SIZE, kspace_area_marker(a));
	if (err == OK)
		err = chain_map(chain, &c);
	cursor_close(&c);
	return err;
}

static void *area_alloc(size_t bytes, enum area_purpose purpose, const char *owner,
			uintptr_t caller)
{
	struct area a = { .purpose = purpose };
	struct run_chain chain;
	uintptr_t irq;
	pfn_t range;
	err_t err = ERR_NO_MEMORY;

	if (bytes == 0 || bytes > GIB(1) - PAGE_SIZE)
		return NULL;
	a.pages = (uint32_t)(align_up(bytes, PAGE_SIZE) / PAGE_SIZE);
	if (!chain_alloc(&chain, a.pages))
		return NULL;
	irq = spin_lock_irq(&kspace.lock);
	range = kspace_range_alloc(area_order(a));
	a.owner = owner_get(owner, caller);
	if (range != PFN_NONE) {
		err = area_map(&chain, a, kspace_range_va(range));
		if (err != OK)
			kspace_clear_range(kspace_range_va(range), (uint64_t)a.pages + 1, range,
					   area_order(a));
	}
	if (err != OK)
		owner_put(a.owner);
	if (err == OK) {
		kspace.stats.areas++;
		kspace.stats.pages += a.pages;
	}
	spin_unlock_irq(&kspace.lock, irq);
	chain_free(&chain);
	return err == OK ? (void *)(kspace_range_va(range) + PAGE_SIZE) : NULL;
}

static void area_free(const void *p, enum area_purpose purpose, const char *what)
{
	vaddr_t va = (vaddr_t)p;
	struct area a;
	uintptr_t irq;

	irq = spin_lock_irq(&kspace.lock);
	if (va % PAGE_SIZE != 0 || !kspace_read_marker(va - PAGE_SIZE, &a) ||
	    a.purpose != purpose) {
		spin_unlock_irq(&kspace.lock, irq);
		panic("%s of %p, which is not the start of an area", what, p);
	}
	kspace.stats.areas--;
	kspace.stats.pages -= a.pages;
	kspace_clear_range(va - PAGE_SIZE, (uint64_t)a.pages + 1, va_range(va - PAGE_SIZE),
			   area_order(a));
	owner_put(a.owner);
	spin_unlock_irq(&kspace.lock, irq);
}

void *vmalloc(size_t bytes)
{
	return area_alloc(bytes, AREA_MEMORY, NULL, (uintptr_t)__builtin_return_address(0));
}

void *vzalloc(size_t bytes)
{
	void *p = area_alloc(bytes, AREA_MEMORY, NULL, (uintptr_t)__builtin_return_address(0));

	if (p != NULL)
		memset(p, 0, bytes);
	return p;
}

void vfree(void *p)
{
	if (p != NULL)
		area_free(p, AREA_MEMORY, "vfree");
}

size_t vmalloc_size(const void *p)
{
	struct area a;

	if ((vaddr_t)p % PAGE_SIZE != 0 || !kspace_read_marker((vaddr_t)p - PAGE_SIZE, &a) ||
	    a.purpose != AREA_MEMORY)
		return 0;
	return (size_t)a.pages * PAGE_SIZE;
}

void *kspace_stack_alloc(size_t bytes, const char *owner)
{
	return area_alloc(bytes, AREA_STACK, owner, 0);
}

void kspace_stack_free(void *stack)
{
	if (stack != NULL)
		area_free(stack, AREA_STACK, "free of a stack");
}
