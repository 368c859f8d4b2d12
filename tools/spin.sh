#!/bin/bash
# SPDX-License-Identifier: MIT
#
# spin.sh [GLOB[,GLOB...]] - check the models tests/proof/spin/NAME.pml by Spin, every reachable
# state of each: the assertions and end states, then its `ltl` claim under weak fairness.
#
# A model without findings may check nothing, so each has optional mistakes, which must be found.  Its
# header names them, -DBUG_NAME each, on one line of either kind:
#   Wrong: NAME NAME    an assertion fails
#   Stuck: NAME NAME    the claim does not hold
# The claim is checked with -DLIVENESS, with which a model may leave out parts that no process waits
# for.
#
# Prints KTAP, then `N passed, N failed, N skipped`.

set -u
cd "$(dirname "$0")/.." || exit 2

GLOBS=${1:-*}
OUT=$PWD/build/spin
DEPTH=1000000
MEMORY_MIB=3000
SAFETY="-DSAFETY -DNOCLAIM"
CLAIM="-DNFAIR=3" # rounds of fairness for up to that many times 62 processes

wanted() { [[ $1 == @(${GLOBS//,/|}) ]]; }

# The words behind `* KEY:` in a model.
words() { sed -n "s/^ \* $2: *//p" "$1"; }

# search MODEL FOLDER "COMPILER FLAGS" "PAN FLAGS" DEFINE...: 0 nothing was found, 1 something was,
# 2 the search did not come to its end.
search() {
	local model=$1 folder=$2 compile=$3 run=$4
	shift 4
	rm -rf "$folder"
	mkdir -p "$folder"
	(
		cd "$folder" || exit 2
		spin "$@" -a "$model" > spin.log 2>&1 || exit 2
		# shellcheck disable=SC2086 # the flags are words
		gcc -O2 -w -DCOLLAPSE -DMEMLIM=$MEMORY_MIB $compile -o pan pan.c > gcc.log 2>&1 || exit 2
		# shellcheck disable=SC2086
		./pan -m$DEPTH $run > pan.log 2>&1
		grep -q 'errors: [1-9]' pan.log && exit 1
		grep -q 'errors: 0' pan.log && ! grep -qE 'Search not completed|too small' pan.log
		exit $(($? * 2))
	)
}

number=0 passed=0 failed=0

# expect STATUS NAME MODEL...: the search must end with that status.
expect() {
	local status=$1 name=$2 start=$SECONDS found
	shift 2
	search "$1" "$OUT/$name" "${@:2}"
	found=$?
	number=$((number + 1))
	if [ $found = "$status" ]; then
		echo "ok $number $name # $(sed -nE 's/^ *([0-9e+.]+) states, stored.*/\1 states/p' \
			"$OUT/$name/pan.log"), $((SECONDS - start)) s"
		passed=$((passed + 1))
	else
		grep -hsE 'pan:|error' "$OUT/$name"/*.log | head -n 5 | sed 's/^/# /'
		echo "not ok $number $name # see build/spin/$name"
		failed=$((failed + 1))
	fi
}

check_model() {
	local model=$PWD/$1 name=$2 bug
	expect 0 "spin_${name}_safety" "$model" "$SAFETY" ''
	expect 0 "spin_${name}_liveness" "$model" "$CLAIM" '-a -f' -DLIVENESS
	for bug in $(words "$model" Wrong); do
		expect 1 "spin_${name}_finds_${bug,,}" "$model" "$SAFETY" '' "-DBUG_$bug"
	done
	for bug in $(words "$model" Stuck); do
		expect 1 "spin_${name}_finds_${bug,,}" "$model" "$CLAIM" '-a -f' -DLIVENESS \
			"-DBUG_$bug"
	done
}

echo 'KTAP version 1'
if ! command -v spin > /dev/null; then
	printf '1..1\nok 1 spin # SKIP spin is not installed\n'
	echo '0 passed, 0 failed, 1 skipped'
	exit 0
fi
for model in tests/proof/spin/*.pml; do
	name=$(basename "$model" .pml)
	wanted "$name" && check_model "$model" "$name"
done
echo "1..$number"
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
