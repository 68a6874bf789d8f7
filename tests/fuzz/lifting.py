"""Values become expressions: of variables, arguments of blocks, columns of `each`, or `i`."""

from collections.abc import Mapping
from random import Random
from typing import Any, NamedTuple

from archspec.ops import OPS_BY_NAME
from tests.fuzz import facts, growth
from tests.fuzz.draft import STRUCTURE, SUGAR, Draft, Row, Site, is_op, sites, uses
from tests.fuzz.forms import Form, counted_form, form_of
from tests.fuzz.samples import sample

KINDS = ("literal", "variable", "argument", "column", "i")
STEMS = ("w", "n", "k", "size", "width", "p", "ratio", "depth", "flag", "value", "act", "stage")


class Holder(NamedTuple):
    """A value in a spec: the mapping or list that holds it, and the key there."""

    holder: Any
    key: Any

    @property
    def value(self) -> Any:
        """The value itself."""
        return self.holder[self.key]


def is_literal(value: Any) -> bool:
    """Whether a value has no expression in it, and can be one."""
    if isinstance(value, list):
        return bool(value) and all(map(is_literal, value))
    return isinstance(value, int | float)


def holders(row: Row, attribute: str) -> list[Holder]:
    """Where an attribute's literals stand: the whole value, and what is in lists and mappings."""
    found: list[Holder] = []
    pending = [Holder(row, attribute)]
    while pending:
        here = pending.pop()
        value = here.value
        if is_literal(value):
            found.append(here)
        if isinstance(value, dict):
            pending += [Holder(value, key) for key in value]
        elif isinstance(value, list):
            pending += [Holder(value, index) for index in range(len(value))]
    return found


def attributes_of(row: Row) -> list[str]:
    """The keys of a row that are attributes of its op or arguments of its block."""
    return [key for key in row if key not in STRUCTURE and key not in SUGAR]


def lift(draft: Draft, site: Site, attribute: str, kind: str) -> bool:
    """An attribute of a row becomes an expression of that kind."""
    found = holders(site.row, attribute)
    if not found:
        return False
    index = draft.rng.randrange(len(found))
    state = draft.rng.random()

    def change() -> bool:
        now = growth.site_now(draft, site)
        here = holders(now.row, attribute)[index]
        return LIFTERS[kind](draft, now, here, state)

    return draft.propose(change)


def _to_variable(draft: Draft, site: Site, here: Holder, state: float) -> bool:
    """A variable of the spec, or of the block, which may be computed from its arguments."""
    name = _name(draft, state)
    form = form_of(draft.rng, name, here.value)
    here.holder[here.key] = form.text
    if site.place.block is None:
        draft.data["vars"] = {**draft.data.get("vars", {}), name: form.value}
    else:
        block = draft.data["blocks"][site.place.block]
        value = form.value
        if type(value) is int and draft.rng.random() < 0.6:
            value = _computed(draft, site, block.get("args", {}), value)
        block["vars"] = {**block.get("vars", {}), name: value}
    return True


def _computed(draft: Draft, site: Site, args: Mapping[str, Any], value: int) -> str:
    """A number as an expression of what a block sees."""
    known = {"in_channels": _channels(draft, site), **args}
    numbers = {name: number for name, number in known.items() if type(number) is int}
    name = draft.rng.choice(list(numbers) or ["in_channels"])
    return _in_terms_of(draft.rng, name, numbers.get(name, 1), value)


def _channels(draft: Draft, site: Site) -> int | None:
    """What `in_channels` is in a row: that of the block, or what arrives at the row."""
    block = site.place.block
    found = [site] if block is None else uses(draft.data, block)[:1]
    shapes = [draft.arriving(place.path) for place in found]
    return facts.channels(shapes[0]) if shapes and shapes[0] is not None else None


def _in_terms_of(rng: Random, name: str, number: int, value: int) -> str:
    """An expression of a name, which is `number`, that gives `value`."""
    difference = value - number
    forms = [f"{name} + {difference}" if difference >= 0 else f"{name} - {-difference}"]
    if number and value % number == 0:
        forms.append(f"{value // number} * {name}" if value != number else name)
    if value and number % value == 0:
        forms.append(f"{name} // {number // value}")
    if value > number:
        forms.append(f"max({name}, {value})")
    return rng.choice(forms)


def _to_channels(draft: Draft, site: Site, here: Holder, state: float) -> bool:
    """An expression of `in_channels`."""
    del state
    number = _channels(draft, site)
    if number is None or type(here.value) is not int:
        return False
    here.holder[here.key] = _in_terms_of(draft.rng, "in_channels", number, here.value)
    return True


def _name(draft: Draft, state: float) -> str:
    """A new name; now and then that of an attribute, or of something in generated code."""
    if state < 0.1:
        taken = str(draft.data)
        odd = (
            "stride",
            "kernel_size",
            "out_channels",
            "groups",
            "channels",
            "layers",
            "x",
            "index",
        )
        free = [name for name in odd if f"'{name}'" not in taken]
        if free:
            return draft.rng.choice(free)
    return draft.fresh(*STEMS)


