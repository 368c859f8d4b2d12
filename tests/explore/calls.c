/* SPDX-License-Identifier: MIT */
/*
 * calls.c - the functions that gcc and clang call for memory accesses under -fsanitize=thread.
 *
 * The TSan runtime is not linked: the explorer defines its entry points.  The names are the
 * compilers' (LLVM's compiler-rt, tsan_interface.h and tsan_interface_atomic.h), which has its own
 * memset(), memcpy() and memmove(), too.  Outside of tasks an access is done directly; what a check
 * writes is undone.
 */
#include "tests/explore/engine.h"

#include <string.h>

#define PC __builtin_return_address(0)

void __tsan_init(void);
void __tsan_func_entry(void *pc);
void __tsan_func_exit(void);
void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_signal_fence(int order);
void __tsan_read_range(void *at, unsigned long size);
void __tsan_write_range(void *at, unsigned long size);

void __tsan_init(void)
{
}

void __tsan_func_entry(void *pc)
{
	(void)pc;
}

void __tsan_func_exit(void)
{
}

static void plain(uintptr_t at, size_t size, enum plain_kind kind, const void *pc)
{
	if (engine.inside)
		return;
	engine.inside = true;
	memory_plain(at, size, kind, pc);
	engine.inside = false;
}

void __tsan_read_range(void *at, unsigned long size)
{
	plain((uintptr_t)at, size, PLAIN_READ, PC);
}

void __tsan_write_range(void *at, unsigned long size)
{
	plain((uintptr_t)at, size, PLAIN_WRITE, PC);
}

#define PLAIN(name, size, kind)                                                                    \
	void name(void *at);                                                                       \
	void name(void *at)                                                                        \
	{                                                                                          \
		plain((uintptr_t)at, size, kind, PC);                                              \
	}
