"""`archspec eval`: measure a trained network on pictures."""

from enum import StrEnum
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated

import typer

from archspec.cli.training import (
    as_json,
    cache_dir,
    printable,
    report_broken,
    told_by_trainer,
)

if TYPE_CHECKING:
    from archspec.train.evaluation import Evaluation


class Format(StrEnum):
    """How a result is printed."""

    TEXT = "text"
    JSON = "json"


class Part(StrEnum):
    """Which pictures of a dataset are looked at."""

    VAL = "val"
    ALL = "all"


class Checkpoint(StrEnum):
    """Which of a run's weights are taken."""

    BEST = "best"
    LAST = "last"


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")],
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|demo",
            show_default="the run's own",
            help="A folder with one folder of pictures a class.",
        ),
    ] = None,
    split: Annotated[
        Part | None,
        typer.Option(
            show_default="val on the run's own pictures, else all",
            help="val: only what the run held out; all: every picture.",
        ),
    ] = None,
    checkpoint: Annotated[Checkpoint, typer.Option(help="Which weights.")] = Checkpoint.BEST,
    format_: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TEXT,
    device: Annotated[str, typer.Option(help="auto (CUDA where there is one), cpu or cuda.")] = (
        "auto"
    ),
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Do not keep decoded pictures on disk.")
    ] = False,
) -> None:
    """Measure a trained network: accuracy, loss, precision and recall, and the confusion matrix.

    On the pictures that the run was trained on, only those that it held out are looked at, unless
    --split all is given; on others, all of them. Classes are matched by the names of their folders.
    """
    with told_by_trainer():
        from archspec.train.dataset import load_dataset
        from archspec.train.recipe import pick_device
        from archspec.train.trained import evaluate_run, load_run

        chosen = pick_device(device)
        trained = load_run(run, chosen, checkpoint.value)
        config = trained.config
        dataset = load_dataset(data or config.data, config.source.input_shape, cache_dir(no_cache))
        report_broken(dataset.broken)
        part = split or (Part.VAL if dataset.source == config.data else Part.ALL)
        held_out = part is Part.VAL
        result = evaluate_run(trained, dataset, chosen, only_held_out=held_out)
    if format_ is Format.JSON:
        print(as_json(result.as_json(config.classes)))
        return
    which = "the pictures held out of" if held_out else "all pictures of"
    print(f"{config.source.name}, {checkpoint} weights (epoch {trained.epoch}), on {which}")
    print(f"{printable(dataset.source)}\n")
    print(as_text(result, tuple(map(printable, config.classes)), get_terminal_size().columns))


def as_text(result: "Evaluation", classes: tuple[str, ...], columns: int = 80) -> str:
    """The result as a table: a line a class; in the columns, what its pictures are taken for.

    The names above those are shortened only as far as the terminal's `columns` demand it.
    """
    width = max(len("class"), *map(len, classes))
    least = max(6, *(len(str(count)) + 1 for row in result.confusion for count in row))
    room = (columns - width - len("  pictures  precision  recall │")) // len(classes)
    cell = max(least, min(max(map(len, classes)) + 1, room))
    heads = "".join(f"{name[: cell - 1]:>{cell}}" for name in classes)
    lines = [f"{'class':{width}}  pictures  precision  recall │{heads}"]
    for (name, figures), row in zip(
        result.per_class(classes).items(), result.confusion, strict=True
    ):
        counts = "".join(f"{count or '·':>{cell}}" for count in row)
        lines.append(
            f"{name:{width}}  {figures['num_images']:>8}  {_percent(figures['precision']):>9}"
            f"  {_percent(figures['recall']):>6} │{counts}"
        )
    means = f"accuracy {result.accuracy:.1%}, loss {result.loss:.4f}, {result.num_images} pictures"
    return "\n".join([*lines, "", means])


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
