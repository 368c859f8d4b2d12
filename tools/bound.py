#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""bound.py --iso ISO --objects FOLDER [--log FILE] - how many instructions run with interrupts off?

Boots the suite of MODE=bound in QEMU with -icount, where each instruction takes the same time, and
reads what it measured (arch/x86_64/irq_off.h).  Each pair of places that was reached is a result;
it fails above BOUND instructions.  What is known to be above has a ceiling of its own in KNOWN, and
fails above that.

What tests themselves run with interrupts off is not judged: FOLDER has the objects of the suite.
Prints KTAP 1; the suite's own failures are failures.
"""

import argparse
import pathlib
import re
import subprocess
import sys

sys.dont_write_bytecode = True  # nothing is written beside the sources

import ktap

BOUND = 50000  # instructions
TICKS = 8      # of an instruction: tools/machine.py starts QEMU with shift=3
LINE = re.compile(r"# irq-off (\d+) ([\w.]+)(?:\+0x[0-9a-f]+)? ([\w.]+)(?:\+0x[0-9a-f]+)?$")
PARTS = re.compile(r"\.(?:constprop|isra|part|cold)\b.*")  # of a function, named by the compiler

# Instructions at most, of functions that turn interrupts off and on.
KNOWN = {
    ("cursor_open", "cursor_close"): 6500000,          # large ranges are locked, and their nodes freed, at once
    ("zone_alloc_range", "zone_alloc_range"): 2000000,  # the search goes frame by frame
    ("section_grow", "section_grow"): 700000,           # a section's metadata is made at once
    ("zone_count_blocks", "zone_count_blocks"): 150000,  # `buddy`
    ("zone_check", "zone_check"): 150000,               # tests alone call it
    ("hold", "release"): 80000,                         # a line is printed
    ("area_free", "area_free"): 70000,
    ("trap_enter", "trap_common"): 150000,              # tests print a backtrace within an exception
}


def functions_of_tests(folder):
    """The names of the functions that are defined in tests/."""
    objects = sorted(str(path) for path in pathlib.Path(folder, "tests").rglob("*.o"))
    out = subprocess.run(["nm", "--defined-only", *objects], check=True, capture_output=True, text=True)
    return {PARTS.sub("", line.split()[2]) for line in out.stdout.splitlines()
            if len(line.split()) == 3 and line.split()[1] in "tT"}


def measured(log, tests):
    """Instructions by (function, function), and how many pairs of tests were left out."""
    most, others = {}, 0
    for line in log.splitlines():
        match = LINE.search(line.strip())
        if not match:
            continue
        pair = PARTS.sub("", match[2]), PARTS.sub("", match[3])
        if pair[0] in tests:
            others += 1
        else:
            most[pair] = max(most.get(pair, 0), int(match[1]) // TICKS)
    return most, others


def judge(pair, instructions):
    """What is wrong, or an empty text."""
    ceiling = KNOWN.get(pair, BOUND)
    if instructions > ceiling:
        return f"{instructions} instructions, at most {ceiling}"
    return ""


def main():
    """One run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--iso", required=True)
    parser.add_argument("--objects", required=True)
    parser.add_argument("--log", default="build/ktest-bound.log")
    options = parser.parse_args()
    run = subprocess.run(["tools/ktest.py", "--iso", options.iso, "--icount", "--log", options.log],
                         stdout=subprocess.PIPE, text=True, check=False)
    events = map(ktap.parse, run.stdout.splitlines())
    failed = [e.name for e in events if isinstance(e, ktap.Result) and e.verdict == ktap.FAILED]
    log = pathlib.Path(options.log).read_text(encoding="utf-8", errors="replace")
    most, others = measured(log, functions_of_tests(options.objects))
    for pair in KNOWN:
        most.setdefault(pair, 0)
    results = [(f"suite_{name}", "failed with -icount") for name in failed]
    if run.returncode != 0 and not failed:
        results.append(("suite", f"status {run.returncode}"))
    if not most:
        results.append(("measured", "no time with interrupts off is in the log"))
    results += [(f"{a} to {b}", judge((a, b), n)) for (a, b), n in
                sorted(most.items(), key=lambda item: -item[1])]
    print("KTAP version 1")
    print(f"1..{len(results)}")
    print(f"# {others} places of tests are not judged")
    for number, (name, wrong) in enumerate(results, 1):
        print(f"not ok {number} {name} # {wrong}" if wrong else f"ok {number} {name}")
    bad = sum(bool(wrong) for _, wrong in results)
    print(f"{len(results) - bad} passed, {bad} failed, 0 skipped")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
