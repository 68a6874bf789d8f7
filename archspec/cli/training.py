"""What the commands around training share."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from archspec.cli.errors import UserError

if TYPE_CHECKING:
    from archspec.train.data.dataset import Dataset


@contextmanager
def told_by_trainer() -> Iterator[None]:
    """Pass what the trainer tells people on to the command line."""
    from archspec.train.errors import TrainError

    try:
        yield
    except TrainError as error:
        lines = map(on_one_line, str(error).split("\n"))
        raise UserError("\n".join(lines), error.exit_code) from error


def cache_dir(no_cache: bool) -> Path | None:
    """Where decoded pictures are kept, if they are."""
    from archspec.train.data.cache import cache_folder

    return None if no_cache else cache_folder()


def report_pictures(dataset: "Dataset", shown: int = 10) -> None:
    """Say on stderr what was found, and name the pictures that were left out."""
    for note in dataset.notes:
        typer.echo(printable(note), err=True)
    broken = dataset.broken
    if not broken:
        return
    typer.echo(f"left out {len(broken)} broken pictures:", err=True)
    for picture in broken[:shown]:
        typer.echo(f"  {on_one_line(picture.name)}: {picture.reason}", err=True)
    if len(broken) > shown:
        typer.echo(f"  … and {len(broken) - shown} more", err=True)


def printable(text: str) -> str:
    """The text with escapes for the bytes of a file name that are no UTF-8."""
    return text.encode(errors="backslashreplace").decode()


def on_one_line(name: str) -> str:
    """A file's name with escapes for whatever would break a line or a terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)


def as_json(value: Any) -> str:
    """One line of JSON; what `printable` replaces by is also JSON's spelling."""
    return printable(json.dumps(value, ensure_ascii=False, allow_nan=False))
