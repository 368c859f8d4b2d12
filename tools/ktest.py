#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""ktest.py - boot keel for its in-kernel tests and judge their output.

The serial line carries KTAP 1: a header, a plan `1..N`, and N results.  Only results in order
and an end that agrees with them count as success; all else is a failure of its own:

  - a panic after which no result and no exit follows (a test may provoke panics, and go on);
  - silence until the time is up, an end before the last result, an exit status that contradicts
    the results, a second start, results out of order, a summary that differs from the results;
  - no plan, or a plan of nothing.

Each planned result that never came is a failed test.  The terminal gets failures with the
diagnostics before them, skips, and each CPU's longest interrupts-off time; the log gets
every line.  The last line is always
`N passed, N failed, N skipped`, and the exit status agrees with it.
"""

import argparse
import contextlib
import re
import sys
import time

sys.dont_write_bytecode = True  # nothing is written beside the sources

import ktap
import machine

IRQ_OFF = re.compile(r"CPU \d+: interrupts off for at most ")

# From the last line of output on.  A test may do long and silent work after a panic that it
# provoked; a panicked kernel that does not exit is silent for good.
PANIC_SECONDS = 30
# From the start, and from each result, to the next one, however busy the host is.
RUN_SECONDS = 300
# Bochs runs all CPUs in one thread of the host, one after the other.
BOCHS_SLOWER = 6
# From the last result to the stats, on a machine that cannot exit by itself.
STATS_SECONDS = 3


class Judge:
    """The verdict on the lines so far.

    `counts` counts results; `problems` are failures that belong to no result.
    """

    def __init__(self, say):
        self.counts = ktap.Counts()
        self.problems = []
        self.planned = None
        self.panic = None  # the last panic line with no result after it
        self.stats = False
        self._started = False
        self._say = say
        self._reader = ktap.Reader()

    @property
    def results(self):
        """How many results came."""
        return self.counts.count()

    def complete(self):
        """Whether every planned result came."""
        return self.planned is not None and self.results >= self.planned

    def line(self, line):
        """Take one line of output."""
        event = self._reader.line(line) if self._started else ktap.parse(line)
        if isinstance(event, ktap.Header):
            if self._started:
                self.problem("the machine started a second time")
            self._started = True
        elif not self._started:
            return
        elif isinstance(event, ktap.Plan):
            self.planned = event.count
        elif isinstance(event, ktap.Result):
            self._result(line, event)
        elif isinstance(event, ktap.Counts):
            self._check_stats(event)
        elif machine.PANIC.search(line):
            self.panic = line
            if event is None:
                self._reader.diagnose(line)
        elif isinstance(event, ktap.Diagnostic) and IRQ_OFF.match(event.text):
            self._say(line)

    def problem(self, text):
        """A failure that is no test's."""
        self.problems.append(text)
        self._say(f"ktest: {text}")

    def _result(self, line, result):
        if result.number != self.results + 1:
            self.problem(f"result {result.number} came where {self.results + 1} was due")
        self.counts.add(result.verdict)
        if result.verdict == ktap.FAILED:
            for diagnostic in result.diagnostics:
                self._say(f"# {diagnostic}")
        if result.verdict != ktap.PASSED:
            self._say(line)
        self.panic = None

    def _check_stats(self, stats):
        self.stats = True
        if stats != self.counts:
            self.problem(f"the kernel counted {stats}; its results differ")


