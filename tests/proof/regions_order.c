/* SPDX-License-Identifier: MIT */
/*
 * Proof: the heapsort of mm/frame/regions.c sorts, and every sum over the edges stays what it was.
 *
 * Seconds: 100
 * Only: heap_top edges_swap edges_sink edges_take_greatest edges_sort
 * Options: -wp-no-simpl
 */
#include "tests/proof/regions.h"
