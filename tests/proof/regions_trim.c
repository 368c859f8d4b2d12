/* SPDX-License-Identifier: MIT */
/*
 * Proof: regions_trim() of mm/frame/regions.c, which rounds to whole frames, and the questions about a list.
 *
 * Seconds: 130
 * Only: region_type_is_ram trim_one regions_trim regions_edges_needed regions_normalised_max regions_trimmed_max regions_bytes_needed regions_check first_ending_after regions_find regions_bytes regions_have_ram
 * Options: -wp-no-simpl
 */
#include "tests/proof/regions.h"
