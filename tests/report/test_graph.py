"""The table of a network whose paths part and meet: folding, sources, gates, training heads."""

import re
from pathlib import Path

import pytest

import archspec
from archspec.report.folding import ALL
from archspec.report.page import columns
from archspec.report.summary import write_sums
from archspec.report.table import write_table
from tests.report.conftest import Golden, Sheet

GRAPH = (Path(__file__).parent / "graph.yaml").read_text(encoding="utf-8")


def checked(variant: str = "graph2", text: str = GRAPH) -> archspec.Check:
    family = archspec.check_text(text, "graph.yaml")
    return next(member for member in family.family if member.variant == variant)


def table(check: archspec.Check, width: int | None = None, depth: int | None = None) -> Sheet:
    sheet = Sheet(width)
    assert check.network is not None
    assert check.results is not None
    write_table(sheet, check.network, check.results, depth)
    return sheet


def rows(sheet: Sheet) -> dict[str, str]:
    """The rows between the rules, by their first word."""
    lines = sheet.lines
    rules = [at for at, line in enumerate(lines) if set(line) <= {"─"}]
    found = [" ".join(line.split()) for line in lines[rules[0] + 1 : rules[1]]]
    return {row.split()[0]: row for row in found}


@pytest.mark.parametrize("width", [60, 80, 120, None])
def test_the_whole_graph(width: int | None, golden: Golden) -> None:
    check = checked()
    sheet = table(check, width, ALL)
    write_sums(sheet, check)
    golden(f"golden/graph-{width or 'pipe'}.txt", sheet.text)


@pytest.mark.parametrize("width", [60, 80, None])
def test_a_large_network_is_folded(width: int | None, golden: Golden) -> None:
    golden(f"golden/folded-{width or 'pipe'}.txt", table(checked("graph9"), width).text)


def test_a_row_says_what_it_reads_only_where_that_is_not_the_row_above() -> None:
    shown = rows(table(checked(), depth=ALL))
    reads = {path: row.partition("← ")[2] for path, row in shown.items() if "←" in row}
    sources = {path: re.split(r" (?=\d)", text)[0] for path, text in reads.items()}
    assert sources == {
        "mix.b2": "input",
        "mix.b3": "input",
        "mix.cat": "b1, b2, b3",
        "units.0.se.scale": "input, fc2",
        "units.0.project": "input",
        "units.0.sum": "se, project",
        "units.1.se.scale": "input, fc2",
        "units.1.sum": "se, input",  # there is nothing to project: its input goes through
        "aux": "mix",
        "pool": "units",
    }


def test_the_sources_of_a_merge_of_many_are_counted() -> None:
    names = [f"r{i}" for i in range(9)]
    relus = "".join(f"  - {{name: {name}, op: relu}}\n" for name in names)
    add = f"  - {{name: all, op: add, from: [{', '.join(names)}]}}\n"
    text = f"archspec: 1\nname: Many\ninput: [3, 8, 8]\nlayers:\n{relus}{add}"
    row = rows(table(archspec.check_text(text)))["all"]
    assert "add ← r0, r1, …, r8 (9) 3×8×8 → 3×8×8" in row


def test_a_row_that_carries_more_is_read_by_its_name() -> None:
    text = (
        "archspec: 1\nname: Carried\ninput: [3, 8, 8]\ndefaults: {conv2d: {activation: relu}}\n"
        "layers:\n"
        "  - {name: one, op: conv2d, out_channels: 3, kernel_size: 1}\n"
        "  - {name: two, op: conv2d, out_channels: 3, kernel_size: 1}\n"
        "  - {name: sum, op: add, from: [one, two]}\n"
    )
    assert "add ← one, two " in rows(table(archspec.check_text(text)))["sum"]


def test_blocks_and_repeated_steps_say_what_they_are() -> None:
    shown = rows(table(checked(), depth=ALL))
    assert shown["units"].startswith("units 2 × Unit 40×32×32 → 32×16×16 ")
    assert shown["units.0"].startswith("units.0 Unit 40×32×32 → ")
    assert shown["units.0.se"].startswith("units.0.se SE ")
    assert shown["mix.b2"].startswith("mix.b2 ← input 16×32×32 → 16×32×32 ")


