/* SPDX-License-Identifier: MIT */
/*
 * translate.h - paging features of a CPU, set up before the kernel's own table is used.
 *
 * The same on every CPU: the PAT as pte.h lays it out (SDM 3A 11.12), global pages (CR4.PGE),
 * and if the CPU has them, context numbers (CR4.PCIDE) and the features of uaccess.h.
 */
#pragma once

/* On the first CPU, after trap_init(), with interrupts off. */
void translate_init(void);
/* The same on a further CPU. */
void translate_init_cpu(void);
