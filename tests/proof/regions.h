/* SPDX-License-Identifier: MIT */
/*
 * regions.h - what is claimed of mm/frame/regions.c: contracts, the words they are made of, and lemmas.
 * regions_normalise() and regions_trim() as a whole, for every input; regions_order.c,
 * regions_sweep.c and regions_trim.c prove a part each.
 *
 * The sweep is right because of one sum: of the steps of all edges of type t at or below x.
 * It is the number of memory map entries that give byte x type t (balance == cover), sorting does
 * not change it, and in a sorted list it is constant between two edges, where it equals what the
 * sweep has added up so far (sums_are_stairs).
 *
 * Ghost functions here are lemmas: their loops are the inductions.  A predicate below a
 * quantifier hides the terms that the provers instantiate with, so some are written out.
 */
#pragma once

#include "boot/boot_info.h"
#include "mm/frame/page.h"

/* The maximum number of entries; keeps all sizes and sums inside their types. */
#define MOST 0x100000000

/*@ requires n <= MOST; assigns \nothing; ensures \result == 2 * n; */
static inline size_t regions_edges_needed(size_t n);
/*@ requires n <= MOST; assigns \nothing; ensures \result == 2 * n; */
static inline size_t regions_normalised_max(size_t n);
/*@ requires n <= MOST; assigns \nothing; ensures \result == 6 * n; */
static inline size_t regions_trimmed_max(size_t n);

#include "mm/frame/regions.h"

/*@ assigns \nothing;
    ensures \result <==> type != REGION_RESERVED && type != REGION_FRAMEBUFFER; */
static inline bool region_type_is_ram(enum region_type type);

/* ---- lists of regions: R1, R4 ---- */

/*@ predicate known(integer t) = 0 <= t < REGION_TYPES;
    predicate filled(struct region *r, integer n) =
      \forall integer i; 0 <= i < n ==> r[i].start < r[i].end && known(r[i].type);
    predicate apart(struct region *r, integer n) =
      \forall integer i, j; 0 <= i < j < n ==> r[i].end <= r[j].start;
    predicate merged(struct region *r, integer n) =
      \forall integer i, j; 0 <= i && j == i + 1 && j < n ==>
	r[i].end != r[j].start || r[i].type != r[j].type;
    predicate region_list(struct region *r, integer n) =
      filled(r, n) && apart(r, n) && merged(r, n);
    predicate holds(struct region *r, integer n, integer x, integer t) =
      \exists integer i; 0 <= i < n && r[i].start <= x < r[i].end && r[i].type == t; */

/* ---- edges: sums over them ---- */

