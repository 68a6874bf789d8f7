"""What goes wrong with disks, files and numbers: it is told, and the last good state is kept."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from shutil import copytree, rmtree
from typing import Any

import pytest
import torch
from torch.distributed.checkpoint.filesystem import FileSystemReader

from archspec.train.checkpoint import load_checkpoint
from archspec.train.data.dataset import Dataset, load_dataset
from archspec.train.errors import TrainError
from archspec.train.run_folder import check_folder, code_digest
from archspec.train.source import ModuleSource
from tests.train.processes import Launcher, differences, end_state
from tests.train.running import Listener, begin, resume

# Three steps an epoch, as two or as one process.
RECIPE = (
    *("tiny.py", "--data", "./flowers", "--batch-size", 12, "--quiet"),
    *("--optimizer", "adamw", "--set", "ema=0.9"),
)


@pytest.fixture
def data(flowers: Path) -> Dataset:
    return load_dataset(str(flowers), (3, 32, 32), cache_folder=None)


@pytest.fixture
def place(tmp_path: Path, tiny_file: Path, flowers: Path) -> Path:
    """A folder with the network tiny.py and the pictures in flowers/."""
    assert tiny_file.parent == flowers.parent == tmp_path
    return tmp_path


def assert_same(one: Path, other: Path) -> None:
    assert list(differences(end_state(one), end_state(other))) == []


# --- damaged checkpoints --------------------------------------------------------------------------


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(path: Path, place: int | None = None) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if place is None else place] ^= 8
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def fill_with_zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def put_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def take_anothers(path: Path) -> None:
    checkpoint = torch.load(path, weights_only=True)
    torch.save(checkpoint | {"digest": "another's"}, path)


def put_a_list(path: Path) -> None:
    torch.save([1, 2, 3], path)


DAMAGES: dict[Callable[[Path], None], str] = {
    cut_short: "is damaged and cannot be loaded",
    flip_a_bit: "is damaged and cannot be loaded",
    empty: "is damaged and cannot be loaded",
    fill_with_zeros: "is damaged and cannot be loaded",
    put_a_folder: "is damaged and cannot be loaded",
    take_anothers: "is a checkpoint of another network",
    put_a_list: "is not a checkpoint of a run",
}


def test_a_damaged_checkpoint_is_told_and_the_one_before_taken(
    tiny: ModuleSource, data: Dataset, tmp_path: Path
) -> None:
    begin(tiny, data, tmp_path / "whole", {"epochs": 3})
    begin(tiny, data, tmp_path / "short", {"epochs": 2})
    for damage, message in DAMAGES.items():
        folder = tmp_path / damage.__name__
        copytree(tmp_path / "short", folder)
        damage(folder / "last.pt")
        display = Listener()
        resume(data, folder, display=display)  # the second epoch, again
        assert display.warned == [
            f"{folder / 'last.pt'} {message}",
            f"going on from {folder / 'previous.pt'} instead",
        ]
        assert_same(folder, tmp_path / "short")
        # The damaged one has not become the previous one.
        assert load_checkpoint(folder / "previous.pt", code_digest(tiny))["epoch"] == 1
        resume(data, folder, {"epochs": 3})
        assert_same(folder, tmp_path / "whole")


def test_without_a_good_checkpoint_nothing_is_touched(
    tiny: ModuleSource, data: Dataset, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    begin(tiny, data, folder, {"epochs": 2})
    cut_short(folder / "last.pt")
    take_anothers(folder / "previous.pt")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(TrainError) as caught:
        resume(data, folder, {"epochs": 3})
    assert caught.value.exit_code == 2
    assert str(caught.value).splitlines() == [
        f"{folder / 'last.pt'} is damaged and cannot be loaded",
        f"{folder / 'previous.pt'} is a checkpoint of another network",
    ]
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert json.loads(after.pop("failure.json")) == {"error": str(caught.value)}
    assert after == before


def middle_of_largest(folder: Path) -> tuple[Path, int]:
    """The place of a byte amid a tensor: the shard's file, and where in it."""
    parts = FileSystemReader(folder).read_metadata().storage_data.values()
    largest = max(parts, key=lambda part: int(part.length))
    return folder / largest.relative_path, largest.offset + largest.length // 2


# Of the folder of a sharded checkpoint.
DAMAGED_SHARDS: tuple[Callable[[Path], None], ...] = (
    lambda folder: flip_a_bit(*middle_of_largest(folder)),
    lambda folder: cut_short(folder / "__0_0.distcp"),
    lambda folder: empty(folder / "__1_0.distcp"),
    lambda folder: (folder / "__0_0.distcp").unlink(),
    lambda folder: (folder / ".metadata").unlink(),
    lambda folder: flip_a_bit(folder / ".metadata"),
    lambda folder: (folder / "progress.pt").unlink(),
    lambda folder: cut_short(folder / "progress.pt"),
)


