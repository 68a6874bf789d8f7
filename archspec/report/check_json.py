"""A check as JSON, schema `archspec.check/1`, written layer by layer.

The text is plain ASCII: any stream can carry it, and nothing in it can steer a terminal.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any, TextIO

from archspec.analysis.claims import ClaimResult
from archspec.analysis.receptive_field import Field, as_numbers
from archspec.analysis.sums import Sums
from archspec.diagnostics import Diagnostic
from archspec.expressions import UNKNOWN, Value
from archspec.graph.network import Network, Node, Scope
from archspec.report.places import Places

if TYPE_CHECKING:
    from archspec.api import Check

SCHEMA = "archspec.check/1"
_encode = json.JSONEncoder(allow_nan=False).encode


def write_json(stream: TextIO, checks: Iterable["Check"], *, several: bool) -> None:
    """Write one object, or with `several` a list of them, whatever number there is.

    A family is as many objects as it has variants; they are a list, even if it is the only one.
    """
    checks = iter(checks)
    first = next(checks, None)
    several = several or (first is not None and bool(first.family))
    if several:
        stream.write("[\n")
    for count, check in enumerate(_flat(first, checks)):
        if count:
            stream.write(",\n")
        stream.writelines(_parts(check))
    stream.write("\n]\n" if several else "\n")


def _flat(first: "Check | None", rest: Iterable["Check"]) -> Iterator["Check"]:
    for check in () if first is None else chain((first,), rest):
        yield from check.family or (check,)


def _parts(check: "Check") -> Iterator[str]:
    """The text of one object: a line for each key, and for each element of its long lists."""
    network = check.network
    head = {
        "schema": SCHEMA,
        "name": check.name,
        "file": check.file,
        "variant": check.variant,
        "ok": check.ok,
        "input": network and network.input_shape,
        "outputs": _outputs(network) if network else {},
        "output_paths": _output_paths(network) if network else {},
        "training_only": sorted(network.training_only) if network else [],
        "totals": check.totals._asdict(),
    }
    yield "{\n"
    for key, value in head.items():
        yield f"  {_encode(key)}: {_encode(value)},\n"
    nodes = network.nodes if network else ()
    yield from _list("layers", (_layer(check, node) for node in nodes))
    yield ",\n"
    scopes = (item for item in network.root.walk() if isinstance(item, Scope)) if network else ()
    sums = Sums(network, check.results) if network and check.results else None
    told = (_scope(check, sums, scope) for scope in scopes if scope.path and sums)
    yield from _list("scopes", told)
    yield ",\n"
    yield from _list("claims", (_claim(check, claim) for claim in check.claims))
    yield ",\n"
    places = Places(network)
    faults = (_diagnostic(check, fault, places.layer(fault)) for fault in check.diagnostics)
    yield from _list("diagnostics", faults)
    yield "\n}"


def _list(key: str, items: Iterator[dict[str, Any]]) -> Iterator[str]:
    yield f"  {_encode(key)}: ["
    between = "\n    "
    for item in items:
        yield between + _encode(item)
        between = ",\n    "
    yield "]" if between == "\n    " else "\n  ]"


def _outputs(network: Network) -> dict[str, Any]:
    return {name: network.shape_of(value) for name, value in network.outputs.items()}


def _output_paths(network: Network) -> dict[str, str]:
    return {name: network.name_of(value) for name, value in network.outputs.items()}


def _layer(check: "Check", node: Node) -> dict[str, Any]:
    network, results = check.network, check.results
    assert network is not None
    assert results is not None
    held, counts = results.parameters[node.index], results.operations[node.index]
    return {
        "path": node.path,
        "op": node.op_name,
        "inputs": [network.name_of(value) for value in node.inputs],
        "input_shapes": network.input_shapes(node),
        "output_shape": network.shape_of(node.output),
        "num_params": held and held.trainable,
        "macs": counts and counts.macs,
        "receptive_field": _field(results.fields[node.index]),
        "receptive_field_without_gates": _field(results.ungated_fields[node.index]),
        "training_only": bool(network.training_only) and not network.is_evaluated(node),
        "line": check.document.locate(node.at).line,
    }


def _scope(check: "Check", sums: Sums, scope: Scope) -> dict[str, Any]:
    network = sums.network
    counts = sums.counts(scope)
    return {
        "path": scope.path,
        "kind": scope.kind,
        "block": scope.block and scope.block.name,
        "arguments": {name: _plain(value) for name, value in scope.arguments.items()},
        "input": network.name_of(scope.sources[0]),
        "output": network.name_of(scope.output),
        "input_shape": network.shape_of(scope.sources[0]),
        "output_shape": network.shape_of(scope.output),
        "num_params": sums.totals(scope).num_params,
        "macs": counts and counts.macs,
        "line": check.document.locate(scope.step.at if scope.step else scope.at).line,
    }


def _plain(value: Value | None) -> Any:
    """An argument as JSON has it; ops and blocks by their names."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if value is UNKNOWN:
        return None  # why has been told
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value]


def _field(field: Field | None) -> dict[str, Any] | str | None:
    if field is None or field == "global":
        return field
    told: dict[str, Any] = {
        "size": field.size,
        "stride": as_numbers(field.stride),
        "offset": field.offset,
    }
    if field.period != (1, 1):
        told["phases"] = [axis.spans for axis in field]
    return {**told, "bound": True} if field.bound else told


def _claim(check: "Check", claim: ClaimResult) -> dict[str, Any]:
    return {
        "path": claim.path,
        "metric": claim.metric,
        "claimed": claim.claimed,
        "computed": claim.computed,
        "holds": claim.holds,
        "scope": claim.scope,
        "source": claim.source,
        "line": check.document.locate(claim.at).line,
    }


def _diagnostic(check: "Check", fault: Diagnostic, layer: str) -> dict[str, Any]:
    line, column = check.locate(fault)
    return {
        "code": fault.code,
        "name": fault.name,
        "severity": fault.severity,
        "message": fault.message,
        "help": fault.help,
        "file": check.file,
        "line": line,
        "column": column,
        "path": layer or ".".join(map(str, fault.where)),
    }
