"""Runs of rows become groups, blocks and branches, and blocks are used again."""

from typing import Any

from tests.fuzz.draft import Draft, Place, Row, places, uses
from tests.fuzz.growth import BY_ROLE, MERGES, NAMES, called, row_of


def run_of(draft: Draft, *kinds: str) -> tuple[Place, int, int] | None:
    """Some rows of a place: where they begin, and where they end."""
    rng = draft.rng
    found = [p for p in places(draft.data) if p.kind != "single" and p.rows]
    found = [p for p in found if not kinds or p.kind in kinds]
    if not found:
        return None
    place = rng.choice(found)
    begin = rng.randrange(len(place.rows))
    return place, begin, rng.randint(begin + 1, min(len(place.rows), begin + 4))


def group(draft: Draft) -> bool:
    """A run of rows becomes a group, with a name or without one, repeated perhaps."""
    rng, run = draft.rng, run_of(draft)
    if run is None:
        return False
    place, begin, end = run

    def change() -> None:
        rows = draft.place_now(place).rows
        made: Row = {"layers": rows[begin:end]}
        if rng.random() < 0.6:
            made = {"name": draft.fresh(*NAMES), **made}
        if rng.random() < 0.3:
            made["repeat"] = rng.choice((1, 2))
        rows[begin:end] = [_inwards(made)]

    return draft.propose(change)


def _inwards(row: Row) -> Row:
    """A group takes over where its first row reads from."""
    first = row["layers"][0]
    if isinstance(first, dict) and "from" in first and not isinstance(first["from"], list):
        row["from"] = first.pop("from")
    return row


def block(draft: Draft) -> bool:
    """A run of rows becomes a block."""
    run = run_of(draft)
    return run is not None and into_block(draft, *run)


def into_block(draft: Draft, place: Place, begin: int, end: int) -> bool:
    """These rows become a block."""

    def change() -> None:
        rows = draft.place_now(place).rows
        name = draft.fresh("Block", "Unit", "Cell", "basic_block")
        body = _inwards({"layers": rows[begin:end]})
        row = called(draft, {"op": name})
        if "from" in body:
            row["from"] = body.pop("from")
        rows[begin:end] = [row]
        blocks = {name: body, **draft.data.get("blocks", {})}
        rest = {key: value for key, value in draft.data.items() if key not in ("blocks", "layers")}
        draft.data = {**rest, "blocks": blocks, "layers": draft.data["layers"]}

    return draft.propose(change)


def reuse(draft: Draft) -> bool:
    """A block is used once more."""
    rng = draft.rng
    blocks = list(draft.data.get("blocks", {}))
    if not blocks:
        return False
    name = rng.choice(blocks)
    found = uses(draft.data, name)
    given = rng.choice(found).row if found else {}
    free = {key: v for key, v in given.items() if key not in ("name", "from", "each", "branches")}
    row: Row = {"op": name, **free}
    row = called(draft, row)
    targets = [p for p in places(draft.data) if p.kind != "single" and p.block != name]
    place = rng.choice([rng.choice(targets), targets[-1]])
    index = rng.choice((len(place.rows), rng.randint(0, len(place.rows))))
    return draft.propose(lambda: draft.place_now(place).rows.insert(index, row))


def branch(draft: Draft) -> bool:
    """A run of rows becomes a branch; beside it stands what arrives, or other rows."""
    rng, run = draft.rng, run_of(draft)
    if run is None:
        return False
    place, begin, end = run
    path = (*place.path, begin)
    shape = draft.arriving(path)
    if shape is None:
        return False
    other = row_of(rng, shape, rng.choice((None, "conv2d", *BY_ROLE["activation"])))
    op = rng.choice(MERGES)

    def change() -> None:
        rows = draft.place_now(place).rows
        inside = rows[begin:end]
        made = _inwards({"layers": inside})
        row: Row = {"op": op}
        beside: Any = rng.choice(([], [other] if other else [], other or []))
        if rng.random() < 0.6:
            one = inside[0] if len(inside) == 1 and rng.random() < 0.5 else inside
            if isinstance(one, dict) and "name" in one:
                one = inside
            pair = [(draft.fresh("branch", "left"), one), (draft.fresh("right", "skip"), beside)]
            rng.shuffle(pair)
            row["branches"] = dict(pair)
        else:
            pairs = [inside, beside if isinstance(beside, list) else [beside]]
            rng.shuffle(pairs)
            row["branches"] = pairs
        if "from" in made:
            row["from"] = made["from"]
        rows[begin:end] = [called(draft, row)]

    return draft.propose(change)


def flat(draft: Draft) -> bool:
    """Blocks after a flatten: what is written for maps is used for vectors."""
    shape = draft.output_shape()
    blocks = list(draft.data.get("blocks", {}))
    if len(shape) == 1 or not blocks:
        return False
    rows: list[Row] = [{"op": "flatten"}]
    rows += [{"op": draft.rng.choice(blocks)}]
    return draft.propose(lambda: draft.data["layers"].extend(rows))
