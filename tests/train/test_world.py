"""Several processes: they train as one would, save together, and go on in any number."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.train.processes import Launcher, end_state

# Plain gradient descent: Adam turns rounding of a gradient near 0 into a whole step.
RECIPE = (
    *("calm.py", "--data", "./flowers", "--epochs", 3, "--batch-size", 9, "--quiet"),
    *("--optimizer", "sgd", "--lr", 0.05, "--set", "optimizer.momentum=0.9"),
)
MIXED = (
    *("--set", "augment.mixup=0.4", "--set", "augment.cutmix=1.0", "--set", "augment.erase=0.3"),
    *("--set", "augment.hue=0.1", "--set", "augment.rotation=20", "--set", "ema=0.9"),
    *("--set", "clip_grad_norm=1.0", "--set", "loss.label_smoothing=0.1"),
)


@pytest.fixture
def place(tmp_path: Path, tiny_file: Path, flowers: Path) -> Path:
    """A folder with the pictures in flowers/, and calm.py: the tiny network without its dropout."""
    assert flowers.parent == tmp_path
    (tmp_path / "calm.py").write_text(tiny_file.read_text().replace("nn.Dropout(0.2)", "nn.ReLU()"))
    return tmp_path


def assert_close(one: dict[str, Any], other: dict[str, Any], tolerance: float = 1e-4) -> None:
    """Weights, and what was measured, but for rounding."""
    assert one["network"].keys() == other["network"].keys()
    for name, value in one["network"].items():
        assert isinstance(value, Tensor)
        torch.testing.assert_close(value, other["network"][name], atol=tolerance, rtol=tolerance)
    for a, b in zip(one["metrics"], other["metrics"], strict=True):
        assert a == pytest.approx(b, rel=1e-3)


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
@pytest.mark.parametrize("more", [(), MIXED, ("--set", "accumulate=2")])
def test_two_processes_train_as_one(
    launch: Launcher, place: Path, strategy: str, more: tuple[object, ...]
) -> None:
    parts = "accumulate=2" in more
    # In parts, batch norm sees other batches in one process than in two: leave it out of that.
    freeze = ("--set", "optimizer.lr=0.02", "--set", "freeze=[features.1]") if parts else ()
    alone = launch(place, "train", *RECIPE, *more, *freeze, "--out", "one")
    assert alone.succeeded, alone.stderr
    options = ("--out", "two", "--strategy", strategy)
    together = launch(place, "train", *RECIPE, *more, *freeze, *options, size=2)
    assert together.succeeded, together.stderr
    assert_close(end_state(place / "one"), end_state(place / "two"))
    summary = json.loads((place / "two" / "summary.json").read_text())
    assert summary["processes"] == 2


def test_without_synchronised_norms_they_differ(launch: Launcher, place: Path) -> None:
    assert launch(place, "train", *RECIPE, "--out", "one").succeeded
    options = ("--set", "sync_batch_norm=false", "--out", "two")
    assert launch(place, "train", *RECIPE, *options, size=2).succeeded
    with pytest.raises(AssertionError):
        assert_close(end_state(place / "one"), end_state(place / "two"))


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_saved_by_two_it_goes_on_with_one_and_back(
    launch: Launcher, place: Path, strategy: str
) -> None:
    assert launch(place, "train", *RECIPE, "--out", "whole").succeeded
    options = ("--out", "moved", "--strategy", strategy)
    assert launch(place, "train", *RECIPE, *options, "--epochs", 1, size=2).succeeded
    resume = ("train", "--resume", "--out", "moved", "--quiet")
    assert launch(place, *resume, "--epochs", 2).succeeded
    done = launch(place, *resume, "--epochs", 3, "--strategy", strategy, size=2)
    assert done.succeeded, done.stderr
    assert_close(end_state(place / "whole"), end_state(place / "moved"))


def test_a_sharded_run_can_be_looked_at_by_one(launch: Launcher, place: Path) -> None:
    options = ("--out", "sharded", "--strategy", "fsdp", "--set", "ema=0.5")
    assert launch(place, "train", *RECIPE, *options, size=2).succeeded
    assert (place / "sharded" / "last.dcp" / ".metadata").is_file()
    assert launch(place, "eval", "sharded").succeeded


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_a_signal_to_all_stops_all_after_the_same_step(
    launch: Launcher, place: Path, strategy: str
) -> None:
    assert launch(place, "train", *RECIPE, "--out", "whole", "--epochs", 40, size=2).succeeded
    options = ("--out", "stopped", "--strategy", strategy)
    moment: dict[str, Any] = {"since": "stopped/metrics.jsonl", "after": 0.1}
    command = ("train", *RECIPE, *options, "--epochs", 40)
    stopped = launch(place, *command, size=2, signal=signal.SIGTERM, **moment)
    assert stopped.codes == [143, 143], stopped.stderr
    assert "go on with: archspec train --resume --out stopped" in stopped.stderr
    assert stopped.stderr.count("go on with") == 1
    done = launch(place, "train", "--resume", "--out", "stopped", "--quiet", size=2)
    assert done.succeeded, done.stderr
    assert_close(end_state(place / "whole"), end_state(place / "stopped"))


def test_when_one_is_killed_the_other_ends_with_a_message(launch: Launcher, place: Path) -> None:
    command = ("train", *RECIPE, "--epochs", 400, "--out", "lost")
    ended = launch(place, *command, size=2, since="lost/metrics.jsonl", after=0.1, victim=1)
    assert ended.codes == [1, -9]
    assert "the connection to the other processes was lost" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_batch_too_small_for_the_processes_is_refused(launch: Launcher, place: Path) -> None:
    ended = launch(place, "train", *RECIPE, "--batch-size", 1, "--out", "small", size=2)
    assert ended.codes == [2, 2]
    assert "too few pictures for 2 processes" in ended.stderr
    assert not (place / "small").exists()
