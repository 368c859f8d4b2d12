# SPDX-License-Identifier: MIT
# Tests of tools/summary.py; read by run.sh.

fresh_tree
printf 'ok 1 a\n2 passed, 0 failed, 1 skipped\n' | put good
printf '9 passed, 9 failed, 9 skipped\nagain\n3 passed, 0 failed, 0 skipped\r\n' | put twice
printf 'ok 1 a\nnot ok 2 b\n1 passed, 1 failed, 0 skipped\n' | put bad
printf 'ok 1 a\nSegmentation fault\n' | put cut
printf '0 passed, 0 failed, 0 skipped\n' | put none
t=$work/tree

expect summary_is_summed_from_the_last_line 0 '^5 passed, 0 failed, 1 skipped$' \
	"$tools/summary.py" "$t/good" "$t/twice"
expect summary_failure_is_the_status 1 '^3 passed, 1 failed, 1 skipped$' \
	"$tools/summary.py" "$t/good" "$t/bad"
expect summary_log_without_summary_is_a_failure 1 '^2 passed, 1 failed, 1 skipped$' \
	"$tools/summary.py" "$t/good" "$t/cut"
expect summary_log_without_summary_is_named 1 'cut: has no summary line' \
	"$tools/summary.py" "$t/good" "$t/cut"
expect summary_missing_log_is_a_failure 1 '^0 passed, 1 failed, 0 skipped$' \
	"$tools/summary.py" "$t/absent"
expect summary_no_test_is_a_failure 1 'no test ran' "$tools/summary.py" "$t/none"
expect summary_requires_a_file 1 'usage' "$tools/summary.py"
