#!/usr/bin/env python3
"""tidy.py - the rules of the house that a program can check; it changes nothing.

    tidy.py text ROOT              floors, openings, lengths, banned calls, draws: the sources alone
    tidy.py format ROOT            clang-format agrees with every file
    tidy.py rules ROOT             docs/rules.md and the rule codes that are cited agree, and
                                   docs/architecture.md names what is there
    tidy.py symbols ROOT BUILD     what the built archives need, hold and export, and the binary kiln

One line a finding, "file:line: rule: what"; exit 0 none, 1 some, 77 nothing could be checked.
Plain python3, and nm and size from binutils.
"""
import os
import re
import shutil
import subprocess
import sys

FOLDERS = ("core", "broker", "client", "sim", "analysis", "cli", "tests", "bench")
INCLUDE_ROOTS = ("core", "broker", "sim", "analysis", "tests", "")
LINE_COLUMNS_MAX = 100
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 800
CLANG_FORMAT_VERSION = "14"  # another version lays out differently
SKIPPED = 77

# docs: "The house". A module includes lower floors only.
FLOORS = {
    "core/base": 0, "core/wire": 1, "core/env": 1, "core/steps": 2, "core/conn": 2, "core/posix": 2,
    "broker/format": 2, "broker/dir": 3, "broker/inspect": 3, "broker/raft": 3,
    "broker/metadata": 3, "broker/log": 4, "broker/talk": 4, "broker/peers": 3,
    "broker/controller": 4, "broker/quorum": 5, "broker/replica": 5, "broker/orders": 6,
    "broker/fetcher": 6, "broker/api": 7, "broker/node": 8,
    "client/core": 2, "client/loop": 3, "client/posix": 4,
    "sim/fault": 9, "sim/net": 10, "sim/disk": 10, "sim/world": 11, "sim/shm": 12, "sim/script": 13,
    "analysis/history": 1, "analysis/check": 2, "analysis/explain": 3, "analysis/report": 3,
}
# Programs and tests stand on the roof: they include what they like, but each other.
ROOF = ("cli", "tests", "bench")
# Which parts of the house a part may know at all, whatever the floors say.
MAY_KNOW = {
    "core": ("core",),
    "broker": ("core", "broker"),
    "client": ("core", "client"),
    "analysis": ("core", "analysis"),
    "sim": ("core", "broker", "client", "sim", "analysis"),
    "cli": ("core", "broker", "client", "sim", "analysis", "cli"),
    "tests": ("core", "broker", "client", "sim", "analysis", "cli", "tests"),
    "bench": ("core", "broker", "client", "sim", "analysis", "bench"),
}
# Nobody below the roof may know which door he has.
REAL_DOORS = ("core/posix", "client/posix")

# Calls and where they may stand: a path is allowed when it begins with one of the prefixes.
HEAP = ("core/base/mem.c", "core/posix/", "sim/world/", "cli/", "tests/", "bench/")
CLOCK = ("core/posix/", "cli/", "tests/", "bench/")
MACHINE = ("core/posix/", "sim/disk/", "sim/shm/", "cli/", "tests/", "bench/")
BANNED = [
    ("sprintf vsprintf strcpy strcat stpcpy gets strtok alloca", ()),
    ("rand srand random srandom drand48 lrand48 rand_r arc4random getrandom",
     ("core/posix/", "cli/")),
    ("qsort qsort_r bsearch", ("tests/",)),
    ("time gettimeofday clock_gettime clock localtime localtime_r gmtime gmtime_r strftime sleep "
     "usleep nanosleep", CLOCK),
    ("malloc calloc realloc free strdup strndup asprintf vasprintf posix_memalign aligned_alloc",
     HEAP),
    ("getenv setenv secure_getenv", ("cli/", "tests/", "bench/")),
    ("open openat close read write pread pwrite readv writev fsync fdatasync rename unlink mkdir "
     "fopen fwrite fread socket connect accept bind listen send recv poll select epoll_wait",
     MACHINE),
    # sim/script asks its stage; the nodes' programs, which also stand there, ask their seats.
    ("world_new world_free world_add_sink world_add_node world_now world_run_until world_halt "
     "world_call_at world_call_cancel world_start world_stop world_command world_harm world_heal "
     "world_fired world_stats world_seal world_node_life shm_processes_new shm_threads_new",
     ("sim/world/", "sim/shm/", "sim/script/stage.c", "tests/", "bench/")),
    (r"pthread_\w+", ("core/posix/", "sim/shm/", "cli/", "tests/", "bench/")),
]

