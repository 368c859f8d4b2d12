/* SPDX-License-Identifier: MIT */
/*
 * err.h - one error type; ignoring one does not compile.
 *
 * What can happen returns an err_t.  A broken contract asserts (lib/panic.h).
 * What a device or the firmware does wrong is reported, contained and survived.
 */
#pragma once

#include "lib/compiler.h"

typedef enum __must_check err {
	OK = 0,
	ERR_NO_MEMORY,  /* no frame, no room in a caller's array */
	ERR_BAD_RANGE,  /* empty, unaligned, wrapping or outside */
	ERR_BAD_FORMAT, /* bytes from outside do not parse */
	ERR_IN_USE,     /* the object has owners */
	ERR_BUSY,       /* the object is being created or destroyed */
	ERR_NOT_OWNED,  /* free, reserved or not populated: nobody may claim it */
	ERR_UNIQUE,     /* the object has one exclusive owner */
	ERR_OVERFLOW,   /* a count would leave its range */
	ERR_TIMED_OUT,  /* hardware did not answer in its time */
	ERR_NOT_FOUND,
	ERR_DENIED,      /* it is there, and may not be used so */
	ERR_IO,          /* a device reported an error, or answered nonsense */
	ERR_UNSUPPORTED, /* the device, or keel, does not have that */
} err_t;

/* The constant's name in words, never NULL. */
const char *err_name(err_t e);
