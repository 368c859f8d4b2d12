/* SPDX-License-Identifier: MIT */
#include "mm/kspace.h"

#include "arch/lock.h"
#include "lib/bits.h"
#include "lib/panic.h"
#include "lib/print.h"
#include "lib/string.h"
#include "mm/regions.h"

enum {
	KEEP_LEVEL = 2,     /* nodes of the kernel's half from here up stay */
	SECTIONS_MOST = 64, /* of 1 GiB of virtual pages in the vmalloc area */
	WINDOWS_MOST = 256,
	RUN_ORDER_MOST = CHUNK_ORDER, /* vmalloc takes memory in runs of at most 2 MiB */
	IMAGE_SECTIONS_MOST = 8,
};

/* The note below an area: purpose, order of its virtual range, pages. */
enum area_purpose {
	AREA_MEMORY = 1,
	AREA_STACK = 2,
	AREA_WINDOW = 3,
};
enum {
	NOTE_PAGES_BITS = 20,
	NOTE_ORDER_BITS = 5,
	NOTE_PURPOSE_SHIFT = NOTE_PAGES_BITS + NOTE_ORDER_BITS,
};

struct area {
	enum area_purpose purpose;
	unsigned order;
	uint32_t pages;
};

struct window {
	uint64_t pa, len; /* whole pages */
	vaddr_t va;
	enum mem_type type;
	unsigned count; /* of kspace_map_mmio() calls; 0: free entry */
	pfn_t range;    /* virtual pages, and their order */
	unsigned order;
};

static struct spinlock lock = SPINLOCK_INIT;
static struct page_table table;
static struct kspace_layout layout;
static struct kspace_section image[IMAGE_SECTIONS_MOST];
static size_t image_count;
static const struct region *regions;
static size_t region_count;
static struct zone ranges; /* virtual pages of the vmalloc area */
static struct chunk_table *range_tables[SECTIONS_MOST];
static uint32_t range_sections; /* populated so far */
static struct window windows[WINDOWS_MOST];
static struct kspace_totals totals;

static const struct page_prop memory_prop = { PROP_READ | PROP_WRITE | PROP_GLOBAL,
					      MEM_WRITE_BACK };

/* ---- building ---- */

static err_t map_whole(vaddr_t va, uint64_t pa, uint64_t len, struct page_prop prop, unsigned most)
{
	struct cursor c;
	err_t err = cursor_open(&c, &table, (struct vrange){ va, len });

	if (err == OK)
		err = cursor_map_pa(&c, paddr(pa), len, prop, most);
	cursor_close(&c);
	return err;
}

/* Memory in the linear map, cut where its cache type may change and around the image. */
static err_t map_direct(uint64_t start, uint64_t end)
{
	err_t err = OK;

	while (start < end && err == OK) {
		uint64_t stop = min_u64(end, arch_memory_type_change(start));

		err = map_whole(layout.direct + start, start, stop - start, memory_prop,
				arch_pt_leaf_level_most());
		start = stop;
	}
	return err;
}

static uint64_t image_start(void)
{
	return image[0].start - layout.image_offset;
}

static uint64_t image_end(void)
{
	return image[image_count - 1].end - layout.image_offset;
}

static err_t map_direct_around_image(uint64_t start, uint64_t end)
{
	err_t err = map_direct(start, min_u64(end, max_u64(start, image_start())));

	return err == OK ? map_direct(max_u64(start, min_u64(end, image_end())), end) : err;
}

static bool is_memory(enum region_type type)
{
	return type != REGION_RESERVED && type != REGION_FRAMEBUFFER && type != REGION_BAD;
}

/* Runs of memory, whatever its types, in whole pages. */
static err_t map_all_memory(void)
{
	uint64_t start = 0, end = 0;
	err_t err = OK;

	for (size_t i = 0; i < region_count && err == OK; i++) {
		uint64_t first = align_down(regions[i].start, PAGE_SIZE);
		uint64_t last = min_u64(align_up(regions[i].end, PAGE_SIZE), PHYS_LIMIT);

		if (!is_memory(regions[i].type) || first >= last)
			continue;
		if (first > end) {
			err = map_direct_around_image(start, end);
			start = first;
		}
		end = max_u64(end, last);
	}
	return err == OK ? map_direct_around_image(start, end) : err;
}

