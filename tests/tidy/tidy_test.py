#!/usr/bin/env python3
"""tidy_test.py - plants one violation after the other in a small tree and sees each reported: a
check that never fired is not a check."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

import tidy

HERE = os.path.dirname(os.path.abspath(__file__))
CLEAN = {
    "core/base/err.h": "/* err.h - errors. */\n",
    "core/base/base.h": '/* base.h - all of it. */\n#include "base/err.h"\n',
    "core/env/env.h": '/* env.h - the door. */\n#include "base/base.h"\n',
    "core/wire/wire.h": '/* wire.h - the protocol. */\n#include "base/base.h"\n',
    "core/wire/field.h": "/* field.h - inside. */\n",
    "core/wire/rows.def": "/* rows.def - rows. */\nROW(" + "x" * 120 + ")\n",
    "core/posix/posix.h": '/* posix.h - a door. */\n#include "env/env.h"\n',
    "broker/log/log.h": '/* log.h - a log. */\n#include "wire/wire.h"\n',
    "broker/replica/replica.h": '/* replica.h - a replica. */\nstruct replica *replica_find(int a);\n'
                                'int32_t replica_epoch(const struct replica *r);\n'
                                'void replica_ask(struct replica *r, struct replica_op *op);\n',
    "broker/node/node.h": '/* node.h - a broker. */\n#include "log/log.h"\n',
    "client/core/core.h": '/* core.h - a client. */\n#include "wire/wire.h"\n',
    "sim/world/world.h": '/* world.h - a world. */\n#include "node/node.h"\n',
    "sim/known_bugs.def": "/* known_bugs.def - bugs. */\nBUG(planted_bug, 1)\n",
    "cli/main.c": '/* main.c - a program. */\n#include "posix/posix.h"\n#include "world/world.h"\n',
    "tests/unit/core/wire/wire_test.c": '/* wire_test.c - sees inside. */\n'
                                        '#include "wire/field.h"\n',
}
# Looks like a violation and is none.
HARMLESS = """/* fine.c - what must not be reported. */
#include <string.h>
#include "wire/wire.h"

/* sprintf(a, b); qsort(x); */
static const char *const text = "malloc(1) // free(2)";

static int read(int a)
{
    return a;
}

static int all(struct env *env, struct rng *rng, struct it *it)
{
    it->open(it->time.free(1), read(2));
    if (rng_next(rng) > 7)
        return env_random(env, "a", 1);
    for (int i = 0; i < rng_next(rng); i++)
        it->value = rng_next(rng);
    bool both = rng_next(rng) > 1 && rng_next(rng) > 2;
    int64_t sum = env_now(env) + env_now(env);
    steps_then(&it->steps, both ? READ_ADD : STEPS_END);
    return both ? env_random(env, "b", 2) : env_random(env, "c", 3);
}

