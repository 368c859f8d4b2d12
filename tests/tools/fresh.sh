# SPDX-License-Identifier: MIT
# Tests of tools/fresh.sh's refusals; `make fresh` itself is the test of the rest.  Read by run.sh.

fresh_tree
mkdir "$work/tree/tools"
cp "$tools/fresh.sh" "$work/tree/tools/"
echo 'echo 1000' | stand_in id
fresh() { env PATH="$work/tree/bin:$PATH" "$work/tree/tools/fresh.sh"; }
expect fresh_requires_root 1 'needs root' fresh

# Root, and an apt with one archive, of the named release.
root_with_release() {
	echo 'echo 0' | stand_in id
	echo "echo 'http://mirror.invalid/debian $1 main'" | stand_in apt-get
	echo 'exit 1' | stand_in debootstrap
}
root_with_release trixie
expect fresh_requires_an_archive_of_debian_12 1 'no archive of Debian bookworm' fresh
root_with_release bookworm
git -C "$work/tree" init -q
expect fresh_requires_a_commit 1 'nothing is committed' fresh
