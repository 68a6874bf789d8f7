"""The rows of a spec's bodies: steps, groups, branches, and what is claimed of them."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any

from archspec.diagnostics import Diagnostic, SpecPath
from archspec.diagnostics.foreign import op_in, suggest_key
from archspec.diagnostics.language import (
    ColumnsMissing,
    EmptyBody,
    InvalidValue,
    MissingKey,
    NoOp,
    TooManyCells,
    UnknownKey,
    Unused,
    WrongType,
)
from archspec.diagnostics.wording import describe, did_you_mean, kind_of, meant_by, suggest
from archspec.language import forms
from archspec.language.init import read_schemes
from archspec.language.model import Body, Claim, Control, Step
from archspec.language.source import Data

MOST_NAMES = 24
"""Names of rows that a message tells."""
NO_CELL = ": no row has anything there"
NO_LIST = ": no row is a list of cells"
MAX_FAULTS = 500
"""A spec with that many faults is not read on: nobody reads them, and finding more takes time."""
SUGAR = ("norm", "activation", "dropout")
"""Steps that a row may carry, in the order in which they follow it."""
CLAIM_COLUMNS = ("output", "params")
"""Columns of a table that claim instead of define."""
CONTROL = ("when", "repeat", "each", "beside")
"""What decides whether and how often a step is run."""

_GROUP_KEYS = ("name", "layers", "columns", "expect", "from", *CONTROL, "else")
_CLAIM_KEYS = ("value", "source", "convention", "tolerance", "scope")
_SHARED_CLAIM_KEYS = ("source", "convention", "tolerance", "scope")
_STRUCTURE = frozenset({"from", "branches", "init", "else", *CONTROL})
ROW_KEYS = frozenset({"name", "op", "expect", *SUGAR, *CLAIM_COLUMNS, *_STRUCTURE})
_COLUMNS = {"layer_name": "name", "layer": "name", "type": "op"}
"""Words of slides for a table's columns."""
_CLAIMING = frozenset({"expect", *CLAIM_COLUMNS})


@cache
def known_columns() -> frozenset[str]:
    """What a column of a table may hold: any key of a row of any op."""
    from archspec.ops import OPS  # naming specs (`archspec list`) does not need them

    return ROW_KEYS.union(*((*op.model_fields, *op.aliases) for op in OPS))


def is_empty(cell: Data, column: str = "") -> bool:
    """Whether a cell of a table has nothing in it, as `~` has: slides write `None` and `-`, too.

    Under `else` the word `none` says something.
    """
    if cell == "none" and column == "else":
        return False
    return cell is None or cell in ("None", "none", "-", "–", "—")


