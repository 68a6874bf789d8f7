"""A block that is used again is copied: the network is the one that walking it anew gives."""

from pathlib import Path
from typing import Any

import pytest

from archspec import check_text
from archspec.api import Check, check
from archspec.graph import bounds
from archspec.graph.blocks import Blocks
from archspec.graph.build import build
from archspec.graph.copies import Copy

SPECS = Path(__file__).parents[2] / "specs"
NESTED = """\
archspec: 1
name: nested
vars: {width: 8}
input: [3, 16, 16]
blocks:
  unit:
    args: {width: , stride: 1}
    layers:
      - {op: conv2d, name: conv, out_channels: width, kernel_size: 3, stride: stride, padding: 1}
      - {op: relu, name: act}
  pair:
    args: {width: , times: 2}
    layers:
      - {op: unit, name: "u{i}", width: width, repeat: times}
      - {op: add, name: sum, from: [previous, input], when: times > 1}
layers:
  - {op: conv2d, name: stem, out_channels: width, kernel_size: 1}
  - {op: pair, name: a, width: width}
  - {op: pair, name: b, width: width}
  - {op: pair, name: c, width: width, times: 1}
  - {op: pair, name: d, width: 2 * width, times: 1}
  - {op: pair, name: e, width: 2 * width}
"""


def meaning(checked: Check) -> list[str]:
    """Everything that a check found out, of every member of a family."""
    found = []
    for member in checked.family or (checked,):
        assert member.network is not None
        assert member.results is not None
        network = member.network._replace(spec=None)  # type: ignore[arg-type]  # only compared
        results = member.results._replace(seen=None)  # type: ignore[arg-type]  # the same
        found.append(repr((network, results, member.results.seen())))
    return found


