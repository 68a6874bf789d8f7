"""What rows of a path could say so that it ends in another shape; nothing here is tried yet."""

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from math import ceil
from types import MappingProxyType
from typing import NamedTuple

from archspec.graph.mending import Change, can_be_put
from archspec.graph.network import Network, Node
from archspec.graph.paths import Path, called, name_of
from archspec.language.source import Data
from archspec.ops import Shape, show
from archspec.ops.arithmetic import extent
from archspec.ops.conv import Convolution
from archspec.ops.pool import Mean
from archspec.ops.resize import Upsample
from archspec.ops.shape import kind_of, places_of
from archspec.ops.sliding import Sliding
from archspec.ops.transposed import ConvTranspose2d

MOST_NAMED = 4
"""Of more rows that would say the same, the first and the last are named."""


class Way(NamedTuple):
    """A change, and what is said of it.

    `given` is what rows would say (`padding: 1`), by what they are called, `put` the rows that
    would be put between others and where, `why` what the rows do without it.
    """

    change: Change
    given: Mapping[str, str] = MappingProxyType({})
    put: tuple[str, ...] = ()
    why: tuple[str, ...] = ()

    def and_(self, other: "Way") -> "Way":
        """Both together; what is said of one row twice is said of it at once."""
        given = dict(self.given)
        for row, said in other.given.items():
            given[row] = f"{given[row]} and {said}" if row in given else said
        why = self.why + other.why
        return Way(self.change.and_(other.change), given, self.put + other.put, why)

    @property
    def said(self) -> str:
        """``give a and b `padding: 1` and put `{op: mean}` between the input and c``."""
        rows: dict[str, list[str]] = {}
        for row, said in self.given.items():
            rows.setdefault(said, []).append(row)
        each = [f"{_named(names)} {said}" for said, names in rows.items()]
        given = [f"give {' and '.join(each)}"] if each else []
        return " and ".join([*given, *(f"put {row}" for row in self.put)])

    @property
    def reason(self) -> str:
        """`a makes 30×30 of 32×32, b makes 28×28 of 30×30`."""
        more = f", and {len(self.why) - 2} rows more lose some"
        return ", ".join(self.why[:2]) + more if len(self.why) > MOST_NAMED else ", ".join(self.why)


def _named(names: Sequence[str]) -> str:
    if len(names) > MOST_NAMED:
        return f"{names[0]} and {len(names) - 2} rows more, up to {names[-1]},"
    return " and ".join(names)


def ways(network: Network, path: Path, wanted: Shape) -> Iterator[Way]:
    """What could make a path of maps end in another shape, the likeliest first."""
    sized: list[Way | None] = [None]
    if places_of(path.shape) != places_of(wanted):
        sized = [
            *_keeping(network, path),
            *_strided(path, wanted),
            *_enlarged(path, wanted),
        ]
    widened: list[Way | None] = [None]
    if path.shape[0] != wanted[0]:
        widened = [*_widened(path, wanted)]
    for size in sized:
        for width in widened:
            if size and width:
                yield size.and_(width)
            elif size or width:
                yield size or width  # type: ignore[misc]  # one of them is there
    yield from _projected(path, wanted)


def _editable(path: Path) -> list[Node]:
    """Rows that say their attributes themselves."""
    return [row for row in path.rows if row.step is not None and not row.role and row.op]


def _give(rows: Sequence[tuple[Node, Mapping[str, Data]]], why: Sequence[str] = ()) -> Way:
    """Rows with other attributes; one that is None would go."""
    given, changed = {}, {}
    for row, attributes in rows:
        spelt = {_key(row, key): value for key, value in attributes.items()}
        texts = [f"`{key}: {_text(value)}`" for key, value in spelt.items() if value is not None]
        texts += [f"no `{key}`" for key, value in spelt.items() if value is None]
        given[called(row)] = " and ".join(texts)
        changed[row.at] = spelt
    return Way(Change(changed, {}), given, why=tuple(why))


def _key(row: Node, attribute: str) -> str:
    """How the row itself spells an attribute."""
    assert row.op is not None
    assert row.step is not None
    spelt = (alias for alias, meant in row.op.aliases.items() if meant == attribute)
    return next((alias for alias in spelt if alias in row.step.attributes), attribute)


def _text(value: Data) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_text(v)}' for key, v in value.items())}}}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _keeping(network: Network, path: Path) -> Iterator[Way]:
    """The padding with which rows that lose or gain a margin keep the size: all, or one of them."""
    found: list[tuple[Node, Mapping[str, Data]]] = []
    for row in _editable(path):
        arriving, leaving = network.arriving(row), network.shape_of(row.output)
        same = arriving is None or leaving is None or arriving[0][1:] == leaving[1:]
        if not same and isinstance(row.op, Sliding) and row.op.strides == (1, 1):
            padding = _padding(row.op)
            if padding is not None:
                found.insert(0, (row, {"padding": padding}))
    for rows in [found, *([row] for row in found)] if len(found) > 1 else [found] if found else []:
        yield _give(rows, [_makes(network, row) for row, _ in rows])


