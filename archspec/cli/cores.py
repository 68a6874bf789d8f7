"""Many things done at once, where the machine has the cores for it."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

ENOUGH = 6
"""Of fewer, all are done before the processes are there."""
MOST = 8


def for_each(
    work: Callable[[T], R | None], items: Sequence[T], here: Callable[[T], R | None]
) -> Iterator[R | None]:
    """What `work` makes of each, in order, and where that is nothing, or it raises, `here`.

    It is done by several processes where there are many: what it prints or changes there is lost,
    and its results have to be picklable. `here` is done in this one, as all are where they are few.
    """
    count = min(_cores(), len(items), MOST)
    if len(items) < ENOUGH or count < 2 or not _may_fork():
        yield from map(here, items)
        return
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    # Forked, they need not import anything again, and are handed what they are to do as it is.
    told = 0
    try:
        with ProcessPoolExecutor(count, get_context("fork"), _begin, (work, items)) as pool:
            for result in pool.map(_done, range(len(items))):
                told += 1
                yield here(items[told - 1]) if result is None else result
    except BrokenProcessPool:  # one was killed
        yield from map(here, items[told:])


def _cores() -> int:
    """How many this process may use."""
    with suppress(AttributeError):  # not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _may_fork() -> bool:
    """Whether a copy of this process is sure to work: on Linux, and without torch's threads."""
    return sys.platform == "linux" and "torch" not in sys.modules


_given: list[Any] = []
"""In a process of the pool: what is to be done, and to what."""


def _begin(work: Callable[[Any], Any], items: Sequence[Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one that waits for them ends them
    _given[:] = [work, items]


def _done(index: int) -> Any:
    work, items = _given
    with suppress(Exception):  # it is done again in the process that tells why
        return work(items[index])
    return None