@pytest.mark.parametrize(
    ("depth", "names"),
    [
        (1, ["stem", "mix", "units", "aux", "pool", "flatten", "fc"]),
        (2, ["stem", "stem.0", "mix", "mix.b1", "mix.b2", "units", "units.0", "aux", "aux.0"]),
        (None, ["stem", "stem.0", "mix", "mix.b2.0", "units", "units.0.se.pool", "fc"]),
    ],
)
def test_depth_opens_the_table(depth: int | None, names: list[str]) -> None:
    shown = list(rows(table(checked(), depth=depth)))
    assert [name for name in shown if name in names] == names
    assert max(len(name.split(".")) for name in shown) == (depth or 4)


def test_what_is_folded_is_counted_and_nothing_is_where_all_is_open() -> None:
    check = checked("graph9")
    assert check.network is not None
    folded = table(check)
    hidden = {node.path for node in check.network.nodes} - rows(folded).keys()
    assert f"folded: {len(hidden)} layers; --depth all shows them" in folded.lines
    assert "folded" not in table(check, depth=ALL).text
    assert "folded" not in table(checked()).text


def test_a_folded_row_has_the_sums_and_the_window_of_its_only_convolution() -> None:
    shown = rows(table(checked(), depth=1))
    # 3·3·3·16 weights, 2·16 of the norm; 27·16·32·32 multiplications
    assert shown["stem"] == "stem ConvBN 3 2 1 3×64×64 → 16×32×32 464 442.4 k 3"
    assert shown["units"].startswith("units 2 × Unit 40×32×32 → 32×16×16 ")  # no single window


def test_a_network_that_is_one_block_is_opened_to_say_something() -> None:
    text = GRAPH.partition("layers:\n  - {name: stem")[0].replace("variants:", "x:", 1)
    text = re.sub(r"x:\n(  graph.*\n)+", "", text)
    units = "layers:\n" + "".join(f"  - {{name: u{i}, op: Unit, width: 32}}\n" for i in range(6))
    check = archspec.check_text(text + units)
    assert check.ok
    shown = rows(table(check))
    assert {"u0", "u0.conv1", "u0.sum", "u5"} <= set(shown)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ("[{op: relu}, {op: relu}]", "2 × relu"),
        ("[{op: relu}]", "relu"),
        ("[{op: conv2d, out_channels: 3, kernel_size: 1, activation: relu}]", "conv2d"),
        ("[{op: relu, repeat: 3}, {op: tanh}]", "3 × relu + tanh"),
        ("[{op: relu}, {op: tanh}, {op: gelu}]", "3 steps"),
        ("[{op: relu}, {name: inner, layers: [{op: relu}]}]", "2 steps"),
    ],
)
def test_a_folded_group_says_what_it_holds(steps: str, said: str) -> None:
    text = f"archspec: 1\nname: G\ninput: [3, 8, 8]\nlayers:\n  - {{name: g, layers: {steps}}}\n"
    row = rows(table(archspec.check_text(text), depth=1))["g"]
    assert row.startswith(f"g {said} 3×8×8 → 3×8×8 ")


def test_a_group_of_nothing_but_one_block_is_folded_in_a_large_network() -> None:
    units = "".join(
        f"  - {{name: s{i}, layers: [{{repeat: 3, op: ConvBN, width: 8}}, {{op: {last}}}]}}\n"
        for i, last in enumerate(["ConvBN, width: 8", "tanh"] * 4)
    )
    text = GRAPH.partition("variants:")[0] + "blocks:" + GRAPH.partition("blocks:")[2]
    check = archspec.check_text(text.partition("layers:\n  - {name: stem")[0] + "layers:\n" + units)
    assert check.ok
    shown = rows(table(check))
    assert shown["s0"].startswith("s0 4 × ConvBN 3×64×64 → 8×64×64 ")
    assert "s0.0" not in shown
    assert shown["s1"].startswith("s1 8×64×64 → 8×64×64 ")
    assert shown["s1.0"].startswith("s1.0 ConvBN 3 1 1 ")


