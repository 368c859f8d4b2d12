/* SPDX-License-Identifier: MIT */
/*
 * call.h - call_on_cpu(): what one CPU asks of another, by an interrupt.
 *
 * Each CPU has a short list of requests, one for each (fn, arg) that waits; whoever adds to it
 * sends VECTOR_CALL.  The list has room for every kind of request that the kernel makes, and who
 * finds it full all the same waits for the other CPU.
 *
 * Locking: a lock for each CPU's list, held to add a request or to take them all; requests run
 * without it.
 */
#pragma once

/* Once, on the first CPU, after trap_init(). */
void call_init(void);