# Pure modules: their objects need mem*, str*, what core/base and the modules named here define.
PURE = {
    "core/wire": (), "client/core": ("core/wire",), "broker/metadata": ("core/wire",),
    "broker/controller": ("core/wire", "broker/metadata"),
    "broker/format": ("core/wire",), "broker/raft": ("core/wire", "broker/format"),
    "broker/inspect": ("core/wire", "broker/format"), "broker/talk": ("core/wire",),
    "analysis/check": ("analysis/history",),
    "analysis/explain": (), "analysis/report": (),
}
PURE_LIBC = set("""memcpy memmove memset memcmp memchr memrchr strlen strnlen strcmp strncmp strchr
    strrchr strchrnul strstr strspn strcspn strpbrk panic __stack_chk_fail _GLOBAL_OFFSET_TABLE_
    """.split())
# What a pure module may ask of a library: these work on the bytes and the allocator that they are
# given, and keep nothing between two calls.
PURE_LIBRARIES = {
    "core/wire": re.compile(
        r"^(LZ4F_\w+"
        r"|ZSTD_(create[CD]Ctx_advanced|free[CD]Ctx|compress\w+|decompress\w+|CCtx_set\w+|isError"
        r"|getError\w+|getFrameHeader)"
        r"|inflate(Init2_|Reset|End)?|deflate(Init2_|End)?"
        r"|snappy_(un)?compress|snappy_uncompressed_length|snappy_max_compressed_length)$"),
}
# Rooms whose files may not call each other in a circle, and the circles that they are let have: a
# log that is opened goes to and fro between what it finds and what it does about it.
NO_CIRCLES = {
    "broker/format": (), "broker/dir": (),
    "broker/log": ({"birth", "copy", "cut", "opening", "ready", "recover", "seams"},),
}
# Folders whose prefix is not their name: the base is many small things, the client's core is all of
# the client that there is.
PREFIXES = {"core/base": "", "client/core": "client_", "client/posix": "kiln_",
            "broker/node": "broker_"}
# Sections that hold what can change. .data.rel.ro is constant once the program is loaded.
MUTABLE = re.compile(r"^\.(data|bss|tdata|tbss)(?!\.rel\.ro)(\.|$)")
SANITIZER = re.compile(r"^(__asan|__ubsan|__tsan|__sanitizer|__sancov)")


RULES = {
    "floors": "a module includes only what stands on lower floors of the parts it may know",
    "public-header": "outsiders include a folder's one header",
    "opening": "a file opens by saying what it is for",
    "file-length": f"a file has up to {FILE_LINES_MAX} lines",
    "line-length": f"a line has up to {LINE_COLUMNS_MAX} columns",
    "function-length": f"a function has up to {FUNCTION_LINES_MAX} lines",
    "banned-call": "what is not deterministic, not bounded or not this module's to call",
    "draws": "one door call or draw in one expression",
    "steps": "where steps go on has a name: a row of the table, STEPS_END or STEPS_AGAIN",
    "looks": "an API asks a replica by operations that end later: it may live on another loop",
    "format": "clang-format agrees",
    "pure": "a pure module needs mem*, str*, the base and the libraries named for it",
    "mutable": "a pure module has nothing that can change",
    "prefix": "a name that others can see begins with the name of its folder",
    "rule-code": "what is cited stands in docs/rules.md, and what stands there is cited or to come",
    "doc-name": "what a page names stands where the page says",
    "calls": "a module calls only what stands on lower floors",
    "circle": "the files of a room call each other in no circle but those that are named",
    "known-bug": "no switch for a historic mistake goes to production",
    "math": "what is computed is the same on every CPU: no libm of the system",
}


class Findings:
    def __init__(self):
        self.lines = []
        self.rules = set()

    def add(self, path, line, rule, what):
        assert rule in RULES
        self.lines.append(f"{path}:{line}: {rule}: {what}")
        self.rules.add(rule)


