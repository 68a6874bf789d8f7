"""Pictures with their classes: from a folder, a table, an archive, or drawn by the program."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from archspec.train.data import demo
from archspec.train.data.cache import cache_folder as usual_cache_folder
from archspec.train.data.decode import MODES, BrokenPicture, stored_short_side
from archspec.train.data.flowers import FLOWERS, fetch_flowers
from archspec.train.data.folder import list_folder
from archspec.train.data.keeping import Keep, Task, decode, keep_in_memory
from archspec.train.data.listing import Listing
from archspec.train.data.pictures import Image, Pictures
from archspec.train.data.split import Split
from archspec.train.data.table import DELIMITERS, list_table
from archspec.train.data.track import Track, in_silence
from archspec.train.errors import TrainError

MOST_NAMED = 10  # broken pictures in a message
DEMO = "demo"  # the name of the drawn flowers where a folder may stand
InputShape = tuple[int, int, int]


@dataclass(frozen=True)
class Dataset:
    """Pictures, each with its class: `labels[i]` indexes `classes`, `names[i]` is its file.

    `source` is the folder or the table, or the name `demo` or `flowers`; `digest` is the same for
    the same pixels; `broken` are the files that were left out; `fixed_split` is the source's own
    division, if it has one; `notes` are lines that a person should see.
    """

    source: str
    classes: tuple[str, ...]
    names: tuple[str, ...]
    labels: tuple[int, ...]
    pictures: Pictures
    digest: str
    broken: tuple[BrokenPicture, ...] = ()
    fixed_split: Split | None = None
    notes: tuple[str, ...] = ()


def load_dataset(
    source: str,
    input_shape: InputShape,
    *,
    cache_folder: Path | None,
    short_side: int | None = None,
    keep: Keep = "auto",
    strict: bool = False,
    track: Track = in_silence,
) -> Dataset:
    """The pictures of `source` for a network of this input (C, H, W).

    `source` is a folder (see `list_folder`), a .csv or .tsv file (see `list_table`), `flowers`
    (see `fetch_flowers`; where there is no folder of that name) or `demo`. Pictures are reduced
    to `short_side` pixels, by default `stored_short_side` of the input, and kept as `keep` says
    (see `keeping.decode`), caches in `cache_folder`. `track` wraps what takes long. Raises
    TrainError for channels that pictures do not have, a source that cannot be read, a class
    without readable pictures, or, if `strict`, a broken one.
    """
    if input_shape[0] not in MODES:
        raise TrainError(
            f"the network takes {input_shape[0]} channels: pictures have 3, or 1 when grey", 2
        )
    short_side = short_side or stored_short_side(input_shape)
    if source == DEMO:
        return _drawn(short_side, input_shape[0], track)
    listing = _list(source, cache_folder, track)
    decoded = decode(Task(listing, short_side, input_shape[0], cache_folder, track), keep)
    index = decoded.index
    if strict and index.broken:
        named = [f"\n  {broken.name!r}: {broken.reason}" for broken in index.broken[:MOST_NAMED]]
        more = len(index.broken) - len(named)
        named += [f"\n  and {more} more"] if more else []
        raise TrainError(f"{len(index.broken)} pictures are broken:{''.join(named)}", 2)
    _refuse_unreadable(listing, index.kept, index.broken)
    return Dataset(
        source=FLOWERS if _is_archive(source) else str(listing.origin.resolve()),
        classes=listing.classes,
        names=tuple(listing.names[place] for place in index.kept),
        labels=tuple(listing.labels[place] for place in index.kept),
        pictures=decoded.pictures,
        digest=index.digest,
        broken=index.broken,
        fixed_split=_fixed_split(listing, index.kept),
        notes=listing.notes + decoded.notes,
    )


def _list(source: str, cache_folder: Path | None, track: Track) -> Listing:
    if _is_archive(source):
        return list_folder(fetch_flowers(cache_folder or usual_cache_folder(), track))
    path = Path(source)
    is_table = path.suffix.lower() in DELIMITERS and not path.is_dir()
    return list_table(path) if is_table else list_folder(path)


def _is_archive(source: str) -> bool:
    return source == FLOWERS and not Path(source).is_dir()  # pictures that are here come first


def _refuse_unreadable(
    listing: Listing, kept: tuple[int, ...], broken: tuple[BrokenPicture, ...]
) -> None:
    """Raise TrainError when there is nothing to learn a class from, or nothing held out."""
    held_out = listing.held_out or (False,) * len(listing.names)
    learnt = {listing.labels[place] for place in kept if not held_out[place]}
    empty = sorted(set(range(len(listing.classes))) - learnt)
    reasons = {picture.name: picture.reason for picture in broken}
    for place, name in enumerate(listing.names):
        if empty and listing.labels[place] == empty[0] and name in reasons:
            what = f"no picture of class {listing.classes[empty[0]]!r} can be read"
            raise TrainError(f"{listing.origin}: {what} ({name}: {reasons[name]})", 2)
    if any(held_out) and not any(held_out[place] for place in kept):
        raise TrainError(f"{listing.origin}: no picture that is held out can be read", 2)


def _fixed_split(listing: Listing, kept: tuple[int, ...]) -> Split | None:
    if listing.held_out is None:
        return None
    held_out = [listing.held_out[place] for place in kept]
    train = tuple(place for place, held in enumerate(held_out) if not held)
    return Split(train, tuple(place for place, held in enumerate(held_out) if held))


def _drawn(short_side: int, channels: int, track: Track) -> Dataset:
    short_side = min(short_side, demo.MAX_SHORT_SIDE)
    wanted = [(name, number) for name in demo.FLOWERS for number in range(demo.NUM_PER_CLASS)]

    def draw() -> Iterator[Image | BrokenPicture]:
        for name, number in wanted:
            flower = demo.draw_flower(name, number, short_side)
            yield flower if channels == 3 else _grey(flower)

    decoded = keep_in_memory(channels, track(draw(), len(wanted), "drawing flowers"))
    classes = tuple(demo.FLOWERS)
    return Dataset(
        source=DEMO,
        classes=classes,
        names=tuple(f"{name}/{number:03d}" for name, number in wanted),
        labels=tuple(classes.index(name) for name, _ in wanted),
        pictures=decoded.pictures,
        digest=decoded.index.digest,
    )


def _grey(picture: Image) -> Image:
    """ITU-R 601 luma, as Pillow's mode L."""
    luma: Image = (picture @ np.array([0.299, 0.587, 0.114])).round().astype(np.uint8)
    return luma[..., np.newaxis]
