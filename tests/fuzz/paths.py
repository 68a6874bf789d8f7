"""Paths through a spec: rows that read others than the one before them, and where paths meet."""

from collections.abc import Container, Iterator
from typing import NamedTuple

from archspec.graph.network import Network, Node, Scope
from archspec.ops import Shape
from tests.fuzz import facts
from tests.fuzz.draft import Draft, Place, places, sites
from tests.fuzz.growth import MERGES, called, row_of
from tests.fuzz.sampling import sample


class Step(NamedTuple):
    """A step of a body by the name that `from` has for it, and what it gives."""

    name: str
    shape: Shape


def steps_of(draft: Draft, place: Place) -> list[Step]:
    """What the steps of a body give, and what arrives at it."""
    scope = _scope(draft, place)
    if scope is None:
        return []
    network, found = draft.network, {"input": facts.entering(draft.network, scope)}
    last = ""
    for child in scope.children:
        if isinstance(child, Node):
            last = last if child.role else child.name
            found[last] = facts.given(network, child)
        else:
            last = child.name
            found[last] = facts.leaving(network, child)
            if draft.rng.random() < 0.5:
                found.update(_inside(network, child, last))
    steps = [Step(name, shape) for name, shape in found.items() if shape is not None]
    steps += _dropped(place, found)
    if draft.rng.random() < 0.9:  # few people read a step by its number
        return [step for step in steps if not step.name.isdigit()]
    return steps


def _inside(network: Network, scope: Scope, path: str) -> Iterator[tuple[str, Shape | None]]:
    """What can be read in a group, at the places of a repetition, and of a block with outputs."""
    if scope.block is not None:
        for output, value in zip(scope.block.outputs, scope.outputs, strict=False):
            yield f"{path}.{output.name}", network.shape_of(value)
        return
    for child in scope.children:
        inner = f"{path}.{child.name}"
        if isinstance(child, Scope):
            yield inner, facts.leaving(network, child)
            yield from _inside(network, child, inner)
        elif not child.role:
            yield inner, facts.given(network, child)


def _dropped(place: Place, found: Container[str]) -> list[Step]:
    """Steps that are not there: their names can be read, and what they give is not known."""
    rows = [row for row in place.rows if isinstance(row, dict)]
    names = [str(row["name"]) for row in rows if "name" in row]
    return [Step(name, ()) for name in names if name not in found and "{" not in name]


def _scope(draft: Draft, place: Place) -> Scope | None:
    if place.kind == "network":
        return draft.network.root
    at = place.path[:-1] if place.kind == "block" else place.path
    items = draft.network.root.walk()
    return next((s for s in items if isinstance(s, Scope) and s.at == at), None)


def join(draft: Draft, op: str | None = None, wanted: str | None = None) -> bool:
    """A merge of steps at the end of a body."""
    rng = draft.rng
    network = [place for place in places(draft.data) if place.kind == "network"]
    others = [place for place in places(draft.data) if place.kind in ("group", "block")]
    place = rng.choice([*others, network[0]]) if others and rng.random() < 0.5 else network[0]
    steps = steps_of(draft, place)
    op = op or rng.choice(MERGES)
    if not steps:
        return False
    first = rng.choice([steps[-1], rng.choice(steps)])
    chosen = [first, *(s for s in steps if _fit(op, s.shape, first.shape))]
    count = 2 if wanted == "alpha" else rng.choice((2, 2, 2, 3, 1))
    given = [first, *(rng.choice(chosen) for _ in range(count - 1))]
    rng.shuffle(given)
    attributes = (first.shape and sample(rng, op, first.shape, wanted)) or {}
    row = called(draft, {"op": op, "from": [spelt(s.name) for s in given], **attributes})
    return draft.propose(lambda: draft.place_now(place).rows.append(row))


def _fit(op: str, shape: Shape, other: Shape) -> bool:
    if facts.is_last(shape) != facts.is_last(other):
        return False
    if () in (shape, other):
        return True  # it stands for a step before it
    if op == "concat":
        return shape[1:] == other[1:]
    return shape == other or (len(shape) == len(other) and shape[1:] == (1,) * (len(shape) - 1))


def spelt(name: str) -> str | int:
    """A step's name as `from` has it: a number where it is one."""
    return int(name) if name.isdigit() else name


def reroute(draft: Draft) -> bool:
    """A new row that reads an earlier step, or a `from` for one that is there."""
    rng = draft.rng
    place = rng.choice(list(places(draft.data)))
    steps = steps_of(draft, place)
    if not steps:
        return False
    source = rng.choice([rng.choice(steps), steps[0]])
    row = row_of(rng, source.shape) if source.shape else {"op": "relu"}
    if row is None:
        return False
    if rng.random() < 0.25:
        row = {"layers": [row]}
    name = spelt(source.name)
    row["from"] = rng.choice((name, [name]))
    row = called(draft, row)
    index = rng.randint(1, len(place.rows)) if place.rows else 0
    return draft.propose(lambda: draft.place_now(place).rows.insert(index, row))


def reread(draft: Draft) -> bool:
    """A `from` for a row that is there."""
    rng = draft.rng
    site = rng.choice(sites(draft.data))
    steps = steps_of(draft, site.place)
    if not steps or "from" in site.row:
        return False
    name = spelt(rng.choice(["input", rng.choice(steps).name]))

    def change() -> None:
        draft.site_now(site).row["from"] = rng.choice((name, [name]))

    return draft.propose(change)
