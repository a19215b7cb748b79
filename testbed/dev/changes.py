# SPDX-License-Identifier: GPL-2.0-or-later
"""The small changes that mutate makes in the engine, and which of them nobody could notice."""

import collections
import os
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
CORE = "emulator/core"
EQUIVALENT = TOP / "testbed/dev/mutate.equivalent"

TOKEN = re.compile(r"""
      (?P<blank>\s+ | /\*.*?\*/ | //[^\n]*)
    | (?P<directive>^[ \t]*\#(?:[^\n\\]|\\.)*)
    | (?P<string>"(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*')
    | (?P<number>\d[\w.]*)
    | (?P<name>[A-Za-z_]\w*)
    | (?P<sign><<=|>>=|\.\.\.|<<|>>|<=|>=|==|!=|&&|\|\||\+\+|--|->|[-+*/%&|^]=|.)
    """, re.X | re.S | re.M)

# What replaces an operator between two values.
INSTEAD = {
    "<": ("<=", ">="), "<=": ("<", ">"), ">": (">=", "<="), ">=": (">", "<"),
    "==": ("!=",), "!=": ("==",),
    "&&": ("||",), "||": ("&&",), "+": ("-",), "-": ("+",), "*": ("/",), "/": ("*",), "%": ("/",),
    "<<": (">>",), ">>": ("<<",), "&": ("|",), "|": ("&",), "^": ("|",),
    "+=": ("-=",), "-=": ("+=",), "|=": ("&=",), "&=": ("|=",), "^=": ("|=",),
    "<<=": (">>=",), ">>=": ("<<=",),
}
COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
KEYWORDS = {"if", "else", "for", "while", "do", "switch", "case", "default", "return", "break",
            "continue", "goto", "sizeof"}
TYPES = {"struct", "enum", "union", "const", "static", "unsigned", "int", "bool", "char", "long",
         "void", "size_t"}
EXITS = {"return", "break", "continue", "goto"}
COUNT = re.compile(r"[A-Z][A-Z0-9_]*_(MAX|MIN|BYTES|DEFAULT|ACKS|SPARE|PAGES|SIZE_MAX)$")
MOMENT = re.compile(r"[A-Z][A-Z0-9_]*_(NS|MS)$")
UNITS = {"NS_PER_MS", "NS_PER_S"}

Token = collections.namedtuple("Token", "kind text start")


def fail(text):
    print("testbed/dev/mutate: " + text, file=sys.stderr)
    sys.exit(2)


class Change:
    """Replaces the text of a file from start to end by another."""

    def __init__(self, source, start, end, text, operator):
        self.source, self.start, self.end = source, start, end
        self.text, self.operator = text, operator
        self.function = source.function_at(start)
        self.line = source.text.count("\n", 0, start) + 1
        column = start - source.text.rfind("\n", 0, start)
        alike = source.places.setdefault((self.line, column), [])
        alike.append(self)
        self.id = "%s:%d:%d/%d" % (source.name, self.line, column, len(alike))
        same = source.keys.setdefault(self.key(), [])
        same.append(self)
        self.number = len(same)		# among those that look the same in this function

    def changed(self):
        return self.source.text[:self.start] + self.text + self.source.text[self.end:]

    def shown(self):
        """The lines that it changes, before and after, each joined into one."""
        text = self.source.text
        first, last = text.rfind("\n", 0, self.start) + 1, text.find("\n", self.end)
        changed = text[first:self.start] + self.text + text[self.end:last]
        return one_line(text[first:last]), one_line(changed)

    def key(self):
        return (self.source.name, self.function) + self.shown()

    def __str__(self):
        names = self.id, self.function, self.operator
        return "%s %s: %s\n    - %s\n    + %s" % (names + self.shown())


def one_line(text):
    return " ".join(re.sub(r"/\*.*?(\*/|$)", "", text, flags=re.S).split())


