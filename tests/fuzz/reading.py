"""What rows read, said otherwise: paths, choices, places, and what stands for a row left out."""

from random import Random
from typing import Any

from tests.fuzz.draft import Draft, Row, sites
from tests.fuzz.growth import NAMES, alike
from tests.fuzz.paths import Step, spelt, steps_of


def flagged(draft: Draft, block: str | None = None) -> Any:
    """A condition, in a change: as it stands, or by a new flag among the variables."""
    rng = draft.rng
    if rng.random() < 0.35:
        return rng.choice((True, False))
    flag = draft.fresh("deep", "flag", "wide")
    draft.declare(block, {flag: rng.choice((True, False))})
    return rng.choice((flag, flag, f"not {flag}"))


def choice(condition: Any, one: str | int, other: str | int) -> str:
    """One step or the other, as `from` and `else` say it."""
    written = str(condition).lower() if isinstance(condition, bool) else condition
    return f"{one} if {written} else {other}"


def named(draft: Draft, row: Row) -> Row:
    """A row with a name."""
    return {"name": draft.fresh(*NAMES), **row}


def shortcut(draft: Draft) -> bool:
    """A merge of steps some of which are left out: `else` says what their names stand for."""
    rng, shape = draft.rng, draft.output_shape()
    first, kept = (named(draft, alike(rng, shape)) for _ in range(2))
    rows, terms = [first, kept], [kept["name"]]

    def change() -> None:
        for _ in range(rng.choice((1, 1, 2))):
            row = _left_out(draft, first, kept)
            rows.append(row)
            terms.append(row["name"])
        if rng.random() < 0.2 and len(terms) > 2:
            del terms[0]
        rng.shuffle(terms)
        last: Row = {"op": rng.choice(("add", "add", "mul", "concat")), "from": terms}
        if rng.random() < 0.25:
            last = {"name": draft.fresh("sum"), **last, "when": flagged(draft), "else": terms[0]}
            rows.append(last)
            last = {"op": "relu", "from": rng.choice((last["name"], "previous"))}
        draft.data["layers"] += [*rows, last]

    return draft.propose(change)


def _left_out(draft: Draft, first: Row, kept: Row) -> Row:
    """A row that is perhaps not there; in a change."""
    rng, shape = draft.rng, draft.output_shape()
    row = alike(rng, shape)
    form = rng.random()
    if form < 0.2:
        row = {"layers": [row, alike(rng, shape)]}
    elif form < 0.35:
        row = {"op": "add", "from": [first["name"], kept["name"]]}
    row = named(draft, row)
    if "from" not in row:
        row["from"] = rng.choice((first["name"], first["name"], kept["name"], "previous"))
    gone: Row = rng.choice(({"when": flagged(draft)},) * 4 + ({"repeat": 0}, {"each": []}))
    row.update(gone)
    meant = rng.choice((None, "none", "none", first["name"], "previous", "choice"))
    if meant == "choice":
        others = [first["name"], kept["name"], "none"]
        meant = choice(flagged(draft), *rng.sample(others, 2))
    if meant is not None:
        row["else"] = meant
    return row


def otherwise(draft: Draft) -> bool:
    """A row that may be left out says what its name stands for then."""
    rng = draft.rng
    found = [s for s in sites(draft.data) if "when" in s.row or "repeat" in s.row]
    if not found:
        return False
    site = rng.choice(found)
    names = [step.name for step in steps_of(draft, site.place)]
    meant = rng.choice(("none", "input", "previous", *names))
    return draft.propose(lambda: draft.site_now(site).row.update({"else": meant}))