#define PLAINS(size)                                                                               \
	PLAIN(__tsan_read##size, size, PLAIN_READ)                                                 \
	PLAIN(__tsan_write##size, size, PLAIN_WRITE)                                               \
	PLAIN(__tsan_unaligned_read##size, size, PLAIN_READ)                                       \
	PLAIN(__tsan_unaligned_write##size, size, PLAIN_WRITE)

PLAINS(1)
PLAINS(2)
PLAINS(4)
PLAINS(8)
PLAINS(16)

void *explore_memset(void *dst, int byte, size_t n);
void *explore_memcpy(void *dst, const void *src, size_t n);
void *explore_memmove(void *dst, const void *src, size_t n);

void *explore_memset(void *dst, int byte, size_t n)
{
	plain((uintptr_t)dst, n, PLAIN_WRITE, PC);
	return memset(dst, byte, n);
}

void *explore_memcpy(void *dst, const void *src, size_t n)
{
	plain((uintptr_t)src, n, PLAIN_READ, PC);
	plain((uintptr_t)dst, n, PLAIN_WRITE, PC);
	return memcpy(dst, src, n);
}

void *explore_memmove(void *dst, const void *src, size_t n)
{
	plain((uintptr_t)src, n, PLAIN_READ, PC);
	plain((uintptr_t)dst, n, PLAIN_WRITE, PC);
	return memmove(dst, src, n);
}

/* ---- atomic accesses ---- */

/* Returns whether the explorer performs the access; then engine.inside is set until leave(). */
static bool enter(uintptr_t at, unsigned size, enum access_kind kind)
{
	if (!in_task()) {
		if (!engine.inside && kind != ACCESS_LOAD)
			memory_plain(at, size, PLAIN_WRITE, NULL);
		return false;
	}
	engine.inside = true;
	return true;
}

static void leave(void)
{
	engine.inside = false;
}

static uint64_t op_set(uint64_t old, uint64_t operand)
{
	(void)old;
	return operand;
}

static uint64_t op_add(uint64_t old, uint64_t operand)
{
	return old + operand;
}

static uint64_t op_sub(uint64_t old, uint64_t operand)
{
	return old - operand;
}

static uint64_t op_and(uint64_t old, uint64_t operand)
{
	return old & operand;
}

static uint64_t op_or(uint64_t old, uint64_t operand)
{
	return old | operand;
}

static uint64_t op_xor(uint64_t old, uint64_t operand)
{
	return old ^ operand;
}

#define ACCESS(kind, bits, order)                                                                  \
	(struct access)                                                                            \
	{                                                                                          \
		kind, (uintptr_t)at, (bits) / 8, order, PC                                         \
	}

/* A seq_cst store is an exchange on x86. */
#define LOAD_STORE(bits)                                                                           \
	uint##bits##_t __tsan_atomic##bits##_load(const uint##bits##_t *at, int order);            \
	uint##bits##_t __tsan_atomic##bits##_load(const uint##bits##_t *at, int order)             \
	{                                                                                          \
		const struct access a = ACCESS(ACCESS_LOAD, bits, order);                          \
		uint##bits##_t value;                                                              \
                                                                                                   \
		if (!enter(a.at, a.size, ACCESS_LOAD))                                             \
			return __atomic_load_n(at, __ATOMIC_SEQ_CST);                              \
		value = (uint##bits##_t)memory_load(&a);                                           \
		leave();                                                                           \
		return value;                                                                      \
	}                                                                                          \
	void __tsan_atomic##bits##_store(uint##bits##_t *at, uint##bits##_t value, int order);     \
	void __tsan_atomic##bits##_store(uint##bits##_t *at, uint##bits##_t value, int order)      \
	{                                                                                          \
		const struct access a = ACCESS(ACCESS_STORE, bits, order);                         \
		const struct access x = ACCESS(ACCESS_EXCHANGE, bits, order);                      \
                                                                                                   \
		if (!enter(a.at, a.size, ACCESS_STORE)) {                                          \
			__atomic_store_n(at, value, __ATOMIC_SEQ_CST);                             \
			return;                                                                    \
		}                                                                                  \
		if (order == __ATOMIC_SEQ_CST)                                                     \
			memory_exchange(&x, op_set, value);                                        \
		else                                                                               \
			memory_store(&a, value);                                                   \
		leave();                                                                           \
	}

#define EXCHANGE(name, bits, op, otherwise)                                                        \
	uint##bits##_t name(uint##bits##_t *at, uint##bits##_t value, int order);                  \
	uint##bits##_t name(uint##bits##_t *at, uint##bits##_t value, int order)                   \
	{                                                                                          \
		const struct access a = ACCESS(ACCESS_EXCHANGE, bits, order);                      \
		uint##bits##_t old;                                                                \
                                                                                                   \
		if (!enter(a.at, a.size, ACCESS_EXCHANGE))                                         \
			return otherwise(at, value, __ATOMIC_SEQ_CST);                             \
		old = (uint##bits##_t)memory_exchange(&a, op, value);                              \
		leave();                                                                           \
		return old;                                                                        \
	}

#define EXCHANGES(bits)                                                                            \
	EXCHANGE(__tsan_atomic##bits##_exchange, bits, op_set, __atomic_exchange_n)                \
	EXCHANGE(__tsan_atomic##bits##_fetch_add, bits, op_add, __atomic_fetch_add)                \
	EXCHANGE(__tsan_atomic##bits##_fetch_sub, bits, op_sub, __atomic_fetch_sub)                \
	EXCHANGE(__tsan_atomic##bits##_fetch_and, bits, op_and, __atomic_fetch_and)                \
	EXCHANGE(__tsan_atomic##bits##_fetch_or, bits, op_or, __atomic_fetch_or)                   \
	EXCHANGE(__tsan_atomic##bits##_fetch_xor, bits, op_xor, __atomic_fetch_xor)

#define COMPARE(name, bits)                                                                        \
	int name(uint##bits##_t *at, uint##bits##_t *expected, uint##bits##_t value, int order,    \
		 int fails);                                                                       \
	int name(uint##bits##_t *at, uint##bits##_t *expected, uint##bits##_t value, int order,    \
		 int fails)                                                                        \
	{                                                                                          \
		const struct access a = ACCESS(ACCESS_EXCHANGE, bits, order);                      \
		uint64_t found = *expected;                                                        \
		bool same;                                                                         \
                                                                                                   \
		if (!enter(a.at, a.size, ACCESS_EXCHANGE))                                         \
			return __atomic_compare_exchange_n(at, expected, value, false,             \
							   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);    \
		same = memory_compare_exchange(&a, &found, value, fails);                          \
		*expected = (uint##bits##_t)found;                                                 \
		leave();                                                                           \
		return same;                                                                       \
	}

/* clang's form returns the value found. */
#define COMPARE_VALUE(bits)                                                                        \
	uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(                                 \
		uint##bits##_t *at, uint##bits##_t expected, uint##bits##_t value, int order,      \
		int fails);                                                                        \
	uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(                                 \
		uint##bits##_t *at, uint##bits##_t expected, uint##bits##_t value, int order,      \
		int fails)                                                                         \
	{                                                                                          \
		const struct access a = ACCESS(ACCESS_EXCHANGE, bits, order);                      \
		uint64_t found = expected;                                                         \
                                                                                                   \
		if (!enter(a.at, a.size, ACCESS_EXCHANGE)) {                                       \
			__atomic_compare_exchange_n(at, &expected, value, false, __ATOMIC_SEQ_CST, \
						    __ATOMIC_SEQ_CST);                             \
			return expected;                                                           \
		}                                                                                  \
		(void)memory_compare_exchange(&a, &found, value, fails);                           \
		leave();                                                                           \
		return (uint##bits##_t)found;                                                      \
	}

#define ATOMICS(bits)                                                                              \
	LOAD_STORE(bits)                                                                           \
	EXCHANGES(bits)                                                                            \
	COMPARE(__tsan_atomic##bits##_compare_exchange_strong, bits)                               \
	COMPARE(__tsan_atomic##bits##_compare_exchange_weak, bits)                                 \
	COMPARE_VALUE(bits)

ATOMICS(8)
ATOMICS(16)
ATOMICS(32)
ATOMICS(64)

void __tsan_atomic_thread_fence(int order)
{
	const struct access a = { ACCESS_FENCE, 0, 0, order, PC };

	if (!enter(0, 0, ACCESS_LOAD))
		return;
	memory_fence(&a);
	leave();
}

/* A CPU's handlers see its stores in program order anyway. */
void __tsan_atomic_signal_fence(int order)
{
	(void)order;
}
