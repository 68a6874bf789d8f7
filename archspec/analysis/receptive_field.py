"""What a unit sees: the pixels of the network's input that it depends on, per axis.

From the input on (Araujo, Norris & Sim, "Computing Receptive Fields of Convolutional Neural
Networks", Distill 2019), a window of kernel F, stride S, padding P, dilation D over units of field
r, stride j and offset o gives

    r' = r + (D·(F − 1))·j      j' = j·S      o' = o − P·j

so that unit u sees the pixels u·j + o to u·j + o + r − 1. Behind an upsampling units see different
things, and the same again after a period: `phases` has the arithmetic.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from archspec.analysis.phases import Axis, loosened, through, united
from archspec.ops import View

if TYPE_CHECKING:
    from fractions import Fraction

    Number = int | Fraction

Pair = tuple["Number", "Number"]


PIXEL = Axis()
"""What the pixels themselves see."""


class ReceptiveField(NamedTuple):
    """What units see along the height and along the width, in pixels of the network's input.

    A field may reach beyond the input: it is that of a unit which no border cuts.
    """

    height: Axis = PIXEL
    width: Axis = PIXEL

    @property
    def size(self) -> tuple[int, int]:
        """How many pixels the units see that see most."""
        return self.height.size, self.width.size

    @property
    def stride(self) -> Pair:
        """How far apart neighbours look, on an average: a fraction behind an upsampling."""
        return self.height.step, self.width.step

    @property
    def offset(self) -> tuple[int, int]:
        """Where unit 0 begins; negative by the effective padding."""
        return self.height.offset, self.width.offset

    @property
    def period(self) -> tuple[int, int]:
        """After how many units they see the same again, further on."""
        return len(self.height.spans), len(self.width.spans)

    @property
    def bound(self) -> bool:
        """Whether units may see less."""
        return self.height.bound or self.width.bound

    @property
    def is_empty(self) -> bool:
        """Whether no unit sees anything."""
        return self.height.is_empty or self.width.is_empty


def as_numbers(pair: Pair) -> list[int | float]:
    """(height, width) in the form of JSON: whole numbers, and fractions as floats."""
    return [int(number) if number == int(number) else float(number) for number in pair]


Field = ReceptiveField | Literal["global"]

NOTHING = ReceptiveField(Axis(1, (None,)), Axis(1, (None,)))
"""What zeros see, wherever they lie."""


def seen_through(before: Field | None, view: View) -> Field | None:
    """What a step's outputs see, by what its inputs see; None if unknown."""
    if before is None or view is None:
        return before
    if before == "global":
        return before
    if view == "global":
        return before if before.is_empty else "global"
    height = through(before.height, view[0])
    same = before.height is before.width and view[0] == view[1]
    width = height if same else through(before.width, view[1])
    return None if height is None or width is None else ReceptiveField(height, width)


def seen_together(fields: Sequence[Field | None]) -> Field | None:
    """What several paths see together; None where their strides differ, or one is unknown."""
    first = fields[0]
    others = [field for field in fields if field is not first and field != first]
    if not others:
        return first
    if first is None or None in others:
        return None
    if first == "global" or "global" in others:
        return "global"
    windows = [f for f in (first, *others) if f is not None and f != "global" and not f.is_empty]
    if not windows:
        return first
    height = united([window.height for window in windows])
    same = all(window.height is window.width for window in windows)
    width = height if same else united([window.width for window in windows])
    return None if height is None or width is None else ReceptiveField(height, width)


def as_bound(field: Field | None) -> Field | None:
    """The same, said of units that may see less."""
    if not isinstance(field, ReceptiveField):
        return field
    height, width = (axis._replace(bound=True) for axis in field)
    return ReceptiveField(height, width)


def in_one_phase(field: Field | None) -> Field | None:
    """A bound that is the same for all units, in place of many spans."""
    if not isinstance(field, ReceptiveField) or field.period == (1, 1):
        return field
    height, width = (axis if len(axis.spans) == 1 else loosened(axis) for axis in field)
    return ReceptiveField(height, width)


def spans_of(fields: Iterable[Field | None]) -> int:
    """How many spans it takes to say what all these are."""
    return sum(sum(f.period) for f in fields if isinstance(f, ReceptiveField))
