"""The pictures that a network named wrong although it was sure."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from PIL import Image as PillowImage

from archspec.train.data.dataset import Dataset
from archspec.train.seeing.drawing import FAINT, GRID, INK, RIGHT, WRONG, Pen, fitted
from archspec.train.seeing.looking import Looked, in_colour

COLUMNS, TILE, CAPTION, GAP, MARGIN, HEAD = 6, 150, 54, 14, 24, 76


@dataclass(frozen=True)
class Mistake:
    """A picture of the class `true` that was called `predicted` with this `probability`.

    `place` is its place in the dataset, `file` its name there, `of_true` what was left for the
    true class.
    """

    place: int
    file: str
    true: str
    predicted: str
    probability: float
    of_true: float

    def as_json(self) -> dict[str, Any]:
        """What eval.json says of it."""
        return {
            "file": self.file,
            "true": self.true,
            "predicted": self.predicted,
            "probability": self.probability,
            "probability_of_true": self.of_true,
        }


def find_mistakes(
    looked: Looked, dataset: Dataset, classes: Sequence[str], limit: int
) -> list[Mistake]:
    """At most `limit` pictures that were named wrong, those with the highest probability first."""
    best, named = looked.probabilities.max(dim=1)
    wrong = (named != looked.labels).nonzero().flatten().tolist()
    wrong.sort(key=lambda i: (-float(best[i]), int(looked.places[i])))
    return [
        Mistake(
            place=int(looked.places[i]),
            file=dataset.names[int(looked.places[i])],
            true=classes[int(looked.labels[i])],
            predicted=classes[int(named[i])],
            probability=float(best[i]),
            of_true=float(looked.probabilities[i, looked.labels[i]]),
        )
        for i in wrong[:limit]
    ]


def draw_mistakes(
    mistakes: Sequence[Mistake], dataset: Dataset, number: int, title: str
) -> PillowImage.Image:
    """The pictures in a grid, each with what it is, and what it was taken for.

    `number` is how many were named wrong in all.
    """
    columns = min(COLUMNS, max(3, len(mistakes)))
    rows = ceil(len(mistakes) / columns)
    step = (TILE + GAP, TILE + CAPTION + GAP)
    pen = Pen(2 * MARGIN - GAP + columns * step[0], HEAD + max(rows, 0) * step[1] + MARGIN - GAP)
    pen.text((MARGIN, 16), fitted(title, 18, columns * step[0] - GAP), 18)
    shown = f"the {len(mistakes)} surest of {number}" if len(mistakes) < number else f"all {number}"
    told = f"{shown} named wrong: what it is, and what it was taken for" if number else "none wrong"
    pen.text((MARGIN, 42), fitted(told, 13, columns * step[0] - GAP), 13, FAINT)
    for i, mistake in enumerate(mistakes):
        x, y = MARGIN + i % columns * step[0], HEAD + i // columns * step[1]
        _draw_tile(pen, x, y, mistake, dataset)
    return pen.finished()


def _draw_tile(pen: Pen, x: float, y: float, mistake: Mistake, dataset: Dataset) -> None:
    pixels = in_colour(dataset.pictures[mistake.place])
    height, width = pixels.shape[:2]
    ratio = TILE / max(height, width)
    w, h = width * ratio, height * ratio
    left, top = x + (TILE - w) / 2, y + (TILE - h) / 2
    pen.fill((x, y, x + TILE, y + TILE), (246, 247, 249))
    pen.picture((left, top, left + w, top + h), pixels)
    pen.frame((x, y, x + TILE, y + TILE), GRID)
    pen.text((x, y + TILE + 6), fitted(mistake.true, 13, TILE), 13, RIGHT)
    chance = f" {mistake.probability:.0%}"
    name = fitted(mistake.predicted, 13, TILE - 40)
    pen.text((x, y + TILE + 22), name + chance, 13, WRONG)
    file = mistake.file.rpartition("/")[2]
    pen.text((x, y + TILE + 39), fitted(file, 9.5, TILE), 9.5, FAINT if file else INK)
