"""Writing files whole or not at all."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path


def write_whole(files: Mapping[Path, bytes]) -> None:
    """Write every file; a reader meets the old one or the new one of each, never a part.

    All are written to temporary files beside them, and synced to the disk, before the first takes
    its name over; where one cannot, the others get back what they held. So several are all new or
    all old, unless the power fails between two renamings. A file that was there keeps its
    permissions. Raises OSError where one cannot be written; what was there is untouched then.
    """
    staged = {path: _beside(path, "tmp") for path in files}
    olds = {path: _beside(path, "old") for path in files} if len(files) > 1 else {}
    taken: list[Path] = []
    try:
        for path, temporary in staged.items():
            _stage(temporary, files[path], like=path)
        for path, old in olds.items():
            if path.exists():
                _stage(old, path.read_bytes(), like=path)
        for path, temporary in staged.items():
            taken.append(path)
            temporary.replace(path)
    except BaseException:
        for path in taken if olds else ():
            _put_back(path, olds[path], is_written=not staged[path].exists())
        raise
    finally:
        for left in (*staged.values(), *olds.values()):
            left.unlink(missing_ok=True)


def _beside(path: Path, kind: str) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.{kind}")


def _stage(temporary: Path, content: bytes, like: Path) -> None:
    with temporary.open("xb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    if like.exists():
        temporary.chmod(like.stat().st_mode & 0o777)


def _put_back(path: Path, old: Path, *, is_written: bool) -> None:
    """Give a file back what it held; one that was not there goes."""
    if old.exists():
        os.replace(old, path)  # noqa: PTH105 - not the call whose failure may have led here
    elif is_written:
        path.unlink(missing_ok=True)
