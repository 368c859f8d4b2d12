/* SPDX-License-Identifier: MIT */
/*
 * spaces.h - test helpers for address spaces: page accesses, snapshots, and reference count checks.
 *
 * Tests write a pair of related values to the first and the last word of a page, so that an
 * incomplete copy is detected.  No CPU needs to load the space: tests access the memory through the
 * direct map, as far as the page-table entry allows, and call the fault handler directly.
 *
 * Use from one CPU at a time, while no other CPU changes the spaces.
 */
#pragma once

#include "mm/vm/space.h"

/* Prepare a machine for address spaces: on the host, start one with `mib` MiB below and `high_mib`
 * MiB above 4 GiB, and `cpus` CPUs; in the kernel, use the running one. */
void spaces_begin(uint64_t mib, uint64_t high_mib, unsigned cpus);

/* ---- addresses ---- */

/* Base address of test pages, aligned to the span of an entry of every level. */
#define BASE UINT64_C(0x10000000000)

static inline vaddr_t page_at(unsigned i)
{
	return BASE + (uint64_t)i * PAGE_SIZE;
}

static inline struct vrange pages(unsigned first, unsigned n)
{
	return (struct vrange){ page_at(first), (uint64_t)n * PAGE_SIZE };
}

/* ---- access ---- */

/* Store a value to the page at va, or load it, and handle the faults.  Errors as
 * vm_space_handle_fault(); ERR_BAD_FORMAT: the two words of the page do not match. */
err_t page_store(struct vm_space *s, vaddr_t va, uint64_t value);
err_t page_load(struct vm_space *s, vaddr_t va, uint64_t *value);

/* Whether a load from the page at va returns that value. */
bool page_shows(struct vm_space *s, vaddr_t va, uint64_t value);

/* Whether the space is empty: no page, no marker, and no nodes except the root and one branch. */
bool space_is_bare(const struct vm_space *s);

/* ---- snapshots ---- */

enum {
	PICTURE_RUNS = 2048,
};

/* User-visible state of a space, independent of physical addresses and page sizes. */
struct picture {
	unsigned runs;
	struct picture_run {
		vaddr_t start;
		uint64_t len;
		uint64_t what;    /* kind of item, and the marker or the rights */
		uint64_t content; /* hash of the page's contents */
	} run[PICTURE_RUNS];
};
void picture_take(struct picture *p, const struct vm_space *s);
/* Fail the test and print the first difference if the space has changed. */
void picture_check(const struct picture *p, const struct vm_space *s, const char *file, int line);
#define CHECK_PICTURE(picture, space) picture_check(picture, space, __FILE__, __LINE__)

/* ---- reference counts ---- */

/* Counts of user frames and objects that the test holds itself. */
struct handles {
	struct frame *const *frame; /* one count of each */
	unsigned frames;
	struct vm_object *const *object; /* likewise */
	unsigned objects;
};

/* Fail the test unless the count of every FRAME_USER frame and of every object equals the number of
 * references found by walking all spaces, objects and `h`, and vm_space_check() passes for each
 * space. */
void owners_check(const struct handles *h, const char *file, int line);
#define CHECK_OWNERS(handles) owners_check(handles, __FILE__, __LINE__)
