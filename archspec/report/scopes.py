"""The sums of a group, a block or a repeated step, term by term."""

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import NamedTuple

from archspec.analysis.sums import Item, Sums
from archspec.graph.network import Scope
from archspec.ops import Text, thousands
from archspec.report import figures
from archspec.report.rows import fields_at

_MOST_TERMS = 12


class _Term(NamedTuple):
    name: str
    figure: int | None


def explain_scope(sums: Sums, scope: Scope) -> Iterator[Text]:
    """A block's arguments, and what parameters, operations and field are put together of."""
    if scope.arguments:
        given = (f"{name} = {spell(value)}" for name, value in scope.arguments.items())
        yield Text("arguments", ", ".join(given))

    network, results = sums.network, sums.results

    def params(item: Item) -> int | None:
        return sums.totals(item).num_params

    def macs(item: Item) -> int | None:
        counts = sums.counts(item)
        return None if counts is None else counts.macs

    yield Text("parameters", _sum(scope, params))
    yield Text("MACs", _sum(scope, macs))
    seen, ungated = fields_at(results, scope.output)
    yield Text("field", figures.field(seen, ungated))
    if network.training_only and len(sums.evaluated(scope)) < len(sums.nodes(scope)):
        yield Text("", "some of it only in training: the network's MACs leave that out")


def spell(value: object) -> str:
    """An argument as the spec writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(spell, value))}]"
    return str(value)


def _sum(scope: Scope, figure: Callable[[Item], int | None]) -> str:
    """`75 008 (0) + 2·70 400 (1 to 2) = 215 808`; what is 0 is no term."""
    terms = [_Term(child.name, figure(child)) for child in scope.children]
    if any(term.figure is None for term in terms):
        unknown = [term.name for term in terms if term.figure is None]
        return f"? (unknown of {', '.join(unknown[:3])}{', …' if len(unknown) > 3 else ''})"
    total = sum(term.figure or 0 for term in terms)
    summands = []
    for count, alike in groupby((t for t in terms if t.figure), key=lambda term: term.figure or 0):
        names = [term.name for term in alike]
        times = f"{len(names)}·" if len(names) > 1 else ""
        which = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
        summands.append(f"{times}{thousands(count)} ({which})")
    if len(summands) > _MOST_TERMS:
        summands = [*summands[:_MOST_TERMS], "…"]
    return f"{' + '.join(summands)} = {thousands(total)}" if summands else "0"
