#!/bin/bash
# SPDX-License-Identifier: MIT
# make check: all checks of the code that do not run the kernel.  One KTAP line per check; a tool
# that is not installed is a visible skip.
set -u
cd "$(dirname "$0")/.." || exit 1
passed=0 failed=0 skipped=0 number=0
log=build/check
mkdir -p $log

check() {	# NAME COMMAND...
	local name=$1
	shift
	number=$((number + 1))
	if "$@" > "$log/$name.log" 2>&1; then
		echo "ok $number $name"
		passed=$((passed + 1))
	else
		sed 's/^/# /' "$log/$name.log" | tail -n 20
		echo "not ok $number $name"
		failed=$((failed + 1))
	fi
}

check_with() {	# PROGRAM NAME COMMAND...
	local program=$1
	shift
	if command -v "$program" > /dev/null; then
		check "$@"
	else
		number=$((number + 1))
		skipped=$((skipped + 1))
		echo "ok $number $1 # SKIP $program is not installed"
	fi
}

same_image() {	# the image is the same, byte for byte, when built in another directory
	local copy=$log/copy commit
	rm -rf "$copy" && mkdir -p "$copy" &&
		git ls-files -z | xargs -0 cp --parents -t "$copy" &&
		make CC=gcc iso && commit=$(sed -n 's/.*version_commit.*"\(.*\)".*/\1/p' build/version.c) &&
		make -C "$copy" CC=gcc COMMIT="$commit" iso &&
		cmp build/keel.elf "$copy/build/keel.elf" &&
		cmp build/ktest.elf "$copy/build/ktest.elf" &&
		cmp build/keel.iso "$copy/build/keel.iso" &&
		rm -rf "$copy"
}

small_kernel() {	# text, data and bss of the kernel that users get stay under 768 KiB
	size build/kernel-release-gcc-bare/keel.elf |
		awk 'END { print "keel.elf: " $4 " bytes in memory"; exit !($4 > 0 && $4 < 768 * 1024) }'
}

folded() {	# a compiled instance of the page-table engine has no format and no call through one
	local objects
	objects=$(echo build/kernel-release-gcc-bare/mm/pt/{cursor,page_table,node}.o \
		build/kernel-debug-clang-14/mm/pt/{cursor,page_table,node}.o)
	nm $objects > $log/folded.nm && ! grep -w cpu_format $log/folded.nm &&
		objdump -d $objects > $log/folded.s && ! grep -E '(call|jmp)q? +\*' $log/folded.s
}

tested_tsan() {
	make build/host-tsan-gcc/keel-test &&
		timeout 1200 build/host-tsan-gcc/keel-test 'frame*,zone_agrees*,section*,audit_alo*,heap*,lock*,timer*,thread*,wait*,shootdown*,tlb*,epoch_w*,epoch_r*,cursor_threads*,vm_object_truncations*,vm_object_pa*,vm_space_order*,vm_space_write_w*,vm_space_find*,vm_space_storm*,vm_space_fork_loses*' \
			> $log/tsan.out 2>&1
	local status=$?
	grep -E '^not ok|WARNING: ThreadSanitizer|passed' $log/tsan.out
	return $status
}

# proofs keep the layout of their annotations
sources=$(git ls-files '*.c' '*.h' ':!tests/proof')
check_with clang-format format clang-format --dry-run --Werror $sources
check layers make layers
check lint tools/lint.py
check words tools/words.py
check seam make seam
check gcc make CC=gcc kernel host build/host-asan-gcc/keel-test
check_with clang-14 clang make CC=clang-14 build/kernel-debug-clang-14/keel.elf \
	build/host-asan-clang-14/keel-test
check_with clang-14 dead-stores tools/dead_stores.sh
check_with clang-14 analyze tools/analyze.sh
check tsan tested_tsan
check reproducible same_image
check size small_kernel
check_with clang-14 folded folded
check_with cppcheck cppcheck cppcheck -q --std=c11 --error-exitcode=1 -I. -Iarch/x86_64 \
	--enable=warning,portability --inline-suppr --suppressions-list=tools/cppcheck.txt \
	lib kern boot mm drivers monitor arch/x86_64 arch/host
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
