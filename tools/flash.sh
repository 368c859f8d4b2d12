#!/bin/sh
# SPDX-License-Identifier: MIT
#
# flash.sh IMAGE DEVICE - write the boot image to a USB stick or memory card, and read it back.
#
# Accepts only a whole disk that can be taken out (removable, on USB, or a memory card) and is not in
# use: not mounted, not swap, without a layer (LVM, RAID, encryption) on top, not opened by the
# kernel in any other way.  So it never writes to the disk that this system runs from.  Shows the
# disk and its partitions, requires its name as confirmation, writes, and compares.
#
#   FLASH_SYS, FLASH_PROC, FLASH_KIND   for tests: other folders than /sys and /proc, another
#                                       test(1) than -b for a block device
set -eu
export LC_ALL=C

sys=${FLASH_SYS:-/sys}
proc=${FLASH_PROC:-/proc}
kind=${FLASH_KIND:--b}
SECTOR=512 # /sys counts in this unit, whatever the disk's sector size

die() {
	echo "flash: $*" >&2
	exit 1
}

case $#:${2:-} in
2:?*) ;;
*) die 'usage: make flash DEV=/dev/sdX' ;;
esac
image=$1
[ -f "$image" ] || die "no image $image"
device=$(readlink -f -- "$2") || die "no device $2"
[ -e "$device" ] || die "no device $2"
test "$kind" "$device" || die "$device is no block device"
name=$(basename "$device")
disk=$sys/class/block/$name
[ -d "$disk" ] || die "$device is unknown to $sys"

# attribute NAME: an attribute of the disk in /sys, or nothing.
attribute() {
	[ ! -r "$disk/$1" ] || sed 's/[^[:print:]]//g; s/  */ /g; s/^ //; s/ $//' "$disk/$1"
}

# The names of the disk and its partitions, one a line.
parts() {
	echo "$name"
	for part in "$disk"/*/partition; do
		[ ! -e "$part" ] || basename "$(dirname "$part")"
	done
}

# Whether a file of one device a line, in field $2, names the device $3.
uses() {
	awk -v field="$2" -v wanted="$3" '$field == wanted { found = 1 } END { exit !found }' "$1"
}

refuse_used() {
	for part in $(parts); do
		node=$(dirname "$device")/$part
		number=$(cat "$sys/class/block/$part/dev")
		# by number, and by name for file systems over several disks
		if uses "$proc/self/mountinfo" 3 "$number" || uses "$proc/self/mounts" 1 "$node"; then
			die "$node is mounted: unmount it first"
		fi
		! uses "$proc/swaps" 1 "$node" || die "$node is used as swap"
		for holder in "$sys/class/block/$part/holders"/*; do
			[ ! -e "$holder" ] || die "$node is in use by $(basename "$holder")"
		done
	done
}

can_be_taken_out() {
	[ "$(attribute removable)" != 1 ] || return 0
	case $(readlink -f "$disk") in
	*/usb[0-9]*/*) return 0 ;;
	*/mmc_host/*) [ "$(attribute device/type)" = SD ] ;;
	*) return 1 ;;
	esac
}

[ ! -e "$disk/partition" ] || die "$device is a partition: name the whole disk"
can_be_taken_out || die "$device is built in, not a USB stick or memory card"
[ "$(attribute ro)" != 1 ] || die "$device is read-only"
refuse_used
bytes=$(stat -c %s "$image")
room=$(($(attribute size) * SECTOR))
[ "$room" -gt 0 ] || die "$device holds no medium"
[ "$bytes" -le "$room" ] || die "$device holds $room bytes, the image has $bytes"
[ -w "$device" ] || die "$device is not yours to write: as root, or sudo make flash DEV=$device"

echo "$image ($bytes bytes) will be written to"
echo "  $device: $(attribute device/vendor) $(attribute device/model), $((room / 1000000)) MB"
for part in $(parts); do
	[ "$part" = "$name" ] ||
		echo "  $part: $(($(cat "$sys/class/block/$part/size") * SECTOR / 1000000)) MB"
done
echo 'All that is on it will be lost.'
printf 'Type %s to go on: ' "$name"
read -r answer || answer=
echo
[ "$answer" = "$name" ] || die 'nothing was written'

# It may have been mounted before the answer came.
refuse_used
# An exclusive open fails while anything uses the disk.
python3 -c 'import os, sys; os.close(os.open(sys.argv[1], os.O_RDWR | os.O_EXCL))' "$device" \
	2>/dev/null || die "$device is in use"
dd if="$image" of="$device" bs=1M conv=notrunc,fsync status=none || die "writing $device failed"
# What is read back must come from the disk: the kernel's copies are dropped.
[ ! -b "$device" ] || blockdev --flushbufs "$device"
cmp -n "$bytes" "$image" "$device" || die "$device reads back other bytes than were written"
echo "flash: $bytes bytes written and read back. Take $device out when its light is off."
