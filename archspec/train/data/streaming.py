"""Pictures that are decoded whenever they are shown, for sets larger than memory and disk."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from warnings import filterwarnings

import numpy as np
from PIL import __version__ as pillow_version

from archspec.train.data.decode import BrokenPicture, decode_or_blame
from archspec.train.data.index import Index, Tally, append_index, read_index
from archspec.train.data.listing import Listing
from archspec.train.data.pictures import Image, Integers, Pictures
from archspec.train.errors import TrainError
from archspec.train.files import remove_leftovers, written_whole

NOTHING = np.zeros(0, np.uint8)


@dataclass(frozen=True)
class StreamedPictures(Pictures):
    """The interface of Pictures without their pixels: `num_bytes` is what those would take.

    Any thread may ask for any picture. One whose file has another size or time of change than in
    `stats` raises TrainError, as does one that has disappeared.
    """

    is_streamed: ClassVar[bool] = True

    root: Path
    names: tuple[str, ...]
    stats: Integers
    short_side: int

    def __getitem__(self, index: int) -> Image:
        """The picture, decoded from its file: height × width × channels."""
        name = self.names[index]
        path = self.root / name
        found = decode_or_blame(path, name, self.short_side, self.channels)
        try:
            # Looked at after decoding: what has changed meanwhile is told as well.
            stat = path.stat()
        except OSError as error:
            raise TrainError(f"{path} cannot be read any more: {error.strerror}") from error
        if (stat.st_size, stat.st_mtime_ns) != tuple(self.stats[index].tolist()):
            raise TrainError(f"{path} has changed since the pictures were listed")
        if isinstance(found, BrokenPicture):
            raise TrainError(f"{path} cannot be read any more: {found.reason}")
        return found if found.flags.writeable else np.array(found)  # torch warns of what is not

    @property
    def num_bytes(self) -> int:
        return int((self.heights * self.widths).sum()) * self.channels


def streamed(listing: Listing, index: Index, short_side: int) -> StreamedPictures:
    """The pictures of a listing whose index is known."""
    # Pillow remarks on odd files. Python's way to silence a block is not for threads.
    filterwarnings("ignore", module=r"PIL\.")
    kept = list(index.kept)
    return StreamedPictures(
        pixels=NOTHING,
        offsets=np.zeros(len(kept), np.int64),
        heights=np.array(index.heights, np.int64),
        widths=np.array(index.widths, np.int64),
        channels=index.channels,
        root=listing.root,
        names=tuple(listing.names[place] for place in kept),
        stats=listing.stats[kept],
        short_side=short_side,
    )


def verify(decoded: Iterable[Image | BrokenPicture], channels: int) -> Index:
    """The index of what is decoded, one picture after another; none is kept."""
    tally = Tally()
    for _ in tally.readable(decoded):
        pass
    return tally.index(channels)


def load_index(path: Path, fingerprint: str) -> Index | None:
    """The index that `save_index` left at `path` for this listing, if it did."""
    found = read_index(path, _fingerprint(fingerprint))
    return found[0] if found else None


def save_index(path: Path, fingerprint: str, index: Index) -> None:
    """Write the index at `path`; raises OSError, leaving nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent, [path.name])
    with written_whole(path) as file:
        append_index(file, index, _fingerprint(fingerprint))


def _fingerprint(fingerprint: str) -> str:
    return f"{fingerprint}/{pillow_version}"  # another Pillow may decode to other pixels
