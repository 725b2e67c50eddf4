#!/usr/bin/env python3
"""junit.py FILE EXPRESSION: reads JUnit's XML as strictly as its schema says, counts, and asks."""
import re
import sys
import types
import xml.etree.ElementTree as etree

# What junit-10.xsd of Jenkins lets an element hold: attributes (those that must be there first), and elements.
SCHEMA = {
    "testsuites": ((), ("name", "time", "tests", "failures", "errors"), ("testsuite",)),
    "testsuite": (("name", "tests", "failures", "errors"),
                  ("group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"),
                  ("testsuite", "properties", "testcase", "system-out", "system-err")),
    "testcase": (("name",), ("time", "classname", "group"), ("skipped", "error", "failure", "system-out", "system-err")),
    "failure": ((), ("type", "message"), ()),
    "error": ((), ("type", "message"), ()),
    "skipped": ((), ("type", "message"), ()),
    "system-out": ((), (), ()),
    "system-err": ((), (), ()),
}
TIME = re.compile(r"[0-9]+(\.[0-9]+)?")


def check(element):
    must, may, holds = SCHEMA[element.tag]
    assert set(must) <= set(element.attrib), (element.tag, element.attrib)
    assert set(element.attrib) <= set(must + may), (element.tag, element.attrib)
    assert "time" not in element.attrib or TIME.fullmatch(element.get("time")), element.attrib
    mixed = not holds
    assert mixed or not (element.text or "").strip(), element.text
    for child in element:
        assert child.tag in holds, (element.tag, child.tag)
        assert not (child.tail or "").strip(), child.tail
        check(child)


def sums(suite):
    cases = suite.findall("testcase")
    found = tuple(sum(case.find(kind) is not None for case in cases) for kind in ("failure", "error", "skipped"))
    said = tuple(int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped"))
    assert said == (len(cases), *found), (said, found)
    return said


root = etree.parse(sys.argv[1]).getroot()
assert root.tag == "testsuites"
check(root)
suites = {suite.get("name"): sums(suite) for suite in root}
for index, name in enumerate(("tests", "failures", "errors")):
    assert int(root.get(name)) == sum(said[index] for said in suites.values()), name


def case(suite, seed=None):  # None: whichever comes first
    for one in root.iterfind("testsuite/testcase"):
        if one.get("classname") == suite and (seed is None or one.get("name").endswith(f", seed {seed}")):
            out = one.find("system-out")
            return types.SimpleNamespace(failure=one.find("failure"), error=one.find("error"), skipped=one.find("skipped"),
                                         out=None if out is None else out.text)
    raise LookupError((suite, seed))


sys.exit(0 if eval(sys.argv[2]) else 1)
