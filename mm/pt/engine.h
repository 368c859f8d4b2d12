/* SPDX-License-Identifier: MIT */
/*
 * engine.h - the engine of page tables: the cursor protocol for tables of any format.
 *
 * What mm/pt/cursor.h says is done here, once, for every kind of table.  Each function takes the
 * format first (mm/pt/format.h), a constant that compilers fold away: an instance costs what it
 * would if it were written for its format alone.
 *
 * An instance is a source file with a `static const struct pt_format` that includes this header and
 * gives the operations that it wants names of its own:
 *
 *   err_t cursor_unmap(struct cursor *c, uint64_t len)
 *   {
 *           return engine_unmap(&cpu_format, c, len);
 *   }
 *
 * engine_X() is what cursor_X() or page_table_X() says, of that format.  The CPU's instance is
 * mm/pt/cursor.c, with mm/pt/page_table.c for looks and mm/pt/node.c for the end of nodes.
 *
 *   engine_node.h     the end of nodes, and what must hold of them
 *   engine_lookup.h   looking without a hold
 *   engine_lock.h     how a range is locked and unlocked
 *   engine_split.h    large entries that become smaller ones
 *   engine_map.h      what is put into a table
 *   engine_change.h   what is taken out, and changed
 *
 * Everything is static: no header but these, and no source file but an instance, includes them.
 */
#pragma once

#include "mm/pt/engine_change.h"
#include "mm/pt/engine_map.h"
