"""Pictures with their classes, from a folder or drawn by the program."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from archspec.train import cache, demo
from archspec.train.decode import MODES, BrokenPicture, decode_all, stored_short_side
from archspec.train.errors import TrainError
from archspec.train.folder import Listing, list_pictures
from archspec.train.pictures import Image, Pictures

DEMO = "demo"  # the name of the drawn flowers where a folder may stand
InputShape = tuple[int, int, int]
Item = TypeVar("Item")
Track = Callable[[Iterable[Item], int, str], Iterable[Item]]


@dataclass(frozen=True)
class Dataset:
    """Decoded pictures, each with its class: `labels[i]` indexes `classes`, `names[i]` is its file.

    `source` is the folder, or `demo`; `broken` are the files that were left out.
    """

    source: str
    classes: tuple[str, ...]
    names: tuple[str, ...]
    labels: tuple[int, ...]
    pictures: Pictures
    broken: tuple[BrokenPicture, ...] = ()


def in_silence(items: Iterable[Item], total: int, description: str) -> Iterable[Item]:
    """Follow nothing: the Track for scripts and tests."""
    del total, description
    return items


def load_dataset(
    source: str,
    input_shape: InputShape,
    cache_folder: Path | None,
    *,
    strict: bool = False,
    track: "Track[Image | BrokenPicture]" = in_silence,
) -> Dataset:
    """The pictures of `source`, a folder with a folder a class or `demo`, for this input (C, H, W).

    With a `cache_folder`, pictures decoded before are mapped from there. `track` wraps the
    decoding, to show how far it is. Raises TrainError for channels that pictures do not have, a
    folder that cannot be read, a class without readable pictures, or, if `strict`, a broken one.
    """
    if input_shape[0] not in MODES:
        raise TrainError(
            f"the network takes {input_shape[0]} channels: pictures have 3, or 1 when grey", 2
        )
    if source == DEMO:
        return _drawn(input_shape, track)
    listing = list_pictures(Path(source))
    decoded = _decoded(listing, input_shape, cache_folder, track)
    if strict and decoded.broken:
        first = decoded.broken[0]
        raise TrainError(f"{len(decoded.broken)} broken, first {first.name}: {first.reason}", 2)
    labels = tuple(listing.labels[place] for place in decoded.kept)
    _refuse_unreadable(listing, labels, decoded.broken)
    return Dataset(
        source=str(listing.root.resolve()),
        classes=listing.classes,
        names=tuple(listing.names[place] for place in decoded.kept),
        labels=labels,
        pictures=decoded.pictures,
        broken=decoded.broken,
    )


def _decoded(
    listing: Listing,
    input_shape: InputShape,
    folder: Path | None,
    track: "Track[Image | BrokenPicture]",
) -> cache.Decoded:
    channels, short_side = input_shape[0], stored_short_side(input_shape)

    def decode() -> Iterable[Image | BrokenPicture]:
        pictures = decode_all(listing.root, listing.names, short_side, channels)
        return track(pictures, len(listing.names), "decoding")

    if folder is None:
        return cache.keep_in_memory(channels, decode())
    path = cache.cache_path(folder, listing.root, short_side, channels)
    found = cache.load(path, listing.fingerprint)
    if found is not None:
        return found
    try:
        cache.save(path, listing.fingerprint, channels, decode())
    except OSError:  # no room or no permission for a cache: memory will do
        return cache.keep_in_memory(channels, decode())
    return cache.load(path, listing.fingerprint) or cache.keep_in_memory(channels, decode())


def _refuse_unreadable(
    listing: Listing, labels: tuple[int, ...], broken: tuple[BrokenPicture, ...]
) -> None:
    empty = sorted(set(range(len(listing.classes))) - set(labels))
    if not empty:
        return
    name = listing.classes[empty[0]]
    first = next(picture for picture in broken if picture.name.startswith(f"{name}/"))
    raise TrainError(
        f"{listing.root}: no picture of class {name!r} can be read ({first.name}: {first.reason})",
        2,
    )


def _drawn(input_shape: InputShape, track: "Track[Image | BrokenPicture]") -> Dataset:
    short_side = min(stored_short_side(input_shape), demo.MAX_SHORT_SIDE)
    wanted = [(name, number) for name in demo.FLOWERS for number in range(demo.NUM_PER_CLASS)]

    def draw() -> Iterator[Image | BrokenPicture]:
        for name, number in wanted:
            flower = demo.draw_flower(name, number, short_side)
            yield flower if input_shape[0] == 3 else _grey(flower)

    decoded = cache.keep_in_memory(input_shape[0], track(draw(), len(wanted), "drawing flowers"))
    classes = tuple(demo.FLOWERS)
    return Dataset(
        source=DEMO,
        classes=classes,
        names=tuple(f"{name}/{number:03d}" for name, number in wanted),
        labels=tuple(classes.index(name) for name, _ in wanted),
        pictures=decoded.pictures,
    )


def _grey(picture: Image) -> Image:
    """ITU-R 601 luma, as Pillow's mode L."""
    luma: Image = (picture @ np.array([0.299, 0.587, 0.114])).round().astype(np.uint8)
    return luma[..., np.newaxis]
