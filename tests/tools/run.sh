#!/bin/sh
# SPDX-License-Identifier: MIT
#
# run.sh [PART]... - tests of the tools, and of machines that no other test boots; PART is a file of
# this folder without its .sh.
#
# For each check there is a good tree that it accepts and bad ones that it rejects, in a temporary
# folder.
# No network, no root, no build of keel itself.  Prints KTAP and the summary.
set -u

here=$(cd "$(dirname "$0")" && pwd)
tools=$(cd "$here/../../tools" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
passed=0
failed=0
skipped=0
LICENCE='/* SPDX-License-Identifier: MIT */'
data=${SHARED:+$(cd "$SHARED" && pwd)/data}
# Each of these would change the behaviour of the tools under test.
unset MAKEFLAGS MFLAGS MAKELEVEL SHARED SETUP

count() { echo $((passed + failed + skipped)); }

# expect NAME STATUS PATTERN COMMAND...: the exit status, and an extended regular expression that
# a line of the output matches; PATTERN '' requires that there is no output.
expect() {
	name=$1
	status=$2
	pattern=$3
	shift 3
	"$@" >"$work/.out" 2>&1 </dev/null
	got=$?
	if [ "$got" -eq "$status" ] &&
		{ [ -n "$pattern" ] || [ ! -s "$work/.out" ]; } &&
		{ [ -z "$pattern" ] || grep -qE -- "$pattern" "$work/.out"; }; then
		passed=$((passed + 1))
		echo "ok $(count) $name"
	else
		failed=$((failed + 1))
		echo "# status $got, expected $status; output, expected to match '$pattern':"
		sed 's/^/#   /' "$work/.out"
		echo "not ok $(count) $name"
	fi
}

skip() {
	skipped=$((skipped + 1))
	echo "ok $(count) $1 # SKIP $2"
}

# put FILE: standard input into a file of the tree under test.
put() {
	mkdir -p "$(dirname "$work/tree/$1")"
	cat >"$work/tree/$1"
}

fresh_tree() { rm -rf "$work/tree" && mkdir "$work/tree"; }

echo 'KTAP version 1'
all='ktap summary tier layers seam lint words analyze setup mutate make fresh keel screen flash machine smp vm readme
	docs'
for part in ${*:-$all}; do
	. "$here/$part.sh"
done
echo "1..$(count)"
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