def skipped(what):
    print(f"SKIPPED: {what}")


def sources(root, endings, folders=FOLDERS):
    for folder in folders:
        for here, dirs, files in os.walk(os.path.join(root, folder)):
            dirs.sort()
            for name in sorted(files):
                if name.endswith(endings):
                    yield os.path.relpath(os.path.join(here, name), root)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
        return file.read()


# A comment, a string or a character: whichever begins first.
INERT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def code_of(text):
    """The text with comments and strings made blank: lines and columns stay."""
    return INERT.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def line_at(text, position):
    return text.count("\n", 0, position) + 1


# ---- floors -------------------------------------------------------------------------------------

def module_of(path):
    """core/base of core/base/err.h; a folder of the roof for what stands there."""
    parts = path.split("/")
    if parts[0] in ROOF:
        return parts[0]
    return "/".join(parts[:2]) if len(parts) > 2 else parts[0]


def find_included(root, path, name):
    for base in (os.path.dirname(path), *INCLUDE_ROOTS):
        candidate = os.path.normpath(os.path.join(base, name))
        if os.path.isfile(os.path.join(root, candidate)):
            return candidate
    return None


def is_generated(root, path, name):
    """A Lua file beside the source, embedded by the build."""
    script = re.sub(r"_lua\.h$", ".lua", os.path.basename(name))
    if name.endswith("_md.h") and "/" not in name: # a page of docs/, which the build embeds (cli/CMakeLists.txt)
        return os.path.isfile(os.path.join(root, "docs", name[: -len("_md.h")] + ".md"))
    return name.endswith("_lua.h") and os.path.isfile(
        os.path.join(root, os.path.dirname(path), script))


def public_header(module):
    return f"{module}/{module.split('/')[1]}.h"


# Headers that one other room may include besides: a boundary with a host on its far side.
SHARED = {("sim/shm", "sim/world/half.h")}


def is_public(path, target, there):
    if (module_of(path), target) in SHARED:
        return True
    if there == "core/base" or target.endswith(".def") or there in ROOF or "/" not in there:
        return True
    if path.startswith((f"tests/unit/{there}/", "tests/fuzz/")):  # tests of a module see inside
        return True
    return target == public_header(there)


def check_include(path, target):
    """What is wrong with path including target: (rule, text) or None."""
    here, there = module_of(path), module_of(target)
    if here == there:
        return None
    top, other = path.split("/")[0], target.split("/")[0]
    if other not in MAY_KNOW[top]:
        return "floors", f"{top} may not know {target}"
    if there in REAL_DOORS and here not in (*ROOF, *REAL_DOORS):
        return "floors", f"{here} may not know which door it has: {target}"
    if here in FLOORS and there in FLOORS and FLOORS[there] >= FLOORS[here]:
        relation = "a sibling" if FLOORS[there] == FLOORS[here] else "above"
        return "floors", f"{there} (floor {FLOORS[there]}) is {relation} of {here} " \
                         f"(floor {FLOORS[here]})"
    if not is_public(path, target, there):
        return "public-header", f"{target} is internal; outsiders include {public_header(there)}"
    return None


def check_includes(root, path, text, found):
    module = module_of(path)
    if "/" in module and module not in FLOORS:
        found.add(path, 1, "floors", f"{module} has no floor: give it one in tests/tidy/tidy.py")
    for number, line in enumerate(text.split("\n"), 1):
        match = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
        if not match:
            continue
        target = find_included(root, path, match.group(1))
        if target is None:
            if not is_generated(root, path, match.group(1)):
                found.add(path, number, "floors", f'there is no "{match.group(1)}"')
            continue
        wrong = check_include(path, target)
        if wrong is not None:
            found.add(path, number, *wrong)


# ---- openings and lengths -----------------------------------------------------------------------

def check_opening(path, text, found):
    name = os.path.basename(path)
    opening = re.match(r"/\* " + re.escape(name) + r" - (\w.*?)\*/", text, re.S)
    if opening is None:
        found.add(path, 1, "opening", f'does not begin with "/* {name} - one sentence. */"')
    elif not re.search(r"[.:;)\w]\s*$", opening.group(1)):
        found.add(path, 1, "opening", "the first comment says nothing")


