/* SPDX-License-Identifier: MIT */
/*
 * section.h - sparse memory: frame metadata is populated on demand, in sections of 1 GiB.
 *
 * A section is the metadata of 2^18 frames: their MetaSlots and the tables of their chunks.
 * At boot only as many sections are populated as are needed to start; the others are dormant:
 * their frames are counted as available, nothing more.  So the work at boot hardly grows with
 * memory.  section_grow() populates the next dormant section when a zone runs low.
 *
 * The memory for a section's metadata always comes from outside the section, so that a section
 * can be one free block of 1 GiB.  It is reserved in advance (the seed), since an allocation would
 * fail when memory has run out.  The first sections use the boot allocator.
 *
 *   absent ---- no usable frame, or so few that their metadata would be larger
 *   dormant --- section_grow() ---> populated
 *
 * Invariants:
 *   G1  a slot is accessed only in a populated section, below the section's `covered`
 *   G2  a populated section's usable frames were all added to its zone, once
 *   G3  growth that fails leaves the section dormant and the seed in place
 *
 * Locking: `growth` protects states and the seed; states are read without it (acquire pairs
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
	ZONE_LOW, /* below 4 GiB: reachable by 32-bit DMA */
	ZONE_HIGH,
	ZONES,
};
#define ZONE_LOW_FRAMES (GIB(4) / PAGE_SIZE)

struct section {
	_Atomic uint8_t state; /* enum section_state */
	uint32_t covered;      /* frames from its start that have slots */
	pfn_t slots;           /* first frame of its slots, once populated */
	uint32_t usable;       /* frames that it adds to its zone */
};

extern struct zone zones[ZONES];

static inline enum zone_id zone_of(pfn_t pfn)
{
	return pfn < ZONE_LOW_FRAMES ? ZONE_LOW : ZONE_HIGH;
}

/* Builds the section table from the final regions, which must outlive it, and initialises the
 * zones, empty.  Uses the boot allocator.  ERR_NO_MEMORY: it is used up. */
err_t section_init(const struct region *r, size_t n);

/* Populates sections from the boot allocator until `frames` usable frames have metadata, and
 * reserves the first seed.  section_open() adds their frames to the zones.  ERR_NO_MEMORY, or the
 * error of the mapping. */
err_t section_populate_first(uint64_t frames);

/* Adds the frames of the populated sections to the zones, without the range `taken` that the
 * retired boot allocator used. */
void section_open(struct prange taken);

/* Maps slots once the boot page table is no longer used: [va, va + len), multiples of 2 MiB, to
 * pa.  Called with the growth lock held; must not allocate frames. */
struct section_mapper {
	err_t (*map_slots)(vaddr_t va, paddr_t pa, size_t len);
};
void section_use_mapper(const struct section_mapper *mapper);

/* Whether the allocator owns the frame: free, cached or allocated.  Checks memory that a caller
 * claims by address. */
bool section_owns(pfn_t pfn);

/* Adds memory to the zones that the allocator never owned: a frame-aligned range in populated
 * sections that is no longer used.  ERR_BAD_RANGE: not aligned, empty, above PHYS_LIMIT, or some
 * frame is not populated, frame 0, or not RAM that frames are made of (region_type_has_frames()).
 * ERR_IN_USE: some frame has an owner or is the allocator's.  ERR_NO_MEMORY: SECTION_ADOPTED_MAX
 * ranges were adopted already.  On an error nothing is changed. */
err_t section_adopt(struct prange range);
/* The same without giving it to the zones: for frame_release_range().  ERR_NO_MEMORY:
 * SECTION_RELEASED_MAX ranges. */
err_t section_release(struct prange range);
/* Adopted range i; length 0: none. */
struct prange section_adopted(unsigned i);
enum {
	SECTION_ADOPTED_MAX = 4,
	SECTION_RELEASED_MAX = 16,
};

/* Populates one more section of the zone.  ERR_NOT_FOUND: none is dormant.  ERR_NO_MEMORY: no
 * memory for metadata, nothing is changed.  ERR_BUSY: this CPU interrupted its own growth. */
err_t section_grow(enum zone_id zone);

/* The slot of any physical address, or NULL: not populated, or beyond `covered`. */
struct meta_slot *section_slot(paddr_t pa);

/* Usable frames of the zone that have no metadata yet. */
uint64_t section_dormant_frames(enum zone_id zone);

struct section_stats {
	uint64_t populated, dormant; /* sections */
	uint64_t dormant_frames;
	uint64_t sparse_frames; /* ignored: metadata would be larger */
	uint64_t beyond_frames; /* ignored: above PHYS_LIMIT */
	uint64_t boot_frames;   /* used by the boot allocator */
	uint64_t seed_frames;   /* reserved for the next section's metadata */
	uint64_t meta_frames;   /* metadata of grown sections */
};
struct section_stats section_stats(void);
uint32_t section_count(void);
const struct section *section_at(uint32_t index);

/* Calls fn(ctx, first frame, frames) for each usable range of section `index`. */
void section_each_range(uint32_t index, void (*fn)(void *ctx, pfn_t first, uint32_t frames),
			void *ctx);

/* Fault injection for tests: the nth step from now that needs memory for metadata fails, once.  0:
 * none. */
void section_inject_failure(unsigned nth);
