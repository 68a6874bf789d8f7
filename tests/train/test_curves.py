"""The curves: points lie where the numbers say."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from archspec.train.curves import (
    HEIGHT,
    PANELS,
    RATE,
    RATES,
    RATES_HEIGHT,
    TRAIN,
    VAL,
    Axes,
    draw_curves,
    epoch_ticks,
    nice_ticks,
    panel_axes,
    write_curves,
)
from archspec.train.metrics import EpochMetrics


def epoch(
    number: int, losses: tuple[float, float], accuracies: tuple[float, float], lr: float = 1e-3
) -> EpochMetrics:
    return EpochMetrics(
        number, number, lr, losses[0], accuracies[0], losses[1], accuracies[1], 1.0, 1.0, 1.0, 0.0
    )


HISTORY = [
    epoch(1, (1.9, 1.5), (0.2, 0.4)),
    epoch(2, (1.2, 0.7), (0.5, 0.75)),
    epoch(3, (0.8, 1.1), (0.7, 0.6)),
]


def test_axes_map_corners_to_corners() -> None:
    axes = Axes((10, 20, 110, 220), (1, 3), (0, 2))
    assert axes.to_pixel(1, 0) == (10, 220)
    assert axes.to_pixel(3, 2) == (110, 20)
    assert axes.to_pixel(2, 1.5) == (60, 70)


def test_every_point_is_drawn_in_its_colour_at_its_place() -> None:
    picture = draw_curves(HISTORY, "test")
    loss = panel_axes(PANELS[0], [1, 2, 3], nice_ticks(0, 1.9))
    accuracy = panel_axes(PANELS[1], [1, 2, 3], nice_ticks(0.2, 1.0))
    for m in HISTORY:
        for axes, values in (
            (loss, (m.train_loss, m.val_loss)),
            (accuracy, (m.train_accuracy, m.val_accuracy)),
        ):
            for value, colour in zip(values, (TRAIN, VAL), strict=True):
                x, y = axes.to_pixel(m.epoch, value)
                assert picture.getpixel((round(x), round(y))) == colour


def test_the_learning_rate_has_a_panel_where_it_changes() -> None:
    falling = [replace(m, lr=0.1 / m.epoch) for m in HISTORY]
    picture, plain = draw_curves(falling, "test"), draw_curves(HISTORY, "test")
    assert plain.height == HEIGHT
    assert picture.height == HEIGHT + RATES_HEIGHT
    axes = panel_axes(RATES, [1, 2, 3], nice_ticks(0, 0.1, 3))
    for m in falling:
        x, y = axes.to_pixel(m.epoch, m.lr)
        assert picture.getpixel((round(x), round(y))) == RATE


def test_the_best_epoch_is_marked() -> None:
    picture = draw_curves(HISTORY, "test")
    accuracy = panel_axes(PANELS[1], [1, 2, 3], nice_ticks(0.2, 1.0))
    for m in HISTORY[:2]:
        x, y = accuracy.to_pixel(m.epoch, m.val_accuracy)
        beside = picture.getpixel((round(x) - 7, round(y) - 1))  # no line passes here
        assert isinstance(beside, tuple)
        assert (beside[2] < 200) == (m.epoch == 2)


@pytest.mark.parametrize("length", [1, 2, 40])
def test_a_run_of_any_length_is_drawn(tmp_path: Path, length: int) -> None:
    history = [epoch(i, (2 / i, 0.0), (1.0, 1.0)) for i in range(1, length + 1)]
    write_curves(tmp_path / "curves.png", history, "long")
    with Image.open(tmp_path / "curves.png") as picture:
        picture.load()
        assert picture.format == "PNG"


@given(st.floats(0, 1e6), st.floats(1e-6, 1e6))
def test_ticks_span_the_values_in_even_round_steps(low: float, span: float) -> None:
    ticks = nice_ticks(low, low + span)
    assert ticks[0] <= low + span * 1e-6
    assert ticks[-1] >= (low + span) * (1 - 1e-6)
    assert 2 <= len(ticks) <= 8


@given(st.integers(1, 3000))
def test_epoch_ticks_are_few_and_begin_at_the_first(epochs: int) -> None:
    ticks = epoch_ticks(epochs)
    assert ticks[0] == 1
    assert ticks == sorted(set(ticks))
    assert len(ticks) <= 12
    assert ticks[-1] <= epochs