def test_gates_leave_the_field_without_them_in_sight() -> None:
    full, short = table(checked(), depth=ALL), table(checked(), 80, ALL)
    assert rows(full)["units.0.se.scale"].endswith(" 0 0 19 (gates: global)")
    assert rows(full)["units.0.se.fc1"].endswith(" global")
    assert rows(full)["pool"].endswith(" global")
    scale = next(line for line in short.lines if line.lstrip().startswith("scale"))
    assert scale.endswith(" 19+")
    assert "+: and everything, through gates" in short.text
    assert "+:" not in full.text


def test_training_heads_are_marked_once_and_left_out_of_the_sums() -> None:
    check = checked()
    sheet = table(check, depth=ALL)
    shown = rows(sheet)
    assert shown["aux"].startswith("aux (training only) ← mix 40×32×32 → 10 410 400 ")
    assert "training" not in shown["aux.2"]
    write_sums(sheet, check)
    assert check.totals.training_only_params == 410
    assert ", of which 410 only in training, and " in sheet.text
    assert "outputs     logits 10; aux 10, only in training" in sheet.lines
    short = table(check, 80, ALL)
    assert any(line.startswith("aux") and " * ← mix " in line for line in short.lines)
    assert "*: only in training, not among the MACs below" in short.text


def test_what_nothing_reads_is_no_training_head() -> None:
    faulty = GRAPH.partition("variants:")[0] + "blocks:" + GRAPH.partition("blocks:")[2]
    faulty = faulty.partition("outputs:")[0].replace("[se, project]", "[se, projcet]")
    check = archspec.check_text(faulty)
    assert check.network is not None
    assert check.network.evaluated is not None
    sheet = table(check, depth=ALL)
    write_sums(sheet, check)
    assert "training" not in sheet.text


def test_what_a_row_reads_is_kept_longer_than_the_name_of_its_op() -> None:
    narrow = table(checked(), 60, ALL)
    assert any(line.startswith("pool      adapti… ← units  32×1×1 ") for line in narrow.lines)


def test_merges_of_different_shapes_count_them() -> None:
    shown = rows(table(checked(), depth=ALL))
    assert shown["mix.cat"].startswith("mix.cat concat ← b1, b2, b3 3 inputs → 40×32×32 ")
    assert "add ← se, project 32×16×16 → 32×16×16 " in shown["units.0.sum"]


@pytest.mark.parametrize("width", range(12, 140, 3))
@pytest.mark.parametrize("depth", [ALL, 1])
def test_no_row_is_wider_than_the_page(width: int, depth: int) -> None:
    sheet = table(checked(), width, depth)
    rule = [at for at, line in enumerate(sheet.lines) if set(line) <= {"─"}]
    assert max(map(columns, sheet.lines[: rule[1] + 2])) <= width


@pytest.mark.parametrize("width", [80, 100, None])
def test_rows_that_spill_into_empty_columns_line_up(width: int | None) -> None:
    lines = [line for line in table(checked(), width, ALL).lines if " → " in line]
    arrows = {columns(line.partition(" → ")[0]) for line in lines}
    assert len(arrows) == 1


@pytest.mark.parametrize("width", [60, 80, None])
def test_the_graph_lines_up_in_ascii_too(width: int | None) -> None:
    check, sheet = checked(), Sheet(width, unicode=False)
    assert check.network is not None
    assert check.results is not None
    write_table(sheet, check.network, check.results)
    assert sheet.text.isascii()
    lines = sheet.lines[: sheet.lines.index("-" * len(sheet.lines[1]), 2)]
    last = {len(line) for line in lines}
    assert len(last) == 1
    assert any("add <- se, " in line for line in lines)
    assert "<-: reads, where that is not the row above" in sheet.text


def test_colour_adds_nothing_but_colour() -> None:
    check, colored = checked(), Sheet(90, color=True)
    assert check.network is not None
    assert check.results is not None
    write_table(colored, check.network, check.results)
    assert "\x1b[2m← se, project" in colored.text
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in colored.lines]
    assert plain == table(check, 90).lines


def test_unknown_operations_are_named_where_nothing_else_tells_of_them() -> None:
    text = "archspec: 1\nname: Odd\ninput: [1, 32, 32]\nlayers:\n  - {op: relu}\n"
    check = archspec.check_text(text)
    assert check.results is not None
    unknown = check._replace(results=check.results._replace(operations=(None,)))
    sheet = Sheet()
    write_sums(sheet, unknown)
    assert "MACs        ? (unknown of 0)" in sheet.lines
