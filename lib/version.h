/* SPDX-License-Identifier: MIT */
/*
 * version.h - which kernel this is, as its first line says.
 *
 * The Makefile writes build/version.c: the file VERSION, and the commit that git describes, with
 * `-dirty` behind it where files differ from it, or `unknown`.  Constant data.
 */
#pragma once

extern const char version[], version_commit[];
