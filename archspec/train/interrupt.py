"""Ctrl-C as a wish: the step under way is finished and saved first."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class Interrupt:
    """Whether the person at the keyboard has asked to stop."""

    requested: bool = False


@contextmanager
def listening() -> Iterator[Interrupt]:
    """Within the block the first Ctrl-C only sets `requested`; the second interrupts at once."""
    interrupt = Interrupt()

    def on_sigint(number: int, frame: FrameType | None) -> None:
        if interrupt.requested:
            signal.default_int_handler(number, frame)
        interrupt.requested = True

    if threading.current_thread() is not threading.main_thread():
        yield interrupt  # only the main thread may handle signals
        return
    previous = signal.signal(signal.SIGINT, on_sigint)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, previous)
