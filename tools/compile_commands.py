#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""compile_commands.py - the commands that `make -n` prints, as a compilation database.

Reads shell commands from standard input, one to a line, and prints JSON with one entry for each C
source that a compiler is called for: the first command that names it, without the other sources
of that command.  https://clang.llvm.org/docs/JSONCompilationDatabase.html
"""

import json
import os
import re
import shlex
import sys

COMPILER = re.compile(r"(?:\S*/)?(?:gcc|clang|cc)(?:-\d+)?\s")


def sources_of(arguments):
    """The C files among the arguments."""
    return [word for word in arguments if word.endswith(".c") and not word.startswith("-")]


def database(text, folder):
    """The entries, sources in alphabetical order."""
    entries = {}
    for line in filter(COMPILER.match, text.replace("\\\n", " ").split("\n")):
        arguments = shlex.split(line)
        sources = sources_of(arguments)
        for source in sources:
            mine = [word for word in arguments if word == source or word not in sources]
            entries.setdefault(source, {"directory": folder, "file": source, "arguments": mine})
    return [entries[source] for source in sorted(entries)]


def main():
    entries = database(sys.stdin.read(), os.getcwd())
    if not entries:
        sys.exit("compile_commands.py: no command compiles a C source")
    json.dump(entries, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
