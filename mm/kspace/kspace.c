/* SPDX-License-Identifier: MIT */
#include "mm/kspace/kspace_impl.h"

#include "lib/bits.h"
#include "lib/panic.h"
#include "lib/print.h"
#include "lib/string.h"
#include "lib/symbols.h"
#include "mm/frame/regions.h"

enum {
	KEEP_LEVEL = 2, /* nodes of this level and above are never freed */
	IMAGE_SECTIONS_MAX = 8,
};

LOCK_CLASS(kspace_lock_class, "kernel space", RANK_KERNEL_SPACE);
struct kspace kspace;
static struct kspace_section image[IMAGE_SECTIONS_MAX];
static size_t image_count;

const struct page_prop kspace_memory_prop = { PROP_READ | PROP_WRITE | PROP_GLOBAL,
					      MEM_WRITE_BACK };

/* ---- building ---- */

static err_t map_whole(vaddr_t va, uint64_t pa, uint64_t len, struct page_prop prop,
		       unsigned max_level)
{
	struct cursor c __uninitialized;
	err_t err = cursor_open(&c, &kspace.table, (struct vrange){ va, len }, NULL);

	if (err != OK)
		return err;
	err = cursor_map_pa(&c, paddr(pa), len, prop, max_level);
	cursor_close(&c);
	return err;
}

/* Maps memory in the linear map, split where its cache type may change. */
static err_t map_direct(uint64_t start, uint64_t end)
{
	err_t err = OK;

	while (start < end && err == OK) {
		uint64_t stop = min_u64(end, arch_memory_type_change(start));

		err = map_whole(kspace.layout.direct + start, start, stop - start,
				kspace_memory_prop, arch_pt_leaf_level_max());
		start = stop;
	}
	return err;
}

static uint64_t image_start(void)
{
	return image[0].start - kspace.layout.image_offset;
}

static uint64_t image_end(void)
{
	return image[image_count - 1].end - kspace.layout.image_offset;
}

static err_t map_direct_around_image(uint64_t start, uint64_t end)
{
	err_t err = map_direct(start, min_u64(end, max_u64(start, image_start())));

	return err == OK ? map_direct(max_u64(start, min_u64(end, image_end())), end) : err;
}

/* Maps each run of adjacent regions of mapped types, rounded to whole pages. */
static err_t map_all_memory(void)
{
	uint64_t start = 0, end = 0;
	err_t err = OK;

	for (size_t i = 0; i < kspace.region_count && err == OK; i++) {
		uint64_t first = align_down(kspace.regions[i].start, PAGE_SIZE);
		uint64_t last = min_u64(align_up(kspace.regions[i].end, PAGE_SIZE), PHYS_LIMIT);

		if (!region_type_is_mapped(kspace.regions[i].type) || first >= last)
			continue;
		if (first > end) {
			err = map_direct_around_image(start, end);
			start = first;
		}
		end = max_u64(end, last);
	}
	return err == OK ? map_direct_around_image(start, end) : err;
}

/* Maps both aliases of the image: its own, and the linear map without execute permission.  Text is
 * writable in neither (K1). */
static err_t map_image(void)
{
	err_t err = OK;

	for (size_t i = 0; i < image_count && err == OK; i++) {
		const struct kspace_section *s = &image[i];
		struct page_prop prop = { (uint16_t)(s->flags | PROP_GLOBAL), MEM_WRITE_BACK };
		uint64_t pa = s->start - kspace.layout.image_offset, len = s->end - s->start;

		err = map_whole(s->start, pa, len, prop, 2);
		prop.flags &= (uint16_t)~PROP_EXECUTE;
		if (err == OK)
			err = map_whole(kspace.layout.direct + pa, pa, len, prop, 2);
	}
	return err;
}

static err_t map_slots(vaddr_t va, paddr_t pa, size_t len)
{
	return map_whole(va, pa.raw, len, kspace_memory_prop, 2);
}

/* Maps the slots of populated sections and allocates the table nodes for later ones. */
static err_t map_meta(void)
{
	struct vrange all = { kspace.layout.meta,
			      align_up((uint64_t)section_count() * SECTION_FRAMES * META_SLOT_BYTES,
				       MIB(2)) };
	err_t err = page_table_populate(&kspace.table, all, KEEP_LEVEL);

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

	ASSERT(count > 0 && count <= IMAGE_SECTIONS_MAX && where->vmalloc_len % GIB(1) == 0);
	kspace = (struct kspace){ .lock = SPINLOCK_INIT(&kspace_lock_class),
				  .layout = *where,
				  .regions = r,
				  .region_count = n };
	memcpy(image, sections, count * sizeof(image[0]));
	image_count = count;
	kspace_ranges_init();
	kspace_windows_init();
	pt_node_init();
	err = page_table_init(&kspace.table, arch_pt_levels());
	if (err == OK)
		err = page_table_populate(&kspace.table, area, KEEP_LEVEL + 1);
	if (err == OK)
		err = map_all_memory();
	if (err == OK)
		err = map_image();
	if (err == OK)
		err = map_meta();
	return err;
}

static err_t exclude_page(vaddr_t va) __requires(kspace.lock)
{
	struct tlb_batch gone __uninitialized;
	struct cursor c __uninitialized;
	err_t err;

	tlb_batch_init(&gone, &tlb_kernel_space);
	err = cursor_open(&c, &kspace.table, (struct vrange){ va, PAGE_SIZE }, &gone);
	if (err != OK)
		return err;
	err = cursor_unmap(&c, PAGE_SIZE);
	cursor_close(&c);
	tlb_batch_finish(&gone);
	return err;
}

