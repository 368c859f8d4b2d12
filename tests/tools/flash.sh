# SPDX-License-Identifier: MIT
# Tests of tools/flash.sh on plain files with a synthetic /sys and /proc; read by run.sh.

disk_bytes=65536

# A removable, empty disk "sdx" with a partition "sdx1", and a system disk "sda" with "/".
flash_machine() {
	fresh_tree
	root=$work/tree
	mkdir -p "$root/dev" "$root/proc/self" "$root/sys/class/block"
	for disk in sda sdx; do
		case $disk in
		sda) place=pci0/ata1 major=8:0 removable=0 ;;
		sdx) place=pci0/host2 major=8:16 removable=1 ;;
		esac
		where=$root/sys/devices/$place/block/$disk
		mkdir -p "$where/holders" "$where/device" "$where/${disk}1/holders"
		ln -s "$where" "$root/sys/class/block/$disk"
		ln -s "$where/${disk}1" "$root/sys/class/block/${disk}1"
		echo $removable >"$where/removable"
		echo 0 >"$where/ro"
		echo $((disk_bytes / 512)) >"$where/size"
		echo 64 >"$where/${disk}1/size"
		echo 1 >"$where/${disk}1/partition"
		echo "$major" >"$where/dev"
		echo "${major}1" >"$where/${disk}1/dev"
		echo 'ACME    ' >"$where/device/vendor"
		echo "Stick of $disk" >"$where/device/model"
		head -c $disk_bytes /dev/zero >"$root/dev/$disk"
		: >"$root/dev/${disk}1"
	done
	sysx=$root/sys/class/block/sdx
	echo "22 1 8:01 / / rw - ext4 $root/dev/sda1 rw" >"$root/proc/self/mountinfo"
	echo "$root/dev/sda1 / ext4 rw 0 0" >"$root/proc/self/mounts"
	echo 'Filename Type Size Used Priority' >"$root/proc/swaps"
	head -c 10000 /dev/urandom >"$root/image"
	cp "$root/dev/sdx" "$root/before"
}
# flash ANSWER DEVICE
flash() {
	printf '%s\n' "$1" | env FLASH_SYS="$root/sys" FLASH_PROC="$root/proc" FLASH_KIND=-f \
		"$tools/flash.sh" "$root/image" "$root/dev/$2"
}
# refused NAME PATTERN [DEVICE]: nothing is written, even after a confirmation.
refused() {
	expect "flash_refuses_$1" 1 "$2" flash "${3:-sdx}" "${3:-sdx}"
	expect "flash_refusing_$1_writes_nothing" 0 '' cmp "$root/before" "$root/dev/sdx"
}

flash_machine
expect flash_writes_and_reads_back 0 '10000 bytes written and read back' flash sdx sdx
expect flash_wrote_the_image 0 '' cmp -n 10000 "$root/image" "$root/dev/sdx"
expect flash_wrote_no_more 0 '' cmp -i 10000 "$root/before" "$root/dev/sdx"
expect flash_left_the_size 0 "^$disk_bytes\$" stat -c %s "$root/dev/sdx"

flash_machine
expect flash_shows_what_it_writes_to 1 'sdx: ACME Stick of sdx, 0 MB' flash no sdx
expect flash_shows_partitions 1 '^  sdx1: ' flash no sdx
expect flash_requires_the_name_of_the_disk 1 'nothing was written' flash y sdx
expect flash_requires_an_answer 1 'nothing was written' env FLASH_SYS="$root/sys" \
	FLASH_PROC="$root/proc" FLASH_KIND=-f "$tools/flash.sh" "$root/image" "$root/dev/sdx"
expect flash_without_confirmation_writes_nothing 0 '' cmp "$root/before" "$root/dev/sdx"

refused the_system_disk 'built in' sda
echo 1 >"$root/sys/class/block/sda/removable"
refused a_system_disk_on_usb 'sda1 is mounted' sda
refused a_partition 'is a partition' sdx1
refused what_is_not_there 'no device' sdy

flash_machine
echo "40 1 8:161 / /media rw - vfat /dev/other rw" >>"$root/proc/self/mountinfo"
refused a_mounted_partition 'sdx1 is mounted'
flash_machine
echo "40 1 0:50 / /media rw - btrfs $root/dev/sdx rw" >>"$root/proc/self/mountinfo"
echo "$root/dev/sdx /media btrfs rw 0 0" >>"$root/proc/self/mounts"
refused a_disk_mounted_by_name 'sdx is mounted'
flash_machine
echo "$root/dev/sdx1 partition 100 0 -2" >>"$root/proc/swaps"
refused swap 'sdx1 is used as swap'
flash_machine
mkdir "$sysx/sdx1/holders/dm-0"
refused a_disk_below_a_layer 'in use by dm-0'
flash_machine
echo 1 >"$sysx/ro"
refused a_read_only_disk 'read-only'
flash_machine
echo 0 >"$sysx/size"
refused an_empty_card_reader 'no medium'
flash_machine
echo 10 >"$sysx/size"
refused a_disk_that_is_too_small 'holds 5120 bytes'

flash_machine
echo 0 >"$sysx/removable"
refused a_built_in_disk 'built in'
mkdir -p "$root/sys/devices/pci0/usb1/1-1"
mv "$root/sys/devices/pci0/host2/block" "$root/sys/devices/pci0/usb1/1-1/"
rm "$sysx" "${sysx}1"
ln -s "$root/sys/devices/pci0/usb1/1-1/block/sdx" "$sysx"
ln -s "$root/sys/devices/pci0/usb1/1-1/block/sdx/sdx1" "${sysx}1"
expect flash_accepts_a_usb_disk_that_is_not_removable 0 'read back' flash sdx sdx

flash_machine
expect flash_requires_a_block_device 1 'no block device' env FLASH_SYS="$root/sys" \
	FLASH_PROC="$root/proc" "$tools/flash.sh" "$root/image" "$root/dev/sdx"
expect flash_without_a_device_prints_its_usage 1 'make flash DEV=' "$tools/flash.sh" "$root/image" ''
# A disk that accepts bytes and returns others.
printf '#!/bin/sh\nexit 0\n' | put bin/dd
chmod +x "$work/tree/bin/dd"
lying() { printf 'sdx\n' | env PATH="$work/tree/bin:$PATH" FLASH_SYS="$root/sys" \
	FLASH_PROC="$root/proc" FLASH_KIND=-f "$tools/flash.sh" "$root/image" "$root/dev/sdx"; }
expect flash_detects_a_disk_that_returns_other_bytes 1 'reads back other bytes' lying
