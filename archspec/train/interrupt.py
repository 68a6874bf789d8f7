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
    """Within the block the first Ctrl-C only sets `requested`; the second interrupts at once.

    A program that was told to ignore it (a background job of a script) goes on ignoring it.
    """
    interrupt = Interrupt()

    def on_sigint(number: int, frame: FrameType | None) -> None:
        if interrupt.requested:
            signal.default_int_handler(number, frame)
        interrupt.requested = True

    # Only the main thread may handle signals.
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        yield interrupt
        return
    previous = signal.signal(signal.SIGINT, on_sigint)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, previous)
