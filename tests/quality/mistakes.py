#!/usr/bin/env python3
"""mistakes [NAME...] [OPTIONS]: puts mistakes into the code, one at a time, and sees who finds them.

Each mistakes/ROUND/NAME.patch has three lines, "Room: ", "Kind: " and "What: ", and behind them a diff of the sources. It is applied to
a copy of what is committed (build/quality/tree), built, and judged: by the scenarios with seeds 1 to 20, by the swarm with up to 1,000
seeds, and by the other tests. The first that finds it is its verdict, a row of verdicts.tsv; a run that fails counts only where the same
run holds without the mistake. What has a verdict is not judged again, unless its patch has changed, or --again says so; who is
interrupted goes on behind the last verdict. tests/quality/page writes docs/quality.md of the rows."""
import argparse
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
FOLDER, VERDICTS = f"{HERE}/mistakes", f"{HERE}/verdicts.tsv"
WORK = f"{ROOT}/build/quality"
TREE, BUILD, BASE = f"{WORK}/tree", f"{WORK}/tree/build/release", f"{WORK}/kiln-base"
COLUMNS = ("name", "patch", "commit", "who", "where", "seconds")
KINDS = ("off by one", "forgotten sync", "early answer", "stale state", "epoch compared wrongly", "lost wake-up", "order of durable steps",
         "wrong owner freed", "retry", "limit not applied", "other")
SCENARIO_PIECES = ((1, 4), (5, 20)) # seeds: most is found by the first ones
SWARM_SEEDS, SWARM_PIECE = 1000, 50
NEAR = ("failover", "cluster", "metadata", "swarm") # folders of scenarios where most is found: they are run first
TESTS_NOT = "interop|scenario|slow|tidy|fuzz|docs"


def complain(text):
    print(f"mistakes: {text}", file=sys.stderr)
    sys.exit(64)


def run(*command, cwd=ROOT, env=None):
    return subprocess.run(command, cwd=cwd, env=env, text=True, capture_output=True)


class Mistake:
    def __init__(self, path):
        self.path, self.name = path, os.path.relpath(path, FOLDER).removesuffix(".patch")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        self.patch = hashlib.sha256(text.encode()).hexdigest()[:12]
        head = dict(re.findall(r"^(Room|Kind|What): (.+)$", text, re.M))
        if set(head) != {"Room", "Kind", "What"} or head["Kind"] not in KINDS:
            complain(f"{self.name}: its head is to say Room, Kind ({', '.join(KINDS)}) and What")
        self.room, self.kind, self.what = head["Room"], head["Kind"], head["What"]


def all_mistakes():
    found = []
    for folder, _, names in os.walk(FOLDER):
        found += [Mistake(f"{folder}/{name}") for name in names if name.endswith(".patch")]
    return sorted(found, key=lambda mistake: mistake.name)


def read_verdicts():
    """{name: row}, the newest of each."""
    rows = {}
    if os.path.exists(VERDICTS):
        with open(VERDICTS, encoding="utf-8") as file:
            next(file, None)
            for line in file:
                row = dict(zip(COLUMNS, line.rstrip("\n").split("\t")))
                rows[row["name"]] = row
    return rows


def write_verdicts(rows):
    with open(VERDICTS + ".new", "w", encoding="utf-8") as file:
        file.write("\t".join(COLUMNS) + "\n")
        for _, row in sorted(rows.items()):
            file.write("\t".join(str(row[c]) for c in COLUMNS) + "\n")
    os.replace(VERDICTS + ".new", VERDICTS)


# ---- the copy -----------------------------------------------------------------------------------


def apply(mistake, *options):
    # A copy below a checkout is no part of it.
    env = dict(os.environ, GIT_CEILING_DIRECTORIES=WORK)
    return run("git", "apply", *options, mistake.path, cwd=TREE, env=env)


def build(*targets):
    env = dict(os.environ, CCACHE_BASEDIR=TREE, CCACHE_NOHASHDIR="1")
    return run("cmake", "--build", BUILD, "--target", *targets, cwd=TREE, env=env)


def make_tree(commit):
    """What is committed, built, once for each commit."""
    stamp = f"{WORK}/commit"
    if os.path.exists(stamp):
        with open(stamp, encoding="utf-8") as file:
            if file.read() == commit:
                return
        os.unlink(stamp)
    shutil.rmtree(TREE, ignore_errors=True)
    os.makedirs(TREE)
    archive = subprocess.Popen(("git", "archive", commit), cwd=ROOT, stdout=subprocess.PIPE)
    if subprocess.run(("tar", "-x", "-C", TREE), stdin=archive.stdout).returncode != 0 or archive.wait() != 0:
        complain("cannot copy the tree")
    made = run("cmake", "--preset", "release", "-DKILN_LTO=OFF", "-DKILN_TESTS=ON", cwd=TREE)
    built = build("kiln") if made.returncode == 0 else made
    if built.returncode != 0:
        complain(f"the tree does not build without a mistake: {built.stdout[-1000:]}{built.stderr[-1000:]}")
    shutil.copy2(f"{BUILD}/kiln", BASE)
    with open(stamp, "w", encoding="utf-8") as file:
        file.write(commit)


