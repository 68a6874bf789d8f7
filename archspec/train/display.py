"""Showing training to a person: a live bar on a terminal, a line an epoch in a pipe."""

import sys
from collections.abc import Iterable
from datetime import timedelta
from math import inf
from time import monotonic
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
)

from archspec.train.metrics import EpochMetrics, Reading

REDRAW_EVERY = 0.1  # seconds, while decoding
WIDE, MIDDLE = 80, 60  # columns, from which on the bar shows all, or at least loss and accuracy
Item = TypeVar("Item")


def epoch_line(metrics: EpochMetrics, epochs: int, width: float = inf) -> str:
    """One epoch in one line: loss and accuracy of both parts; in a narrow one, of validation."""
    number = f"epoch {metrics.epoch:{len(str(epochs))}}/{epochs}"
    train = f"train loss {_loss(metrics.train_loss)} {metrics.train_accuracy:6.1%}"
    val = f"val loss {_loss(metrics.val_loss)} {metrics.val_accuracy:6.1%}"
    speed = f"{metrics.images_per_second:.0f} images/s"
    forms = ((number, train, val, speed), (number, train, val), (number, val), (number,))
    lines = ["  ".join(parts) for parts in forms]
    return next((line for line in lines if len(line) <= width), lines[-1])


def _loss(value: float) -> str:
    return f"{value:.4f}" if value < 100 else f"{value:.3g}"


class Silent:
    """Shows nothing but warnings."""

    def tell(self, message: str) -> None:
        """Show nothing."""

    def warn(self, message: str) -> None:
        """Say it on stderr: who asks for quiet wants to hear what goes wrong."""
        print(message, file=sys.stderr, flush=True)  # noqa: T201 - its purpose

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

    def tell(self, message: str) -> None:
        print(message, flush=True)  # noqa: T201 - its purpose

    def end_epoch(self, metrics: EpochMetrics) -> None:
        print(epoch_line(metrics, self.epochs), flush=True)  # noqa: T201 - its purpose


class Bar(Silent):
    """A live bar for the epoch under way, which leaves its line behind; the time is the run's.

    It is redrawn only when something is shown: a refreshing thread would take time from the step.
    """

    def __init__(self, console: Console, epochs: int) -> None:
        self.console = console
        self.epochs = epochs
        self.progress: Progress | None = None
        self.task = TaskID(0)
        self.num_before = 0  # pictures of the epochs before this one
        self.num_images = 0  # of this one
        self.clock = RunClock()

    def tell(self, message: str) -> None:
        self.console.print(message, highlight=False, markup=False)

    def begin_epoch(self, epoch: int, num_images: int) -> None:
        self.num_before, self.num_images = (epoch - 1) * num_images, num_images
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=8),
            TextColumn("{task.percentage:3.0f}%"),
            TextColumn("{task.fields[measured]}"),
            TextColumn("{task.fields[left]}"),
        )
        middle, narrow = (columns[0], *columns[2:]), (columns[0], columns[2], columns[4])
        width = self.console.width
        self.progress = Progress(
            *(columns if width >= WIDE else middle if width >= MIDDLE else narrow),
            console=self.console,
            auto_refresh=False,
            transient=True,
        )
        self.task = self.progress.add_task(
            f"epoch {epoch}/{self.epochs}", total=num_images, measured="", left=""
        )
        self.progress.start()

    def show(self, reading: Reading) -> None:
        assert self.progress is not None
        done = self.num_before + reading.num_images
        seconds = self.clock.time_left(
            done, self.epochs * self.num_images, reading.images_per_second
        )
        speed = f"  {reading.images_per_second:.0f} images/s"
        speed = speed if self.console.width >= WIDE else ""
        self.progress.update(
            self.task,
            completed=reading.num_images,
            measured=f"loss {_loss(reading.loss)} {reading.accuracy:6.1%}{speed}",
            left="" if seconds is None else f"{timedelta(seconds=round(seconds))} left",
        )
        self.progress.refresh()

    def end_epoch(self, metrics: EpochMetrics) -> None:
        self.close()
        line = epoch_line(metrics, self.epochs, self.console.width)
        self.console.print(line, highlight=False)

    def close(self) -> None:
        """Take the bar off the terminal; also when training ends early."""
        if self.progress is not None:
            self.progress.stop()
            self.progress = None


class RunClock:
    """Estimates the time that a run has left from its pace so far, evaluations included."""

    def __init__(self) -> None:
        self.first: tuple[float, int] | None = None  # when, and how many pictures were done

    def time_left(self, done: int, total: int, images_per_second: float) -> float | None:
        """Seconds until `total` pictures; the first estimate is from the speed alone."""
        now = monotonic()
        began, done_before = self.first = self.first or (now, done)
        pace = (done - done_before) / (now - began) if done > done_before else images_per_second
        return (total - done) / pace if pace > 0 else None


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
