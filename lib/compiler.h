/* SPDX-License-Identifier: MIT */
/*
 * compiler.h - compiler and checker attributes.
 *
 * Besides gcc and clang, sparse, Frama-C and the clang analyzer parse these headers.  What one of
 * them cannot parse is hidden here, so that no other file needs an #ifdef for a tool.
 */
#pragma once

#if defined(__CHECKER__) || defined(__FRAMAC__)
#define __must_check
#else
#define __must_check [[nodiscard]] /* functions and types; needs -std=gnu2x */
#endif

#if defined(__clang__) && !defined(__FRAMAC__)
#define __tsa(x) __attribute__((x))
#define __iomem  __attribute__((noderef, address_space(1)))
#define __user   __attribute__((noderef, address_space(2)))
#else
#define __tsa(x)
#define __iomem
#define __user
#endif

#define __noreturn     __attribute__((noreturn))
#define __printf(f, a) __attribute__((format(printf, f, a)))
#define __aligned(n)   __attribute__((aligned(n)))
#define __used_in(s)   __attribute__((used, section(s)))
#define __forceinline inline __attribute__((always_inline))
#define __noinline __attribute__((noinline))
#define __cold     __attribute__((cold, noinline))

/* A local that is written before it is read: suppresses automatic zero-initialisation. */
#if __has_attribute(uninitialized)
#define __uninitialized __attribute__((uninitialized))
#else
#define __uninitialized
#endif

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Locks.  The parameter of a locking function names the object: __requires(z->lock). */
#define __capability(n) __tsa(capability(n))
#define __acquires(...) __tsa(acquire_capability(__VA_ARGS__))
#define __releases(...) __tsa(release_capability(__VA_ARGS__))
#define __requires(...) __tsa(requires_capability(__VA_ARGS__))
#define __excludes(...) __tsa(locks_excluded(__VA_ARGS__))
#define __no_tsa        __tsa(no_thread_safety_analysis)
#if defined(__clang_major__) && __clang_major__ >= 22
#define __guarded_by(x) __tsa(guarded_by(x))
#else
#define __guarded_by(x) /* members: clang 14 rejects it, 19 misreports it */
#endif

/* Ownership, verified by the clang analyzer (make analyze); empty everywhere else.  __owns: the
 * caller owns the returned handle.  __takes(n): the call consumes argument n, counted from 1. */
#ifdef __clang_analyzer__
#define __owns     __attribute__((ownership_returns(malloc)))
#define __takes(n) __attribute__((ownership_takes(malloc, n)))
#else
#define __owns
#define __takes(n)
#endif

#define ARRAY_SIZE(a)                 (sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, member) ((type *)((uintptr_t)(p)-offsetof(type, member)))
