"""What a spec comes to at least: what multiplies is refused before it is walked, no other."""

from pathlib import Path
from typing import Any

import pytest

from archspec import check, check_text
from archspec.graph import walk
from archspec.graph.least import Counter
from archspec.language.loader import load_text

SPECS = sorted((Path(__file__).parents[2] / "specs").glob("*.yaml"))
HEAD = "archspec: 1\nname: Net\ninput: [3, 8, 8]\n"


def blocks(count: int, row: str, leaf: str = "{op: relu}") -> str:
    """Blocks, each of which has `row`, with the next one's name in place of NEXT."""
    inner = "".join(
        f"  B{i}: {{layers: [{row.replace('NEXT', f'B{i + 1}')}]}}\n" for i in range(count)
    )
    return f"{HEAD}blocks:\n{inner}  B{count}: {{layers: [{leaf}]}}\nlayers: [{{op: B0}}]\n"


TWICE = "{op: NEXT}, {op: NEXT}"
MULTIPLYING = {
    "blocks that use the next one twice": blocks(60, TWICE),
    "in a group and in a branch": blocks(
        30, "{layers: [{op: NEXT}]}, {op: add, branches: [[{op: NEXT}], []]}"
    ),
    "repeated blocks": blocks(10, "{op: NEXT, repeat: 100}"),
    "tables": blocks(30, "{op: NEXT, each: [{a: 1}, {a: 2}]}"),
    "repeated groups": HEAD
    + "layers: [{repeat: 9999, layers: [{repeat: 9999, layers: [{op: relu}]}]}]\n",
    "nothing, again and again": blocks(60, TWICE, "{op: relu, when: false}"),
}


@pytest.mark.parametrize("text", MULTIPLYING.values(), ids=MULTIPLYING)
def test_what_multiplies_is_refused_without_a_walk(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    visits: list[object] = []
    step = walk.Walker._step

    def counted(*arguments: Any) -> None:
        visits.append(None)
        step(*arguments)

    monkeypatch.setattr(walk.Walker, "_step", counted)
    (fault,) = check_text(text).diagnostics
    assert fault.code == "AS216"
    assert len(visits) == 1


def test_a_family_is_refused_for_each_member_without_a_walk() -> None:
    family = "vars: {n: 1}\nvariants: {a: {n: 1}, b: {n: 2}}\n"
    checked = check_text(MULTIPLYING["blocks that use the next one twice"] + family)
    assert [fault.code for fault in checked.diagnostics] == ["AS216"]
    assert [member.network and member.network.nodes for member in checked.family] == [(), ()]


@pytest.mark.parametrize("control", ["when: false", "repeat: 1 - 1", "each: []"])
def test_what_only_the_walk_can_know_is_left_to_it(control: str) -> None:
    row = f"{{op: NEXT, {control}}}, {{op: NEXT}}"
    assert check_text(blocks(60, row)).ok


def test_a_name_that_an_argument_hides_is_left_to_the_walk() -> None:
    text = blocks(60, TWICE).replace("B0: {", "B0: {args: {B1: relu}, ")
    checked = check_text(text)
    assert checked.ok
    assert checked.totals.weighted_layers == 0
    assert [node.op_name for node in checked.network.nodes] == ["relu"] * 2  # type: ignore[union-attr]  # it is ok


def test_a_block_within_itself_is_told_as_that() -> None:
    text = f"{HEAD}blocks: {{A: {{layers: [{{op: A}}, {{op: A}}]}}}}\nlayers: [{{op: A}}]\n"
    assert {fault.name for fault in check_text(text).diagnostics} == {"recursive-block"}


@pytest.mark.parametrize("file", SPECS, ids=lambda file: file.stem)
def test_no_network_is_thought_larger_than_it_is(file: Path) -> None:
    checked = check(file)
    for member in checked.family or (checked,):
        assert member.network is not None
        spec = member.network.spec
        counter = Counter(spec)
        least = sum(counter.step(step).nodes for step in spec.body.steps)
        assert least <= len(member.network.nodes)


def test_the_count_is_exact_where_nothing_is_open() -> None:
    loaded = load_text(blocks(5, "{op: NEXT}, {op: NEXT, repeat: 2}, {op: relu}"), "net.yaml")
    assert loaded.spec is not None
    least = Counter(loaded.spec).block(loaded.spec.blocks["B0"])
    network = check_text(blocks(5, "{op: NEXT}, {op: NEXT, repeat: 2}, {op: relu}")).network
    assert network is not None
    assert least.nodes == len(network.nodes)
