"""Reading folders of pictures: decoding, broken files, and the cache."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archspec.train.data import keeping
from archspec.train.data.cache import cache_folder
from archspec.train.data.dataset import Dataset, load_dataset
from archspec.train.data.decode import BrokenPicture, decode_or_blame, decode_picture
from archspec.train.data.demo import FLOWERS, NUM_PER_CLASS, draw_flower
from archspec.train.errors import TrainError

SHAPE = (3, 32, 32)


def load(root: Path) -> Dataset:
    return load_dataset(str(root), SHAPE, cache_folder=cache_folder())


def same(one: Dataset, other: Dataset) -> bool:
    pictures = zip(one.pictures, other.pictures, strict=True)
    return one.names == other.names and all(np.array_equal(a, b) for a, b in pictures)


def forbid_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        pytest.fail("decoded again")

    monkeypatch.setattr(keeping, "decode_all", fail)


def test_a_folder_is_read_class_by_class(flowers: Path) -> None:
    (flowers / "README.md").write_text("not a class")
    (flowers / ".hidden").mkdir()
    (flowers / "tulip" / "notes.txt").write_text("not a picture")
    (flowers / "tulip" / "more").mkdir()
    dataset = load(flowers)
    assert dataset.classes == ("sunflower", "tulip")
    assert dataset.labels == (0,) * 20 + (1,) * 20
    assert dataset.names[0] == "sunflower/00.png"
    assert len(dataset.pictures) == 40
    assert {min(picture.shape[:2]) for picture in dataset.pictures} == {37}  # 32 × 8/7


def test_a_picture_comes_upright_whole_and_no_larger_than_needed(tmp_path: Path) -> None:
    pixels = np.zeros((60, 90, 3), np.uint8)
    pixels[:, :45] = 255  # the left half is white
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise to stand upright
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    picture = decode_picture(tmp_path / "turned.png", 30, 3)
    assert picture.shape == (45, 30, 3)
    assert picture[:20].min() == 255
    assert picture[25:].max() == 0
    assert decode_picture(tmp_path / "turned.png", 500, 3).shape == (90, 60, 3)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_mode_of_picture_is_read(tmp_path: Path, mode: str, channels: int) -> None:
    if mode == "I;16":
        image = Image.fromarray(np.full((8, 9), 65535, np.uint16))
    else:
        image = Image.new("RGB", (9, 8), "white").convert(mode)
    path = tmp_path / ("picture.tif" if mode == "CMYK" else "picture.png")
    image.save(path)
    picture = decode_picture(path, 32, channels)
    assert picture.shape == (8, 9, channels)
    assert picture.min() == 255


def test_values_of_any_range_are_spread(tmp_path: Path) -> None:
    ramp = np.linspace(-0.5, 0.5, 72, dtype=np.float32).reshape(8, 9)
    Image.fromarray(ramp).save(tmp_path / "ramp.tif")
    picture = decode_picture(tmp_path / "ramp.tif", 32, 1)
    assert (picture.min(), picture.max()) == (0, 255)
    assert bool((np.diff(picture.ravel().astype(int)) > 0).all())
    ramp[3, 3] = np.nan
    Image.fromarray(ramp).save(tmp_path / "ramp.tif")
    broken = decode_or_blame(tmp_path / "ramp.tif", "ramp.tif", 32, 1)
    assert isinstance(broken, BrokenPicture)
    assert "not finite" in broken.reason


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert decode_picture(tmp_path / "clear.png", 32, 3).min() == 255


def break_pictures(root: Path) -> None:
    whole = (root / "tulip" / "00.png").read_bytes()
    (root / "tulip" / "00.png").write_bytes(whole[: len(whole) // 2])
    (root / "tulip" / "01.png").write_text("no picture at all")
    (root / "sunflower" / "02.png").write_bytes(b"")


def test_broken_pictures_are_named_and_left_out(flowers: Path) -> None:
    break_pictures(flowers)
    for dataset in (load(flowers), load(flowers)):  # the second time from the cache
        names = {picture.name: picture.reason for picture in dataset.broken}
        assert sorted(names) == ["sunflower/02.png", "tulip/00.png", "tulip/01.png"]
        assert all(names.values())
        assert len(dataset.pictures) == len(dataset.names) == len(dataset.labels) == 37
        place = dataset.names.index("tulip/02.png")
        expected = decode_picture(flowers / "tulip/02.png", 37, 3)
        assert dataset.labels[place] == 1
        assert np.array_equal(dataset.pictures[place], expected)


def test_strict_refuses_broken_pictures(flowers: Path) -> None:
    break_pictures(flowers)
    with pytest.raises(TrainError, match=r"3 pictures are broken:\n  'sunflower/02\.png': "):
        load_dataset(str(flowers), SHAPE, cache_folder=None, strict=True)


def test_a_class_of_broken_pictures_is_refused(flowers: Path) -> None:
    for path in (flowers / "tulip").iterdir():
        path.write_text("broken")
    with pytest.raises(TrainError, match="no picture of class 'tulip' can be read"):
        load(flowers)


def test_the_second_time_nothing_is_decoded(flowers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(flowers)
    forbid_decoding(monkeypatch)
    assert same(first, load(flowers))


def test_a_changed_picture_is_decoded_again(flowers: Path, cache: Path) -> None:
    before = load(flowers)
    Image.new("RGB", (50, 50), "blue").save(flowers / "tulip" / "05.png")
    after = load(flowers)
    place = after.names.index("tulip/05.png")
    assert after.pictures[place].reshape(-1, 3)[0].tolist() == [0, 0, 255]
    assert not same(before, after)
    assert len(list(cache.glob("*.pictures"))) == 1  # the new cache took the old one's place


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "foreign"])
def test_a_damaged_cache_is_made_again(flowers: Path, cache: Path, damage: str) -> None:
    first = load(flowers)
    (path,) = cache.glob("*.pictures")
    data = path.read_bytes()
    path.unlink()  # the first dataset still has it mapped
    flipped = data[:1000] + bytes([data[1000] ^ 255]) + data[1001:]
    path.write_bytes(
        {"cut": data[:-7], "flip": flipped, "empty": b"", "foreign": b"x" * 99}[damage]
    )
    assert same(first, load(flowers))
    assert path.read_bytes() == data


def test_what_a_killed_writer_left_in_the_cache_is_removed(flowers: Path, cache: Path) -> None:
    load(flowers)
    (path,) = cache.glob("*.pictures")
    path.rename(path.with_name(f".{path.name}.{2**22 + 1}.tmp"))  # no process has this number
    load(flowers)
    assert list(cache.glob("*.pictures")) == [path]


def test_without_room_for_a_cache_memory_will_do(flowers: Path, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    assert len(load(flowers).pictures) == 40


def test_no_cache_leaves_no_file(flowers: Path, cache: Path) -> None:
    without = load_dataset(str(flowers), SHAPE, cache_folder=None)
    assert not cache.exists()
    assert same(without, load(flowers))


def test_grey_networks_get_grey_pictures(flowers: Path) -> None:
    for source in (str(flowers), "demo"):
        dataset = load_dataset(source, (1, 28, 28), cache_folder=None)
        assert {picture.shape[2] for picture in dataset.pictures} == {1}


def test_other_channels_are_refused() -> None:
    with pytest.raises(TrainError, match="takes 4 channels"):
        load_dataset("demo", (4, 28, 28), cache_folder=None)


def test_folders_that_are_no_data_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match="No such file"):
        load(tmp_path / "missing")
    with pytest.raises(TrainError, match="Not a directory"):
        load(Path(__file__))
    (tmp_path / "data" / "a").mkdir(parents=True)
    with pytest.raises(TrainError, match="no pictures in the class folder a"):
        load(tmp_path / "data")
    (tmp_path / "data" / "a" / "b").mkdir()
    with pytest.raises(TrainError, match="did you mean"):
        load(tmp_path / "data")
    with pytest.raises(TrainError, match="no folders"):
        load(tmp_path / "data" / "a" / "b")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a user who is not root")
def test_a_folder_without_permission_is_refused(flowers: Path) -> None:
    (flowers / "tulip").chmod(0)
    with pytest.raises(TrainError, match="Permission denied"):
        load(flowers)


def test_the_demo_is_drawn_alike_every_time_and_no_two_flowers_alike() -> None:
    pictures = [draw_flower(name, number, 32) for name in FLOWERS for number in range(4)]
    again = [draw_flower(name, number, 32) for name in FLOWERS for number in range(4)]
    assert all(np.array_equal(a, b) for a, b in zip(pictures, again, strict=True))
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)
    assert all(min(picture.shape[:2]) == 32 for picture in pictures)


def test_the_demo_has_five_classes() -> None:
    dataset = load_dataset("demo", SHAPE, cache_folder=None)
    assert dataset.classes == ("daisy", "dandelion", "rose", "sunflower", "tulip")
    assert [dataset.labels.count(label) for label in range(5)] == [NUM_PER_CLASS] * 5
