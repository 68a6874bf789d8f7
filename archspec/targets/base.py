"""What a target is: something that turns checked networks into files."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from archspec.analysis.results import Results
from archspec.diagnostics import SpecPath
from archspec.graph.network import Network


class Order(NamedTuple):
    """How networks are to be written.

    `stem` is what the spec's file is called, `family` the name of the family that the networks
    are members of, if they are, and `templates` a folder of somebody's own templates. `line_of`
    tells the line of a place in the spec.
    """

    stem: str = "network"
    family: str | None = None
    templates: Path | None = None
    line_of: Callable[[SpecPath], int] | None = None


class Emission(NamedTuple):
    """What a target gives: `files` by name, as bytes, and `notes` that a person should read.

    A name may have folders in it, `weights/conv1.bin`; the first file is the one that is shown
    where only one can be.
    """

    files: Mapping[str, bytes]
    notes: tuple[str, ...] = ()


class TemplateFault(Exception):
    """Somebody's own template cannot be used; `line` is 0 where no line is to blame."""

    def __init__(self, file: Path, line: int, problem: str) -> None:
        super().__init__(f"{file}:{line}: {problem}" if line else f"{file}: {problem}")
        self.file = file
        self.line = line
        self.problem = problem


class Target(Protocol):
    """A language or framework that networks are written in."""

    @property
    def name(self) -> str:
        """What `--target` calls it."""

    def emit(self, networks: Sequence[tuple[str, Network, Results]], order: Order) -> Emission:
        """The files of networks without errors, each under its name; the same bytes every time.

        Raises `archspec.diagnostics.Fault` about the whole where they have no reasonable form,
        and `TemplateFault` where a template of `order.templates` is faulty.
        """
