/* SPDX-License-Identifier: MIT */
#include "arch/x86_64/translate.h"

#include "arch/arch.h"
#include "arch/x86_64/uaccess.h"
#include "lib/bits.h"

#define CPUID_PAGES_1GIB (UINT32_C(1) << 26) /* 80000001h edx */

#define CPUID_MTRR       (UINT32_C(1) << 12) /* 1 edx */
#define CPUID_PCID       (UINT32_C(1) << 17) /* 1 ecx */
#define CPUID_INVLPGB    (UINT32_C(1) << 3)  /* 80000008h ebx, AMD */
#define CPUID_SIZES_LEAF 0x80000008          /* physical address bits in eax 7:0 */
#define MTRR_MASK_VALID  (UINT64_C(1) << 11)
#define MTRR_ADDRESS     UINT64_C(0x000ffffffffff000)
#define MTRR_FIXED_END   MIB(1)

/* SDM 3A 4.10.1: 12 bits of CR3; bit 63 of the loaded value keeps its TLB entries. */
#define PCID_MAX UINT64_C(0xfff)
#define CR3_KEEP (UINT64_C(1) << 63)

/* AMD APM 3, INVLPGB: request bits in rax, beside the address. */
#define BROADCAST_ADDRESS (UINT64_C(1) << 0)
#define BROADCAST_GLOBAL  (UINT64_C(1) << 3)

unsigned arch_leaf_levels = 2;
unsigned arch_contexts;
bool arch_broadcasts;

static unsigned physical_bits; /* set by translate_init(), the same on every CPU */

bool arch_paddr_ok(paddr_t pa)
{
	return pa.raw >> physical_bits == 0;
}

/* Both ends of a variable range whose mask is contiguous; a mask with holes ends at its lowest bit.
 * SDM 3A 11.11.2.3, 11.11.3. */
static uint64_t next_end(uint64_t base, uint64_t mask, uint64_t pa)
{
	uint64_t size = mask & -mask;

	if (base > pa)
		return base;
	return base + size > pa ? base + size : UINT64_MAX;
}

uint64_t arch_memory_type_change(uint64_t pa)
{
	uint64_t next = pa < MTRR_FIXED_END ? MTRR_FIXED_END : UINT64_MAX;
	unsigned ranges;

	if ((cpuid(1, 0).edx & CPUID_MTRR) == 0)
		return next;
	ranges = rdmsr(MSR_MTRR_CAP) & 0xff;
	for (unsigned i = 0; i < ranges; i++) {
		uint64_t base = rdmsr(MSR_MTRR_PHYS_BASE + 2 * i) & MTRR_ADDRESS;
		uint64_t mask = rdmsr(MSR_MTRR_PHYS_BASE + 2 * i + 1);

		if ((mask & MTRR_MASK_VALID) != 0)
			next = min_u64(next, next_end(base, mask & MTRR_ADDRESS, pa));
	}
	return next;
}

void translate_init(void)
{
	physical_bits = cpuid(CPUID_SIZES_LEAF, 0).eax & 0xff;
	if ((cpuid(0x80000001, 0).edx & CPUID_PAGES_1GIB) != 0)
		arch_leaf_levels = 3;
	uaccess_init();
	translate_init_cpu();
}

void translate_init_cpu(void)
{
	wrmsr(MSR_PAT, PAT_VALUE);
	write_cr3(read_cr3());
	write_cr4(read_cr4() | CR4_PGE);
	/* the PCID in CR3 is 0, as setting CR4.PCIDE requires: SDM 3A 4.10.1 */
	if ((cpuid(1, 0).ecx & CPUID_PCID) != 0) {
		write_cr4(read_cr4() | CR4_PCIDE);
		arch_contexts = PCID_MAX;
	}
	arch_broadcasts = (cpuid(CPUID_SIZES_LEAF, 0).ebx & CPUID_INVLPGB) != 0;
	uaccess_init_cpu();
}

void arch_pt_activate(paddr_t root)
{
	write_cr3(root.raw);
	arch_tlb_invalidate_all();
}

void arch_pt_switch(paddr_t root, unsigned context, enum arch_tlb_past past)
{
	write_cr3(root.raw | context | (past == ARCH_TLB_KEEP ? CR3_KEEP : 0));
}

/* CR3 reads without CR3_KEEP. */
void arch_tlb_invalidate_context(void)
{
	write_cr3(read_cr3());
}

/* Any page size, any context, and the upper-level entries of the address. */
void arch_tlb_broadcast_page(vaddr_t va)
{
	invlpgb(va | BROADCAST_ADDRESS | BROADCAST_GLOBAL);
}

void arch_tlb_broadcast_all(void)
{
	invlpgb(BROADCAST_GLOBAL);
}

void arch_tlb_broadcast_wait(void)
{
	tlbsync();
}

/* Turning global pages off and on invalidates all, of all contexts: SDM 3A 4.10.4.1. */
void arch_tlb_invalidate_all(void)
{
	uintptr_t irq = arch_irq_save();
	uint64_t cr4 = read_cr4();

	if ((cr4 & CR4_PGE) != 0) {
		write_cr4(cr4 & ~(uint64_t)CR4_PGE);
		write_cr4(cr4);
	} else {
		write_cr3(read_cr3());
	}
	arch_irq_restore(irq);
}
