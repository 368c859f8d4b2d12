/* SPDX-License-Identifier: MIT */
/*
 * ports.h - which driver uses which I/O ports.
 *
 * A driver claims the ports of its device before it accesses them; two claims that overlap cannot
 * exist, so two drivers never program one device.  The claim's memory is its owner's.
 *
 * Locking: a spinlock inside.  Any context.
 */
#pragma once

#include "lib/err.h"
#include "lib/list.h"
#include "lib/types.h"

struct port_claim {
	struct list_node link;
	uint16_t first;
	uint32_t count;    /* 1 to 65536 - first */
	const char *owner; /* stays */
};

/* Claim `count` ports from `first` on for `owner`.  ERR_IN_USE: a claim has some of them.
 * ERR_BAD_RANGE: none, or beyond port 65535. */
err_t ports_claim(struct port_claim *claim, uint16_t first, uint32_t count, const char *owner);

/* End a claim. */
void ports_release(struct port_claim *claim);

/* Copy the index-th claim, in order of the ports; false: there are not as many. */
bool ports_claim_at(unsigned index, struct port_claim *out);
