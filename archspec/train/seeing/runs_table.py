"""Runs compared: what each has come to, and the values in which their recipes differ.

Reads JSON only and needs no torch, so that `archspec runs` answers at once.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Any

from archspec.train.errors import TrainError
from archspec.train.run_files import (
    CONFIG,
    FAILURE,
    METRICS,
    SUMMARY,
    find_runs,
    read_json_object,
    read_metrics,
)

FINISHED, STOPPED, UNFINISHED = "finished", "stopped early", "unfinished"
FAILED, BROKEN = "failed", "broken"
Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class RunRow:
    """One run. What it has not got to is None; `problem` says why it failed or cannot be read.

    `epochs` are done of `planned`; `accuracy` and `best_epoch` are those of the best validation,
    `loss` that of the last epoch's validation; `when` is the time of the last change, in UTC;
    `recipe` is flat, with dotted names.
    """

    name: str
    state: str
    network: str | None = None
    data: str | None = None
    epochs: int | None = None
    planned: int | None = None
    accuracy: float | None = None
    best_epoch: int | None = None
    loss: float | None = None
    images_per_second: float | None = None
    device: str | None = None
    when: datetime | None = None
    recipe: Mapping[str, Scalar] = field(default_factory=dict)
    problem: str = ""


def read_runs(parent: Path) -> list[RunRow]:
    """A row for every run at and below `parent`; raises TrainError when it cannot be read."""
    return [read_run(folder, parent) for folder in find_runs(parent)]


def read_run(folder: Path, parent: Path) -> RunRow:
    """The row of one run; one that cannot be read is `broken`."""
    name = folder.relative_to(parent).as_posix()
    name = folder.resolve().name if name == "." else name
    try:
        return _read(folder, name)
    except TrainError as error:
        # The row has its name: of the path, the file is enough.
        return RunRow(name, BROKEN, problem=str(error).replace(f"{folder}{os.sep}", ""))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"{CONFIG} or {METRICS} is not a run's: {type(error).__name__} {error}"
        return RunRow(name, BROKEN, problem=problem)


def _read(folder: Path, name: str) -> RunRow:
    config = read_json_object(folder / CONFIG)
    recipe = dict(flattened(config["recipe"]))
    epochs = read_metrics(folder)
    done = (folder / SUMMARY).is_file()
    summary = read_json_object(folder / SUMMARY) if done else {}
    best = max(epochs, key=lambda epoch: (epoch["val_accuracy"], -epoch["val_loss"]), default={})
    seconds = sum(float(epoch["seconds"]) for epoch in epochs)
    speed = sum(float(epoch["images_per_second"]) * float(epoch["seconds"]) for epoch in epochs)
    planned = int(config["recipe"]["epochs"])
    failed = (folder / FAILURE).is_file()
    return RunRow(
        name=name,
        state=_state(done=done, failed=failed, early=len(epochs) < planned),
        network=str(config["name"]),
        data=str(config["data"]),
        epochs=len(epochs),
        planned=planned,
        accuracy=_number(best.get("val_accuracy")),
        best_epoch=best.get("epoch"),
        loss=_number(epochs[-1]["val_loss"]) if epochs else None,
        images_per_second=_number(speed / seconds) if seconds else None,
        device=summary.get("device"),
        when=_last_change(folder),
        recipe=recipe,
        problem=str(read_json_object(folder / FAILURE).get("error", "")) if failed else "",
    )


def _state(*, done: bool, failed: bool, early: bool) -> str:
    if failed:
        return FAILED
    if not done:
        return UNFINISHED
    return STOPPED if early else FINISHED


def _number(value: Any) -> float | None:
    number = float("nan") if value is None else float(value)
    return number if isfinite(number) else None


def _last_change(folder: Path) -> datetime | None:
    times = [
        (folder / name).stat().st_mtime
        for name in (CONFIG, METRICS, SUMMARY)
        if (folder / name).is_file()
    ]
    return datetime.fromtimestamp(max(times), UTC)


def flattened(values: Any, prefix: str = "") -> Iterable[tuple[str, Scalar]]:
    """Nested objects as pairs of a dotted name and a value; lists as text.

    A member called `name` chooses among kinds (`optimizer: {name: sgd}`): it goes by its parent's.
    """
    if not isinstance(values, Mapping):
        value = " ".join(map(str, values)) if isinstance(values, list | tuple) else values
        yield prefix, value
        return
    for key, value in values.items():
        parent = prefix and key == "name"
        yield from flattened(value, prefix if parent else f"{prefix}.{key}" if prefix else str(key))


SAID_ELSEWHERE = frozenset({"epochs", "source"})  # a column of its own; prose


def differing(rows: Sequence[RunRow]) -> list[str]:
    """The values of recipes, by dotted name, that are not the same in all runs that have one."""
    recipes = [row.recipe for row in rows if row.recipe]
    names = dict.fromkeys(name for recipe in recipes for name in recipe)
    return [
        name
        for name in names
        if name not in SAID_ELSEWHERE and len({repr(recipe.get(name)) for recipe in recipes}) > 1
    ]


def in_order(rows: Sequence[RunRow], by: str) -> list[RunRow]:
    """The rows by `accuracy`, `speed` or `when` (the greatest first), `loss` (the least) or `name`.

    What has no such value comes last.
    """
    column = SORTED_BY[by]
    known = [row for row in rows if getattr(row, column) is not None]
    unknown = [row for row in rows if getattr(row, column) is None]
    ordered = sorted(known, key=lambda row: row.name)
    ordered.sort(key=lambda row: getattr(row, column), reverse=by not in {"loss", "name"})
    return ordered + sorted(unknown, key=lambda row: row.name)


SORTED_BY = {
    "accuracy": "accuracy",
    "loss": "loss",
    "speed": "images_per_second",
    "when": "when",
    "name": "name",
}


def as_record(row: RunRow, names: Sequence[str]) -> dict[str, Any]:
    """A row as plain data, with these values of its recipe."""
    return {
        "run": row.name,
        "state": row.state,
        "network": row.network,
        "data": row.data,
        "epochs": row.epochs,
        "planned": row.planned,
        "accuracy": row.accuracy,
        "best_epoch": row.best_epoch,
        "loss": row.loss,
        "images_per_second": row.images_per_second,
        "device": row.device,
        "when": None if row.when is None else row.when.isoformat(timespec="seconds"),
        "recipe": {name: row.recipe.get(name) for name in names},
        "problem": row.problem or None,
    }
