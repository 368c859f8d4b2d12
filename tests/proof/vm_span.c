/* SPDX-License-Identifier: MIT */
/*
 * Proof of mm/vm/span.h: the cursor never passes the end, a span only shrinks, and what is refused
 * changes nothing (I1..I3); sizes of slices, and user ranges, against 128 bits, where nothing wraps
 * (verification target 6, finding IOV-01).  Sizes of strides are tested, not proved.
 *
 * Confinement of a copy is the last claim on spans: what vm_copy() moves from and to are `n` bytes at
 * the cursors, and n is vm_span_common().
 *
 * By: words
 * Seconds: 60
 */
#include "mm/vm/span.h"

#include "tests/proof/words.h"

typedef unsigned __int128 exact_t;

static struct vm_span span_of(uint64_t cursor, uint64_t end)
{
	return (struct vm_span){ cursor, end, VM_USER };
}

/* I1 and I2: `now` is [cursor, end) or less of it. */
static bool shrank(const struct vm_span *now, uint64_t cursor, uint64_t end)
{
	return now->cursor <= now->end && now->cursor >= cursor && now->end <= end &&
	       now->side == VM_USER;
}

CLAIM(limit_keeps_the_first_bytes, uint64_t cursor, uint64_t end, uint64_t most)
{
	GIVEN(cursor <= end);
	struct vm_span s = span_of(cursor, end);

	vm_span_limit(&s, most);
	return shrank(&s, cursor, end) && s.cursor == cursor &&
	       vm_span_left(&s) == (most < end - cursor ? most : end - cursor);
}

CLAIM(skip_moves_by_what_is_there_or_not_at_all, uint64_t cursor, uint64_t end, uint64_t n)
{
	GIVEN(cursor <= end);
	struct vm_span s = span_of(cursor, end);

	if (vm_span_skip(&s, n) != OK)
		return n > end - cursor && s.cursor == cursor && s.end == end;
	return n <= end - cursor && shrank(&s, cursor, end) && s.end == end &&
	       vm_span_left(&s) == end - cursor - n;
}

/* Whatever part of vm_span_common() was done, both spans only shrank, by as much; all of it leaves
 * one of them empty. */
CLAIM(copy_stays_in_both_spans, uint64_t r, uint64_t r_end, uint64_t w, uint64_t w_end,
      uint64_t done)
{
	GIVEN(r <= r_end && w <= w_end);
	struct vm_span from = span_of(r, r_end), to = span_of(w, w_end);
	uint64_t n = vm_span_common(&to, &from);

	GIVEN(done <= n);
	if ((exact_t)r + n > r_end || (exact_t)w + n > w_end)
		return WRONG;
	from.cursor += done;
	to.cursor += done;
	return shrank(&from, r, r_end) && shrank(&to, w, w_end) &&
	       vm_span_left(&from) == r_end - r - done && vm_span_left(&to) == w_end - w - done &&
	       (done != n || from.cursor == from.end || to.cursor == to.end);
}

/* ---- sizes ---- */

/* Then the lower 64 bits of the 128 are all of it. */

static bool product_fits(uint64_t a, uint64_t b)
{
	return ((exact_t)a * b) >> 64 == 0;
}

CLAIM(slice_is_its_elements_or_an_error, uint64_t count, uint64_t size)
{
	size_t bytes = 0;

	switch (vm_slice_bytes(count, size, &bytes)) {
	case OK: return size != 0 && product_fits(count, size) && bytes == count * size;
	case ERR_OVERFLOW: return !product_fits(count, size);
	default: return size == 0;
	}
}

/* ---- user ranges ---- */

CLAIM(users_ranges_lie_between_the_null_page_and_the_hole, uint64_t va, uint64_t len,
      unsigned levels)
{
	GIVEN(levels == 4 || levels == 5);
	uint64_t half = UINT64_C(1) << (levels == 4 ? 47 : 56);
	bool inside = va >= 4096 && (exact_t)va + len <= half && va < half;

	return vm_span_is_users(va, len, half, 4096) == (len == 0 || inside);
}
