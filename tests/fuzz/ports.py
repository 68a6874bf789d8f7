"""Blocks with several inputs and outputs, and blocks that stand in themselves."""

import re
from typing import Any

from tests.fuzz.draft import Draft, Row, uses
from tests.fuzz.growth import NAMES, alike
from tests.fuzz.reading import named
from tests.fuzz.wrapping import run_of

TEXT = re.compile(r"[A-Za-z_]\w*|\d+")


def _define(draft: Draft, name: str, block: Row) -> None:
    """A new block, before those that there are; in a change."""
    order = ("description", "inputs", "args", "vars", "columns", "layers", "outputs")
    block = {key: block[key] for key in order if key in block}
    draft.data["blocks"] = {name: block, **draft.data.get("blocks", {})}


def up(draft: Draft) -> bool:
    """A block that brings two steps together, the second of which may be optional."""
    rng, shape = draft.rng, draft.output_shape()
    name, first = draft.fresh("Up", "Fuse"), named(draft, alike(rng, shape))
    body = [named(draft, alike(rng, shape)), {"name": "sum", "op": rng.choice(("add", "mul"))}]
    x, skip = rng.choice((("x", "skip"), ("h", "before"), ("query", "gate")))
    body[1]["from"] = rng.sample([body[0]["name"], skip], 2)
    if rng.random() < 0.3:
        body.append({"op": "add", "from": ["sum", rng.choice((x, body[0]["name"]))]})
    is_optional = rng.random() < 0.5
    inputs: Any = {x: None, skip: "optional"} if is_optional else [x, skip]
    if not is_optional and rng.random() < 0.3:
        inputs = {x: None, skip: None}
    rows: list[Row] = [first, named(draft, alike(rng, shape))]
    ends = [row["name"] for row in rows]
    if is_optional and rng.random() < 0.3:
        ends.append(draft.fresh("gone"))
        gone = {"name": ends[-1], **alike(rng, shape), "from": ends[0], "else": "none"}
        rows.append({**gone, "when": rng.choice((True, False))})
    for _ in range(rng.choice((1, 2, 2))):
        one, other = rng.choice(ends[:2]), rng.choice(ends)
        forms: list[Any] = [[one, other], {x: one, skip: other}]
        if is_optional:
            forms += [one, [one], {x: one}, {x: one, skip: "none"}, [one, "none"], None]
        row = named(draft, {"op": name, "from": rng.choice(forms)})
        if row["from"] is None:
            del row["from"]
        rows.append(row)
        ends.append(row["name"])

    def change() -> None:
        _define(draft, name, {"inputs": inputs, "layers": body})
        draft.data["layers"] += rows

    return draft.propose(change)


def fusion(draft: Draft) -> bool:
    """A block that takes a list of steps, as long as an argument says."""
    rng, shape = draft.rng, draft.output_shape()
    name, levels = draft.fresh("Fusion", "Gather"), rng.choice(("levels", "xs"))
    count = rng.choice((1, 2, 2, 3))
    inputs: Row = {"x": None, levels: rng.choice(("n", "n - 1"))}
    total = count + (inputs[levels] == "n - 1")
    body: list[Row] = []
    ends = [f"{levels}.*"]
    if rng.random() < 0.5:
        body = [{"name": "each_", **alike(rng, shape), "from": f"{levels}.{{i}}"}]
        body[0]["repeat"] = inputs[levels]
        ends = rng.choice((["each_.*"], ["each_.*", f"{levels}.0"]))
    ends += ["x"] if rng.random() < 0.7 else []
    body.append({"op": rng.choice(("add", "mul", "add")), "from": rng.sample(ends, len(ends))})
    stem = draft.fresh("enc")
    rows: list[Row] = [{"name": stem, **alike(rng, shape), "repeat": count}]
    places = [f"{stem}.{number}" for number in range(count)]
    given: list[Any] = [[f"{stem}.0", f"{stem}.*"], [stem, *places]]
    given += [{"x": f"{stem}.0", levels: f"{stem}.*"}, {levels: places, "x": stem}]
    read = [rng.choice(given) for _ in range(rng.choice((1, 2)))]
    rows += [named(draft, {"op": name, "n": total, "from": source}) for source in read]

    def change() -> None:
        default = rng.choice((None, total))
        _define(draft, name, {"inputs": inputs, "args": {"n": default}, "layers": body})
        draft.data["layers"] += rows

    return draft.propose(change)


