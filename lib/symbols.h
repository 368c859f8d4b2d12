/* SPDX-License-Identifier: MIT */
/*
 * symbols.h - the names of the kernel's functions and data, by address.
 *
 * tools/symbols.py makes the table from a first link of the kernel; linker.ld puts it behind all
 * else, so that the second link moves nothing that has a name in it.  It is one block of bytes:
 *
 *   struct symbols_head, entries in the order of their addresses, names with a zero byte each
 *
 * Invariants, looked at by symbols_use(): offsets do not fall, names lie in the block.  Until then,
 * and where there is no table (the host), every address is without a name.
 *
 * No lock: set once at start-up, read-only afterwards; any context, the panic path too.
 */
#pragma once

#include "lib/err.h"
#include "lib/types.h"

/* Room for any name with its offset; longer ones are cut. */
enum {
	SYMBOL_TEXT_BYTES = 80,
};

struct symbol_entry {
	uint32_t offset; /* of the address from head.base */
	uint32_t name;   /* of the name from the first name, bytes */
};

struct symbols_head {
	uint64_t base;
	uint32_t count;      /* of entries */
	uint32_t name_bytes; /* of all names together */
	struct symbol_entry entry[];
};

struct symbol {
	const char *name;
	uint64_t offset; /* of the address from the symbol's, bytes */
};

/* Use the table at `image`, `bytes` long, 8-byte aligned, which stays; addresses from `end` up have
 * no name.  ERR_BAD_FORMAT: it is damaged, and none is used. */
err_t symbols_use(const void *image, size_t bytes, vaddr_t end);

/* The symbol at or below va, by binary search; false: none. */
bool symbols_find(vaddr_t va, struct symbol *out);

/* "name+0x12", or "?"; always terminated. */
void symbols_format(vaddr_t va, char *text, size_t size);

/* The same for an address that a call would return to: a call that never returns may be the last
 * instruction of its function, so the name is that of the byte before. */
void symbols_format_return(vaddr_t va, char *text, size_t size);

/* The address of that name; false: there is none. */
bool symbols_address(const char *name, vaddr_t *va);
