"""The constructs of the language that a spec uses."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from archspec.api import Check
from archspec.diagnostics.language import UnusedStep
from archspec.graph.inherited import Inherited, inherited
from archspec.graph.network import Network
from archspec.ops import OPS_BY_NAME
from tests.fuzz import facts
from tests.fuzz.coverage import kinds_of
from tests.fuzz.draft import SUGAR, sites
from tests.fuzz.references import REFERENCES, references

CONSTRUCTS = (
    *("input: vector", "input: map", "channels last"),
    *("group: named", "group: unnamed", "group: with a merge", "name: hole"),
    *("branches: named", "branches: list", "branches: empty one", "branches: in a repeated row"),
    *("from: input", "from: one", "from: several", "from: number", "step that nothing reads"),
    *("repeat: 0", "repeat: 1", "repeat: more", "repeat: expression"),
    *("each: empty", "each: rows without columns", "each: rows", "each: variable"),
    *("when: true", "when: false", "when: of arguments or variables", "when: of in_channels"),
    *("when: with from", "block", "block: in a block", "block: used twice", "block: vars"),
    *("argument: required", "argument: default", "argument: computed", "argument: list"),
    *("argument: op", "argument: block", "op: variable", "op: argument", "op: column"),
    *("norm: on a row", "activation: on a row", "dropout: on a row", "sugar: in defaults"),
    *("sugar: expression", "sugar: false", "defaults", "outputs: one", "outputs: several"),
    *("outputs: training_only", "outputs: optional", "init: of a row", "init: of an op"),
    *(
        "each: columns",
        "defaults: computed",
        "op with attributes: variable",
        "op with attributes: argument",
    ),
    *("op with attributes: column", "op with attributes: given"),
    *("input: variable", "description or source"),
    *("family", "family: other inputs", "family: ~ in vars", "rows in a table"),
    *REFERENCES,
)


def constructs(data: Mapping[str, Any], check: Check) -> set[str]:
    """The constructs of the language that a spec uses."""
    found = {"input: map" if len(data["input"]) == 3 else "input: vector"}
    blocks = data.get("blocks", {})
    for site in sites(data):
        found.update(_of_row(site.row, blocks))
        op = site.row.get("op")
        if op is not None and op not in OPS_BY_NAME and op not in blocks:
            kinds = kinds_of(data, site.path, op)
            found.update(f"op: {kind}" for kind in kinds)
        if site.place.block and op in blocks:
            found.add("block: in a block")
        if site.place.kind in ("group", "named branch") and (
            "from" in site.row or "branches" in site.row
        ):
            found.add("group: with a merge")
    counts = Counter(site.row.get("op") for site in sites(data))
    found.update("block: used twice" for name in blocks if counts[name] > 1)
    for block in blocks.values():
        found.update(_of_block(block, blocks))
    found.update(_of_spec(data))
    found.update(references(data, check))
    networks = [m.network for m in check.family or (check,) if m.network is not None]
    if any(_turns(network) for network in networks):
        found.add("channels last")
    if any(isinstance(fault, UnusedStep) for fault in check.diagnostics):
        found.add("step that nothing reads")
    return found


def _turns(network: Network) -> bool:
    shapes = (facts.given(network, node) for node in network.nodes)
    return any(shape is not None and facts.is_last(shape) for shape in shapes)


def _of_row(row: Mapping[str, Any], blocks: Mapping[str, Any]) -> Iterator[str]:
    if "layers" in row:
        yield "group: named" if "name" in row else "group: unnamed"
    if "{" in str(row.get("name", "")):
        yield "name: hole"
    if row.get("branches") is not None:
        yield from _branching(row, row["branches"])
    yield from _reading(row)
    yield from _repeating(row)
    if "init" in row:
        yield "init: of a row"
    if any(map(_is_made, _cells(row.get("each")))):
        yield "op with attributes: column"
    if row.get("op") in blocks:
        yield "block"
        if any(map(_is_made, row.values())):
            yield "op with attributes: given"
    else:
        yield from _carrying(row)


def _cells(table: Any) -> Iterator[Any]:
    """What stands in a table, whichever way it is written."""
    if isinstance(table, dict):
        for column in table.values():
            yield from column if isinstance(column, list) else ()
    elif isinstance(table, list):
        for line in table:
            yield from line.values() if isinstance(line, dict) else ()


def _is_made(value: Any) -> bool:
    """Whether a value is an op with attributes."""
    return isinstance(value, dict) and "op" in value


def _branching(row: Mapping[str, Any], branches: Any) -> Iterator[str]:
    yield "branches: named" if isinstance(branches, dict) else "branches: list"
    ends = branches.values() if isinstance(branches, dict) else branches
    if [] in list(ends):
        yield "branches: empty one"
    if "repeat" in row or "each" in row:
        yield "branches: in a repeated row"


def _carrying(row: Mapping[str, Any]) -> Iterator[str]:
    for key in SUGAR:
        if key in row:
            value = row[key]
            yield "sugar: false" if value is False else f"{key}: on a row"
            op = value.get("op") if isinstance(value, dict) else value
            if isinstance(op, str) and op not in OPS_BY_NAME:
                yield "sugar: expression"


def _reading(row: Mapping[str, Any]) -> Iterator[str]:
    source = row.get("from")
    if source is None:
        return
    names = source if isinstance(source, list) else [source]
    yield "from: several" if len(names) > 1 else "from: one"
    if "input" in names:
        yield "from: input"
    if any(isinstance(name, int) for name in names):
        yield "from: number"
    if "when" in row:
        yield "when: with from"


def _repeating(row: Mapping[str, Any]) -> Iterator[str]:
    times = row.get("repeat")
    if times is not None:
        known = {0: "repeat: 0", 1: "repeat: 1"}
        yield "repeat: expression" if isinstance(times, str) else known.get(times, "repeat: more")
    table = row.get("each")
    if isinstance(table, str):
        yield "each: variable"
    elif isinstance(table, dict):
        yield "each: columns"
    elif isinstance(table, list):
        yield (
            "each: empty"
            if not table
            else "each: rows"
            if table[0]
            else "each: rows without columns"
        )
    when = row.get("when")
    if isinstance(when, bool):
        yield "when: true" if when else "when: false"
    elif when is not None:
        what = "in_channels" if "in_channels" in str(when) else "arguments or variables"
        yield f"when: of {what}"


def _of_block(block: Mapping[str, Any], blocks: Mapping[str, Any]) -> Iterator[str]:
    if block.get("vars"):
        yield "block: vars"
    for value in block.get("args", {}).values():
        if _is_made(value):
            yield "op with attributes: argument"
        if value is None:
            yield "argument: required"
        elif isinstance(value, list):
            yield "argument: list"
        elif isinstance(value, str):
            kinds = {"op": value in OPS_BY_NAME, "block": value in blocks}
            yield next(
                (f"argument: {kind}" for kind, is_it in kinds.items() if is_it),
                "argument: computed",
            )
        else:
            yield "argument: default"


def _of_spec(data: Mapping[str, Any]) -> Iterator[str]:
    for op, attributes in data.get("defaults", {}).items():
        cls = OPS_BY_NAME[op]
        if any(type(inherited(cls, key, value)) is Inherited for key, value in attributes.items()):
            yield "defaults: computed"
        yield "sugar: in defaults" if set(attributes) & set(SUGAR) else "defaults"
    if data.get("init"):
        yield "init: of an op"
    if any(isinstance(size, str) for size in data["input"]):
        yield "input: variable"
    owners = [data, *data.get("blocks", {}).values(), {"vars": data.get("variants", {})}]
    if any(_is_made(value) for owner in owners for value in owner.get("vars", {}).values()):
        yield "op with attributes: variable"
    if "description" in data or "source" in data:
        yield "description or source"
    owners = [data, *data.get("blocks", {}).values()]
    if any("columns" in owner for owner in owners):
        yield "rows in a table"
    yield from _of_outputs(data.get("outputs", {}))
    yield from _of_family(data, data.get("variants", {}))


def _of_outputs(outputs: Mapping[str, Any]) -> Iterator[str]:
    if outputs:
        yield "outputs: one" if len(outputs) == 1 else "outputs: several"
    for value in outputs.values():
        keys = value if isinstance(value, dict) else {}
        yield from (f"outputs: {key}" for key in ("training_only", "optional") if keys.get(key))


def _of_family(data: Mapping[str, Any], variants: Mapping[str, Any]) -> Iterator[str]:
    if variants:
        yield "family"
        if None in data.get("vars", {}).values():
            yield "family: ~ in vars"
    if any("input" in own for own in variants.values()):
        yield "family: other inputs"
