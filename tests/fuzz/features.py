"""What else a spec may say: conditions, repetitions, sugar, outputs, init, families, tables."""

from typing import Any

from archspec.ops import OPS_BY_NAME
from tests.fuzz import growth
from tests.fuzz.draft import SUGAR, Draft, Row, Site, loops, places, sites
from tests.fuzz.lifting import vary
from tests.fuzz.sampling import sample

ODD_NAMES = (
    "x",
    "torch",
    "F",
    "layer",
    "super",
    "type",
    "half",
    "children",
    "add",
    "self",
    "train",
)
"""Names that need care: all for merges, the first five for whatever becomes a module."""


def _some(draft: Draft) -> Site:
    return draft.rng.choice(sites(draft.data))


def condition(draft: Draft) -> bool:
    """A row has a condition, true or false."""
    rng, site = draft.rng, _some(draft)
    if "when" in site.row or site.place.kind == "single":
        return False
    written = rng.choice((True, False, *(_conditions(draft, site))))

    def change() -> None:
        row = draft.site_now(site).row
        row["when"] = written
        if rng.random() < 0.3 and "from" not in row:
            row["from"] = "input"

    return draft.propose(change)


def _conditions(draft: Draft, site: Site) -> list[str]:
    """Conditions of whatever a row sees."""
    rng = draft.rng
    number = rng.randint(1, 8)
    found = [f"in_channels {sign} {number}" for sign in (">", "!=", "<=")]
    found += [f"in_height > {number}", f"in_width != {number}"]
    names: dict[str, Any] = dict(draft.data.get("vars", {}))
    if site.place.block is not None:
        block = draft.data["blocks"][site.place.block]
        names = {**block.get("args", {}), **block.get("vars", {})}
    for name, value in names.items():
        if isinstance(value, bool):
            found += [name, f"not {name}"]
        elif isinstance(value, int) or value is None:
            found += [f"{name} > {number}", f"{name} == {value}", f"{name} != in_channels"]
    if site.loops:
        found += ["i > 0", "i == 0", "j != 1"]
    return found


def repetition(draft: Draft) -> bool:
    """A row is repeated, or not there at all."""
    rng, site = draft.rng, _some(draft)
    merging = [s for s in sites(draft.data) if "branches" in s.row]
    if merging and rng.random() < 0.2:
        site = rng.choice(merging)
    if site.place.kind == "single":
        return False
    times = rng.choice((0, 1, 2, 2, 3))
    tables: tuple[Any, ...] = ([], [{}], [{}, {}])
    key, value = rng.choice((("repeat", times), ("repeat", times), ("each", rng.choice(tables))))

    def change() -> bool:
        row = draft.site_now(site).row
        if key in row:
            return False
        row[key] = value
        if rng.random() < 0.8:
            stem = row.get("name") or draft.fresh(*growth.NAMES)
            row["name"] = stem + rng.choice(("", "", "", "{i}", "{j + 1}", "_{2 * i}"))
        return True

    return draft.propose(change)


def by_columns(draft: Draft) -> bool:
    """A table is written by its columns, one of which may be a variable."""
    rng = draft.rng
    tables = [(s, key) for s in loops(draft.data) for key in ("each", "beside")]
    found = [(site, key) for site, key in tables if _is_table(site.row.get(key))]
    if not found:
        return False
    site, table = rng.choice(found)

    def change() -> bool:
        now = draft.site_now(site)
        lines = now.row[table]
        columns: dict[str, Any] = {key: [line[key] for line in lines] for key in lines[0]}
        if rng.random() < 0.6:
            key = rng.choice(list(columns))
            name = draft.fresh("widths", "column")
            draft.declare(now.place.block, {name: columns[key]})
            columns[key] = rng.choice((name, name, f"{name}[:]"))
        now.row[table] = columns
        return True

    return draft.propose(change)


def _is_table(table: Any) -> bool:
    return isinstance(table, list) and bool(table) and bool(table[0])


