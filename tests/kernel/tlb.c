/* SPDX-License-Identifier: MIT */
/* Tests of arch/x86_64/translate.c: invalidations reach what they should.  QEMU's TLB does not know
 * the global bit; Bochs' does (make test-kernel MACHINE=bochs). */
#include "arch/arch.h"
#include "mm/kspace/kspace.h"
#include "mm/pt/spot.h"
#include "tests/test.h"

enum {
	OLD = 1,
	NEW = 2,
};

/* Let the entry for va lead to pa, and invalidate nothing. */
static void lead_to(vaddr_t va, paddr_t pa)
{
	struct pt_spot spot;
	uintptr_t irq = arch_irq_save();

	pt_spot_lock(&spot, kspace_table(), va);
	pt_spot_map(&spot, pa, pt_spot_prop(&spot));
	pt_spot_unlock(&spot);
	arch_irq_restore(irq);
}

TEST(tlb_all_is_invalidated_with_global_pages)
{
	volatile uint8_t *page = vmalloc(PAGE_SIZE);
	struct frame *other = frame_alloc(FRAME_KERNEL);
	uintptr_t irq;
	paddr_t old;

	NEED(page != NULL && other != NULL);
	old = page_table_query(kspace_table(), (vaddr_t)page).pa;
	*page = OLD;
	*(volatile uint8_t *)arch_direct(frame_paddr(other)) = NEW;
	irq = arch_irq_save(); /* on this CPU alone */
	CHECK_EQ(*page, OLD);
	lead_to((vaddr_t)page, frame_paddr(other));
	arch_tlb_invalidate_all();
	CHECK_EQ(*page, NEW);
	lead_to((vaddr_t)page, old);
	arch_tlb_invalidate_all();
	CHECK_EQ(*page, OLD);
	arch_irq_restore(irq);
	vfree((void *)(uintptr_t)page);
	frame_put(other);
}
