/* SPDX-License-Identifier: MIT */
/*
 * tlb_pages.h - the translations to invalidate after a change of a page table, and who has some.
 *
 * The same list serves each kind of walker, because each needs another part of it: a CPU
 * invalidates a page by any address in it; an IOMMU needs the size, as the address mask of its
 * request (VT-d 6.5.2.3), and whether a table went, or else it may keep what it remembers of tables
 * (the invalidation hint, IH).
 *
 * A walker other than CPUs is a struct tlb_walker, which is part of what knows more about it: an
 * IOMMU's domain; a device, a virtual CPU or a second root table that uses the table of a space
 * (tlb_space_add_walker() in kern/shootdown.h).
 *
 * A list belongs to its maker, and is read by others until they have acknowledged it.
 */
#pragma once

#include "lib/types.h"

enum {
	TLB_PAGES_MAX = 32, /* above: invalidating everything is cheaper */
	TLB_PAGES_ALL = TLB_PAGES_MAX + 1,
	TLB_PAGE_LEVELS = 4096, /* the level takes the place of the offset in a page */
};

/* What happens to the tables that mapped the pages. */
enum tlb_reach {
	TLB_LEAVES, /* kept */
	TLB_TABLES, /* some are freed: walkers must not remember them either */
};

struct tlb_pages {
	unsigned n; /* TLB_PAGES_ALL: everything */
	enum tlb_reach reach;
	uint64_t page[TLB_PAGES_MAX]; /* an address in it | level of the entry that led there */
};

static inline void tlb_pages_init(struct tlb_pages *p)
{
	p->n = 0;
	p->reach = TLB_LEAVES;
}

/* The page, or the table, to which the entry of `level` for va, a multiple of 4 KiB, led: level 1
 * is 4 KiB. */
static inline void tlb_pages_add(struct tlb_pages *p, vaddr_t va, unsigned level)
{
	if (p->n < TLB_PAGES_MAX)
		p->page[p->n++] = va | level;
	else
		p->n = TLB_PAGES_ALL;
}

/* An address in the page, which a CPU invalidates. */
static inline vaddr_t tlb_page_va(uint64_t page)
{
	return page & ~(uint64_t)(TLB_PAGE_LEVELS - 1);
}

static inline unsigned tlb_page_level(uint64_t page)
{
	return (unsigned)(page % TLB_PAGE_LEVELS);
}

/* Who walks a table and caches translations. */
struct tlb_walker {
	/* Returns when the walker cannot use an old translation of the pages any more: it may wait
	 * for its device, but not for a lock whose holder may wait for a page table; and it must
	 * not read the table, where an entry may be busy until it returns.  Interrupts are off,
	 * and nodes of the table are locked.  NULL: the walkers are CPUs, and struct
	 * tlb_space of kern/shootdown.h knows them. */
	void (*invalidate)(struct tlb_walker *w, const struct tlb_pages *pages);
	struct tlb_walker *next; /* of the same space; the lock of its list */
};
