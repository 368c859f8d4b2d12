#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""refs.py [--root ROOT] audit|tests|functions|paths [FILE...] - names in prose refer to something that exists.

Prints one line for each name that does not, `file:line: what`; the exit status is 1 if there is
any.  FILE... are read instead of the files of the check.

  audit      a finding (CUR-03), a verification target (target 7) or a document (document 001) that
             sources, tests, mutants, tools or documents name has an entry in docs/audit.md:
             `- **CUR-03**` at the start of a line
  tests      a test or a mutant that tests/README.md or docs/audit.md names in backticks exists, by
             name or as a glob; in a column headed `mutant`, and behind `Mutants:`, it is one of
             tests/mutants
  functions  a function that a document names as `name()` is declared in a C file, or a label of
             an assembly file
  paths      a file that a comment or a document names exists: from the root, or by its name alone
"""

import fnmatch
import functools
import pathlib
import re
import sys

SOURCES = ["lib", "arch", "kern", "boot", "mm", "iommu", "dma", "drivers", "monitor"]
FOLDERS = SOURCES + ["tests", "tools"]
TEXTS = {".c", ".h", ".S", ".asm", ".inc", ".py", ".sh", ".md", ".patch", ".pml", ".smt2"}
AUDIT = "docs/audit.md"
TESTS_README = "tests/README.md"
PREFIXES = "ALO BOO CON CUR DME FAU HEP IOV KSP MEA MEM MOI MOL MOM MOP NOE REM SPA".split()


class Tree:
    def __init__(self, root):
        self.root = root

    def read(self, name):
        return (self.root / name).read_text(encoding="utf-8", errors="replace")

    @functools.cached_property
    def files(self):
        """Each file of the project, by its path from the root."""
        found = [p for d in FOLDERS + ["docs"] for p in (self.root / d).rglob("*") if p.is_file()]
        found += [p for p in self.root.iterdir() if p.is_file()]
        names = sorted(str(p.relative_to(self.root)) for p in found)
        return [n for n in names if not n.endswith(".pyc")]

    @functools.cached_property
    def basenames(self):
        return {name.rsplit("/", 1)[-1] for name in self.files}

    def texts(self, folders):
        return [n for n in self.files if n.split("/")[0] in folders
                and pathlib.PurePath(n).suffix in TEXTS]

    @property
    def documents(self):
        return [n for n in self.files if n.endswith(".md")]

    @functools.cached_property
    def tests(self):
        names = set()
        for name in self.texts({"tests", "tools"}):
            text = self.read(name)
            if name.startswith("tests/tools/"):
                names |= tests_of_tools(text)
            elif name.endswith((".c", ".h")):
                names |= set(re.findall(r"(?m)^(?:TEST|EXPLORE)\(\s*(\w+)", text))
        return names

    @functools.cached_property
    def mutants(self):
        return {pathlib.PurePath(n).stem for n in self.files if n.startswith("tests/mutants/")}

    @functools.cached_property
    def words(self):
        """Every word of the sources: an identifier may have the form of a test's name."""
        words = set()
        for name in self.texts(set(FOLDERS)):
            if name.endswith((".c", ".h", ".S", ".py")):
                words |= set(re.findall(r"\w+", self.read(name)))
        return words

    @functools.cached_property
    def functions(self):
        words = set()
        for name in self.texts(set(SOURCES)):
            if name.endswith((".c", ".h")):
                for line in re.findall(r"(?m)^[a-z_].*", self.read(name)):
                    words |= set(re.findall(r"\b(\w+)\(", line))
            elif name.endswith(".S"):
                words |= set(re.findall(r"(?m)^(\w+):", self.read(name)))
        return words


SHORT = 10  # fewer characters of a name are too few to be matched alone


def tests_of_tools(text):
    """Names of the tests of a shell script.  A part that a function or a loop inserts becomes a `*`;
    if too little is left beside it, each of the words that the script's commands begin with."""
    words = {word for line in re.findall(r"(?m)^\s*([a-z]\w* .*)", text)
             for word in line.split()[1:3] if re.fullmatch(r"\w+", word)}
    names = set()
    for word in re.findall(r'(?m)^\s*(?:expect|skip) "?([\w${}]+)', text):
        name = re.sub(r"\$\{?\w+\}?", "*", word)
        if "*" in name and len(name) <= SHORT:
            names |= {name.replace("*", each) for each in words}
        else:
            names.add(name)
    return names


def lines_of(tree, name):
    return enumerate(tree.read(name).split("\n"), 1)


# ---- findings, targets, documents ----


def identifiers(line):
    """Each identifier that a line names, as `CUR-03`, `target 7`, `document 001`."""
    yield from re.findall(r"\b(?:%s)-\d{2}\b" % "|".join(PREFIXES), line)
    for prefix, number in re.findall(r"\baudit_([a-z]{3})_(\d{2})_", line):
        yield f"{prefix.upper()}-{number}"
    for kind, digits in (("target", r"\d{1,2}"), ("document", r"\d{3}")):
        several = rf"\b{kind}s? ({digits}(?:(?:, | and | to ){digits})*)\b"
        for match in re.finditer(several, line):
            for number in re.findall(digits, match[1]):
                yield f"{kind} {number}"
    for number in re.findall(r"\bdocument_(\d{3})_", line):
        yield f"document {number}"


