#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""words.py [--root ROOT] - no file uses a word that the vocabulary replaced.

WORDS lists the replaced words and their replacements (README.md, "Glossary"); ALLOWED the contexts
in which such a word has another meaning.  All tracked files and their paths are read, or all files
of a ROOT that is no git tree, except the section "Glossary" of README.md and what EXEMPT names.
Prints one line for each hit, `file:line: word: replacement`, line 0 for a path; the exit status is
1 if there is any.
"""

import argparse
import fnmatch
import pathlib
import re
import subprocess
import sys

EXEMPT = ("tools/words.py", "tests/tools/words.sh")
GLOSSARY = "## Glossary"

# A regular expression without regard to case, and what to write instead.  Underscores and digits
# bound a word, too.
WORDS = (
    (r"flush(es|ed|ing)?", "TLB shootdown, invalidate"),
    (r"forget(s|ting)?|forgot(ten)?|forgetful", "invalidate"),
    (r"kick(s|ed|ing)?", "call_on_cpu(), IPI"),
    (r"defer(s|red|ring|ral)?|hoard(s|ed)?|bags?|ripe", "epoch-based reclamation, retire, limbo list"),
    (r"notes?|noted", "marker; diagnostic"),
    (r"lets? go|letting go|hold of (a|the) (node|range)s?", "unlock; range lock"),
    (r"take[sn]?[ _]over|took over|taking over|meet_\w+", "reuse, cow_copy, fault_anon, fault_cow"),
    (r"mapped ahead|map ahead", "fault-around"),
    (r"rescue[sd]?|rescuing", "reclaim, shrink"),
    (r"drain(s|ed|ing)?", "reclaim, shrink; drain is for per-CPU caches and magazines"),
    (r"tracts?", "pageblock"),
    (r"look(s|ed|ing)?|look-ups?", "lookup, check, read, examine"),
    (r"stretch(es|ed)?", "extent; interrupts-off time"),
    (r"figures?|totals?", "stats, counters, sum"),
    (r"housekeeping|keep_house", "CPU maintenance"),
    (r"statements?", "memory map entry"),
    (r"composition root|the house", "source layout, start-up"),
    (r"who(m|so)?ever|nobody|somebody|anybody|everybody", "a CPU, a thread, a caller, a lock"),
    (r"((is|are|was|were|be|been|being) had|had again)", "available, allocated"),
    (r"\w+(?<!_at)_(most|least)(?!\w)|(?<!at_)(most|least)(_\w+|(?=\())", "max, min"),
)

# (files, the context, why it is another meaning).  A word is allowed inside the context.
ALLOWED = (
    ("*.py", r"flush=True|\.flush\(", "of a Python stream"),
    ("*", r"\bfflush\b", "of a C stream"),
    ("*", r"figures? \d[-\d]*( to \d[-\d]*)?", "a figure of a manual"),
    ("*", r"\basm statement\w*", "of the language C"),
    ("tools/lint.py", r"statements?", "of the language C"),
    ("tests/tools/ktap.sh", r"statements", "of the language Python"),
    ("boot/boot.S", r"\.note\.pvh note\b", "a section of ELF notes"),
    ("linker.ld", r"\bnote PT_NOTE|\.note\.[\w*-]+|:note\b", "a section of ELF notes"),
    ("*.[ch]", r"\btotal_size\b", "a field of Multiboot2"),
    ("Makefile", r"-max_total_time", "an option of libFuzzer"),
    ("boot/multiboot2.c", r"\btotal\b", "a sum of bytes"),
    ("tests/unit/multiboot2.c", r"\btotal\b", "a sum of bytes"),
    ("tests/proof/*", r"\b(edges_)?total\b", "a sum in a proof, or a function defined everywhere"),
    ("mm/frame/regions.c", r"\bedges_total\b", "a ghost variable of a proof"),
    ("lib/bits.h", r"\btotal\b", "a function defined for every argument"),
    ("docs/audit.md", r"\bare total\b", "a function defined for every argument"),
    ("mm/*", r"\w*drain\w*", "of per-CPU caches, magazines and pools"),
    ("tests/*", r"\w*drain\w*", "of per-CPU caches, magazines and pools"),
    ("docs/*", r"\w*drain\w*", "of per-CPU caches, magazines and pools"),
    ("*", r"\blook(s|ed|ing)? up\b", "the verb of a lookup"),
)


def pattern():
    words = "|".join(f"(?P<w{n}>{word})" for n, (word, _) in enumerate(WORDS))
    return re.compile(rf"(?<![a-z])(?:{words})(?![a-z])", re.I)


def files_of(root):
    """Paths of the files of a tree, from its root."""
    run = subprocess.run(["git", "-C", root, "ls-files", "-z"], capture_output=True, check=False)
    if (root / ".git").exists() and run.returncode == 0:
        names = run.stdout.decode().rstrip("\0").split("\0")
    else:
        names = [p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()]
    return sorted(name for name in names if (root / name).is_file() and name not in EXEMPT)


def allowed_spans(path, line):
    for files, context, _ in ALLOWED:
        if fnmatch.fnmatch(path, files):
            yield from (match.span() for match in re.finditer(context, line, re.I))


def without_glossary(lines):
    """The lines with those of the section GLOSSARY blanked."""
    inside = False
    for line in lines:
        if line.startswith("## "):
            inside = line == GLOSSARY
        yield "" if inside else line


def hits(path, text, words):
    """(line, word, replacement) of each replaced word in a file; line 0 is its path."""
    lines = text.splitlines()
    prose = without_glossary(lines) if path == "README.md" else lines
    for number, line in enumerate([path, *prose]):
        for match in words.finditer(line):
            start, end = match.span()
            if not any(a <= start and end <= b for a, b in allowed_spans(path, line)):
                yield number, match[0], WORDS[int(match.lastgroup[1:])][1]


def main():
    parser = argparse.ArgumentParser(description="Find words that the vocabulary replaced.")
    parser.add_argument("--root", default=".", type=pathlib.Path)
    root = parser.parse_args().root
    words, count = pattern(), 0
    for path in files_of(root):
        try:
            text = (root / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:  # a picture or a font
            continue
        for number, word, instead in hits(path, text, words):
            print(f"{path}:{number}: {word}: {instead}")
            count += 1
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
