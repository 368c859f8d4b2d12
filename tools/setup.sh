#!/bin/sh
# SPDX-License-Identifier: MIT
#
# setup.sh GROUP... - the Debian 12 packages that a make target needs, installed when missing.
#
# Starts from a system made by debootstrap --variant=minbase, plus git and make.  If all packages are
# installed it calls dpkg once, prints nothing and uses no network.  As root, or if sudo needs no
# password, it installs missing packages; otherwise it prints the one line to type and fails.
# SETUP=no in the environment skips it, for systems that get their tools another way.
set -eu

packages_of() {
	case $1 in
	build) echo gcc binutils libc6-dev linux-libc-dev gnu-efi nasm make python3 \
		grub-common ;;
	run) echo qemu-system-x86 ovmf grub-common grub-pc-bin grub-efi-amd64-bin xorriso mtools \
		python3 ;;
	test) echo gcc binutils libc6-dev libgcc-12-dev make python3 git patch ;;
	check) echo gcc libc6-dev make python3 git patch clang clang-format clang-tidy cppcheck \
		clang-14 libclang-rt-14-dev sparse ;;
	prove) echo gcc clang-14 libc6-dev make python3 frama-c-base why3 z3 cvc4 spin ;;
	bochs) echo bochs bochsbios vgabios bochs-term bsdutils grub-common grub-pc-bin xorriso \
		mtools python3 ;;
	bench) echo gcc binutils libc6-dev make python3 qemu-system-x86 libjemalloc2 \
		libtcmalloc-minimal4 libmimalloc2.0 ;;
	fresh) echo debootstrap debian-archive-keyring mount util-linux tar git ;;
	fuzz) echo clang-14 libclang-rt-14-dev llvm-14 libc6-dev make python3 ;;
	gui) echo qemu-system-gui ;;
	debug) echo gdb qemu-system-x86 ;;
	*) return 1 ;;
	esac
}

[ "${SETUP:-yes}" = no ] && exit 0
[ $# -gt 0 ] || { echo "usage: setup.sh GROUP... (see packages_of in $0)" >&2; exit 2; }

wanted=
for group; do
	found=$(packages_of "$group") || { echo "setup: no group '$group'" >&2; exit 2; }
	wanted="$wanted $found"
done

if ! command -v dpkg-query >/dev/null; then
	echo "setup: not a Debian system; install the counterparts of:$wanted, then SETUP=no" >&2
	exit 1
fi
# shellcheck disable=SC2086 # the list is words on purpose
have=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null) || true
missing=
for package in $wanted; do
	case "
$have
" in
	*"
installed $package
"*) continue ;;
	esac
	case "$missing " in
	*" $package "*) ;;
	*) missing="$missing $package" ;;
	esac
done
[ -n "$missing" ] || exit 0

install="apt-get install -y --no-install-recommends$missing"
lists=${APT_LISTS:-/var/lib/apt/lists}
if [ -z "$(find "$lists" -name '*_Packages*' 2>/dev/null | head -n 1)" ]; then
	stale=yes
else
	stale=no
fi

if [ "$(id -u)" -eq 0 ]; then
	as_root='env'
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
	as_root='sudo -n env'
else
	[ $stale = no ] || install="apt-get update && $install"
	if command -v sudo >/dev/null; then
		echo "sudo sh -c '$install'" >&2
	else
		echo "su -c '$install'" >&2
	fi
	exit 1
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
	$as_root DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -q -y \
		-o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold \
		"$@" >>"$log" 2>&1 </dev/null
}
install_missing() {
	# shellcheck disable=SC2086
	apt install --no-install-recommends $missing
}

# make may set up several groups at once; apt does one after the other
exec 9<"$0"
flock 9

echo "setup: installing$missing"
if { [ $stale = no ] && install_missing; } || { apt update && install_missing; }; then
	exit 0
fi
tail -n 15 "$log" >&2
echo "setup: could not install; by hand: $install" >&2
exit 1
