"""Downloads from a server on this machine: whole, broken off, taken up again, and wrong."""

import hashlib
import io
import tarfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TypeVar

import numpy as np
import pytest
from PIL import Image

from archspec.train.data import flowers as flowers_module
from archspec.train.data.archive import Bounds, unpack
from archspec.train.data.dataset import load_dataset
from archspec.train.data.download import Published, download
from archspec.train.data.flowers import NUM_BYTES, fetch_flowers
from archspec.train.data.track import in_silence
from archspec.train.errors import TrainError

CONTENT = np.random.default_rng(0).bytes(3_500_000)
ADVICE = "do something else"
Item = TypeVar("Item")


@dataclass
class Site:
    """One file on a server, how it is served, and what was asked for."""

    content: bytes = CONTENT
    tag: str | None = '"one"'
    ranges: bool = True  # whether it can send a part
    says_length: bool = True
    breaks: list[int] = field(default_factory=list)  # after so many bytes, an answer each
    code: int = 200
    shift: int = 0  # by which a part begins too late
    asked: list[tuple[str | None, str | None]] = field(default_factory=list)
    url: str = ""

    def published(
        self, content: bytes = CONTENT, num_bytes: int | None = len(CONTENT)
    ) -> Published:
        return Published(self.url, hashlib.sha256(content).hexdigest(), num_bytes, ADVICE)


