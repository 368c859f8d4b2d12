#!/bin/sh
# SPDX-License-Identifier: MIT
#
# fresh.sh - build, run and test this commit on a minimal Debian 12.
#
# Makes a minimal Debian 12 with git and make in a scratch folder, clones the commit that is
# checked out into it, and runs there `make run` (the kernel switches itself off by command
# line) and `make test`.  Prints the last line of `make test`; the exit status agrees with it.
#
#   FRESH_DIR      the scratch folder (build/fresh); removed at the end.  Beside it stay
#                  FRESH_DIR-base.tar, so that the second run is quick, the downloaded
#                  packages and the two logs.
#   FRESH_KEEP=1   keep the scratch folder
#   FRESH_TIMEOUT  seconds for each of the two commands (3600)
#
# Everything is mounted in a mount namespace of its own and every process started runs in a
# process namespace of its own: neither outlives this script.  Mirror, proxy and credentials
# are those of this machine's apt.
set -eu

SUITE=bookworm
INCLUDE=git,make
CLONE=/keel

say() { echo "fresh: $*"; }
die() {
	echo "fresh: $*" >&2
	exit 1
}

# Every archive of Debian 12 that this machine's apt knows: "deb URI SUITE COMPONENT".
debian_sources() {
	# shellcheck disable=SC2016 # apt-get expands these
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' \
		'Created-By: Packages' |
		awk -v s=$SUITE '$2 == s || $2 == s "-updates" || $2 == s "-security" {
			print "deb", $1, $2, $3 }' | sort -u
}

# This machine's apt settings for reaching its archives, as apt.conf lines.
apt_settings() {
	apt-config dump | grep -Ei '^Acquire::(https?::|ftp::|Retries|Check-)' || true
}

