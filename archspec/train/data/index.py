"""What is known of decoded pictures besides their pixels, and how it is written."""

import json
import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from zlib import crc32

import numpy as np

from archspec.train.data.decode import BrokenPicture
from archspec.train.data.pictures import Image

# A file is: perhaps the pixels, then the index as JSON, then this trailer. Pixels first, so that
# they can be written while pictures are decoded and mapped without looking at the index.
TRAILER = struct.Struct("<QI8s")  # bytes of the index, its crc32, magic
MAGIC = b"archspc3"


@dataclass(frozen=True)
class Index:
    """The readable pictures of a listing (`kept`: their places in it) and the broken ones.

    `digest` is the crc32 of all pixels, one picture after another: the same for the same pixels,
    wherever they are kept.
    """

    kept: tuple[int, ...]
    heights: tuple[int, ...]
    widths: tuple[int, ...]
    channels: int
    broken: tuple[BrokenPicture, ...]
    digest: str

    @property
    def num_bytes(self) -> int:
        """What the pixels take."""
        areas = (h * w for h, w in zip(self.heights, self.widths, strict=True))
        return sum(areas) * self.channels


@dataclass
class Tally:
    """Gathers the index of pictures that pass by."""

    kept: list[int] = field(default_factory=list)
    heights: list[int] = field(default_factory=list)
    widths: list[int] = field(default_factory=list)
    broken: list[BrokenPicture] = field(default_factory=list)
    checksum: int = 0

    def readable(self, decoded: Iterable[Image | BrokenPicture]) -> Iterator[Image]:
        """Those of `decoded` that are pictures, noted down."""
        for place, picture in enumerate(decoded):
            if isinstance(picture, BrokenPicture):
                self.broken.append(picture)
                continue
            whole = np.ascontiguousarray(picture)
            self.checksum = crc32(whole.data, self.checksum)
            self.kept.append(place)
            self.heights.append(whole.shape[0])
            self.widths.append(whole.shape[1])
            yield whole

    def index(self, channels: int) -> Index:
        """The index of all that has passed."""
        kept, heights, widths = tuple(self.kept), tuple(self.heights), tuple(self.widths)
        digest = checksum_text(self.checksum)
        return Index(kept, heights, widths, channels, tuple(self.broken), digest)


def checksum_text(checksum: int) -> str:
    """The form that checksums have in an index."""
    return f"{checksum:08x}"


def append_index(file: BinaryIO, index: Index, fingerprint: str) -> None:
    """Write the index, and what it was made from, behind what `file` holds already."""
    text = json.dumps(asdict(index) | {"fingerprint": fingerprint}, allow_nan=False).encode()
    file.write(text)
    file.write(TRAILER.pack(len(text), crc32(text), MAGIC))


def read_index(path: Path, fingerprint: str) -> tuple[Index, int] | None:
    """The index in the file at `path`, and the number of bytes before it.

    None when there is none, it is damaged, or it was made from something else.
    """
    try:
        found, num_bytes = _read(path)
        if found.pop("fingerprint") != fingerprint:
            return None
        broken = tuple(BrokenPicture(**entry) for entry in found.pop("broken"))
        kept, heights, widths = (tuple(found.pop(name)) for name in ("kept", "heights", "widths"))
        index = Index(kept, heights, widths, broken=broken, **found)
    except (OSError, ValueError, KeyError, TypeError, struct.error):
        return None  # whatever is wrong with it, decoding again mends it
    return (index, num_bytes) if len(kept) == len(heights) == len(widths) else None


def _read(path: Path) -> tuple[dict[str, Any], int]:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TRAILER.size))
        length, checksum, magic = TRAILER.unpack(file.read())
        num_bytes = size - TRAILER.size - length
        if magic != MAGIC or num_bytes < 0:
            raise ValueError("no index")
        file.seek(num_bytes)
        text = file.read(length)
    if crc32(text) != checksum:
        raise ValueError("damaged")
    found: dict[str, Any] = json.loads(text)
    return found, num_bytes
