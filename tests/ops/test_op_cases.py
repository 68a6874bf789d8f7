"""Every op does what its case file, tests/cases/ops/<op>.yaml, says it does."""

from typing import Any

import pytest

from archspec.analysis.parameters import Parameters
from archspec.analysis.receptive_field import ReceptiveField
from archspec.api import check_text
from archspec.ops import OPS, Counts
from tests.cases.reader import cases, files

CASES = dict(cases("ops"))


def field_of(case: dict[str, Any]) -> Any:
    if case["field"] == "global":
        return "global"
    return ReceptiveField(**{key: tuple(value) for key, value in case["field"].items()})


@pytest.mark.parametrize("name", CASES)
def test_an_op_does_that(name: str) -> None:
    case = CASES[name]
    head = f"archspec: 1\nname: Net\ninput: {case['input']}\n"
    result = check_text(f"{head}layers:\n  - {case['row']}\n")
    assert [d.message for d in result.diagnostics if d.severity != "note"] == []
    assert result.network is not None
    assert result.results is not None
    (node,) = result.network.nodes
    assert node.op_name == name.partition("/")[0]
    assert result.network.shapes == (tuple(case["output"]),)
    parameters = Parameters(case.get("params", 0), case.get("buffers", 0))
    assert result.results.parameters == (parameters,)
    assert result.results.operations == (Counts(**case.get("counts", {})),)
    assert result.results.fields == (field_of(case),)


def test_every_op_has_a_case_file() -> None:
    assert {file.stem for file in files("ops")} == {op.op_name for op in OPS}


def test_a_docstring_names_the_module() -> None:
    """docs/ops.md is made of them."""
    assert [op.op_name for op in OPS if "`nn." not in (op.__doc__ or "")] == []
