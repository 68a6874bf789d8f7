"""What a source of pictures is found to hold, before any picture is opened."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import numpy as np

from archspec.train.data.pictures import Integers
from archspec.train.errors import TrainError


@dataclass(frozen=True)
class Listing:
    """Picture files and their classes: the file of `names[i]` is `root / names[i]`.

    `labels` index `classes`; `stats` [N, 2] are sizes in bytes and times of change in ns.
    `held_out` says of every picture whether the source itself keeps it for validation, None where
    it does not say. `origin` is what was listed (a folder, a table); `notes` are for a person.
    """

    origin: Path
    root: Path
    classes: tuple[str, ...]
    names: tuple[str, ...]
    labels: tuple[int, ...]
    stats: Integers
    held_out: tuple[bool, ...] | None = None
    notes: tuple[str, ...] = ()
    fingerprint: str = field(init=False)  # another one for other names, sizes, times of change

    def __post_init__(self) -> None:
        digest = hashlib.sha256()
        for name, (size, changed) in zip(self.names, self.stats.tolist(), strict=True):
            digest.update(os.fsencode(name))  # a name need not be UTF-8
            digest.update(f"\0{size}\0{changed}\n".encode())
        object.__setattr__(self, "fingerprint", digest.hexdigest())


def stats_of(found: Sequence[os.stat_result]) -> Integers:
    """The rows of `Listing.stats`."""
    rows = [(stat.st_size, stat.st_mtime_ns) for stat in found]
    return np.array(rows, dtype=np.int64).reshape(-1, 2)


def refuse_unreadable(path: Path, error: OSError) -> NoReturn:
    """Raise the TrainError for a folder or table that the system does not let us read."""
    reason = error.strerror or str(error)
    raise TrainError(f"cannot read {error.filename or path}: {reason}", exit_code=2) from error
