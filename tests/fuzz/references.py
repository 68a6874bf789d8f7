"""How rows refer to others: `from`, `else`, `beside`, and the inputs and outputs of blocks."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from archspec.api import Check
from archspec.graph.network import Network, Scope
from tests.fuzz import facts
from tests.fuzz.draft import Site, is_loop, sites, uses

REFERENCES = (
    *("else: step", "else: input", "else: previous", "else: none", "else: choice"),
    *("else: of a merge", "else: of a group", "else: behind repeat or each", "else: in branches"),
    *("from: none", "from: choice", "from: previous", "from: path", "from: .*", "from: hole"),
    *("from: i or j at every place", "from: column at every place"),
    *("from: several at every place", "from: previous at every place"),
    *("beside: number", "beside: expression", "beside: table", "beside: by columns"),
    *("beside: named", "beside: without a name", "beside: hole", "beside: a group"),
    *("beside: when", "beside: none of them", "beside: read by .*"),
    *("inputs: one", "inputs: several", "inputs: optional", "inputs: list"),
    *("inputs: in order", "inputs: by name", "inputs: optional and not given"),
    *("outputs of a block: one", "outputs of a block: several", "outputs of a block: an input"),
    *("inputs: list first", "outputs of a block: list"),
    *("outputs of a block: read", "outputs of a block: chained", "block: in itself"),
    *("left out: before a row without from", "left out: and named in from", "left out: a merge"),
    *("left out: by repeat or each", "left out: all terms of a merge but one"),
    *("word: choice", "slice: to the end", "slice: from the end"),
)
_HOLE = re.compile(r"\{[^}]*\}")
_NAMES = re.compile(r"[A-Za-z_]\w*")


def references(data: Mapping[str, Any], check: Check) -> set[str]:
    """The ways in which rows refer to others that a spec uses."""
    found: set[str] = set()
    blocks = data.get("blocks", {})
    everything = sites(data)
    read = {text for site in everything for text in _texts(site.row.get("from"))}
    for site in everything:
        found.update(_of_from(site))
        found.update(_of_else(site))
        found.update(_of_beside(site, read))
        found.update(_of_use(site, blocks))
        found.update(_of_values(site.row))
    for name, block in blocks.items():
        found.update(_of_ports(block))
        if any(site.place.block == name for site in uses(data, name)):
            found.add("block: in itself")
    for member in check.family or (check,):
        if member.network is not None:
            found.update(_of_network(everything, member.network, read))
    return found


def _texts(source: Any) -> list[str]:
    """The texts behind `from`."""
    if isinstance(source, dict):
        return [text for value in source.values() for text in _texts(value)]
    if isinstance(source, list):
        return [text for value in source for text in _texts(value)]
    return [] if source is None else [str(source)]


def _of_from(site: Site) -> Iterator[str]:
    texts = _texts(site.row.get("from"))
    for text in texts:
        if text == "none":
            yield "from: none"
        if " if " in text:
            yield "from: choice"
        if text == "previous":
            yield "from: previous"
        if text.endswith(".*"):
            yield "from: .*"
        elif "." in text:
            yield "from: path"
        if "{" in text:
            yield "from: hole"
    if texts and is_loop(site.row) and "beside" not in site.row:
        yield from _at_places(site, texts)


def _at_places(site: Site, texts: list[str]) -> Iterator[str]:
    """What is read at every place of a repeated row."""
    said = {name for text in texts for hole in _HOLE.findall(text) for name in _NAMES.findall(hole)}
    said |= {name for text in texts if " if " in text for name in _NAMES.findall(text)}
    if said & {"i", "j"}:
        yield "from: i or j at every place"
    table = site.row.get("each")
    columns = (
        table if isinstance(table, dict) else table[0] if isinstance(table, list) and table else ()
    )
    if said & set(columns):
        yield "from: column at every place"
    if len(texts) > 1:
        yield "from: several at every place"
    if "previous" in texts:
        yield "from: previous at every place"


def _of_else(site: Site) -> Iterator[str]:
    row = site.row
    if "else" not in row:
        return
    text = str(row["else"])
    known = {"input", "previous", "none"}
    yield "else: choice" if " if " in text else f"else: {text if text in known else 'step'}"
    if facts.is_merge(row.get("op")):
        yield "else: of a merge"
    if "layers" in row:
        yield "else: of a group"
    if "repeat" in row or "each" in row:
        yield "else: behind repeat or each"
    if site.place.kind in ("single", "branch", "named branch"):
        yield "else: in branches"


def _of_beside(site: Site, read: set[str]) -> Iterator[str]:
    row = site.row
    if "beside" not in row:
        return
    value = row["beside"]
    kinds = {int: "number", str: "expression", list: "table", dict: "by columns"}
    yield f"beside: {kinds[type(value)]}"
    if value in (0, []):
        yield "beside: none of them"
    branches = site.place.around[-1]["branches"]
    name = site.path[-1] if isinstance(branches, dict) else row.get("name")
    yield "beside: " + (
        "without a name" if name is None else "hole" if "{" in str(name) else "named"
    )
    if "layers" in row:
        yield "beside: a group"
    if "when" in row:
        yield "beside: when"
    if f"{name}.*" in read:
        yield "beside: read by .*"


def _of_use(site: Site, blocks: Mapping[str, Any]) -> Iterator[str]:
    """How a block with inputs is given them."""
    block = blocks.get(str(site.row.get("op")), {})
    if "inputs" not in block:
        return
    source = site.row.get("from")
    yield "inputs: by name" if isinstance(source, dict) else "inputs: in order"
    kinds = block["inputs"] if isinstance(block["inputs"], dict) else {}
    needed = len(block["inputs"]) - sum(kind == "optional" for kind in kinds.values())
    if needed < len(block["inputs"]) and len(_texts(source)) <= needed:
        yield "inputs: optional and not given"
    outputs = block.get("outputs", {})
    if "repeat" in site.row and len(outputs) == len(block["inputs"]) > 1:
        yield "outputs of a block: chained"


def _of_ports(block: Mapping[str, Any]) -> Iterator[str]:
    inputs, outputs = block.get("inputs", ()), block.get("outputs", {})
    if inputs:
        yield "inputs: one" if len(inputs) == 1 else "inputs: several"
    for kind in inputs.values() if isinstance(inputs, dict) else ():
        if kind is not None:
            yield "inputs: optional" if kind == "optional" else "inputs: list"
    if isinstance(inputs, dict) and next(iter(inputs.values()), None) is not None:
        yield "inputs: list first"
    if any(str(text).endswith(".*") for text in outputs.values()):
        yield "outputs of a block: list"
    if outputs:
        yield f"outputs of a block: {'one' if len(outputs) == 1 else 'several'}"
    if set(map(str, outputs.values())) & set(inputs):
        yield "outputs of a block: an input"


def _of_values(row: Mapping[str, Any]) -> Iterator[str]:
    """Values of attributes that are new in a way of their own."""
    for key in ("padding", "mode", "approximate"):
        if " if " in str(row.get(key, "")):
            yield "word: choice"
    if row.get("op") == "slice":
        if "stop" not in row:
            yield "slice: to the end"
        if any(isinstance(row.get(key), int) and row[key] < 0 for key in ("start", "stop")):
            yield "slice: from the end"


def _of_network(everything: list[Site], network: Network, read: set[str]) -> Iterator[str]:
    """What came of conditions, and what is read of blocks."""
    items = list(network.root.walk())
    scopes = [item for item in items if isinstance(item, Scope)]
    later = {value for node in network.nodes for value in node.inputs}
    later |= {value for scope in scopes for value in scope.sources}
    for scope in scopes:
        own = set(scope.outputs[1:]) - set(scope.sources)
        if scope.block is not None and later & own:
            yield "outputs of a block: read"
    there = {item.step.at if item.step is not None else item.at for item in items}
    alive = {path[:-1] for path in there if path}
    for site in everything:
        if site.path not in there and site.path[:-1] in alive and site.place.kind != "single":
            yield from _of_left_out(site, read)


def _of_left_out(site: Site, read: set[str]) -> Iterator[str]:
    """A row that came to nothing where those beside it are there."""
    row, rows, index = site.row, site.place.rows, site.path[-1]
    is_merge = facts.is_merge(row.get("op"))
    if not is_loop(row) and "when" not in row:
        if is_merge:
            yield "left out: all terms of a merge but one"
        return
    if is_loop(row):
        yield "left out: by repeat or each"
    if is_merge:
        yield "left out: a merge"
    if str(row.get("name")) in read:
        yield "left out: and named in from"
    behind = rows[index + 1] if index + 1 < len(rows) else None
    if isinstance(behind, dict) and "from" not in behind:
        yield "left out: before a row without from"
