/* SPDX-License-Identifier: MIT */
/*
 * Proof of mm/frame/page.h: frame number and address are inverse to each other, in range.  And of the
 * arithmetic of mm/frame/meta.h, on a copy: meta_slot_of() and meta_pfn_of() add to, and subtract
 * from, a pointer that comes from an integer, which the memory model does not support.
 *
 * Seconds: 15
 * Skip: paddr_add
 * Options: -inline-calls paddr
 */
#include "mm/frame/page.h"

/*@ assigns \nothing;
    ensures \result.raw == pfn * PAGE_SIZE; */
static inline paddr_t pfn_to_paddr(pfn_t pfn);

/*@ requires pa.raw < (uint64_t)PFN_NONE * PAGE_SIZE;
    assigns \nothing;
    ensures \result == pa.raw / PAGE_SIZE && \result != PFN_NONE; */
static inline pfn_t paddr_to_pfn(paddr_t pa);

enum {
	SLOT_BYTES = 16, /* META_SLOT_BYTES */
};

/*@ requires pfn != PFN_NONE; assigns \nothing; ensures \result == pfn; */
pfn_t number_and_back(pfn_t pfn)
{
	return paddr_to_pfn(pfn_to_paddr(pfn));
}

/*@ requires pa.raw < PHYS_LIMIT; assigns \nothing;
    ensures \result.raw <= pa.raw && pa.raw - \result.raw < PAGE_SIZE;
    ensures pa.raw % PAGE_SIZE == 0 ==> \result.raw == pa.raw; */
paddr_t address_and_back(paddr_t pa)
{
	return pfn_to_paddr(paddr_to_pfn(pa));
}

/*@ requires base <= UINT64_MAX - (uint64_t)PFN_NONE * SLOT_BYTES; assigns \nothing;
    ensures \result == base + pfn * SLOT_BYTES; */
static uint64_t slot_of(uint64_t base, pfn_t pfn)
{
	return base + (uint64_t)pfn * SLOT_BYTES;
}

/*@ requires base <= slot && slot - base <= (uint64_t)PFN_NONE * SLOT_BYTES; assigns \nothing;
    ensures \result == (slot - base) / SLOT_BYTES; */
static pfn_t pfn_of(uint64_t base, uint64_t slot)
{
	return (pfn_t)((slot - base) / SLOT_BYTES);
}

/*@ requires base <= UINT64_MAX - (uint64_t)PFN_NONE * SLOT_BYTES; assigns \nothing;
    ensures \result == pfn; */
pfn_t slot_and_back(uint64_t base, pfn_t pfn)
{
	return pfn_of(base, slot_of(base, pfn));
}

/* Different frames have slots that do not overlap. */
/*@ requires base <= UINT64_MAX - (uint64_t)PFN_NONE * SLOT_BYTES && a < b; assigns \nothing;
    ensures \result >= SLOT_BYTES; */
uint64_t slots_are_apart(uint64_t base, pfn_t a, pfn_t b)
{
	return slot_of(base, b) - slot_of(base, a);
}
