"""Fields along an axis, beside sets of pixels that are put together unit by unit."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.analysis import phases
from archspec.analysis.phases import MAX_STRIDE, Axis, loosened, through, united
from archspec.ops import taps
from archspec.ops.taps import MAX_PHASES, Reading, Window

Reads = Callable[[int], set[int]]
"""Which inputs an output reads, on a line without ends."""


@dataclass(frozen=True)
class Step:
    """A step as the arithmetic has it, and by its definition."""

    name: str
    reading: Reading
    reads: Reads


def window(kernel: int, stride: int, before: int, dilation: int) -> Step:
    def reads(unit: int) -> set[int]:
        return {unit * stride - before + dilation * tap for tap in range(kernel)}

    name = f"window{(kernel, stride, before, dilation)}"
    return Step(name, Window(kernel, stride, before, dilation), reads)


def transposed(kernel: int, stride: int, padding: int, dilation: int) -> Step:
    def reads(unit: int) -> set[int]:
        end = unit + padding
        near = range((end - dilation * kernel) // stride, end // stride + 1)
        painted = {i: {i * stride - padding + dilation * t for t in range(kernel)} for i in near}
        return {i for i, outputs in painted.items() if unit in outputs}

    name = f"transposed{(kernel, stride, padding, dilation)}"
    return Step(name, taps.painted(kernel, stride, padding, dilation), reads)


def nearest(size: int, output: int) -> Step:
    def reads(unit: int) -> set[int]:
        return {floor(Fraction(unit * size, output))}

    return Step(f"nearest{(size, output)}", taps.nearest(size, output), reads)


def bilinear(size: int, output: int) -> Step:
    def reads(unit: int) -> set[int]:
        if size == output:
            return {unit}
        place = floor((unit + Fraction(1, 2)) * Fraction(size, output) - Fraction(1, 2))
        return {place, place + 1}

    return Step(f"bilinear{(size, output)}", taps.blended(size, output), reads)


def corners(size: int, output: int) -> Step:
    def reads(unit: int) -> set[int]:
        if size == output:
            return {unit}
        place = floor(Fraction(unit * (size - 1), output - 1))
        return {place, place + 1}

    reading = taps.blended_between_corners(size, output)
    return Step(f"corners{(size, output)}", reading, reads)


def adaptive(size: int, bins: int) -> Step:
    def reads(unit: int) -> set[int]:
        each = Fraction(size, bins)
        return set(range(floor(unit * each), ceil((unit + 1) * each)))

    return Step(f"adaptive{(size, bins)}", taps.bins(size, bins), reads)


small, sizes = st.integers(1, 3), st.integers(1, 12)
steps = st.one_of(
    st.builds(window, st.integers(1, 5), st.integers(1, 4), st.integers(-2, 3), small),
    st.builds(transposed, st.integers(1, 5), st.integers(1, 4), st.integers(0, 3), small),
    st.builds(nearest, sizes, sizes),
    st.builds(bilinear, sizes, sizes),
    st.builds(corners, sizes, st.integers(2, 12)),
    st.builds(adaptive, sizes, sizes),
)
chains = st.lists(steps, max_size=4)


def pixels(chain: list[Step], unit: int) -> set[int]:
    """All pixels that a unit depends on."""
    seen = {unit}
    for step in reversed(chain):
        seen = {read for place in seen for read in step.reads(place)}
    return seen


def axis_of(chain: list[Step]) -> Axis:
    axis: Axis | None = Axis()
    for step in chain:
        assert axis is not None
        axis = through(axis, step.reading)
    assert axis is not None
    return axis


def span(seen: set[int]) -> tuple[int, int] | None:
    return (min(seen), max(seen)) if seen else None


def assert_sees(axis: Axis, unit: int, seen: set[int]) -> None:
    """That the axis says of a unit what it sees, or no less where it is a bound."""
    said = axis.of(unit)
    if not axis.bound:
        assert said == span(seen), unit
    elif seen:
        assert said is not None
        assert said[0] <= min(seen) <= max(seen) <= said[1], unit


UNITS = range(-3, 2 * MAX_PHASES + 3)


@given(steps)
def test_a_step_reads_what_it_does_by_its_definition(step: Step) -> None:
    axis = axis_of([step])
    assert not axis.bound
    for unit in UNITS:
        assert_sees(axis, unit, step.reads(unit))


@given(chains)
def test_units_behind_each_other(chain: list[Step]) -> None:
    axis = axis_of(chain)
    for unit in UNITS:
        assert_sees(axis, unit, pixels(chain, unit))
    if not axis.bound:
        assert axis.size == max(len(range(s[0], s[1] + 1)) if s else 0 for s in axis.spans)


@given(chains)
def test_the_period_is_the_smallest(chain: list[Step]) -> None:
    axis = axis_of(chain)
    for period in range(1, axis.period):
        move = Fraction(axis.stride * period, axis.period)
        if move.denominator > 1:
            continue  # then not even units that see nothing are that far apart
        alike = [(axis.of(unit), axis.of(unit + period)) for unit in range(axis.period)]
        assert not all(
            (a is None and b is None) or (a and b and b[0] - a[0] == move == b[1] - a[1])
            for a, b in alike
        )


@given(st.lists(chains, min_size=1, max_size=3))
def test_units_of_several_paths(paths: list[list[Step]]) -> None:
    axes = [axis_of(chain) for chain in paths]
    axis = united(axes)
    assert (axis is None) == (len({Fraction(each.step) for each in axes}) > 1)
    for unit in UNITS:
        if axis is None:
            break
        assert_sees(axis, unit, {pixel for chain in paths for pixel in pixels(chain, unit)})


@given(chains, st.lists(steps, max_size=2))
def test_a_bound_holds_whatever_comes_behind_it(chain: list[Step], more: list[Step]) -> None:
    axis: Axis | None = loosened(axis_of(chain))
    for step in more:
        assert axis is not None
        axis = through(axis, step.reading)
    assert axis is not None
    assert axis.bound
    for unit in UNITS:
        assert_sees(axis, unit, pixels([*chain, *more], unit))


@given(steps)
def test_what_has_too_many_phases_is_bounded_without_them(step: Step) -> None:
    """As if three phases were too many, of which small numbers have more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(taps, "MAX_PHASES", 2)
        patch.setattr(phases, "MAX_PHASES", 2)
        small_step = again(step)
        axis = axis_of([small_step, small_step])
    assert axis.period <= 2
    for unit in UNITS:
        assert_sees(axis, unit, pixels([step, step], unit))


