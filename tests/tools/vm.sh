# SPDX-License-Identifier: MIT
# Tests of the monitor's `vm`, `spaces` and `pt N VA`, typed at the prompt of build/keel.elf, if
# it is built; read by run.sh.

vm_kernel=$here/../../build/keel.elf

# vm_boot ARGUMENT...: two CPUs and 128 MiB, into vm.log, for the tests that follow.
vm_boot() {
	"$here/smp.py" "$vm_kernel" 2 --qemu=-m --qemu=128M "$@" >"$work/vm.log" 2>&1 </dev/null
	echo $? >"$work/vm.status"
}
# vm_answer COMMAND: its output; the prompt still answers.
vm_answer() {
	awk -v command="> $1" '$0 == command { on = 1; next } /^> / { on = 0 } on && $0 != ""' \
		"$work/vm.log"
	return "$(cat "$work/vm.status")"
}
# vm_lines COMMAND: the number of lines of the whole list of extents.
vm_lines() { vm_answer "$1" | wc -l; }
# vm_is_without COMMAND PATTERN: there is an answer, and no line of it matches.
vm_is_without() {
	[ "$(vm_lines "$1")" -gt 0 ] && ! vm_answer "$1" | grep -E "$2"
}

vm_sequence_tests() {
	vm_boot --type 'vm new' --type 'vm map 10000000 1t rw 2m' --type 'spaces' \
		--type 'vm touch 10000000' --type 'vm touch 10001000 w' \
		--type 'vm touch 10200000 w 4m' --type 'vm guard 8000 8k' --type 'vm touch 9000' \
		--type 'spaces 1' --type 'pt 1 10001000' --type 'pt 1 9000' --type 'vm fork' \
		--type 'vm use 2' --type 'vm touch 10001000 r' --type 'vm touch 10001000 w 8' \
		--type 'vm touch 10200000 w 2m' --type 'vm use 1' \
		--type 'vm touch 10001000 r 8' --type 'vm touch 10001000 w 16' \
		--type 'spaces 2' --type 'vm protect 10000000 4m rx' --type 'vm touch 10003000 w' \
		--type 'vm unmap 10001000 4k' --type 'vm touch 10001000 r 16' \
		--type 'vm touch 20000000 w 512g' --type 'frames' --type 'vm free' \
		--type 'vm touch 10001000 r 24' --type 'vm free ' --type 'spaces 1 0' \
		--type buddy
	expect vm_new_is_empty_and_in_use 0 '^vm: new: space 1, in use$' vm_answer 'vm new'
	expect vm_map_reserves_1_tib_on_128_mib 0 \
		'^vm: map: space 1, 00000010000000-00010010000000, 1T$' \
		vm_answer 'vm map 10000000 1t rw 2m'
	expect vm_1_tib_takes_a_few_nodes 0 '^ +1 +1 - +0 +0 +0 +0 +0 +0 +1073741824 +0 +[3-6]$' \
		vm_answer spaces
	expect spaces_has_a_line_for_the_kernel 0 '^kernel +- all +[1-9][0-9]* ' vm_answer spaces
	expect vm_read_maps_the_zero_page 0 \
		': a page of 4K, the zero page, frame 0x[0-9a-f]+; reads 0$' \
		vm_answer 'vm touch 10000000'
	expect vm_write_maps_a_page_of_its_own 0 ': a page of 4K, zeroed, private, .*; writes 1$' \
		vm_answer 'vm touch 10001000 w'
	expect vm_writes_map_large_pages 0 '^vm: touch: 2 x 2M zeroed, private$' \
		vm_answer 'vm touch 10200000 w 4m'
	expect vm_guard_faults 0 '^vm: touch: read of 9000: nothing may be accessed there \(guard\)$' \
		vm_answer 'vm touch 9000'
	expect spaces_n_shows_a_guard 0 '^00000000008000-0000000000a000 +8K ---  guard$' \
		vm_answer 'spaces 1'
	expect spaces_n_shows_the_zero_page 0 \
		'^00000010000000-00000010001000 +4K rw-  zero page, 1 x 4K$' vm_answer 'spaces 1'
	expect spaces_n_shows_large_pages 0 '^00000010200000-00000010600000 +4M rw-  private, 2 x 2M$' \
		vm_answer 'spaces 1'
	expect spaces_n_shows_what_is_reserved 0 \
		'^00000010600000-00010010000000 +[0-9]+M rw-  zeros on demand, pages up to 2M$' \
		vm_answer 'spaces 1'
	expect spaces_n_joins_what_means_the_same 0 '^6$' vm_lines 'spaces 1'
	expect pt_n_walks_that_space 0 '^  PT\[1\] at 0x.*present, read, write, user, accessed, dirty' \
		vm_answer 'pt 1 10001000'
	expect pt_n_prints_the_meaning_of_the_entry 0 '^0000000000009000 .*: guard$' vm_answer 'pt 1 9000'

	expect vm_fork_leaves_the_parent_in_use 0 \
		'space 2 is a copy of space 1, which stays in use$' vm_answer 'vm fork'
	expect vm_child_reads_what_the_parent_wrote 0 ', unchanged, .*; reads 1$' \
		vm_answer 'vm touch 10001000 r'
	expect vm_child_writes_to_a_copy 0 '^vm: touch: 1 x 4K copied$' \
		vm_answer 'vm touch 10001000 w 8'
	expect vm_child_writes_to_all_parts_of_a_large_page 0 '^vm: touch: 512 x 4K copied$' \
		vm_answer 'vm touch 10200000 w 2m'
	expect vm_last_owner_reuses_the_frame 0 '^vm: touch: 1 x 4K reused$' \
		vm_answer 'vm touch 10001000 w 16'
	expect spaces_n_shows_what_is_to_be_copied 0 'rw-  copy-on-write, 1 x 2M$' vm_answer 'spaces 2'
	expect vm_protect_removes_the_right_to_write 0 \
		'^vm: touch: write of 10003000: the rights of the page do not allow it \(zeros' \
		vm_answer 'vm touch 10003000 w'
	expect vm_unmap_leaves_nothing 0 'nothing may be accessed there \(nothing is mapped\)$' \
		vm_answer 'vm touch 10001000 r 16'

	expect vm_touch_to_exhaustion_prints_the_error 0 '^vm: touch: write of [0-9a-f]+: no memory is left' \
		vm_answer 'vm touch 20000000 w 512g'
	expect vm_exhaustion_has_touched_what_it_could 0 '^vm: touch: [0-9]+ x 2M zeroed, private$' \
		vm_answer 'vm touch 20000000 w 512g'
	expect vm_exhaustion_loses_no_frame 0 ', difference 0$' vm_answer frames
	expect vm_free_goes_on_with_another 0 '^vm: free: space 1 ends; space 2 is in use$' \
		vm_answer 'vm free'
	expect vm_child_outlives_its_parent 0 '1 x 4K unchanged$' vm_answer 'vm touch 10001000 r 24'
	expect spaces_n_of_a_freed_space_is_an_error 0 '^spaces: there is no space 1; ' vm_answer 'spaces 1 0'
	expect vm_prompt_lives_after_exhaustion 0 '[0-9]' vm_answer buddy
}

