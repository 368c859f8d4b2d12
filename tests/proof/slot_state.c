/* SPDX-License-Identifier: MIT */
/*
 * Proof of the contracts in mm/frame/slot_state.h: each transition is refused or done, refused leaves
 * `out` alone (S3), none wraps.
 *
 * Seconds: 60
 * Skip: paddr_add
 * Options: -wp-no-filter
 */
#include "mm/frame/slot_state.h"
