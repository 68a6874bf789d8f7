"""Files of somebody else are data: no code that they name is run, and what they say is checked."""

import ast
import os
import pickle
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from pickle import PROTO, STOP
from shutil import copytree
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile
from zlib import crc32

import pytest
import torch
from torch.distributed.checkpoint import default_planner, metadata
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.state_dict_loader import _load_state_dict

import archspec
from archspec.train.checkpoint_files import (
    INDEX,
    INDEX_SUM,
    PROGRESS,
    read_checkpoint,
    write_last_folder,
)
from archspec.train.data.dataset import load_dataset
from archspec.train.errors import TrainError
from archspec.train.sharded import read_sharded
from archspec.train.source import ModuleSource
from archspec.train.world import ALONE
from tests.train.processes import differences
from tests.train.running import begin

Program = Any  # the fixture's type stands in conftest, which is not importable
FOLDER = "last.dcp"


class Payload:
    """Unpickling it runs a command that leaves the file `mark`."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.mark}",)


class InEval(Payload):
    """The same by Python's own functions."""

    def __reduce__(self) -> tuple[Any, ...]:
        return eval, (f"__import__('pathlib').Path({str(self.mark)!r}).touch()",)


class InKnown(Payload):
    """The same, within an object that such a file does hold."""

    def __reduce__(self) -> tuple[Any, ...]:
        return metadata.Metadata, ({}, Payload(self.mark))


def dotted(mark: Path) -> bytes:
    """A name of a known module that leads out of it: torch.serialization's own os.system."""
    name = b"\x8c\x13torch.serialization\x8c\x09os.system\x93"
    command = f"touch {mark}".encode()
    return PROTO + b"\x04" + name + b"X" + len(command).to_bytes(4, "little") + command + b"\x85R."


INDICES: tuple[Callable[[Path], bytes], ...] = (
    lambda mark: pickle.dumps(Payload(mark)),
    lambda mark: pickle.dumps(Payload(mark), protocol=2),
    lambda mark: pickle.dumps(InEval(mark)),
    lambda mark: pickle.dumps(InKnown(mark)),
    dotted,
)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "mark"


@pytest.fixture
def run(tiny: ModuleSource, flowers: Path, tmp_path: Path) -> Path:
    """A run of one epoch, whose last checkpoint is a sharded one."""
    folder = tmp_path / "run"
    begin(tiny, load_dataset(str(flowers), (3, 32, 32), cache_folder=None), folder, {"epochs": 1})
    shard(folder)
    return folder


def shard(folder: Path, **more: Any) -> None:
    """Write the run's last checkpoint anew as a folder, in one process, with `more` in it."""
    state = torch.load(folder / "last.pt", weights_only=True)
    tensors = {name: state.pop(name) for name in ("network", "optimizer")}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is disabled")
        write_last_folder(folder, state, tensors | more, ALONE)
    (folder / "previous.pt").unlink()


def put_index(folder: Path, index: bytes) -> None:
    """Replace a sharded checkpoint's index, and what its sum is said to be."""
    (folder / INDEX).write_bytes(index)
    state = torch.load(folder / PROGRESS, weights_only=True)
    torch.save(state | {INDEX_SUM: crc32(index)}, folder / PROGRESS)


def all_files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def refused_everywhere(program: Program, run: Path, stem: str = "last") -> set[str]:
    """What each command says that reads the run's weights; each leaves all files as they were."""
    before, picture = all_files(run), run.parent / "flowers/tulip/00.png"
    weights = ("--weights", f"{run}:{stem}", "--epochs", 1, "--out", "new")
    commands: list[tuple[object, ...]] = [
        ("train", "tiny.py", "--data", "flowers", *weights),
        ("eval", run, "--checkpoint", stem),
        ("predict", run, picture, "--checkpoint", stem),
        ("show", run, picture, "--checkpoint", stem),
    ]
    if stem == "last":
        commands.append(("train", "--resume", "--epochs", 2, "--out", run))
    said = set()
    for command in commands:
        done = program(*command, expect=2)
        assert "Traceback" not in done.stderr
        assert done.stderr.count("error:") == 1, done.stderr
        said.add(done.stderr.partition("error:")[2].strip())
        assert not (run.parent / "new" / "config.json").exists()
        (run / "failure.json").unlink(missing_ok=True)  # a resumed run's note of why it ended
        assert all_files(run) == before, command
    return said


# --- code -----------------------------------------------------------------------------------------


def test_the_payloads_are_ones(mark: Path) -> None:
    for make in INDICES:
        pickle.loads(make(mark))  # noqa: S301 - written on the lines before
        mark.unlink()