@dataclass
class Follower:
    """Notes what it is to follow, and how far that went."""

    said: list[tuple[int, str]] = field(default_factory=list)
    steps: int = 0

    def __call__(self, items: Iterable[Item], total: int, description: str) -> Iterable[Item]:
        self.said.append((total, description))
        for item in items:
            self.steps += 1
            yield item


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("no_proxy", "*")
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self, site)

        def log_message(self, *_: object) -> None:
            """Nothing on stderr."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Clients that hang up are nothing to tell of."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}/flower_photos.tgz"
    yield site
    server.shutdown()
    server.server_close()
    thread.join()


def answer(handler: BaseHTTPRequestHandler, site: Site) -> None:
    wanted, condition = handler.headers["Range"], handler.headers["If-Range"]
    site.asked.append((wanted, condition))
    begin, code, total = 0, site.code, len(site.content)
    if wanted and site.ranges and condition in {None, site.tag}:
        begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
        code = 206 if begin < total else 416
    handler.send_response(code)
    if code == 206:
        handler.send_header("Content-Range", f"bytes {begin + site.shift}-{total - 1}/{total}")
    if site.tag:
        handler.send_header("ETag", site.tag)
    rest = site.content[begin:] if code < 400 else b""
    if site.says_length:
        handler.send_header("Content-Length", str(len(rest)))
    handler.end_headers()
    handler.wfile.write(rest[: site.breaks.pop(0)] if site.breaks else rest)


def ranges(site: Site) -> list[str | None]:
    return [wanted for wanted, _ in site.asked]


def test_a_file_is_fetched_and_followed(site: Site, tmp_path: Path) -> None:
    follower = Follower()
    download(site.published(), tmp_path / "file", follower)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert follower.said == [(4, "downloading file (MiB)")]
    assert follower.steps == 3  # whole ones
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_after_breaks_the_rest_is_asked_for(site: Site, tmp_path: Path) -> None:
    site.breaks = [1_000_000, 500_000]
    download(site.published(), tmp_path / "file", in_silence)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert site.asked == [
        (None, None),
        ("bytes=1000000-", '"one"'),
        ("bytes=1500000-", '"one"'),
    ]


def test_a_later_call_goes_on(site: Site, tmp_path: Path) -> None:
    site.breaks = [1_000_000, 0]
    with pytest.raises(TrainError, match=r"broke off after 1\.0 MB .*the same command goes on"):
        download(site.published(), tmp_path / "file", in_silence)
    assert not (tmp_path / "file").exists()
    download(site.published(), tmp_path / "file", in_silence)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert ranges(site) == [None, "bytes=1000000-", "bytes=1000000-"]


def test_a_connection_that_always_breaks_is_given_up(site: Site, tmp_path: Path) -> None:
    site.breaks = [10] * 100
    with pytest.raises(TrainError, match="broke off"):
        download(site.published(), tmp_path / "file", in_silence)
    assert len(site.asked) == 5
    assert (tmp_path / "file.part").read_bytes() == CONTENT[:50]


def test_a_server_without_ranges_sends_all_again(site: Site, tmp_path: Path) -> None:
    site.ranges = False
    (tmp_path / "file.part").write_bytes(CONTENT[:1000])
    download(site.published(), tmp_path / "file", in_silence)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert ranges(site) == ["bytes=1000-"]


def test_another_version_is_not_mixed_in(site: Site, tmp_path: Path) -> None:
    site.content, site.tag = b"old" * 1000, '"old"'
    site.breaks = [1000, 0]
    with pytest.raises(TrainError, match="broke off"):
        download(site.published(num_bytes=None), tmp_path / "file", in_silence)
    site.content, site.tag = CONTENT, '"new"'
    download(site.published(), tmp_path / "file", in_silence)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert site.asked[-1] == ("bytes=1000-", '"old"')


def test_without_a_tag_the_checksum_finds_a_mixture(site: Site, tmp_path: Path) -> None:
    site.tag = None
    (tmp_path / "file.part").write_bytes(b"x" * 1000)
    with pytest.raises(TrainError, match=r"not the published file .* was removed; do something"):
        download(site.published(), tmp_path / "file", in_silence)
    assert not list(tmp_path.iterdir())
    download(site.published(), tmp_path / "file", in_silence)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_part_that_is_too_long_is_begun_anew(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(b"x" * (len(CONTENT) + 1))
    download(site.published(), tmp_path / "file", in_silence)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert ranges(site) == [f"bytes={len(CONTENT) + 1}-", None]


def test_a_server_that_sends_another_part_is_asked_for_all_of_it(
    site: Site, tmp_path: Path
) -> None:
    site.shift = 1
    (tmp_path / "file.part").write_bytes(CONTENT[:1000])
    with pytest.raises(TrainError, match="another part than was asked for"):
        download(site.published(), tmp_path / "file", in_silence)
    download(site.published(), tmp_path / "file", in_silence)
    assert (tmp_path / "file").read_bytes() == CONTENT


@pytest.mark.parametrize("num_bytes", [len(CONTENT), None])
def test_a_part_that_is_all_needs_no_server(
    site: Site, tmp_path: Path, num_bytes: int | None
) -> None:
    (tmp_path / "file.part").write_bytes(CONTENT)
    download(site.published(num_bytes=num_bytes), tmp_path / "file", in_silence)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert not site.asked


@pytest.mark.parametrize("says_length", [True, False])
@pytest.mark.parametrize("content", [CONTENT[::-1], CONTENT[:-1], CONTENT + b"x" * 10_000_000])
def test_what_is_not_published_is_refused(
    site: Site, tmp_path: Path, content: bytes, *, says_length: bool
) -> None:
    site.content, site.says_length = content, says_length
    follower = Follower()
    with pytest.raises(TrainError, match=r"published|broke off") as caught:
        download(site.published(), tmp_path / "file", follower)
    assert ADVICE in str(caught.value)
    assert not (tmp_path / "file").exists()
    assert follower.steps <= 4 * len(follower.said)  # ten more millions were not taken


def test_a_file_that_is_not_there(site: Site, tmp_path: Path) -> None:
    site.code = 404
    with pytest.raises(TrainError, match="the server says 404 Not Found; do something else"):
        download(site.published(), tmp_path / "file", in_silence)
    assert not list(tmp_path.iterdir())


def test_no_server_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    site = Site(url="http://127.0.0.1:9/file")  # the discard service, which nobody runs
    with pytest.raises(TrainError, match="Connection refused; do something else"):
        download(site.published(), tmp_path / "file", in_silence)


def test_files_are_addresses_too_but_not_everything_is(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(CONTENT)
    download(Site(url=(tmp_path / "there").as_uri()).published(), tmp_path / "file", in_silence)
    assert (tmp_path / "file").read_bytes() == CONTENT
    for url in ("ftp://127.0.0.1/file", "data:,x", "flowers.tgz"):
        with pytest.raises(TrainError, match="not http, https or file"):
            download(Site(url=url).published(), tmp_path / "other", in_silence)


def test_a_disk_that_refuses(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file.part").mkdir()
    with pytest.raises(TrainError, match=r"cannot write .*file\.part"):
        download(site.published(), tmp_path / "file", in_silence)


# --- unpacking ------------------------------------------------------------------------------------

TOP = "flower_photos"
BOUNDS = Bounds(num_members=20, num_bytes=1_000_000)


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def archive(path: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


EVIL = {
    "up": member(f"{TOP}/../../evil"),
    "absolute": member("/evil"),
    "beside": member("evil"),
    "symlink": member(f"{TOP}/evil", tarfile.SYMTYPE, "/etc"),
    "hard link": member(f"{TOP}/evil", tarfile.LNKTYPE, "../evil"),
    "device": member(f"{TOP}/evil", tarfile.CHRTYPE),
    "pipe": member(f"{TOP}/evil", tarfile.FIFOTYPE),
}


@pytest.mark.parametrize("evil", EVIL)
def test_what_would_do_harm_is_not_unpacked(tmp_path: Path, evil: str) -> None:
    (tmp_path / "in").mkdir()
    path = archive(tmp_path / "a.tgz", [(member(f"{TOP}/a"), b"a"), (EVIL[evil], b"")])
    with pytest.raises(TrainError, match=r"a\.tgz is not unpacked: .*evil' in it"):
        unpack(path, tmp_path / "in", TOP, BOUNDS)
    found = sorted(path.name for path in tmp_path.rglob("*"))
    assert found == ["a", "a.tgz", TOP, "in"]
    assert not Path("/evil").exists()


def test_no_more_is_unpacked_than_can_be_in_it(tmp_path: Path) -> None:
    bomb = archive(tmp_path / "bomb.tgz", [(member(f"{TOP}/zeros"), bytes(50_000_000))])
    assert bomb.stat().st_size < 100_000
    head = member(f"{TOP}/x")
    head.pax_headers = {"comment": "x" * 5_000_000}
    heads = archive(tmp_path / "heads.tgz", [(head, b"")])
    many = archive(tmp_path / "many.tgz", [(member(f"{TOP}/{n}"), b"") for n in range(21)])
    for path in (bomb, heads, many):
        with pytest.raises(TrainError, match="than there can be in it"):
            unpack(path, tmp_path, TOP, BOUNDS)
    assert sum(path.stat().st_size for path in (tmp_path / TOP).iterdir()) <= BOUNDS.num_bytes


def test_damaged_archives_are_told(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tgz", [(member(f"{TOP}/a"), CONTENT[:9000])])
    whole = path.read_bytes()
    flipped = whole[:5000] + bytes([whole[5000] ^ 255]) + whole[5001:]
    for damaged in (whole[:5000], b"no archive", flipped, b""):
        path.write_bytes(damaged)
        with pytest.raises(TrainError, match="is damaged"):
            unpack(path, tmp_path, TOP, BOUNDS)


# --- the flowers ----------------------------------------------------------------------------------


def flower_archive(path: Path) -> bytes:
    members = [(member(f"{TOP}/LICENSE.txt"), b"CC-BY")]
    for number in range(8):
        picture = io.BytesIO()
        Image.new("RGB", (20, 20), (number, 0, 0)).save(picture, "png")
        name = ("roses", "tulips")[number % 2]
        members.append((member(f"{TOP}/{name}/{number}.png"), picture.getvalue()))
    return archive(path, members).read_bytes()


@pytest.fixture
def mirror(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    site.content = flower_archive(tmp_path / "made.tgz")
    monkeypatch.setenv("ARCHSPEC_FLOWERS_URL", site.url)
    monkeypatch.setenv("ARCHSPEC_FLOWERS_SHA256", hashlib.sha256(site.content).hexdigest())
    monkeypatch.chdir(tmp_path)
    return site


def test_flowers_are_downloaded_once(mirror: Site, cache: Path) -> None:
    mirror.breaks = [300]
    for _ in range(2):
        dataset = load_dataset("flowers", (3, 16, 16), cache_folder=cache)
        assert dataset.source == "flowers"
        assert dataset.classes == ("roses", "tulips")
        assert [int(picture[0, 0, 0]) for picture in dataset.pictures] == [0, 2, 4, 6, 1, 3, 5, 7]
    assert ranges(mirror) == [None, "bytes=300-"]
    assert (cache / TOP / "LICENSE.txt").read_text() == "CC-BY"
    left = {path.name for path in cache.iterdir() if path.suffix not in {".pictures", ".lock"}}
    assert left == {TOP}
    assert not dataset.notes


def test_a_folder_of_that_name_is_preferred(flowers: Path, mirror: Site) -> None:
    dataset = load_dataset("flowers", (3, 16, 16), cache_folder=None)
    assert dataset.source == str(flowers)
    assert not mirror.asked


def test_without_a_cache_of_pictures_the_flowers_lie_in_the_usual_place(
    mirror: Site, cache: Path
) -> None:
    load_dataset("flowers", (3, 16, 16), cache_folder=None)
    assert {path.name for path in cache.iterdir()} == {TOP, f".{TOP}.lock"}
    assert len(mirror.asked) == 1


def test_two_at_once_download_once(mirror: Site, cache: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: fetch_flowers(cache, in_silence), range(4)))
    assert found == [cache / TOP] * 4
    assert len(mirror.asked) == 1


def test_a_mirror_has_to_have_the_published_file(
    mirror: Site, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ARCHSPEC_FLOWERS_SHA256")
    with pytest.raises(TrainError, match=f"not the {NUM_BYTES} that are published; .*--data path"):
        fetch_flowers(cache, in_silence)
    assert not (cache / TOP).exists()
    assert not list(cache.glob("*.part"))
    assert mirror.asked == [(None, None)]


def test_a_bad_archive_leaves_nothing(
    mirror: Site, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = mirror.content
    members = [(member(f"{TOP}/roses/0.png"), b"x"), (member(f"{TOP}/evil", tarfile.SYMTYPE), b"")]
    evil = archive(tmp_path / "evil.tgz", members).read_bytes()
    mirror.content = evil
    monkeypatch.setenv("ARCHSPEC_FLOWERS_SHA256", hashlib.sha256(evil).hexdigest())
    with pytest.raises(TrainError, match="neither a file nor a folder"):
        fetch_flowers(cache, in_silence)
    assert {path.name for path in cache.iterdir()} == {f".{TOP}.lock"}
    mirror.content = good
    monkeypatch.setenv("ARCHSPEC_FLOWERS_SHA256", hashlib.sha256(good).hexdigest())
    assert fetch_flowers(cache, in_silence).is_dir()


def test_a_disk_that_is_full_while_unpacking_costs_no_download(
    mirror: Site, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(flowers_module, "unpack", refuse)
        with pytest.raises(TrainError, match=r"cannot write .*No space left"):
            fetch_flowers(cache, in_silence)
    fetch_flowers(cache, in_silence)
    assert {path.name for path in cache.iterdir()} == {TOP, f".{TOP}.lock"}
    assert len(mirror.asked) == 1


def test_what_a_killed_process_left_is_removed(mirror: Site, cache: Path) -> None:
    (cache / f".{TOP}.abc.tmp" / TOP).mkdir(parents=True)
    fetch_flowers(cache, in_silence)
    assert {path.name for path in cache.iterdir()} == {TOP, f".{TOP}.lock"}
    assert len(mirror.asked) == 1


def test_the_published_file_is_what_tensorflow_datasets_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("ARCHSPEC_FLOWERS_URL", "ARCHSPEC_FLOWERS_SHA256"):
        monkeypatch.delenv(name, raising=False)
    published = flowers_module._published()
    assert published.url.startswith("https://storage.googleapis.com/download.tensorflow.org/")
    assert published.num_bytes == 228_813_984
    assert len(bytes.fromhex(published.sha256)) == 32
