/* SPDX-License-Identifier: MIT */
/* ticker.h - a function that interrupts this CPU again and again, until ticker_stop(). */
#pragma once

#include "lib/types.h"

void ticker_start(unsigned us, void (*fn)(void));
/* When this returns, the function no longer runs. */
void ticker_stop(void);