class RowParser:
    """Reads rows, collecting every fault.

    `columns_too` are names that columns may have beside those of all ops: arguments of blocks.
    """

    def __init__(self) -> None:
        self.faults: list[Diagnostic] = []
        self.columns_too: frozenset[str] = frozenset()
        # Of each table where its columns stand, what they are, and those with anything in them.
        self.tables: dict[int, tuple[SpecPath, tuple[str, ...], set[str]]] = {}
        self.without_op: list[tuple[SpecPath, str]] = []  # rows, and how they are called

    def tell_without_op(self) -> None:
        """One fault for all rows that say neither what they do nor what they group."""
        if not self.without_op:
            return
        from archspec.ops import OPS_BY_NAME  # a spec without mistakes does not need it here

        (at, _), *others = self.without_op
        names: dict[str, list[str]] = {}
        for _, name in self.without_op[:MOST_NAMES]:
            if op := op_in(name, OPS_BY_NAME):
                names.setdefault(op, []).append(name)
        more = f", and {len(others)} more like it" if others else ""
        help_ = None
        if names and not others:
            help_ = f"is `{names[next(iter(names))][0]}` an `op: {next(iter(names))}`?"
        elif names:
            ops = "; ".join(f"{op} for {', '.join(called)}" for op, called in names.items())
            help_ = f"say which op each is, in a column or under the key `op`: {ops}"
        self.fault(NoOp, at, more=more, help=help_)

    def tell_empty_columns(self) -> None:
        """A warning for each column of a table in which no row has anything."""
        for where, columns, filled in self.tables.values():
            if not filled:
                names = ", ".join(columns)
                self.fault(Unused, where, on_key=True, what="columns", name=names, of=NO_LIST)
            for i, column in enumerate(columns if filled else ()):
                if column not in filled:
                    self.fault(Unused, (*where, i), what="column", name=column, of=NO_CELL)

    def fault(self, kind: type[Diagnostic], where: SpecPath, **facts: Any) -> None:
        self.faults.append(kind(where, **facts))

    def typed(self, value: Data, kind: type, where: SpecPath, what: str) -> bool:
        """Whether a value has the type its place asks for; a fault when not."""
        if type(value) is kind:
            return True
        self.fault(WrongType, where, what=what, wanted=kind_of(kind), found=describe(value))
        return False

    def known(
        self, data: Mapping[str, Data], keys: Iterable[str], at: SpecPath, owner: str
    ) -> None:
        keys = dict.fromkeys(keys)
        unknown = (key for key in data if key not in keys)
        for key in islice(unknown, MAX_FAULTS):
            where, help_ = (*at, key), suggest(key, keys)
            self.fault(UnknownKey, where, on_key=True, owner=owner, key=key, help=help_)

    def text(self, data: Mapping[str, Data], key: str, at: SpecPath) -> str | None:
        value = data.get(key)
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        self.typed(value, str, (*at, key), f"`{key}`")
        return None

    def mapping(self, data: Mapping[str, Data], key: str, at: SpecPath) -> Mapping[str, Data]:
        value = data.get(key)
        if value is None:
            return {}
        if type(value) is not dict:
            facts = {"what": f"`{key}`", "wanted": kind_of(dict), "found": describe(value)}
            self.fault(WrongType, (*at, key), **facts, help=forms.MAPPINGS.get(key, ""))
            return forms.as_mapping(value, key)
        return self.without_torn(value, lambda inner: (*at, key, inner))

    def is_column(self, name: str) -> bool:
        """Whether a column of a table may be called so."""
        return name in known_columns() or name in self.columns_too

    def columns(
        self, data: Mapping[str, Data], at: SpecPath, outer: tuple[str, ...] | None
    ) -> tuple[str, ...] | None:
        value = data.get("columns")
        if value is None or not self.typed(value, list, (*at, "columns"), "`columns`"):
            return outer
        meant = dict(_COLUMNS)
        for i, cell in enumerate(value):
            where = (*at, "columns", i)
            if len(self.faults) >= MAX_FAULTS:
                break
            name = _COLUMNS.get(str(cell), str(cell))
            if self.typed(cell, str, where, "a column's name") and not self.is_column(name):
                help_ = suggest_key(cell, sorted(known_columns() | self.columns_too))
                self.fault(UnknownKey, where, owner="a row", key=cell, help=help_)
                meant[cell] = meant_by(help_)
        last = {c: i for i, c in enumerate(value) if isinstance(c, str)}
        named = Counter(c for c in value if isinstance(c, str))
        repeated = sorted(c for c, count in named.items() if count > 1)
        for column in repeated[:MAX_FAULTS]:
            at_column = (*at, "columns", last[column])
            self.fault(InvalidValue, at_column, problem=f"the column `{column}` is there twice")
        columns = tuple(meant.get(str(cell)) or str(cell) for cell in value)
        self.tables[id(columns)] = ((*at, "columns"), columns, set())
        return columns

    def body(self, data: Data, at: SpecPath, columns: tuple[str, ...] | None, owner: str) -> Body:
        if type(data) is not list:
            help_ = forms.of_rows(data)
            facts = {"what": "`layers`", "wanted": kind_of(list), "found": describe(data)}
            self.fault(WrongType, at, **facts, help=help_)
            return Body(at, ())
        if not data:
            self.fault(EmptyBody, at, owner=owner)
        steps = tuple(
            self.step(row, (*at, i), columns)
            for i, row in enumerate(data)
            if len(self.faults) < MAX_FAULTS
        )
        for step in steps:
            if step.control is not None and step.control.otherwise and step.name is None:
                problem = "`else` says what the step's name stands for, and it has none"
                self.fault(InvalidValue, step.where("else"), problem=problem, help="give it a name")
            if step.control is not None and step.control.beside is not None:
                problem = "`beside` makes branches of one: it stands under `branches`"
                help_ = "`repeat` makes a chain; and where `from` speaks of `i`, each has its own"
                self.fault(InvalidValue, step.where("beside"), problem=problem, help=help_)
        return Body(at, steps)

    def step(self, row: Data, at: SpecPath, columns: tuple[str, ...] | None) -> Step:
        if type(row) is dict:
            return self.group(row, at, columns) if "layers" in row else self.row(row, at, None)
        if type(row) is not list:
            facts = {"what": "a row", "wanted": "a mapping or a list", "found": describe(row)}
            self.fault(WrongType, at, **facts, help=forms.of_row(row))
            return Step(at, None, None, {}, {})
        if columns is None:
            self.fault(ColumnsMissing, at)
            return Step(at, None, None, {}, {})
        if any(isinstance(cell, str) and cell.endswith(")") for cell in row):
            row = self.whole_cells(row, at, columns)
        if len(row) > len(columns):
            row = self.whole_number(row, at, columns)
        if len(row) > len(columns):
            where = (*at, len(columns))
            self.fault(TooManyCells, where, cells=len(row), columns=len(columns))
        named = zip(columns, row, strict=False)
        cells = {c: v for c, v in named if not is_empty(v, c) and self.is_column(c)}
        self.tables[id(columns)][2].update(cells)
        return self.row(cells, at, columns)

    def row(self, row: Mapping[str, Data], at: SpecPath, columns: tuple[str, ...] | None) -> Step:
        op = row.get("op")
        here = Step(at, None, None, {}, {}, columns=columns)
        if op is None:
            misspelt = [key for key in row if suggest(key, ["op"]) == did_you_mean("op")]
            nested = forms.of_row(row)
            if misspelt or nested:
                help_ = nested or f"did you mean `op` by `{misspelt[0]}`?"
                self.fault(NoOp, at, more="", help=help_)
            else:
                self.without_op.append((at, str(row.get("name") or "")))
            return here
        if type(op) is dict:
            wanted, help_ = "the name of an op, or an expression", forms.in_op(op)
            facts = {"what": "`op`", "wanted": wanted, "found": describe(op), "help": help_}
            self.fault(WrongType, here.where("op"), **facts)
            return here
        if not self.typed(op, str, here.where("op"), "`op`"):
            return here
        attributes, sugar = {}, {}
        row = self.without_torn(row, here.where)
        for key, value in row.items():
            if key in SUGAR:
                sugar[key] = value
            elif key not in ROW_KEYS:
                attributes[key] = value
        name = row.get("name")
        claims = () if not _CLAIMING.intersection(row) else self.claims(row, at, here)
        step = Step(
            at, None if name is None else str(name), op, attributes, sugar, None, claims, columns
        )
        if _STRUCTURE.isdisjoint(row):
            return step
        inputs, keys = self.inputs(row, here)
        return step._replace(
            inputs=inputs,
            keys=keys,
            control=self.control(row, here),
            branches=self.branches(row, here),
            init=read_schemes(self, row.get("init"), here.where("init")),
        )

    def without_torn(
        self, data: Mapping[str, Data], where: Callable[[str], SpecPath]
    ) -> Mapping[str, Data]:
        """The mapping with whole values for those that a comma tore apart, each of which is told.

        YAML makes the text `(3` and the key `3)` of `{kernel_size: (3, 3)}`. `where` gives the
        places of the values.
        """
        if not any(key.endswith(forms.ENDS) and data[key] is None for key in data):
            return data
        mended: dict[str, Data] = {}
        for key, rest in forms.torn(data):
            if not rest:
                mended[key] = data[key]
                continue
            meant, problem, help_ = forms.whole(key, ", ".join([str(data[key]), *rest]))
            if meant is not None:
                mended[key] = meant
            self.fault(InvalidValue, where(key), problem=problem, help=help_)
        return mended

    def whole_cells(
        self, row: Sequence[Data], at: SpecPath, columns: Sequence[str]
    ) -> Sequence[Data]:
        """The cells of a list row with whole ones for those that a comma tore apart."""
        cells: list[Data] = []
        for start, parts in forms.torn_cells(row):
            if len(parts) == 1 or len(cells) >= len(columns):
                cells += parts
                continue
            column = columns[len(cells)]
            meant, problem, help_ = forms.whole(column, ", ".join(map(str, parts)))
            help_ = help_.replace(f"`{column}: ", "`", 1)
            self.fault(InvalidValue, (*at, start), problem=problem, help=help_)
            cells.append(meant)
        return cells

    def whole_number(
        self, row: Sequence[Data], at: SpecPath, columns: Sequence[str]
    ) -> Sequence[Data]:
        """The cells with one in place of those that `1,792` in the last column makes."""
        cells = forms.thousands(row[len(columns) - 1 :])
        if cells is None:
            return row
        where, column = (*at, len(columns) - 1), columns[-1]
        problem = f"{column} is torn apart: a comma ends a value"
        self.fault(InvalidValue, where, problem=problem, help=f"write `{cells}`")
        return [*row[: len(columns) - 1], cells]

    def group(self, row: Mapping[str, Data], at: SpecPath, columns: tuple[str, ...] | None) -> Step:
        if "op" in row:
            help_ = "leave it out: rows under `layers` run one after the other"
            self.fault(UnknownKey, (*at, "op"), on_key=True, owner="a group", key="op", help=help_)
        self.known(row, (*_GROUP_KEYS, *(("op",) if "op" in row else ())), at, "a group")
        name = row.get("name")
        body = self.body(
            row["layers"],
            (*at, "layers"),
            self.columns(row, at, columns),
            f"the group `{name or ''}`",
        )
        step = Step(at, None if name is None else str(name), None, {}, {}, body)
        inputs, keys = self.inputs(row, step)
        return step._replace(
            claims=self.claims(row, at),
            inputs=inputs,
            keys=keys,
            control=self.control(row, step),
        )

    def control(self, row: Mapping[str, Data], step: Step) -> Control | None:
        """What decides whether and how often a step is run, None where nothing does."""
        if not any(row.get(key) is not None for key in CONTROL):
            if row.get("else") is not None:
                problem = "`else` says what the name of a step stands for that is left out"
                help_ = "it goes with `when`, `repeat` or `each`"
                self.fault(InvalidValue, step.where("else"), problem=problem, help=help_)
            return None
        when, repeat, each, beside = (row.get(key) for key in CONTROL)
        if beside is not None and (each is not None or repeat is not None):
            problem = "`beside` makes branches, `repeat` and `each` a chain: a row has one of them"
            self.fault(InvalidValue, step.where("beside"), problem=problem)
            beside = None
        if type(each) is dict and not (each and _may_be_columns(each)):
            each = self.table(each, step.where("each"))
        if type(beside) is dict and not (beside and _may_be_columns(beside)):
            beside = self.table(beside, step.where("beside"))
        return Control(when, repeat, each, beside, self.otherwise(row, step))

    def otherwise(self, row: Mapping[str, Data], step: Step) -> str | None:
        """What the step's name stands for where it is left out: a step, or `none`."""
        value = row.get("else")
        if value is None or self.is_reference(value):
            return None if value is None else str(value)
        wanted = "the name of a step, or `none`"
        found = describe(value)
        self.fault(WrongType, step.where("else"), what="`else`", wanted=wanted, found=found)
        return None

    def table(self, columns: Mapping[str, Data], where: SpecPath) -> Data:
        """The rows of a table that is written by its columns: `{width: [64, 128], s: [1, 2]}`."""
        lists = {name: cells for name, cells in columns.items() if type(cells) is list}
        lengths = {name: len(cells) for name, cells in lists.items()}
        if len(lists) < len(columns) or len(set(lengths.values())) != 1:
            told = ", ".join(f"{name} has {lengths.get(name, 'no list')}" for name in columns)
            problem = f"columns are lists of equal length; {told[:200] or 'there are none'}"
            self.fault(InvalidValue, where, problem=problem)
            return []
        return [dict(zip(lists, cells, strict=True)) for cells in zip(*lists.values(), strict=True)]

    def inputs(
        self, row: Mapping[str, Data], step: Step
    ) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
        """The names behind `from`, and for each the block's input that it is meant for, if said."""
        value, where = row.get("from"), step.where("from")
        if value is None:
            return None, None
        if not isinstance(value, dict):
            return self.steps_read(value, where), None
        read: list[str] = []
        keys: list[str] = []
        for key, written in value.items():
            found = () if written is None else self.steps_read(written, (*where, key))
            if found is None:
                return None, None
            read += found
            keys += [key] * len(found)
        if not read:
            self.fault(InvalidValue, where, problem="`from` names no step")
            return None, None
        return tuple(read), tuple(keys)

    def steps_read(self, value: Data, where: SpecPath) -> tuple[str, ...] | None:
        """The name of a step, or a list of them."""
        names = value if isinstance(value, list) else [value]
        if not names:
            self.fault(InvalidValue, where, problem="`from` names no step")
            return None
        kept: list[str] = []
        for i, name in enumerate(names):
            if self.is_reference(name):
                kept.append(str(name))
                continue
            at = (*where, i) if isinstance(value, list) else where
            wanted, help_ = "the name of a step, or a list of names", _as_source(name)
            found = describe(name)
            self.fault(WrongType, at, what="`from`", wanted=wanted, found=found, help=help_)
            kept += filter(_is_name, name) if isinstance(name, list) else ()
        return tuple(kept) or None

    def is_reference(self, value: Data) -> bool:
        """Whether a value may be the name of a step, a number among them."""
        return isinstance(value, str) or type(value) is int

    def branches(self, row: Mapping[str, Data], step: Step) -> tuple[Step | Body, ...] | None:
        """The paths that a merge brings together: named ones in a mapping, or a list of them."""
        value, where = row.get("branches"), step.where("branches")
        if value is None:
            return None
        if not value and isinstance(value, dict | list):
            self.fault(InvalidValue, where, problem="there are no branches to bring together")
            return ()
        if isinstance(value, dict):
            return tuple(self.branch(name, value[name], (*where, name)) for name in value)
        if isinstance(value, list) and all(map(_is_name, value)):
            help_ = f"steps that are there already are read: `from: [{', '.join(value)[:60]}]`"
            wanted = "rows, or lists of rows"
            facts = {"what": "`branches`", "wanted": wanted, "found": "names of steps"}
            self.fault(WrongType, where, **facts, help=help_)
            return ()
        if isinstance(value, list):
            return tuple(
                Body((*where, i), ())
                if branch == [] or branch is None
                else self.step(branch, (*where, i), None)
                if type(branch) is dict
                else self.body(branch, (*where, i), None, "a branch")
                for i, branch in enumerate(value)
            )
        wanted = "a mapping of names to steps, or a list of rows, or of lists of steps"
        self.fault(WrongType, where, what="`branches`", wanted=wanted, found=describe(value))
        return ()

    def branch(self, name: str, value: Data, at: SpecPath) -> Step:
        """A named branch: a list is a group of that name, a mapping a row of that name."""
        if isinstance(value, dict):
            if "name" in value:
                self.fault(InvalidValue, (*at, "name"), problem="a branch has its name already")
            return self.step({**value, "name": name}, at, None)
        empty = value is None or value == []
        if isinstance(value, str):
            wanted, help_ = "a row, or a list of rows", forms.of_row(value)
            found = describe(value)
            self.fault(WrongType, at, what="a branch", wanted=wanted, found=found, help=help_)
            return Step(at, name, None, {}, {}, Body(at, ()))
        body = Body(at, ()) if empty else self.body(value, at, None, f"the branch `{name}`")
        return Step(at, name, None, {}, {}, body)

    def claims(
        self, data: Mapping[str, Data], at: SpecPath, row: Step | None = None
    ) -> tuple[Claim, ...]:
        """The claims of `expect`, and of claimed columns where `row` is a row of ops."""
        expected = self.mapping(data, "expect", at)
        where = row.where("expect") if row else (*at, "expect")
        shared = {key: expected[key] for key in _SHARED_CLAIM_KEYS if key in expected}
        stated = (
            self.claim(metric, value, (*where, metric), shared)
            for metric, value in expected.items()
            if metric not in _SHARED_CLAIM_KEYS
        )
        claims = [claim for claim in stated if claim is not None]
        if row:
            columns = (column for column in CLAIM_COLUMNS if data.get(column) is not None)
            cells = (self.claim(c, data[c], row.where(c), {}) for c in columns)
            claims += [claim for claim in cells if claim is not None]
        return tuple(claims)

    def claim(
        self, metric: str, value: Data, at: SpecPath, shared: Mapping[str, Data]
    ) -> Claim | None:
        stated = dict(shared)
        if isinstance(value, dict):
            self.known(value, _CLAIM_KEYS, at, "a claim")
            if "value" not in value:
                self.fault(MissingKey, at, owner="a claim", key="value", help="")
                return None
            stated |= value
            value, at = value["value"], (*at, "value")
        texts = (self.text(stated, key, at) for key in ("source", "convention", "scope"))
        source, convention, scope = texts
        return Claim(metric, value, at, source, convention, stated.get("tolerance"), scope)


def _as_source(value: Data) -> str:
    """What was probably meant by something behind `from` that is no name."""
    if isinstance(value, float):
        return f'YAML reads a number here; a path stands in quotes, `from: "{value}"`'
    if isinstance(value, list) and all(map(_is_name, value)):
        return f"several steps are one list: `from: [{', '.join(map(str, value))}]`"
    if isinstance(value, dict) and len(value) == 1:
        return f"name the step alone: `from: {next(iter(value))}`"
    return "name the step that is read, or leave `from` away to read the row before"


def _is_name(value: Data) -> bool:
    return isinstance(value, str)


def _may_be_columns(columns: Mapping[str, Data]) -> bool:
    """Whether columns are lists, or texts that may give lists: how long these are is not known."""
    kinds = {type(cells) for cells in columns.values()}
    return str in kinds and kinds <= {str, list}
