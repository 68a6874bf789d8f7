"""The index of a sharded checkpoint, `.metadata`: which bytes of which file are which numbers.

torch writes it as a pickle of its own classes, and reads it by unpickling, which runs whatever code
the file names. Here it is data: the classes are known by name, and none of them is made.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import torch

from archspec.train.pickled import Made, Name, read_pickle

# Where the classes stand, in this and in older versions of torch.
HOMES = {
    "torch.distributed.checkpoint.metadata": (
        *("Metadata", "MetadataIndex", "StorageMeta", "BytesStorageMetadata"),
        *("TensorStorageMetadata", "ChunkStorageMetadata"),
        *("TensorProperties", "_MEM_FORMAT_ENCODING"),
    ),
    "torch.distributed._shard.sharded_tensor.metadata": ("TensorProperties", "MEM_FORMAT_ENCODING"),
    "torch.distributed.checkpoint.filesystem": ("_StorageInfo",),
    "torch.serialization": ("_get_layout",),
    "torch": ("Size",),
    # The folder in which it was written.
    "pathlib": ("PosixPath", "WindowsPath"),
    "pathlib._local": ("PosixPath", "WindowsPath"),
}
DTYPES = {
    Name("torch", name): value
    for name, value in vars(torch).items()
    if isinstance(value, torch.dtype)
}
KNOWN = {Name(module, name) for module, names in HOMES.items() for name in names} | DTYPES.keys()
MOST_DIMENSIONS = 16
MOST_NUMBERS = 1 << 48
DEEPEST = 16  # a state dict's dicts and lists within each other
Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Part:
    """A piece of a tensor, or a whole pickled value: bytes of a file, and what they fill.

    `offsets` and `sizes` are numbers along each dimension of the whole tensor.
    """

    file: str
    offset: int
    length: int
    offsets: tuple[int, ...] = ()
    sizes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Entry:
    """A value of the state dict, at `place` in it: a tensor, or what torch.save wrote if no dtype.

    The parts of a tensor have as many numbers as it has.
    """

    place: Place
    parts: tuple[Part, ...]
    dtype: torch.dtype | None = None
    size: tuple[int, ...] = ()


def read_index(data: bytes) -> list[Entry]:
    """What a sharded checkpoint holds, and where; raises ValueError when it cannot be.

    A file is a plain name, so it lies in the checkpoint's folder. Nothing is known yet of whether
    it is there, and holds what is said.
    """
    index = _state(read_pickle(data, KNOWN), "Metadata")
    stored = dict(_stored(_dict(index["storage_data"])))
    places = _dict(index.get("planner_data") or {})
    entries = []
    for key, described in _dict(index["state_dict_metadata"]).items():
        place = _place(places.get(key, (key,)))
        if isinstance(described, Made) and described.name.name == "BytesStorageMetadata":
            entries.append(Entry(place, (Part(*stored[key, None]),)))
        else:
            entries.append(_tensor(key, place, _state(described, "TensorStorageMetadata"), stored))
    return entries


_Stored = Mapping[tuple[str, tuple[int, ...] | None], tuple[str, int, int]]


def _stored(data: dict[Any, Any]) -> Iterator[tuple[Any, tuple[str, int, int]]]:
    """By key, and place in the tensor if it is one: the file, and the bytes in it."""
    for key, value in data.items():
        index, info = _state(key, "MetadataIndex"), _state(value, "_StorageInfo")
        offset = index.get("offset")
        match info:
            case {"relative_path": str(file), "offset": int(begin), "length": int(length)}:
                pass
            case _:
                raise ValueError("it does not say where its parts lie")
        if not file or file in (".", "..") or {"/", "\\", ":", "\0"} & set(file):
            raise ValueError("a part lies outside its folder")
        if begin < 0 or length < 0 or info.get("transform_descriptors"):
            raise ValueError("a part cannot be read as it is said to be")
        yield (str(index["fqn"]), offset and _numbers(offset)), (file, begin, length)


def _tensor(key: str, place: Place, described: dict[str, Any], stored: _Stored) -> Entry:
    dtype = _dtype(described["properties"])
    size = _numbers(described["size"])
    parts = {}
    for chunk in described["chunks"]:
        found = _state(chunk, "ChunkStorageMetadata")
        offsets, sizes = _numbers(found["offsets"]), _numbers(found["sizes"])
        ends = [begin + length for begin, length in zip(offsets, sizes, strict=True)]
        if any(end > whole for end, whole in zip(ends, size, strict=True)):
            raise ValueError("a part is larger than its tensor")
        parts[offsets] = Part(*stored[key, offsets], offsets, sizes)
    if sum(prod(part.sizes) for part in parts.values()) != prod(size):
        raise ValueError("the parts of a tensor are not all of it")
    return Entry(place, tuple(parts.values()), dtype, size)


def _dtype(properties: object) -> torch.dtype:
    if isinstance(properties, Made) and isinstance(properties.state, tuple) and properties.state:
        first = properties.state[0]
        if isinstance(first, Name) and first in DTYPES:
            return DTYPES[first]
    raise ValueError("a tensor's numbers are of no known kind")


def _state(made: object, name: str) -> dict[Any, Any]:
    """The attributes of what is said to be an object of this class."""
    if isinstance(made, Made) and made.name.name == name:
        return _dict(made.state)
    raise ValueError(f"something else stands where a {name} belongs")


def _dict(value: object) -> dict[Any, Any]:
    if isinstance(value, dict):
        return value
    raise ValueError("something else stands where a dict belongs")


def _numbers(size: object) -> tuple[int, ...]:
    """A shape, or a place in a tensor: torch.Size of a tuple."""
    match size:
        case Made(name=Name(name="Size"), args=(tuple(numbers),)):
            pass
        case _:
            raise ValueError("something else stands where a size belongs")
    if len(numbers) > MOST_DIMENSIONS or prod(map(_number, numbers)) > MOST_NUMBERS:
        raise ValueError("a tensor has a shape that no tensor has")
    return tuple(numbers)


def _number(value: object) -> int:
    if type(value) is int and 0 <= value <= MOST_NUMBERS:
        return value
    raise ValueError("a tensor has a shape that no tensor has")


def _place(path: object) -> Place:
    keys = path if isinstance(path, tuple) else ()
    if not 0 < len(keys) <= DEEPEST or not all(type(key) in (str, int) for key in keys):
        raise ValueError("a value has a place that no state dict has")
    return keys
