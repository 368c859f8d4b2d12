# SPDX-License-Identifier: MIT
# Tests of tools/tier.py: what is added up and what counts as a failure, that steps run side by
# side, and that the samples together are all; read by run.sh.

fresh_tree
cat >"$work/tree/good" <<'END'
echo 'ok 1 a # SKIP no disk'; echo '# why'; echo '2 passed, 0 failed, 1 skipped'
END
cat >"$work/tree/bad" <<'END'
echo '# a.c:3: 1 is not 2'; echo 'not ok 1 b'; echo '3 passed, 1 failed, 0 skipped'; exit 1
END
echo 'echo "1 passed, 0 failed, 0 skipped"; exit 3' >"$work/tree/liar"
echo 'echo "ok 1 a"; exit 0' >"$work/tree/cut"
echo 'echo "0 passed, 0 failed, 0 skipped"; exit 1' >"$work/tree/none"
echo "sleep 60 & echo \$! >$work/tree/sleeper; wait" >"$work/tree/hang"
# Each waits for the other: they end only when both run.
for one in here there; do
	other=$([ $one = here ] && echo there || echo here)
	cat >"$work/tree/$one" <<END
touch $work/tree/$one.on
for i in 1 2 3 4 5 6 7 8 9 10; do [ -e $work/tree/$other.on ] && break; sleep 0.5; done
[ -e $work/tree/$other.on ] && echo '1 passed, 0 failed, 0 skipped'
END
done

# tier OPTION... -- STEP...: those steps, in a folder of their own.
tier() {
	options=
	while [ "$1" != -- ]; do
		options="$options $1"
		shift
	done
	shift
	for step; do
		options="$options --step=$step=sh\ $work/tree/$step"
	done
	(cd "$work/tree" && eval "$tools/tier.py" test "$options")
}
tier_last_line() { tier "$@" | tail -n 1; }

expect tier_adds_up 0 '^4 passed, 0 failed, 2 skipped$' tier --cpus=1 -- good good
expect tier_ends_with_the_sum 0 '^3 passed, 2 failed, 0 skipped$' tier_last_line -- bad cut
expect tier_failure_is_the_status 1 '^5 passed, 1 failed, 1 skipped$' tier -- good bad
expect tier_shows_a_failure_with_its_place 1 '^  # a.c:3: 1 is not 2$' tier -- bad
expect tier_shows_a_skip 0 '^  ok 1 a # SKIP no disk$' tier -- good
expect tier_step_without_a_sum_is_a_failure 1 '^2 passed, 1 failed, 1 skipped$' tier -- good cut
expect tier_status_without_a_failed_test_is_a_failure 1 \
	'^# liar: 1 passed, 1 failed, .*; status 3 without a failed test$' tier -- liar
expect tier_no_test_is_a_failure 1 '^0 passed, 1 failed, 0 skipped$' tier -- none
expect tier_some_without_a_test_are_none_where_that_is_meant 0 '^2 passed, 0 failed, 1 skipped$' \
	tier --may-be-empty -- good none
expect tier_nothing_at_all_is_a_failure_even_then 1 '^0 passed, 1 failed, 0 skipped$' \
	tier --may-be-empty -- none
expect tier_steps_run_side_by_side 0 '^2 passed, 0 failed' tier --cpus=2 -- here there
expect tier_step_that_hangs_is_stopped 1 '^# hang: 0 passed, 1 failed, .*; stopped after 1.0 s$' \
	tier --seconds=1 -- hang
# Dead, whether its parent has waited for it or not.
tier_sleeper_state() { sed 's/.*) \(.\).*/\1/' "/proc/$(cat "$work/tree/sleeper")/stat" || echo Z; }
expect tier_stops_what_a_step_started 0 '^[ZX]$' tier_sleeper_state

# tier_plan SAMPLE: the steps of that sample, `NAME: make ... KEY=a,b`.
tier_plan() { (cd "$here/../.." && SAMPLE=$1 tools/tier.py ci --plan); }
# tier_part STEP KEY SAMPLE...: the words of a list in a step of those samples, sorted.
tier_part() {
	step=$1 key=$2
	shift 2
	for sample; do
		tier_plan "$sample" | sed -n "s/^$step: .*'\{0,1\}$key=\([^ ']*\).*/\1/p"
	done | tr , '\n' | sort
}
tier_kernels() {
	for sample; do
		tier_plan "$sample" | grep -o '^kernel-[^:]*'
	done | sort -u
}
tier_count() { "$@" | wc -l; }

expect tier_names_its_sample 0 '^# sample 5, given; SAMPLE=5 repeats it$' tier_plan 5
expect tier_sample_takes_the_same_again 0 '' \
	sh -c "cd '$here/../..' && SAMPLE=9 tools/tier.py ci --plan >'$work/one' &&
		SAMPLE=9 tools/tier.py ci --plan | cmp - '$work/one'"
expect tier_samples_take_every_mutant 0 '' sh -c "[ '$(tier_part mutate PART 0 1 2 3 4 5 6 |
	xargs)' = '1/7 2/7 3/7 4/7 5/7 6/7 7/7' ]"
tier_scenarios=$(cat "$here"/../explore/scenario/*.c | grep -c '^EXPLORE(')
expect tier_samples_take_every_scenario_once 0 "^$tier_scenarios\$" \
	tier_count tier_part explore T 0 1
expect tier_scenarios_are_apart 0 '' sh -c "[ -z '$(tier_part explore T 0 1 | uniq -d)' ]"
expect tier_samples_take_every_machine_once 0 '^10$' tier_count tier_part shows T 0 1 2
tier_all_kernels=$( (cd "$here/../.." && tools/tier.py full --plan) | grep -c '^kernel-')
# without Bochs, which takes too long
expect tier_samples_take_every_kernel 0 "^$((tier_all_kernels - 1))\$" tier_count tier_kernels 0 1 2
