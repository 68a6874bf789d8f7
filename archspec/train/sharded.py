"""A sharded checkpoint put together in one process, from files that may say anything.

torch's own loader unpickles the index, and every value that is not a tensor, as code; this one
reads data only, and takes no more memory than the files take on disk.
"""

from collections.abc import Iterable
from io import BytesIO
from math import prod
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import torch
from torch import Tensor

from archspec.train.sharded_index import Entry, Part, Place, read_index


def read_sharded(folder: Path, index: bytes) -> dict[str, Any]:
    """The state dict in a folder whose index is this, on the CPU: tensors and plain values.

    Raises OSError, and ValueError or whatever torch raises for files that are not what is said.
    """
    entries = read_index(index)
    _refuse_lies(folder, [part for entry in entries for part in entry.parts])
    return _nested((entry.place, _value(folder, entry)) for entry in entries)


def refuse_damaged(file: IO[bytes]) -> None:
    """Raise BadZipFile unless all checksums are right: torch writes them and does not look.

    It compresses nothing either: what is compressed might unpack to terabytes.
    """
    with ZipFile(file) as archive:
        packed = [r.filename for r in archive.infolist() if r.compress_type != ZIP_STORED]
        damaged = packed[0] if packed else archive.testzip()
    if damaged is not None:
        raise BadZipFile(damaged)


def load_plain(file: BytesIO | Path) -> Any:
    """What torch.save wrote, on the CPU; raises unless it is tensors and plain values."""
    return torch.load(file, map_location="cpu", weights_only=True)


def _refuse_lies(folder: Path, parts: list[Part]) -> None:
    """Raise ValueError unless all parts lie in files of the folder, none in another's place."""
    home, sizes = folder.resolve(), dict[str, int]()
    for name in {part.file for part in parts}:
        path = (folder / name).resolve()
        if path.parent != home or not path.is_file():
            raise ValueError("a part is not a file of its folder")
        sizes[name] = path.stat().st_size
    end = dict.fromkeys(sizes, 0)
    for part in sorted(parts, key=lambda part: part.offset):
        if part.offset < end[part.file]:
            raise ValueError("two parts overlap")
        end[part.file] = part.offset + part.length
    if any(end[name] > size for name, size in sizes.items()):
        raise ValueError("a part is cut short")


def _value(folder: Path, entry: Entry) -> Any:
    if entry.dtype is None:
        return load_plain(_bytes(folder, entry.parts[0]))
    if prod(entry.size) * entry.dtype.itemsize > sum(part.length for part in entry.parts):
        raise ValueError("a tensor is larger than its parts")
    # Zeros: should the parts leave a gap, nothing that the memory held before is seen there.
    whole = torch.zeros(entry.size, dtype=entry.dtype)
    for part in entry.parts:
        tensor = load_plain(_bytes(folder, part))
        if not isinstance(tensor, Tensor) or tensor.shape != part.sizes:
            raise ValueError("a part is not what the index says")
        spans = zip(part.offsets, part.sizes, strict=True)
        whole[tuple(slice(begin, begin + size) for begin, size in spans)] = tensor
    return whole


def _bytes(folder: Path, part: Part) -> BytesIO:
    with (folder / part.file).open("rb") as file:
        file.seek(part.offset)
        found = BytesIO(file.read(part.length))
    refuse_damaged(found)
    found.seek(0)
    return found


class _Branch(dict[str | int, Any]):
    """A dict or list of the state dict, which is filled; a dict that was stored is none."""


def _nested(values: Iterable[tuple[Place, Any]]) -> dict[str, Any]:
    """A dict of dicts and lists, from the places of its values."""
    root = _Branch()
    for (*outer, last), value in values:
        branch = root
        for key in outer:
            branch = branch.setdefault(key, _Branch())
            if not isinstance(branch, _Branch):
                raise ValueError("a value lies within another")  # noqa: TRY004 - what a file says
        if last in branch:
            raise ValueError("two values have one place")
        branch[last] = value
    return {str(key): _finished(value) for key, value in root.items()}


def _finished(value: Any) -> Any:
    """The dict, or the list if its keys are numbers."""
    if not isinstance(value, _Branch):
        return value
    inner = {key: _finished(kept) for key, kept in value.items()}
    if all(isinstance(key, str) for key in inner):
        return inner
    if inner.keys() != set(range(len(inner))):
        raise ValueError("a list lacks values")
    return [inner[place] for place in range(len(inner))]