def check_audit(tree, names):
    entries = set()
    for number, line in lines_of(tree, AUDIT):
        entry = re.match(r"- \*\*(.*?)\*\*", line)
        if entry and entry[1] in entries:
            yield AUDIT, number, f"{entry[1]} has two entries"
        if entry:
            entries.add(entry[1])
    for name in names or sorted({*tree.texts(set(FOLDERS)), *tree.documents}):
        for number, line in lines_of(tree, name):
            for identifier in sorted(set(identifiers(line)) - entries):
                yield name, number, f"{identifier} has no entry in {AUDIT}"


# ---- tests and mutants ----


def resolves(token, names):
    return any(fnmatch.fnmatchcase(name, token) or fnmatch.fnmatchcase(token, name)
               for name in names)


def test_names(tree, name):
    """Each name in backticks that may be a test's: its line, the name, whether it is a mutant's."""
    header = []
    for number, line in lines_of(tree, name):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            header, cells = ["", "mutant"], line.split("Mutants:", 1)
        elif not header or header == ["", "mutant"]:
            header = cells
        for column, cell in enumerate(cells):
            is_mutant = column < len(header) and header[column] == "mutant"
            for token in re.findall(r"`([a-z0-9_*?]+)`", cell):
                if "_" in token or "*" in token or is_mutant:
                    yield number, token, is_mutant


def check_tests(tree, names):
    for name in names or [TESTS_README, AUDIT]:
        for number, token, is_mutant in test_names(tree, name):
            if is_mutant and not resolves(token, tree.mutants):
                yield name, number, f"no mutant is {token}"
            elif not is_mutant and token not in tree.words and \
                    not resolves(token, tree.tests | tree.mutants):
                yield name, number, f"no test is {token}"


# ---- functions ----


def check_functions(tree, names):
    for name in names or tree.documents:
        for number, line in lines_of(tree, name):
            for function in re.findall(r"\b([a-z][a-z0-9_]*)\(\)", line):
                if function not in tree.functions:
                    yield name, number, f"no function is {function}()"


# ---- files ----

EXTENSIONS = r"(?:c|h|S|asm|py|sh|md|patch|pml|smt2|ld|txt)"
PATH = re.compile(rf"(?<![\w/.<$-])((?:[\w.*-]+/)*[\w*-]+\.{EXTENSIONS})\b(?![\w/])")
FOLDER = re.compile(r"`((?:[\w.-]+/)+)`")
# Outputs of a build; and headers of other projects: the C library, EFI, Linux, Xen, TSan, and the
# peers that benches compare with.
FOREIGN = re.compile(r"^(?:build|sys|efi|linux|public|module)/|^tsan_interface")
PLACEHOLDER = re.compile(r"(?<![A-Za-z])[A-Z]{3,}(?![A-Za-z])(?!\.md)")  # as in NAME.patch


def comments(text, suffix):
    """Each line with everything but comments blanked; all of a document."""
    if suffix in (".c", ".h", ".pml"):
        token = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"'
        keep = ("/*", "//")
    elif suffix in (".S", ".asm", ".smt2"):
        token, keep = r";[^\n]*", ";"
    elif suffix in (".py", ".sh"):
        token, keep = r'"{3}(?:.|\n)*?"{3}|(?m:^[ \t]*# [^\n]*)', ('"' * 3, "#", " ", "\t")
    elif suffix == ".patch":
        return text.split("\n--- ")[0].replace(".o\n", ".c\n")
    else:
        return text
    out, end = [], 0
    for match in re.finditer(token, text, re.S if suffix in (".c", ".h", ".pml") else 0):
        out.append(re.sub(r"[^\n]", " ", text[end : match.start()]))
        out.append(match[0] if match[0].startswith(keep) else re.sub(r"[^\n]", " ", match[0]))
        end = match.end()
    return "".join(out)


def exists(tree, path):
    made = re.match(r"build/host-[\w-]+/(.*)", path)  # an object, as a mutant's command names it
    if made:
        path = made[1]
    if FOREIGN.search(path) or PLACEHOLDER.search(path):
        return True
    if path.endswith("/"):
        return any(name.startswith(path) for name in tree.files)
    if "/" not in path:
        return resolves(path, tree.basenames)
    return any(same_path(name.split("/"), path.split("/")) for name in tree.files)


def same_path(names, globs):
    """A `*` stays in its folder."""
    return len(names) == len(globs) and all(map(fnmatch.fnmatchcase, names, globs))


def check_paths(tree, names):
    made_up = [n for n in tree.files if n.startswith("tests/tools/") and n.endswith(".sh")]
    for name in names or sorted({*tree.texts(set(FOLDERS)), *tree.documents} - {*made_up}):
        suffix = pathlib.PurePath(name).suffix
        for number, line in enumerate(comments(tree.read(name), suffix).split("\n"), 1):
            folders = FOLDER.findall(line) if suffix == ".md" else []
            for path in PATH.findall(line) + folders:
                if not exists(tree, path):
                    yield name, number, f"no file is {path}"


CHECKS = {"audit": check_audit, "tests": check_tests, "functions": check_functions,
          "paths": check_paths}


def main(args):
    root = pathlib.Path(__file__).resolve().parent.parent
    if args[:1] == ["--root"]:
        root, args = pathlib.Path(args[1]), args[2:]
    if not args or args[0] not in CHECKS:
        print(__doc__.split("\n", maxsplit=1)[0], file=sys.stderr)
        return 2
    count = 0
    for name, number, what in CHECKS[args[0]](Tree(root), args[1:]):
        print(f"{name}:{number}: {what}")
        count += 1
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