def check_lengths(path, text, found):
    lines = text.split("\n")
    if lines and lines[-1] == "":
        lines.pop()
    if len(lines) > FILE_LINES_MAX:
        found.add(path, len(lines), "file-length", f"{len(lines)} lines of {FILE_LINES_MAX}")
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_COLUMNS_MAX:
            found.add(path, number, "line-length", f"{len(line)} columns of {LINE_COLUMNS_MAX}")


def check_functions(path, code, found):
    """A body begins and ends with a brace in the first column: clang-format sees to it."""
    start = None
    for number, line in enumerate(code.split("\n"), 1):
        if line.rstrip() == "{":
            start = number
        elif line.startswith("}") and start is not None:
            length = number - start + 1
            if length > FUNCTION_LINES_MAX:
                found.add(path, start, "function-length",
                          f"{length} lines of {FUNCTION_LINES_MAX}")
            start = None


# ---- calls --------------------------------------------------------------------------------------

def own_functions(code):
    """Names that the file defines itself: static functions carry no prefix and may be 'read'."""
    return set(re.findall(r"^static\b[^;{}()=]*?\b(\w+)\s*\(", code, re.M))


def check_calls(path, code, found):
    own = own_functions(code)
    for names, allowed in BANNED:
        if path.startswith(allowed):
            continue
        call = re.compile(r"(?<![\w.>])(" + "|".join(names.split()) + r")\s*\(")
        for match in call.finditer(code):
            if match.group(1) not in own:
                found.add(path, line_at(code, match.start()), "banned-call", match.group(1))


# ---- rule codes ---------------------------------------------------------------------------------

RULES_PAGE = "docs/rules.md"
ARCHITECTURE_PAGE = "docs/architecture.md"
RULE_CODE = re.compile(r"(?<![\w$.-])([BEGIKPSVX]-[1-9]\d?)(?![\w-]|\.\d)")
RULE_ROW = re.compile(r"^\| ([A-Z]-\d+) \| (.+) \| (.+) \| (built|to come) \|$")
# "S-1 to S-7" cites all of them.
RULE_RANGE = re.compile(r"\b([A-Z])-(\d+) to \1-(\d+)\b")


def cited_codes(text):
    """(code, position) of each citation."""
    for match in RULE_RANGE.finditer(text):
        for number in range(int(match.group(2)), int(match.group(3)) + 1):
            yield f"{match.group(1)}-{number}", match.start()
    for match in RULE_CODE.finditer(RULE_RANGE.sub(lambda m: " " * len(m.group()), text)):
        yield match.group(1), match.start()


def rules_of_page(text, found):
    """Code -> its state."""
    rules = {}
    for number, line in enumerate(text.split("\n"), 1):
        row = RULE_ROW.match(line)
        if row is None:
            if re.match(r"\| [A-Z]-", line):
                found.add(RULES_PAGE, number, "rule-code", "no row: code, rule, source, state")
            continue
        if row.group(1) in rules:
            found.add(RULES_PAGE, number, "rule-code", f"{row.group(1)} stands here twice")
        rules[row.group(1)] = (row.group(4), number)
    return rules


# "`core/conn/receive.c` `on_received`" promises that the file has the name.
NAMED = re.compile(r"`([\w/]+\.(?:c|h|def))`((?:[^`\n]{0,3}`\w+`)+)")


def check_names(root, page, found):
    text = read(root, page)
    for match in NAMED.finditer(text):
        path = match.group(1)
        there = os.path.isfile(os.path.join(root, path))
        source = read(root, path) if there else ""
        for name in re.findall(r"`(\w+)`", match.group(2)):
            if not re.search(r"\b%s\b" % name, source):
                found.add(page, line_at(text, match.start()), "doc-name", f"{path} has no {name}")


