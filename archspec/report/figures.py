"""Numbers as a person reads them; what is unknown is `?`, never 0."""

from collections.abc import Sequence

from archspec.analysis.receptive_field import Field
from archspec.ops import Shape, show, thousands

_UNITS = ("", "k", "M", "G", "T", "P", "E")


def exact(number: int | None) -> str:
    """`62 378 344`."""
    return "?" if number is None else thousands(number)


def rounded(number: int | None) -> str:
    """`105.4 M`: one decimal, with a decimal prefix."""
    if number is None:
        return "?"
    if number < 1000:
        return str(number)
    scaled, unit = float(number), 0
    while round(scaled, 1) >= 1000 and unit < len(_UNITS) - 1:
        scaled, unit = scaled / 1000, unit + 1
    return f"{scaled:.1f} {_UNITS[unit]}"


def shape(sizes: Shape | None) -> str:
    """`96×55×55`."""
    return "?" if sizes is None else show(sizes)


def pair(sizes: Sequence[float]) -> str:
    """`11` for both axes, or `7×11` (height × width)."""
    height, width = (f"{size:.10g}" for size in sizes)
    return height if height == width else f"{height}×{width}"


def field(seen: Field | None, ungated: Field | None = None) -> str:
    """The size of a receptive field in pixels: `195`, `7×11`, or `global`.

    `≤70` is a bound: units may see less. Where only gates see everything, what a unit sees
    without them: `427 (gates: global)`.
    """
    if seen is None:
        return "?"
    if seen != "global":
        return f"≤{pair(seen.size)}" if seen.bound else pair(seen.size)
    return f"{field(ungated)} (gates: global)" if is_gated(seen, ungated) else "global"


def short_field(seen: Field | None, ungated: Field | None = None) -> str:
    """The same in short: `427+` where gates see everything."""
    return f"{field(ungated)}+" if is_gated(seen, ungated) else field(seen)


def is_gated(seen: Field | None, ungated: Field | None) -> bool:
    """Whether a unit sees everything, but only through gates."""
    return seen == "global" and ungated is not None and ungated != "global"


def counted(number: int, noun: str) -> str:
    """`1 error`, `3 errors`."""
    return f"{thousands(number)} {noun}{'' if number == 1 else 's'}"
