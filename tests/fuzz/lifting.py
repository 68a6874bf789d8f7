"""Values become expressions: of variables, arguments of blocks, columns of `each`, or `i`."""

from collections.abc import Mapping
from random import Random
from typing import Any, NamedTuple

from archspec.graph.arriving import seen
from archspec.ops import OPS_BY_NAME
from tests.fuzz import facts, growth
from tests.fuzz.draft import STRUCTURE, SUGAR, Draft, Row, Site, sites, uses
from tests.fuzz.forms import Form, another_word, counted_form, form_of

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


def is_word(row: Row, attribute: str) -> bool:
    """Whether an attribute is a word that its op takes: `padding: same`."""
    op = OPS_BY_NAME.get(str(row.get("op")))
    return op is not None and row[attribute] in op.words.get(attribute, ())


def holders(row: Row, attribute: str) -> list[Holder]:
    """Where an attribute's literals stand: the whole value, and what is in lists and mappings."""
    if isinstance(row[attribute], str) and is_word(row, attribute):
        return [Holder(row, attribute)]
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
        now = draft.site_now(site)
        here = holders(now.row, attribute)[index]
        return LIFTERS[kind](draft, now, here, state)

    return draft.propose(change)


def _to_variable(draft: Draft, site: Site, here: Holder, state: float) -> bool:
    """A variable of the spec, or of the block, which may be computed from its arguments."""
    name = _name(draft, state)
    form = form_of(draft.rng, name, here.value)
    here.holder[here.key] = form.text
    block, value = site.place.block, form.value
    if block is not None and type(value) is int and draft.rng.random() < 0.6:
        value = _computed(draft, site, draft.owner(block).get("args", {}), value)
    draft.declare(block, {name: value})
    return True


def _computed(draft: Draft, site: Site, args: Mapping[str, Any], value: int) -> str:
    """A number as an expression of what a block sees."""
    known = {**_arriving(draft, site), **args}
    numbers = {name: number for name, number in known.items() if type(number) is int}
    name = draft.rng.choice(list(numbers) or ["in_channels"])
    return in_terms_of(draft.rng, name, numbers.get(name, 1), value)


def _arriving(draft: Draft, site: Site) -> dict[str, int]:
    """What `in_channels` and the sizes are in a row: of the block, or of what arrives there."""
    block = site.place.block
    found = [site] if block is None else uses(draft.data, block)[:1]
    shapes = [draft.arriving(place.path) for place in found]
    if not shapes or shapes[0] is None:
        return {}
    return {name: value for name, value in seen(shapes[0]).items() if type(value) is int}


def in_terms_of(rng: Random, name: str, number: int, value: int) -> str:
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
    """An expression of `in_channels`, `in_height` or `in_width`."""
    del state
    found = _arriving(draft, site)
    if not found or type(here.value) is not int:
        return False
    name = draft.rng.choice([*found, "in_channels"])
    here.holder[here.key] = in_terms_of(draft.rng, name, found[name], here.value)
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
    block_keys = ("description", "inputs", "args", "vars", "columns", "layers", "outputs")
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
    tables = [row for row in (site.row, *around) if _table_of(row) is not None]
    row = rng.choice([*tables, site.row] if tables else [site.row, *around[-1:]])
    key = "beside" if "beside" in row else "each"
    if isinstance(row.get(key), dict):
        return False
    if key not in row:
        row[key] = [{}] * rng.choice((1, 1, 2, 3))
        call_loop(draft, row)
    if isinstance(row[key], str):
        return _extend_table(draft, site, row[key], name, form)
    if isinstance(row[key], int):
        row[key] = [{} for _ in range(row[key])]
    row[key] = [{**line, name: form.value} for line in row[key]]
    if not row[key]:
        return False
    for line in row[key][1:]:
        if rng.random() < 0.5:
            line[name] = vary(rng, form.value)
    if rng.random() < 0.2:
        table = draft.fresh("stages", "table", "rows")
        draft.declare(site.place.block, {table: row[key]})
        row[key] = table
    return True


def _table_of(row: Row) -> list[Row] | None:
    """The table of a row's places, as it is written there."""
    tables = (row.get("each"), row.get("beside"))
    return next((table for table in tables if isinstance(table, list)), None)


def call_loop(draft: Draft, row: Row) -> None:
    """Most repeated rows have a name, some with a hole for each step's number."""
    state = draft.rng.random()
    if state < 0.9:
        stem = row.get("name") or draft.fresh(*growth.NAMES)
        row["name"] = stem if state < 0.8 else stem + draft.rng.choice(("{i}", "{j + 1}"))


def _extend_table(draft: Draft, site: Site, table: str, name: str, form: Form) -> bool:
    owner = draft.owner(site.place.block)
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
        call_loop(draft, row)
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
    other = another_word(rng, value) if isinstance(value, str) else None
    return other or another_op(rng, value)


def lift_control(draft: Draft) -> bool:
    """How often a row is there comes from elsewhere."""
    rng = draft.rng
    found = [s for s in sites(draft.data) if isinstance(s.row.get("repeat"), int)]
    if not found:
        return False
    site = rng.choice(found)
    kinds = ("variable", "column", *(("argument",) * 3 if site.place.block else ()))
    return lift(draft, site, "repeat", rng.choice(kinds))


def another_op(rng: Random, value: Any) -> Any:
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
