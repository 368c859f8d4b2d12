/* SPDX-License-Identifier: MIT */
/*
 * string.h - the C library functions that a freestanding program must supply.
 *
 * Compilers emit calls to the four mem functions on their own.  The host build uses the C library's
 * functions; the kernel build uses string.c.
 */
#pragma once

#include "lib/types.h"

void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);

/* Copies at most size - 1 bytes and terminates; true when all of src fitted. */
bool str_copy(char *dst, const char *src, size_t size);

/* Shell-like match of all of `s`: `*` any run, `?` one character.  Iterative, no recursion. */
bool str_glob(const char *pattern, const char *s);

/* Parses decimal, 0x hexadecimal or 0 octal, with an optional K, M, G or T suffix (powers of
 * 1024).  Returns the first character not read, or NULL when there is no number or it overflows. */
const char *str_to_size(const char *s, uint64_t *value);