static const int table[] = {
    1,
    2,
};
"""


def body(lines):
    return "/* x.c - x. */\nvoid f(void)\n{\n" + "    g();\n" * (lines - 2) + "}\n"


def statement(text):
    return f"/* x.c - x. */\nstatic int f(void)\n{{\n    {text}\n}}\n"


def include(name):
    return f'/* x.c - x. */\n#include "{name}"\n'


# (file, content, line, rule): what must be reported of it, and nothing else.
TEXT = [
    ("core/wire/x.c", include("env/env.h"), 2, "floors"),            # a sibling
    ("core/base/x.c", include("wire/wire.h"), 2, "floors"),          # above
    ("core/env/x.c", include("log/log.h"), 2, "floors"),             # another part of the house
    ("broker/log/x.c", include("client/core/core.h"), 2, "floors"),
    ("client/core/x.c", include("log/log.h"), 2, "floors"),
    ("broker/node/x.c", include("posix/posix.h"), 2, "floors"),      # which door
    ("sim/world/x.c", include("posix/posix.h"), 2, "floors"),
    ("core/wire/x.c", include("wire/none.h"), 2, "floors"),          # not there
    ("core/new/x.c", "/* x.c - x. */\n", 1, "floors"),               # has no floor
    ("broker/log/x.c", include("wire/field.h"), 2, "public-header"),
    ("cli/x.c", include("wire/field.h"), 2, "public-header"),
    ("tests/unit/broker/log/x.c", include("wire/field.h"), 2, "public-header"),
    ("core/base/x.c", "int x;\n", 1, "opening"),
    ("core/base/x.c", "/* y.c - another name. */\n", 1, "opening"),
    ("core/base/x.h", "/* x.h */\n", 1, "opening"),
    ("core/wire/x.def", "ROW(1)\n", 1, "opening"),
    ("core/base/x.c", body(71), 3, "function-length"),
    ("tests/unit/core/base/x.c", body(100), 3, "function-length"),
    ("core/base/x.c", "/* x.c - x. */\n" + "/*" + "x" * 98 + "*/\n", 2, "line-length"),
    ("core/base/x.c", "/* x.c - x. */\n" + "\n" * 800, 801, "file-length"),
    ("core/base/x.c", statement("g(env_random(e, 1), env_random(e, 2));"), 4, "draws"),
    ("broker/log/x.c", statement("steps->next = 5;"), 4, "steps"),
    ("broker/log/x.c", statement("return steps_go(&o->steps, READ_ADD + 1);"), 4, "steps"),
    ("broker/log/x.c", statement("steps_then(steps, 3);"), 4, "steps"),
    ("broker/log/x.c", statement("steps_then(steps, steps->at);"), 4, "steps"),
    ("broker/api/x.c", statement("return replica_epoch(r);"), 4, "looks"),
    ("broker/api/x.c", statement("return log_end(replica_log(r));"), 4, "looks"),
    ("core/base/x.c", statement("return rng_next(r) + rng_next(r);"), 4, "draws"),
    ("core/base/x.c", statement("if (g(rng_next(r),\n          rng_next(r)))\n        h();"), 5,
     "draws"),
    ("core/base/x.c", statement("struct p p = {rng_next(r), rng_next(r)};"), 4, "draws"),
    ("core/base/x.c", statement("struct p p = {\n        rng_next(r),\n        rng_next(r),\n    };"),
     6, "draws"),
    ("tests/x.c", statement("return x ? g(rng_next(r), rng_next(r)) : 0;"), 4, "draws"),
]
for names, allowed in tidy.BANNED:
    for name in names.split():
        call = name.replace(r"\w+", "create")
        TEXT.append(("core/wire/x.c", statement(f"return {call}(1);"), 4, "banned-call"))
TEXT += [
    ("tests/x.c", statement("return sprintf(a, b);"), 4, "banned-call"),
    ("core/base/x.c", statement("return malloc(1);"), 4, "banned-call"),
    ("sim/world/x.c", statement("return pthread_create(1);"), 4, "banned-call"),
]
# What a folder is allowed that others are not.
ALLOWED = [
    ("core/base/mem.c", "malloc(1)"), ("core/posix/x.c", "clock_gettime(1)"),
    ("core/posix/x.c", "pthread_create(1)"), ("sim/disk/x.c", "pread(1)"),
    ("cli/x.c", "getenv(1)"), ("tests/x.c", "malloc(1)"),
    ("broker/api/x.c", "replica_ask(replica_find(1), 1)"), ("broker/node/x.c", "replica_epoch(1)"),
]
# Objects: (module, source, rule), compiled into the archive of the module.
OBJECTS = [
    ("core/wire", "int wire_x(void); int getpid(void); int wire_x(void) { return getpid(); }", "pure"),
    ("broker/metadata", "int wire_x(void); int env_arm(void);\n"
                        "int metadata_x(void); int metadata_x(void) { return env_arm(); }", "pure"),
    ("core/wire", "int wire_count = 1;", "mutable"),
    ("client/core", "static int count; int client_x(void);\n"
                    "int client_x(void) { return count++; }", "mutable"),
    ("analysis/check", "_Thread_local int check_x;", "mutable"),
    ("core/conn", "int read_all(void); int read_all(void) { return 0; }", "prefix"),
    ("client/core", "int core_x(void); int core_x(void) { return 0; }", "prefix"),
]
PURE_SOURCE = """#include <string.h>
int base_x(void), wire_x(void), wire_own(void);
static const char *const names[] = {"relocated", "but constant"};
int wire_own(void) { return (int)strlen(names[base_x()]); }
int wire_x(void) { return wire_own(); }
"""


class Tree:
    """A clean tree in a temporary folder, and what is planted in it for one check."""

    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="kiln-tidy-")
        self.count = 0
        self.failures = 0
        self.fired = set()
        for path, text in CLEAN.items():
            self.write(path, text)

    def write(self, path, text):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)
        return full

    def expect(self, what, lines, pattern):
        """Exactly one finding that matches, or none for None."""
        self.count += 1
        good = lines == [] if pattern is None else \
            len(lines) == 1 and re.match(pattern, lines[0]) is not None
        if not good:
            self.failures += 1
            print(f"FAIL {what}\n  expected {pattern}\n  found    {lines}")

    def plant(self, path, text, line, rule):
        full = self.write(path, text)
        found, _ = tidy.check_text(self.root)
        pattern = None if rule is None else f"{re.escape(path)}:{line}: {rule}: ."
        self.expect(f"{path}: {text.splitlines()[-1][:60]}", found.lines, pattern)
        self.fired |= found.rules
        os.unlink(full)


def test_text(tree):
    tree.expect("a clean tree", tidy.check_text(tree.root)[0].lines, None)
    tree.plant("core/wire/fine.c", HARMLESS, 0, None)
    tree.plant("core/base/x.c", body(70), 0, None)
    tree.plant("core/base/x.c", "/* x.c - x. */\n" + "\n" * 799, 0, None)
    for plant in TEXT:
        tree.plant(*plant)
    for path, call in ALLOWED:
        text = statement(f"return {call};").replace("x.c -", os.path.basename(path) + " -")
        tree.plant(path, text, 0, None)


def test_format(tree):
    shutil.copy(os.path.join(HERE, "../../.clang-format"), tree.root)
    full = tree.write("core/base/x.c", "/* x.c - x. */\nint  x ;\n")
    found, count = tidy.check_format(tree.root)
    if count > 0:
        tree.expect("format", found.lines, "core/base/x.c:2: format: ")
        tree.fired |= found.rules
    else:
        print("SKIPPED: format")
        tree.fired.add("format")
    os.unlink(full)


def test_rules(tree):
    """The page of rules and the citations of the sources, each without the other."""
    page = "# Rules\n\n| S-1 | Nothing lies. | KIP-1 | built |\n| S-2 | Wait. | KIP-2 | to come |\n"
    cites = "/* fine.c - what cites (S-1), UTF-8, KIP-2 and L-12x. */\n"

    def rules(what, page, source, pattern, way="`core/base/err.h` `errors`\n"):
        tree.write("docs/rules.md", page)
        tree.write("docs/architecture.md", way)
        tree.write("core/base/cites.c", source)
        found, _ = tidy.check_rules(tree.root)
        tree.fired |= found.rules
        tree.expect(what, found.lines, pattern)

    rules("page and sources agree", page, cites, None)
    rules("an unknown code", page, cites + "/* S-9 */\n", r"core/base/cites.c:2: rule-code: S-9 ")
    rules("one of a range", page.replace("to come", "built"), "/* S-1 to S-3 */\n",
          r"core/base/cites.c:1: rule-code: S-3 does not stand ")
    rules("a code that nobody cites", page, "/* nothing */\n", r"docs/rules.md:3: rule-code: S-1 is called ")
    rules("a code that is built", page, cites + "/* S-2 */\n", r"docs/rules.md:4: rule-code: S-2 is cited")
    rules("a row without a state", page + "| S-4 | So. | KIP-3 | perhaps |\n", cites, r"docs/rules.md:5: .*no row")
    rules("a row twice", page + "| S-1 | Again. | KIP-1 | built |\n", cites, r"docs/rules.md:5: .*S-1 stands here twice")
    rules("a name that is not there", page, cites,
          r"docs/architecture.md:2: doc-name: core/base/err.h has no begin",
          "\n`core/base/err.h` `errors` `begin`\n")
    rules("a file that is not there", page, cites, r"docs/architecture.md:1: doc-name: cli/no.c has no x",
          "`cli/no.c` `x`\n")
    os.remove(os.path.join(tree.root, "core/base/cites.c"))


def build(tree, folder, module, source, name="x"):
    """An archive, named as CMake names it, and an object of it."""
    path = tree.write(f"{folder}/{name}.c", source)
    member = os.path.join(tree.root, folder, f"{name}.c.o")
    archive = os.path.join(tree.root, folder, "lib" + module.replace("/", "_") + ".a")
    compiler = os.environ.get("CC", "cc")
    subprocess.run([compiler, "-O0", "-fPIE", "-c", path, "-o", member], check=True)
    if os.path.isfile(archive) and name == "x":
        os.unlink(archive)
    subprocess.run(["ar", "qc", archive, member], check=True)


def test_symbols(tree):
    for number, (module, source, rule) in enumerate(OBJECTS):
        folder = f"build-{number}"
        build(tree, folder, "core/base", "int base_x(void); int base_x(void) { return 0; }")
        build(tree, folder, "core/wire", PURE_SOURCE)
        found, count = tidy.check_symbols(tree.root, os.path.join(tree.root, folder))
        tree.expect("pure objects", found.lines, None)
        tree.expect("two modules are built", [str(count)], "2$")
        build(tree, folder, module, source)
        found, _ = tidy.check_symbols(tree.root, os.path.join(tree.root, folder))
        tree.expect(source, found.lines, f"{module}/x.c:1: {rule}: ")
        tree.fired |= found.rules


def test_calls(tree):
    def calls(what, folder, objects, pattern):
        for module, source, name in objects:
            build(tree, folder, module, source, name)
        found, _ = tidy.check_symbols(tree.root, os.path.join(tree.root, folder))
        tree.expect(what, found.lines, pattern)
        tree.fired |= found.rules

    def function(name, callee=None):
        call = f"{callee}()" if callee else "0"
        extern = f"int {callee}(void);" if callee else ""
        return f"{extern} int {name}(void); int {name}(void) {{ return {call}; }}"

    calls("a call down", "build-down", [("broker/log", function("log_x", "format_x"), "x"),
                                        ("broker/format", function("format_x"), "x")], None)
    calls("a call up", "build-up", [("broker/dir", function("dir_x", "log_x"), "x"),
                                    ("broker/log", function("log_x"), "x")],
          "broker/dir/x.c:1: calls: log_x is of broker/log")
    calls("a call aside", "build-aside", [("broker/dir", function("dir_x", "inspect_x"), "x"),
                                          ("broker/inspect", function("inspect_x"), "x")],
          "broker/dir/x.c:1: calls: inspect_x is of broker/inspect")
    calls("a circle", "build-circle", [("broker/log", function("log_x", "log_y"), "x"),
                                       ("broker/log", function("log_y", "log_z"), "y"),
                                       ("broker/log", function("log_z", "log_x"), "z")],
          "broker/log/x.c:1: circle: calls go in a circle: x y z")
    calls("a circle that is let be", "build-opening",
          [("broker/log", function("log_x"), "x"), ("broker/log", function("log_y", "log_z"), "opening"),
           ("broker/log", function("log_z", "log_y"), "birth")], None)


def test_binary(tree):
    folder = os.path.join(tree.root, "build-kiln")
    for content, expected in ((b"\0some text\0", None),
                              (b"\0a sentence with planted_bug inside\0", None),
                              (b"\0libm.so.6\0", "kiln:0: math: "),
                              (b"\0planted_bug\0", "kiln:0: known-bug: planted_bug "),
                              (b"\0known_bug_planted_bug\0", "kiln:0: known-bug: known_bug_")):
        tree.write("build-kiln/kiln", content.decode())
        found, _ = tidy.check_symbols(tree.root, folder)
        tree.expect(f"kiln with {content}", found.lines, expected)
        tree.fired |= found.rules


def test_sanitized(tree):
    """What a sanitizer adds is not the module's: nothing is checked then."""
    build(tree, "build-asan", "core/base", "int __asan_init(void); int base_x(void);\n"
                                           "int base_x(void) { return __asan_init(); }")
    build(tree, "build-asan", "core/wire", "int wire_count = 1;")
    found, count = tidy.check_symbols(tree.root, os.path.join(tree.root, "build-asan"))
    tree.expect("sanitized objects", found.lines + ([] if count == 0 else ["counted"]), None)


def main():
    tidy.skipped = lambda what: None  # modules that the small tree does not have
    tree = Tree()
    try:
        test_text(tree)
        test_format(tree)
        test_rules(tree)
        test_symbols(tree)
        test_calls(tree)
        test_sanitized(tree)
        test_binary(tree)
    finally:
        shutil.rmtree(tree.root)
    never = sorted(set(tidy.RULES) - tree.fired)
    if never:
        print(f"FAIL never fired: {', '.join(never)}")
    print(f"{tree.count} plants, {tree.failures} failures")
    return 1 if tree.failures or never else 0


if __name__ == "__main__":
    sys.exit(main())
