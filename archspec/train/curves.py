"""The curves of a run as a picture: loss and accuracy over epochs."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from pathlib import Path

from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from archspec.train.files import told_if_unwritable, written_whole
from archspec.train.metrics import EpochMetrics

SCALE = 2  # drawn larger and reduced: smooth lines
WIDTH, HEIGHT = 1120, 480
PANELS = ((70, 84, 530, 424), (630, 84, 1090, 424))  # left, top, right, bottom
INK, FAINT, GRID = (40, 44, 52), (110, 116, 126), (228, 231, 235)
TRAIN, VAL = (31, 119, 180), (224, 110, 20)

Point = tuple[float, float]
Colour = tuple[int, int, int]


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
    """Loss (left) and accuracy (right) of training and validation over the epochs."""
    canvas = PillowImage.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), "white")
    pen = _Pen(ImageDraw.Draw(canvas))
    pen.text((PANELS[0][0], 16), title, 18, INK)
    epochs = [metrics.epoch for metrics in history]
    losses = [(m.train_loss, m.val_loss) for m in history]
    accuracies = [(m.train_accuracy, m.val_accuracy) for m in history]
    loss_ticks = nice_ticks(0, max(map(max, losses)))
    low = min(map(min, accuracies))
    accuracy_ticks = nice_ticks(floor(low * 10) / 10 if low < 0.9 else 0.9, 1.0)
    _draw_panel(pen, PANELS[0], "loss", epochs, losses, loss_ticks)
    _draw_panel(pen, PANELS[1], "accuracy", epochs, accuracies, accuracy_ticks)
    return canvas.reduce(SCALE)


def write_curves(path: Path, history: Sequence[EpochMetrics], title: str) -> None:
    """Draw the curves to a PNG at `path`."""
    with told_if_unwritable(str(path)), written_whole(path) as file:
        draw_curves(history, title).save(file, format="PNG")


def panel_axes(box: tuple[int, int, int, int], epochs: Sequence[int], ticks: list[float]) -> Axes:
    """The axes of one panel: the epochs, with room for a single one, and the ticks' span."""
    first, last = epochs[0], epochs[-1]
    xs = (first - 0.5, last + 0.5) if first == last else (first, last)
    return Axes(box, xs, (ticks[0], ticks[-1]))


def _draw_panel(
    pen: "_Pen",
    box: tuple[int, int, int, int],
    name: str,
    epochs: Sequence[int],
    series: Sequence[tuple[float, float]],
    ticks: list[float],
) -> None:
    axes = panel_axes(box, epochs, ticks)
    left, top, right, bottom = box
    for tick in ticks:
        _, y = axes.to_pixel(epochs[0], tick)
        pen.line([(left, y), (right, y)], GRID, 1)
        pen.text((left - 8, y), f"{tick:g}", 13, FAINT, anchor="rm")
    for tick in [epoch for epoch in epoch_ticks(epochs[-1]) if epoch >= epochs[0]]:
        x, _ = axes.to_pixel(tick, ticks[0])
        pen.line([(x, bottom), (x, bottom + 4)], FAINT, 1)
        pen.text((x, bottom + 8), str(tick), 13, FAINT, anchor="mt")
    pen.line([(left, bottom), (right, bottom)], FAINT, 1)
    pen.text((left, top - 12), name, 15, INK, anchor="ls")
    pen.text((right, bottom + 28), "epoch", 13, FAINT, anchor="rt")
    for place, (label, colour) in enumerate((("train", TRAIN), ("validation", VAL))):
        points = [axes.to_pixel(e, pair[place]) for e, pair in zip(epochs, series, strict=True)]
        pen.line(points, colour, 2)
        for point in points:
            pen.dot(point, 3, colour)
        start = right - 170 + place * 70
        pen.line([(start, top - 17), (start + 18, top - 17)], colour, 3)
        pen.text((start + 24, top - 17), label, 13, INK, anchor="lm")


class _Pen:
    """Draws in the picture's coordinates on a canvas SCALE times as large."""

    def __init__(self, draw: ImageDraw.ImageDraw) -> None:
        self.draw = draw

    def line(self, points: Sequence[Point], colour: Colour, width: int) -> None:
        scaled = [(x * SCALE, y * SCALE) for x, y in points]
        self.draw.line(scaled, fill=colour, width=width * SCALE, joint="curve")

    def dot(self, centre: Point, radius: float, colour: Colour) -> None:
        x, y, r = centre[0] * SCALE, centre[1] * SCALE, radius * SCALE
        self.draw.ellipse([x - r, y - r, x + r, y + r], fill=colour)

    def text(
        self, at: Point, text: str, size: int, colour: Colour, anchor: str | None = None
    ) -> None:
        font = ImageFont.load_default(size * SCALE)
        self.draw.text((at[0] * SCALE, at[1] * SCALE), text, colour, font, anchor)
