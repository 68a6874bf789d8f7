"""A block that is used again is copied: the network is the one that walking it anew gives."""

from pathlib import Path

import pytest

from archspec import check_text
from archspec.api import Check, check
from archspec.graph.copies import Copy
from archspec.graph.walk import Walker

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
      - {op: add, name: sum, from: [u0, input], when: times > 1}
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
    return [
        repr((member.network and member.network._replace(spec=None), member.results))  # type: ignore[arg-type]  # only compared
        for member in checked.family or (checked,)
    ]


@pytest.mark.parametrize("spec", ["resnet", "shufflenet_v1", "inception_resnet_v2", "nested"])
def test_a_copy_is_what_walking_once_more_gives(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> Check:
        return check_text(NESTED) if spec == "nested" else check(SPECS / f"{spec}.yaml")

    copied = run()
    assert copied.ok
    monkeypatch.setattr(Copy, "__init__", _unexpected)
    with pytest.raises(AssertionError, match="a copy"):
        run()  # so there are some
    monkeypatch.setattr(Walker, "_walk_again", _never)
    assert meaning(run()) == meaning(copied)


def _unexpected(*_: object) -> None:
    raise AssertionError("a copy")


def _never(*_: object) -> bool:
    return False


def test_a_block_that_is_open_by_then_is_not_copied() -> None:
    """`b` is fine by itself, and refused inside `c`, which it uses."""
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
    (fault,) = check_text(text).diagnostics
    assert "contains itself" in fault.message
