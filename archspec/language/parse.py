"""Plain data → Spec: the grammar of a spec's keys, with every fault collected."""

from collections.abc import Iterable, Mapping
from functools import cache
from itertools import islice
from typing import Any

from archspec.diagnostics import Diagnostic, SpecPath
from archspec.diagnostics.language import (
    ColumnsMissing,
    EmptyBody,
    InvalidValue,
    MissingKey,
    NoOp,
    TooManyCells,
    UnknownKey,
    UnknownVersion,
    WrongType,
)
from archspec.diagnostics.wording import describe, did_you_mean, kind_of, suggest
from archspec.language.model import Body, Claim, Spec, Step
from archspec.language.source import Data, Document

VERSION = 1
MAX_FAULTS = 500
"""A spec with that many faults is not read on: nobody reads them, and finding more takes time."""
SUGAR = ("norm", "activation", "dropout")
"""Steps that a row may carry, in the order in which they follow it."""
CLAIM_COLUMNS = ("output", "params")
"""Columns of a table that claim instead of define."""

_SPEC_KEYS = (
    *("archspec", "name", "source", "description", "input", "vars", "defaults"),
    *("columns", "layers", "expect"),
)
_GROUP_KEYS = ("name", "layers", "columns", "expect")
_CLAIM_KEYS = ("value", "source", "convention", "tolerance")
_SHARED_CLAIM_KEYS = ("source", "convention", "tolerance")


def parse(document: Document) -> tuple[Spec | None, list[Diagnostic]]:
    """Read a document as a spec; None when there is too little to go on."""
    parser = _Parser()
    spec = parser.spec(document.data) if document.data is not None or not document.faults else None
    return spec, [*document.faults, *parser.faults]


@cache
def known_columns() -> frozenset[str]:
    """What a column of a table may hold: any key of a row of any op."""
    from archspec.ops import OPS  # naming specs (`archspec list`) does not need them

    return _ROW_KEYS.union(*((*op.model_fields, *op.aliases) for op in OPS))