/* Both aliases of the image: its own, and the linear map without a right to execute; what may be
 * executed is never writable (K1). */
static err_t map_image(void)
{
	err_t err = OK;

	for (size_t i = 0; i < image_count && err == OK; i++) {
		const struct kspace_section *s = &image[i];
		struct page_prop prop = { (uint8_t)(s->flags | PROP_GLOBAL), MEM_WRITE_BACK };
		uint64_t pa = s->start - layout.image_offset, len = s->end - s->start;

		err = map_whole(s->start, pa, len, prop, 2);
		prop.flags &= (uint8_t)~PROP_EXECUTE;
		if (err == OK)
			err = map_whole(layout.direct + pa, pa, len, prop, 2);
	}
	return err;
}

static err_t map_slots(vaddr_t va, paddr_t pa, size_t len)
{
	return map_whole(va, pa.raw, len, memory_prop, 2);
}

/* The slots of sections that are populated, and room in the table for those that will be. */
static err_t map_meta(void)
{
	struct vrange all = { layout.meta,
			      align_up((uint64_t)section_count() * SECTION_FRAMES * META_SLOT_BYTES,
				       MIB(2)) };
	err_t err = page_table_populate(&table, all, KEEP_LEVEL);

	for (uint32_t i = 0; i < section_count() && err == OK; i++) {
		const struct section *s = section_at(i);

		if (section_slot(paddr((uint64_t)i * GIB(1))) != NULL)
			err = map_slots((vaddr_t)meta_slot_of(i * SECTION_FRAMES),
					pfn_to_paddr(s->slots),
					(size_t)s->covered * META_SLOT_BYTES);
	}
	return err;
}

err_t kspace_build(const struct kspace_layout *where, const struct kspace_section *sections,
		   size_t count, const struct region *r, size_t n)
{
	struct vrange area = { where->vmalloc, where->vmalloc_len };
	err_t err;

	ASSERT(count > 0 && count <= IMAGE_SECTIONS_MOST && where->vmalloc_len % GIB(1) == 0 &&
	       where->vmalloc_len / GIB(1) <= SECTIONS_MOST);
	spin_init(&lock);
	layout = *where;
	memcpy(image, sections, count * sizeof(image[0]));
	image_count = count;
	regions = r;
	region_count = n;
	range_sections = 0;
	memset(windows, 0, sizeof(windows));
	memset(range_tables, 0, sizeof(range_tables));
	totals = (struct kspace_totals){ 0 };
	zone_init(&ranges, "vmalloc", range_tables, 0, (uint32_t)(where->vmalloc_len / GIB(1)));
	pt_node_init();
	err = page_table_init(&table, arch_pt_levels());
	if (err == OK)
		err = page_table_populate(&table, area, KEEP_LEVEL + 1);
	if (err == OK)
		err = map_all_memory();
	if (err == OK)
		err = map_image();
	if (err == OK)
		err = map_meta();
	return err;
}

err_t kspace_exclude_page(vaddr_t va)
{
	struct tlb_batch gone;
	struct cursor c;
	err_t err = cursor_open(&c, &table, (struct vrange){ va, PAGE_SIZE });

	if (err != OK)
		return err;
	tlb_batch_init(&gone);
	err = cursor_unmap(&c, PAGE_SIZE, &gone);
	cursor_close(&c);
	tlb_batch_finish(&gone);
	return err;
}

void kspace_activate(void)
{
	static const struct section_mapper mapper = { map_slots };

	arch_pt_activate(frame_paddr(table.root));
	section_use_mapper(&mapper);
}

const struct page_table *kspace_table(void)
{
	return &table;
}

/* ---- virtual ranges ---- */

static vaddr_t range_va(pfn_t first)
{
	return layout.vmalloc + (uint64_t)first * PAGE_SIZE;
}

static pfn_t va_range(vaddr_t va)
{
	return (pfn_t)((va - layout.vmalloc) / PAGE_SIZE);
}

static bool in_area(vaddr_t va)
{
	return va - layout.vmalloc < layout.vmalloc_len;
}

