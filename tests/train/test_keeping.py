"""Where pictures are kept changes nothing about them; what is streamed is never all in memory."""

import os
import resource
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from archspec.train.data import cache as cache_module
from archspec.train.data import keeping, room
from archspec.train.data.cache import cache_path
from archspec.train.data.dataset import Dataset, load_dataset
from archspec.train.data.decode import decode_picture, decoded_bytes
from archspec.train.data.keeping import Keep
from archspec.train.data.locks import locked
from archspec.train.data.pictures import locate
from archspec.train.data.track import in_silence
from archspec.train.errors import TrainError
from archspec.train.feeding.feeder import Feeder, batch_bounds
from archspec.train.feeding.plan import training_plan
from archspec.train.recipe import Augment

SHAPE = (3, 32, 32)
KEEPS: tuple[Keep, ...] = ("auto", "memory", "disk", "stream")


def load(root: Path, folder: Path | None, keep: Keep = "auto", *, strict: bool = False) -> Dataset:
    return load_dataset(str(root), SHAPE, cache_folder=folder, keep=keep, strict=strict)


def same(one: Dataset, other: Dataset) -> bool:
    sizes = [
        (list(dataset.pictures.heights), list(dataset.pictures.widths), len(dataset.pictures))
        for dataset in (one, other)
    ]
    pictures = zip(one.pictures, other.pictures, strict=True)
    known = [
        (d.source, d.names, d.labels, d.digest, d.broken, d.pictures.num_bytes)
        for d in (one, other)
    ]
    return (
        sizes[0] == sizes[1]
        and known[0] == known[1]
        and all(np.array_equal(a, b) for a, b in pictures)
    )


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pictures of every kind that is read, and of every kind that is not."""
    root = tmp_path / "odd"
    good, bad = root / "good", root / "mixed"
    good.mkdir(parents=True)
    bad.mkdir()
    coarse = torch.rand(1, 3, 6, 9, generator=torch.Generator().manual_seed(0))
    fine = torch.nn.functional.interpolate(coarse, (120, 180), mode="bicubic")
    photo = Image.fromarray((fine[0].permute(1, 2, 0) * 255).clamp(0, 255).byte().numpy())
    exif = Image.Exif()
    exif[0x0112] = 6
    photo.save(good / "turned.jpg", exif=exif)
    photo.save(good / "turned.png", exif=exif)
    photo.convert("CMYK").save(good / "cmyk.jpg")
    photo.convert("P").save(good / "palette.png", transparency=3)
    photo.convert("L").save(good / "grey.webp")
    photo.save(good / "animated.gif", save_all=True, append_images=[photo.rotate(180)])
    Image.fromarray(np.arange(800, dtype=np.uint16).reshape(20, 40) * 80).save(good / "deep.png")
    photo.resize((900, 50)).save(good / "wide.bmp")
    photo.resize((1, 90)).save(good / "thin.png")
    photo.save(bad / "fine.jpg")
    whole = (good / "turned.jpg").read_bytes()
    (bad / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (bad / "empty.png").write_bytes(b"")
    (bad / "text.png").write_text("no picture")
    (bad / "folder.jpg").mkdir()
    Image.fromarray(np.full((9, 9), np.nan, np.float32)).save(bad / "nan.tif")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50_000)
    Image.new("1", (500, 500)).save(bad / "bomb.png")
    return root


BROKEN = ["bomb.png", "cut.jpg", "empty.png", "nan.tif", "text.png"]


@pytest.mark.parametrize("as_table", [False, True])
def test_all_ways_of_keeping_give_the_same(odd: Path, tmp_path: Path, *, as_table: bool) -> None:
    source = odd
    if as_table:
        files = sorted(path for path in odd.glob("*/*") if path.is_file())
        rows = [f"{path.relative_to(odd)},{path.parent.name}" for path in files]
        source = odd / "list.csv"
        source.write_text("\n".join(["path,label", *rows]))
    found = load(source, None, "memory")
    assert [picture.name for picture in found.broken] == [f"mixed/{name}" for name in BROKEN]
    assert len(found.names) == 10
    for name, picture in zip(found.names, found.pictures, strict=True):
        assert np.array_equal(picture, decode_picture(odd / name, 37, 3))
    for keep in KEEPS:
        for _ in range(2):  # first made, then found
            other = load(source, tmp_path / "cache", keep)
            assert same(found, other)
            assert other.pictures.is_streamed == (keep == "stream")
    with pytest.raises(TrainError, match=r"5 pictures are broken:\n  'mixed/bomb\.png': "):
        load(source, tmp_path / "cache", "stream", strict=True)


def test_the_head_of_a_file_tells_how_much_it_takes(odd: Path) -> None:
    for name in load(odd, None).names:
        for channels in (1, 3):
            for short_side in (7, 37, 1000):
                expected = decode_picture(odd / name, short_side, channels).nbytes
                assert decoded_bytes(odd / name, short_side, channels) == expected
    assert decoded_bytes(odd / "mixed" / "text.png", 37, 3) == 0


def test_the_digest_is_that_of_the_pixels(flowers: Path, tmp_path: Path) -> None:
    digest = load(flowers, None).digest
    for path in flowers.glob("*/*.png"):
        os.utime(path, ns=(1, 1))
    assert load(flowers, tmp_path / "cache", "stream").digest == digest
    other = load_dataset(str(flowers), SHAPE, cache_folder=None, short_side=20)
    assert {min(picture.shape[:2]) for picture in other.pictures} == {20}
    assert other.digest != digest


@pytest.mark.parametrize(
    ("room", "memory", "cached", "streamed", "note"),
    [
        (10**9, 10**9, True, False, ""),
        (10**9, 0, True, False, ""),
        (1000, 10**9, False, False, "kept in memory"),
        (1000, 1000, False, True, "decoded whenever they are shown"),
    ],
)
def test_pictures_are_kept_where_there_is_room(
    flowers: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    room: int,
    memory: int,
    cached: bool,
    streamed: bool,
    note: str,
) -> None:
    monkeypatch.setattr(keeping, "free_disk", lambda _: room)
    monkeypatch.setattr(keeping, "available_memory", lambda: memory)
    for _ in range(2):
        found = load(flowers, cache)
        assert found.pictures.is_streamed == streamed
        assert len(list(cache.glob("*.pictures"))) == cached
        assert [note in line for line in found.notes] == ([True] if note else [])
        assert same(found, load(flowers, None, "memory"))


def test_without_a_cache_what_fits_is_in_memory(
    flowers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = load(flowers, None).pictures.num_bytes
    for memory, streamed in ((2 * needed, False), (2 * needed - 1, True)):
        monkeypatch.setattr(keeping, "available_memory", lambda memory=memory: memory)
        found = load(flowers, None)
        assert found.pictures.is_streamed == streamed
        assert bool(found.notes) == streamed


@contextmanager
def files_of_at_most(num_bytes: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("memory", [10**9, 0])
def test_a_disk_that_is_full_halfway_is_no_end(
    flowers: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, memory: int
) -> None:
    monkeypatch.setattr(keeping, "available_memory", lambda: memory)
    expected = load(flowers, None, "memory")
    with files_of_at_most(expected.pictures.num_bytes // 2):
        found = load(flowers, cache)
    assert same(found, expected)
    assert found.pictures.is_streamed == (memory == 0)
    assert "no cache in" in found.notes[0]
    assert "File too large" in found.notes[0]
    left = [path.name for path in cache.iterdir() if not path.name.endswith((".lock", ".index"))]
    assert not left
    with (
        files_of_at_most(10_000),
        pytest.raises(TrainError, match=r"cannot write .*File too large"),
    ):
        load(flowers, cache, "disk")


def test_disk_needs_a_folder(flowers: Path) -> None:
    with pytest.raises(TrainError, match="need a folder for the cache"):
        load(flowers, None, "disk")


# --- streaming ------------------------------------------------------------------------------------


def forbid_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        pytest.fail("decoded again")

    monkeypatch.setattr(keeping, "decode_all", fail)


def test_a_streamed_set_is_looked_through_once(
    flowers: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load(flowers, cache, "stream")
    assert not list(cache.glob("*.pictures"))
    with monkeypatch.context() as patch:
        forbid_decoding(patch)
        assert same(first, load(flowers, cache, "stream"))
    (path,) = cache.glob("*.index")
    path.write_bytes(path.read_bytes()[:-1])
    assert same(first, load(flowers, cache, "stream"))  # a damaged index is made again
    Image.new("RGB", (50, 50), "blue").save(flowers / "tulip" / "05.png")
    after = load(flowers, cache, "stream")
    assert after.digest != first.digest
    assert after.pictures[25][0, 0].tolist() == [0, 0, 255]


def change(path: Path) -> None:
    Image.new("RGB", (50, 50), "blue").save(path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (change, "has changed since"),
        (cut, "has changed since"),
        (Path.unlink, "cannot be read any more: No such file"),
        (touch, "has changed since"),
    ],
)
def test_a_file_that_changes_later_is_named(
    flowers: Path, damage: Callable[[Path], None], message: str
) -> None:
    pictures = load(flowers, None, "stream").pictures
    path = flowers / "tulip" / "05.png"
    damage(path)
    with pytest.raises(TrainError, match=rf"tulip/05\.png {message}"):
        pictures[25]
    assert pictures[24].shape[2] == 3


def test_a_streamed_batch_is_the_stored_batch(flowers: Path) -> None:
    batches = []
    for keep in ("memory", "stream"):
        dataset = load(flowers, None, keep)
        feeder = Feeder(dataset.pictures, dataset.labels, (32, 32), torch.device("cpu"))
        plan = training_plan(
            dataset.pictures, torch.arange(40), (32, 32), seed=0, epoch=1, augment=Augment()
        )
        batches.append(list(feeder.batches(plan, batch_bounds(40, 16))))
        feeder.close()
    for one, other in zip(*batches, strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)


def test_streaming_does_not_hold_the_pictures(tmp_path: Path) -> None:
    for number in range(250):
        folder = tmp_path / "data" / str(number % 2)
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("L", (80, 80), number).save(folder / f"{number}.png")
    peaks = {}
    for keep in ("memory", "stream"):
        tracemalloc.start()
        dataset = load_dataset(str(tmp_path / "data"), (3, 70, 70), cache_folder=None, keep=keep)
        total = sum(int(picture[0, 0, 0]) for picture in dataset.pictures)
        peaks[keep] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert total == sum(range(250))
        assert dataset.pictures.num_bytes == 250 * 80 * 80 * 3
    assert peaks["memory"] > dataset.pictures.num_bytes
    assert peaks["stream"] < dataset.pictures.num_bytes / 2  # 64 of 250 are decoded ahead


def test_pillows_remarks_do_not_stop_a_stream(
    flowers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Image.open(flowers / "tulip" / "00.png") as picture:
        num_pixels = picture.width * picture.height
    pictures = load(flowers, None, "stream").pictures
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", num_pixels - 1)  # a warning up to the double
    assert pictures[20].shape[2] == 3


# --- caches ---------------------------------------------------------------------------------------


def test_a_large_cache_is_recognised_without_reading_its_pixels(
    flowers: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(flowers, cache)
    (path,) = cache.glob("*.pictures")
    whole = path.read_bytes()
    monkeypatch.setattr(cache_module, "VERIFIED", 1000)
    with monkeypatch.context() as patch:
        forbid_decoding(patch)
        assert len(load(flowers, cache).pictures) == 40
        path.unlink()  # a dataset may still have it mapped
        path.write_bytes(bytes([whole[0] ^ 255]) + whole[1:])
        assert load(flowers, cache).pictures[0][0, 0, 0] == whole[0] ^ 255  # the price
    for damaged in (whole[:500] + whole[501:], whole[:-9] + b"?" + whole[-8:], whole[:-30]):
        path.unlink()
        path.write_bytes(damaged)
        load(flowers, cache)
        assert path.read_bytes() == whole


SPARSE = """
import resource, sys
from pathlib import Path
import numpy as np
from archspec.train.data.cache import _map
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
used = int(status["VmData"].split()[0]) << 10
resource.setrlimit(resource.RLIMIT_DATA, (used + (64 << 20),) * 2)
pixels = _map(Path(sys.argv[1]), 1 << 30)
print(pixels.flags.writeable, pixels[-1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits are Linux's")
def test_a_cache_larger_than_memory_is_mapped(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    done = subprocess.run(
        [sys.executable, "-c", SPARSE, path], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "0"]


def test_pixels_mapped_read_only_come_as_copies() -> None:
    pixels = np.arange(24, dtype=np.uint8)
    pixels.flags.writeable = False
    picture = locate(pixels, [2, 2], [2, 2], 3)[1]
    assert picture.flags.writeable  # torch warns of others
    assert picture.ravel().tolist() == list(range(12, 24))


LOADING = """
import sys
from pathlib import Path
from archspec.train.data.dataset import load_dataset

def track(items, total, description):
    print(description, flush=True)
    return items

folder, root = Path(sys.argv[1]), sys.argv[2]
print(load_dataset(root, (3, 32, 32), cache_folder=folder, track=track).digest)
"""


def test_of_two_processes_one_decodes_and_both_have_the_cache(flowers: Path, cache: Path) -> None:
    cache.mkdir()
    path = cache_path(cache, flowers, 37, 3)
    arguments: list[str | Path] = [sys.executable, "-c", LOADING, cache, flowers]
    with locked(path, in_silence):
        processes = [
            subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) for _ in range(2)
        ]
        for process in processes:
            assert process.stdout is not None
            heads = [process.stdout.readline().strip() for _ in range(2)]
            assert heads == ["reading sizes", "waiting for another process"]
    said = [process.communicate()[0].split() for process in processes]
    assert sorted(map(len, said)) == [1, 2]  # who decodes says so
    digest = load(flowers, None).digest
    assert {words[-1] for words in said} == {digest}
    assert load(flowers, cache).digest == digest


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from archspec.train.data.locks import locked\n"
        "with locked(Path(sys.argv[1]), lambda items, *_: items): os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "x"], check=False)
    with locked(tmp_path / "x", in_silence):
        assert (tmp_path / ".x.lock").exists()


# --- room -----------------------------------------------------------------------------------------


def test_a_containers_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LIMITS", ())
    of_machine = room.available_memory()
    assert of_machine > 1 << 20
    limits = tuple(tmp_path / name for name in ("none", "max", "least"))
    limits[1].write_text("max\n")
    monkeypatch.setattr(room, "LIMITS", limits)
    assert room.available_memory() > 1 << 20
    limits[2].write_text("4096\n")
    assert room.available_memory() == 4096


def test_room_is_that_of_the_disk_where_the_folder_will_be(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there"
    assert room.free_disk(folder) > 0
    assert not folder.parent.exists()
