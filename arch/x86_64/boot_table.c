/* SPDX-License-Identifier: MIT */
#include "arch/x86_64/boot_table.h"

#include "arch/arch.h"
#include "arch/x86_64/pte.h"
#include "lib/bits.h"

#define CPUID_PAGES_1GIB (UINT32_C(1) << 26) /* 80000001h edx */

extern uint64_t boot_pd[];
extern uint8_t boot_pml5[], boot_early_stack[];

/* Zeroed frames of the caller, taken from the front. */
struct table_pool {
	struct prange frames;
	unsigned used;
};

static uint64_t *table_at(uint64_t pa)
{
	return arch_direct(paddr(pa));
}

unsigned boot_table_levels(void)
{
	return arch_pt_levels();
}

uint64_t boot_table_lookup(vaddr_t va, unsigned *level)
{
	uint64_t pte = pte_paddr(read_cr3());

	for (*level = boot_table_levels(); *level > 0; --*level) {
		pte = table_at(pte_paddr(pte))[pte_index(va, *level)];
		if ((pte & PTE_PRESENT) == 0)
			return 0;
		if (*level == 1 || (*level <= 3 && (pte & PTE_LARGE) != 0))
			return pte;
	}
	return 0;
}

void boot_table_refine(bool (*has_ram)(void *ctx, uint64_t start, uint64_t end), void *ctx)
{
	uint64_t *pd = table_at((uint64_t)boot_pd);

	for (unsigned i = 0; i < BOOT_MAP_GIB * PT_ENTRIES; i++) {
		uint64_t start = i * PT_LARGE_BYTES;

		if (has_ram(ctx, start, start + PT_LARGE_BYTES))
			pd[i] &= ~(uint64_t)PTE_UNCACHED;
		else
			pd[i] |= PTE_UNCACHED;
	}
	write_cr3(read_cr3());
}

/* boot.S lays them out from boot_pml5 to its 32-bit stack, at physical addresses. */
struct prange boot_table_frames(void)
{
	return (struct prange){ paddr((uint64_t)boot_pml5),
				(uint64_t)boot_early_stack - (uint64_t)boot_pml5 };
}

/* The entry for va at `level`, building the tables above it. */
static uint64_t *entry_at(vaddr_t va, unsigned level, struct table_pool *pool)
{
	uint64_t *table = table_at(pte_paddr(read_cr3()));

	for (unsigned l = boot_table_levels(); l > level; l--) {
		uint64_t *entry = &table[pte_index(va, l)];

		if ((*entry & PTE_PRESENT) == 0)
			*entry = (pool->frames.start.raw + pool->used++ * PT_PAGE_BYTES) |
				 PTE_PRESENT | PTE_WRITE;
		table = table_at(pte_paddr(*entry));
	}
	return &table[pte_index(va, level)];
}

static void map_range(vaddr_t va, uint64_t pa, uint64_t len, unsigned level_max,
		      struct table_pool *pool)
{
	uint64_t span;

	for (; len > 0; va += span, pa += span, len -= span) {
		unsigned level = level_max;

		while (pte_span(level) > len || (va | pa) % pte_span(level) != 0)
			level--;
		span = pte_span(level);
		*entry_at(va, level, pool) = pa | PTE_PRESENT | PTE_WRITE | PTE_NX |
					     (level > 1 ? PTE_LARGE : 0);
	}
}

static bool pool_has(const struct table_pool *pool, unsigned tables)
{
	return pool->frames.len / PT_PAGE_BYTES >= tables;
}

err_t arch_meta_map(vaddr_t va, paddr_t pa, size_t len, struct prange tables, unsigned *used)
{
	struct table_pool pool = { tables, 0 };

	if (!pool_has(&pool, ARCH_META_MAP_TABLES))
		return ERR_NO_MEMORY;
	map_range(va, pa.raw, len, 2, &pool);
	__builtin_memset((void *)va, 0, len);
	*used = pool.used;
	return OK;
}

err_t arch_direct_extend(paddr_t pa, uint64_t len, struct prange tables, unsigned *used)
{
	struct table_pool pool = { tables, 0 };
	uint64_t start = max_u64(pa.raw, GIB(BOOT_MAP_GIB)), end = pa.raw + len;
	unsigned level_max = cpuid(0x80000001, 0).edx & CPUID_PAGES_1GIB ? 3 : 2;

	if (!pool_has(&pool, ARCH_DIRECT_TABLES))
		return ERR_NO_MEMORY;
	if (start < end)
		map_range(DIRECT_BASE + start, start, end - start, level_max, &pool);
	*used = pool.used;
	return OK;
}
