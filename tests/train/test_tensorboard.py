"""TensorBoard's files, read with TensorBoard's own reader."""

import sys
from pathlib import Path
from typing import Any

import pytest

from archspec.train.errors import TrainError
from archspec.train.metrics import EpochMetrics
from archspec.train.run_files import TENSORBOARD
from archspec.train.tensorboard import opened_board, require_tensorboard


def epoch(number: int, accuracy: float = 0.5) -> EpochMetrics:
    return EpochMetrics(
        epoch=number,
        step=10 * number,
        lr=0.1 / number,
        train_loss=2.0 / number,
        train_accuracy=0.25,
        val_loss=3.0 / number,
        val_accuracy=accuracy,
        images_per_second=100.0,
        seconds=1.0,
        val_seconds=1.0,
        data_wait=0.0,
    )


def read(folder: Path, name: str) -> list[tuple[int, float]]:
    accumulator: Any = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator",
        reason="TensorBoard is an option",
    ).EventAccumulator(str(folder / TENSORBOARD))
    accumulator.Reload()
    return [(event.step, round(event.value, 4)) for event in accumulator.Scalars(name)]


def test_epochs_are_steps_and_a_resumed_run_has_each_once(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="TensorBoard is an option")
    with opened_board(tmp_path, []) as board:
        board.add(epoch(1))
        board.add(epoch(2))
        board.add(epoch(3, accuracy=0.1))  # written, and then the run was killed before it saved
    with opened_board(tmp_path, [epoch(1), epoch(2)]) as board:
        board.add(epoch(3, accuracy=0.9))
    assert read(tmp_path, "accuracy/validation") == [(1, 0.5), (2, 0.5), (3, 0.9)]
    assert read(tmp_path, "loss/train") == [(1, 2.0), (2, 1.0), (3, 0.6667)]
    assert read(tmp_path, "loss/validation")[0] == (1, 3.0)
    assert read(tmp_path, "learning rate")[1] == (2, 0.05)
    assert read(tmp_path, "images per second")[2] == (3, 100.0)


def test_epochs_before_the_option_was_given_are_written_too(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="TensorBoard is an option")
    with opened_board(tmp_path, [epoch(1), epoch(2)]) as board:
        board.add(epoch(3))
    assert [step for step, _ in read(tmp_path, "accuracy/train")] == [1, 2, 3]


def test_without_the_package_it_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(TrainError, match="pip install tensorboard"):
        require_tensorboard()
    with pytest.raises(TrainError, match="pip install tensorboard"), opened_board(tmp_path, []):
        pass
    assert not (tmp_path / TENSORBOARD).exists()