class _Parser:
    def __init__(self) -> None:
        self.faults: list[Diagnostic] = []

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
        keys = list(keys)
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
        if value is None or not self.typed(value, dict, (*at, key), f"`{key}`"):
            return {}
        typed: Mapping[str, Data] = value
        return typed

    def spec(self, data: Data) -> Spec | None:
        if not self.typed(data, dict, (), "a spec"):
            return None
        self.known(data, _SPEC_KEYS, (), "a spec")
        for key in ("archspec", "name", "input", "layers"):
            if data.get(key) is None:
                help_ = "write `archspec: 1`" if key == "archspec" else _MISSING[key]
                self.fault(MissingKey, (), owner="a spec", key=key, help=help_)
        version = data.get("archspec")
        if version is not None and type(version) is not int:
            found = describe(version)
            self.fault(
                WrongType, ("archspec",), what="`archspec`", wanted="the number 1", found=found
            )
        elif version not in (None, VERSION):
            self.fault(UnknownVersion, ("archspec",), version=version)
        columns = self.columns(data, (), None)
        defaults = self.mapping(data, "defaults", ())
        return Spec(
            name=self.text(data, "name", ()) or "unnamed",
            source=self.text(data, "source", ()),
            description=self.text(data, "description", ()),
            input=data.get("input"),
            vars=self.mapping(data, "vars", ()),
            defaults={op: self.mapping(defaults, op, ("defaults",)) for op in defaults},
            body=Body(("layers",), ())
            if data.get("layers") is None  # told already
            else self.body(data["layers"], ("layers",), columns, "the spec"),
            claims=self.claims(data, ()),
        )

    def columns(
        self, data: Mapping[str, Data], at: SpecPath, outer: tuple[str, ...] | None
    ) -> tuple[str, ...] | None:
        value = data.get("columns")
        if value is None or not self.typed(value, list, (*at, "columns"), "`columns`"):
            return outer
        for i, cell in enumerate(value):
            where = (*at, "columns", i)
            if self.typed(cell, str, where, "a column's name") and cell not in known_columns():
                help_ = suggest(cell, sorted(known_columns()))
                self.fault(UnknownKey, where, owner="a row", key=cell, help=help_)
        repeated = {c for c in value if isinstance(c, str) and value.count(c) > 1}
        for column in sorted(repeated):
            at_column = (*at, "columns", len(value) - 1 - value[::-1].index(column))
            self.fault(InvalidValue, at_column, problem=f"the column `{column}` is there twice")
        return tuple(str(cell) for cell in value)

    def body(self, data: Data, at: SpecPath, columns: tuple[str, ...] | None, owner: str) -> Body:
        if not self.typed(data, list, at, "`layers`"):
            return Body(at, ())
        if not data:
            self.fault(EmptyBody, at, owner=owner)
        steps = (
            self.step(row, (*at, i), columns)
            for i, row in enumerate(data)
            if len(self.faults) < MAX_FAULTS
        )
        return Body(at, tuple(steps))

    def step(self, row: Data, at: SpecPath, columns: tuple[str, ...] | None) -> Step:
        if type(row) is dict:
            return self.group(row, at, columns) if "layers" in row else self.row(row, at, None)
        if type(row) is not list:
            self.fault(
                WrongType, at, what="a row", wanted="a mapping or a list", found=describe(row)
            )
            return Step(at, None, None, {}, {})
        if columns is None:
            self.fault(ColumnsMissing, at)
            return Step(at, None, None, {}, {})
        if len(row) > len(columns):
            where = (*at, len(columns))
            self.fault(TooManyCells, where, cells=len(row), columns=len(columns))
        for i, cell in enumerate(row):
            if cell in ("None", "none"):
                self.fault(InvalidValue, (*at, i), problem="an empty cell is written `~`")
        named, known = zip(columns, row, strict=False), known_columns()
        told = (None, "None", "none")
        cells = {c: v for c, v in named if v not in told and c in known}
        return self.row(cells, at, columns)

    def row(self, row: Mapping[str, Data], at: SpecPath, columns: tuple[str, ...] | None) -> Step:
        op = row.get("op")
        here = Step(at, None, None, {}, {}, columns=columns)
        if op is None:
            misspelt = [key for key in row if suggest(key, ["op"]) == did_you_mean("op")]
            help_ = f"did you mean `op` by `{misspelt[0]}`?" if misspelt else None
            self.fault(NoOp, at, help=help_)
            return here
        if not self.typed(op, str, here.where("op"), "`op`"):
            return here
        attributes, sugar = {}, {}
        for key, value in row.items():
            if key in SUGAR:
                sugar[key] = value
            elif key not in _ROW_KEYS:
                attributes[key] = value
        name = row.get("name")
        claims = () if not _CLAIMING.intersection(row) else self.claims(row, at, here)
        return Step(
            at, None if name is None else str(name), op, attributes, sugar, None, claims, columns
        )

    def group(self, row: Mapping[str, Data], at: SpecPath, columns: tuple[str, ...] | None) -> Step:
        self.known(row, _GROUP_KEYS, at, "a group")
        name = row.get("name")
        body = self.body(
            row["layers"],
            (*at, "layers"),
            self.columns(row, at, columns),
            f"the group `{name or ''}`",
        )
        claims = self.claims(row, at)
        return Step(at, None if name is None else str(name), None, {}, {}, body, claims)

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
        source, convention = (self.text(stated, key, at) for key in ("source", "convention"))
        return Claim(metric, value, at, source, convention, stated.get("tolerance"))


_ROW_KEYS = frozenset({"name", "op", "expect", *SUGAR, *CLAIM_COLUMNS})
_CLAIMING = frozenset({"expect", *CLAIM_COLUMNS})
_MISSING = {
    "name": "write `name: MyNet`; it becomes the name of the generated class",
    "input": "write `input: [3, 224, 224]`: channels, height, width",
    "layers": "write the rows of the table under `layers:`",
}