err_t kspace_exclude_page(vaddr_t va)
{
	uintptr_t irq = spin_lock_irq(&kspace.lock);
	err_t err = exclude_page(va);

	spin_unlock_irq(&kspace.lock, irq);
	return err;
}

void kspace_activate(void)
{
	static const struct section_mapper mapper = { map_slots };

	arch_pt_activate(frame_paddr(kspace.table.root));
	section_use_mapper(&mapper);
}

const struct page_table *kspace_table(void)
{
	return &kspace.table;
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
	irq = spin_lock_irq(&kspace.lock);
	*old = page_table_query(&kspace.table, va);
	old->pa.raw += va - old->start;
	old->start = va;
	old->len = PAGE_SIZE;
	err = old->kind == PT_ITEM_LEAF ? exclude_page(va) : ERR_BAD_RANGE;
	spin_unlock_irq(&kspace.lock, irq);
	return err;
}

err_t kspace_image_page_put(vaddr_t va, paddr_t pa, struct page_prop prop)
{
	uintptr_t irq;
	err_t err;

	if (!is_image_data(va) || pa.raw % PAGE_SIZE != 0)
		return ERR_BAD_RANGE;
	irq = spin_lock_irq(&kspace.lock);
	err = map_whole(va, pa.raw, PAGE_SIZE, prop, 1);
	spin_unlock_irq(&kspace.lock, irq);
	return err;
}

struct kspace_stats kspace_stats(void)
{
	struct kspace_stats t = kspace.stats;

	t.nodes = page_table_nodes(&kspace.table);
	return t;
}

/* ---- descriptions ---- */

enum {
	AREA_TEXT_BYTES = 128,
};

static const char *const purpose_names[] = { "?", "vmalloc area", "stack", "MMIO window" };

/* "vmalloc area of 5 pages of kthread_create+0x20". */
static void describe_whole_area(struct area a, vaddr_t start, char *text, size_t size)
{
	struct area_owner owner = owner_of(a.owner);
	char by[SYMBOL_TEXT_BYTES] = "an unknown owner";
	const char *driver = a.purpose == AREA_WINDOW ? kspace_window_owner(start) : NULL;

	if (driver != NULL)
		print_to(by, sizeof(by), "%s", driver);
	else if (owner.name[0] != '\0')
		print_to(by, sizeof(by), "%s", owner.name);
	else if (owner.caller != 0)
		symbols_format_return(owner.caller, by, sizeof(by));
	print_to(text, size, "%s of %u pages of %s", purpose_names[a.purpose], a.pages, by);
}

/* Describes va by the nearest marker at or below it, at most the size of the largest area away. */
static bool describe_area(vaddr_t va, char *text, size_t size)
{
	vaddr_t page = align_down(va, PAGE_SIZE), at = page;
	char whole[AREA_TEXT_BYTES];
	struct area a;

	for (uint32_t back = 0; back <= SECTION_FRAMES && kspace_in_area(at);
	     back++, at -= PAGE_SIZE) {
		if (!kspace_read_marker(at, &a))
			continue;
		describe_whole_area(a, at + PAGE_SIZE, whole, sizeof(whole));
		if (at == page)
			print_to(text, size, "guard page below a %s", whole);
		else if (back <= a.pages)
			print_to(text, size, "page %u of a %s", back - 1, whole);
		else if (back == a.pages + 1)
			print_to(text, size, "guard page above a %s", whole);
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
	if (va >= kspace.layout.direct && va - kspace.layout.direct < PHYS_LIMIT) {
		const struct region *r = regions_find(kspace.regions, kspace.region_count,
						      va - kspace.layout.direct);

		print_to(text, size, "linear map of %#lx, %s", va - kspace.layout.direct,
			 r == NULL ? "in no region" : region_type_name(r->type));
	} else if (va >= kspace.layout.meta &&
		   va - kspace.layout.meta < TIB(16) / PAGE_SIZE * META_SLOT_BYTES) {
		print_to(text, size, "MetaSlot of frame %#lx",
			 (va - kspace.layout.meta) / META_SLOT_BYTES);
	} else if (!kspace_in_area(va)) {
		print_to(text, size,
			 va < PAGE_SIZE                              ? "the null page"
			 : pte_is_canonical(va, kspace.table.levels) ? "an unused address"
								     : "not a canonical address");
	} else if (!describe_area(va, text, size)) {
		print_to(text, size, "vmalloc area, not in use");
	}
}

/* ---- K1, K2 ---- */

static const char *check_leaf(const struct pt_item *item)
{
	const uint16_t both = PROP_WRITE | PROP_EXECUTE;

	if ((item->prop.flags & both) == both)
		return "K1: a page is writable and executable";
	if ((item->prop.flags & PROP_GLOBAL) == 0)
		return "K2: a kernel page is not global";
	if ((item->prop.flags & PROP_EXECUTE) == 0)
		return NULL;
	for (uint64_t at = 0; at < item->len; at += PAGE_SIZE) {
		struct pt_item alias = page_table_query(&kspace.table,
							kspace.layout.direct + item->pa.raw + at);

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

	if (kspace.table.levels == 4)
		va = kspace.layout.direct;
	do {
		struct pt_item item = page_table_query(&kspace.table, va);

		if (item.kind == PT_ITEM_LEAF && wrong == NULL)
			wrong = check_leaf(&item);
		if (item.kind != PT_ITEM_ABSENT && fn != NULL)
			fn(ctx, &item);
		va = item.start + item.len;
		if (va != 0 && !pte_is_canonical(va, kspace.table.levels))
			va = kspace.layout.direct;
	} while (va != 0 && wrong == NULL);
	return wrong;
}

const char *kspace_check(void)
{
	const char *wrong = page_table_check(&kspace.table);

	return wrong != NULL ? wrong : kspace_each(NULL, NULL);
}