class Source:
    def __init__(self, path):
        self.name, self.text = path.name, path.read_text(encoding="utf-8")
        self.places, self.keys = {}, {}
        self.tokens = [Token(match.lastgroup, match.group(), match.start())
                       for match in TOKEN.finditer(self.text)
                       if match.lastgroup not in ("blank", "directive")]
        self.closing = self.pair()
        self.functions = list(self.find_functions())

    def pair(self):
        """For each opening bracket, the place of its closing bracket."""
        closing, open_ones = {}, []
        for i, token in enumerate(self.tokens):
            if token.kind == "sign" and token.text in "([{":
                open_ones.append(i)
            elif token.kind == "sign" and token.text in ")]}":
                closing[open_ones.pop()] = i
        return closing

    def find_functions(self):
        """The name, first and last token of each function body."""
        opening = {end: start for start, end in self.closing.items()}
        i = 0
        while i < len(self.tokens):
            if self.tokens[i].text == "{" and self.tokens[i - 1].text == ")":
                yield self.tokens[opening[i - 1] - 1].text, i, self.closing[i]
            i = self.closing.get(i, i) + 1

    def function_at(self, start):
        return next((name for name, first, last in self.functions
                     if self.tokens[first].start <= start <= self.tokens[last].start), "")

    def changes(self):
        found, seen = [], set()
        for _, first, last in self.functions:
            for start, end, text, operator in self.in_body(first, last):
                if (start, end, text) not in seen:
                    seen.add((start, end, text))
                    found.append((start, end, text, operator))
        found.sort()
        return [Change(self, *change) for change in found]

    def end_of(self, i):
        return self.tokens[i].start + len(self.tokens[i].text)

    def in_body(self, first, last):
        declared = set()	# tokens of declarations, without initial values
        heads = {k for i in range(first, last) if self.tokens[i].text == "for"
                 for k in range(i + 1, self.closing[i + 1])}
        i = first + 1
        while i < last:
            if self.begins_statement(i) and i not in heads:
                end = self.statement_end(i)
                if self.is_declaration(i):
                    declared.update(self.declaration(i, end))
                else:
                    yield from self.statement(i, end, last)
            i += 1
        for i in range(first + 1, last):
            yield from self.condition(i)
            if i not in declared:
                yield from self.token(i)

    def begins_statement(self, i):
        before = self.tokens[i - 1].text
        if self.tokens[i].text in "{};":
            return False
        return (before in ("{", "}", ";", "else", "do") or self.ends_head(i - 1)
                or (before == ":" and self.ends_label(i - 1)))

    def ends_label(self, i):
        """Is this the colon of `case X:` or `label:`, rather than of a value?"""
        start = i
        while self.tokens[start - 1].text not in ("{", "}", ";", ":"):
            start -= 1
        return self.tokens[start].text in ("case", "default") or start == i - 1

    def ends_head(self, i):
        """Is this the end of `if (...)` or the like?"""
        if self.tokens[i].text != ")":
            return False
        start = next(start for start, end in self.closing.items() if end == i)
        return self.tokens[start - 1].text in ("if", "for", "while", "switch")

    def statement_end(self, i):
        """The place of its semicolon, or of the bracket that closes around the statement."""
        while self.tokens[i].text not in (";", ")", "}", "]"):
            i = self.closing.get(i, i) + 1
        return i

    def is_declaration(self, i):
        one, two, three = self.tokens[i:i + 3]
        if one.text in TYPES:
            return True
        if one.kind != "name" or one.text in KEYWORDS:
            return False
        return two.kind == "name" or (two.text == "*" and three.kind == "name"
                                      and three.text not in KEYWORDS)

    def declaration(self, i, end):
        """Its tokens, without those of initial values."""
        while i < end:
            if self.tokens[i].text == "=":
                while i < end and self.tokens[i].text != ",":
                    i = self.closing.get(i, i) + 1
                continue
            yield from range(i, self.closing.get(i, i) + 1)
            i = self.closing.get(i, i) + 1

    def statement(self, i, end, last):
        head = self.tokens[i].text
        if self.tokens[end].text != ";" or head in ("__asm__", "case", "default"):
            return
        whole = self.tokens[i].start, self.tokens[end].start
        if head in EXITS:
            if end + 1 < last:
                yield whole + ("", head + " left out")
            return
        texts = [token.text for token in self.tokens[i:end]]
        if head in KEYWORDS or texts[:3] == ["(", "void", ")"] or ":" in texts[:2]:
            return
        yield whole + ("", "statement left out")

    def condition(self, i):
        if self.tokens[i].text not in ("if", "while") or self.tokens[i + 1].text != "(":
            return
        first, last = i + 2, self.closing[i + 1] - 1
        texts = [token.text for token in self.tokens[first:last + 1]]
        if len(texts) == 1 and texts[0] in ("true", "false"):
            return
        # A single comparison is negated by another operator.
        if set(texts) & set(COMPARISONS) and not set(texts) & {"&&", "||", "="}:
            return
        start, end = self.tokens[first].start, self.end_of(last)
        yield start, end, "!(%s)" % self.text[start:end], "condition negated"

    def token(self, i):
        kind, text, start = self.tokens[i]
        end, before = start + len(text), self.tokens[i - 1]
        if kind == "sign":
            is_between = before.text in ")]" or (before.kind in ("name", "number", "string")
                                                 and before.text not in KEYWORDS)
            if before.text == ")" and text in "*&-+" and self.is_cast(i - 1):
                is_between = False
            for other in INSTEAD.get(text, ()) if is_between else ():
                yield start, end, other, "%s to %s" % (text, other)
            if text in ("++", "--"):
                other = "--" if text == "++" else "++"
                yield start, end, other, "%s to %s" % (text, other)
            if text == "!":
                yield start, end, "", "! left out"
        elif kind == "number":
            for other in numbers_beside(text):
                yield start, end, other, "%s to %s" % (text, other)
        elif text in ("true", "false"):
            other = "false" if text == "true" else "true"
            yield start, end, other, "%s to %s" % (text, other)
        elif COUNT.match(text) and self.tokens[i + 1].text != "(":
            for other in ("(%s + 1)" % text, "(%s - 1)" % text):
                yield start, end, other, "%s to %s" % (text, other)
        elif MOMENT.match(text) and text not in UNITS:
            for other in ("(%s * 2)" % text, "(%s / 2)" % text):
                yield start, end, other, "%s to %s" % (text, other)

    def is_cast(self, i):
        """Is this the end of `(type)`?"""
        start = next(start for start, end in self.closing.items() if end == i)
        inside = [token.text for token in self.tokens[start + 1:i]]
        return bool(inside) and all(re.fullmatch(r"\w+_t|\*|\w+", text) for text in inside) and (
            inside[0] in TYPES or inside[0].endswith("_t"))