/* One more GiB of virtual pages; its chunk table takes 40 KiB. */
static bool ranges_grow(void) __requires(lock)
{
	unsigned order = bits_order((sizeof(struct chunk_table) + PAGE_SIZE - 1) / PAGE_SIZE);
	struct frame *f;

	if (range_sections == ranges.end_section)
		return false;
	f = frame_alloc_block(FRAME_META, order);
	if (f == NULL)
		return false;
	range_tables[range_sections] = arch_direct(frame_paddr(f));
	memset(range_tables[range_sections], 0, sizeof(struct chunk_table));
	zone_add(&ranges, range_sections * SECTION_FRAMES, SECTION_FRAMES);
	range_sections++;
	return true;
}

static pfn_t range_alloc(unsigned order) __requires(lock)
{
	pfn_t first = PFN_NONE;

	if (order > ORDER_MOST)
		return PFN_NONE;
	do {
		first = zone_alloc(&ranges, order);
	} while (first == PFN_NONE && ranges_grow());
	return first;
}

static void range_free(pfn_t first, unsigned order) __requires(lock)
{
	err_t err = zone_free(&ranges, first, order);

	ASSERT(err == OK);
}

/* ---- areas ---- */

static uint32_t area_note(struct area a)
{
	return (uint32_t)a.purpose << NOTE_PURPOSE_SHIFT | a.order << NOTE_PAGES_BITS | a.pages;
}

/* What the note at the page says; false when there is none. */
static bool read_note(vaddr_t page, struct area *a)
{
	struct pt_item item;

	if (!in_area(page))
		return false;
	item = page_table_query(&table, page);
	if (item.kind != PT_ITEM_NOTE)
		return false;
	a->pages = item.note & ((1u << NOTE_PAGES_BITS) - 1);
	a->order = item.note >> NOTE_PAGES_BITS & ((1u << NOTE_ORDER_BITS) - 1);
	a->purpose = (enum area_purpose)(item.note >> NOTE_PURPOSE_SHIFT);
	return true;
}

/* Empty `pages` pages from va on, flush, and give the virtual range back: in this order (K4). */
static void clear_range(vaddr_t va, uint64_t pages, pfn_t range, unsigned order) __requires(lock)
{
	struct tlb_batch gone;
	struct cursor c;
	err_t err = cursor_open(&c, &table, (struct vrange){ va, pages * PAGE_SIZE });

	ASSERT(err == OK);
	tlb_batch_init(&gone);
	err = cursor_unmap(&c, pages * PAGE_SIZE, &gone);
	ASSERT(err == OK); /* whole pages: nothing is split */
	cursor_close(&c);
	tlb_batch_finish(&gone);
	range_free(range, order);
}

/* ---- memory for areas: runs of frames, chained through the slot of each run's head ---- */

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
	unsigned most = RUN_ORDER_MOST;

	chain->head = PFN_NONE;
	while (pages > 0) {
		unsigned order = bits_log2(pages) < most ? bits_log2(pages) : most;
		struct frame *f = frame_alloc_block(FRAME_KERNEL, order);

		if (f == NULL && order == 0) {
			chain_free(chain);
			return false;
		}
		if (f == NULL) {
			most = order - 1;
			continue;
		}
		frame_slot(f)->u.list.next = chain->head;
		chain->head = frame_pfn(f);
		pages -= UINT32_C(1) << order;
	}
	return true;
}

