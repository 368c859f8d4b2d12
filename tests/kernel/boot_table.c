/* SPDX-License-Identifier: MIT */
/* Tests of the boot page table, with an independent walker over the real tables. */
#include "arch/x86_64/boot_table.h"

#include "arch/arch.h"
#include "arch/x86_64/pte.h"
#include "arch/x86_64/stacks.h"
#include "mm/kspace/kspace.h"
#include "mm/frame/regions.h"
#include "monitor/frame_report.h"
#include "tests/test.h"

void ktest_check_boot_table(void);

enum {
	CR0_PE_BIT = 1 << 0,
	LEVELS_MAX = 5,
};
#define CR0_PG_BIT (UINT64_C(1) << 31)

struct walk {
	uint64_t leaves, global;
};

/* Depth-first, with an explicit stack.  Tables are shared, so some are visited more than once. */
static void walk_tables(struct walk *w)
{
	uint64_t table[LEVELS_MAX + 1] = { 0 };
	unsigned index[LEVELS_MAX + 1] = { 0 };
	unsigned top = (read_cr4() & CR4_LA57) != 0 ? 5 : 4, level = top;

	table[top] = read_cr3() & PTE_ADDRESS;
	while (level <= top) {
		uint64_t e;

		if (index[level] == 512) {
			level++;
			continue;
		}
		e = ((uint64_t *)arch_direct(paddr(table[level])))[index[level]++];
		if ((e & 1) == 0)
			continue;
		w->global += (e >> 8 & 1) != 0;
		if (level == 1 || (e >> 7 & 1) != 0) {
			w->leaves++;
			continue;
		}
		table[--level] = e & PTE_ADDRESS;
		index[level] = 0;
	}
}

/* Results of ktest_check_boot_table(), which runs while the boot table is loaded. */
static struct {
	struct walk walk;
	uint64_t pge;
	unsigned wrong_level, cached_devices, uncached_memory, uncached, aliases_differ;
	unsigned guards_present;
} seen;

static bool has_memory(uint64_t pa, const struct region *r, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (r[i].start < pa + MIB(2) && r[i].end > pa && r[i].type != REGION_RESERVED &&
		    r[i].type != REGION_FRAMEBUFFER)
			return true;
	return false;
}

void ktest_check_boot_table(void)
{
	const struct region *r;
	unsigned level;
	size_t n;

	r = report_regions(&n);
	walk_tables(&seen.walk);
	seen.pge = read_cr4() & CR4_PGE;
	for (uint64_t pa = 0; pa < GIB(4); pa += MIB(2)) {
		uint64_t pte = boot_table_lookup(pa, &level);
		bool cached = (pte & PTE_UNCACHED) == 0, memory = has_memory(pa, r, n);

		seen.wrong_level += level != 2;
		seen.cached_devices += cached && !memory;
		seen.uncached_memory += !cached && memory;
		seen.uncached += !cached;
		seen.aliases_differ += boot_table_lookup(DIRECT_BASE + pa, &level) != pte;
	}
	for (unsigned i = 0; boot_stack_guards[i] != 0; i++)
		seen.guards_present += boot_table_lookup(boot_stack_guards[i], &level) != 0;
}

TEST(audit_boo_01_boot_table_has_no_global_page)
{
	CHECK(seen.walk.leaves > 2048);
	CHECK_EQ(seen.walk.global, 0);
	CHECK_EQ(seen.pge, 0);
}

TEST(audit_boo_04_boot_table_caches_memory_and_nothing_else)
{
	CHECK_EQ(seen.wrong_level, 0);
	CHECK_EQ(seen.cached_devices, 0);
	CHECK_EQ(seen.uncached_memory, 0);
	CHECK_EQ(seen.aliases_differ, 0);
	CHECK(seen.uncached > 0);
}

TEST(audit_boo_02_paging_write_protection_and_nx_are_on)
{
	CHECK((read_cr0() & CR0_PE_BIT) != 0);
	CHECK((read_cr0() & CR0_PG_BIT) != 0);
	CHECK((read_cr0() & CR0_WP) != 0);
	CHECK((rdmsr(MSR_EFER) & EFER_NXE) != 0);
	CHECK_EQ((read_cr4() & CR4_LA57) != 0, boot_table_levels() == 5);
}

TEST(boot_stacks_have_guard_pages)
{
	CHECK_EQ(seen.guards_present, 0);
	for (unsigned i = 0; boot_stack_guards[i] != 0; i++) {
		vaddr_t va = boot_stack_guards[i];

		CHECK_EQ(page_table_query(kspace_table(), va).kind, PT_ITEM_ABSENT);
		CHECK_EQ(page_table_query(kspace_table(), va + GUARD_BYTES).kind, PT_ITEM_LEAF);
		CHECK(stack_guard_name(va + 8) != NULL);
	}
	CHECK(stack_guard_name((vaddr_t)boot_stacks.boot) == NULL);
}

TEST(audit_ksp_01_layout_fits_48_and_57_bits)
{
	static const vaddr_t bases[] = { DIRECT_BASE, META_BASE, KERNEL_VMA };

	for (unsigned i = 0; i < ARRAY_SIZE(bases); i++) {
		CHECK_EQ((uint64_t)((int64_t)(bases[i] << 16) >> 16), bases[i]);
		CHECK_EQ((uint64_t)((int64_t)(bases[i] << 7) >> 7), bases[i]);
	}
	CHECK(DIRECT_BASE + TIB(16) <= META_BASE);
	CHECK(META_BASE + GIB(64) <= VMALLOC_BASE);
	CHECK(VMALLOC_BASE + GIB(VMALLOC_GIB) <= KERNEL_VMA);
	CHECK_EQ(pte_index(DIRECT_BASE, 4), PML4_DIRECT);
	CHECK_EQ(pte_index(META_BASE, 4), PML4_META);
	CHECK_EQ(pte_index(KERNEL_VMA, 4), PML4_KERNEL);
	CHECK_EQ(pte_index(KERNEL_VMA, 3), PDPT_KERNEL);
}
