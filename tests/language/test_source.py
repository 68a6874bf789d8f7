"""Texts that are hostile, huge, or come from another editor end in a located message."""

import codecs
from pathlib import Path
from typing import Any

import pytest

import archspec
from archspec.api import Check, check_text
from archspec.graph import bounds, conditions
from archspec.language import loader, source

HEAD = "archspec: 1\nname: Net\ninput: [3, 8, 8]\n"
ROW = "  - {name: conv, op: conv2d, out_channels: 4, kernel_size: 3}\n"
SPEC = f"{HEAD}layers:\n{ROW}"


def codes(result: Check) -> list[str]:
    return [fault.code for fault in result.diagnostics]


def lines(result: Check) -> list[int]:
    return [result.locate(fault).line for fault in result.diagnostics]


@pytest.mark.parametrize(
    "nested",
    [
        "layers: " + "[" * 10_000 + "]" * 10_000,
        "layers: " + "[" * 10_000,
        "layers: " + "{a: " * 10_000 + "1" + "}" * 10_000,
        "layers:\n" + "- " * 10_000 + "a",
        "layers:\n" + "\n".join(" " * i + "a:" for i in range(1, 2_000)),
        "layers: " + "[{a: " * 10_000,
        "layers: " + "? " * 10_000,
    ],
    ids=["lists", "open lists", "mappings", "dashes", "indents", "both", "keys"],
)
def test_ten_thousand_brackets_end_in_a_message(nested: str) -> None:
    result = check_text(HEAD + nested)
    assert not result.ok
    assert codes(result)[0] in {"AS105", "AS101", "AS108"}
    assert lines(result)[0] >= 4


def test_nesting_within_reason_is_read() -> None:
    groups = "layers: " + "[{layers: " * 40 + "[{op: relu}]" + "}]" * 40
    assert codes(check_text(HEAD + groups)) == []


def test_a_million_laughs_are_refused_where_they_begin() -> None:
    laughs = 'a: &a ["lol", "lol", "lol"]\n' + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    result = check_text(SPEC + laughs)
    assert not result.ok
    first = result.diagnostics[[code == "AS103" for code in codes(result)].index(True)]
    assert result.locate(first) == (6, 4)
    assert len(result.diagnostics) <= source.MAX_FAULTS + 20


def test_variables_cannot_laugh_either() -> None:
    names = "  a0: [1, 2]\n" + "".join(f"  a{i}: '[a{i - 1}, a{i - 1}]'\n" for i in range(1, 60))
    row = "  - {op: conv2d, out_channels: a59, kernel_size: a59 == a58}\n"
    result = check_text(f"{HEAD}vars:\n{names}layers:\n{row}")
    assert "AS211" in codes(result)
    assert any("at most 1000 items" in fault.message for fault in result.diagnostics)


def test_a_number_of_ten_thousand_digits() -> None:
    result = check_text(SPEC.replace("out_channels: 4", f"out_channels: {'9' * 10_000}"))
    assert codes(result) == ["AS211"]
    assert all(len(fault.message) < 200 for fault in result.diagnostics)


