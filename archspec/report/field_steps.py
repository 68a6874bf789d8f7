"""The step from what a node's inputs see to what its units see, in words and numbers."""

from collections.abc import Iterator
from itertools import groupby
from math import lcm
from typing import TYPE_CHECKING

from archspec.analysis.phases import Axis
from archspec.analysis.receptive_field import Field, ReceptiveField, seen_through
from archspec.ops import Reading, Taps, Text, View, Window
from archspec.report import figures

if TYPE_CHECKING:
    from fractions import Fraction

    Number = int | Fraction

MOST_KINDS = 8
"""So many kinds of units are listed, or else the first ones."""
SEES = ", see "
"""Between what some units read and what they see; where a line may end."""


def explain(before: Field, view: View, after: Field | None) -> Iterator[Text]:
    """The step from the field of what arrives to that of the output, with the numbers in it.

    Both axes in one where they agree, else height and width apart.
    """
    if after is None:
        yield Text("field", "unknown: the stride has grown too large to follow")
    elif view == "global":
        yield Text("field", "global: every output sees all of its input")
    elif before == "global":
        yield Text("field", "global, as what arrives")
    elif after == "global":
        yield Text("field", "global")
    elif after != seen_through(before, view):
        yield from explain_part(after)
    elif view is None:
        size = figures.pair(before.size)
        yield Text("field", f"r' = r = {size}: each output looks at a single place")
    elif view[0] == view[1] and before.height == before.width:
        yield from _explain_axis(before.width, view[1], after.width, "")
    else:
        yield from _explain_axis(before.height, view[0], after.height, " height")
        yield from _explain_axis(before.width, view[1], after.width, " width")


def explain_part(after: Field) -> Iterator[Text]:
    """What is seen by those channels that a step reads, where others see something else."""
    seen = "everything" if after == "global" else spans(after)
    yield Text("field", f"r' = {figures.field(after)}: the channels that it reads see {seen}")


def _explain_axis(before: Axis, reading: Reading, after: Axis, name: str) -> Iterator[Text]:
    if after.bound:
        yield Text(f"field{name}", f"r' ≤ {after.size}: {_bounded(after)}")
    elif isinstance(reading, Window) and before.period == 1 and None not in before.spans:
        yield from _explain_window(before, reading, after, name)
    elif isinstance(reading, Window | Taps):
        title = f"field{name}"
        for line in _kinds(reading, after):
            yield Text(title, line)
        yield Text(title, f"r' = {after.size}, of those that see most; j' = {after.step}")


def _explain_window(before: Axis, window: Window, after: Axis, name: str) -> Iterator[Text]:
    jump = before.step
    dilation = ("D·", f"{window.dilation}·") if window.dilation > 1 else ("", "")
    step = f"{before.size} + {dilation[1]}({window.kernel} − 1)·{jump}"
    yield Text(f"field{name}", f"r' = r + {dilation[0]}(F − 1)·j = {step} = {after.size}")
    yield Text("", f"j' = j·S = {jump}·{window.stride} = {after.step}")
    start, ahead = _signed(before.offset), _signed(window.before)
    first = f"o' = o − P·j = {start} − {ahead}·{jump} = {_signed(after.offset)}"
    yield Text("", f"{first}: unit u sees {_span(after, 0)}")


def _kinds(reading: Window | Taps, after: Axis) -> Iterator[str]:
    """What each kind of units reads and sees: `even units 2·q read input q, see 2·q to …`."""
    own = len(reading.phases) if isinstance(reading, Taps) else 1
    period = lcm(own, after.period)
    shown = period if period <= MOST_KINDS else MOST_KINDS // 2
    unrolled = Axis(
        after.stride * (period // after.period), tuple(after.of(k) for k in range(period))
    )
    for phase in range(shown):
        read = _read(reading, phase, period)
        if read is None:
            yield f"{_units(phase, period)} read nothing"
            continue
        seen = "nothing" if unrolled.spans[phase] is None else _span(unrolled, phase)
        yield f"{_units(phase, period)} read {read}{SEES}{seen}"
    if shown < period:
        yield f"and so on: there are {period} kinds of units"


def _units(phase: int, period: int) -> str:
    """`even units 2·q`, `units 3·q + 1`."""
    if period == 1:
        return "units u"
    kind = ("even ", "odd ")[phase] if period == 2 else ""
    return f"{kind}units {place(period, phase, 'q')}"


def _read(reading: Window | Taps, phase: int, period: int) -> str | None:
    """The inputs that the units of a phase read, in terms of q."""
    unit = "u" if period == 1 else "q"
    if isinstance(reading, Window):
        stride = reading.stride * period
        first = reading.stride * phase - reading.before
        last, step = first + reading.dilation * (reading.kernel - 1), reading.dilation
    else:
        turn, own = divmod(phase, len(reading.phases))
        tap, stride = reading.phases[own], reading.stride * (period // len(reading.phases))
        if tap is None:
            return None
        shift = turn * reading.stride
        first, last, step = tap.first + shift, tap.last + shift, tap.step
    if first == last:
        return f"input {place(stride, first, unit)}"
    every = f", every {step}th" if step > 3 else ("", "", ", every 2nd", ", every 3rd")[step]
    return f"inputs {place(stride, first, unit)} to {place(stride, last, unit)}{every}"


def spans(field: ReceptiveField) -> str:
    """`8·u − 17 to 8·u + 25`, of height and width where they differ."""
    if field.height == field.width:
        return _spans(field.height)
    return f"{_spans(field.height)} (height), {_spans(field.width)} (width)"


def _spans(axis: Axis) -> str:
    if axis.is_empty:
        return "nothing"
    if axis.bound:
        return f"at most {axis.size}: {_bounded(axis)}"
    if axis.period == 1:
        return _span(axis, 0)
    if axis.period > MOST_KINDS:
        return f"up to {axis.size}, of {axis.period} kinds of units"
    kinds = []
    for _, alike in groupby(range(axis.period), key=lambda phase: axis.spans[phase]):
        first, *more = alike
        units = _units(first, axis.period)
        if more:
            units = f"units {place(axis.period, first, 'q')} to {place(axis.period, more[-1], 'q')}"
        kinds.append(f"{_span(axis, first) if axis.spans[first] else 'nothing'} ({units})")
    return ", ".join(kinds)


def _bounded(axis: Axis) -> str:
    if axis.period > 1 or axis.is_empty:
        return "some units may see less"
    return f"unit u sees no more than {_span(axis, 0)}, and may see less"


def _span(axis: Axis, phase: int) -> str:
    """`2·q − 3 to 2·q + 1`; of units that all see alike in terms of u."""
    span, unit = axis.spans[phase], "u" if axis.period == 1 else "q"
    assert span is not None
    return f"{place(axis.stride, span[0], unit)} to {place(axis.stride, span[1], unit)}"


def place(stride: "Number", offset: "Number", unit: str = "u") -> str:
    """A pixel of unit u's field: `4·u − 1`."""
    if stride == 0:
        return _signed(offset)
    times = unit if stride == 1 else f"{stride}·{unit}"
    return times if offset == 0 else f"{times} {'−' if offset < 0 else '+'} {abs(offset)}"


def _signed(number: "Number") -> str:
    return f"−{-number}" if number < 0 else str(number)
