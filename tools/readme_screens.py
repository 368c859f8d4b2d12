#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""readme_screens.py --iso FILE [--readme FILE] [--update] - compare the quoted screens with a boot.
readme_screens.py --log FILE [--readme FILE] - the same against recorded screens; nothing is booted.

A screen is an indented block of README.md whose first line starts with `keel:` or `keel> `.  The
machine is that of `make run`; a comment before the block changes it:

    <!-- screen: SMP=4 MEM=128M -->

For each screen: boot, type the quoted commands at the prompt in their order, and compare line by
line.  What the block has before its first prompt must be consecutive lines of the boot; each answer
must be quoted whole, or up to a last line `...`.  Numbers, hexadecimal too, are masked, as are
places in code (name+offset, a handler) and the number of blanks.  --update writes the lines of the boot where a screen differs.

Prints KTAP 1 with the differences and, last, `N passed, N failed, N skipped`.
"""

import argparse
import dataclasses
import difflib
import pathlib
import re
import sys

sys.dont_write_bytecode = True  # nothing is written beside the sources

import machine

INDENT = "    "
PROMPT = "keel>"
CUT = "..."
OPTIONS = re.compile(r"^<!-- screen:((?: [A-Z]+=\w+)*) -->$")
MASKS = (
    (re.compile(r"\bthe handler of \w+|\b[\w.]+\+0x[0-9a-f]+"), "PLACE"),
    (re.compile(r"\b0x[0-9a-f]+\b|\b[0-9a-f]*[0-9][0-9a-f]*\b"), "N"),
    (re.compile(r"[0-9]+"), "N"),
    (re.compile(r"\s+"), " "),
)


class BadReadme(Exception):
    """A screen that cannot be read."""


@dataclasses.dataclass
class Screen:
    """A quoted screen; `line` is the index of its first line in the file."""

    name: str
    options: dict
    line: int
    lines: list


def read_screens(text):
    """All screens of a README."""
    lines, screens, heading, options = text.split("\n"), [], "top", {}
    at = 0
    while at < len(lines):
        if lines[at].startswith("#"):
            heading = re.sub(r"\W+", "_", lines[at].strip("# ").lower())
        elif match := OPTIONS.match(lines[at]):
            options = dict(word.split("=") for word in match[1].split())
        elif lines[at].startswith((f"{INDENT}keel:", f"{INDENT}{PROMPT} ")):
            end = at
            while lines[end].startswith(INDENT):
                end += 1
            block = [line[len(INDENT):] for line in lines[at:end]]
            screens.append(Screen(heading, options, at, block))
            options, at = {}, end
        elif lines[at].strip() and options:
            raise BadReadme(f"line {at + 1}: no screen follows the comment")
        at += 1
    return screens


def read_session(lines):
    """[(command, lines of its answer)], first what came before the first prompt, as command ""."""
    session = [("", [])]
    for line in lines:
        if line.startswith(PROMPT):
            session.append((line[len(PROMPT):].strip(), []))
        elif line.strip():
            session[-1][1].append(line.rstrip())
    return [(command, answer) for command, answer in session if command or answer]


def masked(line):
    """The line with the parts masked that change from boot to boot."""
    for pattern, word in MASKS:
        line = pattern.sub(word, line)
    return line.strip()


def boot_part(quoted, boot):
    """The lines of the boot that a screen quotes: from the one like its first line, as many."""
    like = [masked(line) for line in boot]
    first = masked(quoted[0])
    start = like.index(first) if first in like else 0
    return boot[start:start + len(quoted)]


def real_session(screen, session):
    """The part of a session that the screen quotes."""
    quoted, real, rest = read_session(screen.lines), [], session
    for command, answer in quoted:
        commands = [typed for typed, _ in rest]
        if command not in commands:
            continue
        found = rest[commands.index(command)][1]
        rest = rest[commands.index(command) + 1:]
        if not command:
            found = boot_part(answer, found)
        elif answer[-1:] == [CUT]:
            found = found[:len(answer) - 1] + [CUT]
        real.append((command, found))
    return real


def as_lines(session):
    """A session as it is quoted."""
    return [line for command, answer in session
            for line in ([f"{PROMPT} {command}"] if command else []) + answer]


def differences(quoted, real):
    """Lines that differ: "-" as quoted, "+" as booted."""
    matcher = difflib.SequenceMatcher(None, [masked(line) for line in quoted],
                                      [masked(line) for line in real], False)
    for what, a, b, c, d in matcher.get_opcodes():
        if what != "equal":
            yield from (f"- {line}" for line in quoted[a:b])
            yield from (f"+ {line}" for line in real[c:d])


def boot(iso, screen):
    """The session of a machine: all of the boot, then the quoted commands."""
    known = {"SMP": "1", "MEM": "2G", "FIRMWARE": "bios"}
    if not screen.options.keys() <= known.keys():
        raise BadReadme(f"line {screen.line}: only {', '.join(known)} can be set")
    options = known | screen.options
    config = machine.Config(iso=iso, smp=int(options["SMP"]), mem=options["MEM"],
                            firmware=options["FIRMWARE"])
    with machine.Qemu(config) as running:
        lines = running.wait_prompt().split("\n")
        session = [("", [line.rstrip() for line in lines if line.strip()])]
        for command, _ in read_session(screen.lines):
            if command:
                answer = running.command(command).split("\n")
                session.append((command, [line.rstrip() for line in answer if line.strip()]))
    return session


def replace(path, screen, real):
    """Write the real lines into the file; those after it move."""
    lines = path.read_text(encoding="utf-8").split("\n")
    ending = [line for line in screen.lines[-1:] if line.strip() == PROMPT]
    lines[screen.line:screen.line + len(screen.lines)] = [INDENT + line for line in real + ending]
    path.write_text("\n".join(lines), encoding="utf-8")


def check(screen, options):
    """Compares one screen; returns the lines that differ."""
    if options.log:
        session = read_session(pathlib.Path(options.log).read_text(encoding="utf-8").split("\n"))
    else:
        session = boot(options.iso, screen)
    real = as_lines(real_session(screen, session))
    found = list(differences(as_lines(read_session(screen.lines)), real))
    if found and options.update:
        replace(pathlib.Path(options.readme), screen, real)
    return found


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description="Compare quoted screens with a boot.")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--iso", default="", help="boot this image by GRUB")
    source.add_argument("--log", default="", help="compare with this text instead")
    parser.add_argument("--readme", default="README.md")
    parser.add_argument("--update", action="store_true", help="write what the boot shows")
    return parser.parse_args()


def main():
    """All screens, the last one first, so that --update moves no other."""
    machine.end_politely()
    options = parse_arguments()
    passed = failed = 0
    try:
        screens = read_screens(pathlib.Path(options.readme).read_text(encoding="utf-8"))
    except (BadReadme, OSError) as error:
        print(f"readme: {error}\n0 passed, 1 failed, 0 skipped")
        return 1
    print(f"KTAP version 1\n1..{len(screens)}", flush=True)
    for number, screen in enumerate(reversed(screens), 1):
        try:
            found = check(screen, options)
        except (BadReadme, machine.ConfigError, machine.MachineError, OSError) as error:
            found = str(error).split("\n")
        for line in found:
            print(f"# {options.readme}:{screen.line + 1}: {line}")
        passed += not found
        failed += bool(found)
        print(f"{'not ok' if found else 'ok'} {number} readme_screen_{screen.name}", flush=True)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
