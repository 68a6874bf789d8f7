"""What a run leaves behind: one folder, every file whole."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from archspec.train.data.decode import stored_short_side
from archspec.train.errors import TrainError
from archspec.train.files import remove_leftovers, told_if_unwritable, write_json, write_text
from archspec.train.metrics import EpochMetrics
from archspec.train.recipe import Normalize, Recipe
from archspec.train.recipe_file import as_yaml
from archspec.train.run_files import (
    CLASSES,
    CONFIG,
    EVAL,
    FAILURE,
    METRICS,
    SHOWN,
    SPEC,
    SUMMARY,
    TENSORBOARD,
    read_json_object,
    write_classes,
    write_failure,
)
from archspec.train.source import ModuleSource, SpecText

FORMAT = "archspec.run/2"
RECIPE = "recipe.yaml"
MODULE = "network.py"
SPLIT = "split.json"
TRANSFER = "transfer.json"
CURVES = "curves.png"
WRITTEN = (
    *(CONFIG, RECIPE, MODULE, SPEC, SPLIT, CLASSES, TRANSFER, METRICS),
    *(SUMMARY, CURVES),
)
CHECKPOINTS = ("last.pt", "previous.pt", "best.pt", "last.dcp", "previous.dcp", ".last.dcp.tmp")


@dataclass(frozen=True)
class RunConfig:
    """What a run was started with, all that is needed to build its network again.

    `recipe` has values where it said auto, which `automatic` names; `normalize` is what
    `recipe.normalize` came to. Of a network that came from a spec, `variant` and `variables` are
    those that were chosen.
    """

    source: ModuleSource
    classes: tuple[str, ...]
    data: str
    recipe: Recipe
    normalize: Normalize
    weights: str | None = None
    variant: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    automatic: tuple[str, ...] = ()

    @property
    def short_side(self) -> int:
        """The short side, in pixels, at which its pictures are kept."""
        return stored_short_side(self.source.input_shape, self.recipe.augment, self.recipe.test)


def next_run_folder(parent: Path, name: str) -> Path:
    """`parent/name-n` with the first n after all that are there."""
    taken = [path.name.rpartition("-")[2] for path in parent.glob(f"{name}-*")]
    number = max((int(end) for end in taken if end.isdecimal()), default=0) + 1
    return parent / f"{name}-{number}"


def check_folder(path: Path, *, overwrite: bool) -> None:
    """Raise TrainError when `path` cannot become a new run's folder, for what is there already."""
    if path.exists() and not path.is_dir():
        raise TrainError(f"{path} is a file, not a folder for a run", exit_code=2)
    present = {entry.name for entry in path.iterdir()} if path.exists() else set()
    present = {name for name in present if not name.startswith(f".{FAILURE}.")}  # see claim_folder
    if present and not {CONFIG, FAILURE} & present:
        raise TrainError(f"{path} holds other files and no run: choose another --out", exit_code=2)
    if CONFIG in present and not overwrite:
        state = "a finished" if SUMMARY in present else "an unfinished"
        raise TrainError(
            f"{path} holds {state} run: --resume goes on with it, --overwrite begins anew", 2
        )


def claim_folder(path: Path, *, overwrite: bool) -> None:
    """Make `path` a new run's folder; an older run's files are removed, and nothing else.

    Until the run begins, a note that it has not makes the folder known as one that may be taken.
    """
    check_folder(path, overwrite=overwrite)
    with told_if_unwritable(str(path)):
        path.mkdir(parents=True, exist_ok=True)
    write_failure(path, "the run was ended before it began")
    with told_if_unwritable(str(path)):
        # The configuration first: without it there is no run.
        for name in (*WRITTEN, *CHECKPOINTS, EVAL, SHOWN, TENSORBOARD):
            if (path / name).is_dir():
                shutil.rmtree(path / name)
            (path / name).unlink(missing_ok=True)
        remove_leftovers(path, (*WRITTEN, FAILURE, *CHECKPOINTS))


