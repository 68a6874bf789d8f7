"""The files of a run's folder by name, and what is read of them without torch."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from archspec.train.errors import TrainError
from archspec.train.files import write_json

CONFIG = "config.json"
CLASSES = "classes.json"
METRICS = "metrics.jsonl"
SUMMARY = "summary.json"
SPEC = "spec.yaml"
FAILURE = "failure.json"  # why a run ended before its time, until it is taken up again
EVAL = "eval"  # a folder: what `archspec eval` leaves
SHOWN = "show"  # a folder: what `archspec show` leaves
TENSORBOARD = "tensorboard"  # a folder: the curves for TensorBoard


def find_runs(parent: Path) -> Iterator[Path]:
    """The folders of runs at and below `parent`, in the order of their names.

    Hidden folders and what lies inside a run are passed over, and links are not followed. Raises
    TrainError when `parent` is no folder that can be read.
    """
    try:
        entries = sorted(parent.iterdir())
    except OSError as error:
        reason = error.strerror or str(error)
        raise TrainError(f"cannot read {parent}: {reason}", exit_code=2) from error
    if any(entry.name == CONFIG for entry in entries):
        yield parent
        return
    for entry in entries:
        if entry.name.startswith(".") or entry.is_symlink() or not entry.is_dir():
            continue
        try:
            yield from find_runs(entry)
        except TrainError:
            continue  # somebody else's folder


def read_json_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file; raises TrainError when there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise TrainError(f"{path} cannot be read: {error}", exit_code=2) from error
    if not isinstance(found, dict):
        raise TrainError(f"{path} cannot be read: not an object", exit_code=2)
    return found


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The epochs of a run so far; raises TrainError for a line that is none.

    A last line without its end is a line that is being written: it is left out.
    """
    path = folder / METRICS
    try:
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]
        epochs = [json.loads(line) for line in lines]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError) as error:
        raise TrainError(f"{path} cannot be read: {error}", exit_code=2) from error
    if not all(isinstance(epoch, dict) for epoch in epochs):
        raise TrainError(f"{path} cannot be read: not an object a line", exit_code=2)
    return epochs


def write_failure(folder: Path, message: str) -> None:
    """Note in a run's folder that it failed, and what its person was told."""
    write_json(folder / FAILURE, {"error": message})


def write_classes(folder: Path, classes: Sequence[str]) -> None:
    """Write the class-index file: what each place of a network's output stands for, "0" first."""
    write_json(folder / CLASSES, {str(number): name for number, name in enumerate(classes)})


def read_classes(path: Path) -> tuple[str, ...]:
    """The names in a class-index file, in the order of their numbers.

    Raises TrainError when the numbers are not 0 up to their count, or a name is none.
    """
    found = read_json_object(path)
    numbers = {str(number) for number in range(len(found))}
    if set(found) != numbers or not all(isinstance(name, str) for name in found.values()):
        raise TrainError(f'{path} is no class-index file: {{"0": "daisy", "1": …}}', exit_code=2)
    return tuple(found[str(number)] for number in range(len(found)))
