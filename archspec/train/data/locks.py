"""One process at a time, where several would do the same work."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from archspec.train.data.track import Track

if sys.platform != "win32":
    import fcntl


@contextmanager
def locked(path: Path, track: Track) -> Iterator[None]:
    """Only one process is in such a block for `path`; the others wait, which `track` may show.

    The system frees the lock of a process that is killed. It is a file beside `path`, in a folder
    that is there, and stays. Raises OSError when it cannot be written. Where the system or the
    disk has no locks, nobody waits: what is written here is written whole anyway.
    """
    with path.with_name(f".{path.name}.lock").open("ab") as file:
        if not _acquire_at_once(file):
            for _ in track(_acquired(file), 1, "waiting for another process"):
                pass
        yield


def _acquire_at_once(file: BinaryIO) -> bool:
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a disk without locks
    return True


def _acquired(file: BinaryIO) -> Iterator[None]:
    if sys.platform != "win32":
        fcntl.flock(file, fcntl.LOCK_EX)
    yield None
