"""How a spec grows: rows are put in, paths meet, and runs of rows become groups and blocks."""

from collections.abc import Container
from random import Random
from typing import Any, NamedTuple

from archspec.graph.network import Node, Scope
from archspec.ops import OPS_BY_NAME, Shape
from tests.fuzz import facts
from tests.fuzz.draft import SUGAR, Draft, Place, Row, Site, is_loop, places, sites
from tests.fuzz.samples import sample

MERGES = tuple(name for name in OPS_BY_NAME if facts.merges(name))
PLAIN = tuple(name for name in OPS_BY_NAME if not facts.merges(name))
BY_ROLE = {
    role: tuple(name for name, op in OPS_BY_NAME.items() if op.role == role) for role in SUGAR
}
LIKELY = ("conv2d", "conv2d", "batch_norm", "relu", "depthwise_conv2d", "max_pool", "avg_pool")
NAMES = ("conv", "a", "branch", "layer", "out", "x", "features", "block", "norm", "s")


class Step(NamedTuple):
    """A step of a body by the name that `from` has for it, and what it gives."""

    name: str
    shape: Shape


def row_of(rng: Random, shape: Shape, op: str | None = None, wanted: str | None = None) -> Any:
    """A row that takes what arrives, None where the op does not."""
    for _ in range(20):
        chosen = op or rng.choice((rng.choice(LIKELY), rng.choice(PLAIN)))
        attributes = sample(rng, chosen, shape, wanted)
        if attributes is not None:
            return {"op": chosen, **attributes}
        if op:
            break
    return None


def start(rng: Random, op: str | None = None) -> dict[str, Any]:
    """A spec of one row; its input is such that `op` takes it."""
    shape: Shape
    for _ in range(200):
        channels = rng.choice((1, 2, 3, 4, 4, 6, 8))
        shape = (channels, rng.randint(1, 14), rng.randint(1, 14))
        if op not in ("rbf", "linear"):
            shape = rng.choice([shape, (channels, 8, 8), (channels, 9, 9)])
        if op in ("rbf", "linear") or (op is None and rng.random() < 0.1):
            shape = (rng.choice((1, 4, 6, 10)),)
        first = "identity" if op is None or op in MERGES else op
        row = row_of(rng, shape, first)
        if row is not None:
            data = {"archspec": 1, "name": rng.choice(("Net", "net-1", "Small Net", "B"))}
            return {**data, "input": list(shape), "layers": [{"op": "identity"}]}
    raise AssertionError(f"no input fits {op}")


def append(draft: Draft, op: str | None = None, wanted: str | None = None) -> bool:
    """A row at the network's end."""
    row = row_of(draft.rng, draft.output_shape(), op, wanted)
    if row is None:
        return False
    row = called(draft, row)
    return draft.propose(lambda: draft.data["layers"].append(row))


def called(draft: Draft, row: Row) -> Row:
    """A row with a name, half of the time: those with names can be read by others."""
    return {"name": draft.fresh(*NAMES), **row} if draft.rng.random() < 0.5 else row


def insert(draft: Draft) -> bool:
    """A row somewhere."""
    rng = draft.rng
    site = rng.choice(sites(draft.data))
    shape = draft.arriving(site.path)
    row = None if shape is None else row_of(rng, shape, rng.choice((None, *BY_ROLE["activation"])))
    if row is None or site.place.kind == "single":
        return False
    row = called(draft, row)
    index = site.path[-1]

    def change() -> None:
        place_now(draft, site.place).rows.insert(index, row)

    return draft.propose(change)


def place_now(draft: Draft, place: Place) -> Place:
    """The same place in the draft's data as they are now."""
    return next(other for other in places(draft.data) if other.path == place.path)


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
    steps = [Step(name, shape) for name, shape in found.items() if shape is not None]
    steps += _dropped(place, found)
    if draft.rng.random() < 0.9:  # few people read a step by its number
        return [step for step in steps if not step.name.isdigit()]
    return steps


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
    row = called(draft, {"op": op, "from": [_spelt(s.name) for s in given], **attributes})
    return draft.propose(lambda: place_now(draft, place).rows.append(row))


def _fit(op: str, shape: Shape, other: Shape) -> bool:
    if facts.is_last(shape) != facts.is_last(other):
        return False
    if () in (shape, other):
        return True  # it stands for a step before it
    if op == "concat":
        return shape[1:] == other[1:]
    return shape == other or (len(shape) == len(other) and shape[1:] == (1,) * (len(shape) - 1))


def _spelt(name: str) -> str | int:
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
    name = _spelt(source.name)
    row["from"] = rng.choice((name, [name]))
    row = called(draft, row)
    index = rng.randint(1, len(place.rows)) if place.rows else 0
    return draft.propose(lambda: place_now(draft, place).rows.insert(index, row))


