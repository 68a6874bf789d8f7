"""Which names steps may have: `-` in those of a group, which become keys of an nn.Sequential."""

import pytest

from archspec.api import check_text

SPEC = """\
archspec: 1
name: Net
input: [3, 8, 8]
blocks:
  Block:
    layers: [{{name: {block}, op: relu}}]
layers:
  - {{name: {root}, op: relu}}
  - {{name: group, layers: [{{name: {group}, op: relu}}, {{name: "{hole}", repeat: 2, op: relu}}]}}
  - {{name: again, repeat: 2, op: Block}}
"""
PLAIN = {"root": "first", "block": "second", "group": "third", "hole": "unit{i}"}


def codes(**names: str) -> list[str]:
    return [d.code for d in check_text(SPEC.format(**{**PLAIN, **names})).diagnostics]


def test_a_groups_steps_may_have_a_dash() -> None:
    result = check_text(SPEC.format(**{**PLAIN, "group": "block1-0", "hole": "unit-{i}"}))
    assert result.ok
    assert result.network is not None
    paths = [node.path for node in result.network.nodes]
    assert paths[1:4] == ["group.block1-0", "group.unit-0", "group.unit-1"]


@pytest.mark.parametrize("where", ["root", "block"])
def test_attributes_of_a_class_may_not(where: str) -> None:
    assert codes(**{where: "block1-0"}) == ["AS207"]


@pytest.mark.parametrize("name", ["block-", "-block", "-", "1-0", "a.b", "a b"])
def test_a_dash_stands_inside(name: str) -> None:
    assert codes(group=name) == ["AS207"]


def test_a_block_becomes_a_class_and_has_none() -> None:
    text = SPEC.format(**PLAIN).replace("Block", "My-Block")
    assert "AS207" in [d.code for d in check_text(text).diagnostics]
