/* SPDX-License-Identifier: MIT */
/* ipi.h - the interrupt by which a CPU makes another one serve its calls (kern/call.h). */
#pragma once

/* Install the handler.  Once, on the first CPU, after trap_init(). */
void ipi_init(void);
