"""What `archspec eval` leaves in a folder: the confusion matrix, the mistakes, and all figures."""

from collections.abc import Sequence
from pathlib import Path

from archspec.train.data.dataset import Dataset
from archspec.train.files import told_if_unwritable, write_json
from archspec.train.seeing.confusion import draw_confusion
from archspec.train.seeing.drawing import write_picture
from archspec.train.seeing.looking import Looked
from archspec.train.seeing.mistakes import draw_mistakes, find_mistakes

CONFUSION, MISTAKES, FIGURES = "confusion.png", "mistakes.png", "eval.json"


def write_report(
    folder: Path,
    looked: Looked,
    dataset: Dataset,
    classes: Sequence[str],
    *,
    title: str,
    mistakes: int,
) -> list[Path]:
    """Write the pictures and eval.json to `folder`; returns the files.

    At most `mistakes` pictures named wrong are shown and listed. Raises TrainError when the folder
    cannot be written.
    """
    evaluation = looked.evaluation
    found = find_mistakes(looked, dataset, classes, mistakes)
    number = round(evaluation.num_images * (1 - evaluation.accuracy))
    with told_if_unwritable(str(folder)):
        folder.mkdir(parents=True, exist_ok=True)
    files = [folder / name for name in (CONFUSION, MISTAKES, FIGURES)]
    write_picture(files[0], draw_confusion(evaluation, classes, title))
    write_picture(files[1], draw_mistakes(found, dataset, number, title))
    told = evaluation.as_json(tuple(classes))
    told |= {"data": dataset.source, "mistakes": [mistake.as_json() for mistake in found]}
    write_json(files[2], told)
    return files
