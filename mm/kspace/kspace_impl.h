/* SPDX-License-Identifier: MIT */
/*
 * kspace_impl.h - internal to kernel space: kspace.c (table, image, descriptions), vmalloc.c
 * (virtual ranges and areas) and mmio.c (windows).
 */
#pragma once

#include "kern/lock.h"
#include "lib/bits.h"
#include "mm/kspace/kspace.h"
#include "mm/kspace/owners.h"

/* The marker below an area: purpose, owner, pages. */
enum area_purpose {
	AREA_MEMORY = 1,
	AREA_STACK = 2,
	AREA_WINDOW = 3,
};

struct area {
	enum area_purpose purpose;
	unsigned owner; /* mm/kspace/owners.h */
	uint32_t pages;
};

/* The order of the virtual range of an area of memory or of a stack: its guard page comes first. */
static inline unsigned area_order(struct area a)
{
	return bits_order((uint64_t)a.pages + 1);
}

struct kspace {
	struct spinlock lock;
	struct page_table table;     /* (l) to change */
	struct kspace_layout layout; /* (c) from here to regions */
	const struct region *regions;
	size_t region_count;
	struct kspace_stats stats; /* (l) */
};
extern struct kspace kspace;

/* Memory of the kernel: read, write, global, cached. */
extern const struct page_prop kspace_memory_prop;

/* Reset to no virtual pages and no windows. */
void kspace_ranges_init(void);
void kspace_windows_init(void);

/* The owner of the window at va, or NULL; without the lock, for the panic path. */
const char *kspace_window_owner(vaddr_t va);

static inline bool kspace_in_area(vaddr_t va)
{
	return va - kspace.layout.vmalloc < kspace.layout.vmalloc_len;
}

static inline vaddr_t kspace_range_va(pfn_t first)
{
	return kspace.layout.vmalloc + (uint64_t)first * PAGE_SIZE;
}

/* Allocates 2^order virtual pages; PFN_NONE: none left. */
__must_check pfn_t kspace_range_alloc(unsigned order) __requires(kspace.lock);

/* Unmaps `pages` pages from va on, invalidates the TLBs and frees the virtual range: in this order
 * (K4). */
void kspace_clear_range(vaddr_t va, uint64_t pages, pfn_t range, unsigned order)
	__requires(kspace.lock);

/* Encode and decode the marker of an area; false: there is no marker at the page. */
uint32_t kspace_area_marker(struct area a);
bool kspace_read_marker(vaddr_t page, struct area *a);
