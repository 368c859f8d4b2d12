#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""summary.py FILE... - the sum of many test logs.

Takes the last line `N passed, N failed, N skipped` of each file and prints the sum as its own
last line.  A file without such a line counts as one failure and is named: a runner that died
must not count as a runner without results.  The exit status is 0 when something ran and
nothing failed.
"""

import sys

sys.dont_write_bytecode = True  # nothing is written beside the sources

import ktap


def summary_of(path):
    """The counts of one log; one failure when it has no summary line."""
    lost = ktap.Counts(failed=1)
    try:
        with open(path, encoding="utf-8", errors="replace") as log:
            found = [event for event in map(ktap.parse, log) if isinstance(event, ktap.Counts)]
    except OSError as error:
        print(f"summary: {path}: {error.strerror}")
        return lost
    if not found:
        print(f"summary: {path}: has no summary line: its runner did not reach the end")
        return lost
    return found[-1]


def main(paths):
    if not paths:
        sys.exit("usage: summary.py FILE...")
    counts = sum(map(summary_of, paths), ktap.Counts())
    if counts.count() == 0:
        print("summary: no test ran")
        counts.failed = 1
    print(counts)
    return 1 if counts.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
