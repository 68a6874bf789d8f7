"""Every op does what its case file, tests/cases/ops/<op>.yaml, says it does."""

from fractions import Fraction
from typing import Any

import pytest
import yaml

from archspec.analysis.parameters import Parameters
from archspec.analysis.receptive_field import Field, ReceptiveField
from archspec.api import check_text
from archspec.ops import OPS, OPS_BY_NAME, Counts
from tests.cases.reader import cases, files

CASES = dict(cases("ops"))
MERGES = {name for name in CASES if OPS_BY_NAME[name.partition("/")[0]].arity == "several"}


PIXEL = (("size", (1, 1)), ("stride", (1, 1)), ("offset", (0, 0)))


def told(field: Field | None) -> Any:
    """A field as the cases tell it; spans are written where they differ between units."""
    if not isinstance(field, ReceptiveField):
        return field
    phases = None
    if field.period != (1, 1):
        phases = [[span and list(span) for span in axis.spans] for axis in field]
    pairs = {"size": field.size, "stride": field.stride, "offset": field.offset}
    return {**pairs, "phases": phases}


def field_of(case: dict[str, Any]) -> Any:
    if case["field"] == "global":
        return "global"
    pairs = {key: tuple(map(Fraction, case["field"].get(key, default))) for key, default in PIXEL}
    return pairs | {"phases": case["field"].get("phases")}


@pytest.mark.parametrize("name", sorted(CASES.keys() - MERGES))
def test_an_op_does_that(name: str) -> None:
    """The row alone, or behind one that turns the input as the case wants it."""
    case = CASES[name]
    head = f"archspec: 1\nname: Net\ninput: {case['input']}\n"
    rows = [case["behind"], case["row"]] if "behind" in case else [case["row"]]
    result = check_text(f"{head}layers:\n" + "".join(f"  - {row}\n" for row in rows))
    assert [d.message for d in result.diagnostics if d.severity != "note"] == []
    assert result.network is not None
    assert result.results is not None
    node = result.network.nodes[-1]
    assert node.op_name == name.partition("/")[0]
    assert result.network.shapes[-1] == (tuple(case["output"]),)
    parameters = Parameters(case.get("params", 0), case.get("buffers", 0))
    assert result.results.parameters[-1] == parameters
    assert result.results.operations[-1] == Counts(**case.get("counts", {}))
    assert told(result.results.fields[-1]) == field_of(case)


@pytest.mark.parametrize("name", sorted(MERGES))
def test_a_merge_does_that(name: str) -> None:
    case = CASES[name]
    attributes = yaml.safe_load(case["row"])
    op = OPS_BY_NAME[attributes.pop("op")](**attributes)
    shapes = [tuple(shape) for shape in case["input"]]
    outputs = op.infer(shapes)
    assert outputs == (tuple(case["output"]),)
    assert op.operations(shapes, outputs) == Counts(**case.get("counts", {}))
    assert op.tensors(shapes) == ()


def test_every_op_has_a_case_file() -> None:
    assert {file.stem for file in files("ops")} == {op.op_name for op in OPS}


def test_a_docstring_names_what_it_is_in_pytorch() -> None:
    """docs/ops.md is made of them."""
    docs = {op.op_name: op.__doc__ or "" for op in OPS}
    assert [name for name, doc in docs.items() if "`nn." not in doc and "`torch." not in doc] == []