# A newly made or unpacked base system in $root.  The key identifies the inputs of a cached one.
make_base() {
	key=$(echo "$include" && debian_sources)
	if [ -f "$base" ] && [ "$(cat "$base.key" 2>/dev/null)" = "$key" ]; then
		mkdir -p "$root"
		tar -C "$root" --numeric-owner -xpf "$base"
		return
	fi
	eval "$(apt-config shell proxy Acquire::http::Proxy)"
	if [ -n "${proxy:-}" ] && [ "$proxy" != DIRECT ]; then
		export http_proxy="$proxy"
	fi
	debootstrap --variant=minbase --include="$include" $SUITE "$root" "$mirror" \
		>"$dir-debootstrap.log" 2>&1 || {
		tail -n 5 "$dir-debootstrap.log" >&2
		die "debootstrap failed, see $dir-debootstrap.log"
	}
	rm -f "$root"/var/cache/apt/archives/*.deb
	debian_sources >"$root/etc/apt/sources.list"
	tar -C "$root" --numeric-owner --one-file-system -cf "$base.new" .
	mv "$base.new" "$base"
	echo "$key" >"$base.key"
}

# The network and archive access of this machine; the base of the cache holds none of it.
give_access() {
	cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
	apt_settings >"$root/etc/apt/apt.conf.d/90this-machine"
	for f in /etc/apt/auth.conf /etc/apt/auth.conf.d/*.conf; do
		[ ! -f "$f" ] || install -D -m 600 "$f" "$root$f"
	done
	if [ -n "$(find /usr/local/share/ca-certificates -name '*.crt' 2>/dev/null)" ] &&
		[ -d "$root/etc/ssl/certs" ]; then
		cp -r /usr/local/share/ca-certificates "$root/usr/local/share/"
		chroot "$root" update-ca-certificates >/dev/null 2>&1
	fi
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # no daemons in a chroot
	chmod 755 "$root/usr/sbin/policy-rc.d"
}

mount_all() {
	mount -t proc proc "$root/proc"
	mount -t sysfs -o ro sysfs "$root/sys"
	mount -t tmpfs -o mode=755 tmpfs "$root/dev"
	for node in null zero full random urandom tty; do
		: >"$root/dev/$node"
		mount --bind "/dev/$node" "$root/dev/$node"
	done
	mkdir "$root/dev/pts" "$root/dev/shm"
	mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
	mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
	ln -s pts/ptmx "$root/dev/ptmx"
	ln -s /proc/self/fd "$root/dev/fd"
	mkdir -p "$dir-debs/partial" "$root/var/cache/apt/archives"
	mount --bind "$dir-debs" "$root/var/cache/apt/archives"
}

# inside COMMAND...: run it in the new system with nothing of this one's environment.
inside() {
	timeout "${FRESH_TIMEOUT:-3600}" \
		chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		LANG=C.UTF-8 TERM=dumb ${http_proxy:+"http_proxy=$http_proxy"} \
		${https_proxy:+"https_proxy=$https_proxy"} "$@" </dev/null
}

# step LOG NAME COMMAND...: run it inside; on failure show the end of its log.
step() {
	log=$1
	name=$2
	shift 2
	start=$(date +%s)
	status=0
	inside "$@" >"$log" 2>&1 || status=$?
	seconds=$(($(date +%s) - start))
	if [ $status -ne 0 ]; then
		tail -n 20 "$log"
		say "$name: failed with status $status after $seconds s, see $log"
		return 1
	fi
	say "$name: ok, $seconds s"
}

all_in_namespace() {
	root=$dir
	start=$(date +%s)
	make_base
	give_access
	mount_all
	cp "$dir.bundle" "$root/tmp/keel.bundle"
	say "minimal Debian ready, $(($(date +%s) - start)) s"

	ok=yes
	step "$dir-clone.log" clone git clone -q /tmp/keel.bundle $CLONE || ok=no
	if [ $ok = yes ]; then
		step "$dir-run.log" 'make run' make -C $CLONE run CMDLINE=monitor=poweroff || ok=no
	fi
	if [ $ok = no ]; then
		echo '0 passed, 1 failed, 0 skipped'
		return 1
	fi
	step "$dir-test.log" 'make test' make -C $CLONE --no-print-directory test || ok=no
	last=$(grep -v '^[[:space:]]*$' "$dir-test.log" | tail -n 1)
	summary=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$dir-test.log" |
		tail -n 1)
	case $ok/$summary in
	yes/'0 passed, '* | yes/ | no/*' passed, 0 failed, '* | no/)
		say 'make test: its status and its summary do not agree'
		ok=no
		summary='0 passed, 1 failed, 0 skipped'
		;;
	yes/*' passed, 0 failed, '*)
		[ "$last" = "$summary" ] || {
			say 'make test: the summary is not its last line'
			ok=no
			summary='0 passed, 1 failed, 0 skipped'
		}
		;;
	*) ok=no ;;
	esac
	echo "$summary"
	[ $ok = yes ]
}

[ "$(id -u)" -eq 0 ] || die 'needs root, for debootstrap and chroot: sudo make fresh'
cd "$(dirname "$0")/.."
dir=${FRESH_DIR:-build/fresh}
mkdir -p "$(dirname "$dir")"
dir=$(cd "$(dirname "$dir")" && pwd)/$(basename "$dir")
base=$dir-base.tar
mirror=$(debian_sources | awk -v s=$SUITE '$3 == s && $4 == "main" { print $2; exit }')
[ -n "$mirror" ] || die "apt on this machine has no archive of Debian $SUITE"
include=$INCLUDE
case $mirror in https:*) include=$INCLUDE,ca-certificates ;; esac

if [ "${1:-}" = --in-namespace ]; then
	all_in_namespace
	exit
fi

command -v debootstrap >/dev/null || die 'no debootstrap here: tools/setup.sh fresh'
git="git -c safe.directory=$(pwd)"
$git rev-parse -q --verify HEAD >/dev/null || die 'nothing is committed yet'
[ "$($git rev-parse --is-shallow-repository)" = false ] ||
	die 'this clone is shallow: git fetch --unshallow first'
[ -z "$($git status --porcelain --untracked-files=no)" ] ||
	say 'uncommitted changes are not part of it'

remove() { rm -rf --one-file-system "$dir" "$dir.bundle"; }
remove
[ "${FRESH_KEEP:-}" = 1 ] || trap remove EXIT
trap 'exit 130' INT TERM
$git bundle create -q "$dir.bundle" HEAD
status=0
unshare --mount --propagation private --pid --fork --kill-child \
	"$0" --in-namespace || status=$?
exit $status
