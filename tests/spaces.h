/* SPDX-License-Identifier: MIT */
/*
 * spaces.h - address spaces as tests see them: used as user code would, pictured, and counted.
 *
 * A page is used by its first and its last word, which belong together, so that half a copy is
 * seen.  Nothing here needs the space to be loaded by a CPU: the memory behind a page is reached
 * through the linear map, as far as its entry allows, and faults are called by hand.
 *
 * One CPU at a time, and nobody else changes the spaces meanwhile.
 */
#pragma once

#include "mm/vm/space.h"

/* A machine on which spaces can be: on the host a fresh one of so many MiB, and `high_mib` above
 * 4 GiB, with `cpus` CPUs; in the kernel the one that is there. */
void spaces_begin(uint64_t mib, uint64_t high_mib, unsigned cpus);

/* ---- places ---- */

/* Where tests put pages: the first of a subtree of every level. */
#define BASE UINT64_C(0x10000000000)

static inline vaddr_t page_at(unsigned i)
{
	return BASE + (uint64_t)i * PAGE_SIZE;
}

static inline struct vrange pages(unsigned first, unsigned n)
{
	return (struct vrange){ page_at(first), (uint64_t)n * PAGE_SIZE };
}

/* ---- use ---- */

/* Put a value into the page at va, or tell the one there, with the faults that this takes.  Errors
 * are vm_space_handle_fault()'s; ERR_BAD_FORMAT: the page's two words do not belong together. */
err_t page_store(struct vm_space *s, vaddr_t va, uint64_t value);
err_t page_load(struct vm_space *s, vaddr_t va, uint64_t *value);

/* Whether reading the page at va gives that value. */
bool page_shows(struct vm_space *s, vaddr_t va, uint64_t value);

/* Whether there is nothing in it: no page, no marker, and no node but the root and one branch. */
bool space_is_bare(const struct vm_space *s);

/* ---- pictures ---- */

enum {
	PICTURE_RUNS = 2048,
};

/* What a space means to its user: neither where its pages lie, nor how large its entries are. */
struct picture {
	unsigned runs;
	struct picture_run {
		vaddr_t start;
		uint64_t len;
		uint64_t what;    /* kind of item and marker, or rights */
		uint64_t content; /* of a page */
	} run[PICTURE_RUNS];
};
void picture_take(struct picture *p, const struct vm_space *s);
/* Fails the test, and says where they differ. */
void picture_check(const struct picture *p, const struct vm_space *s, const char *file, int line);
#define CHECK_PICTURE(picture, space) picture_check(picture, space, __FILE__, __LINE__)

/* ---- owners ---- */

/* Who owns frames of users and objects, besides spaces and the objects that these count. */
struct handles {
	struct frame *const *frame; /* one count of each */
	unsigned frames;
	struct vm_object *const *object; /* likewise */
	unsigned objects;
};

/* Fails the test unless every frame of kind FRAME_USER, and every object, has as many counts as
 * owners are found by walking all spaces and objects, and unless vm_space_check() is content with
 * each space. */
void owners_check(const struct handles *h, const char *file, int line);
#define CHECK_OWNERS(handles) owners_check(handles, __FILE__, __LINE__)