def reopen_folder(path: Path, *, finished: bool) -> None:
    """Ready a run's folder for going on: unless it is `finished`, it has no summary yet."""
    with told_if_unwritable(str(path)):
        remove_leftovers(path, (*WRITTEN, FAILURE, *CHECKPOINTS))
        (path / FAILURE).unlink(missing_ok=True)
        if not finished:
            (path / SUMMARY).unlink(missing_ok=True)


def write_config(
    path: Path, config: RunConfig, spec: SpecText | None, split: dict[str, Any]
) -> None:
    """Write what describes a run; the configuration last, since it makes the folder a run."""
    write_text(path / MODULE, config.source.code)
    if spec is not None:
        write_text(path / SPEC, spec.text)
    write_json(path / SPLIT, split)
    write_classes(path, config.classes)
    write_text(path / RECIPE, as_yaml(config.recipe))
    described = {
        "format": FORMAT,
        "name": config.source.name,
        "class_name": config.source.class_name,
        "input_shape": list(config.source.input_shape),
        "kwargs": dict(config.source.kwargs),
        "classes": list(config.classes),
        "data": config.data,
        "weights": config.weights,
        "variant": config.variant,
        "variables": dict(config.variables),
        "automatic": list(config.automatic),
        "normalize": config.normalize.model_dump(mode="json"),
        "recipe": config.recipe.resolved(),
        "torch": torch.__version__,
    }
    write_json(path / CONFIG, described)


def write_recipe(path: Path, recipe: Recipe) -> None:
    """Replace the recipe in a run's configuration."""
    found = read_run_json(path, CONFIG)
    write_text(path / RECIPE, as_yaml(recipe))
    write_json(path / CONFIG, found | {"recipe": recipe.resolved()})


def read_config(path: Path) -> RunConfig:
    """What the run at `path` was started with; raises TrainError when it is not a whole run."""
    found = read_run_json(path, CONFIG)
    if found.get("format") != FORMAT:
        said = found.get("format")
        raise TrainError(f"{path} is a run of another version: {said}, not {FORMAT}", exit_code=2)
    try:
        code = (path / MODULE).read_text(encoding="utf-8")
        source = ModuleSource(
            name=found["name"],
            code=code,
            class_name=found["class_name"],
            input_shape=tuple(found["input_shape"]),
            kwargs=found["kwargs"],
        )
        return RunConfig(
            source=source,
            classes=tuple(found["classes"]),
            data=found["data"],
            recipe=Recipe.model_validate(found["recipe"]),
            normalize=Normalize.model_validate(found["normalize"]),
            weights=found["weights"],
            variant=found["variant"],
            variables=found["variables"],
            automatic=tuple(found["automatic"]),
        )
    except (OSError, UnicodeDecodeError) as error:
        raise TrainError(f"{path / MODULE} cannot be read: the run is incomplete", 2) from error
    except (KeyError, TypeError, ValidationError) as error:
        raise TrainError(f"{path / CONFIG} is not a run's configuration: {error}", 2) from error


def read_run_json(path: Path, name: str) -> dict[str, Any]:
    """The object in one of a run's JSON files; raises TrainError when there is none."""
    if not (path / CONFIG).is_file():
        raise TrainError(f"{path} is not a run: no {CONFIG} in it", exit_code=2)
    return read_json_object(path / name)


def code_digest(source: ModuleSource) -> str:
    """Tells checkpoints of one network from those of another."""
    return sha256(source.code.encode()).hexdigest()


def write_metrics(path: Path, history: Sequence[EpochMetrics]) -> None:
    """Write metrics.jsonl anew: after a resume it holds what the checkpoint has seen."""
    write_text(path / METRICS, "".join(map(_metrics_line, history)))


def append_metrics(path: Path, metrics: EpochMetrics) -> None:
    """Add a line to metrics.jsonl."""
    with told_if_unwritable(str(path / METRICS)), (path / METRICS).open("a") as file:
        file.write(_metrics_line(metrics))
        file.flush()
        os.fsync(file.fileno())


def _metrics_line(metrics: EpochMetrics) -> str:
    return json.dumps(asdict(metrics), allow_nan=False) + "\n"
