/* SPDX-License-Identifier: MIT */
/*
 * types.h - the address spaces of the machine, kept apart by the compiler.
 *
 * paddr_t and daddr_t are one-field structs: a device address handed to the CPU
 * side, or a CPU address handed to a device, does not compile.  Half-open ranges
 * [start, start + len) everywhere, lengths in bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compiler.h"

typedef struct {
	uint64_t raw;
} paddr_t; /* CPU physical address, bytes */
typedef struct {
	uint64_t raw;
} daddr_t;                 /* device address (IOVA), bytes */
typedef uintptr_t vaddr_t; /* CPU virtual address, bytes */

struct prange {
	paddr_t start;
	uint64_t len; /* bytes */
};
struct vrange {
	vaddr_t start;
	size_t len; /* bytes */
};

#define PADDR_NONE ((paddr_t){ UINT64_MAX })

static inline paddr_t paddr(uint64_t raw)
{
	return (paddr_t){ raw };
}

static inline bool paddr_eq(paddr_t a, paddr_t b)
{
	return a.raw == b.raw;
}

static inline paddr_t paddr_add(paddr_t p, uint64_t bytes)
{
	return (paddr_t){ p.raw + bytes };
}

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)
#define TIB(n) ((uint64_t)(n) << 40)
