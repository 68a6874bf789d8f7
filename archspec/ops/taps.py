"""Which elements of its input one output element reads along an axis."""

from functools import lru_cache
from math import gcd
from typing import TYPE_CHECKING, Literal, NamedTuple

from archspec.ops.arithmetic import extent, quotient

if TYPE_CHECKING:
    from fractions import Fraction

MAX_PHASES = 64
"""The longest period that is followed; beyond it a `Reach` bounds what is read."""


class Window(NamedTuple):
    """A window that slides: output u reads u·stride − before, and on by the dilation."""

    kernel: int
    stride: int = 1
    before: int = 0
    dilation: int = 1


class Tap(NamedTuple):
    """The inputs first, first + step, …, last."""

    first: int
    last: int
    step: int = 1


class Taps(NamedTuple):
    """What outputs read where that depends on their place: as many phases as there are kinds.

    Output q·p + k, p being the number of phases, reads what phase k says, q·stride further on; None
    where it reads nothing.
    """

    stride: int
    phases: tuple[Tap | None, ...]


class Reach(NamedTuple):
    """A bound for what has too many phases: output u reads u·stride + first to u·stride + last.

    Rational, and some of the inputs between them may not be read.
    """

    stride: "int | Fraction"
    first: "int | Fraction"
    last: "int | Fraction"


Reading = Window | Taps | Reach
View = Literal["global"] | tuple[Reading, Reading] | None
"""What an output element sees: the whole map, along height and width, or its own place only."""


def painted(kernel: int, stride: int, padding: int, dilation: int) -> Reading:
    """A transposed convolution, in which input i paints the outputs i·S − P + D·t, t below F.

    So output u reads the inputs (u + P − D·t)/S, for those t that leave no remainder.
    """
    if stride > MAX_PHASES:
        width = extent(kernel, dilation) - 1
        first, last = quotient(padding - width, stride), quotient(padding, stride)
        return Reach(quotient(1, stride), first, last)
    common = gcd(dilation, stride)
    every = stride // common  # one in so many t paints the same phase
    phases: list[Tap | None] = []
    for phase in range(stride):
        place = phase + padding
        earliest = place // common * pow(dilation // common, -1, every) % every
        if place % common or earliest >= kernel:
            phases.append(None)
            continue
        latest = kernel - 1 - (kernel - 1 - earliest) % every
        first, last = (place - dilation * latest) // stride, (place - dilation * earliest) // stride
        phases.append(Tap(first, last, dilation // common))
    return _simplest(1, phases)


def nearest(size: int, output: int) -> Reading:
    """Every output u reads one input, ⌊u·size/output⌋."""
    a, b = _reduced(size, output)
    if b > MAX_PHASES:
        return Reach(quotient(a, b), quotient(1 - b, b), 0)
    return _simplest(a, [Tap(k * a // b, k * a // b) for k in range(b)])


def blended(size: int, output: int) -> Reading:
    """Bilinear: output u blends ⌊x⌋ and ⌊x⌋ + 1 of x = (u + ½)·size/output − ½.

    The second is read where x is whole, too, and its weight 0. Equal sizes are copied.
    """
    a, b = _reduced(size, output)
    if size == output:
        return Window(1)
    if b > MAX_PHASES:
        # Over all u, x has every remainder k/b, or all (2k + 1)/2b where a − b is odd.
        slack = quotient(b - 1, b) if (a - b) % 2 == 0 else quotient(2 * b - 1, 2 * b)
        begin = quotient(a - b, 2 * b)
        return Reach(quotient(a, b), begin - slack, begin + 1)
    starts = (((2 * k + 1) * a - b) // (2 * b) for k in range(b))
    return _simplest(a, [Tap(start, start + 1) for start in starts])


def blended_between_corners(size: int, output: int) -> Reading:
    """Bilinear with aligned corners: x = u·(size − 1)/(output − 1); one output is input 0."""
    if size == output:
        return Window(1)
    if output == 1:
        return Window(2, 0)
    a, b = _reduced(size - 1, output - 1)
    if b > MAX_PHASES:
        return Reach(quotient(a, b), quotient(1 - b, b), 1)
    return _simplest(a, [Tap(k * a // b, k * a // b + 1) for k in range(b)])


def bins(size: int, count: int) -> Reading:
    """Adaptive pooling: bin i begins at ⌊i·size/count⌋ and ends before ⌈(i + 1)·size/count⌉."""
    a, b = _reduced(size, count)
    if b > MAX_PHASES:
        return Reach(quotient(a, b), quotient(1 - b, b), quotient(a + b - 1, b) - 1)
    return _simplest(a, [Tap(k * a // b, -(-(k + 1) * a // b) - 1) for k in range(b)])


def laid_out(factor: int) -> Reading:
    """A pixel shuffle: output u lies in the input's place ⌊u/factor⌋."""
    return nearest(1, factor)


@lru_cache(maxsize=256)
def as_reach(reading: Reading) -> Reach:
    """The tightest bound that has one slope for all phases."""
    if isinstance(reading, Reach):
        return reading
    if isinstance(reading, Window):
        last = reading.dilation * (reading.kernel - 1) - reading.before
        return Reach(reading.stride, -reading.before, last)
    slope = quotient(reading.stride, len(reading.phases))
    read = [(k, tap) for k, tap in enumerate(reading.phases) if tap is not None]
    first = min(tap.first - k * slope for k, tap in read)
    return Reach(slope, first, max(tap.last - k * slope for k, tap in read))


def _reduced(numerator: int, denominator: int) -> tuple[int, int]:
    common = gcd(numerator, denominator)
    return numerator // common, denominator // common


def _simplest(stride: int, phases: list[Tap | None]) -> Reading:
    """A single phase is a window."""
    if len(phases) > 1 or phases[0] is None:
        return Taps(stride, tuple(phases))
    first, last, step = phases[0]
    return Window((last - first) // step + 1, stride, -first, step)
