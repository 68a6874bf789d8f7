"""Where decoded pictures are kept: in memory, in a file, or nowhere."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from archspec.train.data import cache, streaming
from archspec.train.data.decode import BrokenPicture, decode_all, measure_all
from archspec.train.data.index import Index, Tally
from archspec.train.data.listing import Listing
from archspec.train.data.locks import locked
from archspec.train.data.pictures import Image, Pictures, in_memory
from archspec.train.data.room import available_memory, free_disk
from archspec.train.data.track import Track
from archspec.train.errors import TrainError

Keep = Literal["auto", "memory", "disk", "stream"]
DISK_SHARE = 0.9  # of the free space that a cache may take
MEMORY_SHARE = 0.5  # of the available memory that pictures may take unasked


@dataclass(frozen=True)
class Decoded:
    """The readable pictures of a listing, what is known of them, and notes for a person."""

    pictures: Pictures
    index: Index
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Task:
    """Pictures to be decoded for `channels` at `short_side`; `folder` is for caches, if any."""

    listing: Listing
    short_side: int
    channels: int
    folder: Path | None
    track: Track

    @property
    def path(self) -> Path | None:
        """The file of the cache."""
        if self.folder is None:
            return None
        return cache.cache_path(self.folder, self.listing.origin, self.short_side, self.channels)

    @property
    def index_path(self) -> Path | None:
        """The file of the index of streamed pictures."""
        return self.path and self.path.with_suffix(".index")

    def decode(self) -> Iterable[Image | BrokenPicture]:
        """All pictures, in the listing's order."""
        listing = self.listing
        pictures = decode_all(listing.root, listing.names, self.short_side, self.channels)
        return self.track(pictures, len(listing.names), "decoding")

    def num_bytes(self) -> int:
        """What the decoded pictures take, by the heads of their files."""
        listing = self.listing
        sizes = measure_all(listing.root, listing.names, self.short_side, self.channels)
        return sum(self.track(sizes, len(listing.names), "reading sizes"))


def decode(task: Task, keep: Keep) -> Decoded:
    """Decode the pictures, or find them decoded, and keep them in one of four ways.

    memory: there; disk: in a file of the cache, mapped into memory; stream: not at all, decoded
    whenever they are shown; auto: on disk if there is room, else in memory if they take less than
    half of it, else streamed. Raises TrainError when there is no room where they have to be.
    """
    try:
        return KEEPERS[keep](task)
    except MemoryError as error:
        raise TrainError("the pictures do not fit into memory; they can be streamed") from error


def keep_in_memory(channels: int, decoded: Iterable[Image | BrokenPicture]) -> Decoded:
    """The pictures without a file."""
    tally = Tally()
    pictures = in_memory(tally.readable(decoded), channels)
    return Decoded(pictures, tally.index(channels))


def _in_memory(task: Task) -> Decoded:
    return keep_in_memory(task.channels, task.decode())


def _on_disk(task: Task) -> Decoded:
    if task.path is None:
        raise TrainError("pictures kept on disk need a folder for the cache", 2)
    found = _cached(task)
    if found is not None:
        return found
    try:
        return _into_cache(task, task.path)
    except OSError as error:
        raise TrainError(f"cannot write {task.path}: {error.strerror or error}") from error


def _cached(task: Task) -> Decoded | None:
    found = task.path and cache.load(task.path, task.listing.fingerprint)
    return Decoded(*found) if found else None


def _into_cache(task: Task, path: Path) -> Decoded:
    """Write the cache, unless another process has done it meanwhile; raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path, task.track):
        found = _cached(task)
        if found is None:
            cache.save(path, task.listing.fingerprint, task.channels, task.decode())
            found = _cached(task)
    return found or _in_memory(task)


def _streamed(task: Task) -> Decoded:
    index = _known_index(task)
    if index is None:
        index = streaming.verify(task.decode(), task.channels)
        _keep_index(task, index)
    return Decoded(streaming.streamed(task.listing, index, task.short_side), index)


def _known_index(task: Task) -> Index | None:
    path = task.index_path
    return streaming.load_index(path, task.listing.fingerprint) if path else None


def _keep_index(task: Task, index: Index) -> None:
    if task.index_path is None:
        return
    with suppress(OSError):  # then every start has to look at all pictures
        streaming.save_index(task.index_path, task.listing.fingerprint, index)


def _where_there_is_room(task: Task) -> Decoded:
    found = _cached(task)
    if found is not None:
        return found
    index = _known_index(task)
    num_bytes = index.num_bytes if index else task.num_bytes()
    obstacle = None
    if task.path is not None and task.folder is not None:
        try:
            if num_bytes <= DISK_SHARE * free_disk(task.folder):
                return _into_cache(task, task.path)
            obstacle = "not enough room"
        except OSError as error:
            obstacle = error.strerror or str(error)
    fits = num_bytes <= MEMORY_SHARE * available_memory()
    decoded = _in_memory(task) if fits else _streamed(task)
    return replace(decoded, notes=tuple(_notes(task, num_bytes, obstacle, fits=fits)))


def _notes(task: Task, num_bytes: int, obstacle: str | None, *, fits: bool) -> Iterator[str]:
    size = f"{num_bytes / 1e9:.1f} GB of pictures"
    if obstacle:
        where = "kept in memory" if fits else "decoded whenever they are shown"
        yield f"no cache in {task.folder} ({obstacle}): {size} are {where}"
    elif not fits:
        yield f"{size} do not fit into memory: they are decoded whenever they are shown"


KEEPERS: Mapping[Keep, Callable[[Task], Decoded]] = {
    "auto": _where_there_is_room,
    "memory": _in_memory,
    "disk": _on_disk,
    "stream": _streamed,
}