/*@ predicate edges_ok(struct region_edge *e, integer n) =
      \forall integer k; 0 <= k < n ==>
	e[k].type < REGION_TYPES && (e[k].step == 1 || e[k].step == -1);
    logic integer step_at(struct region_edge *e, integer k, integer t, integer x) =
      e[k].type == t && e[k].at <= x ? e[k].step : 0;
    logic integer balance(struct region_edge *e, integer n, integer t, integer x) =
      n <= 0 ? 0 : balance(e, n - 1, t, x) + step_at(e, n - 1, t, x);
    logic integer total(struct region_edge *e, integer n, integer t) =
      balance(e, n, t, UINT64_MAX);
    predicate wins(struct region_edge *e, integer n, integer x, integer t) =
      known(t) && balance(e, n, t, x) != 0 &&
      \forall integer u; 0 <= u < t ==> balance(e, n, u, x) == 0;

    predicate one_winner{A,B}(struct region_edge *e, integer n, integer i, integer winner) =
      \forall integer t, x; \at(e[i].at,B) <= x && (i + 1 < n ==> x < \at(e[i + 1].at,B)) ==>
	(wins{A}(e, n, x, t) <==> t == winner && known(t));
    // The middle condition always holds; it names a sum that the provers do not think of.
    predicate one_winner_if_flat(struct region_edge *e, integer n, integer i, integer winner) =
      \forall integer t, x; e[i].at <= x && (i + 1 < n ==> x < e[i + 1].at) &&
	balance(e, n, winner, x) == total(e, i + 1, winner) ==>
	(wins(e, n, x, t) <==> t == winner && known(t));
    predicate same_addresses{A,B}(struct region_edge *e, integer n) =
      \forall integer k; 0 <= k < n ==> \at(e[k].at,A) == \at(e[k].at,B);
    predicate says(struct region *in, integer i, integer t, integer x) =
      known(t) && in[i].start <= x < in[i].end && in[i].type == t;
    logic integer cover(struct region *in, integer n, integer t, integer x) =
      n <= 0 ? 0 : cover(in, n - 1, t, x) +
	(0 <= t < REGION_TYPES && in[n - 1].type == t && in[n - 1].start <= x < in[n - 1].end ? 1 :
   0); predicate said(struct region *in, integer n, integer t, integer x) = \exists integer i; 0 <=
   i < n && says(in, i, t, x);

    predicate edges_tell{A,B}(struct region *in, integer n, struct region_edge *e, integer count) =
      \forall integer t, x; balance{B}(e, count, t, x) != 0 <==> said{A}(in, n, t, x);

    predicate same_sums{A,B}(struct region_edge *e, integer from, integer to) =
      \forall integer m, t, x; from <= m <= to ==>
	balance{A}(e, m, t, x) == balance{B}(e, m, t, x);
    logic integer moved{A,B}(struct region_edge *e, integer k, integer m, integer t, integer x) =
      k < m ? step_at{B}(e, k, t, x) - step_at{A}(e, k, t, x) : 0;
    predicate swapped{A,B}(struct region_edge *e, integer i, integer j) =
      \at(e[i].at,B) == \at(e[j].at,A) && \at(e[j].at,B) == \at(e[i].at,A) &&
      \at(e[i].type,B) == \at(e[j].type,A) && \at(e[j].type,B) == \at(e[i].type,A) &&
      \at(e[i].step,B) == \at(e[j].step,A) && \at(e[j].step,B) == \at(e[i].step,A) &&
      \forall integer k; k != i && k != j ==> \at(e[k].at,A) == \at(e[k].at,B) &&
	\at(e[k].type,A) == \at(e[k].type,B) && \at(e[k].step,A) == \at(e[k].step,B);
    predicate swap_sums{A,B}(struct region_edge *e, integer i, integer j, integer to) =
      \forall integer m, t, x; 0 <= m <= to ==>
	balance{B}(e, m, t, x) == balance{A}(e, m, t, x) +
	moved{A,B}(e, i, m, t, x) + (i == j ? 0 : moved{A,B}(e, j, m, t, x));
    predicate next_sum{A,B}(struct region_edge *e, integer i, integer j, integer k) =
      \forall integer t, x; balance{B}(e, k + 1, t, x) == balance{A}(e, k + 1, t, x) +
	moved{A,B}(e, i, k + 1, t, x) + (i == j ? 0 : moved{A,B}(e, j, k + 1, t, x));
    predicate sums_of{A,B}(struct region_edge *e, integer n, int64_t *open) =
      \forall integer t; 0 <= t < REGION_TYPES ==>
	\at(open[t],B) == total{A}(e, n, t) && -n <= \at(open[t],B) <= n; */

/* ---- edges: order ---- */

/*@ ghost size_t edges_total; // of the list that is being sorted */

/*@ predicate sorted(struct region_edge *e, integer from, integer to) =
      \forall integer i, j; from <= i <= j < to ==> e[i].at <= e[j].at;
    predicate below(struct region_edge *e, integer n, integer b) =
      \forall integer k; 0 <= k < n ==> e[k].at <= b;
    predicate heap(struct region_edge *e, integer from, integer n) =
      \forall integer p, c; from <= p && (c == 2 * p + 1 || c == 2 * p + 2) && c < n ==>
	e[p].at >= e[c].at;
    predicate heap_but(struct region_edge *e, integer from, integer n, integer hole) =
      (\forall integer p, c; from <= p && p != hole && (c == 2 * p + 1 || c == 2 * p + 2) &&
	c < n ==> e[p].at >= e[c].at) &&
      (\forall integer p, c; from <= p && (hole == 2 * p + 1 || hole == 2 * p + 2) &&
	(c == 2 * hole + 1 || c == 2 * hole + 2) && c < n ==> e[p].at >= e[c].at);
    predicate still_below{A,B}(struct region_edge *e, integer n) =
      \forall integer b; below{A}(e, n, b) ==> below{B}(e, n, b);
    predicate kept{A,B}(struct region_edge *e, integer n) =
      (edges_ok{A}(e, n) ==> edges_ok{B}(e, n)) &&
      \forall integer t, x; balance{A}(e, n, t, x) == balance{B}(e, n, t, x);
    predicate edges{L}(struct region_edge *e, integer n) =
      n <= edges_total <= MOST && \valid{L}(e + (0 .. edges_total - 1)); */

/* ---- lemmas ---- */

