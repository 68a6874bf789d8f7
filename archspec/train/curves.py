"""The curves of a run as a picture: loss, accuracy and learning rate over epochs."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from pathlib import Path

from PIL import Image as PillowImage

from archspec.train.metrics import EpochMetrics
from archspec.train.seeing.drawing import (
    FAINT,
    GRID,
    INK,
    Colour,
    Pen,
    Point,
    fitted,
    write_picture,
)

WIDTH, HEIGHT = 1120, 480
PANELS = ((70, 84, 530, 424), (630, 84, 1090, 424))  # left, top, right, bottom
RATES = (70, 504, 1090, 604)  # the learning rate's panel, where it changes
RATES_HEIGHT = 180  # what the picture is higher by then
TRAIN, VAL, RATE = (31, 119, 180), (224, 110, 20), (90, 110, 60)

Lines = Sequence[tuple[str, Colour, Sequence[float]]]


@dataclass(frozen=True)
class Axes:
    """Maps data to pixels: `xs` and `ys` are what the box's left–right and bottom–top stand for."""

    box: tuple[int, int, int, int]
    xs: tuple[float, float]
    ys: tuple[float, float]

    def to_pixel(self, x: float, y: float) -> Point:
        """Where the data point (x, y) lies in the picture."""
        left, top, right, bottom = self.box
        along = (x - self.xs[0]) / (self.xs[1] - self.xs[0])
        up = (y - self.ys[0]) / (self.ys[1] - self.ys[0])
        return left + along * (right - left), bottom - up * (bottom - top)


def nice_ticks(low: float, high: float, number: int = 5) -> list[float]:
    """About `number` round values that span `low` … `high`, first and last included."""
    raw = max(high - low, 1e-9) / number
    unit = 10.0 ** floor(log10(raw))
    step = unit * next(factor for factor in (1, 2, 2.5, 5, 10) if factor * unit >= raw * 0.999)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(i * step, 10) for i in range(first, max(last, first + 1) + 1)]


def epoch_ticks(epochs: int) -> list[int]:
    """At most about ten whole epochs to label, the first among them."""
    step = max(1, ceil(epochs / 10))
    return [1, *range(step if step > 1 else 2, epochs + 1, step)]


def draw_curves(history: Sequence[EpochMetrics], title: str) -> PillowImage.Image:
    """Loss (left) and accuracy (right) of training and validation over the epochs.

    The epoch of the best validation accuracy is marked. Below stands the learning rate, unless it
    was one and the same.
    """
    epochs = [metrics.epoch for metrics in history]
    rates = [metrics.lr for metrics in history]
    changes = len(set(rates)) > 1
    pen = Pen(WIDTH, HEIGHT + (RATES_HEIGHT if changes else 0))
    pen.text((PANELS[0][0], 16), fitted(title, 18, 460), 18)
    best = max(history, key=lambda metrics: (metrics.val_accuracy, -metrics.val_loss))
    told = f"best: accuracy {best.val_accuracy:.1%}, epoch {best.epoch}"
    pen.text((PANELS[1][2], 20), told, 13, VAL, "ra")
    loss: Lines = _pair([m.train_loss for m in history], [m.val_loss for m in history])
    accuracy = _pair([m.train_accuracy for m in history], [m.val_accuracy for m in history])
    low = min(min(values) for _, _, values in accuracy)
    accuracy_ticks = nice_ticks(floor(low * 10) / 10 if low < 0.9 else 0.9, 1.0)
    loss_ticks = nice_ticks(0, max(max(values) for _, _, values in loss))
    axes = _draw_panel(pen, PANELS[0], "loss", epochs, loss, loss_ticks, best.epoch)
    pen.ring(axes.to_pixel(best.epoch, best.val_loss), 7, VAL)
    axes = _draw_panel(pen, PANELS[1], "accuracy", epochs, accuracy, accuracy_ticks, best.epoch)
    pen.ring(axes.to_pixel(best.epoch, best.val_accuracy), 7, VAL)
    if changes:
        rate: Lines = [("", RATE, rates)]
        ticks = nice_ticks(0, max(rates), 3)
        _draw_panel(pen, RATES, "learning rate", epochs, rate, ticks, best.epoch)
    return pen.finished()


def _pair(train: Sequence[float], val: Sequence[float]) -> Lines:
    return [("train", TRAIN, train), ("validation", VAL, val)]


def write_curves(path: Path, history: Sequence[EpochMetrics], title: str) -> None:
    """Draw the curves to a PNG at `path`."""
    write_picture(path, draw_curves(history, title))


def panel_axes(box: tuple[int, int, int, int], epochs: Sequence[int], ticks: list[float]) -> Axes:
    """The axes of one panel: the epochs, with room for a single one, and the ticks' span."""
    first, last = epochs[0], epochs[-1]
    xs = (first - 0.5, last + 0.5) if first == last else (first, last)
    return Axes(box, xs, (ticks[0], ticks[-1]))


def _draw_panel(
    pen: Pen,
    box: tuple[int, int, int, int],
    name: str,
    epochs: Sequence[int],
    lines: Lines,
    ticks: list[float],
    marked: int,
) -> Axes:
    """Draw a panel; a dashed line stands at the epoch `marked`."""
    axes = panel_axes(box, epochs, ticks)
    left, top, right, bottom = box
    for tick in ticks:
        _, y = axes.to_pixel(epochs[0], tick)
        pen.line([(left, y), (right, y)], GRID)
        pen.text((left - 8, y), f"{tick:g}", 13, FAINT, "rm")
    for tick in [epoch for epoch in epoch_ticks(epochs[-1]) if epoch >= epochs[0]]:
        x, _ = axes.to_pixel(tick, ticks[0])
        pen.line([(x, bottom), (x, bottom + 4)], FAINT)
        pen.text((x, bottom + 8), str(tick), 13, FAINT, "mt")
    pen.line([(left, bottom), (right, bottom)], FAINT)
    pen.text((left, top - 12), name, 15, INK, "ls")
    pen.text((right, bottom + 28), "epoch", 13, FAINT, "rt")
    x, _ = axes.to_pixel(marked, ticks[0])
    pen.dashes((x, top), (x, bottom), VAL)
    for place, (label, colour, values) in enumerate(lines):
        _draw_line(pen, [axes.to_pixel(*pair) for pair in zip(epochs, values, strict=True)], colour)
        if label:
            start = right - 170 + place * 70
            pen.line([(start, top - 17), (start + 18, top - 17)], colour, 3)
            pen.text((start + 24, top - 17), label, 13, INK, "lm")
    return axes


def _draw_line(pen: Pen, points: Sequence[Point], colour: Colour) -> None:
    pen.line(points, colour, 2)
    for point in points:
        pen.dot(point, 3, colour)
