# SPDX-License-Identifier: MIT
# Tests of build/host/keel, if it is built; read by run.sh.  The oracle computes the regions again,
# in Python.

keel=$here/../../build/host/keel
oracle=$here/../oracle/regions.py
block=$work/block
RANDOM_BLOCKS=300
DAMAGED_BLOCKS=300

# make_block HEX: a file of these bytes.
make_block() {
	python3 -c 'import sys; sys.stdout.buffer.write(bytes.fromhex(sys.argv[1]))' "$1" >"$block"
}

# agrees BLOCK ADDRESS WANT: the program prints the oracle's regions; if none is usable, it fails.
agrees() {
	"$keel" regions "$1" --addr "$2" >"$work/said" 2>/dev/null
	code=$?
	if grep -q ' usable$' "$3"; then
		[ $code -eq 0 ] && diff "$3" "$work/said"
	else
		[ $code -eq 1 ] && [ ! -s "$work/said" ]
	fi
}

random_blocks_agree() {
	"$oracle" --random $RANDOM_BLOCKS "$work/random" || return 9
	for made in "$work"/random/*.bin; do
		agrees "$made" "$(cat "${made%.bin}.addr")" "${made%.bin}.want" || {
			echo "$made"
			return 1
		}
	done
}

real_block_agrees() {
	"$oracle" "$1" "$(cat "${1%.bin}.addr")" >"$work/want" || return 9
	agrees "$1" "$(cat "${1%.bin}.addr")" "$work/want"
}

# The output is a map, or one line with the reason; the program never crashes.
damaged_blocks_are_survived() {
	"$oracle" --damage $DAMAGED_BLOCKS "$work/damaged" || return 9
	for made in "$work"/damaged/*.bin; do
		"$keel" regions "$made" --addr 0x1000 >"$work/said" 2>"$work/why"
		code=$?
		if [ $code -eq 0 ]; then
			grep -q ' usable$' "$work/said" || return 1
		elif [ $code -ne 1 ] || [ -s "$work/said" ] ||
			[ "$(grep -cv '^keel: warning: ' "$work/why")" -ne 1 ]; then
			echo "$made: status $code"
			cat "$work/why"
			return 1
		fi
	done
}

# The bytes of a block: tags, and entries of a map.
END_TAG='00000000 08000000'
MMAP='06000000 28000000 18000000 00000000'
MMAP_2='06000000 40000000 18000000 00000000'
USABLE_1M='0000000000000000 0000100000000000 01000000 00000000'
RESERVED_1M='0000000000000000 0000100000000000 02000000 00000000'
EMPTY='0000000000000000 0000000000000000 01000000 00000000'

keel_tests() {
	expect keel_without_arguments_prints_its_usage 1 '^usage: keel regions FILE --addr 0xHEX' "$keel"
	expect keel_without_a_file_prints_its_usage 1 '^usage: ' "$keel" regions
	expect keel_without_an_address_prints_its_usage 1 '^usage: ' "$keel" regions "$block"
	expect keel_with_another_option_prints_its_usage 1 '^usage: ' "$keel" regions "$block" --at 0x1
	expect keel_unknown_command_prints_its_usage 1 '^usage: ' "$keel" frobnicate "$block"
	expect keel_help 0 '^acpi +print one ACPI table' "$keel" help

	make_block "38000000 00000000 $MMAP $USABLE_1M $END_TAG"
	expect keel_regions_prints_a_line_each 0 '^0x0 0x1000 usable$' \
		"$keel" regions "$block" --addr 0x1003
	expect keel_regions_are_half_open_and_exact 0 '^0x1003 0x103b boot-info$' \
		"$keel" regions "$block" --addr 0x1003
	expect keel_regions_are_trimmed 0 '^0x103b 0x2000 reserved$' \
		"$keel" regions "$block" --addr 0x1003
	expect keel_regions_accepts_the_option_first 0 '^0x2000 0x100000 usable$' \
		"$keel" regions --addr 0x1003 "$block"
	for bad in '' 0x 1000 0x1g 0x1k 1M -0x1 0x10000000000000000; do
		expect "keel_regions_refuses_the_address_'$bad'" 1 '^keel: --addr: ' \
			"$keel" regions "$block" --addr "$bad"
	done
	expect keel_regions_refuses_a_block_at_the_end_of_memory 1 'wraps around the end of the address space' \
		"$keel" regions "$block" --addr 0xffffffffffffffff
	expect keel_regions_reports_a_full_disk 1 'standard output: No space' \
		sh -c "'$keel' regions '$block' --addr 0x1000 >/dev/full"

	make_block "38000000 00000000 $MMAP $RESERVED_1M $END_TAG"
	expect keel_regions_without_usable_memory 1 '^keel: .*: no usable memory$' \
		"$keel" regions "$block" --addr 0x1000
	make_block "50000000 00000000 $MMAP_2 $USABLE_1M $EMPTY $END_TAG"
	expect keel_regions_warns_on_standard_error 0 '^0x2000 0x100000 usable$' \
		sh -c "'$keel' regions '$block' --addr 0x1000 2>'$work/why'"
	expect keel_regions_warned 0 '^keel: warning: memory map: empty range' cat "$work/why"
	make_block "10000000 00000000 $END_TAG"
	expect keel_regions_without_a_map 1 '^keel: .*: no memory map$' \
		"$keel" regions "$block" --addr 0x1000
	: >"$block"
	expect keel_regions_of_an_empty_file 1 'not Multiboot2 information: shorter than' \
		"$keel" regions "$block" --addr 0x1000
	echo 'some text that is no block' >"$block"
	expect keel_regions_of_a_text 1 'not Multiboot2 information: ' \
		"$keel" regions "$block" --addr 0x1000
	expect keel_regions_of_no_file 1 'gone: cannot be read: No such file' \
		"$keel" regions "$work/gone" --addr 0x1000
	expect keel_regions_of_a_folder 1 'cannot be read: Is a directory' \
		"$keel" regions "$work" --addr 0x1000
	truncate -s 65M "$block"
	expect keel_regions_of_a_huge_file 1 'larger than 64 MiB' \
		"$keel" regions "$block" --addr 0x1000
	expect keel_regions_of_an_endless_file 1 'larger than 64 MiB' \
		"$keel" regions /dev/zero --addr 0x1000
	expect keel_acpi_of_a_huge_file 1 'larger than 64 MiB' "$keel" acpi "$block"
	expect keel_acpi_of_no_table 1 'not an ACPI table: ' "$keel" acpi "$oracle"

	expect keel_regions_random_blocks_agree_with_the_oracle 0 '' random_blocks_agree
	expect keel_regions_damaged_blocks_are_survived 0 '' damaged_blocks_are_survived
}

# The blocks and tables of real machines.
keel_data_tests() {
	for real in "$data"/mb2/*.bin; do
		expect "keel_regions_agrees_about_$(basename "$real" .bin)" 0 '' \
			real_block_agrees "$real"
	done
	for real in "$data"/acpi-qemu/*; do
		expect "keel_acpi_prints_$(basename "$real")" 0 ' bytes, oem ' "$keel" acpi "$real"
	done
}

if [ -x "$keel" ]; then
	keel_tests
	if [ -d "$data/mb2" ]; then
		keel_data_tests
	else
		skip keel_regions_agrees_about_real_blocks 'no shared data here'
	fi
else
	skip keel 'build/host/keel is not built'
fi