def cell(draft: Draft) -> bool:
    """A block that hands on as many values as it takes; repeated, it chains them."""
    rng, shape = draft.rng, draft.output_shape()
    name, first = draft.fresh("Cell", "Stage"), named(draft, alike(rng, shape))
    second = named(draft, alike(rng, shape))
    inside = [{"name": "conv", **alike(rng, shape)}]
    inside.append({"name": "sum", "op": "add", "from": rng.sample(["conv", "before"], 2)})
    outputs = rng.choice(
        ({"out": "sum", "prev": "h"}, {"prev": "h", "out": "sum"}, {"out": "sum", "prev": "conv"})
    )
    row = named(draft, {"op": name, "from": [first["name"], second["name"]]})
    if rng.random() < 0.2:
        row["from"] = {"before": first["name"], "h": second["name"]}
    called = row["name"]
    ends = [rng.choice((called, "previous", f"{called}.out")), f"{called}.prev"]
    if rng.random() < 0.6:
        row["repeat"] = rng.choice((1, 2, 3))
        if rng.random() < 0.3:
            ends.append(rng.choice((f"{called}.*", f"{called}.0", f"{called}.0.prev")))
    rng.shuffle(ends)
    last: Row = {"op": rng.choice(("add", "concat")), "from": ends}

    def change() -> None:
        block = {"inputs": ["h", "before"], "layers": inside, "outputs": outputs}
        _define(draft, name, block)
        draft.data["layers"] += [first, second, row, *([last] if rng.random() < 0.8 else [])]

    return draft.propose(change)


def tree(draft: Draft) -> bool:
    """A block that stands in itself, as deep as its argument says."""
    rng, shape = draft.rng, draft.output_shape()
    name = draft.fresh("Tree", "Nest")
    deep = {"op": name, "levels": "levels - 1", "when": "levels > 1"}
    is_pair = rng.random() < 0.5
    leaf = {"name": "leaf", **alike(rng, shape), "when": "levels == 1"}
    if is_pair:
        body = [{"name": "left", **deep}, {"name": "right", **deep}, {**leaf, "from": "input"}]
        root = {"op": rng.choice(("add", "concat", "mul")), "from": ["left", "right"]}
        body.append({"name": "root", **root, "when": "levels > 1", "else": "leaf"})
        body.append({"op": "relu", "from": "root"})
    else:
        body = [{"name": "conv", **alike(rng, shape)}, {"name": "inner", **deep}]
        if rng.random() < 0.5:
            body.append({"op": "add", "from": ["conv", "inner"]})
    rows = [
        named(draft, {"op": name, "levels": rng.choice((1, 2, 2, 3))})
        for _ in range(rng.choice((1, 1, 2)))
    ]

    def change() -> None:
        _define(draft, name, {"args": {"levels": rng.choice((None, 1))}, "layers": body})
        draft.data["layers"] += rows

    return draft.propose(change)


def ported(draft: Draft) -> bool:
    """Rows become a block: what they read from outside its inputs, what is read of them outputs."""
    rng, run = draft.rng, run_of(draft, "network", "block", "group")
    if run is None:
        return False
    place, begin, end = run

    def change() -> bool:
        rows = draft.place_now(place).rows
        inside, behind = rows[begin:end], rows[end:]
        if not all(isinstance(row, dict) and "branches" not in row for row in inside):
            return False
        name, row = draft.fresh("Part", "Block"), named(draft, {})
        own = {str(r["name"]) for r in inside if "name" in r}
        taken = _inputs(inside, own)
        block: Row = {"inputs": list(taken.values()), "layers": inside}
        _rename(inside, taken)
        said = {t for r in behind if isinstance(r, dict) for t in _texts(r)} & own
        if said or rng.random() < 0.3:
            last = inside[-1].setdefault("name", draft.fresh("last"))
            block["outputs"] = {"out": last, **{o: o for o in sorted(said) if o != last}}
            _rename(behind, {o: row["name"] + (f".{o}" if o != last else "") for o in said})
        given: Any = list(taken)
        if rng.random() < 0.4:
            given = {taken[text]: text for text in rng.sample(given, len(given))}
        rows[begin:end] = [{**row, "op": name, "from": given}]
        _define(draft, name, block)
        return True

    return draft.propose(change)


