/* SPDX-License-Identifier: MIT */
/*
 * log.h - messages with a level, a subsystem and a time, and a limit on their rate.
 *
 *   log_err("virtio-blk", "request %u failed: %s", id, err_name(err));
 *
 *   keel: [    1.002003] virtio-blk: request 7 failed: I/O error
 *
 * The levels are Linux' (syslog's).  Messages of a level below the console's (`loglevel=`, as in
 * Linux: levels smaller than N are shown, 7 by default) are shown; others go to the second sink
 * alone, the log ring, where the monitor's `log` finds them.
 *
 * A message that a device, a guest or the network can cause again and again goes through
 * log_limited(): LOG_BURST of them are printed in LOG_INTERVAL_MS, then their number is.
 *
 * Locking: none; the sinks lock themselves.  A line is formatted first and written in one piece, so
 * lines of two CPUs do not mix; longer ones are cut.  Any context.
 */
#pragma once

#include <stdatomic.h>

#include "lib/print.h"
#include "lib/types.h"

enum log_level {
	LOG_EMERG,
	LOG_ALERT,
	LOG_CRIT,
	LOG_ERR,
	LOG_WARNING,
	LOG_NOTICE,
	LOG_INFO,
	LOG_DEBUG,
	LOG_LEVELS,
};

enum {
	LOG_LEVEL_DEFAULT = LOG_DEBUG, /* of the console: all but LOG_DEBUG */
	LOG_LINE_BYTES = 256,          /* with prefix and newline */
	LOG_BURST = 10,
	LOG_INTERVAL_MS = 5000,
};

/* A message of the subsystem; no newline at its end. */
void log_at(enum log_level level, const char *subsystem, const char *format, ...) __printf(3, 4);

#define log_err(subsystem, ...)     log_at(LOG_ERR, subsystem, __VA_ARGS__)
#define log_warning(subsystem, ...) log_at(LOG_WARNING, subsystem, __VA_ARGS__)
#define log_notice(subsystem, ...)  log_at(LOG_NOTICE, subsystem, __VA_ARGS__)
#define log_info(subsystem, ...)    log_at(LOG_INFO, subsystem, __VA_ARGS__)
#define log_debug(subsystem, ...)   log_at(LOG_DEBUG, subsystem, __VA_ARGS__)

/* ---- the limit ---- */

/* One for each place; all zero at first. */
struct log_limit {
	_Atomic uint64_t since; /* ms: when the interval began */
	_Atomic uint32_t count; /* in the interval, those that were not printed included */
};

/* Whether one more message may be printed; tells before how many were not. */
bool log_limit_passes(struct log_limit *l, enum log_level level, const char *subsystem);

#define log_limited(level, subsystem, ...)                                                         \
	do {                                                                                       \
		static struct log_limit log_limit_;                                                \
		if (log_limit_passes(&log_limit_, (level), (subsystem)))                           \
			log_at((level), (subsystem), __VA_ARGS__);                                 \
	} while (0)

/* ---- for start-up ---- */

/* Levels smaller than this are shown: 0 to LOG_LEVELS. */
void log_set_level(unsigned level);
unsigned log_level(void);

/* The clock, in microseconds; without one the time is 0. */
void log_set_clock(uint64_t (*us)(void));

/* Where messages go that the console does not show; NULL: nowhere. */
void log_set_quiet_sink(struct print_sink *sink);