# A wrong command prints one line, and changes nothing.
vm_refuses() {
	name=$1
	shift
	expect "vm_refuses_$name" 0 "$2" vm_answer "$1"
	expect "vm_refuses_${name}_in_one_line" 0 '^1$' vm_lines "$1"
}

vm_refusal_tests() {
	vm_boot --type 'vm frob' --type 'vm map 1000 4k' --type 'vm fork' --type 'vm free' \
		--type 'vm touch 1000' --type 'vm new' --type 'vm new now' \
		--type 'vm map 10000000 8k rw' --type 'vm map' --type 'vm map 10000000' \
		--type 'vm map zz 4k' --type 'vm map 20000000 4q' --type 'vm map 20000000 0' \
		--type 'vm map 20000001 4k' --type 'vm map 20000000 100' --type 'vm map 0 8k' \
		--type 'vm map ffff800000000000 4k' --type 'vm map 20000000 16777215t' \
		--type 'vm map 20000000 4k wx' --type 'vm map 20000000 4k rw 3m' \
		--type 'vm map 20000000 4k r 4k rw' --type 'vm map 10001000 8k' \
		--type 'vm guard 10000000 4k' --type 'vm protect 10000000 4k' \
		--type 'vm protect 10000000 4k xyz' --type 'vm touch' --type 'vm touch 10000004' \
		--type 'vm touch 10000000 x' --type 'vm touch 10000000 r 0' --type 'vm use' \
		--type 'vm use x' --type 'vm use 99' --type 'vm use 4294967297' \
		--type 'pt 99 1000' --type 'spaces 1 zz' --type 'spaces 1' --type vm
	vm_refuses another_verb 'vm frob' '^vm: there is no `frob`; `vm` lists what there is$'
	vm_refuses to_map_without_a_space 'vm map 1000 4k' 'no scratch space; `vm new` makes one$'
	vm_refuses to_fork_without_a_space 'vm fork' 'no scratch space; `vm new` makes one$'
	vm_refuses to_free_without_a_space 'vm free' 'there is no scratch space$'
	vm_refuses to_touch_without_a_space 'vm touch 1000' 'no scratch space; `vm new` makes one$'
	vm_refuses a_word_too_much 'vm new now' '^vm: new: unexpected argument `now`$'
	vm_refuses nothing 'vm map' 'address and size are needed'
	vm_refuses no_size 'vm map 10000000' 'address and size are needed'
	vm_refuses a_bad_address 'vm map zz 4k' '`zz` is no address$'
	vm_refuses a_bad_size 'vm map 20000000 4q' '`4q` is no size;'
	vm_refuses an_empty_range 'vm map 20000000 0' 'at least one page$'
	vm_refuses an_odd_address 'vm map 20000001 4k' 'must be multiples of 4K$'
	vm_refuses an_odd_size 'vm map 20000000 100' 'must be multiples of 4K$'
	vm_refuses the_null_page 'vm map 0 8k' 'the page of address 0 stays empty$'
	vm_refuses the_kernels_half 'vm map ffff800000000000 4k' 'the range must end below '
	vm_refuses a_range_that_is_too_long 'vm map 20000000 16777215t' 'the range must end below '
	vm_refuses writing_without_reading 'vm map 20000000 4k wx' '`wx` is neither rights'
	vm_refuses another_page_size 'vm map 20000000 4k rw 3m' '`3m` is neither rights .* nor a page'
	vm_refuses a_fifth_word 'vm map 20000000 4k r 4k rw' 'unexpected argument `rw`$'
	vm_refuses what_is_mapped 'vm map 10001000 8k' 'something is already mapped.*nothing has changed'
	vm_refuses a_guard_over_it 'vm guard 10000000 4k' 'something is already mapped'
	vm_refuses to_protect_with_nothing 'vm protect 10000000 4k' 'rights are needed'
	vm_refuses other_rights 'vm protect 10000000 4k xyz' 'rights are needed'
	vm_refuses to_touch_nothing 'vm touch' '^vm: touch: as in '
	vm_refuses to_touch_an_odd_word 'vm touch 10000004' 'must be a multiple of 8'
	vm_refuses another_access 'vm touch 10000000 x' '^vm: touch: as in '
	vm_refuses to_touch_no_byte 'vm touch 10000000 r 0' '^vm: touch: as in '
	vm_refuses to_use_nothing 'vm use' 'the number of a space is needed'
	vm_refuses a_bad_number 'vm use x' '`x` is no number of a space$'
	vm_refuses a_space_that_is_not 'vm use 99' 'there is no space 99; '
	vm_refuses a_number_that_wraps 'vm use 4294967297' 'there is no space 4294967297; '
	vm_refuses to_walk_what_is_not 'pt 99 1000' '^pt: there is no space 99; '
	vm_refuses a_bad_start 'spaces 1 zz' '^usage: spaces '
	expect vm_refusals_change_nothing 0 \
		'^00000010000000-00000010002000 +8K rw-  zeros on demand, pages of 4K$' vm_answer 'spaces 1'
	expect vm_refusals_add_nothing 0 '^1$' vm_lines 'spaces 1'
	for verb in new map guard unmap protect touch fork use free; do
		expect "vm_lists_$verb" 0 "^  vm $verb " vm_answer vm
	done
}