def _to_argument(draft: Draft, site: Site, here: Holder, state: float) -> bool:
    """An argument of the block: required, with a default, or with one that is computed."""
    if site.place.block is None:
        return False
    rng, block = draft.rng, draft.data["blocks"][site.place.block]
    name = _name(draft, state)
    form = form_of(rng, name, here.value)
    here.holder[here.key] = form.text
    add_argument(draft, site.place.block, name, form)
    if rng.random() < 0.7 and "args" in block:
        numbers = [other for other, value in block["args"].items() if type(value) is int]
        if numbers and type(form.value) is int:
            other = rng.choice(numbers[:1])
            if list(block["args"]).index(other) < list(block["args"]).index(name):
                difference = form.value - block["args"][other]
                block["args"][name] = f"{other} + {difference}" if difference >= 0 else other
    return True


def add_argument(draft: Draft, block_name: str, name: str, form: Form) -> None:
    """An argument for a block, given by its uses or not."""
    rng, block = draft.rng, draft.data["blocks"][block_name]
    is_required = rng.random() < 0.4
    block["args"] = {**block.get("args", {}), name: None if is_required else form.value}
    block_keys = ("description", "args", "vars", "columns", "layers")
    draft.data["blocks"][block_name] = {key: block[key] for key in block_keys if key in block}
    for use in uses(draft.data, block_name):
        if is_required or rng.random() < 0.5:
            use.row[name] = form.value


def _to_column(draft: Draft, site: Site, here: Holder, state: float) -> bool:
    """A column of a table, which may stand in the variables."""
    rng, name = draft.rng, _name(draft, state)
    form = form_of(rng, name, here.value)
    here.holder[here.key] = form.text
    around = [row for row in site.place.around if "layers" in row or "repeat" in row]
    tables = [row for row in (site.row, *around) if isinstance(row.get("each"), list)]
    row = rng.choice([*tables, site.row] if tables else [site.row, *around[-1:]])
    if row.get("each") is None:
        row["each"] = [{}] * rng.choice((1, 1, 2, 3))
        _call_loop(draft, row)
    if isinstance(row["each"], str):
        return _extend_table(draft, site, row["each"], name, form)
    row["each"] = [{**line, name: form.value} for line in row["each"]]
    if not row["each"]:
        return False
    for line in row["each"][1:]:
        if rng.random() < 0.5:
            line[name] = vary(rng, form.value)
    if rng.random() < 0.2:
        table = draft.fresh("stages", "table", "rows")
        block = site.place.block
        owner = draft.data if block is None else draft.data["blocks"][block]
        owner["vars"] = {**owner.get("vars", {}), table: row["each"]}
        row["each"] = table
    return True


def _call_loop(draft: Draft, row: Row) -> None:
    """Most repeated rows have a name, some with a hole for each step's number."""
    state = draft.rng.random()
    if state < 0.9:
        stem = row.get("name") or draft.fresh(*growth.NAMES)
        row["name"] = stem if state < 0.8 else stem + draft.rng.choice(("{i}", "{j + 1}"))


def _extend_table(draft: Draft, site: Site, table: str, name: str, form: Form) -> bool:
    owner = draft.data if site.place.block is None else draft.data["blocks"][site.place.block]
    rows = owner.get("vars", {}).get(table)
    if not isinstance(rows, list):
        return False
    owner["vars"][table] = [{**line, name: form.value} for line in rows]
    return True


def _to_index(draft: Draft, site: Site, here: Holder, state: float) -> bool:
    """An expression of `i` or `j`."""
    rng = draft.rng
    if not site.loops:
        around = [row for row in site.place.around if "layers" in row]
        row = rng.choice([site.row, site.row, *around[-1:]])
        row["repeat"] = rng.choice((1, 2, 2, 3))
        _call_loop(draft, row)
    written = counted_form(rng, "j" if state < 0.1 else "i", here.value)
    if written is None:
        return False
    here.holder[here.key] = written
    return True


LIFTERS = {
    "variable": _to_variable,
    "argument": _to_argument,
    "column": _to_column,
    "i": _to_index,
    "in_channels": _to_channels,
}


