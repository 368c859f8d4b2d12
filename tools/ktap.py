# SPDX-License-Identifier: MIT
"""ktap.py - KTAP 1, as the tests of this project print it and its tools read it.

    KTAP version 1
    1..2
    ok 1 name # SKIP reason
    # diagnosis of the next result
    not ok 2 other_name # comment
    0 passed, 1 failed, 1 skipped

The last line is the summary.  parse() turns one line into a Header, a Plan, a Result, a Diagnostic
or Counts (the summary), Reader also attaches to each result the diagnostics before it, Writer
prints such a stream, and run_all() runs functions as tests.  An indented line belongs to a subtest,
whose parent has a result of its own; parse() returns None for it.
"""

import dataclasses
import fnmatch
import re
import time

HEADER = re.compile(r"KTAP version 1$")
PLAN = re.compile(r"1\.\.(\d+)\b")
RESULT = re.compile(r"(not )?ok (\d+)(?: -)?(?: ([^#]*))?(?:#\s*(.*))?$")
SKIP = re.compile(r"skip\b", re.IGNORECASE)
SUMMARY = re.compile(r"(\d+) passed, (\d+) failed, (\d+) skipped$")

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


@dataclasses.dataclass
class Header:
    """The first line of a stream."""


@dataclasses.dataclass
class Plan:
    """How many results will come."""

    count: int


@dataclasses.dataclass
class Diagnostic:
    """A diagnostic line, without its `# `."""

    text: str


@dataclasses.dataclass
class Result:
    """One test's."""

    number: int
    name: str
    verdict: str  # PASSED, FAILED or SKIPPED
    comment: str  # what follows `#`
    diagnostics: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Counts:
    """Results by verdict; as text the summary line."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def add(self, verdict):
        """Count one result."""
        setattr(self, verdict, getattr(self, verdict) + 1)

    def count(self):
        """The number of results."""
        return self.passed + self.failed + self.skipped

    def __add__(self, other):
        return Counts(self.passed + other.passed, self.failed + other.failed,
                      self.skipped + other.skipped)

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def parse(line):
    """The event of a line, or None.  Firmware may print before a header, on the same line."""
    line = line.rstrip("\r\n")
    if HEADER.search(line):
        return Header()
    if match := PLAN.match(line):
        return Plan(int(match[1]))
    if match := RESULT.match(line):
        comment = match[4] or ""
        verdict = FAILED if match[1] else SKIPPED if SKIP.match(comment) else PASSED
        return Result(int(match[2]), (match[3] or "").strip(), verdict, comment)
    if match := SUMMARY.match(line):
        return Counts(*map(int, match.groups()))
    if line.startswith("#"):
        return Diagnostic(line[1:].removeprefix(" "))
    return None


class Reader:
    """A stream, line by line: a result gets the diagnostics since the previous one."""

    def __init__(self):
        self._diagnostics = []

    def diagnose(self, text):
        """Add a diagnosis that the stream has in another form."""
        self._diagnostics.append(text)

    def line(self, line):
        """parse() of the next line."""
        event = parse(line)
        if isinstance(event, Diagnostic):
            self.diagnose(event.text)
        elif isinstance(event, Result):
            event.diagnostics, self._diagnostics = self._diagnostics, []
        return event


class Writer:
    """Prints a stream: the plan now, then each result, and at the end the summary."""

    def __init__(self, planned):
        self._counts = Counts()
        print(f"KTAP version 1\n1..{planned}", flush=True)

    def result(self, name, verdict, comment="", diagnostics=()):
        """Print one result after its diagnostics, each of which may have several lines.  The
        comment of a skipped one is the reason."""
        self._counts.add(verdict)
        for line in (line for text in diagnostics for line in text.split("\n")):
            print(f"# {line}".rstrip())
        if verdict == SKIPPED:
            comment = f"SKIP {comment}"
        print(f"{'not ok' if verdict == FAILED else 'ok'} {self._counts.count()} {name}"
              + (f" # {comment}" if comment else ""), flush=True)

    def end(self):
        """Print the summary; returns the exit status, which is 1 too when nothing ran."""
        print(self._counts, flush=True)
        return 1 if self._counts.failed or not self._counts.count() else 0


def matches(name, globs):
    """Whether the name matches one of the globs, which commas separate, as in T=."""
    return any(fnmatch.fnmatchcase(name, glob.strip()) for glob in globs.split(","))


def run_all(tests, failures, missing=()):
    """Run the functions of {name: function} in order and print their results; returns the exit
    status.  A test returns a diagnostic or None; it fails with an exception of `failures` and is
    skipped with one of `missing`, whose text names what is not installed."""
    writer = Writer(len(tests))
    for name, test in tests.items():
        start = time.monotonic()
        try:
            diagnostic = test()
            verdict, diagnostics = PASSED, [diagnostic] if diagnostic else []
        except missing as what:
            writer.result(name, SKIPPED, f"not installed: {what}")
            continue
        except failures as why:
            verdict, diagnostics = FAILED, [str(why)]
        writer.result(name, verdict, f"{time.monotonic() - start:.1f} s", diagnostics)
    return writer.end()
