#!/bin/bash
# SPDX-License-Identifier: MIT
# analyze.sh [--root ROOT] [FILE...] - verify __owns and __takes (lib/compiler.h): all portable
# sources, or the given ones.  Clang's static analyzer follows each handle through each function:
# a leak, a second put, a use after the put or after frame_into_raw().  Prints its warnings as
# FILE:LINE; the exit status is 1 when there are any.  Without clang-14 it prints a skip line.
#
# Optimistic: the attributes are trusted.  ipa=none: each call is judged by the attributes of its
# declaration; where the analyzer follows the body of a callee instead, it ignores them.
# widen-loops: what follows a loop of many rounds is analyzed, too.  The checkers in `core` are off:
# they take memory behind __owns for uninitialized.
#
# LIMIT: a handle counts as transferred once it is stored in memory, passed through a pointer that is
# not const to a function without __takes, or kept across a loop of more than four rounds.  Leaks
# after that are found by the ledgers of tests/unit.
set -u
[ "${1-}" != --root ] || { root=$2; shift 2; }
cd "${root:-$(dirname "$0")/..}" || exit 2
command -v clang-14 >/dev/null || { echo "analyze.sh: SKIP: clang-14 is not installed"; exit 0; }
if [ $# -eq 0 ]; then
	folders=$(ls -d lib kern boot mm iommu dma drivers monitor 2>/dev/null)
	set -- $(find $folders -name '*.c' | sort)
fi

analyze() {	# FILE
	local options='unix.DynamicMemoryModeling:Optimistic=true,ipa=none,widen-loops=true' headers= out
	# folders whose headers have functions that own frames: the page-table engine
	[[ $1 != mm/* ]] || headers='-Xclang -analyzer-opt-analyze-headers'
	if ! out=$(clang-14 --analyze -std=gnu2x -I. -Iarch/x86_64 -isystem /usr/include/efi \
		-isystem /usr/include/efi/x86_64 -ffreestanding -mcmodel=kernel -w -o /dev/null \
		-Xclang -analyzer-checker=unix.Malloc \
		-Xclang -analyzer-disable-checker=core,deadcode,nullability,security,unix.API \
		-Xclang -analyzer-config -Xclang "$options" $headers "$1" 2>&1); then
		echo "$1:1: error: not analyzed"
	fi
	grep -E '(warning|error):' <<<"$out"
}
export -f analyze

findings=$(printf '%s\n' "$@" | xargs -r -P "$(nproc)" -I{} bash -c 'analyze {}' |
	sed 's|^\./||' | sort -u)
[ -z "$findings" ] || { echo "$findings"; exit 1; }
