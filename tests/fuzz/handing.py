"""Ops and blocks become values: variables, arguments, columns, choices; and are given otherwise."""

from archspec.ops import OPS_BY_NAME
from tests.fuzz import facts, growth
from tests.fuzz.draft import SUGAR, Draft, Row, Site, is_op, sites, uses
from tests.fuzz.forms import Form
from tests.fuzz.lifting import (
    LIFTERS,
    Holder,
    add_argument,
    another_op,
    attributes_of,
    call_loop,
    holders,
    is_literal,
    vary,
)
from tests.fuzz.sampling import sample


def use_again(draft: Draft, block_name: str) -> bool:
    """A block is used once more behind its last use, with another value for its last argument."""
    rng = draft.rng
    block = draft.data["blocks"][block_name]
    found = [s for s in uses(draft.data, block_name) if s.place.kind != "single"]
    if not found or not block.get("args"):
        return False
    site, name = found[-1], list(block["args"])[-1]
    kept = {key: v for key, v in site.row.items() if key not in ("name", "each", "repeat", "from")}
    value = kept.get(name, block["args"][name])
    if value is None:
        return False
    other = growth.called(draft, {**kept, name: vary(rng, value)})
    index = site.path[-1] + 1

    def change() -> None:
        draft.site_now(site).place.rows.insert(index, other)

    return draft.propose(change)


def handed_on(draft: Draft) -> bool:
    """Two ops that may stand for each other, as an argument of a block or a family's variable."""
    rng, shape = draft.rng, draft.output_shape()
    role = rng.choice(("norm", "activation", "activation", "dropout"))
    first, second = rng.sample(growth.BY_ROLE[role], 2)
    attributes = {op: sample(rng, op, shape) for op in (first, second)}
    if None in attributes.values():
        return False
    name = draft.fresh("act", "norm_", "layer", "op")
    rows: list[Row] = [{"op": name}]
    channels = facts.channels(shape)
    if len(shape) == 3 and not facts.is_last(shape) and rng.random() < 0.5:
        rows = [{"op": "conv2d", "out_channels": channels, "kernel_size": 1, role: name}]

    def change() -> None:
        for op, given in attributes.items():
            if given:
                draft.by_default(op, {**given, **draft.data.get("defaults", {}).get(op, {})})
        if rng.random() < 0.3 and "variants" not in draft.data:
            draft.declare(None, {name: rng.choice((first, None))})
            draft.data["variants"] = {"one": {name: first}, "other": {name: second}}
            draft.data["layers"] += rows
            return
        block = draft.fresh("Block", "Unit", "Cell")
        args = {name: rng.choice((first, second, None))}
        draft.data["blocks"] = {
            block: {"args": args, "layers": rows},
            **draft.data.get("blocks", {}),
        }
        draft.data["layers"] += [{"op": block, name: op} for op in (first, second)]

    return draft.propose(change)


def lift_op(draft: Draft) -> bool:
    """The op of a row becomes a variable, an argument or a column; its attributes defaults."""
    rng = draft.rng
    found = [s for s in sites(draft.data) if is_op(s.row) or s.row.get("op") in _blocks(draft)]
    if not found:
        return False
    inner = [s for s in found if s.place.block and s.row["op"] in _blocks(draft)]
    site = rng.choice(inner if inner and rng.random() < 0.3 else found)

    def change() -> bool:
        now = draft.site_now(site)
        op = now.row["op"]
        if op in OPS_BY_NAME and rng.random() < 0.4:
            return _hand_over_made(draft, now)
        if op in OPS_BY_NAME and rng.random() < 0.7:
            _to_defaults(draft, now.row)
        return _hand_over(draft, now, Holder(now.row, "op"))

    return draft.propose(change)


def _blocks(draft: Draft) -> list[str]:
    return list(draft.data.get("blocks", {}))


def _hand_over_made(draft: Draft, site: Site) -> bool:
    """The op of a row with some of its attributes, as one value."""
    row, rng = site.row, draft.rng
    keys = [key for key in attributes_of(row) if is_literal(row[key])]
    moved = {key: row.pop(key) for key in keys if rng.random() < 0.8}
    row["op"] = {"op": row["op"], **moved}
    return _hand_over(draft, site, Holder(row, "op"))


