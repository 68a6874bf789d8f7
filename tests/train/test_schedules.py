"""Learning rates are those of PyTorch's schedulers, and stay between 0 and their peak."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import (
    ChainedScheduler,
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    SequentialLR,
    StepLR,
)

from archspec.train.recipe import Constant, Cosine, Exponential, OneCycle, Schedule, Step
from archspec.train.schedules import learning_rate

LR, STEPS, EPOCHS = 0.4, 7, 6
TOTAL = STEPS * EPOCHS


def ours(schedule: Schedule, epochs: int = EPOCHS, steps: int = STEPS) -> list[float]:
    return [learning_rate(schedule, LR, s, steps, epochs) for s in range(steps * epochs)]


def theirs(make: Callable[[Optimizer], Any], number: int = TOTAL) -> list[float]:
    """The rate of every step by one of PyTorch's schedulers, stepped after each of ours."""
    optimizer = SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR)
    scheduler, rates = make(optimizer), []
    for _ in range(number):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return rates


ROUNDED = [3, 6, 8, 11, 14, 17, 20, 22, 25, 28, 31, 34, 36, 39]  # multiples of 0.4 · 7 = 2.8


@pytest.mark.parametrize(
    ("schedule", "make"),
    [
        (Constant(), lambda o: ConstantLR(o, factor=1.0)),
        (Step(every=2.0, gamma=0.3), lambda o: StepLR(o, 2 * STEPS, gamma=0.3)),
        (Step(every=1 / STEPS, gamma=0.9), lambda o: StepLR(o, 1, gamma=0.9)),
        (Step(every=0.4, gamma=0.9), lambda o: MultiStepLR(o, ROUNDED, gamma=0.9)),
        (Step(milestones=(1.0, 4.0), gamma=0.1), lambda o: MultiStepLR(o, [STEPS, 4 * STEPS])),
        (Exponential(gamma=0.5), lambda o: ExponentialLR(o, 0.5 ** (1 / STEPS))),
        (Cosine(), lambda o: CosineAnnealingLR(o, TOTAL)),
        (Cosine(final=0.25), lambda o: CosineAnnealingLR(o, TOTAL, eta_min=0.25 * LR)),
        (
            OneCycle(rise=0.3, start=0.04, final=0.01),
            # PyTorch counts to its last step where we count to the one after: one more in all.
            lambda o: OneCycleLR(
                o, LR, total_steps=TOTAL + 1, pct_start=(0.3 * TOTAL + 1) / (TOTAL + 1),
                div_factor=25, final_div_factor=4, cycle_momentum=False,
            ),
        ),
    ],
)  # fmt: skip
def test_rates_are_those_of_pytorch(schedule: Schedule, make: Callable[[Optimizer], Any]) -> None:
    assert ours(schedule) == pytest.approx(theirs(make), rel=1e-9)


NUM_WARM = 10
WARMUP = NUM_WARM / STEPS


def warm(optimizer: Optimizer) -> LinearLR:
    return LinearLR(optimizer, 1 / (NUM_WARM + 1), 1.0, total_iters=NUM_WARM)


@pytest.mark.filterwarnings("ignore:The epoch parameter:UserWarning")  # SequentialLR's own doing
@pytest.mark.parametrize(
    ("schedule", "make"),
    [
        (Constant(warmup=WARMUP), warm),
        (
            Step(every=3.0, gamma=0.3, warmup=WARMUP),
            lambda o: ChainedScheduler([warm(o), StepLR(o, 3 * STEPS, gamma=0.3)]),
        ),
        (
            Cosine(final=0.1, warmup=WARMUP),
            lambda o: SequentialLR(
                o,
                [warm(o), CosineAnnealingLR(o, TOTAL - NUM_WARM, eta_min=0.1 * LR)],
                milestones=[NUM_WARM],
            ),
        ),
    ],
)
def test_warm_up_is_pytorch_s_too(schedule: Schedule, make: Callable[[Optimizer], Any]) -> None:
    assert ours(schedule) == pytest.approx(theirs(make), rel=1e-9)


