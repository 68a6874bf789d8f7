"""A folder of pictures: one folder a class, or that below train/ and val/."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from archspec.train.data.listing import Listing, refuse_unreadable, stats_of
from archspec.train.errors import TrainError

SUFFIXES = frozenset(
    [".jpg", ".jpeg", ".jpe", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".avif"]
)
TRAIN = "train"
VAL_NAMES = ("val", "valid", "validation")
TEST = "test"  # stands in for val/ where there is none


@dataclass(frozen=True)
class _Group:
    """The picture files of one class folder, sorted by name."""

    folder: Path
    files: tuple[tuple[str, os.stat_result], ...]
    held_out: bool = False


def list_folder(root: Path) -> Listing:
    """List the pictures of `root`: a folder a class, in `root` or in its `train/` and `val/`.

    A name is `class/file`, or `train/class/file`. Hidden files, files that are not pictures by
    their suffix and folders within a class are passed over. Raises TrainError when `root` cannot
    be read, a class has no pictures, or `val/` has a class that `train/` does not have.
    """
    try:
        folders = _folders(root)
        parts = _parts(root, folders)
        if not parts:
            return _list_classes(root, folders)
        return _list_parts(root, folders, *parts)
    except OSError as error:
        refuse_unreadable(root, error)


def _list_classes(root: Path, folders: list[str]) -> Listing:
    if not folders:
        raise TrainError(f"{root}: no folders; pictures belong in one folder a class", exit_code=2)
    groups = [_pictures(root / name) for name in folders]
    _refuse_empty(root, groups)
    return _listing(root, folders, groups)


def _parts(root: Path, folders: list[str]) -> tuple[str, str] | None:
    """The names of the parts for training and validation, where `root` is divided into such."""
    vals = [name for name in folders if name in VAL_NAMES]
    if TRAIN not in folders or not (vals or TEST in folders):
        return None
    if len(vals) > 1:
        raise TrainError(f"{root} has {vals[0]}/ and {vals[1]}/: which of them is held out?", 2)
    if _folders(root / TRAIN):
        return TRAIN, (vals or [TEST])[0]
    if set(folders) <= {TRAIN, *VAL_NAMES, TEST}:
        raise TrainError(f"{root / TRAIN}: no folders; pictures belong in one folder a class", 2)
    return None  # a class may well be called train


def _list_parts(root: Path, folders: list[str], train: str, val: str) -> Listing:
    classes, present = _folders(root / train), _folders(root / val)
    strangers = sorted(set(present) - set(classes))
    if strangers:
        raise TrainError(f"{root / val} has a class {strangers[0]!r} that {train}/ has not", 2)
    groups = [_pictures(root / train / name) for name in classes]
    _refuse_empty(root / train, groups)
    held_out = [_pictures(root / val / name, held_out=True) for name in present]
    if not any(group.files for group in held_out):
        raise TrainError(f"{root / val}: no pictures; they belong in one folder a class", 2)
    others = ", ".join(f"{name}/" for name in folders if name not in {train, val})
    notes = [f"held out are the pictures in {val}/" + (f"; {others} left aside" if others else "")]
    return _listing(root, classes, groups + held_out, notes)


def _listing(
    root: Path, classes: list[str], groups: list[_Group], notes: Iterable[str] = ()
) -> Listing:
    label = {name: place for place, name in enumerate(classes)}
    files = [(group, name, stat) for group in groups for name, stat in group.files]
    held_out = tuple(group.held_out for group, _, _ in files)
    return Listing(
        origin=root,
        root=root,
        classes=tuple(classes),
        names=tuple((g.folder.relative_to(root) / name).as_posix() for g, name, _ in files),
        labels=tuple(label[group.folder.name] for group, _, _ in files),
        stats=stats_of([stat for _, _, stat in files]),
        held_out=held_out if any(held_out) else None,
        notes=tuple(notes),
    )


def _folders(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))


def _pictures(folder: Path, *, held_out: bool = False) -> _Group:
    with os.scandir(folder) as entries:
        files = [(entry.name, entry.stat()) for entry in entries if _is_picture(entry)]
    return _Group(folder, tuple(sorted(files, key=lambda file: file[0])), held_out)


def _is_picture(entry: "os.DirEntry[str]") -> bool:
    suffix = Path(entry.name).suffix.lower()
    return suffix in SUFFIXES and not entry.name.startswith(".") and entry.is_file()


def _refuse_empty(root: Path, groups: list[_Group]) -> None:
    empty = [group.folder for group in groups if not group.files]
    if not empty:
        return
    hint = f" (did you mean {empty[0]}?)" if _folders(empty[0]) else ""
    names = ", ".join(folder.name for folder in empty[:5])
    raise TrainError(f"{root}: no pictures in the class folder {names}{hint}", exit_code=2)
