"""`archspec predict`: name what is on pictures."""

import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archspec.cli.evaluate import Checkpoint
from archspec.cli.runs import TableFormat
from archspec.cli.training import as_json, on_one_line, printable, told_by_trainer

if TYPE_CHECKING:
    from archspec.report.page import Page
    from archspec.train.seeing.naming import Named

TOP = 5
LEAST_FILE = 16  # columns of a terminal that a file's name gets


def predict(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")],
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Pictures, and folders of pictures.")
    ],
    top: Annotated[
        int | None,
        typer.Option(
            min=1, show_default="5; in a table or as CSV 1", help="How many classes to name."
        ),
    ] = None,
    checkpoint: Annotated[Checkpoint, typer.Option(help="Which weights.")] = Checkpoint.BEST,
    format_: Annotated[
        TableFormat, typer.Option("--format", help="How to print.")
    ] = TableFormat.TEXT,
    device: Annotated[str, typer.Option(help="auto (CUDA where there is one), cpu or cuda.")] = (
        "auto"
    ),
) -> None:
    """Name what a trained network sees on pictures: classes with their probabilities.

    Folders are walked to their ends. A broken picture is named on stderr and passed over; the exit
    code is 1 then.
    """
    with told_by_trainer():
        from archspec.train.device import pick_device
        from archspec.train.seeing.naming import name_pictures, picture_files
        from archspec.train.trained import load_run

        chosen = pick_device(device)
        trained = load_run(run, chosen, checkpoint.value)
        files, broken = picture_files(paths)
        single = len(files) == 1 and not any(path.is_dir() for path in paths)
        short = format_ is TableFormat.CSV or (format_ is TableFormat.TEXT and not single)
        most = top or (1 if short else TOP)
        classes = trained.config.classes
        found = _readable(name_pictures(trained, files, chosen, most), num_broken := [len(broken)])
        for folder in broken:
            typer.echo(f"{on_one_line(folder.name)}: {folder.reason}", err=True)
        if format_ is not TableFormat.TEXT:
            _PRINTED[format_](found, min(most, len(classes)))
        elif single or top is not None:
            _print_bars(found, classes)
        else:
            _print_table(found, files, classes)
    if num_broken[0]:
        raise typer.Exit(1)


def _readable(items: Iterator[Any], num_broken: list[int]) -> "Iterator[Named]":
    """The pictures that could be read; the others are told of and counted."""
    from archspec.train.data.decode import BrokenPicture

    for item in items:
        if isinstance(item, BrokenPicture):
            num_broken[0] += 1
            typer.echo(f"{on_one_line(item.name)}: {item.reason}", err=True)
            continue
        yield item


def _print_json(found: "Iterator[Named]", _: int) -> None:
    """One array, a picture at a time: all of them need not be in memory."""
    print("[", end="")
    for place, named in enumerate(found):
        predictions = [{"class": name, "probability": p} for name, p in named.ranked]
        text = as_json({"file": named.file, "predictions": predictions})
        print(f"{', ' if place else ''}{text}", end="")
    print("]")


def _print_csv(found: "Iterator[Named]", top: int) -> None:
    """A line a picture: its file, and the likeliest classes with their probabilities."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    ends = ["", *(f"_{rank}" for rank in range(2, top + 1))]
    writer.writerow(["file", *(head + end for end in ends for head in ("class", "probability"))])
    for named in found:
        cells = [cell for name, p in named.ranked for cell in (printable(name), f"{p:.6f}")]
        writer.writerow([printable(named.file), *cells])


_PRINTED: dict[TableFormat, "Callable[[Iterator[Named], int], None]"] = {
    TableFormat.JSON: _print_json,
    TableFormat.CSV: _print_csv,
}


def _page() -> "Page":
    from archspec.report.page import Page

    return Page.on(sys.stdout)


def _print_bars(found: "Iterator[Named]", classes: Sequence[str]) -> None:
    """The picture's file, and under it a line a class."""
    from archspec.report.page import columns, pad

    page = _page()
    width = max(columns(page.clean(printable(name))) for name in classes)
    longest = 30 if page.width is None else max(0, min(30, page.width - width - 12))
    if page.width is not None:
        width = max(8, min(width, page.width - 10))
    for named in found:
        page.write(page.clean(printable(named.file)))
        for name, probability in named.ranked:
            bar = ("█" if page.unicode else "#") * round(longest * probability)
            text = pad(page.elide(page.clean(printable(name)), width), width)
            page.write(f"  {text}  {probability:6.1%}  {bar}".rstrip())


def _print_table(found: "Iterator[Named]", files: Sequence[Path], classes: Sequence[str]) -> None:
    """A line a picture: its file, its class, and the probability of that."""
    from archspec.report.page import columns, pad

    page = _page()
    name_width = max(columns(page.clean(printable(name))) for name in classes)
    file_width = max(columns(page.clean(printable(str(file)))) for file in files)
    if page.width is not None:
        name_width = max(5, min(name_width, page.width - LEAST_FILE - 10))
        file_width = min(file_width, max(LEAST_FILE, page.width - name_width - 10))
    for named in found:
        (name, probability), *_ = named.ranked
        file = pad(page.elide(page.clean(printable(named.file)), file_width), file_width)
        text = pad(page.elide(page.clean(printable(name)), name_width), name_width)
        page.write(f"{file}  {text}  {probability:6.1%}")
