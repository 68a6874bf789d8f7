"""A folder of pictures: one folder a class."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from archspec.train.errors import TrainError

SUFFIXES = frozenset(
    [".jpg", ".jpeg", ".jpe", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".avif"]
)


@dataclass(frozen=True)
class Listing:
    """The picture files of a folder, sorted: `names` are `class/file`, `labels` index `classes`.

    `fingerprint` changes with any file's name, size or time of change.
    """

    root: Path
    classes: tuple[str, ...]
    names: tuple[str, ...]
    labels: tuple[int, ...]
    fingerprint: str


def list_pictures(root: Path) -> Listing:
    """List the pictures of `root`, a folder with one folder a class.

    Hidden files, files that are not pictures by their suffix and folders within a class are
    passed over. Raises TrainError when `root` cannot be read or a class has no pictures.
    """
    try:
        folders = sorted(path for path in _visible(root) if path.is_dir())
        files = [
            sorted(path for path in _visible(folder) if _is_picture(path)) for folder in folders
        ]
        listed = [(path, path.stat()) for group in files for path in group]
    except OSError as error:
        reason = error.strerror or str(error)
        raise TrainError(f"cannot read {error.filename or root}: {reason}", exit_code=2) from error
    if not folders:
        raise TrainError(f"{root}: no folders; pictures belong in one folder a class", exit_code=2)
    _refuse_empty(root, folders, files)
    digest = hashlib.sha256()
    for path, stat in listed:
        digest.update(os.fsencode(path.relative_to(root)))  # a name need not be UTF-8
        digest.update(f"\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return Listing(
        root=root,
        classes=tuple(folder.name for folder in folders),
        names=tuple(f"{path.parent.name}/{path.name}" for path, _ in listed),
        labels=tuple(label for label, group in enumerate(files) for _ in group),
        fingerprint=digest.hexdigest(),
    )


def _visible(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if not path.name.startswith(".")]


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file()


def _refuse_empty(root: Path, folders: list[Path], files: list[list[Path]]) -> None:
    empty = [folder for folder, group in zip(folders, files, strict=True) if not group]
    if not empty:
        return
    nested = next((path for path in _visible(empty[0]) if path.is_dir()), None)
    hint = f" (did you mean {empty[0]}?)" if nested else ""
    names = ", ".join(folder.name for folder in empty[:5])
    raise TrainError(f"{root}: no pictures in the class folder {names}{hint}", exit_code=2)
