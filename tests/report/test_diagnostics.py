"""Faults as a person sees them: a golden case for each kind, and carets in every kind of line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import archspec
from archspec.diagnostics import CATALOGUE
from archspec.graph import bounds
from archspec.language import source
from archspec.report.diagnostics import write_diagnostics
from archspec.report.excerpt import excerpt
from archspec.report.page import columns
from archspec.targets.python import machine
from archspec.targets.torch import length
from tests.cases.reader import checked_and_written
from tests.report.conftest import Golden, Sheet

CASES = Path(__file__).parent / "diagnostics"
KINDS = {kind.name: kind for kind in CATALOGUE}

# What a spec's text alone cannot bring about.
OVERRIDES: Mapping[str, Mapping[str, Any]] = {
    "unknown-variable": {"num_clases": 5},
    "claims-not-verified": {"width": 16},
}
LIMITS: Mapping[str, tuple[Any, str, int]] = {
    "file-too-large": (source, "MAX_BYTES", 64),
    "too-many-steps": (bounds, "MAX_STEPS", 2),
    "too-many-values": (source, "MAX_VALUES", 20),
    "nested-too-deeply": (bounds, "MAX_NESTED", 2),
    "module-too-long": (length, "MAX_LINES", 2),
    "code-not-equal": (machine, "MAX_STEPS", 0),
}


def shown(
    checked: archspec.Check,
    width: int | None = None,
    *,
    unicode: bool = True,
    all_notes: bool = False,
) -> str:
    sheet = Sheet(width, unicode=unicode)
    write_diagnostics(sheet, checked, all_notes=all_notes)
    return sheet.text.lstrip("\n")


@pytest.mark.parametrize("name", KINDS)
def test_every_diagnostic_has_a_case_that_provokes_it(
    name: str, golden: Golden, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name in LIMITS:
        monkeypatch.setattr(*LIMITS[name])
    text = (CASES / f"{name}.yaml").read_text(encoding="utf-8")
    reader = checked_and_written if KINDS[name].code.startswith("AS5") else archspec.check_text
    checked = reader(text, f"{name}.yaml", OVERRIDES.get(name))
    assert name in {fault.name for fault in checked.diagnostics}
    golden(f"diagnostics/{name}.txt", shown(checked, 80))


def test_there_are_no_cases_of_diagnostics_that_are_gone() -> None:
    assert {path.stem for path in CASES.iterdir()} == set(KINDS)


def faulty(count: int) -> str:
    head = "archspec: 1\nname: Net\ninput: [3, 8, 8]\nlayers:\n"
    return head + "".join(f"  - {{op: relu, wrong{i}: 1}}\n" for i in range(count))


def test_all_faults_are_shown_not_only_the_first() -> None:
    text = shown(archspec.check_text(faulty(50)))
    assert all(f"`wrong{i}`" in text for i in range(50))
    assert "more" not in text


def test_faults_beyond_the_limit_are_counted() -> None:
    text = shown(archspec.check_text(faulty(234)))
    assert text.count("error[") == 50
    assert text.endswith("and 184 more errors; --format json lists all\n")


def noted(pools: int) -> archspec.Check:
    """A check with a note for every second row."""
    rows = "  - {op: max_pool, kernel_size: 1, stride: 2}\n  - {op: conv2d, out_channels: 1, "
    rows += "kernel_size: 1, padding: 4}\n"
    spec = "archspec: 1\nname: Net\ninput: [1, 8, 8]\nlayers:\n" + pools * rows
    return archspec.check_text(spec, "net.yaml")


def test_a_few_notes_take_a_line_each() -> None:
    lines = shown(noted(3)).splitlines()
    assert len(lines) == 3
    assert all(line.startswith("note[AS306] ") for line in lines)
    assert [line[-12:] for line in lines] == [f"(net.yaml:{at})" for at in (5, 7, 9)]


def test_many_notes_of_a_kind_are_one_line_until_they_are_asked_for() -> None:
    one = "note[AS306] input-not-read, 6 times: 0, 2, 4, … (--notes shows them)"
    assert shown(noted(7)).splitlines() == [one]
    lines = shown(noted(7), all_notes=True).splitlines()
    assert len(lines) == 6
    assert all("never read" in line for line in lines)


def test_notes_of_another_kind_are_not_lost_among_many() -> None:
    text = noted(7).document.text.replace("layers:", "vars: {n: 1}\nexpect: {params: 14}\nlayers:")
    text = shown(archspec.check_text(text, "net.yaml", {"n": 2}))
    assert "note[AS306] input-not-read, 6 times" in text
    assert "note[AS405] the claims are not verified" in text


def test_a_note_never_hides_an_error() -> None:
    spec = faulty(60) + "  - {op: max_pool, kernel_size: 1, stride: 3}\n"
    assert shown(archspec.check_text(spec)).count("error[") == 50


def marked(line: str, column: int, room: int | None = None, *, single: bool = False) -> str:
    """The part of the shown line that stands over the carets."""
    found = excerpt(Sheet(), line, column, single=single, room=room)
    taken, part = 0, ""
    for character in found.text:
        if found.start <= taken < found.end:
            part += character
        taken += columns(character)
    assert room is None or columns(found.text) <= room
    assert len(found.mark) == found.end
    return part


@pytest.mark.parametrize(
    ("line", "column", "part"),
    [
        ("stride: 4", 9, "4"),
        ("stride: zwei  # two", 9, "zwei"),
        ("  - [conv1, conv2d, 11]", 13, "conv2d"),
        ("  - {name: conv1, op: conv2d}", 5, "{name: conv1, op: conv2d}"),
        ("a: [[1, 2], [3, 4]], b", 4, "[[1, 2], [3, 4]]"),
        ("a: ['x]', y], b", 4, "['x]', y]"),
        ('a: "with , and \\" and }", b', 4, '"with , and \\" and }"'),
        ("a: 'it''s', b", 4, "'it'"),
        ("a: {unclosed: [1,", 4, "{unclosed: [1,"),
        ("kernel_sise: 11", 1, "kernel_sise"),
        ("url: a:b#c", 6, "a:b#c"),
        ("日本: 網路, x", 5, "網路"),
        ("e\u0301te\u0301: x", 8, "x"),
        ("a:\tb", 4, "b"),
    ],
)
def test_the_caret_covers_exactly_the_value(line: str, column: int, part: str) -> None:
    assert marked(line, column) == part


@pytest.mark.parametrize(("column", "part"), [(9, "1"), (11, "+"), (13, "widht"), (18, "]")])
def test_inside_an_expression_only_the_word_is_marked(column: int, part: str) -> None:
    assert marked("stride: 1 + widht]", column, single=True) == part


@pytest.mark.parametrize("at", [0, 3, 41, 500, 994, 999])
def test_a_long_line_is_shown_around_the_place(at: int) -> None:
    line = "".join(f"{i:04}," for i in range(1000))
    part = marked(line, at * 5 + 1, room=60)
    assert part == f"{at:04}"


def test_a_value_longer_than_the_room_is_marked_as_far_as_it_is_shown() -> None:
    found = excerpt(Sheet(), "x: " + "y" * 500, 4, single=False, room=40)
    assert columns(found.text) <= 40
    assert found.text.endswith("…")
    assert found.start == 3
    assert found.end == columns(found.text) - 1


def test_a_place_after_the_end_of_a_line_is_marked_there() -> None:
    found = excerpt(Sheet(), "abc", 4, single=False, room=None)
    assert (found.text, found.mark) == ("abc", "   ^")


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r", "\u2028"])
def test_lines_are_those_that_yaml_counts(newline: str) -> None:
    text = newline.join(["archspec: 1", "name: Net", "input: [3, 8, 8]", "layers: [{op: rleu}]"])
    lines = shown(archspec.check_text(text, "net.yaml")).splitlines()
    assert " --> net.yaml:4:15 (0)" in lines
    assert lines[-3:-1] == ["4 | layers: [{op: rleu}]", "  |               ^^^^"]


HOSTILE = "\x1b[31mred\x07\u202e\x9b2J\x7f\u200b"


def hostile_spec() -> str:
    """A spec whose texts hold terminal escapes everywhere, written as YAML escapes."""
    escaped = HOSTILE.encode("unicode_escape").decode("ascii")
    return (
        f'archspec: 1\nname: "{escaped}"\nsource: "{escaped}"\ninput: [3, 8, 8]\nlayers:\n'
        f'  - {{name: "a{escaped}", op: "b{escaped}", "c{escaped}": "d{escaped}"}}\n'
        f'  - {{op: relu, "e{escaped}": 1, expect: {{"f{escaped}": 1, params: 1}}}}\n'
        f'expect: {{params: {{value: 0, source: "{escaped}"}}}}\n'
    )


def test_no_control_character_of_a_spec_reaches_the_terminal() -> None:
    text = shown(archspec.check_text(hostile_spec(), f"{HOSTILE}.yaml"))
    assert all(character.isprintable() or character == "\n" for character in text)
    assert "␛[31mred␇" in text


def test_without_unicode_everything_is_ascii_and_carets_still_point() -> None:
    spec = "archspec: 1\nname: Net\ninput: [3, 8, 8]\nlayers: [{name: größe…x, op: rleu}]\n"
    text = shown(archspec.check_text(spec), unicode=False)
    assert text.isascii()
    lines = text.splitlines()
    row = next(i for i, line in enumerate(lines) if line.endswith("op: rleu}]"))
    assert lines[row] == "4 | layers: [{name: gr??e?x, op: rleu}]"
    carets = [line for line in lines if set(line) <= set(" |^") and "^" in line]
    assert [lines[row][c.index("^") : c.rindex("^") + 1] for c in carets] == ["gr??e?x", "rleu"]


def test_colour_follows_the_severity() -> None:
    sheet = Sheet(color=True)
    write_diagnostics(sheet, archspec.check_text(faulty(1)))
    assert "\x1b[1;31merror[AS202] unknown-key: \x1b[0m" in sheet.text


def test_what_is_missing_from_a_whole_spec_shows_no_comment_as_its_place() -> None:
    text = shown(archspec.check_text("# a comment\narchspec: 1\n", "net.yaml"))
    assert "needs `layers`" in text
    assert "a comment" not in text
