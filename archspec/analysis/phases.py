"""What units see along one axis, in pixels of the network's input, unit by unit.

Behind an upsampling it depends on where a unit lies: of two that are painted by the same input, one
may see more. It repeats itself, though: with a period of p units everything lies `stride` pixels
further on, and so p spans say it all.

Steps are composed exactly. Where a step reads several units, the first pixel is the least of theirs
and the last the largest; units whose numbers leave the same remainder by the period lie in order,
so that of these only the first and the last count, however long a window is.
"""

from collections.abc import Sequence
from math import ceil, floor, gcd, inf, lcm
from typing import TYPE_CHECKING, NamedTuple

from archspec.ops.arithmetic import quotient
from archspec.ops.taps import MAX_PHASES, Reach, Reading, Tap, Taps, Window, as_reach

if TYPE_CHECKING:
    from fractions import Fraction

    Number = int | Fraction

Span = tuple[int, int]
"""The first pixel and the last."""
MAX_STRIDE = 2**31
"""Fields whose strides have a larger numerator or denominator are unknown: nobody reads them."""


class Axis(NamedTuple):
    """The pixels that the units along an axis see.

    Unit q·p + k, p being the number of spans, sees q·stride + first to q·stride + last of span k,
    and nothing where that is None. `bound`: it may see less. Of what has more phases than are
    followed there is one span, and the stride may be a fraction.
    """

    stride: "Number" = 1
    spans: tuple[Span | None, ...] = ((0, 0),)
    bound: bool = False

    @property
    def period(self) -> int:
        """After how many units all repeats itself."""
        return len(self.spans)

    @property
    def step(self) -> "Number":
        """How many pixels lie between one unit's field and the next one's, on an average."""
        return self.stride if len(self.spans) == 1 else quotient(int(self.stride), self.period)

    @property
    def size(self) -> int:
        """How many pixels the unit sees that sees most."""
        return max(0 if span is None else span[1] - span[0] + 1 for span in self.spans)

    @property
    def offset(self) -> int:
        """The first pixel of unit 0; 0 where it sees nothing."""
        return 0 if self.spans[0] is None else self.spans[0][0]

    @property
    def is_empty(self) -> bool:
        """Whether no unit sees anything."""
        return self.spans[0] is None and not any(self.spans)

    def of(self, unit: int) -> Span | None:
        """The pixels that a unit sees, None where it sees none."""
        turn, phase = divmod(unit, len(self.spans))
        span, start = self.spans[phase], turn * self.stride
        return None if span is None else (ceil(start + span[0]), floor(start + span[1]))


def through(before: Axis, reading: Reading) -> Axis | None:
    """What a step's outputs see, by what its inputs see; None where the stride grows too large.

    Beyond `MAX_PHASES` it is a bound, `loosened`.
    """
    if type(reading) is Window and len(before.spans) == 1 and type(before.stride) is int:
        return _slide(before, reading)
    if isinstance(reading, Reach) or type(before.stride) is not int:
        return _bounded(loosened(before), reading)
    times = len(before.spans) // gcd(reading.stride, len(before.spans))
    stride = reading.stride * times // len(before.spans) * before.stride
    if times * (1 if isinstance(reading, Window) else len(reading.phases)) > MAX_PHASES:
        return _bounded(loosened(before), reading)
    if stride > MAX_STRIDE:
        return None
    spans = tuple(_seen(before, reading, times))
    return _reduced(Axis(stride, spans, before.bound))


def _slide(before: Axis, window: Window) -> Axis | None:
    """The formulas of the literature: one span, and a window that is the same everywhere."""
    (span,) = before.spans
    jump = int(before.stride)
    kernel, stride, ahead, dilation = window
    if jump * stride > MAX_STRIDE:
        return None
    if span is None:
        return Axis(jump * stride, (None,), before.bound)
    first = span[0] - ahead * jump
    last = span[1] + (dilation * (kernel - 1) - ahead) * jump
    return Axis(jump * stride, ((first, last),), before.bound)


def _seen(before: Axis, reading: Window | Taps, times: int) -> "list[Span | None]":
    """The span of every phase behind a step whose own period passes so many times."""
    lookup = _Lookup(before)
    if isinstance(reading, Window):
        last = reading.dilation * (reading.kernel - 1) - reading.before
        taps: tuple[Tap | None, ...] = (Tap(-reading.before, last, reading.dilation),)
    else:
        taps = reading.phases
    shifts = [turn * reading.stride for turn in range(times)]
    columns = [[None] * times if tap is None else lookup.spans(tap, shifts) for tap in taps]
    return [span for row in zip(*columns, strict=True) for span in row]