/* Map what the chain has; on an error the rest stays in it. */
static err_t chain_map(struct run_chain *chain, struct cursor *c)
{
	while (chain->head != PFN_NONE) {
		struct frame *f = frame_of_slot(meta_slot_of(chain->head));
		pfn_t first = chain->head, next = frame_slot(f)->u.list.next;
		vaddr_t before = c->va;
		uint32_t n = frame_split(f), mapped;
		err_t err = cursor_map_run(c, first, n, memory_prop);

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

static err_t area_map(struct run_chain *chain, struct area a, vaddr_t guard) __requires(lock)
{
	struct cursor c;
	err_t err = cursor_open(&c, &table,
				(struct vrange){ guard, ((uint64_t)a.pages + 1) * PAGE_SIZE });

	if (err == OK)
		err = cursor_note(&c, area_note(a));
	if (err == OK)
		err = chain_map(chain, &c);
	cursor_close(&c);
	return err;
}

static void *area_alloc(size_t bytes, enum area_purpose purpose)
{
	struct area a = { .purpose = purpose };
	struct run_chain chain;
	uintptr_t irq;
	pfn_t range;
	err_t err = ERR_NO_MEMORY;

	if (bytes == 0 || bytes > GIB(1) - PAGE_SIZE)
		return NULL;
	a.pages = (uint32_t)(align_up(bytes, PAGE_SIZE) / PAGE_SIZE);
	a.order = bits_order((uint64_t)a.pages + 1);
	if (!chain_alloc(&chain, a.pages))
		return NULL;
	irq = spin_lock_irq(&lock);
	range = range_alloc(a.order);
	if (range != PFN_NONE) {
		err = area_map(&chain, a, range_va(range));
		if (err != OK)
			clear_range(range_va(range), (uint64_t)a.pages + 1, range, a.order);
	}
	if (err == OK) {
		totals.areas++;
		totals.pages += a.pages;
	}
	spin_unlock_irq(&lock, irq);
	chain_free(&chain);
	return err == OK ? (void *)(range_va(range) + PAGE_SIZE) : NULL;
}

static void area_free(const void *p, enum area_purpose purpose, const char *who)
{
	vaddr_t va = (vaddr_t)p;
	struct area a;
	uintptr_t irq;

	irq = spin_lock_irq(&lock);
	if (va % PAGE_SIZE != 0 || !read_note(va - PAGE_SIZE, &a) || a.purpose != purpose) {
		spin_unlock_irq(&lock, irq);
		panic("%s of %p, which is not the start of an area", who, p);
	}
	totals.areas--;
	totals.pages -= a.pages;
	clear_range(va - PAGE_SIZE, (uint64_t)a.pages + 1, va_range(va - PAGE_SIZE), a.order);
	spin_unlock_irq(&lock, irq);
}

void *vmalloc(size_t bytes)
{
	return area_alloc(bytes, AREA_MEMORY);
}

void *vzalloc(size_t bytes)
{
	void *p = vmalloc(bytes);

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

	if ((vaddr_t)p % PAGE_SIZE != 0 || !read_note((vaddr_t)p - PAGE_SIZE, &a) ||
	    a.purpose != AREA_MEMORY)
		return 0;
	return (size_t)a.pages * PAGE_SIZE;
}

void *kspace_stack_alloc(size_t bytes)
{
	return area_alloc(bytes, AREA_STACK);
}

void kspace_stack_free(void *stack)
{
	if (stack != NULL)
		area_free(stack, AREA_STACK, "free of a stack");
}

/* ---- MMIO windows ---- */

/* A window that has all of [pa, pa + len) with that type; *clash: one has some of it with another.
 */
static struct window *window_find(uint64_t pa, uint64_t len, enum mem_type type, bool *clash)
	__requires(lock)
{
	struct window *found = NULL;

	*clash = false;
	for (unsigned i = 0; i < WINDOWS_MOST; i++) {
		struct window *w = &windows[i];

		if (w->count == 0 || w->pa >= pa + len || w->pa + w->len <= pa)
			continue;
		if (w->type != type)
			*clash = true;
		else if (w->pa <= pa && w->pa + w->len >= pa + len)
			found = w;
	}
	return found;
}

static struct window *window_free_entry(void) __requires(lock)
{
	for (unsigned i = 0; i < WINDOWS_MOST; i++)
		if (windows[i].count == 0)
			return &windows[i];
	return NULL;
}

/* Large windows keep the offset within 2 MiB, so that large pages fit; the pages before it are the
 * guard. */
static err_t window_make(struct window *w, uint64_t pa, uint64_t len, enum mem_type type)
	__requires(lock)
{
	uint64_t lead = len >= MIB(2) ? MIB(2) + pa % MIB(2) : PAGE_SIZE;
	struct page_prop prop = { PROP_READ | PROP_WRITE | PROP_GLOBAL, (uint8_t)type };
	struct area a = { AREA_WINDOW, 0, (uint32_t)(len / PAGE_SIZE) };
	struct cursor c;
	err_t err;

	w->order = bits_order((lead + len) / PAGE_SIZE + 1);
	w->range = range_alloc(w->order);
	if (w->range == PFN_NONE)
		return ERR_NO_MEMORY;
	w->va = range_va(w->range) + lead;
	w->pa = pa;
	w->len = len;
	w->type = type;
	a.order = w->order;
	err = cursor_open(&c, &table, (struct vrange){ w->va - PAGE_SIZE, len + PAGE_SIZE });
	if (err == OK)
		err = cursor_note(&c, area_note(a));
	if (err == OK)
		err = cursor_map_pa(&c, paddr(pa), len, prop, arch_pt_leaf_level_most());
	cursor_close(&c);
	if (err != OK)
		clear_range(w->va - PAGE_SIZE, len / PAGE_SIZE + 1, w->range, w->order);
	return err;
}

static err_t map_mmio_locked(uint64_t pa, uint64_t len, enum mem_type type, vaddr_t *va)
	__requires(lock)
{
	struct window *w;
	err_t err = OK;
	bool clash;

	w = window_find(pa, len, type, &clash);
	if (clash)
		return ERR_IN_USE;
	if (w == NULL) {
		w = window_free_entry();
		err = w == NULL ? ERR_NO_MEMORY : window_make(w, pa, len, type);
		totals.windows += err == OK;
	}
	if (err != OK)
		return err;
	w->count++;
	*va = w->va + (pa - w->pa);
	return OK;
}

err_t kspace_map_mmio(paddr_t pa, size_t len, enum mem_type type, void **out)
{
	uint64_t start = align_down(pa.raw, PAGE_SIZE), end;
	uintptr_t irq;
	vaddr_t va;
	err_t err;

	if (len == 0 || len > GIB(1) / 2 || pa.raw > UINT64_MAX - len - PAGE_SIZE ||
	    (unsigned)type >= MEM_TYPES || !arch_paddr_ok(paddr(pa.raw + len - 1)))
		return ERR_BAD_RANGE;
	end = align_up(pa.raw + len, PAGE_SIZE);
	if (regions_have_memory(regions, region_count, start, end))
		return ERR_BAD_RANGE;
	irq = spin_lock_irq(&lock);
	err = map_mmio_locked(start, end - start, type, &va);
	spin_unlock_irq(&lock, irq);
	if (err == OK)
		*out = (void *)(va + (pa.raw - start));
	return err;
}

void kspace_unmap_mmio(void *window)
{
	vaddr_t va = (vaddr_t)window;
	uintptr_t irq = spin_lock_irq(&lock);
	struct window *w = NULL;

	for (unsigned i = 0; i < WINDOWS_MOST && w == NULL; i++)
		if (windows[i].count != 0 && va - windows[i].va < windows[i].len)
			w = &windows[i];
	if (w != NULL && --w->count == 0) {
		totals.windows--;
		clear_range(w->va - PAGE_SIZE, w->len / PAGE_SIZE + 1, w->range, w->order);
	}
	spin_unlock_irq(&lock, irq);
	if (w == NULL)
		panic("unmap of %p, which is no MMIO window", window);
}

/* ---- a page of the image ---- */

static bool is_image_data(vaddr_t va)
{
	for (size_t i = 0; i < image_count; i++)
		if (va >= image[i].start && va < image[i].end)
			return (image[i].flags & PROP_WRITE) != 0 && va % PAGE_SIZE == 0;
	return false;
}

err_t kspace_image_page_take(vaddr_t va, struct pt_item *old)
{
	uintptr_t irq;
	err_t err;

	if (!is_image_data(va))
		return ERR_BAD_RANGE;
	irq = spin_lock_irq(&lock);
	*old = page_table_query(&table, va);
	old->pa.raw += va - old->start;
	old->start = va;
	old->len = PAGE_SIZE;
	err = old->kind == PT_ITEM_LEAF ? kspace_exclude_page(va) : ERR_BAD_RANGE;
	spin_unlock_irq(&lock, irq);
	return err;
}

err_t kspace_image_page_put(vaddr_t va, paddr_t pa, struct page_prop prop)
{
	uintptr_t irq;
	err_t err;

	if (!is_image_data(va) || pa.raw % PAGE_SIZE != 0)
		return ERR_BAD_RANGE;
	irq = spin_lock_irq(&lock);
	err = map_whole(va, pa.raw, PAGE_SIZE, prop, 1);
	spin_unlock_irq(&lock, irq);
	return err;
}

struct kspace_totals kspace_totals(void)
{
	struct kspace_totals t = totals;

	t.nodes = page_table_nodes(&table);
	return t;
}

bool kspace_window_at(unsigned index, struct kspace_window *out)
{
	uintptr_t irq = spin_lock_irq(&lock);
	bool used = index < WINDOWS_MOST && windows[index].count != 0;

	if (used)
		*out = (struct kspace_window){ windows[index].pa, windows[index].len,
					       windows[index].va, windows[index].type,
					       windows[index].count };
	spin_unlock_irq(&lock, irq);
	return used;
}

unsigned kspace_windows_most(void)
{
	return WINDOWS_MOST;
}

/* ---- words ---- */

static const char *const purpose_names[] = { "?", "vmalloc area", "stack", "MMIO window" };

/* The nearest note at or below va, within the largest area. */
static bool describe_area(vaddr_t va, char *text, size_t size)
{
	vaddr_t page = align_down(va, PAGE_SIZE), at = page;
	struct area a;

	for (uint32_t back = 0; back <= SECTION_FRAMES && in_area(at); back++, at -= PAGE_SIZE) {
		if (!read_note(at, &a))
			continue;
		if (at == page)
			print_to(text, size, "guard page below a %s of %u pages",
				 purpose_names[a.purpose], a.pages);
		else if (back <= a.pages)
			print_to(text, size, "page %u of a %s of %u pages", back - 1,
				 purpose_names[a.purpose], a.pages);
		else if (back == a.pages + 1)
			print_to(text, size, "guard page above a %s of %u pages",
				 purpose_names[a.purpose], a.pages);
		else
			return false;
		return true;
	}
	return false;
}

void kspace_describe(vaddr_t va, char *text, size_t size)
{
	for (size_t i = 0; i < image_count; i++) {
		if (va >= image[i].start && va < image[i].end) {
			print_to(text, size, "kernel %s", image[i].name);
			return;
		}
	}
	if (va >= layout.direct && va - layout.direct < PHYS_LIMIT) {
		const struct region *r = regions_find(regions, region_count, va - layout.direct);

		print_to(text, size, "linear map of %#lx, %s", va - layout.direct,
			 r == NULL ? "in no region" : region_type_name(r->type));
	} else if (va >= layout.meta && va - layout.meta < TIB(16) / PAGE_SIZE * META_SLOT_BYTES) {
		print_to(text, size, "MetaSlot of frame %#lx",
			 (va - layout.meta) / META_SLOT_BYTES);
	} else if (!in_area(va)) {
		print_to(text, size,
			 va < PAGE_SIZE                       ? "the null page"
			 : pte_is_canonical(va, table.levels) ? "an address that nothing uses"
							      : "not a canonical address");
	} else if (!describe_area(va, text, size)) {
		print_to(text, size, "vmalloc area, not in use");
	}
}

/* ---- K1, K2 ---- */

static const char *check_leaf(const struct pt_item *item)
{
	const uint8_t both = PROP_WRITE | PROP_EXECUTE;

	if ((item->prop.flags & both) == both)
		return "K1: a page is writable and executable";
	if ((item->prop.flags & PROP_GLOBAL) == 0)
		return "K2: a kernel page is not global";
	if ((item->prop.flags & PROP_EXECUTE) == 0)
		return NULL;
	for (uint64_t at = 0; at < item->len; at += PAGE_SIZE) {
		struct pt_item alias = page_table_query(&table, layout.direct + item->pa.raw + at);

		if (alias.kind == PT_ITEM_LEAF && (alias.prop.flags & both) != 0)
			return "K1: an executable frame is writable or executable in the linear "
			       "map";
	}
	return NULL;
}

const char *kspace_each(void (*fn)(void *ctx, const struct pt_item *item), void *ctx)
{
	vaddr_t va = UINT64_C(1) << 63;
	const char *wrong = NULL;

	if (table.levels == 4)
		va = layout.direct;
	do {
		struct pt_item item = page_table_query(&table, va);

		if (item.kind == PT_ITEM_LEAF && wrong == NULL)
			wrong = check_leaf(&item);
		if (item.kind != PT_ITEM_ABSENT && fn != NULL)
			fn(ctx, &item);
		va = item.start + item.len;
		if (va != 0 && !pte_is_canonical(va, table.levels))
			va = layout.direct;
	} while (va != 0 && wrong == NULL);
	return wrong;
}

const char *kspace_check(void)
{
	const char *wrong = page_table_check(&table);

	return wrong != NULL ? wrong : kspace_each(NULL, NULL);
}
