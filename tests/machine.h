/* SPDX-License-Identifier: MIT */
/*
 * machine.h - a machine whose frames a test may play with.
 *
 * On the host: a fresh simulated machine with the regions that the test asks for, brought up as
 * boot/start/main.c does.  In the kernel the machine is there already; a test then takes it as it
 * is.
 *
 * machine_ledger() is taken before a test and compared after it, the caches of heap, page tables
 * and frames drained: frames that can be had must be the same in number, every invariant must hold,
 * and every frame be in one class.
 */
#pragma once

#include "boot/boot_info.h"
#include "monitor/frame_report.h"

struct ledger {
	uint64_t available, meta;
};

/* Bring up frames over `r` (n regions, final form) with `cpus` CPUs; populates sections from the
 * boot allocator for `first` frames.  Host only; the calling thread is CPU 0. */
err_t machine_start(const struct region *r, size_t n, unsigned cpus, uint64_t first);

/* One usable region of `mib` MiB at 1 MiB, and `high_mib` MiB at 4 GiB. */
void machine_start_simple(uint64_t mib, uint64_t high_mib, unsigned cpus);

struct ledger machine_ledger(void);
/* Drains caches and checks: zones, audit, and that what could be had before can be had now. */
void machine_check_ledger(const struct ledger *before, const char *file, int line);
#define CHECK_LEDGER(before) machine_check_ledger(before, __FILE__, __LINE__)
