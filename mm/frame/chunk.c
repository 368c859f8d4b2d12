/* SPDX-License-Identifier: MIT */
#include "mm/frame/chunk.h"

bool chunk_block_is_free(const struct chunk_bits *c, unsigned index, unsigned order)
{
	unsigned first = index / CHUNK_WORD_BITS;

	if (order < CHUNK_WORD_ORDER) {
		uint64_t mask = chunk_word_mask(index % CHUNK_WORD_BITS, order);

		return (c->word[first] & mask) == mask;
	}
	for (unsigned i = 0; i < 1u << (order - CHUNK_WORD_ORDER); i++)
		if (c->word[first + i] != CHUNK_ALL)
			return false;
	return true;
}

bool chunk_block_is_used(const struct chunk_bits *c, unsigned index, unsigned order)
{
	unsigned first = index / CHUNK_WORD_BITS;

	if (order < CHUNK_WORD_ORDER)
		return (c->word[first] & chunk_word_mask(index % CHUNK_WORD_BITS, order)) == 0;
	for (unsigned i = 0; i < 1u << (order - CHUNK_WORD_ORDER); i++)
		if (c->word[first + i] != 0)
			return false;
	return true;
}

void chunk_set_free(struct chunk_bits *c, unsigned index, unsigned order)
{
	unsigned first = index / CHUNK_WORD_BITS;

	if (order < CHUNK_WORD_ORDER) {
		c->word[first] |= chunk_word_mask(index % CHUNK_WORD_BITS, order);
		return;
	}
	for (unsigned i = 0; i < 1u << (order - CHUNK_WORD_ORDER); i++)
		c->word[first + i] = CHUNK_ALL;
}

void chunk_set_used(struct chunk_bits *c, unsigned index, unsigned order)
{
	unsigned first = index / CHUNK_WORD_BITS;

	if (order < CHUNK_WORD_ORDER) {
		c->word[first] &= ~chunk_word_mask(index % CHUNK_WORD_BITS, order);
		return;
	}
	for (unsigned i = 0; i < 1u << (order - CHUNK_WORD_ORDER); i++)
		c->word[first + i] = 0;
}

/* Mask of completely free words: bit i for word i. */
static uint64_t full_words(const struct chunk_bits *c)
{
	uint64_t full = 0;

	for (unsigned i = 0; i < CHUNK_WORDS; i++)
		full |= (uint64_t)(c->word[i] == CHUNK_ALL) << i;
	return full;
}

/* Order of the largest free block when no word is completely free; CHUNK_NO_BLOCK: no free frame.
 */
static int largest_in_words(const struct chunk_bits *c)
{
	int order = CHUNK_NO_BLOCK;

	for (unsigned i = 0; i < CHUNK_WORDS && order + 1 < CHUNK_WORD_ORDER; i++) {
		uint64_t blocks = chunk_word_blocks(c->word[i], (unsigned)(order + 1));

		while (blocks != 0 && ++order + 1 < CHUNK_WORD_ORDER)
			blocks = chunk_word_join(blocks, (unsigned)order);
	}
	return order;
}

int chunk_largest(const struct chunk_bits *c)
{
	uint64_t full = full_words(c);
	int order = CHUNK_WORD_ORDER;

	if (full == 0)
		return largest_in_words(c);
	for (unsigned k = 0; k < CHUNK_ORDER - CHUNK_WORD_ORDER; k++) {
		full = chunk_word_join(full, k);
		if (full == 0)
			break;
		order++;
	}
	return order;
}

/* Those of `blocks` (all free blocks of 2^order) whose buddies are not free.  `joined` are the free
 * blocks of the next order. */
static uint64_t alone(uint64_t blocks, uint64_t joined, unsigned order)
{
	return blocks & ~(joined | joined << (1u << order));
}

/* Finds the smallest free block of at least 2^order, and smaller than 2^*best, in a word that is
 * not completely free: stores its order in *best and its bit number in *index. */
