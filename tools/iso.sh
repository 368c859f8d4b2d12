#!/bin/sh
# SPDX-License-Identifier: MIT
#
# iso.sh - one boot image: CD and USB stick, BIOS and UEFI, the same bytes every time.
#
#   tools/iso.sh KERNEL.elf OUT.iso ["COMMAND LINE"]
#
#   SUITE=path                 another kernel, with the test suite: the second entry of the boot menu
#   MODULES="path ..."         boot modules, in this order; each gets its file name as its string
#   VIDEO=640x480x16           the video mode to request, instead of that of the kernel's header
#   SOURCE_DATE_EPOCH=seconds  the only date in the image (default 1700000000)
#   GRUB_LIB=folder            where GRUB's platform folders are (default /usr/lib/grub)
#
# grub-mkrescue puts the time and random serial numbers into its images, so the parts are made
# here: a GRUB core image per firmware, a FAT file system that holds the UEFI one, and an ISO
# file system around them.  All that must differ between two different images (disk GUID, FAT
# serial, the name of the marker file by which GRUB finds its own medium) is derived from a hash
# of the inputs.
#
# KERNEL.elf starts at once, unless Esc was pressed: then GRUB shows its menu.
#
# The command line is split into words at blanks; each word reaches the kernel as it stands,
# except that GRUB puts a backslash before quotes and backslashes.
set -euf
export LC_ALL=C TZ=UTC0
umask 022

die() {
	echo "iso.sh: $*" >&2
	exit 1
}

case $# in
2 | 3) ;;
*) die 'usage: [MODULES="path ..."] iso.sh KERNEL.elf OUT.iso ["COMMAND LINE"]' ;;
esac
kernel=$1
out=$2
cmdline=${3-}
suite=${SUITE-}
modules=${MODULES-}
video=${VIDEO-}
grub_lib=${GRUB_LIB-/usr/lib/grub}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1700000000}
export SOURCE_DATE_EPOCH

for tool in grub-mkimage grub-file install mformat mcopy xorriso sha256sum; do
	command -v "$tool" >/dev/null || die "$tool is not installed"
done
for part in i386-pc/cdboot.img i386-pc/boot_hybrid.img x86_64-efi/multiboot2.mod; do
	[ -f "$grub_lib/$part" ] || die "$grub_lib/$part is not there"
done
case $SOURCE_DATE_EPOCH in
*[!0-9]*) die "SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH is not a number of seconds" ;;
esac
case $cmdline in
*'
'*) die "the command line has more than one line" ;;
esac
for input in "$kernel" $suite $modules; do
	[ -f "$input" ] || die "no file $input"
done
for input in "$kernel" $suite; do
	grub-file --is-x86-multiboot2 "$input" ||
		die "$input has no Multiboot2 header that GRUB accepts"
done

scratch=$(mktemp -d "$(dirname "$out")/.iso.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
tree=$scratch/tree
mkdir -p "$tree/boot/grub/i386-pc" "$scratch/esp/EFI/BOOT"

# One GRUB word, safe from GRUB's own shell.
quote() {
	printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"
}

words=
for word in $cmdline; do
	words="$words $(quote "$word")"
done
n=0
module_lines=
for module in $modules; do
	install -m 644 "$module" "$tree/boot/module-$n"
	module_lines="$module_lines
	module2 /boot/module-$n $(quote "$(basename "$module")")"
	n=$((n + 1))
done

# The command multiboot2 sets it from the header, so it is set after that.
video_line=
if [ -n "$video" ]; then
	video_line="
	set gfxpayload=$(quote "$video")"
fi

# entry TITLE HOTKEY NAME WORDS: an entry of the menu for the kernel of that name in the tree.
entry() {
	echo "menuentry $(quote "$1") --hotkey=$2 {
	multiboot2 /boot/$3$4$module_lines$video_line
	boot
}"
}

