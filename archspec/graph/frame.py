"""A body while it is walked: what its expressions see, and what its steps have given so far."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from archspec.expressions import Value as Worth
from archspec.graph.network import Node, Scope, Value

NOTHING: Mapping[str, "Source | Given"] = MappingProxyType({})
Source: TypeAlias = Value | None
"""What a step reads: a value, or None where `none` stands for what is left out."""


class Given(NamedTuple):
    """What a name stands for in `from`, where that is more than one value.

    `value` is what the name alone reads. `parts` are read by a path behind it: the steps of a
    group, the places of a repeated step, the outputs of a block; `places` are what `.*` reads.
    With a `problem` the name alone cannot be read; this is why, and `help` what would mend it. Of
    what `is_unknown` nothing can be said, for a fault that has been told: any path is its value.
    """

    value: Source
    parts: Mapping[str, "Source | Given"] = NOTHING
    places: tuple[Source, ...] | None = None
    problem: str = ""
    help: str = ""
    is_unknown: bool = False


def a_list(name: str, values: "tuple[Value, ...]") -> Given:
    """What the name of several values stands for, of which a path says which are meant."""
    parts = {str(i): value for i, value in enumerate(values)}
    help_ = f"read `{name}.0`, or all of it, `{name}.*`"
    return Given(None, parts, values, "is a list", help_)


class Frame:
    """A body while it is walked: what its expressions see, and what its steps gave so far.

    `fixed` says that `in_channels` is that of a block, not of the row. `shared` bodies are walked
    more than once. `in_group` says that it is a group's, not the network's or a block's own.
    `outputs` maps the names of steps, and of a block's inputs, to what they stand for; `sources`
    are the values that arrive at the body. `lookup` is the frame whose names `from` speaks of:
    `around` for the places of a repeated step, else the frame itself. `doubt` is the row that was
    left out, where the next one would have read something else with it than it reads without.
    `standing` are the names of steps that are left out without an `else`, and their values, `gone`
    those of all that are left out.
    """

    __slots__ = (
        "around",
        "children",
        "depth",
        "doubt",
        "fixed",
        "gone",
        "in_group",
        "inputs",
        "names",
        "numbers",
        "outputs",
        "path",
        "previous",
        "shared",
        "sources",
        "standing",
        "taken",
    )

    def __init__(
        self,
        names: dict[str, Worth],
        path: str,
        sources: tuple[Value, ...],
        depth: int,
        *,
        fixed: bool,
        shared: bool,
        in_group: bool = False,
        inputs: tuple[str, ...] = (),
    ) -> None:
        self.names = names
        self.path = path
        self.sources = sources
        self.previous = sources[0]
        self.depth = depth
        self.fixed = fixed
        self.shared = shared
        self.in_group = in_group
        self.inputs = inputs
        self.children: list[Scope | Node] = []
        self.numbers = 0  # of merges that came to one of what they bring together
        self.outputs: dict[str, Source | Given] = {}
        self.taken: set[str] = set()
        self.around: Frame | None = None
        self.doubt: str | None = None
        self.standing: dict[str, Source] = {}
        self.gone: set[str] = set()

    def inner(self, name: str) -> str:
        """The path of a step of that name."""
        return f"{self.path}.{name}" if self.path else name

    @property
    def lookup(self) -> "Frame":
        """The frame whose names `from` speaks of."""
        return self.around or self

    @property
    def number(self) -> str:
        """What the next step is called if it has no name."""
        return str(len(self.children) + self.numbers)

    @contextmanager
    def turning(self, rows: Sequence[Mapping[str, Worth]]) -> Iterator[None]:
        """Let `i`, `j` and the columns of a table mean what they do in the turns of a row.

        What they hide meanwhile comes back.
        """
        names, shared = self.names, self.shared
        own = ("i", "j", *(rows[0] if rows else ()))
        hidden = {key: names[key] for key in own if key in names}
        self.shared = True
        yield
        self.shared = shared
        for key in own:
            names.pop(key, None)
        names.update(hidden)

    def value_of(self, name: str) -> Source:
        """The value that a step of that name gives, None where it gives none."""
        given = self.outputs.get(name)
        return given.value if isinstance(given, Given) else given
