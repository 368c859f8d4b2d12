/* SPDX-License-Identifier: MIT */
#include "mm/frame/regions.h"

#include "lib/bits.h"
#include "mm/frame/page.h"

/* ---- edges: heapsort by address (Williams 1964; Floyd 1964) ---- */

static void edges_swap(struct region_edge *e, size_t i, size_t j)
{
	struct region_edge was = e[i];

	e[i] = e[j];
	e[j] = was;
	/*@ assert swapped{Pre,Here}(e, i, j); */
	/*@ assert edges_ok{Pre}(e, edges_total) ==> edges_ok(e, edges_total); */
	/*@ ghost size_t k = 0;
	    /@ loop invariant k <= SIZE_MAX && swap_sums{Pre,Here}(e, i, j, k);
	       loop assigns k; loop variant SIZE_MAX - k; @/
	    while (k < SIZE_MAX) {
	      /@ assert next_sum{Pre,Here}(e, i, j, k); @/
	      k++;
	    } */
}

/* Sift-down: moves e[i] down until e[i .. n) is a max-heap by address. */
static void edges_sink(struct region_edge *e, size_t i, size_t n)
{
	/*@ loop invariant \at(i,Pre) <= i < n && heap_but(e, \at(i,Pre), n, i);
	    loop invariant kept{Pre,Here}(e, edges_total) && still_below{Pre,Here}(e, n);
	    loop assigns i, e[0 .. n - 1];
	    loop variant n - i; */
	while (i < n / 2) {
		size_t child = 2 * i + 1;

		if (child + 1 < n && e[child].at < e[child + 1].at)
			child++;
		if (e[child].at <= e[i].at)
			break;
		edges_swap(e, i, child);
		i = child;
	}
}

/* Moves the maximum of the heap e[0 .. n) to its end; the rest is a heap of n - 1. */
static void edges_take_greatest(struct region_edge *e, size_t n)
{
	/*@ ghost heap_top(e, n); */
	edges_swap(e, 0, n - 1);
	/*@ assert below(e, n - 1, \at(e[0].at,Pre)); */
	edges_sink(e, 0, n - 1);
}

static void edges_sort(struct region_edge *e, size_t n)
{
	/*@ ghost edges_total = n; */
	/*@ loop invariant i <= n / 2 && heap(e, i, n) && kept{Pre,Here}(e, edges_total);
	    loop assigns i, e[0 .. n - 1];
	    loop variant i; */
	for (size_t i = n / 2; i > 0; i--)
		edges_sink(e, i - 1, n);
	/*@ loop invariant end <= n && heap(e, 0, end) && sorted(e, end, n);
	    loop invariant kept{Pre,Here}(e, edges_total);
	    loop invariant \forall integer p, q; 0 <= p < end <= q < n ==> e[p].at <= e[q].at;
	    loop assigns end, e[0 .. n - 1];
	    loop variant end; */
	for (size_t end = n; end > 1; end--)
		edges_take_greatest(e, end);
}

static size_t edges_add(struct region_edge *e, size_t n, uint64_t at, enum region_type type,
			int32_t step)
{
	e[n] = (struct region_edge){ at, type, step };
	/*@ ghost size_t k = 0;
	    /@ loop invariant k <= n && same_sums{Pre,Here}(e, 0, k);
	       loop assigns k; loop variant n - k; @/
	    while (k < n) k++; */
	return n + 1;
}

static size_t edges_make(const struct region *in, size_t n, struct region_edge *edges)
{
	size_t count = 0;

	/*@ loop invariant i <= n && count <= 2 * i && edges_ok(edges, count);
	    loop invariant \forall integer t, x;
	      balance(edges, count, t, x) == cover{Pre}(in, i, t, x);
	    loop assigns i, count, edges[0 .. 2 * n - 1];
	    loop variant n - i; */
	for (size_t i = 0; i < n; i++) {
		if (in[i].start >= in[i].end || (unsigned)in[i].type >= REGION_TYPES)
			continue;
		count = edges_add(edges, count, in[i].start, in[i].type, 1);
		count = edges_add(edges, count, in[i].end, in[i].type, -1);
	}
	return count;
}

/* ---- the sweep ---- */

static enum region_type first_open(const int64_t *open)
{
	unsigned t = 0;

	/*@ loop invariant t <= REGION_TYPES && \forall integer u; 0 <= u < t ==> open[u] == 0;
	    loop assigns t;
	    loop variant REGION_TYPES - t; */
	while (t < REGION_TYPES && open[t] == 0)
		t++;
	return (enum region_type)t;
}

/* Appends [start, end) of `type` as out[n], or extends out[n - 1] by it (R4).  Returns the new
 * number of regions. */
static size_t append(struct region *out, size_t n, uint64_t start, uint64_t end,
		     enum region_type type)
{
	if (start >= end)
		return n;
	if (n > 0 && out[n - 1].end == start && out[n - 1].type == type) {
		out[n - 1].end = end;
		return n;
	}
	out[n].start = start;
	out[n].end = end;
	out[n].type = type;
	return n + 1;
}

