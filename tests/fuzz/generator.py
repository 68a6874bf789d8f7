"""Random specs over the whole language, each a function of a seed and its number."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any, NamedTuple

from tests.fuzz import (
    beside,
    declarations,
    facts,
    features,
    growth,
    handing,
    lifting,
    paths,
    ports,
    reading,
    wrapping,
)
from tests.fuzz.draft import Draft, Row, sites
from tests.fuzz.samples import ATTRIBUTES
from tests.fuzz.sampling import instance, sample


class Aim(NamedTuple):
    """What a spec is to contain: an attribute of an op, written in that way."""

    op: str
    attribute: str
    kind: str


class Made(NamedTuple):
    """A spec's text, and how many of the changes that led to it were sound."""

    text: str
    data: dict[str, Any]
    proposed: int
    accepted: int


def _all_aims() -> list[Aim]:
    aims = [Aim(op, attribute, kind) for op, attribute in ATTRIBUTES for kind in lifting.KINDS]
    Random(0).shuffle(aims)
    return aims


AIMS = _all_aims()
"""Every attribute in every way to write it, in no order; each spec has two of them in turn."""

Change = Callable[[Draft], bool]
CHANGES: tuple[tuple[Change, int], ...] = (
    (growth.append, 10),
    (growth.insert, 8),
    (paths.join, 7),
    (paths.reroute, 4),
    (paths.reread, 2),
    (wrapping.group, 5),
    (wrapping.block, 6),
    (wrapping.reuse, 8),
    (wrapping.branch, 5),
    (growth.turn, 1),
    (growth.head, 3),
    (growth.residual, 4),
    (wrapping.flat, 2),
    (growth.unloved, 1),
    (lifting.lift_any, 10),
    (handing.lift_op, 5),
    (handing.lift_sugar, 4),
    (handing.lift_given, 6),
    (handing.handed_on, 2),
    (lifting.lift_control, 2),
    (features.condition, 4),
    (features.repetition, 4),
    (features.longer, 3),
    (features.by_columns, 3),
    (features.sugar, 4),
    (features.default_sugar, 1),
    (declarations.defaults, 2),
    (declarations.computed_defaults, 3),
    (declarations.role_defaults, 2),
    (declarations.variable_input, 1),
    (declarations.texts, 1),
    (declarations.outputs, 2),
    (declarations.init, 3),
    (declarations.family, 3),
    (declarations.derived, 1),
    (declarations.variables, 2),
    (features.named, 3),
    (reading.shortcut, 4),
    (reading.otherwise, 2),
    (reading.chosen, 3),
    (reading.pyramid, 4),
    (reading.again, 2),
    (beside.branches, 4),
    (beside.wider, 2),
    (ports.up, 3),
    (ports.fusion, 3),
    (ports.cell, 3),
    (ports.exchange, 2),
    (ports.tree, 2),
    (ports.ported, 5),
    (ports.optional, 2),
)


def aims_of(number: int) -> tuple[Aim, Aim]:
    """What the spec of that number is to contain; in turn, so that every aim has its share."""
    count = len(AIMS)
    return AIMS[number * 2 % count], AIMS[(number * 2 + 1 + number * 2 // count) % count]


def make(seed: int, number: int) -> Made:
    """The spec of that number; raises `CheckCrashed` where `check` does not survive it."""
    rng = Random(f"{seed}/{number}")
    first, second = aims_of(number)
    draft = Draft(rng, growth.start(rng, first.op))
    for aim in (first, second):
        for _ in range(rng.choice((0, 0, 1, 2))):
            paths.join(draft) if rng.random() < 0.4 else growth.append(draft)
        plant(draft, aim)
    _grow(draft, rng.choice((0, 3, 8, 15, 30)))
    if rng.random() < 0.3:
        features.all_by_columns(draft)
    if rng.random() < 0.1:
        features.table(draft)
    return Made(draft.text(), draft.data, draft.proposed, draft.accepted)


def _grow(draft: Draft, steps: int) -> None:
    changes, weights = zip(*CHANGES, strict=True)
    for change in draft.rng.choices(changes, weights, k=steps):
        change(draft)


def plant(draft: Draft, aim: Aim) -> bool:
    """Put an attribute of an op into a spec, written as it is aimed for."""
    return any(_plant(draft, aim) for _ in range(10))  # some values fit a few places only


def _plant(draft: Draft, aim: Aim) -> bool:
    before = draft.data
    if not _put(draft, aim):
        return False
    if aim.kind == "literal":
        return True
    if aim.kind == "argument":
        _into_block(draft, aim)
    for _ in range(6):
        fitting = [s for s in sites(draft.data) if _is_meant(s.row, aim)]
        if aim.kind == "argument":
            fitting = [site for site in fitting if site.place.block is not None]
        if not fitting:
            break
        site = draft.rng.choice(fitting)
        if lifting.lift(draft, site, aim.attribute, aim.kind):
            block = site.place.block
            if aim.kind == "argument" and block is not None and draft.rng.random() < 0.6:
                any(handing.use_again(draft, block) for _ in range(3))
            return True
    draft.propose(lambda: setattr(draft, "data", before))
    return False


def _is_meant(row: Row, aim: Aim) -> bool:
    return row.get("op") == aim.op and aim.attribute in row


def _put(draft: Draft, aim: Aim) -> bool:
    """The op at the network's end, behind what makes it possible there."""
    if facts.merges(aim.op):
        return paths.join(draft, aim.op, aim.attribute)
    if growth.append(draft, aim.op, aim.attribute):
        return True
    return any(_extend(draft, rows) for rows in _ways_to(draft, aim))


def _extend(draft: Draft, rows: list[Row]) -> bool:
    return draft.propose(lambda: draft.data["layers"].extend(rows))


def _ways_to(draft: Draft, aim: Aim) -> Iterator[list[Row]]:
    shape = draft.output_shape()
    ways: tuple[Row, ...] = ({"op": "flatten"}, {"op": "permute", "dims": [0, 3, 1, 2]})
    for way in ways:
        name = str(way["op"])
        attributes = {key: value for key, value in way.items() if key != "op"}
        after = instance(name, attributes, shape)
        if after is None:
            continue
        given = sample(draft.rng, aim.op, after, aim.attribute)
        if given is not None:
            yield [way, {"op": aim.op, **given}]


def _into_block(draft: Draft, aim: Aim) -> bool:
    """The row that is aimed at stands in a block, by itself or with those before it."""
    for site in sites(draft.data):
        if _is_meant(site.row, aim) and site.place.kind != "single":
            end = site.path[-1] + 1
            begins = (end - 1, draft.rng.randint(max(0, end - 3), end - 1), end - 1)
            if any(wrapping.into_block(draft, site.place, begin, end) for begin in begins):
                return True
    return False
