/* SPDX-License-Identifier: MIT */
/*
 * symbols.h - the kernel's symbol table, sorted by address.
 *
 * tools/symbols.py makes the table from a first link of the kernel; linker.ld puts it behind
 * everything else, so that the second link does not move any named symbol.  It is one block of
 * bytes:
 *
 *   struct symbols_head, entries in address order, names with a terminating zero byte each
 *
 * Invariants, checked by symbols_use(): offsets do not decrease, names lie in the block.  Before
 * symbols_use(), and without a table (the host), no address has a name.
 *
 * No lock: set once at start-up, read-only afterwards; any context, including panic.
 */
#pragma once

#include "lib/err.h"
#include "lib/types.h"

/* Buffer size for a name with its offset; longer ones are truncated. */
enum {
	SYMBOL_TEXT_BYTES = 80,
};

struct symbol_entry {
	uint32_t offset; /* of the address from head.base */
	uint32_t name;   /* of the name from the first name, bytes */
};

struct symbols_head {
	uint64_t base;
	uint32_t count;      /* number of entries */
	uint32_t name_bytes; /* size of all names */
	struct symbol_entry entry[];
};

struct symbol {
	const char *name;
	uint64_t offset; /* of the address from the symbol's, bytes */
};

/* Uses the table at `image`, `bytes` long, 8-byte aligned, which must stay in memory; addresses
 * at or above `end` have no name.  ERR_BAD_FORMAT: it is damaged, and no table is used. */
err_t symbols_use(const void *image, size_t bytes, vaddr_t end);

/* The symbol at or below va, by binary search; false: none. */
bool symbols_find(vaddr_t va, struct symbol *out);

/* "name+0x12", or "?"; always terminated. */
void symbols_format(vaddr_t va, char *text, size_t size);

/* The same for a return address: a call that never returns may be the last instruction of its
 * function, so the name is that of the byte before. */
void symbols_format_return(vaddr_t va, char *text, size_t size);

/* The address of the symbol `name`; false: there is none. */
bool symbols_address(const char *name, vaddr_t *va);
