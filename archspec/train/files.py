"""Writing files whole or not at all."""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import Any, BinaryIO

from archspec.train.errors import TrainError


@contextmanager
def written_whole(
    path: Path, before_it_appears: Callable[[], object] | None = None
) -> Iterator[BinaryIO]:
    """A binary file that appears at `path` complete, when the block ends without an error.

    The bytes go to a temporary file beside it, are synced to the disk and renamed, so a reader
    (or a power cut) meets the old file or the new one, never a part. `before_it_appears` is called
    between the two. OSErrors pass through.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if before_it_appears is not None:
            before_it_appears()
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """After this a power cut cannot undo a renaming in the folder."""
    if os.name == "nt":
        return  # it does not open folders
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def remove_leftovers(folder: Path, names: Iterable[str]) -> None:
    """Remove the temporary files beside `names` whose writers were killed."""
    for name in names:
        for path in folder.glob(f".{escape(name)}.*.tmp"):
            pid = path.name.split(".")[-2]
            if pid.isdecimal() and not _is_alive(int(pid)):
                path.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True  # somebody else's, or no telling
    return True


@contextmanager
def told_if_unwritable(what: str) -> Iterator[None]:
    """Turn an OSError (a full disk, a folder without permission) into a TrainError."""
    try:
        yield
    except OSError as error:
        raise TrainError(f"cannot write {what}: {error.strerror or error}") from error


def write_text(path: Path, text: str) -> None:
    """Write `text` at `path`, atomically; raises TrainError when the disk refuses."""
    with told_if_unwritable(str(path)), written_whole(path) as file:
        # File names that are no UTF-8 come as lone surrogates; "\\udc80" is also JSON's spelling.
        file.write(text.encode(errors="backslashreplace"))


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON at `path`, atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
