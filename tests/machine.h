/* SPDX-License-Identifier: MIT */
/*
 * machine.h - frame allocator fixture and leak check of tests.
 *
 * On the host: a new simulated machine with the regions that the test passes, started as
 * boot/start/main.c does.  In the kernel a test uses the running machine.
 *
 * machine_ledger() is called before a test and compared after it, with the caches of heap, page
 * tables and frames drained: the number of available frames must be the same, every invariant must
 * hold, and every frame must be in one class.
 */
#pragma once

#include "boot/boot_info.h"
#include "monitor/frame_report.h"

struct ledger {
	uint64_t available, meta;
};

/* Starts the frame allocator on `r` (n regions, final form) with `cpus` CPUs; populates sections
 * from the boot allocator for `first` frames.  Host only; the calling thread is CPU 0. */
err_t machine_start(const struct region *r, size_t n, unsigned cpus, uint64_t first);

/* One usable region of `mib` MiB at 1 MiB, and `high_mib` MiB at 4 GiB. */
void machine_start_simple(uint64_t mib, uint64_t high_mib, unsigned cpus);

struct ledger machine_ledger(void);
/* Drains caches and checks the zones, the audit, and that as many frames are available as before.
 */
void machine_check_ledger(const struct ledger *before, const char *file, int line);
#define CHECK_LEDGER(before) machine_check_ledger(before, __FILE__, __LINE__)