def again(step: Step) -> Step:
    """The same step, made anew from what its name says."""
    name, _, numbers = step.name.partition("(")
    makers: dict[str, Callable[..., Step]] = {
        make.__name__: make for make in (window, transposed, nearest, bilinear, corners, adaptive)
    }
    return makers[name](*map(int, numbers.rstrip(")").split(",")))


@pytest.mark.parametrize(
    "reading",
    [
        taps.painted(10**9, 10**9, 10**9, 10**9),
        taps.painted(10**9, 10**9 - 1, 7, 3),
        taps.painted(10**9, 64, 10**9, 10**9),
        taps.nearest(10**9 - 1, 10**9),
        taps.blended(10**9 - 1, 10**9),
        taps.blended_between_corners(10**9 - 1, 10**9 - 2),
        taps.bins(10**9, 10**9 - 1),
        Window(10**9, 1, 10**9, 10**9),
    ],
)
def test_large_numbers_are_not_counted_through(reading: Reading) -> None:
    fine = through(Axis(), taps.nearest(1, 64))
    assert fine is not None
    assert fine.period == 64
    for before in (Axis(), fine):
        axis = through(before, reading)
        assert axis is None or axis.size >= 1


def test_strides_do_not_grow_without_end() -> None:
    axis: Axis | None = Axis()
    steps = 0
    while axis is not None:
        axis = through(axis, Window(3, 2, 2))
        steps += 1
    assert 2**steps == 2 * MAX_STRIDE
    axis, steps = Axis(), 0
    while axis is not None:
        axis = through(axis, taps.bins(5, 3))
        steps += 1
        assert axis is None or axis.period <= MAX_PHASES
    assert steps < 40