def reread(draft: Draft) -> bool:
    """A `from` for a row that is there."""
    rng = draft.rng
    site = rng.choice(sites(draft.data))
    steps = steps_of(draft, site.place)
    if not steps or "from" in site.row:
        return False
    name = _spelt(rng.choice(["input", rng.choice(steps).name]))

    def change() -> None:
        site_now(draft, site).row["from"] = rng.choice((name, [name]))

    return draft.propose(change)


def site_now(draft: Draft, site: Site) -> Site:
    """The same row in the draft's data as they are now."""
    return next(other for other in sites(draft.data) if other.path == site.path)


def turn(draft: Draft) -> bool:
    """Rows with the channels last, between two permutations, at the network's end."""
    rng, shape = draft.rng, draft.output_shape()
    if len(shape) != 3 or facts.is_last(shape):
        return False
    last = facts.Last((shape[1], shape[2], shape[0]))
    inner = [row_of(rng, last, rng.choice(("linear", "layer_norm", "gelu", "layer_scale", None)))]
    rows = [{"op": "permute", "dims": [0, 2, 3, 1]}, *filter(None, inner)]
    rows += [{"op": "permute", "dims": [0, 3, 1, 2]}] if rng.random() < 0.8 else []
    return draft.propose(lambda: draft.data["layers"].extend(rows))


def residual(draft: Draft) -> bool:
    """Steps that keep the shape, and their sum with what arrived at them, at the network's end."""
    rng, shape = draft.rng, draft.output_shape()
    rows: list[Row] = [{"name": draft.fresh(*NAMES), **(row_of(rng, shape, "identity") or {})}]
    for _ in range(rng.choice((1, 2, 2, 3))):
        row = _same(rng, shape)
        rows.append({"name": draft.fresh(*NAMES), **row})
    if rng.random() < 0.4:
        rows[0] = {"name": rows[0]["name"], **_same(rng, shape)}
    ends = [rng.choice(rows[:-1])["name"], rows[-1]["name"]]
    rng.shuffle(ends)
    rows.append({"op": rng.choice(("add", "add", "mul", "concat")), "from": ends})
    return draft.propose(lambda: draft.data["layers"].extend(rows))


def _same(rng: Random, shape: Shape) -> Row:
    """A row that leaves the shape as it is."""
    channels = facts.channels(shape)
    if len(shape) == 1 or facts.is_last(shape):
        weighted: Row = {"op": "linear", "out_features": channels}
    else:
        size = {"kernel_size": 3, "padding": 1}
        weighted = rng.choice(
            ({"op": "conv2d", "out_channels": channels, **size}, {"op": "depthwise_conv2d", **size})
        )
        if rng.random() < 0.3:
            return {"op": "batch_norm"}
    return rng.choice((weighted, weighted, {"op": rng.choice(BY_ROLE["activation"])}))


def head(draft: Draft) -> bool:
    """A classifier at the network's end, its width a variable."""
    rng, shape = draft.rng, draft.output_shape()
    rows: list[Row] = []
    if len(shape) == 3:
        rows = [{"op": "adaptive_avg_pool", "output_size": rng.choice((1, 2))}, {"op": "flatten"}]
    classes = rng.choice((5, 10))
    hidden: dict[str, Any] = {}
    if rng.random() < 0.5:
        form = rng.choice((f"max(num_classes, {classes + 1})", "2 * num_classes", "num_classes"))
        hidden = {draft.fresh("hidden"): form}
        rows += [{"op": "linear", "out_features": name} for name in hidden]
    rows.append({"op": "linear", "out_features": "num_classes"})

    def change() -> bool:
        if "num_classes" in draft.data.get("vars", {}):
            return False
        names = {"num_classes": classes, **hidden, **draft.data.get("vars", {})}
        draft.data = {"vars": names, **draft.data, "layers": [*draft.data["layers"], *rows]}
        draft.data["vars"] = names
        return True

    return draft.propose(change)


def unloved(draft: Draft) -> bool:
    """A step that nothing reads, before the network's last."""
    rng = draft.rng
    shape = draft.network.input_shape
    row = None if shape is None else row_of(rng, shape)
    if row is None or not draft.data["layers"]:
        return False
    row["from"] = "input"

    def change() -> None:
        rows = draft.data["layers"]
        first = rows[0]
        if isinstance(first, dict):
            first.setdefault("from", "input")
        rows.insert(0, row)

    return draft.propose(change)


def loops(draft: Draft) -> list[Site]:
    """The rows that are repeated."""
    return [site for site in sites(draft.data) if is_loop(site.row)]
