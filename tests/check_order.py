#!/usr/bin/env python3
"""No call has two arguments that make nodes of a graph or indices of a sheet: which is made first would be the
compiler's choice, and with it the numbers of nodes, the texts and the rounding. The first gets a name of its own."""
import glob
import re
import sys

ROOT = sys.argv[1] + "/"
# What makes nodes by itself; functions that call such a function do too.
MAKERS = {"cy_intern", "cy_sheet_index", "cy_sheet_name", "expand", "jvp", "transpose", "simplify", "build", "read"}
KEYWORDS = {"if", "for", "while", "switch", "return", "sizeof"}
IN_ORDER = {"SUM", "DIFFERENCE", "CY_UNARY", "CY_BINARY"}  # macros that put the first in a variable; rows of a table


def clean(text):
    """Without comments and strings, line by line."""
    text = re.sub(r'"(?:\\.|[^"\\\n])*"', '""', text)
    return re.sub(r"/\*.*?\*/|//[^\n]*", lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.S)


def closing(text, at):
    depth = 0
    for i in range(at, len(text)):
        depth += (text[i] in "([{") - (text[i] in ")]}")
        if depth == 0:
            return i
    return len(text)


def arguments(text):
    parts, depth = [""], 0
    for c in text:
        depth += (c in "([{") - (c in ")]}")
        if c == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    return parts


def called(text):
    return set(re.findall(r"\b(\w+)\s*\(", text)) - KEYWORDS


files = {}
for pattern in ("src/**/*.c", "src/**/*.h", "src/**/*.def"):
    for name in glob.glob(ROOT + pattern, recursive=True):
        files[name] = clean(open(name, encoding="utf-8").read())
bodies = {}  # (file of a static function, else ""; name) -> (file, what it calls)
for name, text in files.items():
    for m in re.finditer(r"^[a-z][\w \*]*?\b(\w+)\(", text, re.M):
        end = closing(text, m.end() - 1)
        if re.match(r"\)\s*\{", text[end:end + 99]):
            start = text.index("{", end)
            owner = name if "static" in m.group() and name.endswith(".c") else ""
            bodies[owner, m.group(1)] = (name, called(text[start:closing(text, start)]))
    for m in re.finditer(r"^[ \t]*#[ \t]*define[ \t]+(\w+)\([^)]*\)((?:[^\n]*\\\n)*[^\n]*)", text, re.M):
        bodies["", m.group(1)] = (name, called(m.group(2)))
    if name.endswith("elementwise.def"):
        MAKERS.update("cy_" + row for row in re.findall(r"^CY_\w+\((\w+)", text, re.M))

making = set()


def makes(file, function):
    owner = file if (file, function) in bodies else ""
    return function in MAKERS or (owner, function) in making


before = -1
while len(making) > before:
    before = len(making)
    making |= {key for key, (file, calls) in bodies.items() if any(makes(file, call) for call in calls)}

bad = 0
for name, text in sorted(files.items()):
    for m in re.finditer(r"\b(\w+)\s*\(|(?<==)\s*\{|\)\{", text):
        start = m.end() - 1
        inside = text[start + 1:closing(text, start)]
        if m.group(1) in KEYWORDS | IN_ORDER or ";" in inside or "#" in inside:
            continue
        if sum(any(makes(name, call) for call in called(part)) for part in arguments(inside)) > 1:
            line = text.count("\n", 0, m.start()) + 1
            print(f"{name[len(ROOT):]}:{line}: name one of the values: {m.group().strip()}{' '.join(inside.split())[:90]}")
            bad = 1
sys.exit(bad)