def chosen(draft: Draft) -> bool:
    """A row that reads one step reads that or another, by a condition."""
    rng = draft.rng
    found = [s for s in sites(draft.data) if isinstance(s.row.get("from"), str | list)]
    if not found:
        return False
    site = rng.choice(found)
    read = site.row["from"]
    texts = read if isinstance(read, list) else [read]
    at = rng.randrange(len(texts))
    steps = steps_of(draft, site.place)
    if not steps or not isinstance(texts[at], str | int):
        return False
    same = [s.name for s in steps if s.shape == _shape_of(texts[at], steps)]
    other = rng.choice([*same, rng.choice(steps).name])

    def change() -> None:
        pair = [texts[at], other]
        rng.shuffle(pair)
        written = choice(flagged(draft, site.place.block), *pair)
        now = [*texts[:at], written, *texts[at + 1 :]]
        draft.site_now(site).row["from"] = now if isinstance(read, list) else now[0]

    return draft.propose(change)


def _shape_of(name: Any, steps: list[Step]) -> Any:
    return next((step.shape for step in steps if step.name == str(name)), None)


def pyramid(draft: Draft) -> bool:
    """Places of a repetition, and others that read one of these each."""
    rng, shape = draft.rng, draft.output_shape()
    count, stem = rng.choice((2, 2, 3)), draft.fresh("enc", "stage")
    is_group = rng.random() < 0.5
    rows: list[Row] = [
        {"name": stem if is_group else stem + "{i}", **alike(rng, shape), "repeat": count}
    ]
    if rng.random() < 0.15:
        rows[0] = {**rows[0], "from": "previous"}
    ends: list[str] = []
    for _ in range(rng.choice((1, 1, 2))):
        reader, read = _reader(draft, stem + "." if is_group else stem, count)
        rows.append(reader)
        ends.append(read)
    if is_group and rng.random() < 0.4:
        ends.append(rng.choice((f"{stem}.*", f"{stem}.0", stem)))
    rng.shuffle(ends)
    if rng.random() < 0.8:
        rows.append({"op": rng.choice(("add", "concat", "mul")), "from": ends})
    return draft.propose(lambda: draft.data["layers"].extend(rows))


def _reader(draft: Draft, stem: str, count: int) -> tuple[Row, str]:
    """A row at each of whose places another step is read, and how it is read itself."""
    rng, shape = draft.rng, draft.output_shape()
    spread, index = _spread(rng, count)
    text = f"{stem}{{{index}}}"
    if rng.random() < 0.2:
        text = choice(rng.choice(("i > 0", "j == 1")), text, f"{stem}0")
    row = alike(rng, shape)
    source: Any = text
    if rng.random() < 0.5:
        row = {"op": rng.choice(("add", "mul"))}
        source = ["previous", text] if rng.random() < 0.7 else [text, f"{stem}0"]
        rng.shuffle(source)
    elif rng.random() < 0.2:
        row, source = {"layers": [row]}, rng.choice((text, "previous"))
    row = {**row, **spread, "from": source}
    name = draft.fresh("dec", "head", "out")
    if rng.random() < 0.3:
        return {"name": name + "{j}", **row}, rng.choice(("previous", f"{name}0"))
    return {"name": name, **row}, rng.choice((name, f"{name}.*", f"{name}.{count - 1}"))


def _spread(rng: Random, count: int) -> tuple[Row, str]:
    """How a row is there so many times, and an expression that counts otherwise than it does."""
    if rng.random() < 0.3:
        order = rng.sample(range(count), count)
        return {"each": [{"level": number} for number in order]}, "level"
    index = rng.choice(("i", "j"))
    return {"repeat": count}, rng.choice((index, f"{count - 1} - {index}"))


def again(draft: Draft) -> bool:
    """A merge at the end that is there several times, each place with the one before it."""
    rng = draft.rng
    steps = [s for s in steps_of(draft, draft.root_place()) if s.shape == draft.output_shape()]
    if not steps:
        return False
    read = ["previous", *(spelt(rng.choice(steps).name) for _ in range(rng.choice((1, 1, 2))))]
    rng.shuffle(read)
    row = named(draft, {"op": rng.choice(("add", "mul")), "from": read})
    row["repeat"] = rng.choice((0, 1, 2, 3))
    return draft.propose(lambda: draft.data["layers"].append(row))
