#!/bin/bash
# SPDX-License-Identifier: MIT
#
# prove.sh [GLOB[,GLOB...]] - unbounded proofs of the real sources: tests/proof/NAME.c by
# Frama-C/WP or, over bit vectors, by tests/proof/words.py; tests/proof/NAME.smt2 by z3.  A proof
# passes only when every goal is proved, the absence of run-time errors among them, and no smoke
# test finds a contradiction in a precondition, a loop invariant or the contract of a call.
#
# The header of a proof has these lines:
#   Seconds: N     time when it was written: sets the order, and which proofs PROVE_QUICK=1 leaves out
#   By: words      words.py runs the whole file
#   Only: f g      prove these functions
#   Skip: f g      functions that the included files bring along and that are not proved here
#   Options: ...   more options of Frama-C
#
# PROVE_QUICK=1         only proofs that take QUICK_SECONDS together
# PROVE_TIMEOUT=N       seconds for each goal and prover
#
# Prints KTAP, then `N passed, N failed, N skipped`.

set -u
cd "$(dirname "$0")/.." || exit 2

GLOBS=${1:-*}
QUICK_SECONDS=240
TIMEOUT=${PROVE_TIMEOUT:-30}
OUT=build/prove
export WHY3CONFIG=$PWD/$OUT/why3.conf

field() { sed -n "s/^[ ;]*\** *$2: *//p" "$1" | head -n 1; }

wanted() { [[ $1 == @(${GLOBS//,/|}) ]]; }

# The proofs, fastest first, as "SECONDS FILE".
proofs() {
	local file
	for file in tests/proof/*.c tests/proof/*.smt2; do
		if [ -e "$file" ] && wanted "$(basename "${file%.*}")"; then
			echo "$(field "$file" Seconds) $file"
		fi
	done | sort -n
}

# prove_c FILE LOG: prints the number of goals.
prove_c() {
	local skip only
	skip=$(field "$1" Skip | tr -s ' ' ,)
	only=$(field "$1" Only | tr -s ' ' ,)
	# shellcheck disable=SC2046 # the options are words
	frama-c -machdep gcc_x86_64 -cpp-extra-args="-I. -std=gnu2x" \
		-wp -wp-rte -warn-unsigned-overflow -warn-unsigned-downcast -wp-split \
		-wp-smoke-tests -wp-no-smoke-dead-code -wp-smoke-timeout 1 -wp-prover cvc4,z3 -wp-timeout "$TIMEOUT" \
		-wp-par 2 ${skip:+-wp-skip-fct "$skip"} ${only:+-wp-fct "$only"} \
		$(field "$1" Options) "$1" \
		> "$2" 2>&1 || return 1
	grep -q 'Failed smoke-test' "$2" && return 1
	sed -nE 's|.*Proved goals: +([0-9]+) / \1$|\1|p' "$2" | grep .
}

# The claims of words.py.  One question to z3 is many goals of WP.
prove_words() {
	tests/proof/words.py --seconds "$((4 * TIMEOUT))" "$1" > "$2" 2>&1 || return 1
	sed -nE 's|^([0-9]+) of \1 claims proved$|\1|p' "$2" | grep .
}

prove_smt2() {
	local goals
	goals=$(grep -c '(check-sat)' "$1")
	timeout "$((TIMEOUT * goals))" z3 "$1" > "$2" 2>&1 || return 1
	[ "$(grep -vc '^unsat$' "$2")" = 0 ] && [ "$(wc -l < "$2")" = "$goals" ] && echo "$goals"
}

if ! command -v frama-c > /dev/null || ! command -v z3 > /dev/null; then
	printf 'KTAP version 1\n1..1\nok 1 prove # SKIP frama-c or z3 is not installed\n'
	echo '0 passed, 0 failed, 1 skipped'
	exit 0
fi

mkdir -p $OUT
[ -s "$WHY3CONFIG" ] || why3 config detect > $OUT/why3.log 2>&1

mapfile -t list < <(proofs)
echo 'KTAP version 1'
echo "1..${#list[@]}"
passed=0 failed=0 skipped=0 spent=0 number=0
for entry in "${list[@]}"; do
	read -r seconds file <<< "$entry"
	name=$(basename "$file")
	by=$(field "$file" By)
	by=${by:-${file##*.}}
	number=$((number + 1))
	spent=$((spent + seconds))
	if [ "${PROVE_QUICK:-0}" = 1 ] && [ $spent -gt $QUICK_SECONDS ]; then
		echo "ok $number $name # SKIP takes $seconds s"
		skipped=$((skipped + 1))
		continue
	fi
	if [ "$by" = words ] && ! command -v clang-14 > /dev/null; then
		echo "ok $number $name # SKIP clang-14 is not installed"
		skipped=$((skipped + 1))
		continue
	fi
	log=$OUT/$name.log
	start=$SECONDS
	if goals=$("prove_$by" "$file" "$log"); then
		echo "ok $number $name # goals $goals, $((SECONDS - start)) s"
		passed=$((passed + 1))
	else
		grep -E 'Failed\]|error|^sat|^claim_.*: [^p]|Proved goals' "$log" | sort -u | head -n 20 | sed 's/^/# /'
		echo "not ok $number $name # see $log, $((SECONDS - start)) s"
		failed=$((failed + 1))
	fi
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
