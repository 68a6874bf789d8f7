"""Every diagnostic is provoked, at its place, by the cases of tests/cases/diagnostics/."""

from typing import Any

import pytest
import yaml

from archspec.api import check_text
from archspec.diagnostics import CATALOGUE
from tests.cases.reader import MARK, cases, checked_and_written, files, unmark

CASES = dict(cases("diagnostics"))
BY_NAME = {kind.name: kind for kind in CATALOGUE}
BY_PROGRAM = {
    "nested-too-deep": "test_source.py",
    "file-too-large": "test_source.py",
    "too-many-steps": "test_source.py",
    "too-many-values": "test_limits.py",
    "nested-too-deeply": "test_source.py",
    "module-too-long": "targets/test_length.py",
    "code-not-equal": "targets/test_length.py",
}
"""Diagnostics whose spec is too large to be typed: the test that makes it."""


@pytest.mark.parametrize("name", CASES)
def test_the_diagnostic_says_what_is_wrong_where_it_is(name: str) -> None:
    case: dict[str, Any] = CASES[name]
    kind = BY_NAME[name.partition("/")[0]]
    text, (place,) = unmark(case["spec"])

    reader = checked_and_written if kind.code.startswith("AS5") else check_text
    result = reader(text, overrides=case.get("set"))

    shown = [(d.code, result.locate(d), d.message, d.help) for d in result.diagnostics]
    found = [d for d in result.diagnostics if type(d) is kind]
    assert len(found) == 1, shown
    located = result.locate(found[0])
    assert located.line == place[0], shown
    assert located.column == place[1] or case.get("anywhere"), shown
    said = f"{found[0].message}\n{found[0].help}"
    for fragment in case["says"]:
        assert fragment in said, shown
    others = sorted(d.code for d in result.diagnostics if type(d) is not kind)
    assert others == case.get("also", []), shown
    assert result.ok == all(d.severity != "error" for d in result.diagnostics)


def test_every_diagnostic_has_a_case() -> None:
    stems = {file.stem for file in files("diagnostics")}
    assert stems | set(BY_PROGRAM) == set(BY_NAME)
    assert not stems & set(BY_PROGRAM)


def test_every_case_file_states_its_code() -> None:
    for file in files("diagnostics"):
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
        assert data["code"] == BY_NAME[file.stem].code, file.name
        assert all(MARK in case["spec"] for case in data["cases"]), file.name


def test_codes_and_names_are_unique() -> None:
    assert len({kind.code for kind in CATALOGUE}) == len(CATALOGUE)
    assert len(BY_NAME) == len(CATALOGUE)


def test_all_problems_are_told_at_once() -> None:
    result = check_text(
        "archspec: 1\nname: Net\ninput: [3, 8, 8]\nlayers:\n"
        "  - {op: rellu}\n"
        "  - {op: conv2d, kernel_size: 3}\n"
        "  - {op: conv2d, out_channels: 4, kernel_size: 3, paddin: 1}\n"
        "expect: {parms: 1}\n"
    )
    lines = [(result.locate(d).line, d.code) for d in result.diagnostics]
    assert lines == [(5, "AS204"), (6, "AS203"), (7, "AS202"), (8, "AS402")]
