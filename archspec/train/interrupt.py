"""Ctrl-C as a wish: the step under way is finished and saved first."""

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class Interrupt:
    """Whether somebody has asked to stop, and by which signal."""

    requested: bool = False
    signal: int = signal.SIGINT

    @property
    def exit_code(self) -> int:
        """What a shell reports for a program that this signal has ended."""
        return 128 + self.signal


@contextmanager
def listening(*, patiently: bool = False) -> Iterator[Interrupt]:
    """Within the block the first Ctrl-C only sets `requested`; the second interrupts at once.

    SIGTERM, which schedulers send before they take a machine away, only ever sets it; and so does
    every Ctrl-C `patiently`: torchrun hands on what the terminal has sent already. A program that
    was told to ignore a signal (a background job of a script) goes on ignoring it.
    """
    interrupt = Interrupt()

    def on_signal(number: int, frame: FrameType | None) -> None:
        if interrupt.requested and number == signal.SIGINT and not patiently:
            signal.default_int_handler(number, frame)
        interrupt.requested, interrupt.signal = True, number

    if threading.current_thread() is not threading.main_thread():
        yield interrupt  # only the main thread may handle signals
        return
    with ExitStack() as previous:
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                previous.callback(signal.signal, number, signal.signal(number, on_signal))
        yield interrupt
