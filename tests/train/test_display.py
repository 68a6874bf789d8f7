"""What a person sees while a network trains."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from archspec.train.display import Bar, DecodingBar, Lines, RunClock, Silent
from archspec.train.metrics import EpochMetrics, Reading

METRICS = EpochMetrics(2, 30, 1e-3, 1.25, 0.5, 1.5, 0.25, 99.6, 3.0, 0.5, 0.01)
LINE = "epoch  2/10  train loss 1.2500  50.0%  val loss 1.5000  25.0%  100 images/s"


def test_a_pipe_gets_a_line_an_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(10)
    lines.begin_epoch(2, 300)
    lines.show(Reading(1.0, 0.5, 100, 50.0, 0.0))
    lines.end_epoch(METRICS)
    assert capsys.readouterr().out == LINE + "\n"


def test_a_terminal_gets_a_bar_that_leaves_the_line() -> None:
    stream = StringIO()
    bar = Bar(Console(file=stream, force_terminal=True, width=120, color_system=None), 10)
    bar.begin_epoch(2, 300)
    bar.show(Reading(1.234, 0.5, 100, 50.0, 0.0))
    shown = stream.getvalue()
    for part in ("epoch 2/10", "33%", "loss 1.2340", "50.0%", "50 images/s"):
        assert part in shown
    bar.end_epoch(METRICS)
    assert stream.getvalue().endswith(LINE + "\n")
    assert bar.progress is None


@pytest.mark.parametrize("width", [40, 80])
def test_nothing_wraps_on_a_narrow_terminal(width: int) -> None:
    stream = StringIO()
    bar = Bar(Console(file=stream, force_terminal=True, width=width, color_system=None), 100)
    bar.begin_epoch(99, 3000)
    bar.show(Reading(12.345, 1.0, 1500, 1000.0, 0.0))
    shown = stream.getvalue().rpartition("\x1b[2K")[2]
    assert len(shown) <= width
    assert "\n" not in shown
    assert "epoch 99/100" in shown
    assert "50%" in shown
    assert "0:00:04 left" in shown  # 4500 pictures at 1000/s: the run's, not the epoch's 1500
    before = len(stream.getvalue())
    bar.end_epoch(replace(METRICS, epoch=100, train_loss=12.3, train_accuracy=1.0))
    left = stream.getvalue()[before:].rpartition("\x1b[2K")[2]
    assert left.startswith("epoch 100/100")
    assert left.count("\n") == 1
    assert len(left.rstrip()) <= width


def test_the_time_left_counts_what_lies_between_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([100.0, 110.0])
    monkeypatch.setattr("archspec.train.display.monotonic", lambda: next(now))
    clock = RunClock()
    assert clock.time_left(100, 1000, 90.0) == 10.0
    assert clock.time_left(200, 1000, 90.0) == 80.0  # 100 pictures took 10 seconds, all in all


@pytest.mark.parametrize("terminal", [True, False])
def test_decoding_is_followed_without_changing_it(terminal: bool) -> None:  # noqa: FBT001 - a case
    stream = StringIO()
    follow = DecodingBar(Console(file=stream, force_terminal=terminal, width=80))
    assert list(follow(range(5), 5, "decoding")) == [0, 1, 2, 3, 4]
    assert ("decoding" in stream.getvalue()) is terminal


@pytest.mark.parametrize("display", [Silent(), Lines(3), Bar(Console(file=StringIO()), 3)])
def test_warnings_are_heard_also_by_who_wants_quiet(
    display: Silent, capsys: pytest.CaptureFixture[str]
) -> None:
    display.warn("last.pt is damaged")
    assert capsys.readouterr() == ("", "last.pt is damaged\n")


def test_what_is_told_before_training_is_written_as_it_is() -> None:
    stream = StringIO()
    Bar(Console(file=stream, force_terminal=True, width=40), 3).tell("lr: [0.9, 0.999]  # [bold]")
    assert stream.getvalue() == "lr: [0.9, 0.999]  # [bold]\n"