# Free returns all frames: as much is available as before.
vm_ledger_tests() {
	vm_boot --type 'vm new' --type 'vm map 10000000 1g rw 2m' --type 'vm touch 10000000 w 64m' \
		--type 'vm fork' --type 'vm touch 10000000 w 8m' --type 'vm free' --type 'vm free ' \
		--type frames --type help --type 'vm new ' --type 'vm map 10000000 1m rw' \
		--type 'vm touch 10000000 w 256k' --type 'vm touch 10000000 w 512k' \
		--append page_owner=on --type leaks
	expect vm_touch_counts_pages_of_fault_around_as_made 0 \
		'^vm: touch: 64 x 4K zeroed, private, 57 of them by fault-around$' \
		vm_answer 'vm touch 10000000 w 256k'
	expect vm_touch_calls_none_of_them_unchanged 0 '^1$' vm_lines 'vm touch 10000000 w 256k'
	expect vm_touch_of_mapped_pages_changes_nothing 0 '^vm: touch: 96 x 4K unchanged$' \
		vm_answer 'vm touch 10000000 w 512k'
	expect vm_touch_counts_every_page 0 \
		'^vm: touch: 32 x 4K zeroed, private, 31 of them by fault-around$' \
		vm_answer 'vm touch 10000000 w 512k'
	expect leaks_names_call_sites 0 '^ *[0-9]+ objects +[0-9]+ bytes by [a-z_]+\+0x[0-9a-f]+,' \
		vm_answer leaks
	expect vm_free_returns_every_frame 0 '' vm_is_without frames '^  user '
	expect help_lists_vm 0 '^  vm +VERB' vm_answer help
	expect help_lists_spaces 0 '^  spaces ' vm_answer help
	expect help_lists_pt 0 '^  pt +\[N\] VA' vm_answer help
}

# After a panic the monitor still knows the space that was loaded.
vm_panic_tests() {
	vm_boot --type 'crash user' --type spaces --type 'vm new' --type 'vm map 10000000 8k' \
		--type 'vm touch 10000000 w 8k'
	expect vm_panic_keeps_the_space_loaded 0 '^ +1 +1 0 ' vm_answer spaces
	expect vm_works_after_a_panic 0 '^vm: touch: 2 x 4K zeroed' vm_answer 'vm touch 10000000 w 8k'
}

if [ -f "$vm_kernel" ]; then
	vm_sequence_tests
	vm_refusal_tests
	vm_ledger_tests
	vm_panic_tests
else
	skip vm 'build/keel.elf is not built'
fi
