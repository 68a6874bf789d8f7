"""`archspec eval`: measure a trained network on pictures."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archspec.cli.train_options import Device
from archspec.cli.training import (
    as_json,
    cache_dir,
    printable,
    report_pictures,
    told_by_trainer,
)

if TYPE_CHECKING:
    from archspec.train.data.dataset import Dataset
    from archspec.train.evaluation import Evaluation
    from archspec.train.seeing.looking import Looked
    from archspec.train.trained import TrainedRun


class Format(StrEnum):
    """How a result is printed."""

    TEXT = "text"
    JSON = "json"


class Part(StrEnum):
    """Which pictures of a dataset are looked at."""

    VAL = "val"
    ALL = "all"


class Crops(StrEnum):
    """What is looked at of each picture; the probabilities of crops are averaged."""

    CENTRE = "centre"
    TEN = "ten"
    SCALES = "scales"


class Checkpoint(StrEnum):
    """Which of a run's weights are taken."""

    BEST = "best"
    LAST = "last"


Run = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")]
Data = Annotated[
    str | None,
    typer.Option(
        metavar="DIR|demo",
        show_default="the run's own",
        help="A folder with one folder of pictures a class.",
    ),
]
Split = Annotated[
    Part | None,
    typer.Option(
        show_default="val on the run's own pictures, else all",
        help="val: only what the run held out; all: every picture.",
    ),
]
CropsOption = Annotated[
    Crops | None,
    typer.Option(
        show_default="the recipe's",
        help="What is looked at of a picture: the centre, ten crops, or ten at five scales.",
    ),
]
Weights = Annotated[Checkpoint, typer.Option(help="Which weights.")]
Out = Annotated[
    Path | None,
    typer.Option(metavar="DIR", show_default="RUN/eval", help="Where the files go."),
]
Mistakes = Annotated[
    int, typer.Option(min=0, help="How many pictures named wrong to show at most.")
]
Printed = Annotated[Format, typer.Option("--format", help="How to print.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Do not keep decoded pictures on disk.")]


def evaluate(
    run: Run,
    data: Data = None,
    split: Split = None,
    crops: CropsOption = None,
    checkpoint: Weights = Checkpoint.BEST,
    out: Out = None,
    mistakes: Mistakes = 24,
    format_: Printed = Format.TEXT,
    device: Device = "auto",
    no_cache: NoCache = False,
) -> None:
    """Measure a trained network: accuracy, loss, precision and recall, and the confusion matrix.

    On the pictures that the run was trained on, only those that it held out are looked at, unless
    --split all is given; on others, all of them. Classes are matched by the names of their folders.

    confusion.png, mistakes.png (what was named wrong with the highest probability) and eval.json
    are written to --out.
    """
    with told_by_trainer():
        from archspec.train.run_files import EVAL
        from archspec.train.seeing.report import write_report

        found = _look(run, data, split, crops, checkpoint, device, no_cache=no_cache)
    trained, dataset, looked, held_out = found
    config = trained.config
    which = "the pictures held out of" if held_out else "all pictures of"
    head = f"{config.source.name}, {checkpoint} weights (epoch {trained.epoch}), on {which}"
    if format_ is Format.JSON:
        print(as_json(looked.evaluation.as_json(config.classes)))
    else:
        _print_text(looked.evaluation, config.classes, head, dataset.source)
    with told_by_trainer():
        files = write_report(
            out or run / EVAL,
            looked,
            dataset,
            config.classes,
            title=f"{head} {Path(dataset.source).name}",
            mistakes=mistakes,
        )
    if format_ is Format.TEXT:
        print(f"\n{printable(str(files[0].parent))}: {', '.join(path.name for path in files)}")


def _look(
    run: Path,
    data: str | None,
    split: Part | None,
    crops: Crops | None,
    checkpoint: Checkpoint,
    device: str,
    *,
    no_cache: bool,
) -> "tuple[TrainedRun, Dataset, Looked, bool]":
    """What a run's network makes of the pictures, and whether those are what it held out."""
    from archspec.train.data.dataset import load_dataset
    from archspec.train.data.decode import stored_short_side
    from archspec.train.device import pick_device
    from archspec.train.recipe import TestCrops
    from archspec.train.seeing.looking import look
    from archspec.train.trained import load_run

    chosen = pick_device(device)
    trained = load_run(run, chosen, checkpoint.value)
    config = trained.config
    wanted = config.recipe.test if crops is None else TestCrops(name=crops.value)
    stored = stored_short_side(config.source.input_shape, crops=wanted)
    dataset = load_dataset(
        data or config.data,
        config.source.input_shape,
        short_side=max(config.short_side, stored),
        cache_folder=cache_dir(no_cache),
    )
    report_pictures(dataset)
    part = split or (Part.VAL if dataset.source == config.data else Part.ALL)
    held_out = part is Part.VAL
    looked = look(trained, dataset, chosen, only_held_out=held_out, crops=wanted)
    return trained, dataset, looked, held_out


def _print_text(result: "Evaluation", classes: tuple[str, ...], head: str, source: str) -> None:
    from archspec.report.page import Page
    from archspec.train.seeing.confusion import most_confused

    page = Page.on(sys.stdout)
    for line in (*page.wrap(head, 0, 2), printable(source), ""):
        page.write(page.clean(line))
    names = tuple(page.clean(printable(name)) for name in classes)
    for line in as_text(result, names, page.width).splitlines():
        page.write(line if page.unicode else line.replace("│", "|").replace("·", "."))
    confused = most_confused(result, names)
    if not confused:
        return
    page.write("\nmost confused:")
    for pair in confused:
        told = f"{pair.number} of {pair.true} taken for {pair.predicted} ({pair.share:.0%})"
        for line in page.wrap(f"  {told}", 0, 4):
            page.write(line)


def as_text(result: "Evaluation", classes: tuple[str, ...], columns: int | None = 80) -> str:
    """The result as a table: a line a class; in the columns, what its pictures are taken for.

    The names above those are shortened only as far as the terminal's `columns` (None: any) demand
    it; where there is no room for the counts even so, they are left out.
    """
    width = max(len("class"), *map(len, classes))
    fixed = len("  pictures  precision  recall")
    if columns is not None:
        width = min(width, max(len("class"), columns - fixed))
    names = [name if len(name) <= width else f"{name[: width - 1]}…" for name in classes]
    least = max(6, *(len(str(count)) + 1 for row in result.confusion for count in row))
    longest = max(map(len, classes)) + 1
    room = longest if columns is None else (columns - width - fixed - len(" │")) // len(classes)
    cell = max(least, min(longest, room))
    matrix = columns is None or room >= least
    heads = "".join(f"{name[: cell - 1]:>{cell}}" for name in classes)
    lines = [f"{'class':{width}}  pictures  precision  recall" + (f" │{heads}" if matrix else "")]
    keys = tuple(map(str, range(len(classes))))  # shortened names may be alike
    figures = result.per_class(keys).values()
    for name, figure, row in zip(names, figures, result.confusion, strict=True):
        counts = "".join(f"{count or '·':>{cell}}" for count in row)
        lines.append(
            f"{name:{width}}  {figure['num_images']:>8}  {_percent(figure['precision']):>9}"
            f"  {_percent(figure['recall']):>6}" + (f" │{counts}" if matrix else "")
        )
    means = f"accuracy {result.accuracy:.1%}, loss {result.loss:.4f}, {result.num_images} pictures"
    return "\n".join([*lines, "", means])


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
