"""Tensors in a .safetensors file: a table of contents in JSON, then their bytes.

The form is https://huggingface.co/docs/safetensors: the length of the header (8 bytes, the little
end first), the header, the data. There is no code in such a file; what it says is checked anyway.
"""

import json
import mmap
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

PREFIX = 8  # bytes that hold the header's length
LARGEST_HEADER = 1 << 24  # bytes: a thousand tensors take a tenth of a megabyte
MOST_DIMENSIONS = 16
MOST_NUMBERS = 1 << 48
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


class _Entry(NamedTuple):
    """Where a tensor lies: bytes `begin` to `end` of the data."""

    begin: int
    end: int
    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name, in the order of its header, mapped into memory.

    Raises OSError, and ValueError with the reason when the file is not what it says.
    """
    with path.open("rb") as file:
        if file.seek(0, 2) < PREFIX:
            raise ValueError("it is cut short")
        # Copy on write: torch warns of memory it may not write to, though nothing here does.
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    length = int.from_bytes(mapped[:PREFIX], "little")
    if length > min(LARGEST_HEADER, len(mapped) - PREFIX):
        raise ValueError("its header is longer than the file, or than any header would be")
    data = PREFIX + length
    entries = _entries(mapped[PREFIX:data], len(mapped) - data)
    return {entry.name: _tensor(mapped, data, entry) for entry in entries}


def _entries(header: bytes, num_bytes: int) -> list[_Entry]:
    """The header's table, checked against itself and against the `num_bytes` of data."""
    try:
        table = json.loads(header)
    except (ValueError, RecursionError) as error:
        raise ValueError("its header is not JSON") from error
    if not isinstance(table, dict):
        raise ValueError("its header is not a table of tensors")  # noqa: TRY004 - what a file holds
    table.pop("__metadata__", None)
    entries = [_entry(name, described) for name, described in table.items()]
    # As the format has it, tensors lie side by side and fill the file: none reads another's bytes.
    spans = sorted((entry.begin, entry.end) for entry in entries)
    if any(left[1] != right[0] for left, right in pairwise([(0, 0), *spans])):
        raise ValueError("its tensors overlap, or leave gaps")
    if (spans[-1][1] if spans else 0) != num_bytes:
        raise ValueError("it is cut short, or longer than its tensors")
    return entries


def _entry(name: str, described: Any) -> _Entry:
    match described:
        case {"dtype": str(kind), "shape": list(shape), "data_offsets": [int(begin), int(end)]}:
            pass
        case _:
            raise ValueError(f"it does not say where {name[:80]!r} lies")
    if kind not in DTYPES:
        raise ValueError(
            f"{name[:80]!r} holds numbers of a kind {kind[:20]!r}, which torch has not"
        )
    # Strides are products of sizes, of which none counts for less than one.
    whole = all(type(n) is int and n >= 0 for n in shape)
    if len(shape) > MOST_DIMENSIONS or not whole or prod(max(n, 1) for n in shape) > MOST_NUMBERS:
        raise ValueError(f"{name[:80]!r} has a shape that no tensor has")
    size = prod(shape) * DTYPES[kind].itemsize
    if not 0 <= begin <= end or end - begin != size:
        raise ValueError(
            f"{name[:80]!r} has a shape for {size} bytes and a place for {end - begin}"
        )
    return _Entry(begin, end, name, DTYPES[kind], tuple(shape))


def _tensor(mapped: mmap.mmap, data: int, entry: _Entry) -> Tensor:
    if entry.begin == entry.end:
        return torch.empty(0, dtype=entry.dtype).reshape(entry.shape)
    begin, count = data + entry.begin, prod(entry.shape)
    if begin % entry.dtype.itemsize == 0:
        return torch.frombuffer(mapped, dtype=entry.dtype, count=count, offset=begin).view(
            entry.shape
        )
    # Writers need not align: what starts within a number's width is copied to where it does not.
    copied = bytearray(mapped[begin : data + entry.end])
    return torch.frombuffer(copied, dtype=entry.dtype).view(entry.shape)
