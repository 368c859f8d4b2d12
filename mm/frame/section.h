/* SPDX-License-Identifier: MIT */
/*
 * section.h - metadata comes into being by sections of 1 GiB, on first use.
 *
 * A section is the metadata of 2^18 frames: their MetaSlots and the tables of their chunks.
 * At boot only as many sections are populated as are needed to start; the others are dormant:
 * a count of frames that can be had, nothing more.  So the work at boot hardly grows with
 * memory.  section_grow() populates the next dormant one when a zone runs low.
 *
 * The memory for a section's metadata always comes from outside the section, so that a section
 * can be one free block of 1 GiB.  It is set aside beforehand (the seed), because when memory has
 * run out it is too late to ask for it.  The first sections take theirs from the boot allocator.
 *
 *   absent ---- no usable frame, or so few that their metadata would cost more than they give
 *   dormant --- section_grow() ---> populated
 *
 * Invariants:
 *   G1  a slot is touched only in a populated section, below the section's `covered`
 *   G2  a populated section's usable frames were all given to its zone, once
 *   G3  growth that fails leaves the section dormant and the seed in place
 *
 * Locking: `growth` guards states and the seed; states are read without it (acquire pairs
 * with the release that publishes a populated section).
 */
#pragma once

#include "boot/boot_info.h"
#include "mm/frame/meta.h"
#include "mm/frame/zone.h"

enum section_state {
	SECTION_ABSENT,
	SECTION_DORMANT,
	SECTION_POPULATED,
};

enum zone_id {
	ZONE_LOW, /* below 4 GiB: what 32-bit devices can reach */
	ZONE_HIGH,
	ZONES,
};
#define ZONE_LOW_FRAMES (GIB(4) / PAGE_SIZE)

struct section {
	_Atomic uint8_t state; /* enum section_state */
	uint32_t covered;      /* frames from its start that have slots */
	pfn_t slots;           /* where its slots lie, once populated */
	uint32_t usable;       /* frames that it gives to its zone */
};

extern struct zone zones[ZONES];

static inline enum zone_id zone_of(pfn_t pfn)
{
	return pfn < ZONE_LOW_FRAMES ? ZONE_LOW : ZONE_HIGH;
}

/* Build the table from the final regions, which must outlive it, and start the zones, empty.
 * Uses the boot allocator.  ERR_NO_MEMORY: it is used up. */
err_t section_init(const struct region *r, size_t n);

/* Populate sections from the boot allocator until `frames` usable frames have metadata, and set the
 * first seed aside.  Their frames come to the zones by section_open(). */
err_t section_populate_first(uint64_t frames);

/* The boot allocator has retired and took `taken`: give the zones what the populated sections
 * have. */
void section_open(struct prange taken);

/* How slots are mapped once the boot table is gone: [va, va + len), multiples of 2 MiB, onto pa.
 * Called with the growth lock held; must not allocate frames. */
struct section_mapper {
	err_t (*map_slots)(vaddr_t va, paddr_t pa, size_t len);
};
void section_use_mapper(const struct section_mapper *mapper);

/* Whether the frame is the allocator's, free, cached or handed out; for memory that somebody
 * claims. */
bool section_owns(pfn_t pfn);

/* Memory that the allocator never had comes to it: whole frames of a range in populated sections
 * that nobody uses any more.  At boot, by the first CPU.  ERR_BAD_RANGE: no such range, or the
 * SECTION_ADOPTED_MAX are there.  ERR_IN_USE.  In both cases nothing happened. */
err_t section_adopt(struct prange range);
/* The ranges that came that way, one after the other; length 0: no more. */
struct prange section_adopted(unsigned i);
enum {
	SECTION_ADOPTED_MAX = 4,
};

/* Populate one more section of the zone.  ERR_NOT_FOUND: none is dormant.  ERR_NO_MEMORY: no memory
 * for metadata, nothing changed.  ERR_BUSY: this CPU interrupted its own growth. */
err_t section_grow(enum zone_id zone);

/* The slot of an address that somebody came with, or NULL: not populated, or beyond. */
struct meta_slot *section_slot(paddr_t pa);

/* Usable frames of the zone that have no metadata yet. */
uint64_t section_dormant_frames(enum zone_id zone);

struct section_stats {
	uint64_t populated, dormant; /* sections */
	uint64_t dormant_frames;
	uint64_t sparse_frames; /* left out: metadata would cost more than they give */
	uint64_t beyond_frames; /* left out: above PHYS_LIMIT */
	uint64_t boot_frames;   /* taken by the boot allocator */
	uint64_t seed_frames;   /* set aside for the next section's metadata */
	uint64_t meta_frames;   /* metadata of grown sections */
};
struct section_stats section_stats(void);
uint32_t section_count(void);
const struct section *section_at(uint32_t index);

/* For each usable range that section `index` gives: fn(ctx, first frame, frames). */
void section_each_range(uint32_t index, void (*fn)(void *ctx, pfn_t first, uint32_t frames),
			void *ctx);

/* Tests: let the nth step from now that needs memory for metadata fail, once.  0: none. */
void section_inject_failure(unsigned nth);