def vary(rng: Random, value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return max(rng.choice((value + 1, value - 1, 2 * value, value + 2)), 0)
    if isinstance(value, float):
        return rng.choice((value / 2, 0.25, 0.75))
    if isinstance(value, list) and value:
        at = rng.randrange(len(value))
        return [*value[:at], vary(rng, value[at]), *value[at + 1 :]]
    if isinstance(value, dict) and value:
        key = rng.choice(list(value))
        return {**value, key: vary(rng, value[key])}
    return _another_op(rng, value)


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
        growth.site_now(draft, site).place.rows.insert(index, other)

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
        defaults = draft.data.get("defaults", {})
        said = {op: {**given, **defaults.get(op, {})} for op, given in attributes.items() if given}
        draft.data["defaults"] = {**defaults, **said}
        if rng.random() < 0.3 and "variants" not in draft.data:
            draft.data["vars"] = {**draft.data.get("vars", {}), name: rng.choice((first, None))}
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


def lift_control(draft: Draft) -> bool:
    """How often a row is there comes from elsewhere."""
    rng = draft.rng
    found = [s for s in sites(draft.data) if isinstance(s.row.get("repeat"), int)]
    if not found:
        return False
    site = rng.choice(found)
    kinds = ("variable", "column", *(("argument",) * 3 if site.place.block else ()))
    return lift(draft, site, "repeat", rng.choice(kinds))


def _another_op(rng: Random, value: Any) -> Any:
    op = OPS_BY_NAME.get(value) if isinstance(value, str) else None
    if op is None:
        return value
    if op.role:
        return rng.choice(growth.BY_ROLE[op.role])
    return rng.choice(growth.MERGES) if facts.merges(value) else value


def lift_any(draft: Draft) -> bool:
    """Some attribute of some row becomes an expression."""
    rng = draft.rng
    site = rng.choice(sites(draft.data))
    names = attributes_of(site.row)
    kinds = ["variable", "column", "i", "in_channels"]
    kinds += ["argument", "argument", "argument", "variable"] if site.place.block else []
    return bool(names) and lift(draft, site, rng.choice(names), rng.choice(kinds))


def lift_op(draft: Draft) -> bool:
    """The op of a row becomes a variable, an argument or a column; its attributes defaults."""
    rng = draft.rng
    found = [s for s in sites(draft.data) if is_op(s.row) or s.row.get("op") in _blocks(draft)]
    if not found:
        return False
    inner = [s for s in found if s.place.block and s.row["op"] in _blocks(draft)]
    site = rng.choice(inner if inner and rng.random() < 0.3 else found)

    def change() -> bool:
        now = growth.site_now(draft, site)
        op = now.row["op"]
        if op in OPS_BY_NAME and rng.random() < 0.7:
            _to_defaults(draft, now.row)
        return _hand_over(draft, now, Holder(now.row, "op"))

    return draft.propose(change)


def _blocks(draft: Draft) -> list[str]:
    return list(draft.data.get("blocks", {}))


def _to_defaults(draft: Draft, row: Row) -> None:
    """What a row says of its op is said for all rows of that op."""
    moved = {key: row.pop(key) for key in attributes_of(row) if is_literal(row[key])}
    if moved:
        defaults = draft.data.get("defaults", {})
        defaults = {**defaults, row["op"]: {**defaults.get(row["op"], {}), **moved}}
        draft.data = {"defaults": defaults, **draft.data}
        draft.data["defaults"] = defaults


def _hand_over(draft: Draft, site: Site, here: Holder) -> bool:
    """The name of an op, or a choice between two, as a value from elsewhere."""
    rng, op = draft.rng, here.value
    if not isinstance(op, str):
        return False
    name = draft.fresh("act", "norm_", "op", "layer", "block", "join")
    form = Form(name, op)
    if rng.random() < 0.2:
        form = Form(f"{op} if {name} else {_another_op(rng, op)}", True)  # noqa: FBT003 - a value
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
        _call_loop(draft, site.row)
    elif site.place.block is None:
        draft.data["vars"] = {**draft.data.get("vars", {}), name: form.value}
    else:
        block = draft.data["blocks"][site.place.block]
        block["vars"] = {**block.get("vars", {}), name: form.value}
    return True


def lift_sugar(draft: Draft) -> bool:
    """The op of a norm, an activation or a dropout that a row carries comes from elsewhere."""
    rng = draft.rng
    found = [(s, key) for s in sites(draft.data) for key in SUGAR if key in s.row]
    if not found:
        return False
    site, key = rng.choice(found)

    def change() -> bool:
        now = growth.site_now(draft, site)
        value = now.row[key]
        if isinstance(value, dict):
            inner = [k for k in value if k != "op"]
            if inner and rng.random() < 0.5:
                here = rng.choice(holders(value, rng.choice(inner)) or [Holder(value, inner[0])])
                kinds = ("variable", "column", "i", "argument")
                return is_literal(here.value) and LIFTERS[rng.choice(kinds)](
                    draft, now, here, rng.random()
                )
            if rng.random() < 0.5:
                defaults = draft.data.setdefault("defaults", {})
                op = value["op"]
                if op in OPS_BY_NAME:
                    moved = {k: v for k, v in value.items() if k != "op" and is_literal(v)}
                    defaults[op] = {**defaults.get(op, {}), **moved}
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
        now = growth.site_now(draft, site)
        now.row[name] = value
        if isinstance(value, str) and value in OPS_BY_NAME and rng.random() < 0.4:
            return _hand_over(draft, now, Holder(now.row, name))
        now.row[name] = vary(rng, value)
        return True

    return draft.propose(change)
