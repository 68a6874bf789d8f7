"""Naming pictures, however many: found in folders, decoded and shown a batch at a time."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import torch

from archspec.train.data.decode import BrokenPicture, decode_all
from archspec.train.data.folder import SUFFIXES
from archspec.train.errors import TrainError
from archspec.train.trained import BATCH_SIZE, TrainedRun, predict

Item = TypeVar("Item")


@dataclass(frozen=True)
class Named:
    """A picture's file and its classes with their probabilities, the likeliest first."""

    file: str
    ranked: tuple[tuple[str, float], ...]


def picture_files(paths: Sequence[Path]) -> tuple[list[Path], list[BrokenPicture]]:
    """The pictures that are named and those in the folders that are, and folders unreadable.

    Folders are walked to their ends in the order of names; hidden files and what is no picture by
    its suffix are passed over, links to folders not followed. Raises TrainError for a path that is
    not there, and for a folder without a picture.
    """
    found: list[Path] = []
    unreadable: list[BrokenPicture] = []
    for path in paths:
        if not path.is_dir():
            if not path.exists():
                raise TrainError(f"{path}: No such file or directory", exit_code=2)
            found.append(path)
            continue
        inside = list(_walk(path, unreadable))
        if not inside and not unreadable:
            raise TrainError(f"{path}: no pictures in this folder, nor in those below", 2)
        found += inside
    return found, unreadable


def _walk(root: Path, unreadable: list[BrokenPicture]) -> Iterator[Path]:
    def blame(error: OSError) -> None:
        unreadable.append(BrokenPicture(str(error.filename), error.strerror or str(error)))

    for folder, folders, files in os.walk(root, onerror=blame):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                yield Path(folder, name)


def name_pictures(
    run: TrainedRun, files: Sequence[Path], device: torch.device, top: int
) -> Iterator[Named | BrokenPicture]:
    """What the run sees on each picture, in their order: `top` classes, or why it is broken.

    No more than a few batches are in memory at a time. Raises TrainError when the network's
    outputs are not finite.
    """
    names = [str(file) for file in files]
    decoded = decode_all(Path(), names, run.config.short_side, run.config.source.input_shape[0])
    for part in _batches(zip(files, decoded, strict=True), BATCH_SIZE):
        images = [image for _, image in part if not isinstance(image, BrokenPicture)]
        rows = iter(predict(run, images, device) if images else [])
        for file, image in part:
            if isinstance(image, BrokenPicture):
                yield image
                continue
            pairs = zip(run.config.classes, next(rows), strict=True)
            ranked = sorted(pairs, key=lambda pair: -pair[1])[:top]
            yield Named(str(file), tuple(ranked))


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    waiting = iter(items)
    while part := list(islice(waiting, size)):
        yield part
