#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""tier.py test|ci|full [--only NAME,...] - the steps of a tier, side by side, and their sum.

  test   every commit: host and kernel tests, tools, screen, crashes
  ci     what must pass before a change lands: more kernels, explored schedules, checks, short
         proofs, and of mutants, scenarios, kernels and machines a sample
  full   all of it

The sample follows the hash of the commit and is printed first; SAMPLE=N in the environment
repeats another one.  Numbers that follow each other take different parts: the parts of
`SAMPLE=0` to `SAMPLE=41` together are all.

What the steps need is installed and built first, by one make, so that no two steps build the same
file.  Then as many steps run as there are CPUs, those that take longest first, each with no
input, a time limit and a log of its own in build/logs/.  A step passes when it ends with
status 0; its last line `N passed, N failed, N skipped` goes into the sum.  A step without that
line, or one that fails without a failed test, adds one failure.  --plan prints the steps alone.
"""

import argparse
import dataclasses
import os
import pathlib
import re
import resource
import shlex
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True  # nothing is written beside the sources

import machine
import shows
import summary

LOGS = pathlib.Path("build/logs")
STEP_SECONDS = {"test": 1200, "ci": 3600, "full": 6 * 3600}
POLL_SECONDS = 0.1
EXCERPT_LINES = 40
DIAGNOSIS_LINES = 8  # before a `not ok`
SKIPS_SHOWN = 20

SETUP = {"test": ["build", "run", "test"],
         "ci": ["build", "run", "test", "check", "prove", "bochs"],
         "full": ["build", "run", "test", "check", "prove", "bochs", "fuzz"]}
BUILDS = {"test": ["artefacts"], "ci": ["artefacts", "explorer"], "full": ["artefacts", "explorer"]}

# Of each of these `.ci/run` takes every Nth, a mutant in so many.
MUTANT_PARTS, SCENARIO_PARTS, KERNEL_PARTS, MACHINE_PARTS = 7, 2, 3, 3
FULL_LIMIT = 1500000  # executions of a scenario
SCENARIO = re.compile(r"^EXPLORE\((\w+),", re.MULTILINE)

# The suite in other kernels and on other machines: variables of make, what is built for it.
KERNELS = {
    "smp4-uefi": (["SMP=4", "FIRMWARE=uefi"], []),
    "4-levels": (["SMP=2", "CMDLINE=no5lvl"], []),
    "release": (["SMP=2", "MODE=release"], ["build/kernel-release-gcc/stripped.elf"]),
    "smp8": (["SMP=8"], []),
    "clang": (["SMP=2", "CC=clang-14"], ["CC=clang-14", "build/kernel-debug-clang-14/stripped.elf"]),
    "1G": (["MEM=1G"], []),
}


@dataclasses.dataclass
class Step:
    name: str
    command: list
    seconds: int  # about, alone on a machine of two CPUs: the order
    needs: list = dataclasses.field(default_factory=list)  # arguments of a make before all steps
    counts: bool = True  # prints a sum; else its status is one result


def make(name, target, seconds, *variables, **more):
    return Step(name, ["make", target, *variables], seconds, **more)


def every(names, parts, sample):
    """The part of the names that this sample takes."""
    return list(names)[sample % parts::parts]


def scenarios():
    return [name for path in sorted(pathlib.Path("tests/explore/scenario").glob("*.c"))
            for name in SCENARIO.findall(path.read_text(encoding="utf-8"))]


def kernel_steps(names):
    return [make(f"kernel-{name}", "test-kernel", 90, f"RUN={name}", *KERNELS[name][0],
                 needs=KERNELS[name][1]) for name in names]


def test_steps():
    return [
        make("kernel", "test-kernel", 45),
        make("kernel-smp2", "test-kernel", 60, "RUN=smp2", "SMP=2"),
        make("screen", "test-screen", 70),
        make("tools", "test-tools", 40),
        make("crashes", "crashes", 25),
        make("host", "test-host", 25),
        make("readme", "test-readme", 20),
    ]


def ci_steps(sample):
    machines = every(shows.all_machines("", 1), MACHINE_PARTS, sample)
    part = sample % MUTANT_PARTS + 1
    return [
        *test_steps(),
        *kernel_steps(every(KERNELS, KERNEL_PARTS, sample)),
        make("mutate", "mutate", 900, f"PART={part}/{MUTANT_PARTS}"),
        make("prove", "prove", 600, "PROVE_QUICK=1"),
        make("check", "check", 300),
        make("bound", "test-bound", 100),
        make("explore", "explore", 100, "T=" + ",".join(every(scenarios(), SCENARIO_PARTS, sample))),
        make("shows", "shows", 90, "T=" + ",".join(machines)),
        Step("crashes-debug", ["tools/crashes.py", "--kernel", "build/ktest.elf"], 25),
    ]


def full_steps():
    return [
        *test_steps(),
        *kernel_steps(KERNELS),
        make("kernel-bochs", "test-kernel", 900, "RUN=bochs", "MACHINE=bochs", "MEM=512M"),
        make("mutate", "mutate", 5000),
        make("prove", "prove", 1500),
        make("check", "check", 300),
        make("bound", "test-bound", 100),
        Step("explore", ["env", f"LIMIT={FULL_LIMIT}", "make", "explore"], 600),
        make("shows", "shows", 300),
        make("fuzz", "fuzz", 300, counts=False),
        Step("crashes-debug", ["tools/crashes.py", "--kernel", "build/ktest.elf"], 25),
    ]


def sample_of_commit():
    """(number, where it is from)."""
    given = os.environ.get("SAMPLE", "")
    if given:
        return int(given), "given"
    run = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        return 0, "no commit is known"
    return int(run.stdout[:8], 16), f"from commit {run.stdout[:12]}"


def environment():
    """Without the jobs of the make above, whose variables go on to the makes below."""
    variables = dict(os.environ, LC_ALL="C")
    words = re.split(r"(?<!\\) +", variables.get("MAKEFLAGS", ""))
    variables["MAKEFLAGS"] = " ".join(
        word for word in words if not re.match(r"-j|-O|--jobserver|--output-sync", word))
    return variables


def cpu_seconds():
    """Of all that was started here and has ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Running:
    """A step at work."""

    def __init__(self, step):
        self.step = step
        self.log = LOGS / f"{step.name}.log"
        self.start = time.monotonic()
        self.cpu_seconds = 0
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                step.command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                env=environment(), start_new_session=True)

    def seconds(self):
        return time.monotonic() - self.start

    def has_ended(self):
        before = cpu_seconds()
        ended = self.process.poll() is not None
        self.cpu_seconds = cpu_seconds() - before
        return ended

    def end(self):
        """End it and all that it started."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def result(self, may_be_empty):
        """(passed, failed, skipped) of a step that ended, and why it failed beyond its tests."""
        status = self.process.returncode
        if not self.step.counts:
            return (1, 0, 0) if status == 0 else (0, 1, 0), ""
        counts = summary.summary_of(self.log)
        if counts is None:
            return (0, 1, 0), f"status {status}"
        found = (counts.passed, counts.failed, counts.skipped)
        if status != 0 and found[1] == 0 and not (may_be_empty and found == (0, 0, 0)):
            return (found[0], 1, found[2]), f"status {status} without a failed test"
        return found, ""


def excerpt(log):
    """Failures with what was said before them, and skips."""
    lines, said = [], []
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("not ok"):
            lines += said[-DIAGNOSIS_LINES:] + [line]
        said = said + [line] if line.startswith(("#", "ktest:", "keel:")) else []
        if "# SKIP" in line and sum("# SKIP" in old for old in lines) < SKIPS_SHOWN:
            lines.append(line)
    return lines[-EXCERPT_LINES:]


def report(running, counts, why):
    print("# {}: {} passed, {} failed, {} skipped, {:.0f} s, CPU {:.0f} s{}".format(
        running.step.name, *counts, running.seconds(), running.cpu_seconds,
        f"; {why}" if why else ""))
    lines = excerpt(running.log)
    if counts[1] and not any(line.startswith("not ok") for line in lines):
        lines += running.log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
    for line in lines:
        print(f"  {line}")
    sys.stdout.flush()


def run(steps, options):
    """All steps; the results in the order of their ends."""
    waiting = sorted(steps, key=lambda step: -step.seconds)
    working, results = [], []
    try:
        while waiting or working:
            while waiting and len(working) < options.cpus:
                working.append(Running(waiting.pop(0)))
            time.sleep(POLL_SECONDS)
            for running in list(working):
                too_long = running.seconds() > options.seconds
                if not running.has_ended() and not too_long:
                    continue
                running.end()
                working.remove(running)
                counts, why = running.result(options.may_be_empty)
                report(running, counts, f"stopped after {options.seconds} s" if too_long else why)
                results.append(counts)
    finally:
        for running in working:
            running.end()
    return results


def prepared(tier, steps, cpus):
    """Install and build what is needed; False: said why not."""
    builds = [[*BUILDS[tier]], *(step.needs for step in steps if step.needs)]
    commands = [["tools/setup.sh", *SETUP[tier]]]
    commands += [["make", f"-j{cpus}", *arguments] for arguments in builds]
    start = time.monotonic()
    for command in commands:
        with open(LOGS / "build.log", "wb") as log:
            status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, check=False,
                                    stderr=subprocess.STDOUT, env=environment()).returncode
        if status != 0:
            print((LOGS / "build.log").read_text(encoding="utf-8", errors="replace")[-3000:])
            print(f"# {shlex.join(command)}: status {status}")
            return False
    print(f"# build: {time.monotonic() - start:.0f} s, CPU {cpu_seconds():.0f} s", flush=True)
    return True


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("tier", choices=SETUP)
    parser.add_argument("--only", default="", metavar="NAME,...", help="some of the steps")
    parser.add_argument("--may-be-empty", action="store_true",
                        help="a step in which no test is selected is no failure")
    parser.add_argument("--plan", action="store_true", help="print the steps, run nothing")
    parser.add_argument("--cpus", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seconds", type=float, help="for each step")
    parser.add_argument("--step", action="append", default=[], metavar="NAME=COMMAND",
                        help="these instead of the tier's, and no build (for tests)")
    options = parser.parse_args()
    options.seconds = options.seconds or STEP_SECONDS[options.tier]
    return options


def main():
    machine.end_politely()
    options = parse_arguments()
    sample, source = sample_of_commit()
    steps = {"test": test_steps, "ci": lambda: ci_steps(sample), "full": full_steps}[options.tier]()
    if options.step:
        steps = [Step(name, shlex.split(command), 0)
                 for name, _, command in (text.partition("=") for text in options.step)]
    if options.only:
        steps = [step for step in steps if step.name in options.only.split(",")]
    if options.may_be_empty:
        os.environ["KTEST_FLAGS"] = "--may-be-empty"
    if options.tier == "ci":
        print(f"# sample {sample}, {source}; SAMPLE={sample} repeats it")
    if options.plan:
        for step in steps:
            print(f"{step.name}: {shlex.join(step.command)}")
        return 0
    LOGS.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    if options.step or prepared(options.tier, steps, options.cpus):
        results = run(steps, options)
    else:
        results = [(0, 1, 0)]
    passed, failed, skipped = map(sum, zip(*results)) if results else (0, 0, 0)
    print(f"# {options.tier}: {time.monotonic() - start:.0f} s, CPU {cpu_seconds():.0f} s")
    if passed + failed + skipped == 0:
        print("# no test ran")
        failed = 1
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
