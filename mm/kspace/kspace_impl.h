/* SPDX-License-Identifier: MIT */
/*
 * kspace_impl.h - what the files of kernel space share: kspace.c (table, image, words), vmalloc.c
 * (virtual ranges and areas) and mmio.c (windows).  Nobody else includes it.
 */
#pragma once

#include "kern/lock.h"
#include "mm/kspace/kspace.h"

/* The marker below an area: purpose, order of its virtual range, pages. */
enum area_purpose {
	AREA_MEMORY = 1,
	AREA_STACK = 2,
	AREA_WINDOW = 3,
};

struct area {
	enum area_purpose purpose;
	unsigned order;
	uint32_t pages;
};

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

/* Start with no virtual pages and no windows. */
void kspace_ranges_init(void);
void kspace_windows_init(void);

static inline bool kspace_in_area(vaddr_t va)
{
	return va - kspace.layout.vmalloc < kspace.layout.vmalloc_len;
}

static inline vaddr_t kspace_range_va(pfn_t first)
{
	return kspace.layout.vmalloc + (uint64_t)first * PAGE_SIZE;
}

/* 2^order virtual pages, or PFN_NONE. */
__must_check pfn_t kspace_range_alloc(unsigned order) __requires(kspace.lock);

/* Empty `pages` pages from va on, invalidate, and give the virtual range back: in this order (K4).
 */
void kspace_clear_range(vaddr_t va, uint64_t pages, pfn_t range, unsigned order)
	__requires(kspace.lock);

/* An area as the number in its marker, and back; false: there is no marker at the page. */
uint32_t kspace_area_marker(struct area a);
bool kspace_read_marker(vaddr_t page, struct area *a);
