"""The forms an attribute may take, read into one normal form each.

Plain functions rather than pydantic's nested types: they are built in microseconds, and their
messages say what to write.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import PlainValidator

from archspec.ops.base import MAX_SIZE

Pair = tuple[int, int]
PaddingValue = tuple[Pair, Pair] | Literal["same", "valid"]


def read_whole(value: object, least: int, what: str) -> int:
    """A whole number from `least` to `MAX_SIZE`; 48.0, as `96 / 2` gives it, counts as one."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is int and value > MAX_SIZE:
        raise ValueError(f"{what} has to be at most {MAX_SIZE}, not {spell(value)}")
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        wanted = "a positive whole number" if least else "a whole number, 0 or more"
        raise ValueError(f"{what} has to be {wanted}, not {spell(value)}")
    return value


def spell(value: object) -> str:
    """A value as one would type it in YAML, shortened."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        text = f"[{', '.join(spell(item) for item in value[:20])}]"  # more is cut off anyway
    else:
        text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _place(value: object) -> int:
    """A place in a list: a whole number, those below 0 counted from the end."""
    sign = -1 if isinstance(value, int | float) and value < 0 else 1
    try:
        return sign * read_whole(sign * value if sign < 0 else value, 0, "")  # type: ignore[operator]  # a number
    except ValueError:
        raise ValueError(f"this has to be a whole number, not {spell(value)}") from None


def whole(least: int = 1) -> PlainValidator:
    """A whole number of at least `least`."""
    return PlainValidator(lambda value: read_whole(value, least, "this"))


def _pair(value: object) -> Pair:
    """A size: one number for both axes, or [height, width]."""
    if isinstance(value, list | tuple):
        if len(value) != 2:
            raise ValueError(f"a size is one number or [height, width], not {spell(value)}")
        return read_whole(value[0], 1, "the height"), read_whole(value[1], 1, "the width")
    number = read_whole(value, 1, "this")
    return number, number


def _ends(value: object) -> Pair:
    """Padding along one axis: one number for both ends, or [before, after]."""
    if isinstance(value, list | tuple):
        if len(value) != 2:
            raise ValueError(
                f"padding along an axis is a number or [before, after], not {spell(value)}"
            )
        return read_whole(value[0], 0, "padding"), read_whole(value[1], 0, "padding")
    number = read_whole(value, 0, "padding")
    return number, number


def _padding(value: object) -> PaddingValue:
    """Every way to write padding, as ((top, bottom), (left, right)) or 'same' / 'valid'."""
    return value if value in ("same", "valid") else read_ends(value)


def read_ends(value: object) -> tuple[Pair, Pair]:
    """Padding in numbers, in every way to write it, as ((top, bottom), (left, right))."""
    if isinstance(value, dict):
        unknown = [key for key in value if key not in ("height", "width")]
        if unknown:
            raise ValueError(f"padding per axis has the keys height and width, not {unknown[0]}")
        return _ends(value.get("height", 0)), _ends(value.get("width", 0))
    if isinstance(value, list | tuple) and any(isinstance(v, list | tuple) for v in value):
        if len(value) != 2:
            raise ValueError(f"padding is [[top, bottom], [left, right]], not {spell(value)}")
        return _ends(value[0]), _ends(value[1])
    ends = _ends(value)
    return ends, ends


MAX_MAGNITUDE = 10**15
"""The largest number of an attribute, as in expressions; what is larger is no 64-bit integer."""


def _number(least: float | None, most: float | None) -> Callable[[Any], float]:
    def read(value: object) -> float:
        within = isinstance(value, int | float) and not isinstance(value, bool)
        if not within or not (
            (least is None or value >= least) and (most is None or value <= most)  # type: ignore[operator]  # a number here
        ):
            bounds = "" if least is None else f" from {least:g}"
            bounds += "" if most is None else f" to {most:g}"
            raise ValueError(f"this has to be a number{bounds}, not {spell(value)}")
        if abs(value) > MAX_MAGNITUDE:  # type: ignore[arg-type]  # a number here
            raise ValueError("this is larger than 10^15")
        return value  # type: ignore[return-value]  # a number here

    return read


_any_number = _number(None, None)


def _above_zero(value: object) -> float:
    number = _any_number(value)
    if number <= 0:
        raise ValueError(f"this has to be a number above 0, not {spell(value)}")
    return number


def _divisor(value: object) -> float:
    number = _any_number(value)
    if number == 0:
        raise ValueError("this has to be another number than 0: it is divided by")
    return number


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"this has to be true or false, not {spell(value)}")  # noqa: TRY004 - pydantic collects ValueErrors
    return value


PositiveInt = Annotated[int, whole(1)]
Place = Annotated[int, PlainValidator(_place)]
OptionalPlace = Annotated[
    int | None, PlainValidator(lambda value: None if value is None else _place(value))
]
Size = Annotated[Pair, PlainValidator(_pair)]
OptionalSize = Annotated[
    Pair | None, PlainValidator(lambda value: None if value is None else _pair(value))
]
Padding = Annotated[PaddingValue, PlainValidator(_padding)]
Ends = Annotated[tuple[Pair, Pair], PlainValidator(read_ends)]
Truth = Annotated[bool, PlainValidator(_truth)]
Number = Annotated[float, PlainValidator(_any_number)]
NotNegative = Annotated[float, PlainValidator(_number(0, None))]
PositiveNumber = Annotated[float, PlainValidator(_above_zero)]
NotZero = Annotated[float, PlainValidator(_divisor)]
Probability = Annotated[float, PlainValidator(_number(0, 1))]
