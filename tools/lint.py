#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""lint.py [--root ROOT] [FILE...] - the rules that no compiler checks.

Reads the C sources and headers outside tests/ (or the given files) and prints one line for
each finding, `file:line: [rule] what`; the exit status is 1 when there is any.

  bool-parameter  a function of a header takes a bool by value: two functions, or an enum
  dead-code       a comment line that is a statement, or `#if 0`
  todo-comment    TODO and its relatives: a known gap is a LIMIT comment
  columns         a line is longer than COLUMNS, tabs counting to the next multiple of TAB
  indent          an indent of spaces where a tab belongs
  trailing        white space at the end of a line
  long-function   more than FUNCTION_LINES lines, signature to closing brace
  long-file       more than FILE_LINES lines
  machine-path    a path of one developer's machine
  undocumented    a function declared in a header without a comment on it or on its group
  idle-continue   the last statement of a loop is `continue`
  slot-cast       a `struct meta_slot *`, or the address of a member, is cast to another pointer
                  (finding MOP-01): mm/frame/meta.h names what a slot may hold
  volatile-access portable code has a volatile type (finding REM-03): registers are reached by
                  arch_mmio_*() and arch_port_*(); `asm volatile` and a `static volatile` object,
                  which is no pointer, are fine

An example in a header comment is not dead code when it is indented by two spaces or more;
neither is an ACSL contract.
"""

import pathlib
import re
import sys

COLUMNS = 100
TAB = 8
FUNCTION_LINES = 80
FILE_LINES = 700
FOLDERS = ["lib", "arch", "kern", "boot", "mm", "iommu", "dma", "drivers", "monitor", "tools"]

TODOS = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")
MACHINE_PATH = re.compile(r"/(?:work|home/\w+|root)/")
TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)

# A statement, as opposed to prose that happens to end in a semicolon.
TYPE = r"(?:(?:static|const|volatile)\s+)*(?:struct\s+\w+|unsigned(?:\s+(?:int|long|char))?|" \
       r"int|char|bool|void|long|u?int\d+_t|uintptr_t|size_t|err_t|[pvd]addr_t)"
STATEMENTS = [
    re.compile(pattern)
    for pattern in (
        r"^[A-Za-z_][\w.\[\]]*(?:->[\w.\[\]]+)*\s*\(.*\)\s*;$",  # f(a);
        r"^\*?[A-Za-z_][\w.\[\]]*(?:->[\w.\[\]]+)*\s*(?:[-+|&^*/%]|<<|>>)?=[^=].*;$",  # a->b = c;
        r"^(?:\+\+|--)?[A-Za-z_][\w.\[\]]*(?:->[\w.\[\]]+)*(?:\+\+|--)?;$(?<=[+\])];)",  # a++;
        r"^(?:if|for|while|switch)\s*\(.*[;{]$",
        r"^(?:return|goto)(?:\s+[^\s;]+|\s*\(.*\))?;$",
        r"^(?:break|continue);$",
        r"^" + TYPE + r"\s+\**\w+(?:\[\w*\])*(?:\s*=.*)?;$",
        r"^.*\)\s*\{$",
        r"^(?:}\s*)?(?:else|do)\s*\{$",
        r"^(?:struct|enum|union)\s+\w+\s*\{$",
    )
]


def comment_lines(text):
    """Each comment line as (number, words, is_example)."""
    for match in TOKEN.finditer(text):
        token = match[0]
        if token[:2] not in ("/*", "//") or token[2:3] == "@":
            continue
        first = text.count("\n", 0, match.start()) + 1
        for offset, line in enumerate(token.splitlines()):
            line = re.sub(r"\*/\s*$", "", line)
            if offset == 0:
                yield first, line[2:].strip(" \t*"), False
                continue
            star = re.match(r"^\s*\* ?(.*)$", line)
            words = star[1] if star else line.strip()
            yield first + offset, words.strip(), words.startswith(("  ", "\t"))


def blank_comments(text):
    return TOKEN.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)


def blank_directives(code):
    """Preprocessor lines, with their continuations, blanked."""
    return re.sub(r"(?m)^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m[0]), code)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def closing(code, start):
    """The index of the bracket that closes the one at start, or the end."""
    pairs = {"(": ")", "{": "}"}
    depth = 0
    for i in range(start, len(code)):
        if code[i] == code[start]:
            depth += 1
        elif code[i] == pairs[code[start]]:
            depth -= 1
            if depth == 0:
                return i
    return len(code) - 1


def blank_bodies(code):
    """Function bodies blanked: what is left are declarations, structs and signatures."""
    out, i = [], 0
    for match in re.finditer(r"\)[^;{}()=,]*\{", code):
        start = match.end() - 1
        if start < i:
            continue
        end = closing(code, start)
        out += [code[i : start + 1], re.sub(r"[^\n]", " ", code[start + 1 : end])]
        i = end
    return "".join(out) + code[i:]


def parameters(text):
    depth, current = 0, ""
    for c in text:
        depth += (c in "([{") - (c in ")]}")
        if c == "," and depth == 0:
            yield current
            current = ""
        else:
            current += c
    yield current


def check_bool_parameters(code):
    outside = blank_bodies(code)
    not_functions = {"sizeof", "alignof", "_Alignof", "__typeof__", "typeof", "__attribute__"}
    for match in re.finditer(r"(?:\b(\w+)\s*|\(\s*\*\s*(\w*)\s*\)\s*)\((?!\s*\*)", outside):
        name = match[1] or match[2]
        if name in not_functions:
            continue
        open_at = match.end() - 1
        for parameter in parameters(outside[open_at + 1 : closing(outside, open_at)]):
            if re.fullmatch(r"(?:const\s+)?(?:bool|_Bool)(?:\s+const)?(?:\s+\w+)?",
                            " ".join(parameter.split())):
                yield line_of(outside, open_at), "bool-parameter", f"{name}() takes a bool"


def check_function_lengths(code):
    done = 0
    for match in re.finditer(r"(?m)^[A-Za-z_][^;{}=]*?\b(\w+)\s*\([^;{}]*\)[^;{}()=,]*\{", code):
        if match.start() < done:
            continue
        end = closing(code, match.end() - 1)
        done = end
        lines = line_of(code, end) - line_of(code, match.start()) + 1
        if lines > FUNCTION_LINES:
            yield (line_of(code, match.start()), "long-function",
                   f"{match[1]}() has {lines} lines, {FUNCTION_LINES} are the most")


def check_declarations(text, code):
    """Each prototype has a comment: on its group of lines, or as a heading right above it."""
    lines = text.splitlines()
    outside = blank_bodies(code)
    commented = {number for number, _, _ in comment_lines(text)}
    declaration = r"(?m)^(?!typedef\b)[A-Za-z_][^;{}=()]*\b(\w+)\s*\("
    for match in re.finditer(declaration, outside):
        after = outside[closing(outside, match.end() - 1) + 1 :]
        if not re.match(r"(?:\s*__\w+(?:\([^;{}]*?\))?|\s*__attribute__\s*\(.*?\))*\s*;", after):
            continue
        number = line_of(outside, match.start())
        i = number
        while i > 0 and lines[i - 1].strip() and i not in commented:
            i -= 1
        if i > 0 and i in commented:
            continue
        while i > 0 and not lines[i - 1].strip():
            i -= 1
        heading = i > 0 and i in commented and not lines[i - 1].strip().startswith("#")
        if not heading and match[1] not in C_LIBRARY:
            yield number, "undocumented", f"{match[1]}() has no comment"


C_LIBRARY = {"memcpy", "memmove", "memset", "memcmp", "memchr", "strlen", "strcmp", "strncmp",
             "strchr", "strrchr", "strnlen"}  # ISO C 7.24 documents these


def check_lines(text):
    for number, line in enumerate(text.split("\n"), 1):
        if len(line.expandtabs(TAB)) > COLUMNS:
            yield number, "columns", f"{len(line.expandtabs(TAB))} columns, {COLUMNS} are the most"
        if line != line.rstrip():
            yield number, "trailing", "white space at the end of the line"
        indent = re.match(r"[ \t]*", line)[0]
        if " " * TAB in indent or " \t" in indent:
            yield number, "indent", f"spaces where a tab of {TAB} belongs"
        if TODOS.search(line):
            yield number, "todo-comment", "write a LIMIT comment, or do it"
        if MACHINE_PATH.search(line):
            yield number, "machine-path", "a path of one machine"


def check_dead_code(text, code):
    for number, words, example in comment_lines(text):
        if not example and any(statement.match(words) for statement in STATEMENTS):
            yield number, "dead-code", words
    for match in re.finditer(r"(?m)^[ \t]*#[ \t]*if[ \t]+0\b", code):
        yield line_of(code, match.start()), "dead-code", "#if 0"


def check_continues(code):
    """Uses indents, which the format check enforces."""
    lines = code.split("\n")
    for i in range(1, len(lines)):
        brace = re.fullmatch(r"(\t*)\}.*", lines[i])
        if not brace or not re.fullmatch(brace[1] + r"\t{1,2}continue;\s*", lines[i - 1]):
            continue
        opener = next((lines[j] for j in range(i - 1, -1, -1)
                       if re.match(brace[1] + r"[^\s}]", lines[j])), "")
        if re.match(r"\t*(?:for|while|do)\b", opener):
            yield i, "idle-continue", "the loop ends here anyway"


SLOT_HOME = "mm/frame/meta.h"
# Functions that return a slot, for files that only call them; and the opaque handle of frame.h.
SLOT_FUNCTIONS = {"meta_slot_of", "meta_slot_at", "section_slot", "frame_slot", "slab_slot_of"}
SLOT_MAY_BECOME = re.compile(r"(?:const )?struct (?:meta_slot|frame) ?\*")
SLOT_NAME = re.compile(r"\bstruct\s+meta_slot\s*\*\s*(?:const\s+)?(\w+)")
SLOT_CAST = re.compile(
    r"(?P<casts>(?:\(\s*(?:const\s+|_Atomic\s+|struct\s+|union\s+)*\w+[\s*]*\)\s*)+)[\s(]*"
    r"(?P<address>&?)[\s(]*(?P<of>(?:\w+(?:\.|->))*)(?P<name>\w+)")


def is_slot(match, here, anywhere):
    """Whether the operand of a SLOT_CAST match is a slot, or the address of a part of one."""
    if match["address"]:
        return re.match(r"\w+", match["of"] + match["name"])[0] in here
    code, end = match.string, match.end()
    called = re.match(r"\s*\(", code[end:])
    if called:
        end = closing(code, end + called.end() - 1) + 1
    slots = anywhere if match["of"] or called else here
    return match["name"] in slots and not re.match(r"\s*(?:->|\[)", code[end:])


def check_slot_casts(code):
    """A variable is a slot in the function that declares it; a function or a member, in the file.

    LIMIT: a slot that becomes another pointer without a cast, through `void *`, is not seen.
    """
    anywhere, start = SLOT_FUNCTIONS | set(SLOT_NAME.findall(code)), 0
    for part in re.split(r"(?m)(?<=^\})", code):
        here = SLOT_FUNCTIONS | set(SLOT_NAME.findall(part))
        for match in SLOT_CAST.finditer(part):
            cast = " ".join(match["casts"].split(")")[0].strip("( \t\n").split())
            if "*" in cast and not SLOT_MAY_BECOME.fullmatch(cast) and \
                    is_slot(match, here, anywhere):
                yield (line_of(code, start + match.start()), "slot-cast",
                       f"{match['name']} becomes a {cast}")
        start += len(part)


VOLATILE_FOLDERS = {"lib", "kern", "boot", "mm", "iommu", "dma", "drivers", "monitor"}
# Stores to memory that a device displays; deliberate crashes that the compiler must not optimize.
VOLATILE_HOMES = {"drivers/tty/video_memory.h", "monitor/crash.c"}
VOLATILE = re.compile(r"\b(?:volatile|__volatile__|__volatile)\b")


def check_volatile(code):
    """Macros are read, too: code still has its directives."""
    for match in VOLATILE.finditer(code):
        before, after = code[: match.start()], code[match.end() :]
        is_assembly = re.search(r"\b(?:asm|__asm__|__asm)\s+$", before)
        is_object = re.search(r"\bstatic\s+$", before) and re.match(r"[\w\s]+[;=\[]", after)
        if not is_assembly and not is_object:
            yield (line_of(code, match.start()), "volatile-access",
                   "use arch_mmio_*(), arch_port_*() or atomics")


def findings(path, text):
    bare = blank_comments(text)
    code = blank_directives(bare)
    yield from check_lines(text)
    yield from check_dead_code(text, bare)
    yield from check_function_lengths(code)
    yield from check_continues(code)
    if not path.as_posix().endswith(SLOT_HOME):
        yield from check_slot_casts(code)
    if path.parts[0] in VOLATILE_FOLDERS and path.as_posix() not in VOLATILE_HOMES:
        yield from check_volatile(bare)
    length = len(text.splitlines())
    if length > FILE_LINES:
        yield FILE_LINES + 1, "long-file", f"{length} lines, {FILE_LINES} are the most"
    if path.suffix == ".h":
        yield from check_bool_parameters(code)
        yield from check_declarations(text, code)


def main(args):
    root = pathlib.Path(".")
    if args[:1] == ["--root"]:
        root, args = pathlib.Path(args[1]), args[2:]
    files = [pathlib.Path(arg) for arg in args]
    if not files:
        files = sorted(p for d in FOLDERS for p in (root / d).rglob("*.[ch]"))
    count = 0
    for path in files:
        text = path.read_text(encoding="utf-8", errors="replace")
        shown = path.relative_to(root) if path.is_relative_to(root) else path
        for number, rule, what in sorted(findings(shown, text)):
            print(f"{shown}:{number}: [{rule}] {what}")
            count += 1
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
