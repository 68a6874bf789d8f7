"""Downloading a file: followed, resumed after a break, and checked."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from http.client import HTTPException
from itertools import count
from math import ceil
from pathlib import Path
from typing import BinaryIO
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen
from urllib.response import addinfourl

from archspec.train.data.track import Track
from archspec.train.errors import TrainError
from archspec.train.files import told_if_unwritable

SCHEMES = frozenset(["http", "https", "file"])
TIMEOUT = 30  # seconds without a byte
ATTEMPTS = 5  # in a row after breaks, as long as each brings something
PIECE = 1 << 16
PIECES = 16  # that a bar counts as one: 1 MiB
MOST_BYTES = 4 << 30  # of a file whose size is not published


@dataclass(frozen=True)
class Published:
    """A file on the web and what it has to be; `advice` is for whoever cannot get it."""

    url: str
    sha256: str
    num_bytes: int | None
    advice: str


class _Break(Exception):
    """The connection ended before the file did."""


def download(published: Published, path: Path, track: Track) -> None:
    """Fetch the file to `path`, unless it is there; what has come is kept in `path`.part.

    After a break, or in a later call, the rest is asked for (Range, with If-Range so that no
    other version is mixed in); a server that cannot do that begins anew. Raises TrainError when
    the server or the network fails, and when size or SHA-256 are others than published; then
    what has come is removed.
    """
    if urlsplit(published.url).scheme not in SCHEMES:
        raise TrainError(f"cannot download {published.url}: not http, https or file", 2)
    part = path.with_name(f"{path.name}.part")
    with told_if_unwritable(str(part)):
        if _is_right(published, path):
            return
        if not _is_right(published, part):
            _fetch_all(published, part, track)
        _refuse_others(published, part)
        part.replace(path)
        _tag_path(part).unlink(missing_ok=True)


def _fetch_all(published: Published, part: Path, track: Track) -> None:
    for attempt in count(1):
        before = _size(part)
        try:
            _fetch(published, part, track)
        except _Break as error:
            after = _size(part)
            if attempt == ATTEMPTS or after <= before:
                raise TrainError(
                    f"the download of {published.url} broke off after {after / 1e6:.1f} MB "
                    f"({error}): the same command goes on with it; {published.advice}"
                ) from error
        else:
            return


def _fetch(published: Published, part: Path, track: Track) -> None:
    """Ask once for all that is missing; raises _Break when not all of it comes."""
    have = _size(part)
    with _open(published, part, have) as response:
        total = _total(response.headers)
        if published.num_bytes is not None and total not in {None, published.num_bytes}:
            raise TrainError(
                f"{published.url} has {total} bytes, not the {published.num_bytes} that are "
                f"published; {published.advice}"
            )
        goes_on = _goes_on(response, part, have)
        if not goes_on:
            have = 0
            _write_tag(part, response.headers)
        total = total or published.num_bytes or 0
        most = published.num_bytes or MOST_BYTES
        with part.open("ab" if goes_on else "wb") as file:
            steps = _receive(response, file, most - have)
            number = ceil(max(0, total - have) / (PIECE * PIECES))
            for _ in track(steps, number, f"downloading {part.stem} (MiB)"):
                pass
    if _size(part) < total:
        raise _Break("the connection was closed")


def _open(published: Published, part: Path, have: int) -> addinfourl:
    """The server's answer to a request for all but the `have` bytes that are here."""
    request = Request(published.url)  # noqa: S310 - its scheme has been looked at
    if have:
        request.add_header("Range", f"bytes={have}-")
        tag = _read_tag(part)
        if tag:
            request.add_header("If-Range", tag)
    try:
        answer: addinfourl = urlopen(request, timeout=TIMEOUT)  # noqa: S310 - as above
    except HTTPError as error:
        error.close()
        if error.code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not have:
            raise _cannot(published, f"the server says {error.code} {error.reason}") from error
        part.unlink()  # there is no such rest: what is here is another file
        return _open(published, part, 0)
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise _cannot(published, str(reason) or type(error).__name__) from error
    return answer


def _cannot(published: Published, reason: str) -> TrainError:
    return TrainError(f"cannot download {published.url}: {reason}; {published.advice}")


def _goes_on(response: addinfourl, part: Path, have: int) -> bool:
    """Whether the answer begins behind the bytes that are here, rather than at the first."""
    if response.status != HTTPStatus.PARTIAL_CONTENT:
        return False
    if response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
        return True
    part.unlink(missing_ok=True)  # such a server is better asked for all of it
    raise _Break("the server has sent another part than was asked for")


def _total(headers: Message) -> int | None:
    """The size of the whole file, if the answer tells it."""
    whole = headers.get("Content-Range", "").rpartition("/")[2] or headers.get("Content-Length", "")
    return int(whole) if whole.isdecimal() else None


def _receive(response: addinfourl, file: BinaryIO, most: int) -> Iterator[int]:
    """Write what comes, up to a little more than `most` bytes; yields now and then."""
    received = 0
    for number in count(1):
        try:
            piece = response.read(PIECE)
        except (OSError, HTTPException) as error:
            raise _Break(str(error) or type(error).__name__) from error
        file.write(piece)
        received += len(piece)
        if not piece or received > most:
            return
        if number % PIECES == 0:
            yield received


def _refuse_others(published: Published, part: Path) -> None:
    """Raise TrainError, and remove what has come, when it is not what was published."""
    if _is_right(published, part):
        return
    found = f"{_size(part)} bytes of SHA-256 {_sha256(part)}"
    part.unlink()
    _tag_path(part).unlink(missing_ok=True)
    raise TrainError(
        f"{published.url} is not the published file (it has {found}, not {published.sha256}) and "
        f"was removed; {published.advice}"
    )


def _is_right(published: Published, path: Path) -> bool:
    right_size = _size(path) == published.num_bytes or published.num_bytes is None
    return right_size and path.exists() and _sha256(path) == published.sha256.lower()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _tag_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.tag")


def _read_tag(part: Path) -> str:
    path = _tag_path(part)
    return path.read_text(encoding="latin-1").strip() if path.exists() else ""


def _write_tag(part: Path, headers: Message) -> None:
    """Keep what tells this version of the file from others: a strong ETag, or its date."""
    tag = headers.get("ETag", "")
    if not tag or tag.startswith("W/"):
        tag = headers.get("Last-Modified", "")
    _tag_path(part).write_text(tag, encoding="latin-1")
