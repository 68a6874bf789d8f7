"""Unpacking an archive that was downloaded: ordinary files only, and no more than expected."""

import gzip
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from archspec.train.errors import TrainError

PIECE = 1 << 16


@dataclass(frozen=True)
class Bounds:
    """What an archive may hold: files and folders, and unpacked bytes, heads included."""

    num_members: int
    num_bytes: int


class _Bounded:
    """A stream that refuses to give more than `most` bytes."""

    def __init__(self, stream: BinaryIO, most: int) -> None:
        self.stream = stream
        self.most = most

    def read(self, size: int = -1) -> bytes:
        piece = self.stream.read(size)
        self.most -= len(piece)
        if self.most < 0:
            raise TrainError("it unpacks to more bytes than there can be in it")
        return piece


def unpack(archive: Path, folder: Path, top: str, bounds: Bounds) -> None:
    """Unpack a .tgz into `folder`, which is there; all of it has to lie below the folder `top`.

    Raises TrainError for links, devices, absolute paths, paths that lead out, for more than the
    `bounds`, and for an archive that is damaged; OSError when the disk refuses.
    """
    try:
        with gzip.open(archive) as unzipped:
            stream = _Bounded(unzipped, bounds.num_bytes)  # type: ignore[arg-type] # it only reads
            with tarfile.open(fileobj=stream, mode="r|") as tar:  # type: ignore[call-overload] # "
                for number, member in enumerate(tar):
                    _refuse_unsafe(member, top, room=bounds.num_members - number)
                    tar.extract(member, folder, filter="data")
            while stream.read(PIECE):  # to the end, where the checksum is
                pass
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise TrainError(f"{archive} is damaged: {error}") from error
    except TrainError as error:
        raise TrainError(f"{archive} is not unpacked: {error}") from error


def _refuse_unsafe(member: tarfile.TarInfo, top: str, room: int) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or path.parts[:1] != (top,):
        raise TrainError(f"{member.name!r} in it does not lie below {top}/")
    if not (member.isreg() or member.isdir()):
        raise TrainError(f"{member.name!r} in it is neither a file nor a folder")
    if room <= 0:
        raise TrainError("it holds more files than there can be in it")
