/* SPDX-License-Identifier: MIT */
/*
 * kspace.h - the kernel's own half of the address space.
 *
 *   linear map     every frame of memory, by the largest pages, never executable; text and
 *                  read-only data of the kernel read-only here too
 *   MetaSlots      as mm/frame/section.h populates them
 *   vmalloc area   memory that is contiguous only here, stacks, MMIO windows; each area has an
 *                  unmapped page below it and one above
 *   kernel image   each section with its own rights
 *
 * Invariants; kspace_check() looks at K1 and K2:
 *   K1  W^X: no page is writable and executable, and no frame is writable through one mapping
 *       and executable through another
 *   K2  every page that is no user's is global
 *   K3  an area's first page below it holds a marker with its length and purpose (the page table is
 *       the only record of areas), the page after its last one is absent or the next area's marker
 *   K4  a virtual range is invalidated before it is handed out again
 *   K5  memory has one cache type: an MMIO window never lies in memory, and two windows that
 *       share a page have the same type
 *
 * Virtual ranges come from a zone (mm/frame/zone.h) whose "frames" are the pages of the area: sizes
 * are rounded up to powers of two in address space, not in memory.
 *
 * Locking: one lock, with interrupts off, over table, ranges and windows; frames are allocated
 * before it is taken.  Any context, but mapping much with interrupts off takes long.
 */
#pragma once

#include "boot/boot_info.h"
#include "mm/pt/cursor.h"

struct kspace_section {
	vaddr_t start, end; /* page-aligned */
	uint16_t flags;     /* PROP_READ | ... */
	const char *name;
};

/* Where the parts lie; the machine's layout. */
struct kspace_layout {
	vaddr_t direct, meta, vmalloc, image;
	uint64_t vmalloc_len;  /* bytes, a multiple of 1 GiB */
	uint64_t image_offset; /* virtual - physical of the image */
};

/* Build the table.  Sections are sorted, adjacent, and lie image_offset above their physical place;
 * regions outlive kernel space.  ERR_NO_MEMORY. */
err_t kspace_build(const struct kspace_layout *layout, const struct kspace_section *sections,
		   size_t count, const struct region *regions, size_t region_count);
/* Leave one page of the image out: a guard below a boot stack, or what nobody needs any more.  Its
 * frame stays the image's. */
err_t kspace_exclude_page(vaddr_t va);
/* This CPU uses the table from now on; so do sections that are populated later. */
void kspace_activate(void);

/* `bytes` of memory, contiguous for the kernel alone, zeroed or not; page-aligned.  NULL: no
 * memory, no address space, or a size of 0 or above 1 GiB. */
__must_check void *vmalloc(size_t bytes);
__must_check void *vzalloc(size_t bytes);
/* NULL is fine.  A pointer that vmalloc() did not return is caught and named. */
void vfree(void *p);
/* Usable bytes of an area, 0 when p is not the start of one. */
size_t vmalloc_size(const void *p);

/* A stack with guard pages; returns its lowest byte, NULL: no memory. */
__must_check void *kspace_stack_alloc(size_t bytes);
void kspace_stack_free(void *stack);

/* Device registers or a framebuffer at [pa, pa + len), any alignment.  Windows that lie in the same
 * pages are shared and counted.  ERR_BAD_RANGE: empty, wraps, too long, or memory lies in it.
 * ERR_IN_USE: mapped with another type.  ERR_NO_MEMORY. */
err_t kspace_map_mmio(paddr_t pa, size_t len, enum mem_type type, void **out);
/* Ends one kspace_map_mmio() of exactly this pointer. */
void kspace_unmap_mmio(void *window);

/* One 4 KiB page of the image's data leaves its place: *old says what was there.  Nobody may use it
 * meanwhile but by arch_probe_*().  ERR_BAD_RANGE: no page of writable data.  ERR_NO_MEMORY: a
 * large page could not be split. */
err_t kspace_image_page_take(vaddr_t va, struct pt_item *old);
/* A frame comes there; the caller keeps owning it. */
err_t kspace_image_page_put(vaddr_t va, paddr_t pa, struct page_prop prop);
/* Document 002 as a demonstration on a page of its own: take, fault, fresh frame, write, put back.
 * True when all of it went as it must.  Prints what it does. */
bool kspace_hole_demo(void);

/* What the address belongs to, in words, for whoever explains a fault: "vmalloc area of 5 pages",
 * "guard page below ...", "kernel text", ... */
void kspace_describe(vaddr_t va, char *text, size_t size);

/* The table, for queries and the monitor. */
const struct page_table *kspace_table(void);
/* Every entry that is not empty, by address; returns what is wrong with K1 or K2, or NULL. */
const char *kspace_each(void (*fn)(void *ctx, const struct pt_item *item), void *ctx);

struct kspace_window {
	uint64_t pa, len; /* whole pages */
	vaddr_t va;
	enum mem_type type;
	unsigned count; /* of users */
};
/* The window in this entry of the list; false: none.  For the monitor. */
bool kspace_window_at(unsigned index, struct kspace_window *out);
unsigned kspace_windows_max(void);

/* K1, K2 and the nodes' invariants.  NULL, or what is wrong in words. */
__must_check const char *kspace_check(void);

struct kspace_stats {
	uint64_t areas, pages; /* of vmalloc, stacks included */
	uint64_t windows;      /* of MMIO */
	uint64_t nodes;        /* tables, the root included */
};
struct kspace_stats kspace_stats(void);