/*@ ghost
    /@ requires n <= MOST && \valid_read(e + (0 .. n - 1)) && heap(e, 0, n);
       assigns \nothing;
       ensures n > 0 ==> below(e, n, e[0].at); @/
    void heap_top(const struct region_edge *e, size_t n)
    {
      size_t c = 1;
      /@ loop invariant 1 <= c && (n > 0 ==> c <= n);
	 loop invariant n > 0 ==> below(e, c, e[0].at);
	 loop assigns c;
	 loop variant n - c; @/
      while (c < n) {
	size_t p = (c - 1) / 2;
	/@ assert 2 * p + 1 == c || 2 * p + 2 == c; @/
	/@ assert e[p].at >= e[c].at; @/
	c++;
      }
    } */

/*@ ghost
    /@ requires n <= MOST && \valid_read(in + (0 .. n - 1));
       assigns \nothing;
       ensures \forall integer t, x; cover(in, n, t, x) != 0 <==> said(in, n, t, x); @/
    void cover_means_said(const struct region *in, size_t n)
    {
      size_t i = 0;
      /@ loop invariant i <= n;
	 loop invariant \forall integer t, x; cover(in, i, t, x) >= 0;
	 loop invariant \forall integer t, x; cover(in, i, t, x) > 0 <==> said(in, i, t, x);
	 loop assigns i;
	 loop variant n - i; @/
      while (i < n) {
	/@ assert \forall integer t, x;
	     said(in, i + 1, t, x) <==> said(in, i, t, x) || says(in, i, t, x); @/
	i++;
      }
    } */

/*@ predicate stairs(struct region_edge *e, integer n) =
      (\forall integer i, t, x; 0 <= i < n && e[i].at <= x && (i + 1 < n ==> x < e[i + 1].at) ==>
	balance(e, n, t, x) == total(e, i + 1, t)) &&
      (\forall integer t, x; (n > 0 ==> x < e[0].at) ==> balance(e, n, t, x) == 0); */

/*@ ghost
    /@ requires n <= MOST && \valid_read(e + (0 .. n - 1)) && sorted(e, 0, n);
       assigns \nothing;
       ensures stairs(e, n); @/
    void sums_are_stairs(const struct region_edge *e, size_t n)
    {
      size_t m = 0;
      /@ loop invariant m <= n && stairs(e, m);
	 loop assigns m;
	 loop variant n - m; @/
      while (m < n) {
	/@ assert \forall integer t, x; balance(e, m + 1, t, x) ==
	     balance(e, m, t, x) + step_at(e, m, t, x); @/
	/@ assert \forall integer t, x; x < e[m].at ==>
	     balance(e, m + 1, t, x) == balance(e, m, t, x); @/
	/@ assert \forall integer t, x; e[m].at <= x ==>
	     balance(e, m, t, x) == total(e, m, t); @/
	/@ assert \forall integer t, x; e[m].at <= x ==>
	     balance(e, m + 1, t, x) == total(e, m + 1, t); @/
	/@ assert \forall integer i, t, x; 0 <= i < m && e[i].at <= x < e[i + 1].at ==>
	     balance(e, m + 1, t, x) == total(e, i + 1, t); @/
	m++;
      }
    } */

/* ---- contracts ---- */

/*@ requires edges(e, 0) && i < edges_total && j < edges_total;
    assigns e[i], e[j];
    ensures swapped{Old,Here}(e, i, j) && kept{Old,Here}(e, edges_total);
    ensures \forall integer n; i < n && j < n ==> still_below{Old,Here}(e, n); */
static void edges_swap(struct region_edge *e, size_t i, size_t j);

/*@ requires i < n && edges(e, n) && heap(e, i + 1, n);
    assigns e[0 .. n - 1];
    ensures heap(e, i, n) && kept{Old,Here}(e, edges_total) && still_below{Old,Here}(e, n); */
static void edges_sink(struct region_edge *e, size_t i, size_t n);

/*@ requires 2 <= n && edges(e, n) && heap(e, 0, n);
    assigns e[0 .. n - 1];
    ensures heap(e, 0, n - 1) && kept{Old,Here}(e, edges_total);
    ensures e[n - 1].at == \old(e[0].at);
    ensures \forall integer p; 0 <= p < n ==> e[p].at <= e[n - 1].at; */
static void edges_take_greatest(struct region_edge *e, size_t n);

