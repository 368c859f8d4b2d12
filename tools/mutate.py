#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""mutate.py [--only GLOBS] [--part K/N] [--jobs N] - reintroduce each known mistake: which test fails?

tests/mutants/NAME.patch is a unified diff (-p1) below header lines:

    Mutant: the mistake in one sentence
    Audit: ID, or -
    Test: the glob of the tests that must fail, as T= takes it
    Run: host | kernel | explore | check    (host when it is missing)
    Command: make layers             (Run: check alone: the linter that must object)

For `Run: check`, Test is a glob of the finding that the command must print.

The working tree is copied once for each job below build/mutate/.  On an unpatched copy the
named tests must exist and pass, and the commands must succeed.  Then each patch is applied
with no fuzz, built incrementally, run and taken back.  Build and run have a time limit each:
--build-seconds and --run-seconds.

A mutant is killed by a failing test that matches its glob, or by a crash or a time-out of the
test program after it began to run those tests.  A patch that does not apply, one that does not
build in time, and a run without a result are failures and no kills.  Prints KTAP 1 and,
last, `N passed, N failed, N skipped`; a mutant is skipped when the tests it names are.

SHARED, when set, is passed to make as an absolute path.
"""

import argparse
import concurrent.futures
import dataclasses
import os
import pathlib
import queue
import re
import shlex
import signal
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # nothing is written beside the sources

import ktap

MUTANTS = "tests/mutants"
SCRATCH = "build/mutate"
BASE_SECONDS = 1800  # for the first build of a copy, and for all named tests
BUILD_SECONDS = 900  # for what one patch changes: a header may be included everywhere
RUN_SECONDS = {"host": 90, "kernel": 240, "explore": 300, "check": 300}
DIAGNOSTICS_MAX = 3  # of a killer's diagnosis: the last ones; before them may be a trace
TARGET = {"host": "test-host", "kernel": "test-kernel", "explore": "explore"}
# Of one T=; the kernel's command line is short.
GLOB_BYTES = {"host": 16384, "kernel": 200, "explore": 16384}

KERNEL_DIED = re.compile(r"^ktest: (crash|ended|hang|silence)")
DIED = re.compile(r"^summary: .* has no summary line")  # printed by tools/summary.py
SANITIZER = re.compile(r"SUMMARY: \w*Sanitizer|runtime error:")
CRASH = re.compile(r"panic:|SUMMARY: \w*Sanitizer|runtime error:|Assertion|Segmentation fault|"
                   r"Aborted|dumped|Terminated|Killed")
BUILD_ERROR = re.compile(r"error:|\*\*\*|undefined reference")


class Unfit(Exception):
    """The mutant tests nothing; the text is the reason."""


@dataclasses.dataclass
class Mutant:
    name: str
    patch: bytes
    test: str
    run: str
    command: list


@dataclasses.dataclass
class Outcome:
    """The results of one run."""

    passed: list
    failed: dict  # name -> the diagnosis before it
    skipped: list
    began: bool
    ended: bool
    timed_out: bool
    status: int
    lines: list


def parse_mutant(path):
    text = path.read_bytes()
    header = {}
    for line in text.decode(errors="replace").splitlines():
        if line.startswith(("--- ", "diff ")):
            break
        match = re.match(r"^(\w+):\s*(.*?)\s*$", line)
        if match:
            header[match[1]] = match[2]
    run = header.get("Run", "host")
    wanted = ["Mutant", "Audit", "Test"] + (["Command"] if run == "check" else [])
    missing = [key for key in wanted if not header.get(key)]
    if missing:
        raise Unfit(f"its header lacks {', '.join(missing)}")
    if run not in RUN_SECONDS:
        raise Unfit(f"Run: {run} is none of {', '.join(RUN_SECONDS)}")
    command = shlex.split(header.get("Command", ""))
    return Mutant(path.stem, text, header["Test"], run, command)


class Tree:
    """One scratch copy of the working tree; one run at a time."""

    def __init__(self, root, number):
        self.root = root
        self.path = root / SCRATCH / str(number)

    def sync(self):
        """Make it equal to the working versions; files that agree keep their time stamps."""
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=self.root, capture_output=True, check=True).stdout.decode()
        names = {name for name in listed.split("\0") if name and (self.root / name).is_file()}
        for name in names:
            self.restore(name)
        for old in list(self.path.rglob("*")):
            name = old.relative_to(self.path).as_posix()
            if not name.startswith("build/") and not old.is_dir() and name not in names:
                old.unlink()

    def restore(self, name):
        """The working version of one file, or none where there is none."""
        source, copy = self.root / name, self.path / name
        if not source.is_file():
            copy.unlink(missing_ok=True)
            return
        data = source.read_bytes()
        if not copy.is_file() or copy.read_bytes() != data:
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(data)
        copy.chmod(source.stat().st_mode & 0o777)

    def apply(self, mutant):
        """Patch; returns the names of the files to restore."""
        pattern = rb"^(?:---|\+\+\+) (?:[ab]/)([^\t\n]+)"
        names = {name.decode() for name in re.findall(pattern, mutant.patch, re.M)}
        if not names:
            raise Unfit("it holds no diff with a/ and b/ paths")
        run = subprocess.run(
            ["patch", "-p1", "--fuzz=0", "--forward", "--batch", "--silent",
             "--no-backup-if-mismatch", "--reject-file=-"],
            cwd=self.path, input=mutant.patch, capture_output=True, check=False)
        if run.returncode != 0:
            for name in names:
                self.restore(name)
            why = (run.stdout + run.stderr).decode(errors="replace").strip().splitlines()
            raise Unfit(f"the patch does not apply: {why[0] if why else 'patch failed'}")
        return names

    def command(self, argv, seconds):
        """(status, timed_out, lines) of a command in the copy and of all that it started."""
        environment = {k: v for k, v in os.environ.items()
                       if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")}
        environment["LC_ALL"] = "C"
        timed_out = False
        with tempfile.TemporaryFile() as output:  # a pipe would wait for what outlives the command
            process = subprocess.Popen(
                argv, cwd=self.path, env=environment, stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                timed_out = True
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            output.seek(0)
            lines = output.read().decode(errors="replace").splitlines()
        return process.returncode, timed_out, lines

    def make(self, argv, seconds):
        shared = os.environ.get("SHARED")
        if shared and argv[0] == "make":
            argv = argv + [f"SHARED={(self.root / shared).resolve()}"]
        return self.command(argv, seconds)

    def tests(self, run, globs, build_seconds, run_seconds):
        """Build what the run needs, then run the tests; Unfit when the build fails."""
        options = [f"T={globs}", "KTEST_FLAGS=-v", "WERROR=0"]
        status, timed_out, lines = self.make(["make", f"build-{TARGET[run]}", *options],
                                             build_seconds)
        if timed_out:
            raise Unfit(f"the build did not end within {build_seconds:g} s")
        if status != 0:
            raise Unfit("the build failed: " + first_match(BUILD_ERROR, lines, f"status {status}"))
        return read_stream(*self.make(["make", TARGET[run], *options], run_seconds))


def read_stream(status, timed_out, lines):
    """The outcome of a command that printed KTAP."""
    outcome = Outcome([], {}, [], False, False, timed_out, status, lines)
    reader = ktap.Reader()
    programs = summaries = 0
    died = False
    for line in lines:
        event = reader.line(line)
        if isinstance(event, (ktap.Header, ktap.Plan, ktap.Result)):
            outcome.began = True
        if isinstance(event, ktap.Header):
            programs += 1
        elif isinstance(event, ktap.Counts):
            summaries += 1
        elif isinstance(event, ktap.Result):
            if event.verdict == ktap.FAILED:
                outcome.failed[event.name] = "; ".join(event.diagnostics[-DIAGNOSTICS_MAX:])
            else:
                passed = event.verdict == ktap.PASSED
                (outcome.passed if passed else outcome.skipped).append(event.name)
        elif DIED.match(line) or KERNEL_DIED.match(line):
            died = True
    outcome.ended = summaries >= max(1, programs) and not died
    return outcome


def last_match(pattern, lines, otherwise):
    found = [line.strip() for line in lines if pattern.search(line)]
    return found[-1] if found else otherwise


def first_match(pattern, lines, otherwise):
    found = [line.strip() for line in lines if pattern.search(line)]
    return found[0] if found else otherwise


def chunks(globs, room):
    """The globs in groups, each at most `room` bytes when joined by commas."""
    group = []
    for glob in globs:
        if group and len(",".join([*group, glob])) > room:
            yield group
            group = []
        group.append(glob)
    if group:
        yield group


class Base:
    """Results of the unpatched copy, taken before any patch is applied."""

    def __init__(self):
        self.outcomes = {}  # (run, glob) -> Outcome of a run of that glob and others, or Unfit
        self.commands = {}  # command -> (failed, lines)

    def measure(self, tree, mutants):
        for run in TARGET:
            globs = sorted({m.test for m in mutants if m.run == run})
            for group in chunks(globs, GLOB_BYTES[run]):
                try:
                    outcome = tree.tests(run, ",".join(group), BASE_SECONDS, BASE_SECONDS)
                except Unfit as why:
                    outcome = why
                self.outcomes.update({(run, glob): outcome for glob in group})
        for command in {tuple(m.command) for m in mutants if m.run == "check"}:
            status, timed_out, lines = tree.make(list(command), BASE_SECONDS)
            self.commands[command] = (status != 0 or timed_out, lines)

    def require(self, mutant):
        """Raise Unfit unless the named tests pass here; return their names, [] when skipped."""
        if mutant.run == "check":
            failed, lines = self.commands[tuple(mutant.command)]
            if failed:
                raise Unfit(f"without it `{shlex.join(mutant.command)}` already fails: "
                            + (lines[-1].strip() if lines else "no output"))
            return [mutant.test]
        base = self.outcomes[mutant.run, mutant.test]
        if isinstance(base, Unfit):
            raise Unfit(f"without it {base}")
        wrong = [name for name in base.failed if ktap.matches(name, mutant.test)]
        if wrong:
            raise Unfit(f"without it {wrong[0]} already fails: {base.failed[wrong[0]]}")
        names = [name for name in base.passed if ktap.matches(name, mutant.test)]
        if names:
            return names
        if any(ktap.matches(name, mutant.test) for name in base.skipped):
            return []
        if not base.began:
            raise Unfit("without it no test ran: " + last_match(CRASH, base.lines,
                                                                f"status {base.status}"))
        if not base.ended:
            raise Unfit("without it the tests do not reach their end: "
                        + last_match(CRASH, base.lines, f"status {base.status}"))
        raise Unfit(f"no test matches {mutant.test}")


def judge_check(tree, mutant, base, options):
    """The finding of the command, or None when the mutant survived."""
    status, timed_out, lines = tree.make(mutant.command, options.run_seconds["check"])
    if timed_out:
        raise Unfit("the command did not end")
    if status == 0:
        return None
    before = set(base.commands[tuple(mutant.command)][1])
    new = [line.strip() for line in lines if line not in before]
    found = [line for line in new
             if ktap.matches(line, f"*{mutant.test}*")
             and not re.match(r"make(\[\d+\])?: \*\*\*", line)]
    if not found:
        raise Unfit(f"the command fails without a finding like {mutant.test}: "
                    + (new[0] if new else "no output"))
    return f"{shlex.join(mutant.command)}: {found[0]}"


def judge_tests(tree, mutant, names, options):
    """The test that killed it and how, or None when it survived."""
    seconds = options.run_seconds[mutant.run]
    outcome = tree.tests(mutant.run, mutant.test, options.build_seconds, seconds)
    for name, why in outcome.failed.items():
        if ktap.matches(name, mutant.test):
            return f"{name}: {why}" if why else name
    done = {*outcome.passed, *outcome.failed, *outcome.skipped}
    waiting = next((name for name in names if name not in done), names[-1])
    if not outcome.began:
        why = (f"nothing came within {seconds:g} s" if outcome.timed_out
               else f"status {outcome.status}, no KTAP")
        raise Unfit(f"no test ran: {why}")
    if outcome.timed_out:
        return f"{waiting}: timed out after {seconds:g} s"
    crash = last_match(CRASH, outcome.lines, "")
    if not outcome.ended:
        return f"{waiting}: crashed: {crash or f'status {outcome.status}'}"
    sanitizer = last_match(SANITIZER, outcome.lines, "")
    if outcome.status != 0 and sanitizer:
        return f"{waiting}: {sanitizer}"
    if outcome.status != 0:
        raise Unfit(f"no test failed, but make did: status {outcome.status}")
    if not any(ktap.matches(name, mutant.test) for name in done):
        raise Unfit(f"no test that matches {mutant.test} ran")
    return None


def judge(tree, mutant, base, options):
    """(verdict, comment) of the mutant's result."""
    names = base.require(mutant)
    if not names:
        return ktap.SKIPPED, "the tests it names are skipped here"
    touched = tree.apply(mutant)
    try:
        killer = (judge_check(tree, mutant, base, options) if mutant.run == "check"
                  else judge_tests(tree, mutant, names, options))
    finally:
        for name in touched:
            tree.restore(name)
    return (ktap.PASSED, f"killed by {killer}") if killer else (ktap.FAILED, "survived")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--only", default="*", metavar="GLOBS",
                        help="names of mutants, with commas")
    parser.add_argument("--part", default="1/1", metavar="K/N", help="the K-th of N parts")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="copies at work")
    parser.add_argument("--build-seconds", type=float, default=BUILD_SECONDS, metavar="S",
                        help=f"for the build of one mutant (default {BUILD_SECONDS})")
    parser.add_argument("--run-seconds", type=float, metavar="S",
                        help=f"for the tests of one mutant (default {RUN_SECONDS})")
    options = parser.parse_args()
    part = re.fullmatch(r"(\d+)/(\d+)", options.part)
    if not part or not 1 <= int(part[1]) <= int(part[2]):
        parser.error("--part is K/N with 1 <= K <= N")
    options.part = (int(part[1]) - 1, int(part[2]))
    options.run_seconds = ({run: options.run_seconds for run in RUN_SECONDS}
                           if options.run_seconds else RUN_SECONDS)
    return options