def test_a_sharded_checkpoint_s_index_runs_nothing(
    program: Program, run: Path, tiny_file: Path, mark: Path
) -> None:
    assert tiny_file.exists()
    for make in INDICES:
        put_index(run / FOLDER, make(mark))
        (said,) = refused_everywhere(program, run)
        assert "which no checkpoint of a run does: nothing in it was run" in said
        assert not mark.exists()
    assert "holds a pickled torch.serialization.os.system" in said
    copytree(run / FOLDER, run / "best.dcp")
    (run / "best.pt").unlink()
    done = program("train", "tiny.py", "--data", "flowers", "--weights", run, expect=2)
    assert "best.dcp holds a pickled" in done.stderr
    assert not mark.exists()


def test_a_sharded_checkpoint_s_values_run_nothing(
    program: Program, tiny: ModuleSource, tiny_file: Path, flowers: Path, mark: Path
) -> None:
    run = tiny_file.parent / "run"
    begin(tiny, load_dataset(str(flowers), (3, 32, 32), cache_folder=None), run, {"epochs": 1})
    shard(run, extra=Payload(mark))
    (said,) = refused_everywhere(program, run)
    assert "holds a pickled posix.system" in said
    assert not mark.exists()
    _load_as_torch_does(run / FOLDER)
    assert mark.exists()


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", ["best.pt", f"{FOLDER}/{PROGRESS}"])
def test_no_other_part_of_a_checkpoint_runs_anything(
    program: Program, run: Path, tiny_file: Path, mark: Path, name: str, *, zipped: bool
) -> None:
    assert tiny_file.exists()
    state = torch.load(run / name, weights_only=True)
    state["extra"] = Payload(mark)
    torch.save(state, run / name, _use_new_zipfile_serialization=zipped)
    for said in refused_everywhere(program, run, "best" if name == "best.pt" else "last"):
        assert "posix.system" in said or "is damaged" in said
    assert not mark.exists()


def test_weights_of_a_run_are_read_without_its_module(
    program: Program, run: Path, tiny_file: Path, flowers: Path, mark: Path
) -> None:
    (run / "network.py").write_text(f"open({str(mark)!r}, 'w')\nraise SystemExit(3)\n")
    for stem in ("best", "last"):
        out = ("--epochs", 1, "--quiet", "--out", f"from-{stem}")
        program("train", tiny_file, "--data", flowers, "--weights", f"{run}:{stem}", *out)
    program("runs", run.parent)
    program("runs", run)
    assert not mark.exists()


# What unpickles, or runs a text, unless it is told not to; and what in the package may.
RISKY = {"exec", "eval", "FileSystemReader"} | {
    f"{module}.{name}"
    for module in ("pickle", "torch", "np", "numpy", "yaml", "marshal")
    for name in ("load", "loads", "Unpickler")
}
ALLOWED = {
    ("proof/survival.py", "pickle.loads"),  # of what it has pickled itself
    ("targets/torch/run.py", "exec"),  # of what was generated
    ("train/source.py", "exec"),  # of the module that a person names, or a run's
}


def test_nothing_else_in_the_package_unpickles_or_runs_a_text() -> None:
    package = Path(archspec.__file__).parent
    found = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            told = {word.arg: ast.unparse(word.value) for word in node.keywords}
            if name in RISKY and told.get("weights_only") != "True":
                found.add((path.relative_to(package).as_posix(), name))
    assert found == ALLOWED


# --- lies -----------------------------------------------------------------------------------------


def index_of(folder: Path) -> metadata.Metadata:
    return FileSystemReader(folder).read_metadata()


