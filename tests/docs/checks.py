#!/usr/bin/env python3
"""checks - checks.py SOURCE_DIR: docs/checks.md and the checks tell of the same codes, names and gravities; each check is shown by a unit
test, and what known bugs name as their findings exists."""
import os
import re
import sys


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    root = sys.argv[1]
    wrong = []
    header = read(root, "analysis", "check", "check.h").replace("\\\n", " ")
    table = header[header.index("#define CHECK_TABLE"):header.index("enum check_code")]
    built = {code: (name, gravity.lower()) for code, name, gravity in re.findall(r"X\((\w+), (\w+), (\w+),", table)}
    page = read(root, "docs", "checks.md")
    told = {code: (name, gravity) for code, name, gravity in re.findall(r"^\| (\w+) \| `(\w+)` \| (\w+) \|", page, re.M)}
    for code in sorted(set(built) | set(told)):
        if built.get(code) != told.get(code):
            wrong.append(f"{code}: check.h has {built.get(code)}, docs/checks.md {told.get(code)}")
    folder = os.path.join(root, "tests", "unit", "analysis", "check")
    tests = "".join(read(folder, name) for name in sorted(os.listdir(folder)))
    for code, (name, _) in built.items():
        if not re.search(rf"\bCHECK_{name}\b", tests) and f'"{code} x' not in tests:
            wrong.append(f"{code} {name}: no unit test shows it")
    names = {name for name, _ in built.values()} | {"STUCK", "EXPECT", "CRASH"}
    for bug, checks in re.findall(r'^BUG\((\w+), "[^"]*", "([^"]*)"', read(root, "sim", "known_bugs.def"), re.M):
        for name in checks.split():
            if name not in names:
                wrong.append(f"known bug {bug}: there is no check {name}")
    if len(built) < 40 or not tests:
        wrong.append("the table of checks was not found")
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