# ---- who finds it -------------------------------------------------------------------------------


def failures(kiln, places, seeds):
    ran = run(kiln, "run", *places, "--seeds", seeds, "--fail-fast", "--json", "--wall", "60s", cwd=TREE)
    rows = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
    if not rows:
        complain(f"kiln run {' '.join(places)} ended with {ran.returncode}: {ran.stderr.strip()[-300:]}")
    return [row for row in rows if row["verdict"].lower() not in ("held", "inconclusive")]


def folders():
    """Of all scenarios."""
    names = sorted(entry.name for entry in os.scandir(f"{TREE}/scenarios") if entry.is_dir())
    return [f"scenarios/{name}" for name in sorted(names, key=lambda name: NEAR.index(name) if name in NEAR else len(NEAR))]


def by_runs(places, first, last):
    """Where a run fails that holds without the mistake; None: nowhere."""
    for row in failures(f"{BUILD}/kiln", places, f"{first}-{last}"):
        seed = row["seed"]
        if not failures(BASE, [row["scenario"]], f"{seed}-{seed}"):
            check = row["findings"][0]["check"] if row["findings"] else row["verdict"]
            return f"{row['scenario']} --seed {seed}: {check}"
    return None


def by_scenarios(quick):
    for first, last in SCENARIO_PIECES[:1] if quick else SCENARIO_PIECES:
        where = by_runs(folders(), first, last)
        if where is not None:
            return where
    return None


def by_swarm():
    for first in range(1, SWARM_SEEDS + 1, SWARM_PIECE):
        where = by_runs(["scenarios/swarm"], first, first + SWARM_PIECE - 1)
        if where is not None:
            return where
    return None


def by_tests():
    built = build("all")
    if built.returncode != 0:
        return "its tests do not build"
    jobs = str(os.cpu_count() or 1)
    ran = run("ctest", "--test-dir", BUILD, "-LE", TESTS_NOT, "-j", jobs, "--stop-on-failure", "--timeout", "120", cwd=TREE)
    failed = re.findall(r"^\s*\d+ - (\S+) \(", ran.stdout, re.M)
    return failed[0] if failed else None


def judge(mistake, arguments):
    """(who, where)."""
    if apply(mistake, "--check").returncode != 0:
        return "does not apply", ""
    apply(mistake)
    try:
        built = build("kiln")
        if built.returncode != 0:
            return "compiler", (re.findall(r"error: .*", built.stdout) or [""])[0][:80]
        finders = [("scenarios", lambda: by_scenarios(arguments.quick))]
        finders += [] if arguments.no_swarm or arguments.quick else [("swarm", by_swarm)]
        finders += [] if arguments.no_tests or arguments.quick else [("tests", by_tests)]
        for who, find in finders:
            where = find()
            if where is not None:
                return who, where
        return "nobody", ""
    finally:
        apply(mistake, "-R")


def main():
    parser = argparse.ArgumentParser(prog="tests/quality/mistakes.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="ROUND or ROUND/NAME; all of them")
    parser.add_argument("--again", action="store_true", help="judge also what has a verdict")
    parser.add_argument("--no-swarm", action="store_true", help="leave the swarm out; what nobody else finds gets no verdict")
    parser.add_argument("--no-tests", action="store_true", help="likewise the tests")
    parser.add_argument("--quick", action="store_true", help="the first seeds of the scenarios alone; what these do not find gets no verdict")
    parser.add_argument("--minutes", type=float, help="begin none behind so many")
    arguments = parser.parse_args()
    mistakes = [m for m in all_mistakes() if not arguments.names or m.name in arguments.names or m.name.split("/")[0] in arguments.names]
    if not mistakes:
        complain("there is no such mistake")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1)) # the mistake is taken out again
    commit = run("git", "rev-parse", "--short=12", "HEAD").stdout.strip()
    make_tree(commit)
    began, bad = time.monotonic(), 0
    for mistake in mistakes:
        old = read_verdicts().get(mistake.name)
        if old is not None and old["patch"] == mistake.patch and not arguments.again:
            continue
        if arguments.minutes and time.monotonic() - began > 60 * arguments.minutes:
            break
        start = time.monotonic()
        who, where = judge(mistake, arguments)
        seconds = round(time.monotonic() - start)
        print(f"{mistake.name}: {who} {where} ({seconds} s)", flush=True)
        bad += who in ("nobody", "does not apply")
        if who == "nobody" and (arguments.no_swarm or arguments.no_tests or arguments.quick):
            continue
        rows = read_verdicts()
        rows[mistake.name] = dict(zip(COLUMNS, (mistake.name, mistake.patch, commit, who, where, seconds)))
        write_verdicts(rows)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
