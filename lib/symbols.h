/* SPDX-License-Identifier: MIT */
/*
 * symbols.h - the kernel's symbol table, sorted by address, and which code runs without a frame.
 *
 * tools/symbols.py makes the table from a first link of the kernel; linker.ld puts it behind
 * everything else, so that the second link does not move any named symbol.  It is one block of
 * bytes:
 *
 *   struct symbols_head, entries in address order, names with a terminating zero byte each, runs
 *
 * Runs are the lengths in bytes of code without a frame and of code with one, in turn, from
 * base + code_start on, each as ULEB128 (DWARF 5, 7.6); after the last one code has a frame.  The
 * tool takes them from the call frame information of the compiler.
 *
 * Invariants, checked by symbols_use(): offsets do not decrease, names lie in the block, the last
 * run ends in it.  Before symbols_use(), and without a table (the host), no address has a name and
 * all code has a frame.
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
	uint32_t run_bytes;  /* size of all runs */
	uint32_t code_start; /* offset of the first run's address from base */
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

/* Whether the instruction at va runs without a frame of its function: in a leaf function, or before
 * the function has set the frame pointer, or after it has restored the caller's.  The frame pointer
 * is then the caller's, and the return address is at the stack pointer, or above the frame pointer
 * if that has just been pushed.  Linear in the size of the code. */
bool symbols_frameless(vaddr_t va);

/* The address of the symbol `name`; false: there is none. */
bool symbols_address(const char *name, vaddr_t *va);
