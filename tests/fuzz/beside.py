"""Branches that are one row, written once: so many of them, or one for each row of a table."""

from typing import Any

from tests.fuzz.draft import Draft, Row, sites
from tests.fuzz.growth import NAMES, alike
from tests.fuzz.reading import flagged


def branches(draft: Draft) -> bool:
    """A merge of branches, one of which is there several times; `.*` may read these once more."""
    rng, shape = draft.rng, draft.output_shape()
    stem = draft.fresh("atrous", "conv", "branch")
    other: Any = rng.choice(([], [alike(rng, shape)], alike(rng, shape), None))

    def change() -> None:
        row = _branch(draft)
        merge: Row = {"name": draft.fresh(*NAMES), "op": rng.choice(("add", "mul", "concat"))}
        has_name = rng.random() < 0.6
        if has_name:
            parts = {stem: row} if other is None else {stem: row, draft.fresh("skip"): other}
            names = rng.sample(list(parts), len(parts))
            merge["branches"] = {name: parts[name] for name in names}
        else:
            form = rng.random()
            name = stem if form < 0.4 else stem + "{i}" if form < 0.7 else None
            row = {"name": name, **row} if name else row
            merge["branches"] = [row] if other is None else rng.sample([row, other], 2)
            has_name = name == stem
        draft.data["layers"].append(merge)
        if has_name and rng.random() < 0.5:
            ends = [rng.choice((f"{stem}.*", f"{stem}.0"))]
            ends += [f"{stem}.*"] if rng.random() < 0.5 else []
            draft.data["layers"].append({"op": rng.choice(("add", "concat")), "from": ends})

    return draft.propose(change)


def _branch(draft: Draft) -> Row:
    """The row that stands beside itself; in a change."""
    rng, shape = draft.rng, draft.output_shape()
    row: Row = alike(rng, shape)
    count: Any = rng.choice((0, 1, 2, 2, 3))
    if rng.random() < 0.4 and "kernel_size" in row:
        rates = [{"rate": rng.choice((1, 2, 3))} for _ in range(count)]
        row |= {"dilation": "rate", "padding": "rate"}
        count = rates
    elif rng.random() < 0.3:
        name = draft.fresh("n")
        draft.declare(None, {name: count})
        count = name
    if rng.random() < 0.25:
        row = {"layers": [row, alike(rng, shape)][: rng.choice((1, 2))]}
    row["beside"] = count
    if rng.random() < 0.3:
        row["when"] = rng.choice(("i > 0", "j != 1", flagged(draft)))
        if rng.random() < 0.6:
            row["else"] = rng.choice(("none", "previous", "input"))
    return row


def wider(draft: Draft) -> bool:
    """A branch of one row stands beside itself, or stands there more often."""
    rng = draft.rng
    found = [s for s in sites(draft.data) if s.place.kind == "single"]
    if not found:
        return False
    site = rng.choice(found)

    def change() -> None:
        row = draft.site_now(site).row
        table = row.get("beside")
        if isinstance(table, list) and table:
            table.append({**table[-1]})
        else:
            row["beside"] = rng.choice((0, 1, 2, 3))

    return draft.propose(change)
