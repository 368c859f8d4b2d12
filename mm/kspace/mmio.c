/* SPDX-License-Identifier: MIT */
/* mmio.c - MMIO windows: mappings of device memory in kernel space. */
#include "mm/kspace/kspace_impl.h"

#include "lib/bits.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "mm/frame/regions.h"

enum {
	WINDOWS_MAX = 256,
};

struct window {
	uint64_t pa, len; /* whole pages */
	vaddr_t va;
	enum mem_type type;
	const char *owner; /* of the first mapping; stays */
	unsigned count;    /* of kspace_map_mmio() calls; 0: free entry */
	pfn_t range;       /* first virtual page, and the order of the range */
	unsigned order;
};

static struct window windows[WINDOWS_MAX];
static unsigned windows_used; /* entries from this index on were never used */

void kspace_windows_init(void)
{
	memset(windows, 0, sizeof(windows));
	windows_used = 0;
}

/* A window that contains [pa, pa + len) with that type; *clash: a window of another type overlaps
 * it. */
static struct window *window_find(uint64_t pa, uint64_t len, enum mem_type type, bool *clash)
	__requires(kspace.lock)
{
	struct window *found = NULL;

	*clash = false;
	for (unsigned i = 0; i < windows_used; i++) {
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

static struct window *window_free_entry(void) __requires(kspace.lock)
{
	for (unsigned i = 0; i < windows_used; i++)
		if (windows[i].count == 0)
			return &windows[i];
	return windows_used == WINDOWS_MAX ? NULL : &windows[windows_used++];
}

/* Maps a new window.  Windows of 2 MiB or more get a virtual address congruent to pa modulo 2 MiB,
 * so that large pages fit; the unmapped pages before it are the guard. */
static err_t window_make(struct window *w, uint64_t pa, uint64_t len, enum mem_type type)
	__requires(kspace.lock)
{
	uint64_t lead = len >= MIB(2) ? MIB(2) + pa % MIB(2) : PAGE_SIZE;
	struct page_prop prop = { PROP_READ | PROP_WRITE | PROP_GLOBAL, (uint8_t)type };
	struct area a = { AREA_WINDOW, OWNER_UNKNOWN, (uint32_t)(len / PAGE_SIZE) };
	struct cursor c __uninitialized;
	err_t err;

	w->order = bits_order((lead + len) / PAGE_SIZE + 1);
	w->range = kspace_range_alloc(w->order);
	if (w->range == PFN_NONE)
		return ERR_NO_MEMORY;
	w->va = kspace_range_va(w->range) + lead;
	w->pa = pa;
	w->len = len;
	w->type = type;
	err = cursor_open(&c, &kspace.table, (struct vrange){ w->va - PAGE_SIZE, len + PAGE_SIZE },
			  NULL);
	ASSERT(err == OK);
	err = cursor_set_marker(&c, PAGE_SIZE, kspace_area_marker(a));
	if (err == OK)
		err = cursor_map_pa(&c, paddr(pa), len, prop, arch_pt_leaf_level_max());
	cursor_close(&c);
	if (err != OK)
		kspace_clear_range(w->va - PAGE_SIZE, len / PAGE_SIZE + 1, w->range, w->order);
	return err;
}

static err_t map_mmio_locked(uint64_t pa, uint64_t len, enum mem_type type, const char *owner,
			     vaddr_t *va) __requires(kspace.lock)
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
		if (err == OK) {
			w->owner = owner;
			kspace.stats.windows++;
		}
	}
	if (err != OK)
		return err;
	w->count++;
	*va = w->va + (pa - w->pa);
	return OK;
}

err_t kspace_map_mmio(paddr_t pa, size_t len, enum mem_type type, const char *owner, void **out)
{
	uint64_t start = align_down(pa.raw, PAGE_SIZE), end;
	uintptr_t irq;
	vaddr_t va = 0;
	err_t err;

	if (len == 0 || len > GIB(1) / 2 || pa.raw > UINT64_MAX - len - PAGE_SIZE ||
	    (unsigned)type >= MEM_TYPES || !arch_paddr_ok(paddr(pa.raw + len - 1)))
		return ERR_BAD_RANGE;
	end = align_up(pa.raw + len, PAGE_SIZE);
	if (regions_have_ram(kspace.regions, kspace.region_count, start, end))
		return ERR_BAD_RANGE;
	irq = spin_lock_irq(&kspace.lock);
	err = map_mmio_locked(start, end - start, type, owner, &va);
	spin_unlock_irq(&kspace.lock, irq);
	if (err == OK)
		*out = (void *)(va + (pa.raw - start));
	return err;
}

void kspace_unmap_mmio(void *window)
{
	vaddr_t va = (vaddr_t)window;
	uintptr_t irq = spin_lock_irq(&kspace.lock);
	struct window *w = NULL;

	for (unsigned i = 0; i < windows_used && w == NULL; i++)
		if (windows[i].count != 0 && va - windows[i].va < windows[i].len)
			w = &windows[i];
	if (w != NULL && --w->count == 0) {
		kspace.stats.windows--;
		kspace_clear_range(w->va - PAGE_SIZE, w->len / PAGE_SIZE + 1, w->range, w->order);
	}
	spin_unlock_irq(&kspace.lock, irq);
	if (w == NULL)
		panic("unmap of %p, which is not in an MMIO window", window);
}

const char *kspace_window_owner(vaddr_t va) __no_tsa
{
	for (unsigned i = 0; i < windows_used; i++)
		if (windows[i].count != 0 && windows[i].va == va)
			return windows[i].owner;
	return NULL;
}

bool kspace_window_at(unsigned index, struct kspace_window *out)
{
	uintptr_t irq = spin_lock_irq(&kspace.lock);
	bool used = index < WINDOWS_MAX && windows[index].count != 0;

	if (used)
		*out = (struct kspace_window){
			.pa = windows[index].pa,
			.len = windows[index].len,
			.va = windows[index].va,
			.type = windows[index].type,
			.owner = windows[index].owner,
			.count = windows[index].count,
		};
	spin_unlock_irq(&kspace.lock, irq);
	return used;
}

unsigned kspace_windows_max(void)
{
	return WINDOWS_MAX;
}
