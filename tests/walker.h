/* SPDX-License-Identifier: MIT */
/* walker.h - for models of walkers: what a list of pages names. */
#pragma once

#include "arch/arch.h"
#include "kern/tlb_pages.h"

/* Whether the list names the page at va, by the size of one of its pages or tables. */
static inline bool walker_is_told(const struct tlb_pages *list, vaddr_t va)
{
	for (unsigned i = 0; list->n <= TLB_PAGES_MAX && i < list->n; i++) {
		uint64_t span = pte_span(tlb_page_level(list->page[i]));

		if (va / span == tlb_page_va(list->page[i]) / span)
			return true;
	}
	return list->n > TLB_PAGES_MAX;
}