class _Lookup:
    """The least first and the largest last pixel of several units, however many.

    For `count` units a `step` apart they are kept for all units they may begin with, made of those
    of half as many.
    """

    def __init__(self, before: Axis) -> None:
        self.period, self.stride = len(before.spans), int(before.stride)
        self.firsts: list[float] = [inf if span is None else span[0] for span in before.spans]
        self.lasts: list[float] = [-inf if span is None else span[1] for span in before.spans]
        self.known: dict[tuple[int, int], tuple[list[float], list[float]]] = {}

    def spans(self, tap: Tap, shifts: Sequence[int]) -> "list[Span | None]":
        """What is seen by units first + shift, …, last + shift, a step apart, for every shift."""
        count, step = (tap.last - tap.first) // tap.step + 1, tap.step
        # More than come round to the same remainder add nothing: for the first pixel the earliest
        # units of each remainder count, for the last one the latest.
        count = min(count, self.period // gcd(step, self.period))
        firsts, lasts = self._tables(count, step)
        early, late = tap.first, tap.last - (count - 1) * step
        found: list[Span | None] = []
        for shift in shifts:
            turn, phase = divmod(early + shift, self.period)
            first = firsts[phase]
            if first == inf:
                found.append(None)
                continue
            other, phase = divmod(late + shift, self.period)
            end = int(lasts[phase]) + other * self.stride
            found.append((int(first) + turn * self.stride, end))
        return found

    def _tables(self, count: int, step: int) -> tuple[list[float], list[float]]:
        if count == 1:
            return self.firsts, self.lasts
        found = self.known.get((count, step))
        if found is None:
            half = (count + 1) // 2
            firsts, lasts = self._tables(half, step)
            ahead = (count - half) * step
            pairs = zip(firsts, self._rotated(firsts, ahead), strict=True)
            more = zip(lasts, self._rotated(lasts, ahead), strict=True)
            found = [*map(min, pairs)], [*map(max, more)]
            self.known[count, step] = found
        return found

    def _rotated(self, values: list[float], ahead: int) -> list[float]:
        """The values of units so far ahead of each."""
        turn, phase = divmod(ahead, self.period)
        now, next_ = turn * self.stride, (turn + 1) * self.stride
        return [v + now for v in values[phase:]] + [v + next_ for v in values[:phase]]


def _reduced(axis: Axis) -> Axis:
    """The same with the smallest period: spans that only move on say nothing new."""
    spans, stride = axis.spans, int(axis.stride)
    period = len(spans)
    for part in range(1, period):
        if period % part or stride * part % period:
            continue
        move = stride * part // period
        if all(_moved(spans[k], move) == spans[k + part] for k in range(period - part)):
            return Axis(move, spans[:part], axis.bound)
    return axis


def _moved(span: Span | None, by: int) -> Span | None:
    return None if span is None else (span[0] + by, span[1] + by)


def united(axes: Sequence[Axis]) -> Axis | None:
    """What the units of several paths see together; None where their strides differ."""
    first = axes[0]
    if all(len(axis.spans) == 1 and type(axis.stride) is int for axis in axes):
        if any(axis.stride != first.stride for axis in axes):
            return None
        span = _together([axis.spans[0] for axis in axes])
        return Axis(first.stride, (span,), any(axis.bound for axis in axes))
    if all(axis == first for axis in axes):
        return first
    if any(a.stride * len(first.spans) != first.stride * len(a.spans) for a in axes):
        return None
    period = lcm(*(len(axis.spans) for axis in axes))
    if period > MAX_PHASES or any(type(axis.stride) is not int for axis in axes):
        loose = [loosened(axis) for axis in axes]
        spans = _together([axis.spans[0] for axis in loose])
        return Axis(loose[0].stride, (spans,), bound=True)
    columns = zip(*(_unrolled(axis, period) for axis in axes), strict=True)
    stride = int(first.stride) * (period // len(first.spans))
    bound = any(axis.bound for axis in axes)
    return _reduced(Axis(stride, tuple(map(_together, columns)), bound))


def _unrolled(axis: Axis, period: int) -> Sequence[Span | None]:
    if len(axis.spans) == period:
        return axis.spans
    stride = int(axis.stride)
    turns = range(period // len(axis.spans))
    return [_moved(span, turn * stride) for turn in turns for span in axis.spans]


def _together(spans: Sequence[Span | None]) -> Span | None:
    """From the first pixel of any to the last; one that sees nothing has no say."""
    known = [span for span in spans if span is not None]
    if not known:
        return None
    return min(span[0] for span in known), max(span[1] for span in known)


def loosened(axis: Axis) -> Axis:
    """One span for all phases, with which every unit sees at least what it does see."""
    if len(axis.spans) == 1:
        return axis if axis.bound else axis._replace(bound=True)
    slope = axis.step
    seen = [(k, span) for k, span in enumerate(axis.spans) if span is not None]
    if not seen:
        return Axis(slope, (None,), bound=True)
    rise, run = slope.numerator, slope.denominator  # in whole numbers: fractions are slow
    first = min((span[0] * run - k * rise) // run for k, span in seen)
    last = max(-((k * rise - span[1] * run) // run) for k, span in seen)
    return Axis(slope, ((first, last),), bound=True)


def _bounded(before: Axis, reading: Reading) -> Axis | None:
    """A step behind a bound, or one that is a bound itself."""
    slope, first, last = as_reach(reading)
    stride = _whole(before.stride * slope)
    if max(abs(stride.numerator), stride.denominator) > MAX_STRIDE:
        return None
    (span,) = before.spans
    if span is None:
        return Axis(stride, (None,), bound=True)
    begin = floor(span[0] + first * before.stride)
    return Axis(stride, ((begin, ceil(span[1] + last * before.stride)),), bound=True)


def _whole(number: "Number") -> "Number":
    return quotient(number.numerator, number.denominator)
