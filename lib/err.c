/* SPDX-License-Identifier: MIT */
#include "lib/err.h"

const char *err_name(err_t e)
{
	switch (e) {
	case OK: return "ok";
	case ERR_NO_MEMORY: return "no memory";
	case ERR_BAD_RANGE: return "bad range";
	case ERR_BAD_FORMAT: return "bad format";
	case ERR_IN_USE: return "in use";
	case ERR_BUSY: return "busy";
	case ERR_NOT_OWNED: return "not owned";
	case ERR_UNIQUE: return "unique owner";
	case ERR_OVERFLOW: return "overflow";
	case ERR_TIMED_OUT: return "timed out";
	case ERR_NOT_FOUND: return "not found";
	case ERR_DENIED: return "denied";
	case ERR_IO: return "I/O error";
	case ERR_UNSUPPORTED: return "unsupported";
	}
	return "unknown error";
}
