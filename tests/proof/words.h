/* SPDX-License-Identifier: MIT */
/*
 * words.h - claims over machine words, for words.py.
 *
 * A claim is a function of integers; words.py asks z3 for arguments that make it answer WRONG, or
 * run into undefined behaviour.  GIVEN() is what the caller of the code guarantees.  A claim says
 * nothing about arguments outside; that there are some inside is checked.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum answer {
	WRONG, /* false */
	RIGHT, /* true */
	OUTSIDE,
};

#define CLAIM(name, ...)                                                                           \
	int claim_##name(__VA_ARGS__);                                                             \
	int claim_##name(__VA_ARGS__)

#define GIVEN(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			return OUTSIDE;                                                            \
	} while (0)

/* Let `call(..., n)` see constants, as its callers do: the compiler can unroll loops over n. */
#define FOR_1_TO_3(n, call)                                                                        \
	((n) == 1 ? call(1) : (n) == 2 ? call(2) : (n) == 3 ? call(3) : (bool)WRONG)
#define FOR_1_TO_5(n, call)                                                                        \
	((n) == 4 ? call(4) : (n) == 5 ? call(5) : FOR_1_TO_3(n, call))
