"""Decoded pictures kept on disk, so that the second run starts at once."""

import json
import os
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO
from zlib import crc32

import numpy as np

from archspec.train.decode import BrokenPicture
from archspec.train.files import remove_leftovers, written_whole
from archspec.train.pictures import Bytes, Image, Pictures, in_memory, locate

# A file is: all pixels, then the index as JSON, then this trailer. Pixels first, so that they
# can be written while pictures are decoded and mapped without looking at the index.
TRAILER = struct.Struct("<QI8s")  # bytes of the index, crc32 of pixels and index, magic
MAGIC = b"archspc2"
CHUNK = 1 << 24


@dataclass(frozen=True)
class Decoded:
    """The readable pictures of a listing (`kept`: their places in it), and the broken ones."""

    pictures: Pictures
    kept: tuple[int, ...]
    broken: tuple[BrokenPicture, ...]


def cache_folder() -> Path:
    """Where caches are kept: $ARCHSPEC_CACHE, or archspec/ in the user's cache folder."""
    own = os.environ.get("ARCHSPEC_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "archspec"


def cache_path(folder: Path, root: Path, short_side: int, channels: int) -> Path:
    """The cache file of the pictures below `root` at this size: one, replaced when they change."""
    key = sha256(os.fsencode(f"{root.resolve()}\0{short_side}\0{channels}")).hexdigest()[:16]
    return folder / f"{re.sub(r'[^A-Za-z0-9._-]', '_', root.resolve().name)}-{key}.pictures"


def load(path: Path, fingerprint: str) -> Decoded | None:
    """The pictures cached at `path`, mapped into memory; None when they are others or damaged."""
    try:
        index, num_bytes = _read_index(path)
        if index["fingerprint"] != fingerprint:
            return None
        pixels = _map(path, num_bytes)
        pictures = locate(pixels, index["heights"], index["widths"], index["channels"])
        broken = tuple(BrokenPicture(**entry) for entry in index["broken"])
        return Decoded(pictures, tuple(index["kept"]), broken)
    except (OSError, ValueError, KeyError, TypeError, struct.error):
        return None  # whatever is wrong with a cache, decoding again mends it


def _map(path: Path, num_bytes: int) -> Bytes:
    # Copy on write: torch warns of memory it may not write to, though nothing here does.
    return np.memmap(path, dtype=np.uint8, mode="c", shape=(num_bytes,))


def _read_index(path: Path) -> tuple[dict[str, Any], int]:
    """The index and the number of bytes before it; ValueError when the file is not whole."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TRAILER.size))
        length, checksum, magic = TRAILER.unpack(file.read())
        num_bytes = size - TRAILER.size - length
        if magic != MAGIC or num_bytes < 0:
            raise ValueError("not a cache of pictures")
        if _checksum(file, num_bytes + length) != checksum:
            raise ValueError("damaged")
        file.seek(num_bytes)
        index: dict[str, Any] = json.loads(file.read(length))
    return index, num_bytes


def _checksum(file: BinaryIO, num_bytes: int) -> int:
    file.seek(0)
    checksum = 0
    while num_bytes > 0:
        chunk = file.read(min(CHUNK, num_bytes))
        checksum = crc32(chunk, checksum)
        num_bytes -= len(chunk)
    return checksum


class _Summed:
    """A stream that keeps the checksum of what is written to it."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.checksum = 0

    def write(self, data: bytes | memoryview) -> None:
        self.checksum = crc32(data, self.checksum)
        self.stream.write(data)


def save(
    path: Path, fingerprint: str, channels: int, decoded: Iterable[Image | BrokenPicture]
) -> None:
    """Write what is decoded to a cache at `path`, as it comes; raises OSError, leaving nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent, [path.name])
    with written_whole(path) as file:
        stream = _Summed(file)
        index = _write_pixels(stream, decoded)
        index |= {"fingerprint": fingerprint, "channels": channels}
        text = json.dumps(index, allow_nan=False).encode()
        stream.write(text)
        file.write(TRAILER.pack(len(text), stream.checksum, MAGIC))


def _write_pixels(stream: _Summed, decoded: Iterable[Image | BrokenPicture]) -> dict[str, Any]:
    kept, heights, widths, broken = [], [], [], []
    for place, picture in enumerate(decoded):
        if isinstance(picture, BrokenPicture):
            broken.append(asdict(picture))
            continue
        stream.write(np.ascontiguousarray(picture).data)
        kept.append(place)
        heights.append(picture.shape[0])
        widths.append(picture.shape[1])
    return {"kept": kept, "heights": heights, "widths": widths, "broken": broken}


def keep_in_memory(channels: int, decoded: Iterable[Image | BrokenPicture]) -> Decoded:
    """The same pictures without a file."""
    kept: list[int] = []
    broken: list[BrokenPicture] = []

    def readable() -> Iterator[Image]:
        for place, picture in enumerate(decoded):
            if isinstance(picture, BrokenPicture):
                broken.append(picture)
            else:
                kept.append(place)
                yield picture

    pictures = in_memory(readable(), channels)
    return Decoded(pictures, tuple(kept), tuple(broken))
