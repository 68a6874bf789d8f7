"""Showing training to a person: a live bar on a terminal, a line an epoch in a pipe."""

from collections.abc import Iterable
from time import monotonic
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from archspec.train.metrics import EpochMetrics, Reading

REDRAW_EVERY = 0.1  # seconds, while decoding
Item = TypeVar("Item")


def epoch_line(metrics: EpochMetrics, epochs: int) -> str:
    """One epoch in one line."""
    return (
        f"epoch {metrics.epoch:{len(str(epochs))}}/{epochs}"
        f"  train loss {metrics.train_loss:.4f} accuracy {metrics.train_accuracy:6.1%}"
        f"  val loss {metrics.val_loss:.4f} accuracy {metrics.val_accuracy:6.1%}"
        f"  {metrics.images_per_second:.0f} images/s"
    )


class Silent:
    """Shows nothing."""

    def begin_epoch(self, epoch: int, num_images: int) -> None:
        """Show nothing."""

    def show(self, reading: Reading) -> None:
        """Show nothing."""

    def end_epoch(self, metrics: EpochMetrics) -> None:
        """Show nothing."""


class Lines(Silent):
    """A line an epoch."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def end_epoch(self, metrics: EpochMetrics) -> None:
        print(epoch_line(metrics, self.epochs), flush=True)  # noqa: T201 - its purpose


class Bar:
    """A live bar for the epoch under way, which leaves its line behind.

    It is redrawn only when something is shown: a refreshing thread would take time from the step.
    """

    def __init__(self, console: Console, epochs: int) -> None:
        self.console = console
        self.epochs = epochs
        self.progress: Progress | None = None
        self.task = TaskID(0)

    def begin_epoch(self, epoch: int, num_images: int) -> None:
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[measured]}"),
            TimeRemainingColumn(compact=True),
            console=self.console,
            auto_refresh=False,
            transient=True,
        )
        self.task = self.progress.add_task(
            f"epoch {epoch}/{self.epochs}", total=num_images, measured=""
        )
        self.progress.start()

    def show(self, reading: Reading) -> None:
        measured = (
            f"loss {reading.loss:.3f}  accuracy {reading.accuracy:.1%}"
            f"  {reading.images_per_second:.0f} images/s"
        )
        assert self.progress is not None
        self.progress.update(self.task, completed=reading.num_images, measured=measured)
        self.progress.refresh()

    def end_epoch(self, metrics: EpochMetrics) -> None:
        self.close()
        self.console.print(epoch_line(metrics, self.epochs), highlight=False)

    def close(self) -> None:
        """Take the bar off the terminal; also when training ends early."""
        if self.progress is not None:
            self.progress.stop()
            self.progress = None


class DecodingBar:
    """Follows an iterable with a bar on a terminal, and says nothing elsewhere."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def __call__(self, items: Iterable[Item], total: int, description: str) -> Iterable[Item]:
        if not self.console.is_terminal:
            yield from items
            return
        columns = (TextColumn(description), BarColumn(bar_width=24), MofNCompleteColumn())
        with Progress(*columns, console=self.console, auto_refresh=False, transient=True) as bar:
            task = bar.add_task(description, total=total)
            drawn = monotonic()
            for number, item in enumerate(items, start=1):
                yield item
                if monotonic() - drawn > REDRAW_EVERY:
                    drawn = monotonic()
                    bar.update(task, completed=number)
                    bar.refresh()
