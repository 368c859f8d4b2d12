/* SPDX-License-Identifier: MIT */
/* ticks.c - the rate of arch_ticks(), the TSC (SDM 3B 17.17). */
#include "arch/arch.h"

/* 5 GHz: until start-up has measured the rate, waits are too long and never too short. */
static uint64_t ticks_per_ms = 5000000;

uint64_t arch_ticks_per_ms(void)
{
	return ticks_per_ms;
}

void arch_ticks_set_rate(uint64_t per_ms)
{
	ticks_per_ms = per_ms;
}
