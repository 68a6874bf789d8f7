"""Receptive fields are proven to the pixel: one pixel more or less, at either end, is found."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archspec.analysis.fields import Fields
from archspec.analysis.phases import Axis
from archspec.analysis.receptive_field import ReceptiveField
from archspec.api import check
from archspec.proof import prove
from archspec.proof.fields import prove_fields
from archspec.proof.subject import Effort, Subject, imported
from tests.proof.networks import RESIDUAL, RESIDUAL_MODULE, TINY, TINY_MODULE

Change = Callable[[ReceptiveField], ReceptiveField]

UPSAMPLED = """
archspec: 1
name: Upsampled
input: [2, 40, 48]
layers:
  - {name: stem, op: conv2d, out_channels: 4, kernel_size: 3, stride: 2, padding: 1}
  - {name: pool, op: max_pool, kernel_size: 2}
  - {name: bigger, op: conv_transpose2d, out_channels: 4, kernel_size: [5, 4], stride: [3, 2],
     padding: [1, 1], output_padding: [1, 0]}
  - {name: last, op: conv2d, out_channels: 3, kernel_size: 3, padding: 1}
"""

UPSAMPLED_MODULE = """
from torch import nn

__all__ = ["Upsampled"]


class Upsampled(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, stride=2, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.bigger = nn.ConvTranspose2d(4, 4, (5, 4), (3, 2), (1, 1), (1, 0))
        self.last = nn.Conv2d(4, 3, 3, padding=1)

    def forward(self, x):
        return self.last(self.bigger(self.pool(self.stem(x))))
"""

HOLES = """
archspec: 1
name: Holes
input: [1, 16, 16]
layers:
  - {name: holes, op: conv_transpose2d, out_channels: 1, kernel_size: 1, stride: 2}
  - {name: filled, op: conv2d, out_channels: 1, kernel_size: 3, padding: 1}
"""

HOLES_MODULE = """
from torch import nn

__all__ = ["Holes"]


class Holes(nn.Sequential):
    def __init__(self):
        super().__init__()
        self.holes = nn.ConvTranspose2d(1, 1, 1, stride=2)
        self.filled = nn.Conv2d(1, 1, 3, padding=1)
"""

NETWORKS = {
    "tiny": (TINY, TINY_MODULE, "conv2"),
    "residual": (RESIDUAL, RESIDUAL_MODULE, "last"),
    "upsampled": (UPSAMPLED, UPSAMPLED_MODULE, "last"),
    "holes": (HOLES, HOLES_MODULE, "filled"),
}


def fields_of(
    folder: Path, name: str, effort: Effort = "normal", change: Change | None = None
) -> tuple[Any, str]:
    """The proof for a network one of whose computed fields is changed so."""
    spec, module, path = NETWORKS[name]
    file = folder / "network.yaml"
    file.write_text(spec, encoding="utf-8")
    checked = check(file)
    assert checked.network is not None
    assert checked.results is not None
    fields = list(checked.results.fields)
    (index,) = [node.index for node in checked.network.nodes if node.path == path]
    field = fields[index]
    assert isinstance(field, ReceptiveField)
    fields[index] = field if change is None else change(field)
    wrong = Fields(tuple(fields), checked.results.ungated_fields)
    results = checked.results._replace(seen=lambda: wrong)
    with imported(module) as (executed, place):
        subject = Subject(checked._replace(results=results), executed, place, effort, {}, None)
        return prove_fields(subject), path


def changed(axis: int, phase: int, *, size: int = 0, offset: int = 0, stride: int = 0) -> Change:
    """What makes one phase of a field wrong along an axis."""

    def change(field: ReceptiveField) -> ReceptiveField:
        along = field[axis]
        spans = list(along.spans)
        span = spans[phase]
        assert span is not None
        spans[phase] = (span[0] + offset, span[1] + offset + size)
        axes = [field.height, field.width]
        axes[axis] = Axis(along.stride + stride, tuple(spans))
        return ReceptiveField(*axes)

    return change


@pytest.mark.parametrize("name", NETWORKS)
def test_the_fields_computed_are_proven(name: str, tmp_path: Path) -> None:
    proof, _ = fields_of(tmp_path, name)
    assert proof.verdict == "proven"


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(
    ("size", "offset"), [(1, 0), (-1, 0), (1, -1), (-1, 1), (0, 1), (0, -1), (2, -1), (-2, 1)]
)
def test_one_pixel_less_or_more_is_found(
    name: str, axis: int, size: int, offset: int, tmp_path: Path
) -> None:
    change = changed(axis, 0, size=size, offset=offset)
    proof, path = fields_of(tmp_path, name, change=change)
    assert proof.verdict == "failed"
    assert [difference.where for difference in proof.differences] == [path]
    assert ("rows", "columns")[axis] in proof.differences[0].expected


SAME = """
archspec: 1
name: Same
input: [2, {}, {}]
columns: [name,  op,        out_channels, kernel_size, stride, padding]
layers:
  -      [conv1, conv2d,    4,            3,           2,      same]
  -      [conv2, conv2d,    4,            5,           2,      same]
  -      [pool,  max_pool,  ~,            3,           2,      same]
  -      [conv3, conv2d,    4,            3,           1,      same]
"""


@pytest.mark.parametrize("sides", [(64, 64), (65, 63), (66, 60), (69, 67)])
def test_padding_that_depends_on_the_size_is_that_of_the_own_size(
    sides: tuple[int, int], tmp_path: Path
) -> None:
    file = tmp_path / "same.yaml"
    file.write_text(SAME.format(*sides), encoding="utf-8")
    proof = prove(file, only=["receptive_field"]).proof("receptive_field")
    assert (proof.verdict, proof.differences) == ("proven", ())
    assert proof.text == (
        "4 of 4 nodes with a finite field see exactly the pixels computed, up to 35 across"
    )


@pytest.mark.parametrize(("axis", "phase"), [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)])
@pytest.mark.parametrize(("size", "offset"), [(1, 0), (-1, 0), (1, -1), (-1, 1)])
def test_in_one_kind_of_units_alone_it_is_found(
    axis: int, phase: int, size: int, offset: int, tmp_path: Path
) -> None:
    change = changed(axis, phase, size=size, offset=offset)
    proof, path = fields_of(tmp_path, "upsampled", change=change)
    assert proof.verdict == "failed"
    (difference,) = proof.differences
    assert difference.where == path
    period = (3, 2)[axis]
    unit = f"unit {period}·q" + (f" + {phase}" if phase else "")
    assert difference.expected.startswith(f"{unit} sees {('rows', 'columns')[axis]}")


def test_units_that_see_nothing_are_proven_to(tmp_path: Path) -> None:
    file = tmp_path / "holes.yaml"
    file.write_text(HOLES, encoding="utf-8")
    checked = check(file)
    assert checked.results is not None
    field = checked.results.fields[0]
    assert isinstance(field, ReceptiveField)
    assert field.height == Axis(1, ((0, 0), None))
    proof = prove(file, only=["receptive_field"]).proof("receptive_field")
    assert (proof.verdict, proof.text.split(" see ")[0]) == (
        "proven",
        "2 of 2 nodes with a finite field",
    )


def test_units_that_should_see_nothing_and_see_something_are_found(tmp_path: Path) -> None:
    def change(field: ReceptiveField) -> ReceptiveField:
        return field._replace(height=field.height._replace(spans=(field.height.spans[0], None)))

    proof, path = fields_of(tmp_path, "holes", change=change)
    assert [(d.where, d.expected, d.got) for d in proof.differences] == [
        (path, "unit 2·q + 1 sees nothing", "unit 2·q + 1 sees something")
    ]


@pytest.mark.parametrize(("axis", "stride"), [(0, 1), (1, -1)])
def test_another_stride_is_found(axis: int, stride: int, tmp_path: Path) -> None:
    proof, _ = fields_of(tmp_path, "tiny", change=changed(axis, 0, stride=stride))
    assert proof.verdict == "failed"


def test_fields_beyond_the_budget_are_left_to_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archspec.proof.fields.BUDGETS", {"quick": 25_000.0, "normal": 1.0})
    proof, _ = fields_of(tmp_path, "tiny", "quick")
    assert proof.text.endswith("up to 9 across; 1 larger one takes --full")
    proof, _ = fields_of(tmp_path, "tiny")
    assert (proof.verdict, proof.text) == (
        "not applicable",
        "fields from 5 pixels on take --full",
    )


FAR = """
archspec: 1
name: Far
input: [1, 40, 40]
outputs: {all: all, d: d}
layers:
"""


def test_strides_that_no_strip_has_room_for_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "far.yaml"
    rows = "".join(
        f"  - {{name: {name}, op: conv2d, out_channels: 1, kernel_size: 1, stride: {stride},"
        " from: input}\n"
        for name, stride in (("a", 999999937), ("b", 999999929), ("c", 65521), ("d", 2))
    )
    file.write_text(f"{FAR}{rows}  - {{name: all, op: concat, from: [a, b, c]}}\n")
    proof = prove(file, only=["receptive_field"]).proof("receptive_field")
    assert proof.verdict == "proven"
    assert proof.text.startswith("2 of 4 nodes")
