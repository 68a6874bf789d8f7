"""What a run leaves behind: one folder, every file whole."""

import json
import os
import pickle
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import torch
from torch import nn
from torch.optim import Optimizer

from archspec.train.errors import TrainError
from archspec.train.files import (
    remove_leftovers,
    told_if_unwritable,
    write_json,
    write_text,
    written_whole,
)
from archspec.train.fit import Progress
from archspec.train.metrics import EpochMetrics
from archspec.train.recipe import Recipe
from archspec.train.source import ModuleSource

FORMAT = "archspec.run/1"
CONFIG = "config.json"
MODULE = "network.py"
SPEC = "spec.yaml"
SPLIT = "split.json"
METRICS = "metrics.jsonl"
LAST = "last.pt"
BEST = "best.pt"
SUMMARY = "summary.json"
CURVES = "curves.png"
FILES = (CONFIG, MODULE, SPEC, SPLIT, METRICS, LAST, BEST, SUMMARY, CURVES)


@dataclass(frozen=True)
class RunConfig:
    """What a run was started with, all that is needed to build its network again."""

    source: ModuleSource
    classes: tuple[str, ...]
    data: str
    recipe: Recipe


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
    if present and CONFIG not in present:
        raise TrainError(f"{path} holds other files and no run: choose another --out", exit_code=2)
    if present and not overwrite:
        state = "a finished" if SUMMARY in present else "an unfinished"
        raise TrainError(
            f"{path} holds {state} run: --resume goes on with it, --overwrite begins anew", 2
        )


def claim_folder(path: Path, *, overwrite: bool) -> None:
    """Make `path` a new run's folder; an older run's files are removed, and nothing else."""
    check_folder(path, overwrite=overwrite)
    with told_if_unwritable(str(path)):
        path.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            (path / name).unlink(missing_ok=True)
        remove_leftovers(path, FILES)


def reopen_folder(path: Path, *, finished: bool) -> None:
    """Ready a run's folder for going on: unless it is `finished`, it has no summary yet."""
    with told_if_unwritable(str(path)):
        remove_leftovers(path, FILES)
        if not finished:
            (path / SUMMARY).unlink(missing_ok=True)


def write_config(path: Path, config: RunConfig, spec: str | None, split: dict[str, Any]) -> None:
    """Write what describes a run; the configuration last, since it makes the folder a run."""
    write_text(path / MODULE, config.source.code)
    if spec is not None:
        write_text(path / SPEC, spec)
    write_json(path / SPLIT, split)
    described = {
        "format": FORMAT,
        "name": config.source.name,
        "class_name": config.source.class_name,
        "input_shape": list(config.source.input_shape),
        "kwargs": dict(config.source.kwargs),
        "classes": list(config.classes),
        "data": config.data,
        "recipe": asdict(config.recipe),
        "torch": torch.__version__,
    }
    write_json(path / CONFIG, described)


def write_recipe(path: Path, recipe: Recipe) -> None:
    """Replace the recipe in a run's configuration."""
    found = read_run_json(path, CONFIG)
    write_json(path / CONFIG, found | {"recipe": asdict(recipe)})


def read_config(path: Path) -> RunConfig:
    """What the run at `path` was started with; raises TrainError when it is not a whole run."""
    found = read_run_json(path, CONFIG)
    try:
        code = (path / MODULE).read_text(encoding="utf-8")
        source = ModuleSource(
            name=found["name"],
            code=code,
            class_name=found["class_name"],
            input_shape=tuple(found["input_shape"]),
            kwargs=found["kwargs"],
        )
        recipe = Recipe(**found["recipe"])
        return RunConfig(source, tuple(found["classes"]), found["data"], recipe)
    except (OSError, UnicodeDecodeError) as error:
        raise TrainError(f"{path / MODULE} cannot be read: the run is incomplete", 2) from error
    except (KeyError, TypeError) as error:
        raise TrainError(f"{path / CONFIG} is not a run's configuration: {error}", 2) from error


