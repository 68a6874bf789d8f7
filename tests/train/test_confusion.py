"""Who is taken for whom, drawn and listed: compared with counts made by hand."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from PIL import Image

from archspec.cli.evaluate import as_text
from archspec.train.data.dataset import Dataset
from archspec.train.data.pictures import in_memory
from archspec.train.evaluation import Evaluation
from archspec.train.seeing.colours import BLUES, ORANGES, coloured
from archspec.train.seeing.confusion import Confused, draw_confusion, lay_out, most_confused
from archspec.train.seeing.looking import Looked
from archspec.train.seeing.mistakes import draw_mistakes, find_mistakes

CLASSES = ("black", "grey", "white")
COUNTS = [[2, 0, 0], [0, 1, 3], [2, 0, 8]]


def corner(picture: Image.Image, classes: Sequence[str], true: int, predicted: int) -> object:
    """The colour of a cell, next to its corner, where no number stands."""
    layout, _ = lay_out(classes)
    x, y = layout.left + predicted * layout.cell + 3, layout.top + true * layout.cell + 3
    return picture.getpixel((round(x), round(y)))


def test_a_cell_has_the_colour_of_its_share() -> None:
    picture = draw_confusion(Evaluation(0.5, COUNTS), CLASSES, "test")
    for true, row in enumerate(COUNTS):
        for predicted, count in enumerate(row):
            share = np.full((1, 1), (count / sum(row)) ** 0.5, np.float32)
            wanted = coloured(share, BLUES if true == predicted else ORANGES)[0, 0]
            found = corner(picture, CLASSES, true, predicted)
            assert found == (tuple(wanted.tolist()) if count else (250, 251, 252))


@pytest.mark.parametrize("number", [2, 20, 100, 250])
def test_any_number_of_classes_fits_into_a_picture(number: int) -> None:
    counts = [[int(t == p) for p in range(number)] for t in range(number)]
    counts[-1][-2] = 5
    classes = [f"a class with the long name {i}" for i in range(number)]
    picture = draw_confusion(Evaluation(0.5, counts), classes, "a title " * 90)
    drawn = classes[-100:] if number > 100 else classes
    assert max(picture.size) < 2200
    assert picture.height > lay_out(drawn)[0].bottom


def test_of_many_classes_the_worst_are_drawn() -> None:
    number = 150
    counts = [[4 * (t == p) for p in range(number)] for t in range(number)]
    for place in range(0, number - 1, 2):
        counts[place][place + 1] = 4 if place == 148 else 1
    counts[0][1] = 0  # classes 0 and 1 have no mistakes
    classes = [str(place) for place in range(number)]
    picture = draw_confusion(Evaluation(0.5, counts), classes, "test")
    drawn = classes[2:101] + classes[148:149]  # in their order; 148 lost most
    assert corner(picture, drawn, 99, 98) == (250, 251, 252)
    assert corner(picture, drawn, 0, 1) != (250, 251, 252)


def test_the_most_confused_pairs() -> None:
    assert most_confused(Evaluation(0.5, COUNTS), CLASSES) == [
        Confused("grey", "white", 3, 0.75),
        Confused("white", "black", 2, 0.2),
    ]
    assert len(most_confused(Evaluation(0.5, COUNTS), CLASSES, limit=1)) == 1
    assert not most_confused(Evaluation(0.5, [[2, 0], [0, 0]]), CLASSES)


@pytest.fixture
def dataset() -> Dataset:
    pictures = in_memory((np.full((8, 6, 1), grey, np.uint8) for grey in range(6)), channels=1)
    names = tuple(f"black/{place}.png" for place in range(6))
    return Dataset("here", CLASSES, names, (0, 0, 0, 1, 1, 1), pictures, "digest")


def test_mistakes_are_the_surest_first(dataset: Dataset) -> None:
    rows = [[0.1, 0.9, 0.0], [0.8, 0.1, 0.1], [0.3, 0.1, 0.6], [0.95, 0.05, 0.0]]
    looked = Looked(
        places=torch.tensor([1, 2, 4, 5]),
        labels=torch.tensor([0, 0, 1, 1]),
        probabilities=torch.tensor(rows),
        evaluation=Evaluation(0.5, COUNTS),
    )
    found = find_mistakes(looked, dataset, CLASSES, 10)
    assert [(m.file, m.true, m.predicted) for m in found] == [
        ("black/5.png", "grey", "black"),
        ("black/1.png", "black", "grey"),
        ("black/4.png", "grey", "white"),
    ]
    assert [round(m.probability, 3) for m in found] == [0.95, 0.9, 0.6]
    assert [round(m.of_true, 3) for m in found] == [0.05, 0.1, 0.1]
    assert find_mistakes(looked, dataset, CLASSES, 1) == found[:1]
    full, none = draw_mistakes(found, dataset, 3, "t"), draw_mistakes([], dataset, 0, "t")
    assert full.height > none.height > 0


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_the_table_fits_the_terminal(columns: int) -> None:
    number = 12
    counts = [[7 for _ in range(number)] for _ in range(number)]
    classes = tuple(f"flower number {place}" for place in range(number))
    lines = as_text(Evaluation(0.5, counts), classes, columns).splitlines()
    assert max(map(len, lines[:-1])) <= columns
    assert len(lines) == 1 + number + 2
    everything = as_text(Evaluation(0.5, counts), classes, None).splitlines()[0]
    assert all(name in everything for name in classes)