static void find_in_word(uint64_t w, unsigned order, unsigned *best, unsigned *index)
{
	uint64_t blocks = chunk_word_blocks(w, order);

	for (; blocks != 0 && order < *best; order++) {
		uint64_t joined = order + 1 == CHUNK_WORD_ORDER ? 0
								: chunk_word_join(blocks, order);
		uint64_t found = alone(blocks, joined, order);

		if (found != 0) {
			*best = order;
			*index = bits_lowest(found);
			return;
		}
		blocks = joined;
	}
}

static int find_in_words(const struct chunk_bits *c, unsigned order)
{
	unsigned best = CHUNK_WORD_ORDER, at = 0, index = 0;

	for (unsigned i = 0; i < CHUNK_WORDS && best != order; i++) {
		unsigned before = best;

		if (c->word[i] != 0 && c->word[i] != CHUNK_ALL)
			find_in_word(c->word[i], order, &best, &index);
		if (best != before)
			at = i;
	}
	return best == CHUNK_WORD_ORDER ? CHUNK_NO_INDEX : (int)(at * CHUNK_WORD_BITS + index);
}

int chunk_find(const struct chunk_bits *c, unsigned order)
{
	uint64_t blocks = full_words(c);

	if (order < CHUNK_WORD_ORDER) {
		int index = find_in_words(c, order);

		if (index != CHUNK_NO_INDEX)
			return index;
		order = CHUNK_WORD_ORDER;
	}
	order -= CHUNK_WORD_ORDER;
	for (blocks = chunk_word_blocks(blocks, order); blocks != 0; order++) {
		uint64_t joined = chunk_word_join(blocks, order);
		uint64_t found = alone(blocks, joined, order);

		if (found != 0)
			return (int)(bits_lowest(found) * CHUNK_WORD_BITS);
		blocks = joined;
	}
	return CHUNK_NO_INDEX;
}

unsigned chunk_merged_order(const struct chunk_bits *c, unsigned index, unsigned order)
{
	while (order < CHUNK_ORDER && chunk_block_is_free(c, index ^ 1u << order, order)) {
		index &= ~(1u << order);
		order++;
	}
	return order;
}

/* The word with the fewest free bits, at least one; CHUNK_WORDS: none. */
static unsigned fullest_word(const struct chunk_bits *c)
{
	unsigned best = CHUNK_WORDS, fewest = CHUNK_WORD_BITS + 1;

	for (unsigned i = 0; i < CHUNK_WORDS; i++) {
		uint64_t w = c->word[i];
		unsigned n = w == CHUNK_ALL ? CHUNK_WORD_BITS : bits_count(w);

		if (w != 0 && n < fewest) {
			best = i;
			fewest = n;
		}
	}
	return best;
}

/* Allocates all free frames of word i, at most n; returns how many. */
static unsigned take_from_word(struct chunk_bits *c, unsigned i, unsigned n, pfn_t base, pfn_t *out)
{
	pfn_t first = base + i * CHUNK_WORD_BITS;
	unsigned taken = 0;
	uint64_t w = c->word[i];

	if (w == CHUNK_ALL && n >= CHUNK_WORD_BITS) {
		for (; taken < CHUNK_WORD_BITS; taken++)
			out[taken] = first + taken;
		w = 0;
	}
	for (; w != 0 && taken < n; w &= w - 1)
		out[taken++] = first + (unsigned)__builtin_ctzll(w);
	c->word[i] = w;
	return taken;
}

unsigned chunk_take_frames(struct chunk_bits *c, unsigned n, pfn_t base, pfn_t *out)
{
	unsigned taken = 0;

	while (taken < n) {
		unsigned i = fullest_word(c);

		if (i == CHUNK_WORDS)
			break;
		taken += take_from_word(c, i, n - taken, base, out + taken);
	}
	return taken;
}

unsigned chunk_count_free(const struct chunk_bits *c)
{
	unsigned n = 0;

	for (unsigned i = 0; i < CHUNK_WORDS; i++)
		n += bits_count(c->word[i]);
	return n;
}
