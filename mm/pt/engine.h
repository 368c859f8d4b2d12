/* SPDX-License-Identifier: MIT */
/*
 * engine.h - the page-table engine: the cursor protocol for tables of any entry format.
 *
 * This is the one implementation of mm/pt/cursor.h for every kind of table.  The first parameter of
 * each function is the format (mm/pt/format.h), a constant that compilers fold away: an instance
 * costs no more than code written for its format alone.
 *
 * An instance is a source file with a `static const struct pt_format` that includes this header and
 * wraps the operations that it needs:
 *
 *   err_t cursor_unmap(struct cursor *c, uint64_t len)
 *   {
 *           return engine_unmap(&cpu_format, c, len);
 *   }
 *
 * engine_X() implements cursor_X() or page_table_X() for that format.  The CPU's instance is
 * mm/pt/cursor.c, with mm/pt/page_table.c for lookups and mm/pt/node.c for retiring nodes.
 *
 *   engine_node.h     retiring nodes and checking their invariants
 *   engine_lookup.h   lockless lookup
 *   engine_lock.h     locking and unlocking a range
 *   engine_split.h    splitting large entries
 *   engine_map.h      mapping
 *   engine_change.h   unmap and protect
 *   engine_large.h    large leaves in the place of nodes
 *
 * Everything is static: only these headers and the instances include them.
 */
#pragma once

#include "mm/pt/engine_change.h"
#include "mm/pt/engine_large.h"
#include "mm/pt/engine_map.h"
