"""Checkpoints as files: written whole, and read only when every byte is as it was written.

A checkpoint is one file, or, of a sharded network, a folder to which every process writes its part;
either can be read by any number of processes.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO, cast
from zipfile import BadZipFile
from zlib import crc32

import torch

from archspec.train.errors import TrainError
from archspec.train.files import sync_folder, told_if_unwritable, written_whole
from archspec.train.pickled import foreign_class
from archspec.train.sharded import load_plain, read_sharded, refuse_damaged
from archspec.train.world import World

LAST, PREVIOUS, BEST = "last", "previous", "best"
FILE, FOLDER = ".pt", ".dcp"
BEST_FILE = f"{BEST}{FILE}"
PROGRESS = "progress.pt"  # in a folder, what is not a tensor of the network
INDEX = ".metadata"  # in a folder, where torch says what lies where
INDEX_SUM = "index_crc32"
Checkpoint = dict[str, Any]


# --- writing --------------------------------------------------------------------------------------


def write_last(folder: Path, checkpoint: Checkpoint) -> None:
    """Write the last checkpoint; raises TrainError, leaving the older ones, if the disk refuses."""
    path = folder / f"{LAST}{FILE}"
    with told_if_unwritable(str(path)):
        _write(path, checkpoint, lambda: _retire(folder))


def write_best(folder: Path, checkpoint: Checkpoint) -> None:
    """Write the best weights; raises TrainError, leaving the older ones, if the disk refuses."""
    path = folder / BEST_FILE
    with told_if_unwritable(str(path)):
        _write(path, checkpoint)


def write_last_folder(folder: Path, state: Checkpoint, tensors: Checkpoint, world: World) -> None:
    """As `write_last`, of a sharded network: every process calls this and writes its `tensors`."""
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.state_dict_saver import save

    last, temporary = folder / f"{LAST}{FOLDER}", folder / f".{LAST}{FOLDER}.tmp"
    with told_if_unwritable(str(last)):
        if world.is_main:
            _remove(temporary)
        world.wait()
        try:
            save(tensors, checkpoint_id=temporary)
        except CheckpointException as error:
            raise OSError(str(next(iter(error.failures.values()))[0])) from error
        if world.is_main:
            index = (temporary / INDEX).read_bytes()
            _write(temporary / PROGRESS, {**state, INDEX_SUM: crc32(index)})
            _retire(folder)
            temporary.replace(last)
            sync_folder(folder)
        world.wait()


class _Noting:
    """A file that remembers why it could not be written: torch reports that it could not."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self.file.write(data)
        except OSError as error:
            self.error = self.error or error
            raise

    def flush(self) -> None:
        self.file.flush()


def _write(
    path: Path, checkpoint: Checkpoint, before_it_appears: Callable[[], None] | None = None
) -> None:
    with written_whole(path, before_it_appears) as file:
        noting = _Noting(file)
        try:
            torch.save(checkpoint, cast("IO[bytes]", noting))
        except RuntimeError as error:  # what torch makes of an OSError on its way through C++
            raise (noting.error or OSError(str(error))) from error


def _retire(folder: Path) -> None:
    """Make the last checkpoint the previous one; killed anywhere in here, one of them is left."""
    for kind in (FILE, FOLDER):
        last = folder / f"{LAST}{kind}"
        if last.exists():
            for other in (FILE, FOLDER):
                _remove(folder / f"{PREVIOUS}{other}")
            last.replace(folder / f"{PREVIOUS}{kind}")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


# --- reading --------------------------------------------------------------------------------------


def candidates(folder: Path) -> Iterator[Path]:
    """The checkpoints to go on from, the newest first."""
    for stem in (LAST, PREVIOUS):
        for kind in (FILE, FOLDER):
            path = folder / f"{stem}{kind}"
            if path.exists():
                yield path


def promote(folder: Path, path: Path) -> Path:
    """Put the good checkpoint at `path` in the place of last ones that are not; its new path.

    Else saving would keep the damaged one as the previous checkpoint, and drop this one.
    """
    for kind in (FILE, FOLDER):
        last = folder / f"{LAST}{kind}"
        if last != path:
            _remove(last)
    return path.replace(folder / f"{LAST}{path.suffix}")


def read_checkpoint(path: Path) -> Checkpoint:
    """What was written, whole and on the CPU; tensors and plain values only.

    Raises TrainError when it is missing, cut short, or has changed in any bit.
    """
    if not path.exists():
        began = any(candidates(path.parent))
        why = "the run has other checkpoints" if began else "the run ended before it saved anything"
        raise TrainError(f"{path} is missing: {why}", exit_code=2)
    try:
        return _read_folder(path) if path.is_dir() else _read_file(path)
    except MemoryError:
        raise
    except Exception as error:  # a damaged file may raise anything, from zipfile to pickle
        raise TrainError(f"{path} {_what_is_wrong(error)}", exit_code=2) from error


def _what_is_wrong(error: Exception) -> str:
    kind = foreign_class(error)
    if kind is None:
        return "is damaged and cannot be loaded"
    return f"holds a pickled {kind}, which no checkpoint of a run does: nothing in it was run"


def _read_file(path: Path) -> Checkpoint:
    with path.open("rb") as file:
        refuse_damaged(file)
    found = load_plain(path)
    return found if isinstance(found, dict) else {}


def _read_folder(path: Path) -> Checkpoint:
    """A sharded checkpoint, put together in this process alone."""
    state, index = _read_file(path / PROGRESS), (path / INDEX).read_bytes()
    if state.pop(INDEX_SUM) != crc32(index):
        raise BadZipFile(INDEX)
    return state | read_sharded(path, index)
