/* SPDX-License-Identifier: MIT */
/*
 * mapping.h - a mapping: the range of a space that shows a part of an object.
 *
 * The page-table entries of a mapping say what every page may do and whether it is there; the
 * mapping says which object it is a part of, and where.  A fault that finds the marker of an object
 * asks for the mapping of its address, and a truncation asks an object for all mappings of it.
 *
 *   space A   |--- mapping: object 1, from 0 ---|    |--- object 2, from 16 KiB ---|
 *   space B           |--- object 1, from 8 KiB ---|
 *
 * Invariants; vm_mappings_check() verifies all but M4:
 *   M1  the mappings of a space do not overlap, and its tree has them by address
 *   M2  a page of a mapping has the marker of an object, or a leaf; no other page has such a marker
 *   M3  a mapping is in the list of its object and holds one count of it
 *   M4  in the list of an object, the mappings that its last walk has not met come first
 *
 * Mappings are split, cut and removed by unmap, with the pages locked that go; so a mapping stays
 * as long as one of its pages is locked, and then its object does.
 *
 * Locking: the range of a mapping changes, and mappings come and go, with both its object's lock
 * and its space's held, in that order; either is enough to read.  Both may be taken while a cursor
 * is open, so nothing is allocated or freed under them.
 */
#pragma once

#include "kern/lock.h"
#include "lib/list.h"
#include "lib/tree.h"
#include "mm/vm/object.h"

struct vm_space;

enum vm_sharing {
	VM_SHARED,  /* writes change the object */
	VM_PRIVATE, /* writes change a copy that the space owns */
};

struct vm_mapping {
	struct tree_node node; /* (l) in its space's tree */
	struct list_node link; /* (l) in its object's list, or in that of removed mappings */
	struct vm_space *space;
	struct vm_object *object;
	vaddr_t start, end; /* (l) end: the first address behind it */
	uint64_t offset;    /* (l) of `start` in the object, in bytes */
	enum vm_sharing sharing;
	uint32_t walk; /* (l) the last walk of the object's that met it */
};

/* The mappings of a space. */
struct vm_mappings {
	struct spinlock lock;
	struct tree tree; /* (l) by address */
	/* (a) of the tree; relaxed: a CPU that holds a page of a mapping locked sees it */
	_Atomic unsigned count;
};

/* What an address shows. */
struct vm_view {
	struct vm_object *object;
	uint64_t offset; /* of the address in the object */
	uint64_t left;   /* bytes from the address to the end of the mapping */
	enum vm_sharing sharing;
};

/* No mappings. */
void vm_mappings_init(struct vm_mappings *ms);

/* Whether there are mappings in the space; in most there are none. */
static inline bool vm_mappings_exist(const struct vm_mappings *ms)
{
	return unlikely(atomic_load_explicit(&ms->count, memory_order_relaxed) != 0);
}

/* The view at va.  False: no mapping is there.  The object is the mapping's: the caller holds the
 * page locked as long as it uses it, or has a count. */
bool vm_mappings_find(struct vm_mappings *ms, vaddr_t va, struct vm_view *out);
/* The same for the first address >= va that a mapping has, in *at. */
bool vm_mappings_next(struct vm_mappings *ms, vaddr_t va, vaddr_t *at, struct vm_view *out);
/* The number of the object at va, or 0. */
unsigned vm_mappings_object_number(struct vm_mappings *ms, vaddr_t va);

/* ---- map ---- */

/* A mapping that is in no space yet.  NULL: no memory. */
__must_check struct vm_mapping *vm_mapping_new(struct vm_space *s, struct vrange range,
					       const struct vm_view *view);
/* Add it, with its pages locked: to the mapping before it, if it continues that one and the object,
 * and the last page of that is in the same node, and so is locked, too.  Returns what the caller
 * frees with vm_mapping_free(): m, if it was not needed, or NULL. */
__must_check struct vm_mapping *vm_mapping_add(struct vm_mapping *m);
void vm_mapping_free(struct vm_mapping *m);

/* ---- unmap ---- */

/* What an unmap needs and leaves. */
struct vm_cut {
	struct vm_mapping *spare; /* for the second part of a mapping that is split */
	struct list removed;
};

/* The length of the start of the range, whose pages need not be locked, that takes a bounded time
 * to cut: the whole, or up to the end of a mapping. */
uint64_t vm_mappings_piece(struct vm_mappings *ms, struct vrange range);
/* Whether the range lies inside one mapping and both ends of that stay, so that vm_mappings_cut()
 * needs the spare.  That stays so while the pages are locked. */
bool vm_mappings_splits(struct vm_mappings *ms, struct vrange range);
/* Take the range, whose pages are locked and empty, out of all mappings. */
void vm_mappings_cut(struct vm_mappings *ms, struct vrange range, struct vm_cut *cut);
/* Free the removed mappings and the spare, with nothing locked. */
void vm_cut_finish(struct vm_cut *cut);

/* ---- fork, end ---- */

/* Give `to`, which is not used yet, the mappings of `from`, which do not change meanwhile; a walk
 * has met those that it has met in `from`.  ERR_NO_MEMORY: it has some of them. */
err_t vm_mappings_copy(struct vm_space *to, struct vm_space *from);
/* Remove all mappings of a space that is not used any more. */
void vm_mappings_clear(struct vm_mappings *ms);

/* ---- the mappings of an object ---- */

/* Begin a walk that meets all mappings. */
void vm_object_walk(struct vm_object *o);
/* The space of the next mapping that shows something behind `from` in the object, with a count for
 * the caller.  NULL: none is left.  Spaces whose last count was put are skipped. */
__must_check __owns struct vm_space *vm_object_walk_space(struct vm_object *o, uint64_t from);
/* The part behind `from`, which may be empty, of the next mapping, if it is in that space, of which
 * no fork is in progress: a later fork finds the mapping met, and its child's is met, too. */
__must_check bool vm_object_walk_next(struct vm_object *o, uint64_t from, const struct vm_space *s,
				      struct vrange *range);

/* Check M1 to M3.  NULL, or a description of the violation. */
__must_check const char *vm_mappings_check(const struct vm_space *s);