def test_warm_up_climbs_in_equal_steps_to_where_the_schedule_is() -> None:
    rates = ours(Exponential(gamma=0.5, warmup=1.5))
    number = round(1.5 * STEPS)
    rises = {round(b - a, 12) for a, b in pairwise([0.0, *rates[: number + 1]])}
    assert len(rises) == 1
    assert rates[number:] == ours(Exponential(gamma=0.5))[number:]  # counted from the run's start


def test_a_warm_up_longer_than_the_run_only_climbs() -> None:
    rates = ours(Cosine(warmup=100.0))
    assert rates == sorted(rates)
    assert rates[0] > 0
    assert rates[-1] < LR


WARMUPS = st.just(0.0) | st.floats(0, 4)
MILESTONES = st.sets(st.floats(0.1, 9), min_size=1, max_size=4)
SCHEDULES = st.one_of(
    st.builds(Constant, warmup=WARMUPS),
    st.builds(Step, every=st.floats(0.1, 5), gamma=st.floats(0.5, 1), warmup=WARMUPS),
    st.builds(
        Step,
        milestones=MILESTONES.map(sorted).map(tuple),
        gamma=st.floats(0.1, 1),
        warmup=WARMUPS,
    ),
    st.builds(Exponential, gamma=st.floats(0.5, 1), warmup=WARMUPS),
    st.builds(Cosine, final=st.floats(0, 1), warmup=WARMUPS),
    st.builds(
        OneCycle,
        rise=st.floats(0, 1),
        start=st.floats(0.001, 1),
        final=st.floats(0, 1),
        warmup=WARMUPS,
    ),
)


@given(SCHEDULES, st.integers(1, 30), st.integers(1, 9), st.floats(1e-6, 10))
def test_every_rate_is_positive_and_none_above_the_peak(
    schedule: Schedule, steps: int, epochs: int, lr: float
) -> None:
    rates = [learning_rate(schedule, lr, s, steps, epochs) for s in range(steps * epochs)]
    assert all(0 < rate <= lr * (1 + 1e-12) for rate in rates)


SMOOTH = st.one_of(
    st.builds(Exponential, gamma=st.floats(0.5, 1), warmup=WARMUPS),
    st.builds(Cosine, final=st.floats(0, 1), warmup=WARMUPS),
    st.builds(OneCycle, rise=st.floats(0.2, 0.8), start=st.floats(0.01, 1), warmup=WARMUPS),
)


@given(SMOOTH, st.integers(1, 9))
def test_smooth_schedules_have_no_jumps(schedule: Schedule, epochs: int) -> None:
    steps = 200
    rates = ours(schedule, epochs, steps)
    warmup = min(round(schedule.warmup * steps), steps * epochs)
    span = max(steps * epochs - warmup, 1)
    # Half a cosine is steepest at its middle: π/2 times the height over its length.
    steepest = max(math.pi / 2 / (0.2 * span), math.log(2) / steps, 1 / (warmup + 1))
    rises = (abs(b - a) for a, b in pairwise(rates))
    assert all(rise <= LR * steepest * 1.001 for rise in rises)


def test_the_ends_are_where_they_should_be() -> None:
    cosine = ours(Cosine(final=0.1), 100)
    assert cosine[0] == LR
    assert cosine[-1] == pytest.approx(0.1 * LR, rel=1e-3)
    cycle = ours(OneCycle(rise=0.5, start=0.1), 100)
    assert cycle[0] == pytest.approx(0.1 * LR)
    assert max(cycle) == cycle[len(cycle) // 2] == LR
    assert 0 < cycle[-1] < 1e-4 * LR
    assert learning_rate(Cosine(final=0.1), LR, 10_000, STEPS, EPOCHS) == pytest.approx(0.1 * LR)


def test_a_rate_beyond_all_numbers_is_infinite() -> None:
    assert learning_rate(Exponential(gamma=100.0), LR, 10_000, 1, 10_001) == math.inf
