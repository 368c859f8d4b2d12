/* SPDX-License-Identifier: MIT */
/*
 * frame_report.h - the monitor's reports of the frame allocator: regions, frames and buddy.
 *
 * The audit of frames assigns every frame of the memory map to exactly one class and adds the
 * classes up; a difference means that a frame was lost or counted twice.
 */
#pragma once

#include "boot/boot_info.h"
#include "mm/frame/frame.h"

/* Sets the final regions; they must stay valid while the kernel runs. */
void report_set_regions(const struct region *r, size_t n);
const struct region *report_regions(size_t *n);

struct frame_audit {
	uint64_t map;                   /* frames that any region overlaps */
	uint64_t by_type[REGION_TYPES]; /* of those, by the first type in rank; usable: see below */
	/* usable frames: */
	uint64_t first; /* frame 0, never allocated */
	uint64_t boot;  /* allocated by the boot allocator */
	uint64_t zone_free, cached, dormant, sparse, beyond, seed, meta;
	uint64_t by_kind[FRAME_KINDS]; /* allocated, by kind */
	uint64_t adopted; /* frames of the kernel given to the allocator: counted there */
	uint64_t unique, unused;
	uint64_t classes; /* the sum of all but `map` */
};

/* Exact when no CPU allocates meanwhile.  Reads every populated MetaSlot. */
struct frame_audit frame_audit(void);