def _to_defaults(draft: Draft, row: Row) -> None:
    """What a row says of its op is said for all rows of that op."""
    moved = {key: row.pop(key) for key in attributes_of(row) if is_literal(row[key])}
    if moved:
        draft.by_default(row["op"], moved)


def _hand_over(draft: Draft, site: Site, here: Holder) -> bool:
    """The name of an op, or a choice between two, as a value from elsewhere."""
    rng, op = draft.rng, here.value
    name = draft.fresh("act", "norm_", "op", "layer", "block", "join")
    form = Form(name, op)
    if isinstance(op, str) and rng.random() < 0.2:
        form = Form(f"{op} if {name} else {another_op(rng, op)}", True)  # noqa: FBT003 - a value
    here.holder[here.key] = form.text
    kinds = ["variable", "column"] + ["argument"] * (4 if site.place.block else 0)
    kind = rng.choice(kinds)
    if kind == "argument":
        assert site.place.block is not None
        add_argument(draft, site.place.block, name, form)
        for use in uses(draft.data, site.place.block):
            if rng.random() < 0.4:
                use.row[name] = vary(rng, form.value)
    elif kind == "column":
        lines = [{name: form.value}, {name: vary(rng, form.value)}][: rng.randint(1, 2)]
        if "each" in site.row:
            return False
        site.row["each"] = lines
        call_loop(draft, site.row)
    else:
        draft.declare(site.place.block, {name: form.value})
    return True


def lift_sugar(draft: Draft) -> bool:
    """The op of a norm, an activation or a dropout that a row carries comes from elsewhere."""
    rng = draft.rng
    found = [(s, key) for s in sites(draft.data) for key in SUGAR if key in s.row]
    if not found:
        return False
    site, key = rng.choice(found)

    def change() -> bool:
        now = draft.site_now(site)
        value = now.row[key]
        if isinstance(value, dict):
            inner = [k for k in value if k != "op"]
            if inner and rng.random() < 0.5:
                here = rng.choice(holders(value, rng.choice(inner)) or [Holder(value, inner[0])])
                kinds = ("variable", "column", "i", "argument")
                return is_literal(here.value) and LIFTERS[rng.choice(kinds)](
                    draft, now, here, rng.random()
                )
            if rng.random() < 0.4 and inner:
                return _hand_over(draft, now, Holder(now.row, key))
            if rng.random() < 0.5:
                op = value["op"]
                if op in OPS_BY_NAME:
                    moved = {k: v for k, v in value.items() if k != "op" and is_literal(v)}
                    draft.by_default(op, moved)
                    now.row[key] = op
                    return _hand_over(draft, now, Holder(now.row, key))
            return _hand_over(draft, now, Holder(value, "op"))
        if isinstance(value, str):
            return _hand_over(draft, now, Holder(now.row, key))
        kinds = ("variable", "column", "i", "argument")
        return is_literal(value) and LIFTERS[rng.choice(kinds)](
            draft, now, Holder(now.row, key), rng.random()
        )

    return draft.propose(change)


def lift_given(draft: Draft) -> bool:
    """What a use of a block is given, or a column holds, is varied."""
    rng = draft.rng
    found: list[tuple[Site, str]] = []
    for site in sites(draft.data):
        block = draft.data.get("blocks", {}).get(site.row.get("op"))
        if block is not None:
            found += [(site, name) for name in block.get("args", {})]
    if not found:
        return False
    site, name = rng.choice(found)
    block = draft.data["blocks"][site.row["op"]]
    value = site.row.get(name, block["args"][name])
    if value is None or (isinstance(value, dict | list) and not value):
        return False

    def change() -> bool:
        now = draft.site_now(site)
        now.row[name] = value
        if isinstance(value, str) and value in OPS_BY_NAME and rng.random() < 0.4:
            return _hand_over(draft, now, Holder(now.row, name))
        now.row[name] = vary(rng, value)
        return True

    return draft.propose(change)