install -m 644 "$kernel" "$tree/boot/keel.elf"
[ -z "$suite" ] || install -m 644 "$suite" "$tree/boot/ktest.elf"

{
	cat <<'END'
set timeout_style=hidden
set timeout=0
set default=0
if serial --unit=0 --speed=115200; then
	terminal_input console serial
	terminal_output console serial
fi
if [ "$grub_platform" = efi ]; then
	insmod all_video
fi
END
	entry keel k keel.elf "$words"
	[ -z "$suite" ] ||
		entry 'keel: run the test suite (ktest=*)' t ktest.elf " $(quote 'ktest=*')$words"
} >"$tree/boot/grub/grub.cfg"

# A hash of all inputs of the image.
image_id=$(
	{
		for input in "$kernel" $suite "$tree"/boot/grub/grub.cfg; do
			sha256sum <"$input"
		done
		for module in $modules; do
			sha256sum <"$module"
		done
		echo "$SOURCE_DATE_EPOCH"
	} | sha256sum | cut -c1-32
)
marker=/boot/$(printf '%s' "$image_id" | cut -c1-16).id
fat_serial=$(printf '%s' "$image_id" | cut -c1-8)
echo "$image_id" >"$tree$marker"

cat >"$scratch/early.cfg" <<END
search --no-floppy --set=root --file $marker
set prefix=(\$root)/boot/grub
END

both="boot configfile echo iso9660 multiboot2 normal part_gpt part_msdos search search_fs_file
      serial terminal test"
# shellcheck disable=SC2086 # a list of modules
grub-mkimage -d "$grub_lib/i386-pc" -O i386-pc -p /boot/grub -c "$scratch/early.cfg" \
	-o "$scratch/core.img" biosdisk vbe $both
cat "$grub_lib/i386-pc/cdboot.img" "$scratch/core.img" >"$tree/boot/grub/i386-pc/eltorito.img"
# shellcheck disable=SC2086
grub-mkimage -d "$grub_lib/x86_64-efi" -O x86_64-efi -p /boot/grub -c "$scratch/early.cfg" \
	-o "$scratch/esp/EFI/BOOT/BOOTX64.EFI" all_video fat $both

find "$scratch/esp" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +

# A FAT of whole tracks, with room for its own tables and two folders.
sector=512
track=$((32 * sector))
slack=131072
efi_image=$tree/boot/grub/efi.img
efi_bytes=$(stat -c %s "$scratch/esp/EFI/BOOT/BOOTX64.EFI")
tracks=$(((efi_bytes + slack) / track + 1))
fat_sectors=$((tracks * track / sector))
truncate -s $((fat_sectors * sector)) "$efi_image"
mformat -i "$efi_image" -T "$fat_sectors" -h 1 -s 32 -N "$fat_serial" -v KEELEFI ::
mcopy -i "$efi_image" -s -m -Q "$scratch/esp/EFI" ::

date=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d%H%M%S00)

# Without weights the order of the files in the image would follow their inode numbers.
weights=$scratch/weights
weight=1
find "$tree" -type f | sort -r | while read -r file; do
	echo "$weight ${file#"$tree"}"
	weight=$((weight + 1))
done >"$weights"

xorriso -as mkisofs -quiet -o "$scratch/out.iso" -r -V KEEL \
	--modification-date="$date" --set_all_file_dates "$date" --gpt_disk_guid "$image_id" \
	--sort-weight-list "$weights" \
	-b boot/grub/i386-pc/eltorito.img -no-emul-boot -boot-load-size 4 -boot-info-table \
	--grub2-boot-info --grub2-mbr "$grub_lib/i386-pc/boot_hybrid.img" \
	--protective-msdos-label \
	--efi-boot boot/grub/efi.img -efi-boot-part --efi-boot-image \
	"$tree" >"$scratch/xorriso.log" 2>&1 || {
	cat "$scratch/xorriso.log" >&2
	die "xorriso failed"
}
mv "$scratch/out.iso" "$out"
