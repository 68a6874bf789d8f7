"""Makes a faulty spec smaller for as long as it is faulty in the same way."""

import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial
from itertools import islice
from typing import Any

from tests.fuzz.text import to_yaml

SECONDS = 8.0
Path = tuple[Any, ...]
Change = Callable[[], dict[str, Any]]
_KEPT = frozenset({"archspec", "name", "input", "layers"})


def shrink(
    data: dict[str, Any], is_faulty: Callable[[str], bool], seconds: float = SECONDS
) -> dict[str, Any]:
    """The smallest data that some seconds of computing find; `is_faulty` is asked about a text."""
    until = time.process_time() + seconds
    best, is_smaller = data, True
    while is_smaller and time.process_time() < until:
        is_smaller, position = False, 0
        while time.process_time() < until:
            change = next(islice(_smaller(best), position, None), None)
            if change is None:
                break
            candidate = change()
            if _size(candidate) < _size(best) and _holds(candidate, is_faulty):
                best, is_smaller = candidate, True  # what comes next stands at the same position
            else:
                position += 1
    return best


def _holds(data: dict[str, Any], is_faulty: Callable[[str], bool]) -> bool:
    try:
        return is_faulty(to_yaml(data))
    except Exception:  # noqa: BLE001 - what is no spec any more is no smaller spec
        return False


def _size(data: Any) -> tuple[int, int]:
    """What is to become less: first the number of values, then how large and long they are."""
    values = list(_values(data))
    return len(values), sum(_weight(value) for value in values)


def _values(data: Any) -> Iterator[Any]:
    yield data
    if isinstance(data, dict):
        for item in data.values():
            yield from _values(item)
    elif isinstance(data, list):
        for item in data:
            yield from _values(item)


def _weight(value: Any) -> int:
    if isinstance(value, str):
        return 10 + len(value)
    if isinstance(value, bool) or value is None:
        return 1
    return min(abs(int(value)), 9) if isinstance(value, int | float) else 0


def _smaller(data: dict[str, Any]) -> Iterator[Change]:
    """What makes smaller data, the boldest first."""
    paths = list(_paths(data, ()))
    paths.sort(key=lambda path: -_size(_get(data, path))[0])
    for changes in (_halved, _dropped, _opened, _simplified):
        for path in paths:
            yield from changes(data, path)


def _halved(data: dict[str, Any], path: Path) -> Iterator[Change]:
    value = _get(data, path)
    if isinstance(value, list) and len(value) > 3:
        yield partial(_with, data, path, value[: len(value) // 2])
        yield partial(_with, data, path, value[len(value) // 2 :])


def _dropped(data: dict[str, Any], path: Path) -> Iterator[Change]:
    if len(path) > 1 or path[0] not in _KEPT:
        yield partial(_without, data, path)


def _opened(data: dict[str, Any], path: Path) -> Iterator[Change]:
    """The rows of a block in its place, the one item of a list in its place."""
    value = _get(data, path)
    if isinstance(value, dict) and len(path) > 1:
        block = data.get("blocks", {}).get(str(value.get("op")), {})
        rows = value.get("layers") or block.get("layers")
        if isinstance(rows, list) and isinstance(_get(data, path[:-1]), list):
            yield partial(_unpacked, data, path, rows)
    if isinstance(value, list) and len(value) == 1 and path != ("layers",):
        yield partial(_with, data, path, value[0])


def _simplified(data: dict[str, Any], path: Path) -> Iterator[Change]:
    if path not in (("archspec",), ("name",)):
        for simple in _simpler(_get(data, path)):
            yield partial(_with, data, path, simple)


def _simpler(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from ()
    elif isinstance(value, str):
        yield from (1, 2, 4, True)
        yield from ("relu", "conv2d", "input") if len(value) > 6 else ()
    elif isinstance(value, list):
        yield from (1, 2)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from (number for number in (1, 2, 3, 4, value - 1) if number < value)


def _paths(data: Any, here: Path) -> Iterator[Path]:
    items: Iterator[tuple[Any, Any]] = iter(())
    if isinstance(data, dict):
        items = iter(data.items())
    elif isinstance(data, list):
        items = iter(enumerate(data))
    for key, value in items:
        yield (*here, key)
        yield from _paths(value, (*here, key))


def _get(data: Any, path: Path) -> Any:
    for key in path:
        data = data[key]
    return data


def _without(data: dict[str, Any], path: Path) -> dict[str, Any]:
    copy = deepcopy(data)
    del _get(copy, path[:-1])[path[-1]]
    return copy


def _with(data: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    copy = deepcopy(data)
    _get(copy, path[:-1])[path[-1]] = value
    return copy


def _unpacked(data: dict[str, Any], path: Path, rows: list[Any]) -> dict[str, Any]:
    """The rows of a group or a block where it stands."""
    copy = deepcopy(data)
    _get(copy, path[:-1])[path[-1] : path[-1] + 1] = deepcopy(rows)
    return _without_idle_blocks(copy)


def _without_idle_blocks(data: dict[str, Any]) -> dict[str, Any]:
    """Data without the blocks that nothing names any more."""
    blocks = data.get("blocks", {})
    everything = _values({**data, "blocks": list(blocks.values())})
    said = {value for value in everything if isinstance(value, str)}
    kept = {name: block for name, block in blocks.items() if name in said}
    rest = {key: value for key, value in data.items() if key != "blocks"}
    return {**rest, "blocks": kept} if kept else rest
