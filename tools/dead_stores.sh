#!/bin/bash
# SPDX-License-Identifier: MIT
# dead_stores.sh [FILE...] - values that are stored and never read, which compilers accept: all
# portable sources and the machine's, or the given ones.  Prints clang's warnings; the exit status
# is 1 if there are any, 2 if clang is not installed.
set -u
cd "$(dirname "$0")/.." || exit 2
command -v clang-14 >/dev/null || { echo "dead_stores.sh: clang-14 is not installed" >&2; exit 2; }
[ $# -gt 0 ] || set -- $(git ls-files 'lib/*.c' 'kern/*.c' 'boot/*.c' 'mm/*.c' 'iommu/*.c' 'dma/*.c' \
	'drivers/*.c' 'monitor/*.c' 'arch/*.c' ':!arch/host')
found=0
for file; do
	# the other checkers follow paths, which takes minutes
	! clang-14 --analyze -std=gnu2x -I. -Iarch/x86_64 -isystem /usr/include/efi \
		-isystem /usr/include/efi/x86_64 -ffreestanding -mcmodel=kernel -w \
		-Xclang -analyzer-checker=deadcode.DeadStores \
		-Xclang -analyzer-disable-checker=core,unix,security,nullability,apiModeling \
		-o /dev/null "$file" 2>&1 | grep -E '(warning|error):' || found=1
done
exit $found
