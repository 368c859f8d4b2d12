/* SPDX-License-Identifier: MIT */
/* sanitizer.h - reports stacks to ASan and TSan; empty in a build without them. */
#pragma once

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define HOST_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HOST_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define HOST_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HOST_TSAN 1
#endif
#endif

#ifdef HOST_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef HOST_TSAN
#include <sanitizer/tsan_interface.h>
#endif

/* Before a switch, with its target; after it. */
static inline void host_asan_start_switch(void **fake, const void *bottom, size_t bytes)
{
#ifdef HOST_ASAN
	__sanitizer_start_switch_fiber(fake, bottom, bytes);
#else
	(void)fake;
	(void)bottom;
	(void)bytes;
#endif
}

static inline void host_asan_finish_switch(void *fake)
{
#ifdef HOST_ASAN
	__sanitizer_finish_switch_fiber(fake, NULL, NULL);
#else
	(void)fake;
#endif
}

/* Make the memory of a stack whose functions never returned usable again. */
static inline void host_asan_unpoison(void *bottom, size_t bytes)
{
#ifdef HOST_ASAN
	__asan_unpoison_memory_region(bottom, bytes);
#else
	(void)bottom;
	(void)bytes;
#endif
}

static inline void *host_tsan_current(void)
{
#ifdef HOST_TSAN
	return __tsan_get_current_fiber();
#else
	return NULL;
#endif
}

static inline void *host_tsan_create(void)
{
#ifdef HOST_TSAN
	return __tsan_create_fiber(0);
#else
	return NULL;
#endif
}

static inline void host_tsan_switch(void *fiber)
{
#ifdef HOST_TSAN
	__tsan_switch_to_fiber(fiber, 0);
#else
	(void)fiber;
#endif
}

static inline void host_tsan_destroy(void *fiber)
{
#ifdef HOST_TSAN
	__tsan_destroy_fiber(fiber);
#else
	(void)fiber;
#endif
}