@pytest.mark.parametrize("spec", ["resnet", "shufflenet_v1", "inception_resnet_v2", "nested"])
def test_a_copy_is_what_walking_once_more_gives(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> Check:
        return check_text(NESTED) if spec == "nested" else check(SPECS / f"{spec}.yaml")

    copied = run()
    assert copied.ok
    monkeypatch.setattr(Copy, "__init__", _unexpected)
    with pytest.raises(AssertionError, match="a copy"):
        run()  # so there are some
    monkeypatch.setattr(Blocks, "_again", _never)
    monkeypatch.setattr(Blocks, "alike", _never)
    assert meaning(run()) == meaning(copied)


BLOCKS = """\
archspec: 1
name: places
vars: {which: [unit, other]}
input: [8, 16, 16]
init: {conv2d: {weight: zeros}}
blocks:
  unit:
    args: {width: 8, stride: 1}
    layers:
      - {op: conv2d, name: conv, out_channels: width, kernel_size: 1, stride: stride}
      - {layers: [{op: relu}, {op: relu, from: input, name: r}]}
      - {op: add, from: [conv, conv]}
  other:
    args: {width: 8, stride: 1}
    layers: [{op: relu}, {op: batch_norm, name: norm, expect: {params: 16}}]
layers:
"""
SAME = ["{op: unit, repeat: 5}", "{name: g, op: unit, repeat: 5}", "{op: other, repeat: 4}"]
PLACES = {
    "given the same": SAME,
    "given the same from the second on": [
        "{name: g, op: unit, repeat: 6, stride: 2 if i == 0 else 1, width: 16}",
    ],
    "a number that differs": ["{op: unit, repeat: 6, width: 8 + 8 * (i // 3)}"],
    "a kind that differs": ["{op: unit, repeat: 4, stride: 1.0 if i == 2 else 1}"],
    "a stride each time": ["{op: unit, repeat: 3, stride: 2}"],
    "another block": ["{op: 'which[i % 2]', repeat: 6}"],
    "some left out": ["{op: unit, repeat: 6, when: i != 3}"],
    "rows of a table": ["{op: unit, repeat: 3, each: [{w: 8}, {w: 4}, {w: 4}], width: w}"],
    "the channels that arrive": ["{op: unit, repeat: 4, width: 8 if i else 2 * in_channels}"],
    "what is before": ["{op: other, name: a}", "{name: g, op: unit, from: a, repeat: 4}"],
    "several that are read": ["{op: add, repeat: 4, from: [previous, input]}"],
    "names": ["{op: unit, name: 'u{i}', repeat: 4}"],
    "a number that is taken": ["{op: relu, name: '4'}", "{op: unit, repeat: 6}"],
    "places that are read": ["{name: g, op: unit, repeat: 4}", "{op: add, from: [g.1, g.3]}"],
    "all of them": ["{name: g, op: unit, repeat: 4}", "{op: add, from: g.*}"],
    "groups of them": ["{repeat: 3, layers: [{op: unit, repeat: 3}, {op: relu}]}"],
}


@pytest.mark.parametrize("rows", PLACES.values(), ids=PLACES)
def test_places_that_are_alike_are_what_each_of_them_is(
    rows: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = BLOCKS + "".join(f"  - {row}\n" for row in rows)
    places: list[object] = []
    once_more = Blocks.once_more

    def counted(*arguments: Any) -> object:
        places.append(None)
        return once_more(*arguments)

    monkeypatch.setattr(Blocks, "once_more", counted)
    quick = check_text(text)
    told = [(fault.code, fault.where, fault.message) for fault in quick.diagnostics]
    assert len(places) >= 8 or rows is not SAME
    monkeypatch.setattr(Blocks, "alike", _never)
    monkeypatch.setattr(Blocks, "_again", _never)
    slow = check_text(text)
    assert meaning(slow) == meaning(quick)
    assert [(fault.code, fault.where, fault.message) for fault in slow.diagnostics] == told


def test_places_that_are_alike_are_steps_and_work(monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"{BLOCKS}  - {{op: unit, repeat: 40}}\n"
    assert check_text(text).ok
    for name, most in (("MAX_STEPS", 150), ("MAX_WORK", 900)):
        with monkeypatch.context() as patch:
            patch.setattr(bounds, name, most)
            assert "AS216" in [fault.code for fault in check_text(text).diagnostics]


def test_what_the_members_of_a_family_share_is_what_each_has_alone() -> None:
    for spec in ("resnet", "shufflenet_v1", "efficientnet"):
        family = check(SPECS / f"{spec}.yaml")
        alone = [check(f"{SPECS / spec}.yaml:{member.variant}") for member in family.family]
        assert meaning(family) == [text for one in alone for text in meaning(one)]


def test_a_network_with_other_variables_is_the_same_with_a_memory_and_without() -> None:
    """Also where blocks begin otherwise, or the first network has what this one has not."""
    text = NESTED.replace("vars: {width: 8}", "vars: {width: 8, b: 1}") + (
        "init: {conv2d: {weight: {constant: {value: b}}}, linear: {bias: zeros}}\n"
    )
    text = text.replace(
        "  - {op: pair, name: c",
        "  - {op: linear, when: width < 0, out_features: 1}\n  - {op: pair, name: c",
    )
    network = check_text(text).network
    assert network is not None
    for others in ({"width": 8}, {"width": 6}, {"b": 2}, {"width": 12, "b": 3}, {"width": "no"}):
        made, faults = build(network.spec, others, network.memory)
        fresh, told = build(network.spec, others)
        assert repr(made._replace(memory=None)) == repr(fresh._replace(memory=None))
        assert [fault.message for fault in faults] == [fault.message for fault in told]


@pytest.mark.parametrize("spec", ["mobilenet_v3", "inception_v3", "resnet"])
def test_twins_agree_in_all_that_follows_from_op_and_shapes(spec: str) -> None:
    for member in (found := check(SPECS / f"{spec}.yaml")).family or (found,):
        network = member.network
        assert network is not None
        assert len(set(network.twins)) < len(network.nodes)
        for node, twin in zip(network.nodes, network.twins, strict=True):
            other, arriving = network.nodes[twin], network.arriving(node)
            assert twin <= node.index
            assert node.op == other.op
            assert repr((arriving, network.shapes[node.index], node.module.tensors)) == repr(
                (network.arriving(other), network.shapes[twin], other.module.tensors)
            )


def _unexpected(*_: object) -> None:
    raise AssertionError("a copy")


def _never(*_: object) -> None:
    return None


def test_a_block_that_is_open_by_then_is_none_in_itself() -> None:
    """`b` is fine by itself, and in `c`, which it uses: with another argument, which ends it."""
    text = """\
archspec: 1
name: cycle
input: [3, 8, 8]
blocks:
  b:
    layers: [{op: c, deep: false}]
  c:
    args: {deep: }
    layers: [{op: relu}, {op: b, when: deep}]
layers: [{op: b}, {op: c, deep: true}]
"""
    checked = check_text(text)
    assert checked.network is not None
    assert not checked.diagnostics
    assert [node.path for node in checked.network.nodes] == ["0.0.0", "1.0", "1.1.0.0"]
    (fault,) = check_text(text.replace("deep: false", "deep: true")).diagnostics
    assert "contains itself" in fault.message
