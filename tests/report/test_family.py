"""A family, and all specs there are: a line a network."""

import re
from pathlib import Path

import pytest

import archspec
from archspec.report.family import line_of, write_failed, write_family, write_lines
from archspec.report.page import columns
from tests.report.conftest import Golden, Sheet

GRAPH = (Path(__file__).parent / "graph.yaml").read_text(encoding="utf-8")


def family(text: str = GRAPH, width: int | None = None) -> Sheet:
    check, sheet = archspec.check_text(text, "graph.yaml"), Sheet(width)
    assert check.family
    write_family(sheet, check)
    return sheet


@pytest.mark.parametrize("width", [40, 80, None])
def test_the_table_of_a_family(width: int | None, golden: Golden) -> None:
    failing = GRAPH.replace("depth: 9,", "depth: 9, expect: {params: 7, weighted_layers: 41},")
    golden(f"golden/family-{width or 'pipe'}.txt", family(failing, width).text)


def test_a_line_says_what_the_variant_alone_would_say() -> None:
    lines = {line.split()[0]: " ".join(line.split()) for line in family().lines[2:5]}
    check = archspec.check_text(GRAPH)
    for member in check.family:
        params = f"{member.totals.num_params:,}".replace(",", " ")
        assert f" {params} " in lines[member.variant or ""]
        assert f" {member.totals.weighted_layers} " in lines[member.variant or ""]
    assert lines["graph3"].endswith(" ✓ 1")
    assert lines["graph2"].endswith(" 10 ✓")


def test_the_field_is_the_last_that_is_not_everything() -> None:
    shown = family().lines
    assert [line.split()[-3] for line in shown[2:3]] == ["35+"]
    assert shown[-1].endswith("; +: and everything, through gates")
    sheet = Sheet()
    write_lines(sheet, "network", [line_of(sheet, "lenet5", archspec.check("lenet5"))])
    assert sheet.lines[2].split()[-4] == "32"
    assert "gates" not in sheet.text


@pytest.mark.parametrize(
    ("written", "mistaken", "shown"),
    [
        ("{weighted_layers: {value: 18", "{weighted_layers: {value: 19", "✗ 1 of 1"),
        ("depth: 3", "depth: three", "✗ 2 errors"),
    ],
)
def test_what_is_wrong_stands_in_the_line(written: str, mistaken: str, shown: str) -> None:
    lines = family(GRAPH.replace(written, mistaken)).lines
    assert lines[3].startswith("graph3 ")
    assert lines[3].endswith(f" {shown}")
    assert [line for line in lines if "✗" in line and line.startswith(("graph2", "graph9"))] == []


def test_claims_that_fail_are_told_by_variant() -> None:
    check = archspec.check_text(GRAPH.replace("value: 18", "value: 19"))
    sheet = Sheet()
    write_failed(sheet, check.family)
    assert sheet.lines == [
        "",
        "  ✗ graph3: weighted_layers claimed 19, computed 18 (counted)",
    ]
    write_failed(sheet, archspec.check_text(GRAPH).family)
    assert len(sheet.lines) == 2


def test_claims_that_an_error_leaves_open_are_not_told_as_wrong() -> None:
    lines = family(GRAPH.replace("squeeze: 4}", "squeeze: 0}")).lines
    assert lines[3].endswith("  ✗ 1 error")
    assert not any("claimed" in line for line in lines)


def test_many_claims_that_fail_are_counted() -> None:
    names = ("params", "num_params", "macs", "weighted_layers", "buffers", "trainable_params")
    wrong = "expect: {" + ", ".join(f"{name}: 1" for name in names) + "}"
    variants = "".join(f"  v{i}: {{depth: 2, {wrong}}}\n" for i in range(10))
    lines = family(GRAPH.replace("variants:\n", f"variants:\n{variants}")).lines
    assert sum("claimed" in line for line in lines) == 50
    assert lines[-1] == "  ✗ and 10 more"


def test_what_is_unknown_is_a_question_mark() -> None:
    sheet = Sheet()
    line = line_of(sheet, "none", archspec.check_text("["))
    assert line[1:7] == ("?",) * 6
    assert line.claims == "✗ 1 error"
    assert not line.holds


@pytest.mark.parametrize("width", range(6, 90))
def test_a_family_fits_the_page(width: int) -> None:
    lines = family(GRAPH.replace("  graph9:", f"  g{'r' * 30}aph9:"), width).lines
    assert max(map(columns, lines[:6])) <= width
    titles = lines[0].split()
    assert titles[0].startswith("v")
    if width >= 60:
        assert {"MACs", "field", "claims"} <= set(titles)


def test_the_colour_of_a_verdict_is_that_of_its_line() -> None:
    sheet = Sheet(color=True)
    check = archspec.check_text(GRAPH.replace("value: 18", "value: 19"))
    write_family(sheet, check)
    painted = {line.split()[0]: re.findall(r"\x1b\[(\d+)m[✓✗]", line) for line in sheet.lines[2:5]}
    assert painted == {"graph2": ["32"], "graph3": ["31"], "graph9": ["32"]}