/*@ requires n <= MOST && \valid(e + (0 .. n - 1)) && edges_ok(e, n);
    assigns e[0 .. n - 1], edges_total;
    ensures sorted(e, 0, n) && edges_ok(e, n);
    ensures \forall integer t, x; balance(e, n, t, x) == balance{Old}(e, n, t, x); */
static void edges_sort(struct region_edge *e, size_t n);

/*@ requires n < MOST && \valid(e + n);
    assigns e[n];
    ensures \result == n + 1;
    ensures e[n].at == at && e[n].type == type && e[n].step == step;
    ensures \forall integer t, x; balance(e, n + 1, t, x) ==
      balance{Old}(e, n, t, x) + (type == t && at <= x ? step : 0); */
static size_t edges_add(struct region_edge *e, size_t n, uint64_t at, enum region_type type,
			int32_t step);

/*@ requires n <= MOST / 2 && \valid_read(in + (0 .. n - 1)) && \valid(edges + (0 .. 2 * n - 1));
    requires \separated(in + (0 .. n - 1), edges + (0 .. 2 * n - 1));
    assigns edges[0 .. 2 * n - 1];
    ensures \result <= 2 * n && edges_ok(edges, \result);
    ensures \forall integer t, x; balance(edges, \result, t, x) == cover{Old}(in, n, t, x); */
static size_t edges_make(const struct region *in, size_t n, struct region_edge *edges);

/*@ requires \valid_read(open + (0 .. REGION_TYPES - 1));
    assigns \nothing;
    ensures \result <= REGION_TYPES && \forall integer u; 0 <= u < \result ==> open[u] == 0;
    ensures \result < REGION_TYPES ==> open[\result] != 0; */
static enum region_type first_open(const int64_t *open);

/*@ requires n < 6 * MOST && known(type) && region_list(out, n);
    requires \valid(out + (0 .. n));
    requires n > 0 ==> out[n - 1].end <= start;
    assigns out[0 .. n];
    ensures n <= \result <= n + 1;
    ensures filled(out, \result);
    ensures apart(out, \result);
    ensures merged(out, \result);
    ensures start < end ==> \result > 0;
    ensures start >= end ==> \result == n;
    ensures \result > 0 ==>
      out[\result - 1].end == (start < end ? end : \old(out[n - 1].end));
    ensures \forall integer x, t; holds{Old}(out, n, x, t) ==> holds(out, \result, x, t);
    ensures \forall integer x; start <= x < end ==> holds(out, \result, x, type);
    ensures \forall integer x, t; holds(out, \result, x, t) ==>
      holds{Old}(out, n, x, t) || (start <= x < end && t == type); */
static size_t append(struct region *out, size_t n, uint64_t start, uint64_t end,
		     enum region_type type);

/*@ requires count <= MOST && \valid_read(edges + (0 .. count - 1));
    requires \valid(out + (0 .. count - 1));
    requires \separated(edges + (0 .. count - 1), out + (0 .. count - 1));
    requires edges_ok(edges, count) && sorted(edges, 0, count) && stairs(edges, count);
    requires \forall integer t; total(edges, count, t) == 0;
    assigns out[0 .. count - 1];
    ensures \result <= count && region_list(out, \result);
    ensures \forall integer x, t; holds(out, \result, x, t) <==> wins{Old}(edges, count, x, t); */
static size_t edges_sweep(const struct region_edge *edges, size_t count, struct region *out);

/* R1, R4, and R2 with R3: a byte is of type t exactly when some entry says so and none gives
 * it a type of higher rank. */
/*@ requires n <= MOST / 2 && \valid_read(in + (0 .. n - 1));
    requires \valid(edges + (0 .. 2 * n - 1)) && \valid(out + (0 .. 2 * n - 1));
    requires \separated(in + (0 .. n - 1), edges + (0 .. 2 * n - 1), out + (0 .. 2 * n - 1));
    assigns edges[0 .. 2 * n - 1], out[0 .. 2 * n - 1], edges_total;
    ensures \result <= 2 * n && region_list(out, \result);
    ensures \forall integer x, t; holds(out, \result, x, t) <==>
      said{Old}(in, n, t, x) && \forall integer u; 0 <= u < t ==> !said{Old}(in, n, u, x); */
size_t regions_normalise(const struct region *in, size_t n, struct region_edge *edges,
			 struct region *out);

