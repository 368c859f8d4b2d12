#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""words.py FILE.c - prove each claim_*() of a C file for every argument, by z3 over bit vectors.

A claim is a C function of integers that includes and calls the real code (tests/proof/words.h).
clang compiles it to LLVM IR with every function inlined and every undefined behaviour a trap;
here each instruction becomes a definition over bit vectors, and z3 is asked for arguments with
which the claim answers WRONG or a trap is reached.  There is no loop left in what can be followed,
so nothing is bounded; what cannot be followed (memory, calls, loops) is an error, never skipped.
A claim must also be able to answer RIGHT, or it says nothing.

What is believed: clang 14 and z3.

Prints one line for each claim, with the arguments that refute it, then `N claims proved`.
"""

import argparse
import re
import subprocess
import sys

CLANG = ["clang-14", "-S", "-emit-llvm", "-o", "-", "-w", "-std=gnu2x", "-I.", "-Iarch/x86_64",
         "-ffreestanding", "-mgeneral-regs-only", "-march=x86-64", "-fno-strict-aliasing",
         # undefined behaviour of words ends in `unreachable`; there are no pointers to speak of
         "-fsanitize=undefined", "-fsanitize-trap=undefined",
         "-fno-sanitize=alignment,null,object-size,pointer-overflow",
         # one function of plain instructions for each claim, with the names of its variables
         "-O2", "-fno-jump-tables", "-fno-vectorize", "-fno-slp-vectorize",
         "-fno-discard-value-names", "-mllvm", "-inline-threshold=100000",
         "-mllvm", "-unroll-threshold=3000", "-mllvm", "-unroll-max-upperbound=64"]
WRONG, RIGHT = 0, 1  # tests/proof/words.h

BINARY = {"add": "bvadd", "sub": "bvsub", "mul": "bvmul", "and": "bvand", "or": "bvor",
          "xor": "bvxor", "shl": "bvshl", "lshr": "bvlshr", "ashr": "bvashr", "udiv": "bvudiv",
          "urem": "bvurem", "sdiv": "bvsdiv", "srem": "bvsrem"}
COMPARE = {"eq": "=", "ult": "bvult", "ule": "bvule", "ugt": "bvugt", "uge": "bvuge",
           "slt": "bvslt", "sle": "bvsle", "sgt": "bvsgt", "sge": "bvsge"}
EXTREME = {"umin": "bvult", "umax": "bvugt", "smin": "bvslt", "smax": "bvsgt"}
NAME = r"%[\w.]+"
VALUE = rf"(?:{NAME}|-?\d+|true|false)"
CLAIM = re.compile(r"^define [^@\n]*i32 @(claim_\w+)\(([^)\n]*)\)[^\n]*\{\n(.*?)^\}", re.M | re.S)
FLAGS = r"(?:(?:nuw|nsw|exact) )*"


class Unknown(Exception):
    """An instruction that has no counterpart here."""


def constant(value, bits):
    return f"(_ bv{value % (1 << bits)} {bits})"


def operand(text, bits):
    """A value of LLVM as a term; bits of width `bits`, i1 included."""
    if text.startswith("%"):
        return symbol(text)
    return constant({"true": 1, "false": 0}[text] if text in ("true", "false") else int(text), bits)


def symbol(name):
    return f"|{name}|"


def truth(term):
    """An i1 as a Bool."""
    return f"(= {term} #b1)"


def bit(term):
    """A Bool as an i1."""
    return f"(ite {term} #b1 #b0)"


def any_of(terms):
    return terms[0] if len(terms) == 1 else f"(or {' '.join(terms)})" if terms else "false"


def overflow_term(operation, signed, bits, a, b):
    """Whether the exact result does not fit."""
    extend = f"(_ {'sign' if signed else 'zero'}_extend {bits})"
    wide = f"({BINARY[operation]} ({extend} {a}) ({extend} {b}))"
    return f"(not (= {wide} ({extend} ({BINARY[operation]} {a} {b}))))"


def rotate_term(left, bits, a, b, by):
    """llvm.fshl, llvm.fshr: a word of bits out of a:b."""
    by = f"(concat {constant(0, bits)} (bvurem {by} {constant(bits, bits)}))"
    if left:
        return f"((_ extract {2 * bits - 1} {bits}) (bvshl (concat {a} {b}) {by}))"
    return f"((_ extract {bits - 1} 0) (bvlshr (concat {a} {b}) {by}))"


def call_term(line):
    """(term, the term of the second member of a pair, bits) of a call of an intrinsic."""
    match = re.fullmatch(r"(?:tail )?call (?:{ )?i(\d+)(?:, i1 })? @llvm\.([\w.]+)\((.*)\)", line)
    if not match:
        raise Unknown(line)
    bits, name = int(match[1]), match[2].rsplit(".", 1)[0]
    args = [operand(re.search(rf"({VALUE})$", arg)[1], bits) for arg in match[3].split(", ")]
    if name in EXTREME:
        return f"(ite ({EXTREME[name]} {args[0]} {args[1]}) {args[0]} {args[1]})", None, bits
    if name in ("fshl", "fshr"):
        return rotate_term(name == "fshl", bits, *args), None, bits
    if re.fullmatch(r"[su](add|sub|mul)\.with\.overflow", name):
        operation = name[1:4]
        over = overflow_term(operation, name[0] == "s", bits, *args)
        return f"({BINARY[operation]} {args[0]} {args[1]})", bit(over), bits
    raise Unknown(line)


def value_term(line):
    """(term, bits) of an instruction that makes a value from values."""
    match = re.fullmatch(rf"(\w+) {FLAGS}i(\d+) ({VALUE}), ({VALUE})", line)
    if match and match[1] in BINARY:
        bits = int(match[2])
        return f"({BINARY[match[1]]} {operand(match[3], bits)} {operand(match[4], bits)})", bits
    match = re.fullmatch(rf"icmp (\w+) i(\d+) ({VALUE}), ({VALUE})", line)
    if match:
        a, b = (operand(match[n], int(match[2])) for n in (3, 4))
        differ = f"(not (= {a} {b}))"
        return bit(differ if match[1] == "ne" else f"({COMPARE[match[1]]} {a} {b})"), 1
    match = re.fullmatch(rf"select i1 ({VALUE}), i(\d+) ({VALUE}), i\d+ ({VALUE})", line)
    if match:
        bits = int(match[2])
        return (f"(ite {truth(operand(match[1], 1))} {operand(match[3], bits)} "
                f"{operand(match[4], bits)})"), bits
    match = re.fullmatch(rf"(zext|sext|trunc) i(\d+) ({VALUE}) to i(\d+)", line)
    if match:
        old, new = int(match[2]), int(match[4])
        value = operand(match[3], old)
        if match[1] == "trunc":
            return f"((_ extract {new - 1} 0) {value})", new
        return f"((_ {'zero' if match[1] == 'zext' else 'sign'}_extend {new - old}) {value})", new
    match = re.fullmatch(rf"freeze i(\d+) ({VALUE})", line)
    if match:
        return operand(match[2], int(match[1])), int(match[1])
    raise Unknown(line)


class Function:
    """One function of the IR as SMT-LIB: `text`, and the terms `trapped` and `result`."""

    def __init__(self, header, body):
        self.entry = "%" + body[0].split(":")[0]  # here it has the label ''
        self.text = []
        self.args = [(name, int(bits)) for bits, name in
                     re.findall(rf"i(\d+) (?:[a-z]+ )*({NAME})", header)]
        self.pairs = {}    # name -> the overflow bit beside it
        self.edges = {}    # (from, to) -> term
        self.returns = []  # (reached, value)
        self.traps = []
        self.blocks = self.split(body)
        for name, bits in self.args:
            self.text.append(f"(declare-const {symbol(name)} (_ BitVec {bits}))")
        for label in self.order():
            self.block(label)
        self.trapped = any_of(self.traps)
        self.result = constant(RIGHT, 32)
        for reached, value in self.returns:
            self.result = f"(ite {reached} {value} {self.result})"

    @staticmethod
    def split(body):
        """Blocks: label -> instructions; the first has the label ''."""
        blocks = {"": []}
        label = ""
        for line in body[1:]:
            match = re.match(r"([\w.]+):", line)
            if match:
                label = "%" + match[1]
                blocks[label] = []
            elif line.strip():
                line = re.sub(r",? ![\w.]+(?: !\d+)?|,? !srcloc.*| #\d+", "", line.strip())
                if blocks[label] and blocks[label][-1].startswith("switch") \
                        and not blocks[label][-1].endswith("]"):
                    blocks[label][-1] += " " + line
                else:
                    blocks[label].append(line)
        return blocks

    def order(self):
        """Labels so that each block comes after all that lead to it."""
        done, active, order = set(), set(), []

        def visit(label):
            if label in active:
                raise Unknown(f"a loop at {label}")
            if label in done:
                return
            active.add(label)
            for target in re.findall(rf"label ({NAME})", self.blocks[label][-1]):
                visit(target)
            active.remove(label)
            done.add(label)
            order.append(label)

        visit("")
        return order[::-1]

    def define(self, name, term, sort):
        """A constant and what it equals: z3 is a hundred times faster on it than on define-fun."""
        self.text.append(f"(declare-const {name} {sort}) (assert (= {name} {term}))")

    def define_word(self, name, term, bits):
        self.define(symbol(name), term, f"(_ BitVec {bits})")

    def block(self, label):
        into = [name for (_, to), name in self.edges.items() if to == label]
        reached = f"|reached {label}|"
        self.define(reached, any_of(into) if label else "true", "Bool")
        for line in self.blocks[label][:-1]:
            self.instruction(label, line)
        self.leave(label, reached, self.blocks[label][-1])

    def instruction(self, label, line):
        if re.match(r"(?:tail )?call void @llvm\.(?:ubsantrap|trap|assume|lifetime)", line):
            return  # `unreachable` follows a trap
        match = re.fullmatch(rf"({NAME}) = (.*)", line)
        if not match:
            raise Unknown(line)
        name, what = match[1], match[2]
        phi = re.fullmatch(r"phi i(\d+) (.*)", what)
        pick = re.fullmatch(rf"extractvalue {{ i(\d+), i1 }} ({NAME}), ([01])", what)
        if phi:
            self.define_word(name, self.phi_term(label, phi[2], int(phi[1])), int(phi[1]))
        elif pick:
            term = self.pairs[pick[2]] if pick[3] == "1" else symbol(pick[2])
            self.define_word(name, term, 1 if pick[3] == "1" else int(pick[1]))
        elif "call" in what.split()[:2]:
            term, self.pairs[name], bits = call_term(what)
            self.define_word(name, term, bits)
        else:
            self.define_word(name, *value_term(what))

    def phi_term(self, label, entries, bits):
        pairs = re.findall(rf"\[ ({VALUE}), ({NAME}) \]", entries)
        if len(pairs) != entries.count("["):
            raise Unknown("phi " + entries)
        pairs = [(operand(value, bits), self.edges["" if origin == self.entry else origin, label])
                 for value, origin in pairs]
        term = pairs[-1][0]
        for value, edge in pairs[:-1]:
            term = f"(ite {edge} {value} {term})"
        return term

    def leave(self, label, reached, line):
        go = re.fullmatch(rf"br label ({NAME})", line)
        fork = re.fullmatch(rf"br i1 ({VALUE}), label ({NAME}), label ({NAME})", line)
        switch = re.fullmatch(rf"switch i(\d+) ({VALUE}), label ({NAME}) \[(.*)\]", line)
        result = re.fullmatch(rf"ret i32 ({VALUE})", line)
        ways = {}
        if go:
            ways = {go[1]: ["true"]}
        elif fork:
            yes = truth(operand(fork[1], 1))
            ways.setdefault(fork[2], []).append(yes)
            ways.setdefault(fork[3], []).append(f"(not {yes})")
        elif switch:
            bits, cases = int(switch[1]), re.findall(rf"i\d+ (-?\d+), label ({NAME})", switch[4])
            same = [f"(= {operand(switch[2], bits)} {constant(int(v), bits)})" for v, _ in cases]
            for term, (_, target) in zip(same, cases):
                ways.setdefault(target, []).append(term)
            ways.setdefault(switch[3], []).append(f"(not {any_of(same)})")
        elif result:
            self.returns.append((reached, operand(result[1], 32)))
        elif line == "unreachable":
            self.traps.append(reached)
        else:
            raise Unknown(line)
        for target, terms in ways.items():
            edge = f"|{label} to {target}|"
            self.define(edge, f"(and {reached} {any_of(terms)})", "Bool")
            self.edges[label, target] = edge


def solve(function, wanted, seconds):
    """sat, unsat or unknown, and the arguments when sat."""
    names = " ".join(symbol(name) for name, _ in function.args)
    script = "\n".join(["(set-logic QF_BV)", *function.text, f"(assert {wanted})", "(check-sat)",
                        f"(get-value ({names}))" if names else ""])
    run = subprocess.run(["z3", "-in", f"-T:{seconds}"], input=script, capture_output=True,
                         text=True, check=False)
    lines = run.stdout.split("\n", 1)
    verdict = lines[0] if lines[0] in ("sat", "unsat") else "unknown " + run.stdout.strip()
    return verdict, " ".join(lines[1].split()) if verdict == "sat" else ""


def judge(header, body, seconds):
    """'proved', or why not."""
    try:
        function = Function(header, body)
    except Unknown as what:
        return f"cannot follow: {what}"
    verdict, values = solve(function, any_of([f"(= {function.result} {constant(WRONG, 32)})",
                                              function.trapped]), seconds)
    if verdict == "sat":
        return f"refuted by {values}"
    if verdict != "unsat":
        return verdict
    verdict, _ = solve(function, f"(and (= {function.result} {constant(RIGHT, 32)}) "
                                 f"(not {function.trapped}))", seconds)
    return "proved" if verdict == "sat" else f"never says RIGHT: {verdict}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("file")
    parser.add_argument("--seconds", type=int, default=30, help="for each question to z3")
    options = parser.parse_args()
    clang = subprocess.run([*CLANG, options.file], stdout=subprocess.PIPE, text=True, check=False)
    if clang.returncode != 0:
        sys.exit(f"error: {options.file} does not compile")
    claims = CLAIM.findall(clang.stdout)
    if len(claims) != len(re.findall(r"^define .*@claim_", clang.stdout, re.M)):
        sys.exit("error: a claim is not a function of integers")
    proved = 0
    for name, header, body in claims:
        verdict = judge(header, body.splitlines(), options.seconds)
        print(f"{name}: {verdict}", flush=True)
        proved += verdict == "proved"
    print(f"{proved} of {len(claims)} claims proved")
    return 0 if claims and proved == len(claims) else 1


if __name__ == "__main__":
    sys.exit(main())
