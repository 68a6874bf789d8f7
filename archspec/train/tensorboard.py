"""The curves of a run for TensorBoard, by option."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from archspec.train.errors import TrainError
from archspec.train.files import told_if_unwritable
from archspec.train.metrics import EpochMetrics
from archspec.train.run_files import TENSORBOARD


class Board:
    """Writes a run's epochs as TensorBoard reads them; the step is the epoch, from 1."""

    def __init__(self, writer: Any) -> None:
        self.writer = writer

    def add(self, metrics: EpochMetrics) -> None:
        """Add one epoch; losses and accuracies of training and validation share a chart each."""
        scalars = {
            "loss/train": metrics.train_loss,
            "loss/validation": metrics.val_loss,
            "accuracy/train": metrics.train_accuracy,
            "accuracy/validation": metrics.val_accuracy,
            "learning rate": metrics.lr,
            "images per second": metrics.images_per_second,
        }
        for name, value in scalars.items():
            self.writer.add_scalar(name, value, metrics.epoch)
        self.writer.flush()


def require_tensorboard() -> None:
    """Raise TrainError, with what to install, when TensorBoard's writer is not to be had."""
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: F401 - whether it is there
    except ImportError as error:
        raise TrainError("--tensorboard needs a package: pip install tensorboard", 2) from error


@contextmanager
def opened_board(folder: Path, history: Sequence[EpochMetrics]) -> Iterator[Board]:
    """A board in `folder`/tensorboard for a run that has these epochs behind it.

    What an earlier process wrote of later epochs, which are trained again, is purged; epochs that
    it wrote nothing of, because the option was not given then, are written now. Raises TrainError
    when the package is missing or the disk refuses.
    """
    require_tensorboard()
    from torch.utils.tensorboard import SummaryWriter

    path = folder / TENSORBOARD
    anew = not any(path.glob("events.out.tfevents.*"))
    with told_if_unwritable(str(path)):
        writer = SummaryWriter(str(path), purge_step=None if anew else len(history) + 1)
    board = Board(writer)
    try:
        for metrics in history if anew else ():
            board.add(metrics)
        yield board
    finally:
        writer.close()
