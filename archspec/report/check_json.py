"""A check as JSON, schema `archspec.check/1`, written layer by layer.

The text is plain ASCII: any stream can carry it, and nothing in it can steer a terminal.
"""

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TextIO

from archspec.analysis.claims import ClaimResult
from archspec.analysis.receptive_field import Field, as_numbers
from archspec.diagnostics import Diagnostic
from archspec.graph.network import INPUT, Network, Node
from archspec.report.places import Places

if TYPE_CHECKING:
    from archspec.api import Check

SCHEMA = "archspec.check/1"
INPUT_NAME = "input"
"""What a layer that reads the network's own input names among its `inputs`; no step may have it."""

_encode = json.JSONEncoder(allow_nan=False).encode


def write_json(stream: TextIO, checks: Iterable["Check"], *, several: bool) -> None:
    """Write one object, or with `several` a list of them, whatever number there is."""
    if several:
        stream.write("[\n")
    for count, check in enumerate(checks):
        if count:
            stream.write(",\n")
        stream.writelines(_parts(check))
    stream.write("\n]\n" if several else "\n")


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
        "totals": check.totals._asdict(),
    }
    yield "{\n"
    for key, value in head.items():
        yield f"  {_encode(key)}: {_encode(value)},\n"
    nodes = network.nodes if network else ()
    yield from _list("layers", (_layer(check, node) for node in nodes))
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
    return {name: network.shapes[index] for name, index in network.outputs.items()}


def _layer(check: "Check", node: Node) -> dict[str, Any]:
    network, results = check.network, check.results
    assert network is not None
    assert results is not None
    held, counts = results.parameters[node.index], results.operations[node.index]
    return {
        "path": node.path,
        "op": node.op_name,
        "inputs": [INPUT_NAME if i == INPUT else network.nodes[i].path for i in node.inputs],
        "input_shapes": network.input_shapes(node),
        "output_shape": network.shapes[node.index],
        "num_params": held and held.trainable,
        "macs": counts and counts.macs,
        "receptive_field": _field(results.fields[node.index]),
        "line": check.document.locate(node.at).line,
    }


def _field(field: Field | None) -> dict[str, Any] | str | None:
    if field is None or field == "global":
        return field
    return {name: as_numbers(pair) for name, pair in field._asdict().items()}


def _claim(check: "Check", claim: ClaimResult) -> dict[str, Any]:
    return {
        "path": claim.path,
        "metric": claim.metric,
        "claimed": claim.claimed,
        "computed": claim.computed,
        "holds": claim.holds,
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
