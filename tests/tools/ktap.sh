# SPDX-License-Identifier: MIT
# Tests of tools/ktap.py, and of tools/ktest.py's verdicts on a machine's output; read by run.sh.

# ktap STATEMENTS: run them with all names of tools/ktap.py.
ktap() { PYTHONPATH=$tools python3 -B -c "from ktap import *
$1"; }
# ktap_line LINE: the event that it parses to.
ktap_line() {
	PYTHONPATH=$tools python3 -B -c 'import ktap, sys; print(ktap.parse(sys.argv[1]))' "$1"
}

expect ktap_header_is_read 0 '^Header\(\)$' ktap_line 'KTAP version 1'
expect ktap_header_may_follow_what_a_firmware_prints 0 '^Header' ktap_line 'Booting KTAP version 1'
expect ktap_other_version_is_no_header 0 '^None$' ktap_line 'KTAP version 2'
expect ktap_plan_is_read 0 '^Plan\(count=12\)$' ktap_line '1..12'
expect ktap_passed_result_is_read 0 \
	"^Result\(number=3, name='a_test', verdict='passed', comment='', diagnostics=\[\]\)$" \
	ktap_line 'ok 3 a_test'
expect ktap_failed_result_is_read 0 "number=12, name='a', verdict='failed', comment='a.c, SEED=1'" \
	ktap_line 'not ok 12 a # a.c, SEED=1'
expect ktap_dash_is_no_part_of_the_name 0 "name='a b', verdict='passed'" ktap_line 'ok 1 - a b'
for skip in SKIP skip Skip; do
	expect "ktap_result_with_${skip}_is_skipped" 0 "verdict='skipped', comment='$skip no data'" \
		ktap_line "ok 1 a # $skip no data"
done
expect ktap_other_comment_is_no_skip 0 "verdict='passed', comment='SKIPPING'" \
	ktap_line 'ok 1 a # SKIPPING'
expect ktap_failure_is_never_skipped 0 "verdict='failed'" ktap_line 'not ok 1 a # SKIP no data'
expect ktap_carriage_return_is_no_part_of_a_line 0 "comment='SKIP x'" \
	ktap_line "$(printf 'ok 1 a # SKIP x\r')"
expect ktap_result_without_a_number_is_none 0 '^None$' ktap_line 'ok a'
expect ktap_result_of_a_subtest_is_none 0 '^None$' ktap_line '  not ok 1 a'
expect ktap_summary_is_read 0 '^7 passed, 2 failed, 1 skipped$' \
	ktap_line '7 passed, 2 failed, 1 skipped'
expect ktap_line_with_text_after_a_summary_is_none 0 '^None$' ktap_line '7 passed, 2 failed, 1 skipped.'
expect ktap_diagnostic_is_read 0 "^Diagnostic\(text=' status 1'\)$" ktap_line '#  status 1'
expect ktap_other_text_is_nothing 0 '^None$' ktap_line 'keel: 1 CPU'

expect ktap_result_gets_the_diagnostics_before_it 0 "^\[\['one', 'two'\], \[\]\]$" ktap '
reader = Reader()
events = [reader.line(line) for line in ("# one", "# two", "not ok 1 a", "ok 2 b")]
print([event.diagnostics for event in events[2:]])'
expect ktap_counts_are_summed 0 '^4 passed, 1 failed, 3 skipped$' ktap '
print(sum([Counts(1, 0, 3), Counts(3, 1, 0)], Counts()))'
expect ktap_glob_list_matches_each_of_its_globs 0 '^True True False$' ktap '
print(matches("zone_a", "heap*,zone*"), matches("heap", "heap*, zone*"), matches("azone", "zone*"))'

# ktap_run TESTS: as a tool runs its tests; durations are removed.
ktap_run() {
	ktap "
import sys
def fails(): raise ValueError('first\nsecond')
def lacks(): raise KeyError('qemu')
def says(): return 'balance: 0'
sys.exit(run_all({$1}, (ValueError, OSError), KeyError))" >"$work/ktap.out"
	ended=$?
	sed -E 's/ # [0-9]+\.[0-9] s$//' "$work/ktap.out"
	return $ended
}
ktap_is() { printf '%b' "$1" | diff - "$work/ktap.plain"; }
ktap_run '"a": says, "b": fails, "c": lacks' >"$work/ktap.plain"
expect ktap_run_prints_a_stream 0 '' ktap_is "KTAP version 1\n1..3\n# balance: 0\nok 1 a
# first\n# second\nnot ok 2 b\nok 3 c # SKIP not installed: 'qemu'
1 passed, 1 failed, 1 skipped\n"
expect ktap_run_prints_the_duration_of_a_test 0 '^ok 1 a # [0-9]+\.[0-9] s$' cat "$work/ktap.out"
expect ktap_run_fails_with_a_test 1 '^1 passed, 1 failed, 0 skipped$' \
	ktap_run '"a": says, "b": fails'
expect ktap_run_passes_with_all_tests 0 '^1 passed, 0 failed, 1 skipped$' \
	ktap_run '"a": says, "c": lacks'
expect ktap_run_of_nothing_fails 1 '^0 passed, 0 failed, 0 skipped$' ktap_run ''
expect ktap_run_prints_other_exceptions 1 'ZeroDivisionError' \
	ktap 'run_all({"a": lambda: 1 / 0}, ValueError)'

# judge LINE...: tools/ktest.py's verdict of those lines.
judge() {
	PYTHONPATH=$tools python3 -B -c '
import ktest, sys
judge = ktest.Judge(print)
for line in sys.argv[1:]:
    judge.line(line)
print(judge.counts, judge.planned, judge.panic)
sys.exit(ktest.print_stats(judge))' "$@"
}
expect ktest_failure_is_printed_with_its_diagnostics 1 '^# a.c:1: 3 < 4$' \
	judge 'KTAP version 1' 1..1 '# a.c:1: 3 < 4' 'not ok 1 a' '0 passed, 1 failed, 0 skipped'
expect ktest_panic_is_a_diagnostic_of_the_failure 1 '^# keel: panic: bad$' \
	judge 'KTAP version 1' 1..1 'keel: panic: bad' 'not ok 1 a'
expect ktest_panic_ends_with_a_result 0 '^1 passed, 0 failed, 0 skipped 1 None$' \
	judge 'KTAP version 1' 1..1 'keel: panic: expected' 'ok 1 a'
expect ktest_diagnostics_of_passed_tests_are_not_printed 0 '^1 passed, 0 failed, 0 skipped$' \
	judge 'KTAP version 1' 1..1 '# fine' 'ok 1 a'
expect ktest_skip_is_printed 0 '^ok 1 a # SKIP one CPU$' \
	judge 'KTAP version 1' 1..1 'ok 1 a # SKIP one CPU'
expect ktest_interrupts_off_time_is_printed 0 '^# CPU 0: interrupts off for at most 3 us$' \
	judge 'KTAP version 1' 1..1 'ok 1 a' '# CPU 0: interrupts off for at most 3 us'
expect ktest_missing_result_is_a_failure 1 '^1 passed, 1 failed, 0 skipped$' \
	judge 'KTAP version 1' 1..2 'ok 1 a'
expect ktest_results_come_in_order 1 '^ktest: result 2 came where 1 was due$' \
	judge 'KTAP version 1' 1..1 'ok 2 a'
expect ktest_second_start_is_a_failure 1 '^ktest: the machine started a second time$' \
	judge 'KTAP version 1' 1..1 'KTAP version 1' 'ok 1 a'
expect ktest_other_summary_is_a_failure 1 '^ktest: the kernel counted 2 passed, 0 failed, 0 skipped; ' \
	judge 'KTAP version 1' 1..1 'ok 1 a' '2 passed, 0 failed, 0 skipped'
expect ktest_lines_before_the_header_are_no_results 0 '^0 passed, 0 failed, 0 skipped 0 None$' \
	judge 'ok 1 a' 'KTAP version 1' 1..0
