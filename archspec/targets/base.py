"""What a target is: something that turns a checked network into the text of a file."""

from collections.abc import Sequence
from typing import Protocol

from archspec.analysis.results import Results
from archspec.diagnostics import SpecPath
from archspec.graph.network import Network


class CannotWrite(Exception):
    """A step that has no plain form in the target; `where` is its place in the spec."""

    def __init__(self, where: SpecPath, problem: str) -> None:
        super().__init__(problem)
        self.where = where
        self.problem = problem


class Target(Protocol):
    """A language or framework that networks are written in."""

    @property
    def name(self) -> str:
        """What `--target` calls it."""

    def generate(
        self, networks: Sequence[tuple[str, Network, Results]], family: str | None = None
    ) -> str:
        """The text of a file for networks without errors; the same bytes every time.

        Several networks are the members of a `family`. Raises `CannotWrite`.
        """

    def file_name(self, stem: str) -> str:
        """What the file is called for a spec called `stem`."""
