/* SPDX-License-Identifier: MIT */
/* Tests of the boot page table, by a walker of their own over the real tables. */
#include "arch/x86_64/boot_table.h"

#include "arch/arch.h"
#include "arch/x86_64/pte.h"
#include "arch/x86_64/stacks.h"
#include "mm/regions.h"
#include "mm/report.h"
#include "tests/test.h"

enum {
	CR0_PE_BIT = 1 << 0,
	LEVELS_MOST = 5,
};
#define CR0_PG_BIT (UINT64_C(1) << 31)

struct walk {
	uint64_t leaves, global;
};

/* Depth first with a stack of its own: tables are shared, so some are seen more than once. */
static void walk_tables(struct walk *w)
{
	uint64_t table[LEVELS_MOST + 1] = { 0 };
	unsigned index[LEVELS_MOST + 1] = { 0 };
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

TEST(audit_boo_01_boot_table_has_no_global_page)
{
	struct walk w = { 0 };

	walk_tables(&w);
	CHECK(w.leaves > 2048);
	CHECK_EQ(w.global, 0);
	CHECK_EQ(read_cr4() & CR4_PGE, 0);
}

TEST(audit_boo_04_boot_table_caches_memory_and_nothing_else)
{
	const struct region *r;
	unsigned uncached = 0;
	size_t n;

	r = report_regions(&n);
	for (uint64_t pa = 0; pa < GIB(4); pa += MIB(2)) {
		unsigned level;
		uint64_t pte = boot_table_lookup(pa, &level);
		bool memory = false;

		for (size_t i = 0; i < n; i++)
			memory = memory ||
				 (r[i].start < pa + MIB(2) && r[i].end > pa &&
				  r[i].type != REGION_RESERVED && r[i].type != REGION_FRAMEBUFFER);
		CHECK_EQ(level, 2);
		CHECK_EQ((pte & PTE_UNCACHED) == 0, memory);
		uncached += !memory;
		CHECK_EQ(boot_table_lookup(DIRECT_BASE + pa, &level), pte);
	}
	CHECK(uncached > 0);
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
	static const uint8_t *const guards[] = {
		boot_stacks.boot_guard,
		boot_stacks.double_fault_guard,
		boot_stacks.nmi_guard,
		boot_stacks.machine_check_guard,
	};
	unsigned level;

	for (unsigned i = 0; i < ARRAY_SIZE(guards); i++) {
		CHECK_EQ(boot_table_lookup((vaddr_t)guards[i], &level), 0);
		CHECK(boot_table_lookup((vaddr_t)guards[i] + GUARD_BYTES, &level) != 0);
		CHECK(stack_guard_name((vaddr_t)guards[i] + 8) != NULL);
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
	CHECK(META_BASE + GIB(64) <= KERNEL_VMA);
	CHECK_EQ(pte_index(DIRECT_BASE, 4), PML4_DIRECT);
	CHECK_EQ(pte_index(META_BASE, 4), PML4_META);
	CHECK_EQ(pte_index(KERNEL_VMA, 4), PML4_KERNEL);
	CHECK_EQ(pte_index(KERNEL_VMA, 3), PDPT_KERNEL);
}