def _inputs(rows: list[Row], own: set[str]) -> dict[str, str]:
    """What rows read from outside, and what it is called inside."""
    read = [] if "from" in rows[0] else ["previous"]
    read += [text for row in rows for text in _texts(row)]
    outside = [text for text in dict.fromkeys(read) if text not in own]
    return {text: f"in{index}" for index, text in enumerate(outside) if text != "none"}


def _texts(row: Row) -> list[str]:
    """The single steps that a row names."""
    source = row.get("from", [])
    texts = list(source.values()) if isinstance(source, dict) else source
    texts = texts if isinstance(texts, list) else [texts]
    found = [str(text) for text in texts if not isinstance(text, list)]
    found += [str(row["else"])] if "else" in row else []
    return [text for text in found if text != "previous"]


def _rename(rows: list[Any], names: dict[str, str]) -> None:
    """What rows read is called otherwise; in a change."""
    for row in rows:
        if not isinstance(row, dict):
            continue
        for key in ("from", "else"):
            if key not in row:
                continue
            value = row[key]
            if isinstance(value, dict):
                row[key] = {name: names.get(str(text), text) for name, text in value.items()}
            elif isinstance(value, list):
                row[key] = [names.get(str(text), text) for text in value]
            else:
                row[key] = names.get(str(value), value)


def optional(draft: Draft) -> bool:
    """An input of a block becomes optional, and is not given where the block is used once more."""
    rng = draft.rng
    blocks = draft.data.get("blocks", {})
    found = [name for name, block in blocks.items() if len(block.get("inputs", ())) > 1]
    if not found:
        return False
    name = rng.choice(found)
    used = [site for site in uses(draft.data, name) if site.place.kind == "network"]
    given = used[-1].row.get("from") if used else None
    if given is None:
        return False

    def change() -> None:
        block = draft.data["blocks"][name]
        inputs = block["inputs"]
        kinds = dict(inputs) if isinstance(inputs, dict) else dict.fromkeys(inputs)
        last = list(kinds)[-1]
        block["inputs"] = {**kinds, last: "optional"}
        row = {**used[-1].row, "name": draft.fresh(*NAMES)}
        rest = given[:-1] if isinstance(given, list) else given
        row["from"] = (
            {k: v for k, v in rest.items() if k != last} if isinstance(rest, dict) else rest
        )
        draft.data["layers"].append(row)

    return draft.propose(change)


def exchange(draft: Draft) -> bool:
    """A block that takes a list and gives one, of as many steps; repeated, it hands them on."""
    rng, shape = draft.rng, draft.output_shape()
    name, count = draft.fresh("Exchange", "Mix"), rng.choice((1, 2, 2, 3))
    read = rng.choice((["convs.{i}", "x.0"], "convs.*", ["x.{i}", "convs.0"]))
    body: list[Row] = [
        {"name": "convs", **alike(rng, shape), "repeat": "n", "from": "x.{i}"},
        {"name": "sums", "op": rng.choice(("add", "mul")), "repeat": "n", "from": read},
    ]
    rows: list[Row] = [named(draft, alike(rng, shape)) for _ in range(count)]
    use = named(draft, {"op": name, "n": count, "from": [row["name"] for row in rows]})
    if rng.random() < 0.5:
        use["repeat"] = rng.choice((1, 2))
    given = f"{use['name']}.y"
    ends = [rng.choice((f"{given}.*", f"{given}.{count - 1}")), f"{given}.0"]
    last: Row = {"op": rng.choice(("add", "concat")), "from": rng.sample(ends, 2)}
    block = {"inputs": {"x": "n"}, "args": {"n": None}, "layers": body, "outputs": {"y": "sums.*"}}

    def change() -> None:
        _define(draft, name, block)
        draft.data["layers"] += [*rows, use, last]

    return draft.propose(change)
