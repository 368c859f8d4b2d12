# SPDX-License-Identifier: MIT
# Tests of the number of CPUs that start, and of the messages about the others; read by run.sh.
# Each boots build/keel.elf, if it is built, by PVH.  QEMU provides no missing IOAPIC, no CPU that is
# listed twice, and no 300 CPUs: tests/unit/topology.c tests those.

smp_kernel=$here/../../build/keel.elf

# smp_boot CPUS ARGUMENT...: into smp.log, for the tests that follow.
smp_boot() {
	"$here/smp.py" "$smp_kernel" "$@" >"$work/smp.log" 2>&1 </dev/null
	echo $? >"$work/smp.status"
}
smp_says() {
	cat "$work/smp.log"
	return "$(cat "$work/smp.status")"
}
# smp_says_nothing PATTERN: the prompt answered, and no line matches.
smp_says_nothing() {
	! grep -E "$1" "$work/smp.log" && [ "$(cat "$work/smp.status")" -eq 0 ]
}
# smp_apic_ids ID...: those, in the order of the CPUs' numbers.
smp_apic_ids() {
	got=$(sed -n '/^CPU  *APIC/,/^CPU  *off/s/^ *[0-9][0-9]*  *\([0-9][0-9]*\) .*/\1/p' "$work/smp.log")
	[ "$(echo "$got" | xargs)" = "$*" ] || { smp_says; return 9; }
}

smp_tests() {
	for n in 1 2 4 8; do
		smp_boot $n --type cpus
		expect "smp_${n}_report_themselves" 0 "^keel: $n CPUs?, xAPIC," smp_says
		# shellcheck disable=SC2046 # a word for each
		expect "smp_${n}_have_their_apic_ids" 0 '' smp_apic_ids $(seq 0 $((n - 1)))
		expect "smp_${n}_start_without_a_warning" 0 '' smp_says_nothing 'warning|disabled'
	done

	smp_boot 4 --append maxcpus=2 --type cpus
	expect smp_maxcpus_starts_so_many 0 '^keel: 2 CPUs, ' smp_says
	expect smp_maxcpus_starts_the_first_ones 0 '' smp_apic_ids 0 1
	smp_boot 4 --append nosmp --type cpus
	expect smp_nosmp_starts_no_other 0 '' smp_apic_ids 0

	smp_boot 4 --append cpu_hang=2 --type cpus
	expect smp_cpu_that_hangs_is_named 0 \
		'^keel: warning: the CPU with APIC 2 does not answer; going on without it$' smp_says
	expect smp_cpu_that_hangs_is_left_out 0 '^keel: 3 CPUs, ' smp_says
	expect smp_cpu_behind_one_that_hangs_starts 0 '' smp_apic_ids 0 1 3

	smp_boot 2 --qemu=-smp --qemu=2,maxcpus=4 --type cpus
	expect smp_disabled_cpus_are_counted 0 '^keel: MADT: 2 CPUs are disabled$' smp_says
	expect smp_disabled_cpus_are_not_started 0 '' smp_apic_ids 0 1

	smp_boot 4 --type cpus
	expect smp_starts_with_5_levels 0 ', 5 levels of paging, ' smp_says
	for off in --append=no5lvl --cpu=max,-la57; do
		smp_boot 4 "$off" --type cpus
		expect "smp_starts_with_4_levels_by_$off" 0 ', 4 levels of paging, ' smp_says
		expect "smp_all_start_with_4_levels_by_$off" 0 '' smp_apic_ids 0 1 2 3
	done

	smp_boot 4 --type 'crash null' --type bt --type 'pt ffffffff80210000' --type regions
	for cpu in 1 2 3; do
		expect "smp_panic_stops_cpu_$cpu" 0 \
			"^keel: CPU $cpu stopped at ffffffff8[0-9a-f]{7} .+\\+0x" smp_says
	done
	expect smp_panic_stops_without_complaint 0 '' smp_says_nothing 'does not stop'
	expect smp_panic_leaves_bt 0 '^keel:   ffffffff[0-9a-f]+ command_crash\+0x' smp_says
	expect smp_panic_leaves_pt 0 '^  PT\[16\] at 0x.*: 4 KiB page, frame 0x210' smp_says
	expect smp_panic_leaves_regions 0 '^usable: [0-9]+ KiB in all' smp_says
}

if [ -f "$smp_kernel" ]; then
	smp_tests
else
	skip smp 'build/keel.elf is not built'
fi