def numbers_beside(text):
    match = re.fullmatch(r"(0[xX][0-9a-fA-F]+|\d+)([uUlL]*)", text)
    if not match:
        return
    value = int(match.group(1), 0)
    show = "0x%x" if match.group(1)[:2] in ("0x", "0X") else "%d"
    for other in (value + 1, value - 1):
        if other >= 0:
            yield show % other + match.group(2)


def all_changes(only):
    folder = TOP / CORE
    names = sorted(path.name for path in folder.iterdir() if path.suffix in (".c", ".h"))
    for name in only:
        if os.path.basename(name) not in names:
            fail("%s: there is no such file in %s" % (name, CORE))
    wanted = [os.path.basename(name) for name in only] or names
    return [change for name in names if name in wanted
            for change in Source(folder / name).changes()]


def read_equivalent():
    """The changes that nobody could notice: for each, its key, its number or None, and its line."""
    listed, number = [], 0
    if not EQUIVALENT.exists():
        return listed
    name = EQUIVALENT.relative_to(TOP)
    for block in re.split(r"\n\s*\n", EQUIVALENT.read_text(encoding="utf-8")):
        lines = [line.strip() for line in block.strip("\n").splitlines()
                 if not line.startswith("#")]
        first = number + 1
        number += block.count("\n") + 2
        if not lines:
            continue
        head = lines[0].split()
        if (len(lines) < 4 or not re.fullmatch(r"\S+ \w+( \d+)?", lines[0])
                or lines[1][:2] != "- " or lines[2][:2] != "+ "):
            fail("%s, line %d: an entry is FILE FUNCTION [NUMBER], `- ` the line before, "
                 "`+ ` the line after, and why" % (name, first))
        key = head[0], head[1], one_line(lines[1][2:]), one_line(lines[2][2:])
        listed.append((key, int(head[2]) if len(head) > 2 else None, first))
    return listed


def find_equivalent(changes):
    """The changes that are listed. Reports what is wrong with the list."""
    found, by_key = set(), collections.defaultdict(list)
    for change in changes:
        by_key[change.key()].append(change)
    for key, number, line in read_equivalent():
        named = [change for change in by_key.get(key, ()) if number in (None, change.number)]
        place = "%s, line %d" % (EQUIVALENT.relative_to(TOP), line)
        if not named:
            print("%s: there is no such change any more" % place)
        elif len(named) > 1:
            fail("%s: %d changes look like this; write the number of the one, from 1, after the "
                 "function" % (place, len(named)))
        found.update(change.id for change in named)
    return found
