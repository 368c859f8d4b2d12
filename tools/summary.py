#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""summary.py FILE... - one sum of many test logs.

Takes the last line `N passed, N failed, N skipped` of each file and prints the sum as its own
last line.  A file without such a line counts as one failure and is named: a runner that died
must not look like a runner with nothing to say.  The exit status is 0 when something ran and
nothing failed.
"""

import re
import sys

TOTALS = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$")


def summary_of(path):
    """(passed, failed, skipped) of one log, or None when it has no summary line."""
    try:
        with open(path, encoding="utf-8", errors="replace") as log:
            found = [TOTALS.match(line.strip()) for line in log]
    except OSError as error:
        print(f"summary: {path}: {error.strerror}")
        return None
    found = [match for match in found if match]
    if not found:
        print(f"summary: {path}: has no summary line: its runner did not reach the end")
        return None
    return tuple(int(n) for n in found[-1].groups())


def main(paths):
    if not paths:
        sys.exit("usage: summary.py FILE...")
    passed, failed, skipped = map(sum, zip(*(summary_of(p) or (0, 1, 0) for p in paths)))
    if passed + failed + skipped == 0:
        print("summary: no test ran")
        failed = 1
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
