"""What would make paths of different shapes meet: rows that could say it, and inputs that fit."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import islice, product

from archspec.diagnostics import Diagnostic
from archspec.diagnostics.shapes import InputNotRead, MergeMismatch
from archspec.graph.mending import MOST_NODES, Trials
from archspec.graph.network import Network
from archspec.graph.paths import Path, called, name_of, paths_to, strides_of
from archspec.graph.ways import Way, kinds, ways
from archspec.language.model import Spec
from archspec.language.source import Data
from archspec.ops import Shape, show
from archspec.ops.merge import Concat
from archspec.ops.shape import kind_of, places_of

FARTHEST = 64
"""By so many pixels an input may be larger or smaller that is named as one that fits."""
MOST_MERGES = 8
MOST_WAYS = 20
"""So many ways are tried for a shape that all could have."""
MOST_TOLD = 2


def advise(
    spec: Spec, overrides: Mapping[str, Data], network: Network, faults: Sequence[Diagnostic]
) -> None:
    """Give faults about shapes that do not meet the help that would mend them."""
    merges = [fault for fault in faults if isinstance(fault, MergeMismatch)]
    if not merges or len(network.nodes) > MOST_NODES:
        return
    at_path = {node.path: node for node in network.nodes}
    errors = [fault for fault in faults if fault.severity == "error"]
    rows = Trials(spec, overrides, MOST_NODES // 2)
    fitting: str | None = None
    for fault in merges[:MOST_MERGES]:
        node = at_path.get(fault.path)
        if node is None or network.arriving(node) is None:
            continue
        paths = paths_to(network, node)
        if not paths:
            continue
        if fitting is None and _differ_in_places(paths):
            fitting = _fitting(Trials(spec, overrides, MOST_NODES // 2), network)

        def mends(way: Way, fault: Diagnostic = fault) -> bool:
            return rows.mends(way.change, fault, errors, len(network.nodes))

        found = list(_mended(network, paths, mends))
        fits = fitting if fitting and _differ_in_places(paths) else ""
        told = [*_told(paths, [*_lost(network, paths)], fits, found), fault.help]
        fault.help = "; ".join(filter(None, told))


def _told(
    paths: Sequence[Path], lost: Sequence[str], fits: str, found: Sequence[Way]
) -> Iterator[str]:
    """Why the paths differ, as far as what mends them says it, and then what mends them.

    Where no row leaves a rest an input may fit because little is left of it: it is not told then.
    """
    fits = fits if lost or not found else ""
    if fits:
        yield from lost
    elif found:
        yield ", ".join(_strided(paths, found)) or found[0].reason
    for index, said in enumerate(filter(None, [fits, *(way.said for way in found)])):
        yield f"or {said}" if index else said


def _are_of_a_kind(paths: Sequence[Path]) -> bool:
    return len({len(path.shape) for path in paths}) == 1


def _differ_in_places(paths: Sequence[Path]) -> bool:
    maps = all(kind_of(path.shape) == "map" for path in paths)
    return maps and len({places_of(path.shape) for path in paths}) > 1


def _lost(network: Network, paths: Sequence[Path]) -> Iterator[str]:
    """The last row on the way to the smallest input that leaves out what it cannot divide."""
    for row in min(paths, key=lambda path: places_of(path.shape)).rows:
        arriving, leaving = network.arriving(row), network.shape_of(row.output)
        if arriving is None or leaving is None or row.op is None:
            return
        if any(kind is InputNotRead for kind, _, _ in row.op.remarks(arriving)):
            to, of = show(places_of(leaving)), show(places_of(arriving[0]))
            yield f"{called(row)} makes {to} of {of} and leaves a rest"
            return


def _strided(paths: Sequence[Path], found: Iterable[Way]) -> Iterator[str]:
    """By how much the paths are strided, where what mends them is another stride."""
    strides = [strides_of(path) for path in paths]
    if len(set(strides)) > 1 and any("stride: " in way.said for way in found):
        sides = [f"{name_of(path)} by {by}" for path, by in zip(paths, strides, strict=True)]
        yield f"the strides of the paths differ: {', '.join(sides)}"


def _mended(network: Network, paths: Sequence[Path], mends: Callable[[Way], bool]) -> Iterator[Way]:
    """What mends a merge: for each shape that the paths could have, the first way to it."""
    found: Iterator[Way] = iter(())
    if not _are_of_a_kind(paths):
        found = filter(mends, kinds(paths))
    elif all(kind_of(path.shape) != "channels_last" for path in paths):
        known = _shapes(paths)
        told = list(islice(_first(network, paths, known, mends), MOST_TOLD))
        parting = _parting(network, paths, known[0][0]) if _differ_in_places(paths) else []
        found = iter(told) if told else _first(network, paths, parting, mends)
    return islice(found, MOST_TOLD)


def _first(
    network: Network, paths: Sequence[Path], shapes: Iterable[Shape], mends: Callable[[Way], bool]
) -> Iterator[Way]:
    """For each shape the first way that mends."""
    for shape in shapes:
        yield from islice(filter(mends, islice(_to(network, paths, shape), MOST_WAYS)), 1)


def _shapes(paths: Sequence[Path]) -> list[Shape]:
    """The shapes that meet, the commonest first; channels are 0 where they may differ."""
    shapes = [path.shape for path in paths]
    if isinstance(paths[0].merge.op, Concat):
        shapes = [(0, *places_of(shape)) for shape in shapes]
    counted = Counter(shapes)
    return sorted(counted, key=lambda shape: (counted[shape], shape[1:], shape[0]), reverse=True)


def _parting(network: Network, paths: Sequence[Path], channels: int) -> list[Shape]:
    """So many channels of the heights and widths that there are where the paths part."""
    shapes = [network.shape_of(path.rows[-1].inputs[0]) or () for path in paths if path.rows]
    maps = [shape for shape in shapes if kind_of(shape) == "map"]
    return list(dict.fromkeys((channels, *places_of(shape)) for shape in maps))


def _to(network: Network, paths: Sequence[Path], wanted: Shape) -> Iterator[Way]:
    """Ways in which all paths get a shape; sizes of 1 that are stretched may stay."""
    each: list[list[Way]] = []
    for path in paths:
        goal = wanted if wanted[0] else (path.shape[0], *wanted[1:])
        stretched = wanted[0] and all(
            size in (1, other) for size, other in zip(path.shape, goal, strict=True)
        )
        if path.shape != goal and not stretched:
            each.append(list(islice(ways(network, path, goal), MOST_WAYS)))
    for chosen in product(*each) if each else ():
        yield reduce(Way.and_, chosen)


def _fitting(trials: Trials, network: Network) -> str:
    """The nearest smaller and the nearest larger input with which all paths meet."""
    shape = network.input_shape
    if shape is None or kind_of(shape) != "map":
        return ""
    found: list[str] = []
    for sign in (-1, 1):
        for distance in range(1, FARTHEST + 1):
            places = [size + sign * distance for size in shape[1:]]
            if 2 * min(places) < min(shape[1:]):
                break
            spec = trials.spec._replace(input=[shape[0], *places])
            faults = trials.errors(spec, len(network.nodes))
            if faults is None:
                break
            if not faults:
                found.append(_side(places))
                break
    return f"inputs of {' or '.join(found)} fit" if found else ""


def _side(places: Sequence[int]) -> str:
    return str(places[0]) if len(set(places)) == 1 else show(places)
