"""What an expression is worth, found by Python: ops are texts, those with attributes dicts."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from archspec.ops import OPS_BY_NAME
from tests.fuzz.forms import WORDS


def _make_divisible(value: float, divisor: int = 8) -> int:
    number = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return number + divisor if number < 0.9 * value else number


KNOWN: dict[str, Any] = {
    **{word: word for words in WORDS for word in words},
    **{op: op for op in OPS_BY_NAME},
    "true": True,
    "false": False,
    "min": min,
    "max": max,
    "sum": sum,
    "len": len,
    "round": round,
    "ceil": math.ceil,
    "floor": math.floor,
    "make_divisible": _make_divisible,
}
"""What every expression sees."""


class Names(dict[str, Any]):
    """What an expression sees; what arrives is found when it is asked for."""

    arriving: Callable[[], Mapping[str, int]] | None = None

    def __missing__(self, name: str) -> Any:
        if name in ("in_channels", "in_height", "in_width") and self.arriving is not None:
            return self.arriving()[name]
        raise KeyError(name)


def worth(written: Any, names: Mapping[str, Any]) -> Any:
    """The value of what stands in a spec."""
    if isinstance(written, str):
        return eval(written, {"__builtins__": {}}, names)  # noqa: S307 - the guard wrote it itself
    if isinstance(written, list):
        return [worth(item, names) for item in written]
    if isinstance(written, dict):
        return {key: worth(item, names) for key, item in written.items()}
    return written


def table(written: Any, names: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of a table, written by its rows or by its columns, or in a variable."""
    found = worth(written, names)
    if isinstance(found, dict):
        return [dict(zip(found, cells, strict=True)) for cells in zip(*found.values(), strict=True)]
    return list(found)