def test_a_text_that_is_too_large(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(source, "MAX_BYTES", 1000)
    monkeypatch.setattr(loader, "MAX_BYTES", 1000)
    assert check_text(SPEC).ok
    long = SPEC + "#" * 1000
    assert codes(check_text(long)) == ["AS106"]
    (tmp_path / "long.yaml").write_text(long, encoding="utf-8")
    assert codes(archspec.check(tmp_path / "long.yaml")) == ["AS106"]


def test_too_many_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MAX_STEPS", 3)
    assert check_text(SPEC + ROW.replace("conv,", "more,")).ok
    result = check_text(SPEC + "".join(ROW.replace("conv,", f"c{i},") for i in range(3)))
    assert codes(result) == ["AS216"]
    assert lines(result) == [8]


def nested(depth: int) -> str:
    """Blocks in each other, so many deep."""
    inner = "".join(f"  B{i}: {{layers: [{{op: B{i + 1}}}]}}\n" for i in range(1, depth))
    blocks = f"blocks:\n{inner}  B{depth}: {{layers: [{{op: relu}}]}}\n"
    return f"{HEAD}{blocks}layers: [{{op: B1}}]\n"


def test_blocks_are_nested_as_deep_as_anybody_needs() -> None:
    result = check_text(nested(bounds.MAX_NESTED))
    assert codes(result) == []
    assert result.network is not None
    assert [node.path for node in result.network.nodes] == [".".join("0" * (bounds.MAX_NESTED + 1))]


def test_blocks_nested_too_deep() -> None:
    result = check_text(nested(bounds.MAX_NESTED + 1))
    assert codes(result) == ["AS223"]
    assert lines(result) == [bounds.MAX_NESTED + 4]


BRANCHES = "{op: add, branches: [["


@pytest.mark.parametrize(
    "row",
    [
        "{layers: [" * 20 + "{op: B%d}" + "]}" * 20,
        BRANCHES * 20 + "{op: B%d}" + "], []]}" * 20,
        "{repeat: 1, name: again, layers: [" * 20 + "{op: B%d}" + "]}" * 20,
        "{repeat: 2, name: again, op: B%d, when: true}",
    ],
    ids=["groups", "branches", "repeated groups", "repeated blocks"],
)
def test_nesting_of_any_kind_ends_in_a_message(row: str) -> None:
    blocks = "".join(f"  B{i}: {{layers: [{row % (i + 1)}]}}\n" for i in range(100))
    text = f"{HEAD}blocks:\n{blocks}  B100: {{layers: [{{op: relu}}]}}\nlayers: [{{op: B0}}]\n"
    assert codes(check_text(text)) == ["AS223"]


def doubling(leaf: str) -> str:
    """Blocks that hold the next one twice: 2^50 places for the last."""
    inner = "".join(
        f"  B{i}: {{layers: [{{op: B{i + 1}}}, {{op: B{i + 1}}}]}}\n" for i in range(50)
    )
    return f"{HEAD}blocks:\n{inner}  B50: {{layers: [{leaf}]}}\nlayers: [{{op: B0}}]\n"


HUGE_TABLE = ", ".join(["{a: 1, b: 2}"] * 200)
BOUNDED = {
    "blocks that double": doubling("{op: relu}"),
    "blocks that double nothing": doubling("{op: relu, when: false}"),
    "repeats in each other": HEAD
    + "layers: [{repeat: 9999, layers: [{repeat: 9999, layers: [{op: relu, when: false}]}]}]\n",
    "a table again and again": HEAD
    + f"layers: [{{repeat: 9999, layers: [{{op: relu, when: false, each: [{HUGE_TABLE}]}}]}}]\n",
    "a table without rows to it": HEAD
    + f"layers: [{{repeat: 9999, layers: [{{op: relu, repeat: 0, each: [{HUGE_TABLE}]}}]}}]\n",
    "a value again and again": HEAD
    + f"layers: [{{repeat: 9999, op: relu, when: false, wrong: [{HUGE_TABLE}]}}]\n",
    "an argument again and again": f"{HEAD}blocks: {{B: {{args: {{a: [{HUGE_TABLE}]}}, "
    "layers: [{op: relu, when: false}]}}\nlayers: [{op: B, repeat: 9999}]\n",
}


@pytest.mark.parametrize("text", BOUNDED.values(), ids=BOUNDED)
def test_work_is_bounded(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MAX_WORK", 100_000)
    visits: list[object] = []
    wanted = conditions.Conditions.wanted

    def counted(*arguments: Any) -> bool:
        visits.append(None)
        return wanted(*arguments)

    monkeypatch.setattr(conditions.Conditions, "wanted", counted)
    assert "AS216" in codes(check_text(text))
    assert len(visits) <= 100_000


def test_many_repetitions_are_no_trouble() -> None:
    result = check_text(HEAD + "layers: [{op: relu, repeat: 10_000}]\n")
    assert codes(result) == []
    assert result.network is not None
    assert len(result.network.nodes) == 10_000


def test_faults_of_one_row_in_many_places_do_not_hide_others() -> None:
    rows = "  - {repeat: 900, layers: [{op: relu, from: nowhere}]}\n  - {op: rellu}\n"
    assert codes(check_text(f"{HEAD}layers:\n{rows}")) == ["AS217", "AS204"]


def test_endless_faults_are_cut() -> None:
    result = check_text(HEAD + "vars: {" + "a: 1, " * 5_000 + "}\n")
    assert len(result.diagnostics) < 300


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "---\n", "~", "\ufeff"])
def test_there_is_nothing_in_it(text: str) -> None:
    assert codes(check_text(text)) == ["AS201"]


def test_a_byte_order_mark_and_windows_line_ends() -> None:
    result = check_text("\ufeff" + SPEC.replace("\n", "\r\n").replace("conv2d", "conv"))
    assert codes(result) == ["AS204"]
    assert result.locate(result.diagnostics[0]) == (5, 22)
    assert check_text("\ufeff" + SPEC.replace("\n", "\r\n")).ok


@pytest.mark.parametrize("character", ["\0", "\x07", "\x1b", "\x7f", "\ud800", "\uffff"])
def test_characters_that_no_text_has(character: str) -> None:
    result = check_text(SPEC.replace("name: Net", f"name: N{character}et"))
    assert codes(result) == ["AS101"]
    assert result.locate(result.diagnostics[0]) == (2, 8)


def test_other_scripts_are_welcome_in_texts() -> None:
    assert check_text(HEAD + "source: 花の分類 🌻\n" + f"layers:\n{ROW}").ok


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"archspec: 1\nname: caf\xe9\n", 2),
        (SPEC.encode("utf-16"), 1),
        (b"\x89PNG\r\n\x1a\n", 1),
    ],
)
def test_a_file_that_is_no_utf8_says_in_which_line(data: bytes, line: int, tmp_path: Path) -> None:
    file = tmp_path / "net.yaml"
    file.write_bytes(data)
    with pytest.raises(archspec.SpecNotFound, match=rf"UTF-8 \(line {line}\)"):
        archspec.check(file)


def test_a_file_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "net.yaml"
    file.write_bytes(codecs.BOM_UTF8 + SPEC.encode())
    assert archspec.check(file).ok


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("alexnett", "did you mean `alexnet`"),
        ("specs/nothing.yaml", "there is no file"),
        ("specs", "is a folder"),
        ("a\0b.yaml", "there is no"),
        ("x" * 5000, "there is no"),
    ],
    ids=["typo", "file", "folder", "NUL", "long"],
)
def test_a_spec_that_is_not_there(
    name: str, said: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    with pytest.raises(archspec.SpecNotFound, match=said):
        archspec.check(name)


def test_positions_count_characters_not_bytes() -> None:
    result = check_text(HEAD + "layers:\n  - {name: 'é', op: rellu}\n")
    assert [result.locate(fault) for fault in result.diagnostics] == [(5, 12), (5, 21)]
