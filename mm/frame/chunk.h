/* SPDX-License-Identifier: MIT */
/*
 * chunk.h - bitmap of the 512 frames of a 2 MiB chunk: one bit per frame, 1 = free.
 *
 * Below order 9 the buddy allocator needs no lists: a free block of order k is a run of 2^k set
 * bits at a multiple of 2^k; splitting clears bits and merging is implicit.  One cache line
 * describes a chunk, so freeing frames in random order touches one line per chunk instead of a
 * slot per frame and buddy.
 *
 * Pure functions over struct chunk_bits; nothing here locks.
 */
#pragma once

#include "lib/bits.h"
#include "mm/frame/page.h"

enum {
	CHUNK_WORD_BITS = 64,
	CHUNK_WORD_ORDER = 6,
	CHUNK_WORDS = CHUNK_FRAMES / CHUNK_WORD_BITS,
	CHUNK_NO_BLOCK = -1, /* chunk_largest() of a chunk without free frames */
	CHUNK_NO_INDEX = -1,
};

struct chunk_bits {
	uint64_t word[CHUNK_WORDS];
};

#define CHUNK_ALL UINT64_MAX

/* Maps the free blocks of 2^order in a word (one bit at the first frame of each) to those of
 * 2^(order + 1); order + 1 is below CHUNK_WORD_ORDER. */
static inline uint64_t chunk_word_join(uint64_t blocks, unsigned order)
{
	static const uint64_t aligned[CHUNK_WORD_ORDER] = {
		0xffffffffffffffff, 0x5555555555555555, 0x1111111111111111,
		0x0101010101010101, 0x0001000100010001, 0x0000000100000001,
	};

	return blocks & blocks >> (1u << order) & aligned[order + 1];
}

/* Bit i of the result is set when i is a multiple of 2^order and bits i .. i + 2^order - 1 of w are
 * set; order is below CHUNK_WORD_ORDER. */
static inline uint64_t chunk_word_blocks(uint64_t w, unsigned order)
{
	for (unsigned k = 0; k < order; k++)
		w = chunk_word_join(w, k);
	return w;
}

/* A word with bits [index, index + 2^order) set; order below CHUNK_WORD_ORDER. */
static inline uint64_t chunk_word_mask(unsigned index, unsigned order)
{
	return ((UINT64_C(1) << (1u << order)) - 1) << index;
}

/* Whether all / none of the block's frames are free.  index is a multiple of 2^order. */
bool chunk_block_is_free(const struct chunk_bits *c, unsigned index, unsigned order);
bool chunk_block_is_used(const struct chunk_bits *c, unsigned index, unsigned order);

/* Mark the whole block free or used. */
void chunk_set_free(struct chunk_bits *c, unsigned index, unsigned order);
void chunk_set_used(struct chunk_bits *c, unsigned index, unsigned order);

/* Order of the largest free block, 0 .. CHUNK_ORDER, or CHUNK_NO_BLOCK. */
int chunk_largest(const struct chunk_bits *c);

/* Best fit: index of 2^order free frames inside the smallest free block that has room for them, or
 * CHUNK_NO_INDEX.  order <= CHUNK_ORDER. */
int chunk_find(const struct chunk_bits *c, unsigned order);

/* Order of the largest free block that contains the free block at index; at least `order`. */
unsigned chunk_merged_order(const struct chunk_bits *c, unsigned index, unsigned order);

/* Allocates up to n frames, from the words with the fewest free bits first, and stores their
 * numbers in out[]; `base` is the number of the frame at index 0.  Returns how many. */
unsigned chunk_take_frames(struct chunk_bits *c, unsigned n, pfn_t base, pfn_t *out);

/* Number of free frames, 0 to CHUNK_FRAMES. */
unsigned chunk_count_free(const struct chunk_bits *c);