def _load_as_torch_does(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    _load_state_dict(
        found,
        storage_reader=FileSystemReader(folder),
        planner=default_planner._EmptyStateDictLoadPlanner(),  # type: ignore[no-untyped-call] # torch leaves it so
        no_dist=True,
    )
    return found


def test_what_torch_wrote_is_read_as_torch_reads_it(run: Path) -> None:
    folder = run / FOLDER
    found = read_sharded(folder, (folder / INDEX).read_bytes())
    assert list(differences(found, _load_as_torch_does(folder))) == []
    assert found["optimizer"]["param_groups"][0]["betas"] == (0.9, 0.999)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        again = read_sharded(folder, pickle.dumps(index_of(folder), protocol))
        assert list(differences(found, again)) == []


def _with_part(index: metadata.Metadata, **changes: Any) -> None:
    key = next(key for key in index.storage_data if key.fqn == "network.classifier.1.weight")
    index.storage_data[key] = replace(index.storage_data[key], **changes)


def _with_size(index: metadata.Metadata, *size: int) -> None:
    """The tensor, and its one part, larger than they are."""
    tensor = index.state_dict_metadata["network.classifier.1.weight"]
    assert isinstance(tensor, metadata.TensorStorageMetadata)
    tensor.size = tensor.chunks[0] = torch.Size(size)  # type: ignore[call-overload] # see below
    tensor.chunks[0] = metadata.ChunkStorageMetadata(torch.Size([0] * len(size)), tensor.size)


def _of_all_one_part(index: metadata.Metadata) -> None:
    first = next(iter(index.storage_data.values()))
    index.storage_data = dict.fromkeys(index.storage_data, first)


def _with_place(index: metadata.Metadata, *place: Any) -> None:
    index.planner_data["network.classifier.1.weight"] = place


LIES: dict[str, Callable[[metadata.Metadata], None]] = {
    "a file outside": lambda index: _with_part(index, relative_path="../secret"),
    "an absolute file": lambda index: _with_part(index, relative_path="/etc/passwd"),
    "the folder itself": lambda index: _with_part(index, relative_path=".."),
    "a link that leads outside": lambda index: _with_part(index, relative_path="link"),
    "no file": lambda index: _with_part(index, relative_path="pipe"),
    "bytes behind the end": lambda index: _with_part(index, offset=1 << 40),
    "bytes before the beginning": lambda index: _with_part(index, offset=-8),
    "more bytes than there are": lambda index: _with_part(index, length=1 << 50),
    "other bytes": lambda index: _with_part(index, length=64),
    "an extension": lambda index: _with_part(index, transform_descriptors=["zstd"]),
    "a tensor of terabytes": lambda index: _with_size(index, 1 << 20, 1 << 20),
    "a tensor of more than there is": lambda index: _with_size(index, 1 << 62, 1 << 62),
    "a tensor of another shape": lambda index: _with_size(index, 512, 2),
    "bytes for several": _of_all_one_part,
    "a list without an end": lambda index: _with_place(index, "network", 1 << 60),
    "a place in another value": lambda index: _with_place(
        index, "network", "classifier.1.bias", "x"
    ),
    "another's place": lambda index: _with_place(index, "network", "classifier.1.bias"),
    "a depth without an end": lambda index: _with_place(index, *["x"] * 100_000),
    "no place": _with_place,
    "no parts": lambda index: index.storage_data.clear(),
}


@pytest.mark.parametrize("lie", LIES)
def test_an_index_that_lies_is_refused(run: Path, lie: str) -> None:
    folder = run / FOLDER
    (run / "secret").write_bytes((folder / "__0_0.distcp").read_bytes())
    (folder / "link").symlink_to(run / "secret")
    os.mkfifo(folder / "pipe")
    index = index_of(folder)
    LIES[lie](index)
    put_index(folder, pickle.dumps(index))
    with pytest.raises(TrainError, match=r"last\.dcp is damaged and cannot be loaded"):
        read_checkpoint(folder)


def test_what_is_compressed_is_refused(run: Path) -> None:
    """torch compresses nothing: a few bytes that stand for many are somebody else's."""
    with ZipFile(run / "best.pt") as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with ZipFile(run / "best.pt", "w", ZIP_DEFLATED) as archive:
        for name, content in records.items():
            archive.writestr(name, content)
    with pytest.raises(TrainError, match="is damaged"):
        read_checkpoint(run / "best.pt")


@pytest.mark.parametrize(
    "index",
    [
        b"",
        STOP,
        b"(.",
        b"]" + b"r\xff\xff\xff\x7f" + STOP,  # a memo of two thousand million places
        b"N" + b"h\x05" + STOP,  # what was never put there
        b"N" + b"b" + STOP,  # a state for nothing
        b"}(" + b")" + b"\x86" * 3 + b"Ns" + STOP,
        b"\x8e" + b"\xff" * 7 + b"\x7f" + STOP,  # a string of exabytes
        b"\x82\x01.",  # a registered extension
        b"})q\x00" + b"h\x00\x86q\x00" * 60 + b"Ns" + STOP,  # a hash of 2^60 steps
        pickle.dumps(metadata.Metadata({}, storage_data={(1, 2): 3})),
        pickle.dumps({"state_dict_metadata": {}}),
        pickle.dumps(metadata.StorageMeta()),
        pickle.dumps(metadata.Metadata({"x": torch.Size([1])}, storage_data={})),  # type: ignore[dict-item] # it lies
    ],
)
def test_what_is_no_index_is_refused_at_once(run: Path, index: bytes) -> None:
    put_index(run / FOLDER, index)
    with pytest.raises(TrainError, match="is damaged"):
        read_checkpoint(run / FOLDER)


@pytest.mark.parametrize("state", [{"epoch": "x"}, {"epoch": None}, {"average": 3}])
def test_a_checkpoint_s_plain_values_are_checked(
    program: Program, run: Path, state: dict[str, Any]
) -> None:
    path = run / FOLDER / PROGRESS
    torch.save(torch.load(path, weights_only=True) | state, path)
    done = program("eval", run, "--checkpoint", "last", expect=2)
    assert "does not fit the run's network" in done.stderr


def test_names_in_a_file_do_not_reach_the_terminal_raw(
    program: Program, tiny_file: Path, flowers: Path
) -> None:
    torch.save({"\x1b[31mred.weight": torch.ones(1), "\x1b]0;x\x07": torch.ones(2)}, "odd.pth")
    done = program("train", tiny_file, "--data", flowers, "--weights", "odd.pth", expect=2)
    assert r"\x1b[31mred" in done.stderr
    assert "\x1b" not in done.stderr
    assert "\x07" not in done.stderr
