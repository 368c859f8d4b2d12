/* SPDX-License-Identifier: MIT */
/*
 * Proof: regions_normalise() of mm/frame/regions.c, from memory map entries to edges to regions.
 *
 * Seconds: 120
 * Only: cover_means_said sums_are_stairs edges_add edges_make first_open append edges_sweep regions_normalise
 * Options: -wp-no-simpl
 */
#include "tests/proof/regions.h"