def chosen(root, options):
    paths = sorted(p for p in (root / MUTANTS).glob("*.patch")
                   if ktap.matches(p.stem, options.only))
    return paths[options.part[0]::options.part[1]]


def main():
    options = arguments()
    root = pathlib.Path.cwd()
    paths = chosen(root, options)
    if not paths:
        number, parts = options.part
        print(f"mutate: no mutant matches {options.only}"
              + (f" in part {number + 1}/{parts}" if parts > 1 else ""))
    parsed = {}
    for path in paths:
        try:
            parsed[path] = parse_mutant(path)
        except Unfit as why:
            parsed[path] = why
    fit = [m for m in parsed.values() if isinstance(m, Mutant)]
    trees = [Tree(root, n + 1) for n in range(max(1, min(options.jobs, len(fit))))]
    base = Base()
    if fit:
        for tree in trees:
            tree.sync()
        base.measure(trees[0], fit)
    idle = queue.SimpleQueue()
    for tree in trees:
        idle.put(tree)

    def work(mutant):
        if isinstance(mutant, Unfit):
            return ktap.FAILED, str(mutant)
        tree = idle.get()
        try:
            return judge(tree, mutant, base, options)
        except Unfit as why:
            return ktap.FAILED, str(why)
        finally:
            idle.put(tree)

    writer = ktap.Writer(len(paths))
    with concurrent.futures.ThreadPoolExecutor(len(trees)) as pool:
        for path, (verdict, comment) in zip(paths, pool.map(work, parsed.values())):
            writer.result(path.stem, verdict, comment)
    return writer.end()


if __name__ == "__main__":
    sys.exit(main())
