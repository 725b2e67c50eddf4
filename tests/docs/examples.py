#!/usr/bin/env python3
"""examples.py KILN ROOT: runs every Lua example of README.md and of the pages on scenarios and faults, each as a scenario of its own,
and holds the pages against the language: every word and every fault has its place there."""
import os
import re
import subprocess
import sys
import tempfile

PAGES = ("README.md", "docs/scenarios.md", "docs/faults.md")
EXAMPLES_MIN = 15
# What stands around an example that is no whole scenario.
BEFORE = """local cluster = Cluster { brokers = 1 }
local orders = cluster:topic { name = "orders", partitions = 2 }
local producer = cluster:producer { acks = "all", to = orders, records = 200, rate = 100 }
local consumer = cluster:consumer { from = orders }
local broker = cluster:broker(1)
"""
AFTER = """sleep(seconds(1))
finally { "nothing acknowledged is lost" }
"""


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


def examples(root):
    """(page:line, text) of each block ```lua."""
    for page in PAGES:
        block, first = None, 0
        for number, line in enumerate(read(root, page).splitlines(), 1):
            if block is None and line.strip() == "```lua":
                block, first = [], number + 1
            elif block is not None and line.strip() == "```":
                yield f"{page}:{first}", "\n".join(block) + "\n"
                block = None
            elif block is not None:
                block.append(line)


def whole(place, text):
    if re.search(r"^scenario ", text, re.M):
        return text
    after = "" if re.search(r"^finally ", text, re.M) else AFTER
    return f'scenario "the example at {place}"\n' + ("" if "Cluster {" in text else BEFORE) + text + after


def words(root):
    """What a script may say."""
    prelude = read(root, "sim/script/prelude.lua")
    found = set(re.findall(r"^function (\w+)\(", prelude, re.M)) | set(re.findall(r'_word\("(\w+)"', prelude))
    return found | {"millis", "seconds", "minutes", "hours", "days", "years"}


def faults(root):
    """(name, what it takes) of each fault."""
    header = read(root, "sim/fault/fault.h")
    table = header[header.index("#define FAULT_KINDS(X)"):header.index("enum fault_kind {")].replace("\\\n", " ")
    for name, takes in re.findall(r'X\(\w+, "([\w ]+)", \w+,(.*?)\)\s*(?=X\(|$)', re.sub(r"\s+", " ", table) + " "):
        taken = [word.lower() + "=" for word in re.findall(r"FAULT_TAKES\((\w+)\)", takes)]
        yield name, taken + ["file="] * ("TAKES_FILE" in takes) + ["for "] * ("TAKES_FOR" in takes)


def missing(root):
    texts = "\n".join(text for _, text in examples(root))
    for word in sorted(words(root)):
        if not re.search(rf"\b{word}\b", texts):
            yield f"docs/scenarios.md: no example says {word}"
    rows = [line for line in read(root, "docs/faults.md").splitlines() if line.startswith("| `")]
    listed = list(faults(root))
    if len(listed) < 20:
        yield "the table of faults in sim/fault/fault.h was not understood"
    for name, takes in listed:
        row = next((row for row in rows if row.startswith(f"| `{name}` ")), None)
        if row is None:
            yield f"docs/faults.md: no row for {name}"
        for word in takes if row else ():
            if f"`{word.strip()}" not in row:
                yield f"docs/faults.md: {name} takes {word.strip()}"
    for site in re.findall(r'X\(\w+, "([\w/]+)", \w+\)', read(root, "sim/fault/fault.h").split("enum fault_site")[0]):
        if f"`{site}`" not in read(root, "docs/faults.md"):
            yield f"docs/faults.md: no word of the fault point {site}"


def without_numbers(line):
    return re.sub(r"[0-9]+(\.[0-9]+)?", "N", line.strip())


def shown(root, kiln):
    """What docs/scenarios.md says that a run prints: its lines, whatever the numbers in them."""
    page = read(root, "docs/scenarios.md")
    found = re.search(r"`kiln (run scenarios/\S+ --bug \w+ --seed 1)` prints \(in part\)\n\n((?: {4}.*\n)+)", page)
    if found is None:
        yield "docs/scenarios.md: no command whose output it shows"
        return
    with tempfile.TemporaryDirectory() as directory:
        os.symlink(os.path.join(root, "scenarios"), os.path.join(directory, "scenarios"))
        # As who has it in his PATH: commands that it prints say kiln.
        environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
        done = subprocess.run(["kiln", *found[1].split()], executable=kiln, env=environment, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    printed = {without_numbers(line) for line in done.stdout.splitlines()}
    for line in found[2].splitlines():
        if without_numbers(line) not in printed:
            yield f"docs/scenarios.md: kiln {found[1]} does not print: {line.strip()}"


def main():
    kiln, root = os.path.abspath(sys.argv[1]), sys.argv[2]
    wrong = list(missing(root)) + list(shown(os.path.abspath(root), kiln))
    count = 0
    with tempfile.TemporaryDirectory() as directory:
        for place, text in examples(root):
            count += 1
            name = re.sub(r"\W+", "-", place) + ".lua"
            with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
                file.write(whole(place, text))
            done = subprocess.run([kiln, "run", name, "--seed", "1", "--disk", "memory"], cwd=directory, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, timeout=120)
            if done.returncode != 0:
                wrong.append(f"{place}: exit {done.returncode}\n{done.stdout}")
    print("\n".join(wrong))
    print(f"{count} examples, {len(wrong)} findings")
    sys.exit(bool(wrong) or count < EXAMPLES_MIN)


main()
