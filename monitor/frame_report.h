/* SPDX-License-Identifier: MIT */
/*
 * frame_report.h - what the frame allocator has to say: the monitor's regions, frames and buddy.
 *
 * The audit of frames gives every frame of the map to exactly one class and adds the
 * classes up; a difference would be a frame that was lost or counted twice.
 */
#pragma once

#include "boot/boot_info.h"
#include "mm/frame/frame.h"

/* The final regions, for as long as the kernel runs. */
void report_set_regions(const struct region *r, size_t n);
const struct region *report_regions(size_t *n);

struct frame_audit {
	uint64_t map;                   /* frames that any region touches */
	uint64_t by_type[REGION_TYPES]; /* of those, by the first type in rank; usable: see below */
	/* usable frames: */
	uint64_t first; /* frame 0, never handed out */
	uint64_t boot;  /* the boot allocator's */
	uint64_t zone_free, cached, dormant, sparse, beyond, seed, meta;
	uint64_t by_kind[FRAME_KINDS]; /* with a count */
	uint64_t adopted; /* of the kernel's own, given to the allocator: counted there */
	uint64_t unique, unused;
	uint64_t classes; /* the sum of all but `map` */
};

/* Exact when nobody allocates meanwhile.  Looks at every populated slot. */
struct frame_audit frame_audit(void);