/* open[t] may be negative between edges at one address, where ends may precede starts. */
static size_t edges_sweep(const struct region_edge *edges, size_t count, struct region *out)
{
	int64_t open[REGION_TYPES] = { 0 };
	size_t made = 0;

	/*@ loop invariant i <= count && made <= i && sums_of{Pre,Here}(edges, i, &open[0]);
	    loop invariant region_list(out, made) && same_addresses{Pre,Here}(edges, count);
	    loop invariant made > 0 && i < count ==> out[made - 1].end <= edges[i].at;
	    loop invariant \forall integer x, t; holds(out, made, x, t) <==>
	      (i < count ==> x < edges[i].at) && wins{Pre}(edges, count, x, t);
	    loop assigns i, made, open[0 .. REGION_TYPES - 1], out[0 .. count - 1];
	    loop variant count - i; */
	for (size_t i = 0; i < count; i++) {
		enum region_type type;

		open[edges[i].type] += edges[i].step;
		type = first_open(open);
		/*@ assert sums_of{Pre,Here}(edges, i + 1, &open[0]); */
		/*@ assert one_winner_if_flat{Pre}(edges, count, i, type); */
		/*@ assert one_winner{Pre,Here}(edges, count, i, type); */
		if (i + 1 < count && type != REGION_TYPES)
			made = append(out, made, edges[i].at, edges[i + 1].at, type);
	}
	return made;
}

size_t regions_normalise(const struct region *in, size_t n, struct region_edge *edges,
			 struct region *out)
{
	size_t count;

	/*@ ghost cover_means_said(in, n); */
	count = edges_make(in, n, edges);
	edges_sort(edges, count);
	/*@ ghost sums_are_stairs(edges, count); */
	/*@ assert edges_tell{Pre,Here}(in, n, edges, count); */
	return edges_sweep(edges, count, out);
}

/* Whole frames of a usable region stay usable, the bytes cut off become reserved. */
static size_t trim_one(const struct region *r, size_t made, struct region *out)
{
	uint64_t first = align_up(r->start, PAGE_SIZE), last = align_down(r->end, PAGE_SIZE);

	if (r->type != REGION_USABLE)
		return append(out, made, r->start, r->end, r->type);
	if (first >= last)
		return append(out, made, r->start, r->end, REGION_RESERVED);
	made = append(out, made, r->start, first, REGION_RESERVED);
	made = append(out, made, first, last, REGION_USABLE);
	return append(out, made, last, r->end, REGION_RESERVED);
}

size_t regions_trim(const struct region *in, size_t n, struct region *out)
{
	size_t made = 0;

	/*@ loop invariant i <= n && made <= 3 * i && region_list(out, made);
	    loop invariant made > 0 && i < n ==> out[made - 1].end <= in[i].start;
	    loop invariant \forall integer x, t; holds(out, made, x, t) <==>
	      trimmed_of{Pre}(in, i, x, t);
	    loop assigns i, made, out[0 .. 3 * n - 1];
	    loop variant n - i; */
	for (size_t i = 0; i < n; i++) {
		/*@ assert \forall integer x, t; trimmed_of{Pre}(in, i + 1, x, t) <==>
		      trimmed_of{Pre}(in, i, x, t) ||
		      trimmed(in[i].start, in[i].end, in[i].type, x, t); */
		made = trim_one(&in[i], made, out);
	}
	return made;
}

size_t regions_bytes_needed(size_t n)
{
	return regions_edges_needed(n) * sizeof(struct region_edge) +
	       (regions_normalised_max(n) + regions_trimmed_max(n)) * sizeof(struct region);
}

size_t regions_build(const struct region *in, size_t n, void *memory, struct region **out)
{
	struct region *trimmed = memory;
	struct region *normalised = trimmed + regions_trimmed_max(n);
	struct region_edge *edges = (void *)(normalised + regions_normalised_max(n));
	size_t count = regions_normalise(in, n, edges, normalised);

	*out = trimmed;
	return regions_trim(normalised, count, trimmed);
}

/* ---- lookup ---- */

size_t regions_check(const struct region *r, size_t n)
{
	/*@ loop invariant i <= n && filled(r, i) && apart(r, i) && merged(r, i);
	    loop invariant \forall integer k; 0 <= k < i ==> r[k].end <= r[i - 1].end;
	    loop assigns i;
	    loop variant n - i; */
	for (size_t i = 0; i < n; i++) {
		if (r[i].start >= r[i].end || (unsigned)r[i].type >= REGION_TYPES)
			return i;
		if (i > 0 && r[i].start < r[i - 1].end)
			return i;
		if (i > 0 && r[i].start == r[i - 1].end && r[i].type == r[i - 1].type)
			return i;
	}
	return n;
}

/* Index of the first region that ends after the byte, or n. */
static size_t first_ending_after(const struct region *r, size_t n, uint64_t byte)
{
	size_t low = 0, high = n;

	/*@ loop invariant low <= high <= n;
	    loop invariant \forall integer k; 0 <= k < low ==> r[k].end <= byte;
	    loop invariant \forall integer k; high <= k < n ==> r[k].end > byte;
	    loop assigns low, high;
	    loop variant high - low; */
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (r[mid].end <= byte)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct region *regions_find(const struct region *r, size_t n, uint64_t byte)
{
	size_t i = first_ending_after(r, n, byte);

	return i < n && r[i].start <= byte ? &r[i] : NULL;
}

uint64_t regions_bytes(const struct region *r, size_t n, enum region_type type)
{
	uint64_t sum = 0;

	/*@ loop invariant i <= n && sum == bytes(r, i, type);
	    loop invariant i > 0 ==> sum <= r[i - 1].end;
	    loop assigns i, sum;
	    loop variant n - i; */
	for (size_t i = 0; i < n; i++)
		if (r[i].type == type)
			sum += r[i].end - r[i].start;
	return sum;
}

bool regions_have_ram(const struct region *r, size_t n, uint64_t start, uint64_t end)
{
	/*@ loop invariant i <= n;
	    loop invariant \forall integer k; i <= k < n ==> r[k].end > start;
	    loop invariant \forall integer k; 0 <= k < i ==> !memory_in(r, k, start, end);
	    loop assigns i;
	    loop variant n - i; */
	for (size_t i = first_ending_after(r, n, start); i < n && r[i].start < end; i++)
		if (region_type_is_ram(r[i].type))
			return true;
	return false;
}
