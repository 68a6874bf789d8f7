"""Where paths do not meet, the help is true: the inputs named fit, and no nearer ones do."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.api import Check, check_text
from archspec.diagnostics.shapes import MergeMismatch
from archspec.graph import fitting
from archspec.graph.build import build

UNET = """\
archspec: 1
name: U
input: [1, {size}, {size}]
layers:
  - {{name: e1, op: conv2d, out_channels: 2, kernel_size: 3, padding: 1}}
  - {{name: p1, op: max_pool, kernel_size: {factor}}}
  - {{name: e2, op: conv2d, out_channels: 2, kernel_size: 3, padding: 1}}
  - {{name: p2, op: max_pool, kernel_size: 2}}
  - {{name: u2, {up}}}
  - {{name: c2, op: concat, from: [u2, e2]}}
  - {{name: u1, op: upsample, scale_factor: {factor}}}
  - {{name: c1, op: concat, from: [u1, e1]}}
"""
TRANSPOSED = "op: conv_transpose2d, out_channels: 2, kernel_size: 2, stride: 2"
UPSAMPLE = "op: upsample, scale_factor: 2"


def help_of(check: Check) -> str:
    """The help of the first merge that does not fit."""
    return next(d.help for d in check.diagnostics if isinstance(d, MergeMismatch))


@settings(max_examples=25, deadline=None)
@given(size=st.integers(12, 90), factor=st.sampled_from([2, 3]), transposed=st.booleans())
def test_the_inputs_named_are_the_nearest_that_fit(
    size: int, factor: int, *, transposed: bool
) -> None:
    def check(side: int) -> Check:
        up = TRANSPOSED if transposed else UPSAMPLE
        return check_text(UNET.format(size=side, factor=factor, up=up))

    checked = check(size)
    if checked.ok:
        return
    found = re.search(r"inputs of (.*) fit", help_of(checked))
    assert found is not None
    named = [int(side) for side in found[1].split(" or ")]
    fitting = [side for side in range(size - 12, size + 13) if side > 0 and check(side).ok]
    assert named == [
        *[max(side for side in fitting if side < size)],
        *[min(side for side in fitting if side > size)],
    ]


@pytest.mark.parametrize(
    ("up", "mended"),
    [
        (TRANSPOSED, f"{TRANSPOSED}, output_padding: 1"),
        (UPSAMPLE, "op: upsample, size: [45, 45]"),
    ],
)
def test_what_the_help_says_mends_it(up: str, mended: str) -> None:
    told = help_of(check_text(UNET.format(size=90, factor=2, up=up)))
    assert "p2 makes 22×22 of 45×45 and leaves a rest" in told
    assert mended.removeprefix("op: upsample, ").removeprefix(f"{TRANSPOSED}, ") in told
    assert check_text(UNET.format(size=90, factor=2, up=mended)).ok


def test_only_so_many_networks_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def counting(*arguments: Any) -> Any:
        network, faults = build(*arguments)
        tried.append(len(network.nodes))
        return network, faults

    monkeypatch.setattr(fitting, "build", counting)
    rows = "".join(
        f"  - {{name: p{i}, op: max_pool, kernel_size: 2, stride: 1}}\n"
        f"  - {{name: a{i}, op: add, from: [input, p{i}]}}\n"
        for i in range(400)
    )
    assert not check_text(f"archspec: 1\nname: N\ninput: [1, 900, 900]\nlayers:\n{rows}").ok
    assert 0 < sum(tried) <= fitting.MOST_NODES


def test_what_the_first_place_lacks_already_is_no_matter_of_the_others() -> None:
    rows = "[{name: a, op: relu}, {op: max_pool, repeat: 3, from: a, kernel_size: 50}]"
    (fault,) = check_text(f"archspec: 1\nname: Net\ninput: [3, 8, 8]\nlayers: {rows}\n").diagnostics
    assert fault.name == "window-too-large"
    assert "first place" not in fault.help
