"""The confusion matrix as a picture, and the pairs of classes that are confused most."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from PIL import Image as PillowImage

from archspec.train.evaluation import Evaluation
from archspec.train.seeing.colours import BLUES, ORANGES, coloured
from archspec.train.seeing.drawing import (
    FAINT,
    GRID,
    INK,
    WHITE,
    Colour,
    Pen,
    Point,
    fitted,
    text_width,
)

MARGIN, HEAD = 24, 78
NAME_WIDTH, WIDEST_TITLE = 170, 900  # pixels that a class's name may take, and the title
WIDEST_CELL, LEAST_CELL, WHOLE = 72, 17, 640  # pixels: of a cell, and of the matrix if it can be
GAP = 8  # between the matrix and its margins
DARK = 0.55  # the root of the share from which on a number is white
MOST = 100  # classes that a picture can be read of; of more, those with the most mistakes


@dataclass(frozen=True)
class Confused:
    """`number` pictures of the class `true` were taken for `predicted`: `share` of that class."""

    true: str
    predicted: str
    number: int
    share: float


def most_confused(evaluation: Evaluation, classes: Sequence[str], limit: int = 5) -> list[Confused]:
    """The pairs of different classes with the most pictures, the most confused first."""
    pairs = [
        Confused(classes[t], classes[p], number, number / sum(row))
        for t, row in enumerate(evaluation.confusion)
        for p, number in enumerate(row)
        if t != p and number
    ]
    return sorted(pairs, key=lambda pair: (-pair.number, -pair.share))[:limit]


@dataclass(frozen=True)
class Layout:
    """Where the matrix of `number` classes lies: its corner, its cells, and how large letters are.

    All in pixels of the picture.
    """

    number: int
    cell: float
    left: float
    top: float
    letters: float

    @property
    def right(self) -> float:
        return self.left + self.number * self.cell

    @property
    def bottom(self) -> float:
        return self.top + self.number * self.cell

    def middle(self, place: int, start: float) -> float:
        """Where the middle of a row or column lies; those behind the last are margins."""
        return start + (place + 0.5) * self.cell


def lay_out(classes: Sequence[str]) -> tuple[Layout, list[str]]:
    """Where the matrix of these classes lies, and their names as far as there is room for them."""
    cell = max(LEAST_CELL, min(WIDEST_CELL, WHOLE // len(classes)))
    letters = max(9.0, min(13.0, cell * 0.6))
    names = [fitted(name, letters, NAME_WIDTH) for name in classes]
    longest = ceil(max(text_width(name, letters) for name in names))
    layout = Layout(
        number=len(classes),
        cell=cell,
        left=MARGIN + 26 + longest + GAP,
        top=HEAD + longest + GAP,
        letters=letters,
    )
    return layout, names


def draw_confusion(evaluation: Evaluation, classes: Sequence[str], title: str) -> PillowImage.Image:
    """A row a true class, a column a predicted one; colour is the share of the row.

    Blue is named right, orange wrong. Recall stands at the end of a row, precision below a column.
    Of more than MOST classes, those with the most mistakes are drawn.
    """
    places = _worst(evaluation)
    classes = [classes[place] for place in places]
    title = fitted(title, 18, WIDEST_TITLE)
    layout, names = lay_out(classes)
    margin = max(layout.cell, 1.2 * text_width("precision", 11))
    width = max(layout.right + GAP + margin + MARGIN, MARGIN * 2 + text_width(title, 18), 500)
    pen = Pen(width, layout.bottom + GAP + max(layout.cell, 24) + 58)
    pen.text((MARGIN, 16), title, 18)
    told = f"accuracy {evaluation.accuracy:.1%}, {evaluation.num_images} pictures"
    if len(places) < len(evaluation.confusion):
        told += f"; the {len(places)} of {len(evaluation.confusion)} classes with the most mistakes"
    pen.text((MARGIN, 42), told, 13, FAINT)
    _draw_names(pen, layout, names)
    _draw_cells(pen, layout, evaluation, places)
    _draw_margins(pen, layout, evaluation, places, margin)
    _draw_legend(pen, layout)
    return pen.finished()


def _worst(evaluation: Evaluation) -> list[int]:
    """The classes to draw: all, or the MOST of them that lost or were given the most pictures."""
    counts = np.asarray(evaluation.confusion)
    mistakes = counts.sum(axis=0) + counts.sum(axis=1) - 2 * counts.diagonal()
    return sorted(np.argsort(-mistakes, kind="stable")[:MOST].tolist())


def _draw_names(pen: Pen, layout: Layout, names: Sequence[str]) -> None:
    for place, name in enumerate(names):
        y = layout.middle(place, layout.top)
        pen.text((layout.left - GAP, y), name, layout.letters, INK, "rm")
        x = layout.middle(place, layout.left)
        pen.upwards((x, layout.top - GAP), name, layout.letters)
    middle = (layout.top + layout.bottom) / 2
    pen.upwards((MARGIN + 6, middle + text_width("true", 13) / 2), "true", 13, FAINT)
    pen.text(((layout.left + layout.right) / 2, HEAD - 6), "predicted", 13, FAINT, "ms")


def _draw_cells(pen: Pen, layout: Layout, evaluation: Evaluation, places: Sequence[int]) -> None:
    counts = np.asarray(evaluation.confusion)
    shares = (counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)).astype(np.float32)
    counts, shares = (array[np.ix_(places, places)] for array in (counts, shares))
    # By the root, so that a single mistake among hundreds is still seen.
    right, wrong = coloured(np.sqrt(shares), BLUES), coloured(np.sqrt(shares), ORANGES)
    gap = 1 if layout.cell > 30 else 0.5
    pen.frame((layout.left, layout.top, layout.right, layout.bottom), GRID)
    for t, row in enumerate(counts.tolist()):
        for p, number in enumerate(row):
            x, y = layout.left + p * layout.cell, layout.top + t * layout.cell
            paint = (right if t == p else wrong)[t, p]
            red, green, blue = (int(part) for part in paint) if number else (250, 251, 252)
            side = layout.cell - gap
            pen.fill((x, y, x + side, y + side), (red, green, blue))
            if number:
                _write_count(pen, (x, y), side, number, WHITE if shares[t, p] > DARK**2 else INK)


def _write_count(pen: Pen, corner: Point, side: float, number: int, colour: Colour) -> None:
    text, size = str(number), min(15.0, side * 0.55)
    size *= min(1, (side - 2) / text_width(text, size))
    pen.text((corner[0] + side / 2, corner[1] + side / 2), text, size, colour, "mm")


def _draw_margins(
    pen: Pen, layout: Layout, evaluation: Evaluation, places: Sequence[int], margin: float
) -> None:
    every = list(evaluation.per_class(tuple(map(str, range(len(evaluation.confusion))))).values())
    figures = [every[place] for place in places]
    size = max(8.0, min(12.0, layout.cell * 0.45))
    x, y = layout.right + GAP + margin / 2, layout.bottom + GAP + max(layout.cell, 24) / 2
    pen.text((x, layout.top - GAP), "recall", 11, FAINT, "ms")
    pen.text((layout.left - GAP, y), "precision", 11, FAINT, "rm")
    for place, figure in enumerate(figures):
        pen.text((x, layout.middle(place, layout.top)), _percent(figure["recall"]), size, INK, "mm")
        at = layout.middle(place, layout.left)
        text = _percent(figure["precision"])
        if text_width(text, size) < layout.cell - 2:
            pen.text((at, y), text, size, INK, "mm")
        else:
            pen.upwards((at, layout.bottom + GAP + text_width(text, size)), text, size)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _draw_legend(pen: Pen, layout: Layout) -> None:
    y = layout.bottom + GAP + max(layout.cell, 24) + 24
    shares = np.linspace(0, 1, 64, dtype=np.float32)[np.newaxis]
    x: float = MARGIN
    for name, stops in (("named right", BLUES), ("taken for another", ORANGES)):
        pen.text((x, y), name, 11, FAINT, "lm")
        x += text_width(name, 11) + 8
        pen.picture((x, y - 6, x + 64, y + 6), coloured(np.sqrt(shares), stops))
        pen.frame((x, y - 6, x + 64, y + 6), GRID)
        x += 80
    pen.text((x, y), "0 ... 100% of the row", 11, FAINT, "lm")
