/* SPDX-License-Identifier: MIT */
/*
 * kspace.h - the kernel's half of the address space.
 *
 *   linear map     all of memory, mapped with the largest possible pages, never executable; the
 *                  kernel's text and read-only data are read-only here too
 *   MetaSlots      as mm/frame/section.h populates them
 *   vmalloc area   virtually contiguous memory, stacks, MMIO windows; each area has an unmapped
 *                  guard page below it and one above
 *   kernel image   each section with its own rights
 *
 * Invariants; kspace_check() checks K1 and K2:
 *   K1  W^X: no page is writable and executable, and no frame is writable through one mapping
 *       and executable through another
 *   K2  every page of the kernel's half is global
 *   K3  the page below an area holds a marker with its length and purpose (the page table is the
 *       only record of areas), the page after its last one is absent or the next area's marker
 *   K4  a virtual range is invalidated in the TLBs before it is reallocated
 *   K5  memory has one cache type: an MMIO window never lies in memory, and two windows that
 *       share a page have the same type
 *
 * Virtual ranges come from a zone (mm/frame/zone.h) whose "frames" are the pages of the area: sizes
 * are rounded up to powers of two in address space, not in memory.
 *
 * Locking: one lock, with interrupts off, protects table, ranges and windows; frames are allocated
 * before it is taken.  Any context; a large mapping made with interrupts off keeps them off long.
 */
#pragma once

#include "boot/boot_info.h"
#include "mm/pt/cursor.h"

struct kspace_section {
	vaddr_t start, end; /* page-aligned */
	uint16_t flags;     /* PROP_READ | ... */
	const char *name;
};

/* Addresses of the parts; defined by the machine. */
struct kspace_layout {
	vaddr_t direct, meta, vmalloc, image;
	uint64_t vmalloc_len;  /* bytes, a multiple of 1 GiB */
	uint64_t image_offset; /* virtual - physical of the image */
};

/* Builds the table.  Sections are sorted, adjacent, and image_offset above their physical address;
 * regions outlive kernel space.  ERR_NO_MEMORY. */
err_t kspace_build(const struct kspace_layout *layout, const struct kspace_section *sections,
		   size_t count, const struct region *regions, size_t region_count);
/* Unmaps one page of the image: a guard below a boot stack, or a page no longer used.  Its frame
 * still belongs to the image. */
err_t kspace_exclude_page(vaddr_t va);
/* Loads the table on this CPU; sections populated later are mapped in it. */
void kspace_activate(void);

/* Allocates `bytes` of virtually contiguous, page-aligned memory; vzalloc() zeroes it.  NULL: no
 * memory, no address space, or a size of 0 or above 1 GiB - 4 KiB. */
__must_check __owns void *vmalloc(size_t bytes);
__must_check __owns void *vzalloc(size_t bytes);
/* NULL is ignored.  Panics on a pointer that vmalloc() did not return. */
void vfree(void *p) __takes(1);
/* Usable bytes of an area, 0 when p is not the start of one. */
size_t vmalloc_size(const void *p);

/* Allocates a stack with guard pages; returns its lowest address, NULL: no memory. */
__must_check __owns void *kspace_stack_alloc(size_t bytes, const char *owner);
void kspace_stack_free(void *stack) __takes(1);

/* Maps device registers or a framebuffer at [pa, pa + len), any alignment.  Windows in the same
 * pages are shared and reference-counted.  ERR_BAD_RANGE: empty, wraps, too long, or contains
 * memory.  ERR_IN_USE: mapped with another type.  ERR_NO_MEMORY. */
err_t kspace_map_mmio(paddr_t pa, size_t len, enum mem_type type, const char *owner, void **out);
/* Undoes one kspace_map_mmio() that returned this pointer; panics when it is in no window. */
void kspace_unmap_mmio(void *window);

/* Unmaps one 4 KiB page of the image's data; *old is its former mapping.  Only arch_probe_*() may
 * access it meanwhile.  ERR_BAD_RANGE: not a page of writable data.  ERR_NO_MEMORY: a large page
 * could not be split. */
err_t kspace_image_page_take(vaddr_t va, struct pt_item *old);
/* Maps a frame there; the caller keeps its reference. */
err_t kspace_image_page_put(vaddr_t va, paddr_t pa, struct page_prop prop);
/* Demonstrates document 002 on a page of its own: unmap, fault, map a new frame, write, restore.
 * True when all steps succeed.  Prints the steps. */
bool kspace_hole_demo(void);

/* Describes the address for a fault report: "page 1 of a vmalloc area of 5 pages", "guard page
 * below ...", "kernel text", ... */
void kspace_describe(vaddr_t va, char *text, size_t size);

/* The table, for queries and the monitor. */
const struct page_table *kspace_table(void);
/* Calls fn for each non-empty entry, by address; returns a violation of K1 or K2, or NULL. */
const char *kspace_each(void (*fn)(void *ctx, const struct pt_item *item), void *ctx);

struct kspace_window {
	uint64_t pa, len; /* whole pages */
	vaddr_t va;
	enum mem_type type;
	const char *owner; /* of the first mapping */
	unsigned count;    /* of users */
};
/* The window in entry `index` of the list; false: none.  For the monitor. */
bool kspace_window_at(unsigned index, struct kspace_window *out);
unsigned kspace_windows_max(void);

/* Checks K1, K2 and the nodes' invariants.  NULL, or the violation in words. */
__must_check const char *kspace_check(void);

struct kspace_stats {
	uint64_t areas, pages; /* of vmalloc, stacks included */
	uint64_t windows;      /* of MMIO */
	uint64_t nodes;        /* page-table nodes, the root included */
};
struct kspace_stats kspace_stats(void);