def check_rules(root):
    """The sources cite what the page explains, and the page calls built what the sources cite."""
    found, count, cited = Findings(), 0, set()
    rules = rules_of_page(read(root, RULES_PAGE), found)
    check_names(root, ARCHITECTURE_PAGE, found)
    folders = tuple(f for f in FOLDERS if f != "bench") + ("scenarios",)
    for path in sources(root, (".c", ".h", ".def", ".lua"), folders):
        text = read(root, path)
        count += 1
        for code, position in cited_codes(text):
            cited.add(code)
            if code not in rules:
                found.add(path, line_at(text, position), "rule-code",
                          f"{code} does not stand in {RULES_PAGE}")
    for code, (state, number) in sorted(rules.items()):
        if state == "built" and code not in cited:
            found.add(RULES_PAGE, number, "rule-code", f"{code} is called built, and nobody cites it")
        if state == "to come" and code in cited:
            found.add(RULES_PAGE, number, "rule-code", f"{code} is cited: it is built")
    return found, count


# ---- draws --------------------------------------------------------------------------------------

# The door's verbs and the draws. The others named env_ only look at what they are given.
DRAW = re.compile(r"\b(?:env_(?!now\b|wall\b|armed\b|listener_port\b)\w+|rng_next)\s*\(")
CONTROL = re.compile(r"\b(?:if|while|for|switch|[A-Z_]+_EACH)\s*\(")
# Where everything before is done before anything after begins.
SEQUENCED = re.compile(r"&&|\|\||\?|;|:|(?<=\n)[{}]|(?<=[ \t])\{(?=\s*\n)")


def mark_conditions(code):
    """Puts a ';' in place of the parenthesis that ends the head of an if or a loop."""
    out = list(code)
    for match in CONTROL.finditer(code):
        depth = 0
        for i in range(match.end() - 1, len(code)):
            depth += (code[i] == "(") - (code[i] == ")")
            if depth == 0:
                out[i] = ";"
                break
    return "".join(out)


def is_initializer(code, brace):
    return re.search(r"[=({,]\s*$", code[:brace]) is not None


def full_expressions(code):
    """(position, text) of pieces in which the order of evaluation is the compiler's choice."""
    start = 0
    for match in SEQUENCED.finditer(code):
        if match.group() == "{" and is_initializer(code, match.start()):
            continue
        yield start, code[start:match.start()]
        start = match.end()
    yield start, code[start:]


def check_draws(path, code, found):
    """C leaves the order of arguments, operands and initialisers open: one draw in each."""
    # What a macro does with its arguments is not looked into.
    plain = re.sub(r"^[ \t]*#.*(?:\\\n.*)*", lambda m: re.sub(r"[^\n]", " ", m.group()), code,
                   flags=re.M)
    plain = mark_conditions(plain)
    for start, piece in full_expressions(plain):
        draws = list(DRAW.finditer(piece))
        if len(draws) > 1:
            found.add(path, line_at(plain, start + draws[1].start()), "draws",
                      f"{len(draws)} door calls or draws in one expression: compilers disagree "
                      "about their order")


# ---- steps --------------------------------------------------------------------------------------

STEP_NUMBER = re.compile(r"\bsteps(?:->|\.)next\b|"
                         r"\bsteps_(?:go|then)\s*\([^;]*?(?:[+-]\s*\w|,\s*\d|(?:->|\.)at\b)")


def check_steps(path, code, found):
    if path.startswith(("core/steps/", "tests/")):
        return
    for match in STEP_NUMBER.finditer(code):
        found.add(path, line_at(code, match.start()), "steps", match.group())


# ---- looks --------------------------------------------------------------------------------------

# What the header declares and gives an answer at once, but for replicas and reads themselves.
ANSWERS_AT_ONCE = re.compile(r"^(?!void\b|typedef\b|static\b|struct (?:replica|replica_read) \*)"
                             r"[a-z][\w ]*[ *](replica_\w+)\s*\(", re.M)


def looks_of(root):
    """A call in broker/api that looks into a replica or its log, or None without a header."""
    header = "broker/replica/replica.h"
    if not os.path.isfile(os.path.join(root, header)):
        return None
    names = set(ANSWERS_AT_ONCE.findall(code_of(read(root, header))))
    return re.compile(r"\b(" + "|".join([*sorted(names), r"log_\w+", r"dir_\w+"]) + r")\s*\(")


def check_looks(path, code, looks, found):
    if looks is None or not path.startswith("broker/api/"):
        return
    for match in looks.finditer(code):
        found.add(path, line_at(code, match.start()), "looks", match.group(1))