def _makes(network: Network, row: Node) -> str:
    """`a makes 30×30 of 32×32`."""
    of, to = network.shape_of(row.inputs[0]) or (), network.shape_of(row.output) or ()
    return f"{called(row)} makes {show(places_of(to))} of {show(places_of(of))}"


def _padding(op: Sliding) -> Data:
    """Padding that keeps the size with a stride of 1; None where the ends would have to differ."""
    spans = [extent(k, d) for k, d in zip(op.kernel_size, op.dilation, strict=True)]
    if any(span % 2 == 0 for span in spans):
        return "same" if isinstance(op, Convolution) else None
    height, width = ((span - 1) // 2 for span in spans)
    return height if height == width else {"height": height, "width": width}


def _strided(path: Path, wanted: Shape) -> Iterator[Way]:
    """A stride less, or one more, on one row."""
    for row in _editable(path):
        if not isinstance(row.op, Sliding):
            continue
        factors = _factors(path.shape, wanted)
        stride: Data = 1 if max(row.op.strides) > 1 else factors
        if stride is None or (stride == 1 and sum(wanted[1:]) < sum(path.shape[1:])):
            continue
        yield _give([(row, {"stride": stride})])
        padding = _padding(row.op)
        if padding is not None and stride == 1:
            yield _give([(row, {"stride": stride, "padding": padding})])


def _factors(shape: Shape, wanted: Shape) -> Data:
    """The stride that makes the places of one shape those of another; None where there is none."""
    found = [ceil(size / goal) for size, goal in zip(shape[1:], wanted[1:], strict=True)]
    fits = all(
        (size - 1) // by + 1 == goal
        for size, goal, by in zip(shape[1:], wanted[1:], found, strict=True)
    )
    if not fits or max(found) < 2:
        return None
    return found[0] if len(set(found)) == 1 else found


def _enlarged(path: Path, wanted: Shape) -> Iterator[Way]:
    """What the row could say that makes the map of its path larger."""
    last = next(iter(_editable(path)), None)
    if last is None or last.output != path.value or min(_more(path, wanted)) < 0:
        return
    if isinstance(last.op, Upsample):
        yield _give([(last, {"size": list(wanted[1:]), "scale_factor": None})])
    elif isinstance(last.op, ConvTranspose2d):
        more = _more(path, wanted)
        height, width = map(sum, zip(last.op.output_padding, more, strict=True))
        padding: Data = height if height == width else [height, width]
        yield _give([(last, {"output_padding": padding})])


def _more(path: Path, wanted: Shape) -> list[int]:
    """How many rows and columns a path lacks."""
    return [goal - size for goal, size in zip(wanted[1:], path.shape[1:], strict=True)]


def _widened(path: Path, wanted: Shape) -> Iterator[Way]:
    """The last row that sets a width."""
    for row in path.rows:
        fields = type(row.op).model_fields if row.op is not None else {}
        width = next((key for key in ("out_channels", "out_features") if key in fields), None)
        if width is not None:
            if row.step is not None and not row.role:
                yield _give([(row, {width: wanted[0]})])
            return


def _projected(path: Path, wanted: Shape) -> Iterator[Way]:
    """A 1×1 convolution at the end of the path, or a linear layer."""
    if kind_of(path.shape) == "features":
        yield from put(path, "linear", {"out_features": wanted[0]})
        return
    attributes: dict[str, Data] = {"out_channels": wanted[0], "kernel_size": 1}
    if path.shape[1:] != wanted[1:]:
        stride = _factors(path.shape, wanted)
        if stride is None:
            return
        attributes["stride"] = stride
    yield from put(path, "conv2d", attributes)


def put(path: Path, op: str, attributes: Mapping[str, Data]) -> Iterator[Way]:
    """A row between the end of a path and the merge."""
    if not can_be_put(path.merge):
        return
    step = path.merge.step
    assert step is not None
    if step.inputs is not None:
        merge = path.merge.path if path.merge.named else f"the {path.merge.op_name}"
        where = f"between {name_of(path)} and {merge}"
    else:
        where = f"at the end of branch {path.place}"
        named = (step.branches or ())[path.place]
        if getattr(named, "name", None):
            where = f"behind {named.name}"  # type: ignore[union-attr]  # a body has no name
    cells = ", ".join(f"{key}: {_text(value)}" for key, value in {"op": op, **attributes}.items())
    change = Change({}, {path.place: (op, attributes)}, step.at)
    yield Way(change, put=(f"`{{{cells}}}` {where}",))


def kinds(paths: Sequence[Path]) -> Iterator[Way]:
    """What could make a vector of each map, or a map of the vector that a mean leaves."""
    vectors = [path for path in paths if kind_of(path.shape) == "features"]
    maps = [path for path in paths if kind_of(path.shape) == "map"]
    for path in vectors:
        mean = next((row for row in _editable(path) if isinstance(row.op, Mean)), None)
        if mean is not None and len(vectors) == 1:
            yield _give([(mean, {"keepdim": True})], [f"{called(mean)} leaves a vector of a map"])
    for op in ("mean", "flatten"):
        all_put = [way for path in maps for way in put(path, op, {})]
        if all_put and len(all_put) == len(maps):
            yield reduce(Way.and_, all_put)
