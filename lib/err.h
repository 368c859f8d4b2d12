/* SPDX-License-Identifier: MIT */
/*
 * err.h - the error type; ignoring a returned error does not compile.
 *
 * Expected failures return an err_t.  A violated contract asserts (lib/panic.h).  Faults of a
 * device or the firmware are reported and contained, and the kernel keeps running.
 */
#pragma once

#include "lib/compiler.h"

typedef enum __must_check err {
	OK = 0,
	ERR_NO_MEMORY,  /* no frame, no room in a caller's array */
	ERR_BAD_RANGE,  /* empty, unaligned, wrapping or outside */
	ERR_BAD_FORMAT, /* external data does not parse */
	ERR_IN_USE,     /* the object has owners */
	ERR_BUSY,       /* the object is being created or destroyed */
	ERR_NOT_OWNED,  /* free, reserved or not populated: cannot be referenced */
	ERR_UNIQUE,     /* the object has one exclusive owner */
	ERR_OVERFLOW,   /* a count would overflow */
	ERR_TIMED_OUT,  /* hardware did not answer in time */
	ERR_NOT_FOUND,
	ERR_DENIED,      /* it exists, but this access is not permitted */
	ERR_IO,          /* a device reported an error, or an answer that makes no sense */
	ERR_UNSUPPORTED, /* the device, or keel, lacks the feature */
} err_t;

/* A readable name of the constant, never NULL. */
const char *err_name(err_t e);
