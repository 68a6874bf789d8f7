"""What the specs of a run contained: attributes by how they are written, and constructs."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from archspec import expressions
from archspec.api import Check
from archspec.graph.network import Node
from tests.fuzz.forms import WORDS
from tests.fuzz.generator import AIMS

AN_HOUR = 20
"""How often each attribute has to occur in each way of writing it, in an hour."""


_WORDS = frozenset[str]().union(*WORDS)


class Occurrence(NamedTuple):
    """An attribute of an op, and how it is written."""

    op: str
    attribute: str
    kind: str


class Coverage:
    """Counts in how many specs each attribute and each construct occurred."""

    def __init__(self) -> None:
        self.attributes: Counter[Occurrence] = Counter()
        self.constructs: Counter[str] = Counter()

    def add(self, attributes: frozenset[Occurrence], constructs: frozenset[str]) -> None:
        """Count what a spec contains."""
        self.attributes.update(attributes)
        self.constructs.update(constructs)

    def rare(self, minutes: float) -> list[tuple[Occurrence, int]]:
        """What occurred less often than it has to in that time."""
        least = AN_HOUR * minutes / 60
        counted = ((Occurrence(*aim), self.attributes[Occurrence(*aim)]) for aim in AIMS)
        return sorted((occurrence, n) for occurrence, n in counted if n < least)

    def rarest(self) -> tuple[Occurrence, int]:
        """What occurred least often of all, and how often."""
        counts = {Occurrence(*aim): self.attributes[Occurrence(*aim)] for aim in AIMS}
        rarest = min(counts, key=counts.__getitem__)
        return rarest, counts[rarest]

    def table(self) -> Iterator[str]:
        """A line for each attribute of each op, with its count by kind of value."""
        kinds = list(dict.fromkeys(("literal", "variable", "argument", "column", "i")))
        yield f"{'op':18} {'attribute':20} " + " ".join(f"{kind:>8}" for kind in kinds)
        for op, attribute in dict.fromkeys((aim.op, aim.attribute) for aim in sorted(AIMS)):
            counts = (self.attributes[Occurrence(op, attribute, kind)] for kind in kinds)
            yield f"{op:18} {attribute:20} " + " ".join(f"{count:8}" for count in counts)


def attributes_in(data: Mapping[str, Any], check: Check) -> set[Occurrence]:
    """The attributes of ops that a spec writes, where they are used."""
    return {
        occurrence
        for member in check.family or (check,)
        if member.network is not None
        for node in member.network.nodes
        for occurrence in _of_node(data, node)
    }


def _of_node(data: Mapping[str, Any], node: Node) -> Iterator[Occurrence]:
    """The attributes of a node, and what the names in them are."""
    for attribute, value in node.written.items():
        for kind in kinds_of(data, node.at, value):
            yield Occurrence(node.op_name, attribute, kind)


def kinds_of(data: Mapping[str, Any], at: tuple[Any, ...], value: Any) -> set[str]:
    """How a value of the row at that path is written."""
    names = _names(value) - _WORDS
    block = data["blocks"].get(at[1], {}) if at[0] == "blocks" else None
    columns = _columns(data, at)
    found = set()
    for name in names:
        if name in ("i", "j"):
            found.add("i")
        elif name in columns:
            found.add("column")
        elif block is not None and name in block.get("args", {}):
            found.add("argument")
        elif name in (data if block is None else block).get("vars", {}):
            found.add("variable")
    return found or ({"literal"} if not names else set())


def _names(value: Any) -> frozenset[str]:
    if isinstance(value, str):
        try:
            return expressions.parse(value).names
        except expressions.ExpressionError:
            return frozenset()
    if isinstance(value, dict | list):
        items = value.values() if isinstance(value, dict) else value
        return frozenset[str]().union(*map(_names, items))
    return frozenset()


def _columns(data: Mapping[str, Any], at: tuple[Any, ...]) -> set[str]:
    """The columns of the tables around a row, and of its own."""
    here: Any = data
    found: set[str] = set()
    for key in at:
        here = here[key]
        tables = [here.get("each"), here.get("beside")] if isinstance(here, dict) else []
        for written in tables:
            table = _table(data, at, written) if isinstance(written, str) else written
            if isinstance(table, dict):
                found.update(table)
            elif isinstance(table, list):
                found.update(name for row in table if isinstance(row, dict) for name in row)
    return found


def _table(data: Mapping[str, Any], at: tuple[Any, ...], name: str) -> list[Any]:
    """The rows of a table in the variables, or of one that the variants give."""
    if at[0] == "blocks":
        owners = [data["blocks"][at[1]].get("vars", {})]
    else:
        owners = [data.get("vars", {}), *data.get("variants", {}).values()]
    tables = (owner.get(name) for owner in owners)
    return next((table for table in tables if isinstance(table, list)), [])
