"""What a person sees while a network trains."""

from io import StringIO

import pytest
from rich.console import Console

from archspec.train.display import Bar, DecodingBar, Lines
from archspec.train.metrics import EpochMetrics, Reading

METRICS = EpochMetrics(2, 30, 1e-3, 1.25, 0.5, 1.5, 0.25, 99.6, 3.0, 0.5, 0.01)
LINE = (
    "epoch  2/10  train loss 1.2500 accuracy  50.0%  val loss 1.5000 accuracy  25.0%  100 images/s"
)


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
    for part in ("epoch 2/10", "100/300", "loss 1.234", "accuracy 50.0%", "50 images/s"):
        assert part in shown
    bar.end_epoch(METRICS)
    assert stream.getvalue().endswith(LINE + "\n")
    assert bar.progress is None


@pytest.mark.parametrize("terminal", [True, False])
def test_decoding_is_followed_without_changing_it(terminal: bool) -> None:  # noqa: FBT001 - a case
    stream = StringIO()
    follow = DecodingBar(Console(file=stream, force_terminal=terminal, width=80))
    assert list(follow(range(5), 5, "decoding")) == [0, 1, 2, 3, 4]
    assert ("decoding" in stream.getvalue()) is terminal
