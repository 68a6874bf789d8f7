"""Every construct means what the cases of tests/cases/language/ say it means."""

from typing import Any

import pytest

from archspec.api import Check, check_text
from tests.cases.reader import cases

CASES = dict(cases("language"))


def spec(case: dict[str, Any]) -> str:
    """A whole spec of a case's rows: `head` stands before `layers`, `foot` behind them."""
    size = str(case.get("input", [3, 8, 8])).replace("'", "")
    rows = "".join(f"  {line}" for line in case["rows"].splitlines(keepends=True))
    head, foot = (case.get(part, "").rstrip("\n") + "\n" for part in ("head", "foot"))
    return f"archspec: 1\nname: Net\ninput: {size}\n{head}layers:\n{rows}{foot}"


def by_path(result: Check) -> dict[str, Any]:
    assert result.network is not None
    return {node.path: node for node in result.network.nodes}


def as_lists(value: Any) -> Any:
    """A value as YAML has it: pairs are lists."""
    return list(map(as_lists, value)) if isinstance(value, tuple) else value


def assert_wired(case: dict[str, Any], result: Check) -> None:
    """What each step reads, what the network gives back, and how parameters begin."""
    assert result.network is not None
    nodes = by_path(result)
    if "inputs" in case:
        read = {p: [result.network.name_of(v) for v in n.inputs] for p, n in nodes.items()}
        assert read == case["inputs"]
    if "outputs" in case:
        given = {name: result.network.name_of(v) for name, v in result.network.outputs.items()}
        assert given == case["outputs"]
    if "evaluated" in case:
        assert [p for p, n in nodes.items() if result.network.is_evaluated(n)] == case["evaluated"]
        assert result.network.name_of(result.network.output) == case["result"]
    for path, schemes in case.get("begins", {}).items():
        found = {key: {s.name: s.options} for key, s in (nodes[path].module.init or {}).items()}
        assert found == schemes


@pytest.mark.parametrize("name", CASES)
def test_the_construct_means_that(name: str) -> None:
    case = CASES[name]
    result = check_text(spec(case), overrides=case.get("set"))
    faults = [d for d in result.diagnostics if d.severity != "note"]
    assert faults == []
    assert result.network is not None
    assert result.results is not None
    nodes = by_path(result)

    if "shapes" in case:
        shapes = {p: list(result.network.shape_of(n.output) or ()) for p, n in nodes.items()}
        assert shapes == case["shapes"]
        assert list(shapes) == list(case["shapes"])
    if "ops" in case:
        assert [(p, n.op_name) for p, n in nodes.items()] == list(case["ops"].items())
    for path, offset in case.get("offsets", {}).items():
        field = result.results.fields[nodes[path].index]
        assert field not in (None, "global")
        assert list(field.offset) == offset
    for path, count in case.get("params", {}).items():
        held = result.results.parameters[nodes[path].index]
        assert held is not None
        assert held.trainable == count
    for path, attributes in case.get("attributes", {}).items():
        op = nodes[path].op
        assert {key: as_lists(getattr(op, key)) for key in attributes} == attributes
    assert_wired(case, result)
    if "claims" in case:
        assert [claim.holds for claim in result.claims] == [True] * case["claims"]
    if "sources" in case:
        assert [claim.source for claim in result.claims] == case["sources"]


def test_every_case_expects_something() -> None:
    expectations = {
        "shapes",
        "ops",
        "offsets",
        "params",
        "attributes",
        "claims",
        "inputs",
        "begins",
    }
    assert [name for name, case in CASES.items() if not expectations & set(case)] == []
