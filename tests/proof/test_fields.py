"""Receptive fields are proven to the pixel: one pixel more or less, at either end, is found."""

from pathlib import Path
from typing import Any

import pytest

from archspec.analysis.receptive_field import ReceptiveField
from archspec.api import check
from archspec.proof import prove
from archspec.proof.fields import prove_fields
from archspec.proof.subject import Effort, Subject, imported
from tests.proof.networks import RESIDUAL, RESIDUAL_MODULE, TINY, TINY_MODULE

NETWORKS = {"tiny": (TINY, TINY_MODULE, "conv2"), "residual": (RESIDUAL, RESIDUAL_MODULE, "last")}


def fields_of(
    folder: Path, name: str, effort: Effort = "normal", **changes: tuple[int, int]
) -> tuple[Any, str]:
    """The proof for a network one of whose computed fields is changed by that much."""
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
    for attribute, (down, across) in changes.items():
        height, width = getattr(field, attribute)
        field = field._replace(**{attribute: (height + down, width + across)})
    fields[index] = field
    results = checked.results._replace(fields=tuple(fields))
    with imported(module) as (executed, place):
        subject = Subject(checked._replace(results=results), executed, place, effort, {}, None)
        return prove_fields(subject), path


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
    def along(number: int) -> tuple[int, int]:
        return (number, 0) if axis == 0 else (0, number)

    proof, path = fields_of(tmp_path, name, size=along(size), offset=along(offset))
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


@pytest.mark.parametrize("stride", [(1, 0), (0, -1)])
def test_another_stride_is_found(stride: tuple[int, int], tmp_path: Path) -> None:
    proof, _ = fields_of(tmp_path, "tiny", stride=stride)
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
