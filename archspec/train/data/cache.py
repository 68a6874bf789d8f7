"""Decoded pictures kept on disk, so that the second run starts at once."""

import os
import re
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from zlib import crc32

import numpy as np

from archspec.train.data.decode import BrokenPicture
from archspec.train.data.index import Index, Tally, append_index, checksum_text, read_index
from archspec.train.data.pictures import Bytes, Image, Pictures, locate
from archspec.train.files import remove_leftovers, written_whole

CHUNK = 1 << 24
VERIFIED = 2 << 30  # bytes up to which every load reads all pixels, a second or two for a disk


def cache_folder() -> Path:
    """Where caches are kept: $ARCHSPEC_CACHE, or archspec/ in the user's cache folder."""
    own = os.environ.get("ARCHSPEC_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "archspec"


def cache_path(folder: Path, origin: Path, short_side: int, channels: int) -> Path:
    """The cache file of the pictures of `origin` (a folder, a table) at this size.

    There is one, replaced when they change.
    """
    key = sha256(os.fsencode(f"{origin.resolve()}\0{short_side}\0{channels}")).hexdigest()[:16]
    return folder / f"{re.sub(r'[^A-Za-z0-9._-]', '_', origin.resolve().name)}-{key}.pictures"


def load(path: Path, fingerprint: str) -> tuple[Pictures, Index] | None:
    """The pictures cached at `path`, mapped into memory; None when they are others or damaged.

    Up to `VERIFIED` bytes all pixels are compared with their checksum. Of a larger cache only
    the index is, and that the pictures it speaks of take exactly the bytes that are there.
    """
    found = read_index(path, fingerprint)
    if found is None:
        return None
    index, num_bytes = found
    try:
        if index.num_bytes != num_bytes:
            return None
        if num_bytes <= VERIFIED and checksum_text(_checksum(path, num_bytes)) != index.digest:
            return None
        pixels = _map(path, num_bytes)
    except (OSError, ValueError):
        return None  # whatever is wrong with a cache, decoding again mends it
    return locate(pixels, index.heights, index.widths, index.channels), index


def _map(path: Path, num_bytes: int) -> Bytes:
    try:
        # Copy on write: torch warns of memory it may not write to, though nothing here does.
        return np.memmap(path, dtype=np.uint8, mode="c", shape=(num_bytes,))
    except OSError:  # what may be written to has to fit into memory and swap; this need not
        return np.memmap(path, dtype=np.uint8, mode="r", shape=(num_bytes,))


def _checksum(path: Path, num_bytes: int) -> int:
    checksum = 0
    with path.open("rb") as file:
        while num_bytes > 0:
            chunk = file.read(min(CHUNK, num_bytes))
            if not chunk:
                raise ValueError("cut short")
            checksum = crc32(chunk, checksum)
            num_bytes -= len(chunk)
    return checksum


def save(
    path: Path, fingerprint: str, channels: int, decoded: Iterable[Image | BrokenPicture]
) -> None:
    """Write what is decoded to a cache at `path`, as it comes; raises OSError, leaving nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent, [path.name])
    tally = Tally()
    with written_whole(path) as file:
        for picture in tally.readable(decoded):
            file.write(picture.data)
        append_index(file, tally.index(channels), fingerprint)
