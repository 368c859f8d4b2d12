/* SPDX-License-Identifier: MIT */
#include "mm/frame/boot_alloc.h"

#include "arch/arch.h"
#include "lib/bits.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "mm/frame/page.h"

static enum {
	BEFORE,
	OPEN,
	RETIRED,
} phase;
static uint64_t bottom, top, end; /* free: [bottom, top); allocated: [top, end) */

err_t boot_alloc_init(const struct region *r, size_t n, uint64_t min, uint64_t max)
{
	bottom = top = end = 0;
	for (size_t i = 0; i < n; i++) {
		uint64_t start = max_u64(r[i].start, min), stop = min_u64(r[i].end, max);

		if (r[i].type != REGION_USABLE || start >= stop || stop - start <= end - bottom)
			continue;
		bottom = start;
		top = end = align_down(stop, PAGE_SIZE);
	}
	phase = OPEN;
	return top > bottom ? OK : ERR_NO_MEMORY;
}

void *boot_alloc_dirty(size_t bytes, size_t align)
{
	uint64_t start;

	if (phase != OPEN)
		panic("boot allocator used %s",
		      phase == BEFORE ? "before boot_alloc_init()" : "after boot_alloc_retire()");
	if (bytes > top - bottom)
		return NULL;
	start = align_down(top - bytes, align);
	if (start < bottom)
		return NULL;
	top = start;
	return arch_direct(paddr(start));
}

void *boot_alloc(size_t bytes, size_t align)
{
	void *p = boot_alloc_dirty(bytes, align);

	return p == NULL ? NULL : memset(p, 0, bytes);
}

struct prange boot_alloc_retire(void)
{
	ASSERT(phase == OPEN);
	phase = RETIRED;
	top = align_down(top, PAGE_SIZE);
	return (struct prange){ paddr(top), end - top };
}

uint64_t boot_alloc_used(void)
{
	return end - top;
}