def read_run_json(path: Path, name: str) -> dict[str, Any]:
    """The object in one of a run's JSON files; raises TrainError when there is none."""
    if not (path / CONFIG).is_file():
        raise TrainError(f"{path} is not a run: no {CONFIG} in it", exit_code=2)
    try:
        found = json.loads((path / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainError(f"{path / name} cannot be read: {error}", exit_code=2) from error
    if not isinstance(found, dict):
        raise TrainError(f"{path / name} cannot be read: not an object", exit_code=2)
    return found


def code_digest(source: ModuleSource) -> str:
    """Tells checkpoints of one network from those of another."""
    return sha256(source.code.encode()).hexdigest()


def save_last(
    path: Path, network: nn.Module, optimizer: Optimizer, progress: Progress, digest: str
) -> None:
    """Write all that resuming needs: weights, optimiser, generators, and where the run stands."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    checkpoint = {
        "format": FORMAT,
        "digest": digest,
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "rng": {"cpu": torch.get_rng_state(), "cuda": cuda},
        "epoch": progress.epoch,
        "tally": progress.tally,
        "history": [asdict(metrics) for metrics in progress.history],
    }
    _save(path / LAST, checkpoint)


def save_best(path: Path, network: nn.Module, epoch: int, digest: str) -> None:
    """Write the weights of the best epoch so far."""
    weights = network.state_dict()
    _save(path / BEST, {"format": FORMAT, "digest": digest, "network": weights, "epoch": epoch})


class _Noting:
    """A file that remembers why it could not be written: torch reports that it could not."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self.file.write(data)
        except OSError as error:
            self.error = self.error or error
            raise

    def flush(self) -> None:
        self.file.flush()


def _save(path: Path, checkpoint: dict[str, Any]) -> None:
    with told_if_unwritable(str(path)), written_whole(path) as file:
        noting = _Noting(file)
        try:
            torch.save(checkpoint, cast("IO[bytes]", noting))
        except RuntimeError as error:  # what torch makes of an OSError on its way through C++
            raise (noting.error or OSError(str(error))) from error


def load_checkpoint(path: Path, digest: str) -> dict[str, Any]:
    """The checkpoint at `path`, on the CPU, tensors and plain values only (`weights_only`).

    Raises TrainError when it is missing, cut short, or of another network.
    """
    if not path.is_file():
        raise TrainError(f"{path} is missing: the run ended before it saved anything", exit_code=2)
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise TrainError(f"{path} is damaged and cannot be loaded", exit_code=2) from error
    if not isinstance(checkpoint, dict) or checkpoint.get("format") != FORMAT:
        raise TrainError(f"{path} is not a checkpoint of a run", exit_code=2)
    if checkpoint.get("digest") != digest:
        raise TrainError(f"{path} is a checkpoint of another network", exit_code=2)
    return checkpoint


def restore_last(path: Path, network: nn.Module, optimizer: Optimizer, digest: str) -> Progress:
    """Bring network, optimiser and generators to where `save_last` was called."""
    checkpoint = load_checkpoint(path / LAST, digest)
    load_weights(network, checkpoint, path / LAST)
    optimizer.load_state_dict(checkpoint["optimizer"])
    torch.set_rng_state(checkpoint["rng"]["cpu"])
    if torch.cuda.is_available() and checkpoint["rng"]["cuda"]:
        torch.cuda.set_rng_state_all(checkpoint["rng"]["cuda"])
    history = [EpochMetrics(**metrics) for metrics in checkpoint["history"]]
    return Progress(checkpoint["epoch"], checkpoint["tally"], history)


def load_weights(network: nn.Module, checkpoint: dict[str, Any], path: Path) -> None:
    """Load a checkpoint's weights; raises TrainError when they are of another network."""
    try:
        network.load_state_dict(checkpoint["network"], strict=True)
    except (KeyError, RuntimeError) as error:
        raise TrainError(f"{path} does not fit the run's network: {error}", 2) from error


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
