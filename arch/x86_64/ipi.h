/* SPDX-License-Identifier: MIT */
/* ipi.h - the IPI that makes another CPU serve its calls (kern/call.h). */
#pragma once

/* Install the handler.  Once, on the first CPU, after trap_init(). */
void ipi_init(void);