class Run:
    """One boot: feeds the judge until there is a verdict."""

    def __init__(self, config, is_bochs, log, say_all, seconds, may_be_empty):
        self._config = config
        self._may_be_empty = may_be_empty
        self._is_bochs = is_bochs
        self._log = log
        self._say_all = say_all
        slower = BOCHS_SLOWER if is_bochs else 1
        self._seconds = seconds * slower
        self._panic_seconds = PANIC_SECONDS * slower
        self._quiet_since = 0.0
        self.judge = Judge(self._say)

    def _say(self, text):
        """Print to the terminal; with -v every line is there already, but not the judge's own."""
        if not self._say_all or text.startswith("ktest:"):
            print(text, flush=True)

    def _record(self, line):
        self._log.write(line + "\n")
        self._log.flush()
        if self._say_all:
            print(line, flush=True)

    def _take(self, line):
        self._quiet_since = time.monotonic()
        self._record(line)
        self.judge.line(line)

    def go(self):
        """Run the machine to its end and judge it."""
        kind = machine.Bochs if self._is_bochs else machine.Qemu
        with kind(self._config) as running:
            explained = len(self.judge.problems)
            why = self._follow(running)
            if why is None:
                why = self._check_end(running)
            self._check_results()
            if why:
                self.judge.problem(why)
            if len(self.judge.problems) > explained:
                for line in running.last_lines():
                    print(f"    | {line}")

    def _follow(self, running):
        """Read until the end of the tests; returns why this run is bad, or None."""
        since = self._quiet_since = time.monotonic()
        rest = ""
        results = 0
        while True:
            now = time.monotonic()
            if self.judge.results != results:
                since, results = now, self.judge.results
            if now - since > self._seconds:
                what = "end" if self.judge.complete() else "result"
                return f"hang: no {what} within {self._seconds:g} s{self._where()}"
            if self.judge.panic and now - self._quiet_since > self._panic_seconds:
                return f"crash{self._where()}: {self.judge.panic}"
            if self._is_bochs and self._seen_enough(now):
                return None
            text = running.read(1)
            if text is None:
                if rest:
                    self._record(rest)  # cut off: not a result, whatever it contains
                return None
            *lines, rest = (rest + text).split("\n")
            for line in lines:
                self._take(line)

    def _seen_enough(self, now):
        """On a machine that has no way to exit: the stats, or time enough for them."""
        judge = self.judge
        return judge.complete() and (judge.stats or now - self._quiet_since > STATS_SECONDS)

    def _check_end(self, running):
        """Check that the exit status agrees with the results; returns the fault, or None."""
        judge = self.judge
        if judge.panic and not judge.complete():
            return f"crash{self._where()}: {judge.panic}; {running.how_it_ended()}"
        if self._is_bochs and judge.complete():
            return None
        expected = machine.EXIT_FAIL if judge.counts.failed else machine.EXIT_PASS
        if running.status() != expected:
            return f"ended{self._where()} with {running.how_it_ended()}, not {expected}"
        return None

    def _check_results(self):
        judge = self.judge
        if judge.planned is None:
            judge.problem("no test plan came")
        elif judge.planned == 0 and not self._may_be_empty:
            judge.problem("the plan has no tests")
        elif judge.results < judge.planned:
            judge.problem(f"{judge.planned - judge.results} of {judge.planned} planned results "
                          "did not come")
        elif judge.results > judge.planned:
            judge.problem(f"{judge.results} results, but {judge.planned} were planned")

    def _where(self):
        judge = self.judge
        if judge.planned is None or judge.complete():
            return ""
        return f" in test {judge.results + 1} of {judge.planned}"


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description="Boot keel and judge its in-kernel tests.")
    image = parser.add_mutually_exclusive_group(required=True)
    image.add_argument("--iso", default="", help="boot this image by GRUB")
    image.add_argument("--kernel", default="", help="boot this ELF file by PVH")
    parser.add_argument("--append", default="", help="command line for --kernel")
    parser.add_argument("--firmware", choices=("bios", "uefi"), default="bios")
    parser.add_argument("--mem", help="memory (default 2G; Bochs 512M)")
    parser.add_argument("--smp", type=int, default=1)
    parser.add_argument("--machine", choices=("qemu", "bochs"), default="qemu")
    parser.add_argument("--type", choices=("q35", "pc", "microvm"), default="q35",
                        help="QEMU's machine type")
    parser.add_argument("--cpu", help="CPU model of QEMU (default max) or Bochs (default "
                        "corei7_skylake_x)")
    parser.add_argument("--no-iommu", dest="iommu", action="store_false")
    parser.add_argument("--icount", action="store_true")
    parser.add_argument("--timeout", type=float, default=RUN_SECONDS,
                        help=f"seconds to each result (default {RUN_SECONDS}; for Bochs "
                        f"{BOCHS_SLOWER} times that)")
    parser.add_argument("--log", default="/dev/null", help="write all output to this file")
    parser.add_argument("--may-be-empty", action="store_true", help="no test is no failure")
    parser.add_argument("-v", "--verbose", action="store_true", help="all output here too")
    return parser.parse_args()


def make_config(options):
    """The machine of the options."""
    config = machine.Config(iso=options.iso, kernel=options.kernel, append=options.append,
                            firmware=options.firmware, smp=options.smp, machine=options.type,
                            iommu=options.iommu, icount=options.icount)
    config.mem = options.mem or ("512M" if options.machine == "bochs" else "2G")
    if options.cpu and options.machine == "bochs":
        config.bochs = options.cpu
    elif options.cpu:
        config.cpu = options.cpu
    return config


def print_stats(judge):
    """The last line; a result that never came is a failed one.  Returns the exit status."""
    missing = max(0, (judge.planned or 0) - judge.results)
    counts = judge.counts + ktap.Counts(failed=missing or len(judge.problems))
    print(counts)
    return 1 if counts.failed else 0


def main():
    """One run."""
    machine.end_politely()
    options = parse_arguments()
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(open(options.log, "w", encoding="utf-8"))
        run = Run(make_config(options), options.machine == "bochs", log, options.verbose,
                  options.timeout, options.may_be_empty)
        try:
            run.go()
        except machine.Missing as missing:
            writer = ktap.Writer(1)
            writer.result("boot", ktap.SKIPPED, f"not installed: {missing}")
            return writer.end()
        except (machine.ConfigError, machine.MachineError) as error:
            run.judge.problem(str(error))
        return print_stats(run.judge)


if __name__ == "__main__":
    sys.exit(main())
