"""What was written: a spec as a tree of rows, every value still as it stands in the text."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from archspec.diagnostics import SpecPath
from archspec.language.source import Data


class Claim(NamedTuple):
    """A published figure: `metric` is claimed to be `value`, according to `source`."""

    metric: str
    value: Data
    at: SpecPath
    source: str | None = None
    convention: str | None = None
    tolerance: Data = None


class Step(NamedTuple):
    """One row: an op with its attributes, or a named group with a body of its own.

    `columns` are the names of the cells when the row is written as a list.
    """

    at: SpecPath
    name: str | None
    op: str | None
    attributes: Mapping[str, Data]
    sugar: Mapping[str, Data]
    body: "Body | None" = None
    claims: tuple[Claim, ...] = ()
    columns: tuple[str, ...] | None = None

    def where(self, key: str) -> SpecPath:
        """The place of one of the row's values, or the row's where it is not given there."""
        if self.columns is not None:
            return (*self.at, self.columns.index(key)) if key in self.columns else self.at
        return (*self.at, key)


class Body(NamedTuple):
    """Steps in order."""

    at: SpecPath
    steps: tuple[Step, ...]


class Spec(NamedTuple):
    """A whole spec: `input` is (C, H, W), `defaults` are attributes by op, `vars` in order."""

    name: str
    input: Data
    body: Body
    source: str | None = None
    description: str | None = None
    vars: Mapping[str, Data] = MappingProxyType({})
    defaults: Mapping[str, Mapping[str, Data]] = MappingProxyType({})
    claims: tuple[Claim, ...] = ()
