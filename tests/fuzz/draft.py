"""A spec in the making: every change is checked, and taken back where the spec is faulty then."""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from random import Random
from typing import Any, NamedTuple

from archspec.api import Check, check_text
from archspec.graph.network import Network, Scope
from archspec.ops import OPS_BY_NAME, Shape
from tests.fuzz import facts
from tests.fuzz.sampling import is_small
from tests.fuzz.text import to_yaml

Row = dict[str, Any]
MOST_NODES = 60
STRUCTURE = frozenset(
    {"op", "name", "from", "branches", "when", "repeat", "each", "beside", "else"}
    | {"layers", "columns", "init"}
)
SUGAR = ("norm", "activation", "dropout")


class CheckCrashed(Exception):
    """`check` raised an exception for this text."""

    def __init__(self, text: str, error: Exception) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.text = text
        self.error = error


class Place(NamedTuple):
    """A list of rows in a spec.

    `block` is the name of the block in which it stands, None in the network's own body. `around`
    are the rows it stands in, from the outside in. `kind` says whose rows they are.
    """

    rows: list[Any]
    path: tuple[Any, ...]
    block: str | None
    around: tuple[Row, ...]
    kind: str


class Site(NamedTuple):
    """A row with the list it stands in; `path` is where it stands in the text."""

    row: Row
    place: Place
    path: tuple[Any, ...]

    @property
    def loops(self) -> tuple[Row, ...]:
        """The rows that repeat this one, from the outside in, itself included."""
        return tuple(row for row in (*self.place.around, self.row) if is_loop(row))


def is_loop(row: Row) -> bool:
    """Whether a row may be there several times."""
    return "repeat" in row or "each" in row or "beside" in row


def places(data: Mapping[str, Any]) -> Iterator[Place]:
    """Every list of rows of a spec, the blocks' first."""
    for name, block in data.get("blocks", {}).items():
        path = ("blocks", name, "layers")
        yield from _places(Place(block["layers"], path, name, (), "block"))
    yield from _places(Place(data["layers"], ("layers",), None, (), "network"))


def _places(place: Place) -> Iterator[Place]:
    yield place
    for index, row in enumerate(place.rows):
        if not isinstance(row, dict):
            continue
        path = place.path if place.kind == "single" else (*place.path, index)
        around = (*place.around, row)
        if isinstance(row.get("layers"), list):
            inner = Place(row["layers"], (*path, "layers"), place.block, around, "group")
            yield from _places(inner)
        yield from _branches(row, path, place.block, around)


def _branches(
    row: Row, path: tuple[Any, ...], block: str | None, around: tuple[Row, ...]
) -> Iterator[Place]:
    branches = row.get("branches") or ()
    named = isinstance(branches, dict)
    for key, branch in branches.items() if isinstance(branches, dict) else enumerate(branches):
        inner = (*path, "branches", key)
        if isinstance(branch, list):
            kind = "named branch" if named else "branch"
            yield from _places(Place(branch, inner, block, around, kind))
        else:
            place = Place([branch], inner, block, around, "single")
            yield from _places(place)


def sites(data: Mapping[str, Any]) -> list[Site]:
    """Every row of a spec that is a mapping."""
    return [
        Site(row, place, place.path if place.kind == "single" else (*place.path, index))
        for place in places(data)
        for index, row in enumerate(place.rows)
        if isinstance(row, dict)
    ]


def loops(data: Mapping[str, Any]) -> list[Site]:
    """The rows that are repeated."""
    return [site for site in sites(data) if is_loop(site.row)]


def uses(data: Mapping[str, Any], block: str) -> list[Site]:
    """The rows that use a block by its name."""
    return [site for site in sites(data) if site.row.get("op") == block]


class Draft:
    """The data of a spec that `check` accepts, and how it is changed."""

    def __init__(self, rng: Random, data: dict[str, Any]) -> None:
        self.rng = rng
        self.data = data
        self.proposed = 0
        self.accepted = 0
        self.check: Check = self._checked()
        self.counter = 0

    @property
    def network(self) -> Network:
        """What the spec means now; of a family, the first member."""
        assert self.check.network is not None
        return self.check.network

    def text(self) -> str:
        """The spec as YAML."""
        return to_yaml(self.data)

    def _checked(self) -> Check:
        text = self.text()
        try:
            return check_text(text)
        except Exception as error:
            raise CheckCrashed(text, error) from error

    def fresh(self, *stems: str) -> str:
        """A name that nothing has yet."""
        self.counter += 1
        return f"{self.rng.choice(stems)}{self.counter}"

    def propose(self, change: Callable[[], Any]) -> bool:
        """Change the data by `change`, which may say False; keep it where the spec stays sound."""
        kept = self.data
        self.data = deepcopy(kept)
        self.proposed += 1
        if change() is not False:
            check = self._checked()
            if check.ok and all(map(_is_moderate, check.family or (check,))):
                self.check = check
                self.accepted += 1
                return True
        self.data = kept
        return False

    def owner(self, block: str | None) -> dict[str, Any]:
        """What declares the names of a body: the block, or the spec itself."""
        owner: dict[str, Any] = self.data if block is None else self.data["blocks"][block]
        return owner

    def declare(self, block: str | None, names: Mapping[str, Any]) -> None:
        """Variables of a block, or of the spec, besides those that there are; in a change."""
        owner = self.owner(block)
        owner["vars"] = {**owner.get("vars", {}), **names}

    def by_default(self, op: str, attributes: Mapping[str, Any]) -> None:
        """What all rows of an op have that do not say otherwise; in a change."""
        defaults = self.data.get("defaults", {})
        self.data["defaults"] = {**defaults, op: {**defaults.get(op, {}), **attributes}}

    def root_place(self) -> Place:
        """The network's own rows."""
        return next(place for place in places(self.data) if place.kind == "network")

    def place_now(self, place: Place) -> Place:
        """The same place in the data as they are now."""
        return next(other for other in places(self.data) if other.path == place.path)

    def site_now(self, site: Site) -> Site:
        """The same row in the data as they are now."""
        return next(other for other in sites(self.data) if other.path == site.path)

    def output_shape(self) -> Shape:
        """What leaves the network's body."""
        shape = facts.leaving(self.network, self.network.root)
        assert shape is not None
        return shape

    def arriving(self, path: tuple[Any, ...]) -> Shape | None:
        """What arrives at the row of that path the first time it runs, None where it does not."""
        for item in self.network.root.walk():
            if isinstance(item, Scope):
                if item.step is not None and item.step.at == path:
                    return facts.entering(self.network, item)
            elif item.at == path:
                return facts.arriving(self.network, item)[0]
        return None


def _is_moderate(check: Check) -> bool:
    network = check.network
    if network is None or not check.ok or len(network.nodes) > MOST_NODES:
        return False
    shapes = (facts.given(network, node) for node in network.nodes)
    return all(shape is not None and is_small(shape) for shape in shapes)


def is_op(row: Row) -> bool:
    """Whether a row names an op, and no block or expression."""
    return row.get("op") in OPS_BY_NAME