def check_text(root):
    found = Findings()
    count = 0
    looks = looks_of(root)
    for path in sources(root, (".c", ".h")):
        text = read(root, path)
        code = code_of(text)
        count += 1
        check_opening(path, text, found)
        check_lengths(path, text, found)
        check_includes(root, path, text, found)
        check_functions(path, code, found)
        check_calls(path, code, found)
        check_draws(path, code, found)
        check_steps(path, code, found)
        check_looks(path, code, looks, found)
    # Tables of rows are read across, so their lines may be long.
    for path in sources(root, (".def",)):
        check_opening(path, read(root, path), found)
        count += 1
    return found, count


# ---- format -------------------------------------------------------------------------------------

def check_format(root):
    found = Findings()
    tool = shutil.which("clang-format-" + CLANG_FORMAT_VERSION) or shutil.which("clang-format")
    version = "" if tool is None else run([tool, "--version"])
    if f"version {CLANG_FORMAT_VERSION}." not in version:
        skipped(f"format: there is no clang-format {CLANG_FORMAT_VERSION}")
        return found, 0
    last = None
    paths = list(sources(root, (".c", ".h")))
    for first in range(0, len(paths), 50):
        result = subprocess.run([tool, "--dry-run", "-Werror", *paths[first:first + 50]], cwd=root,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for line in result.stdout.split("\n"):
            match = re.match(r"(\S+?):(\d+):\d+: error: ", line)
            if match and match.group(1) != last:
                last = match.group(1)
                found.add(last, match.group(2), "format", "from here: run clang-format -i")
        if result.returncode != 0 and not found.lines:
            found.add(tool, 0, "format", result.stdout.strip())
    return found, len(paths)


# ---- symbols ------------------------------------------------------------------------------------

def run(command):
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout


def archive_of(build, module):
    path = os.path.join(build, "lib" + module.replace("/", "_") + ".a")
    return path if os.path.isfile(path) else None


def symbols(archive):
    """{defined name: object}, {undefined name: object} over all objects of the archive."""
    defined, needed = {}, {}
    current = "?"
    for line in run(["nm", "-g", archive]).split("\n"):
        if line.endswith(".o:"):
            current = line[:-1]
        match = re.match(r"[0-9a-fA-F ]{16} ([A-Zuvw]) (\S+)$", line)
        if match and match.group(1) == "U":
            needed.setdefault(match.group(2), current)
        elif match:
            defined.setdefault(match.group(2), current)
    return defined, needed


def source_of(module, member):
    return f"{module}/{member[:-2]}" if member.endswith(".o") else module


def check_needs(build, module, found):
    defined, needed = symbols(archive_of(build, module))
    allowed = PURE_LIBC | set(defined)
    for other in ("core/base", *PURE[module]):
        archive = archive_of(build, other)
        if archive is not None:
            allowed |= set(symbols(archive)[0])
    library = PURE_LIBRARIES.get(module, SANITIZER)
    for name, member in sorted(needed.items()):
        if name not in allowed and not SANITIZER.match(name) and not library.match(name):
            found.add(source_of(module, member), 1, "pure", f"a pure module may not need {name}")


def check_sections(build, module, found):
    member = "?"
    for line in run(["size", "-A", archive_of(build, module)]).split("\n"):
        head = re.match(r"(\S+\.o) +\(ex ", line)
        if head:
            member = head.group(1)
        match = re.match(r"(\.\S+) +(\d+) ", line)
        if match and int(match.group(2)) > 0 and MUTABLE.match(match.group(1)):
            found.add(source_of(module, member), 1, "mutable",
                      f"{match.group(2)} bytes in {match.group(1)}: a pure module keeps nothing")


def check_prefix(build, module, found):
    prefix = PREFIXES.get(module, module.split("/")[1] + "_")
    for name, member in sorted(symbols(archive_of(build, module))[0].items()):
        if not name.startswith(prefix):
            found.add(source_of(module, member), 1, "prefix",
                      f"{name} can be seen by all and does not begin with {prefix}")


def object_graph(archive):
    """What each object of an archive defines, and what it needs: two maps of sets."""
    defined, needed, current = {}, {}, "?"
    for line in run(["nm", "-g", archive]).split("\n"):
        if line.endswith(".o:"):
            current = line[:-1].split(".")[0]
            defined[current], needed[current] = set(), set()
        match = re.match(r"[0-9a-fA-F ]{16} ([A-Zuvw]) (\S+)$", line)
        if match:
            (needed if match.group(1) == "U" else defined)[current].add(match.group(2))
    return defined, needed


def check_calls_between(build, modules, found):
    """Includes alone do not tell: a declaration may be repeated."""
    homes = {}
    for module in modules:
        for name in symbols(archive_of(build, module))[0]:
            homes.setdefault(name, module)
    for module in modules:
        for name, member in sorted(symbols(archive_of(build, module))[1].items()):
            home = homes.get(name, module)
            if home != module and FLOORS[home] >= FLOORS[module]:
                found.add(source_of(module, member), 1, "calls",
                          f"{name} is of {home}, which does not stand below")


def reach(graph, start):
    """All that can be reached from there in one step or more."""
    seen, stack = set(), list(graph[start])
    while stack:
        at = stack.pop()
        if at not in seen:
            seen.add(at)
            stack += graph[at]
    return seen


def check_circles(build, module, allowed, found):
    defined, needed = object_graph(archive_of(build, module))
    graph = {f: {g for g in defined if g != f and needed[f] & defined[g]} for f in defined}
    reached = {f: reach(graph, f) for f in graph}
    told = set()
    for f in sorted(graph):
        circle = {g for g in reached[f] if f in reached[g]}
        if f in told or f not in circle or any(circle <= a for a in allowed):
            continue
        told |= circle
        found.add(f"{module}/{f}.c", 1, "circle", "calls go in a circle: " + " ".join(sorted(circle)))


def known_bugs(root):
    path = os.path.join(root, "sim/known_bugs.def")
    if not os.path.isfile(path):
        return []
    return re.findall(r"^BUG\((\w+)", read(root, "sim/known_bugs.def"), re.M)


def check_binary(root, kiln, found):
    """What goes to production has no switch, not even its name; and its mathematics is its own."""
    with open(kiln, "rb") as file:
        content = file.read()
    if b"\0libm.so.6\0" in content:
        found.add(os.path.basename(kiln), 0, "math", "libm's results depend on the CPU it finds: "
                  "link MATH_LIBRARIES")
    names = ["known_bug_" + name for name in known_bugs(root)] + known_bugs(root)
    for name in names:
        if b"\0" + name.encode() + b"\0" in content:
            found.add(os.path.basename(kiln), 0, "known-bug", f"{name} is in the plain binary")


def is_sanitized(build):
    archive = archive_of(build, "core/base")
    return archive is not None and any(SANITIZER.match(n) for n in symbols(archive)[1])


def check_symbols(root, build):
    found = Findings()
    count = 0
    if is_sanitized(build):
        skipped("symbols: a sanitizer adds its own to the objects")
        return found, 0
    built = []
    for module in FLOORS:
        has_sources = any(sources(root, (".c",), (module,)))
        if archive_of(build, module) is None:
            if has_sources:
                skipped(f"symbols: {module} is not built")
            continue
        built.append(module)
        check_prefix(build, module, found)
        if module in NO_CIRCLES:
            check_circles(build, module, NO_CIRCLES[module], found)
        if module in PURE:
            check_needs(build, module, found)
            check_sections(build, module, found)
        count += 1
    check_calls_between(build, built, found)
    kiln = next((p for p in (os.path.join(build, d, "kiln") for d in ("", "cli"))
                 if os.path.isfile(p)), None)
    if kiln is None:
        skipped("known bugs: kiln is not built")
    else:
        check_binary(root, kiln, found)
        count += 1
    return found, count


def main(arguments):
    checks = {"text": check_text, "format": check_format, "symbols": check_symbols, "rules": check_rules}
    wanted = {"text": 2, "format": 2, "symbols": 3, "rules": 2}
    if not arguments or len(arguments) != wanted.get(arguments[0]):
        print(__doc__, file=sys.stderr)
        return 64
    found, count = checks[arguments[0]](*arguments[1:])
    for line in found.lines:
        print(line)
    print(f"{arguments[0]}: {count} looked at, {len(found.lines)} findings")
    if found.lines:
        return 1
    return 0 if count > 0 else SKIPPED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