/*@ predicate trimmed(uint64_t start, uint64_t end, integer type, integer x, integer t) =
      start <= x < end &&
      (type == REGION_USABLE &&
       !(start <= x - x % PAGE_SIZE && x - x % PAGE_SIZE + PAGE_SIZE <= end) ?
       t == REGION_RESERVED : t == type);
    predicate trimmed_of(struct region *r, integer n, integer x, integer t) =
      \exists integer i; 0 <= i < n && trimmed(r[i].start, r[i].end, r[i].type, x, t); */

/*@ requires made < 5 * MOST && region_list(out, made) && \valid(out + (0 .. made + 2));
    requires \valid_read(r) && \separated(r, out + (0 .. made + 2));
    requires r->start < r->end && known(r->type);
    requires made > 0 ==> out[made - 1].end <= r->start;
    assigns out[0 .. made + 2];
    ensures made <= \result <= made + 3 && 0 < \result && region_list(out, \result);
    ensures out[\result - 1].end == r->end;
    ensures \forall integer x, t; holds{Old}(out, made, x, t) ==> holds(out, \result, x, t);
    ensures \forall integer x, t; trimmed(\old(r->start), \old(r->end), \old(r->type), x, t) ==>
      holds(out, \result, x, t);
    ensures \forall integer x, t; holds(out, \result, x, t) ==>
      holds{Old}(out, made, x, t) || trimmed(\old(r->start), \old(r->end), \old(r->type), x, t); */
static size_t trim_one(const struct region *r, size_t made, struct region *out);

/* R1 and R4 again; usable bytes of frames that are not wholly usable become reserved, every other
 * byte keeps its type, none comes and none goes. */
/*@ requires n <= MOST && \valid_read(in + (0 .. n - 1)) && region_list(in, n);
    requires \valid(out + (0 .. 3 * n - 1));
    requires \separated(in + (0 .. n - 1), out + (0 .. 3 * n - 1));
    assigns out[0 .. 3 * n - 1];
    ensures \result <= 3 * n && region_list(out, \result);
    ensures \forall integer x, t; holds(out, \result, x, t) <==> trimmed_of{Old}(in, n, x, t); */
size_t regions_trim(const struct region *in, size_t n, struct region *out);

/* ---- questions ---- */

/*@ requires n <= MOST && \valid_read(r + (0 .. n - 1));
    assigns \nothing;
    ensures \result <= n;
    ensures \result == n <==> region_list(r, n); */
size_t regions_check(const struct region *r, size_t n);

/*@ requires n <= MOST && \valid_read(r + (0 .. n - 1)) && region_list(r, n);
    assigns \nothing;
    ensures \result <= n;
    ensures \forall integer k; 0 <= k < \result ==> r[k].end <= byte;
    ensures \forall integer k; \result <= k < n ==> r[k].end > byte; */
static size_t first_ending_after(const struct region *r, size_t n, uint64_t byte);

/*@ requires n <= MOST && \valid_read(r + (0 .. n - 1)) && region_list(r, n);
    assigns \nothing;
    behavior somewhere: assumes \exists integer k; 0 <= k < n && r[k].start <= byte < r[k].end;
      ensures \exists integer k; 0 <= k < n && \result == r + k &&
	r[k].start <= byte < r[k].end;
    behavior nowhere: assumes \forall integer k; 0 <= k < n ==>
	!(r[k].start <= byte < r[k].end);
      ensures \result == \null;
    complete behaviors; disjoint behaviors; */
const struct region *regions_find(const struct region *r, size_t n, uint64_t byte);

/*@ logic integer bytes(struct region *r, integer n, integer type) =
      n <= 0 ? 0 :
      bytes(r, n - 1, type) + (r[n - 1].type == type ? r[n - 1].end - r[n - 1].start : 0); */
/*@ requires n <= MOST && \valid_read(r + (0 .. n - 1)) && region_list(r, n);
    assigns \nothing;
    ensures \result == bytes(r, n, type); */
uint64_t regions_bytes(const struct region *r, size_t n, enum region_type type);

/*@ predicate memory_in(struct region *r, integer k, integer start, integer end) =
      start < r[k].end && r[k].start < end &&
      r[k].type != REGION_RESERVED && r[k].type != REGION_FRAMEBUFFER; */
/*@ requires n <= MOST && \valid_read(r + (0 .. n - 1)) && region_list(r, n);
    assigns \nothing;
    ensures \result <==> \exists integer k; 0 <= k < n && memory_in(r, k, start, end); */
bool regions_have_ram(const struct region *r, size_t n, uint64_t start, uint64_t end);

/*@ requires n <= MOST;
    assigns \nothing; */
size_t regions_bytes_needed(size_t n);

#include "mm/frame/regions.c"