def test_a_damaged_sharded_checkpoint_is_told_and_the_one_before_taken(
    launch: Launcher, place: Path
) -> None:
    options = ("--strategy", "fsdp", "--out", "short")
    done = launch(place, "train", *RECIPE, "--epochs", 2, *options, size=2)
    assert done.succeeded, done.stderr
    expected = end_state(place / "short")
    last = place / "run" / "last.dcp"
    for damage in DAMAGED_SHARDS:
        copytree(place / "short", place / "run")
        damage(last)
        size = 2 if damage is DAMAGED_SHARDS[0] else 1  # one of them as it was begun
        resumed = ("train", "--resume", "--quiet", "--strategy", "fsdp", "--out", "run")
        done = launch(place, *resumed, size=size)
        assert done.succeeded, done.stderr
        assert done.stderr.splitlines() == [
            "run/last.dcp is damaged and cannot be loaded",
            "going on from run/previous.dcp instead",
        ]
        if size == 2:
            assert list(differences(end_state(place / "run"), expected)) == []
            load_checkpoint(place / "run" / "previous.dcp", expected["digest"])
        rmtree(place / "run")


# --- full disks -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "strategy"), [(1, "ddp"), (2, "ddp"), (2, "fsdp")])
def test_a_disk_that_is_full_ends_the_run_and_the_last_good_checkpoint_is_kept(
    launch: Launcher, place: Path, size: int, strategy: str
) -> None:
    options = ("--quiet", "--strategy", strategy, "--out")
    done = launch(place, "train", *RECIPE, "--epochs", 2, *options, "whole", size=size)
    assert done.succeeded, done.stderr
    done = launch(place, "train", *RECIPE, "--epochs", 1, *options, "full", size=size)
    assert done.succeeded, done.stderr
    last = place / "full" / ("last.pt" if strategy == "ddp" else "last.dcp")
    parts = list(last.glob("*.distcp")) if last.is_dir() else [last]
    # Enough for the best weights, and not for a checkpoint.
    limit = (place / "full" / "best.pt").stat().st_size + 100
    assert limit < min(part.stat().st_size for part in parts)
    before = {part: part.read_bytes() for part in parts}
    resumed = ("train", "--resume", "--epochs", 2, *options, "full")
    done = launch(place, *resumed, size=size, limit=limit)
    assert done.codes[0] == 1
    assert f"cannot write full/{last.name}" in done.stderr
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert {part: part.read_bytes() for part in parts} == before
    failure = json.loads((place / "full" / "failure.json").read_text())
    assert failure["error"].startswith(f"cannot write full/{last.name}")
    done = launch(place, *resumed, size=size)
    assert done.succeeded, done.stderr
    assert not (place / "full" / "failure.json").exists()
    assert not list((place / "full").glob(".*.tmp"))
    assert_same(place / "full", place / "whole")


def test_a_disk_that_is_full_at_the_start_leaves_no_run(launch: Launcher, place: Path) -> None:
    command = ("train", *RECIPE, "--epochs", 1, "--out", "run", "--no-cache")
    done = launch(place, *command, limit=100)
    assert done.codes == [1]
    assert done.stderr == "error: cannot write run/network.py: File too large\n"
    assert not (place / "run" / "config.json").exists()
    done = launch(place, *command)  # the folder is known as one that may be taken
    assert done.succeeded, done.stderr


# --- the run's folder -----------------------------------------------------------------------------


def test_a_folder_whose_run_never_began_may_be_taken(
    tiny: ModuleSource, data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"

    def break_off(*_: Any) -> None:
        (folder / f".failure.json.{os.getppid()}.tmp").write_text("")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("archspec.train.run.run_folder.write_config", break_off)
        with pytest.raises(KeyboardInterrupt):
            begin(tiny, data, folder)
    begin(tiny, data, folder, {"epochs": 1})
    assert (folder / "summary.json").exists()
    (folder / "config.json").unlink()
    with pytest.raises(TrainError, match="holds other files and no run"):
        check_folder(folder, overwrite=True)


# --- a loss that is not finite in one process -----------------------------------------------------

ONE_IS_BAD = """
        is_second = os.environ.get("RANK") == "1"
        if self.training and is_second and self.features[1].num_batches_tracked >= 3:
            self.features[3].weight.data[0, 0, 0, 0] = float("nan")
"""


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_a_loss_that_is_not_finite_in_one_process_stops_all_and_is_explained(
    launch: Launcher, place: Path, strategy: str
) -> None:
    head, tail = (place / "tiny.py").read_text().split("        return self.classifier")
    (place / "tiny.py").write_text(
        f"import os\n{head}{ONE_IS_BAD}        return self.classifier{tail}"
    )
    options = ("--epochs", 5, "--strategy", strategy, "--out", "run")
    done = launch(place, "train", *RECIPE, *options, size=2)
    assert done.codes == [1, 1], done.stderr
    message = "the loss is nan at step 1 of epoch 2: the weight of layer features.3 (Conv2d)"
    assert done.stderr.count(message) == 2
    assert message in (place / "run" / "failure.json").read_text()