def longer(draft: Draft) -> bool:
    """A repetition has another length; a table one row more, or none."""
    rng = draft.rng
    found = loops(draft.data)
    if not found:
        return False
    site = rng.choice(found)

    def change() -> bool:
        row = draft.site_now(site).row
        if isinstance(row.get("each"), list) and rng.random() < 0.7:
            lines = row["each"]
            if rng.random() < 0.15:
                row["each"] = []
            elif lines:
                lines.append({key: rng.choice((v, vary(rng, v))) for key, v in lines[-1].items()})
            return True
        if isinstance(row.get("repeat"), int):
            row["repeat"] = rng.choice((0, 1, 2, 3, row["repeat"] + 1))
            return True
        return False

    return draft.propose(change)


def sugar(draft: Draft) -> bool:
    """A convolution or linear layer carries a norm, an activation or dropout along."""
    rng = draft.rng
    found = [s for s in sites(draft.data) if _is_weighted(s.row)]
    if not found:
        return False
    site = rng.choice(found)
    role = rng.choice(SUGAR)
    shape = draft.arriving(site.path)
    op = rng.choice(growth.BY_ROLE[role])
    attributes = None if shape is None else sample(rng, op, shape)
    if attributes is None:
        attributes = {}
    value: Any = {"op": op, **attributes} if attributes or rng.random() < 0.3 else op
    if role == "dropout" and op == "dropout":
        value = rng.choice((attributes.get("p", 0.25), value))
    if op == "group_norm" and isinstance(value, dict):
        value["num_groups"] = rng.choice((1, 1, 2))

    def change() -> None:
        draft.site_now(site).row[role] = value

    return draft.propose(change)


def _is_weighted(row: Row) -> bool:
    op = OPS_BY_NAME.get(str(row.get("op")))
    return op is not None and op.weighted


def default_sugar(draft: Draft) -> bool:
    """All rows of an op carry something along; one of them does not."""
    rng = draft.rng
    found = [s for s in sites(draft.data) if _is_weighted(s.row)]
    if not found:
        return False
    site = rng.choice(found)
    role = rng.choice(("activation", "activation", "norm", "dropout"))
    op = rng.choice(growth.BY_ROLE[role])
    needed = {"group_norm": {"num_groups": 1}, "local_response_norm": {"size": 3}}
    value: Any = {"op": op, **needed[op]} if op in needed else op
    if role == "dropout":
        value = 0.25

    def change() -> None:
        name = site.row["op"]
        draft.by_default(name, {role: value})
        others = [s for s in sites(draft.data) if s.row.get("op") == name]
        if len(others) > 1 and rng.random() < 0.5:
            rng.choice(others).row[role] = False

    return draft.propose(change)


def named(draft: Draft) -> bool:
    """A row has a name, or none any more; now and then one that generated code uses itself."""
    rng, site = draft.rng, _some(draft)
    if site.place.kind == "single":
        return False

    def change() -> None:
        row = draft.site_now(site).row
        if "name" in row:
            del row["name"]
        else:
            row["name"] = draft.fresh(*growth.NAMES)
            if rng.random() < 0.3:
                odd = rng.choice(ODD_NAMES if row.get("op") in growth.MERGES else ODD_NAMES[:5])
                row["name"] = odd if f"'{odd}'" not in str(draft.data) else row["name"]

    return draft.propose(change)


def table(draft: Draft) -> bool:
    """The rows of the network, or of a block, stand as cells under columns."""
    rng = draft.rng
    found = [p for p in places(draft.data) if p.kind in ("network", "block")]
    place = rng.choice(found)
    rows = [row for row in place.rows if isinstance(row, dict)]
    columns = list(dict.fromkeys(key for row in rows for key in row if "layers" not in row))
    if not columns or len(columns) > 8 or "branches" in columns:
        return False

    def change() -> bool:
        owner = draft.owner(place.block)
        if "columns" in owner:
            return False
        cells = [
            row if "layers" in row else [row.get(column) for column in columns]
            for row in owner["layers"]
            if isinstance(row, dict)
        ]
        layers = owner.pop("layers")
        assert len(layers) == len(cells)
        owner["columns"], owner["layers"] = columns, cells
        return True

    return draft.propose(change)


def all_by_columns(draft: Draft) -> bool:
    """Tables in rows are written by their columns: lists of equal length."""

    def change() -> None:
        for site in sites(draft.data):
            for key in ("each", "beside"):
                lines = site.row.get(key)
                if isinstance(lines, list) and lines and lines[0]:
                    site.row[key] = {name: [line[name] for line in lines] for name in lines[0]}

    return draft.propose(change)
