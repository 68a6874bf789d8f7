"""Weights are read from every kind of file, and no file, whatever is in it, gives a traceback."""

import json
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from archspec.train.assemble import Ways
from archspec.train.data.dataset import Dataset, load_dataset
from archspec.train.display import Silent
from archspec.train.errors import TrainError
from archspec.train.recipe import Recipe
from archspec.train.run import begin_run
from archspec.train.source import ModuleSource
from archspec.train.transfer.safetensors import DTYPES, read_safetensors
from archspec.train.transfer.weights import read_weights

PERSISTENT = settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


def some_tensors() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "conv.weight": torch.randn(4, 3, 2, 2, generator=generator),
        "conv.bias": torch.randn(4, generator=generator),
        "bn.num_batches_tracked": torch.tensor(7),
    }


def assert_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert tensor.dtype == other[name].dtype
        assert torch.equal(tensor, other[name]), name


def write_safetensors(path: Path, header: Any, data: bytes) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def refused(path: str | Path) -> str:
    with pytest.raises(TrainError) as caught:
        read_weights(path)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin", ".ckpt"])
def test_a_state_dict_is_read_whatever_it_is_called(
    tmp_path: Path, suffix: str, *, zipped: bool
) -> None:
    path = tmp_path / f"weights{suffix}"
    torch.save(some_tensors(), path, _use_new_zipfile_serialization=zipped)
    assert_equal(read_weights(path), some_tensors())


@pytest.mark.parametrize(
    "wrap",
    [
        lambda found: {"epoch": 3, "state_dict": found, "optimizer": {"state": {0: {}}}},
        lambda found: {"model": {"state_dict": OrderedDict(found)}, "mean": torch.zeros(3)},
        lambda found: {"model": "resnet18", "ema": found},
        lambda found: {f"module.{name}": tensor for name, tensor in found.items()},
        lambda found: {f"module._orig_mod.{name}": tensor for name, tensor in found.items()},
        lambda found: (
            {f"module.{name}": tensor for name, tensor in found.items()}
            | {"n_averaged": torch.tensor(5)}
        ),
        lambda found: {"model_state": {f"_orig_mod.{n}": t for n, t in found.items()}, "_extra": 1},
    ],
)
def test_a_state_dict_is_found_within_a_checkpoint(tmp_path: Path, wrap: Any) -> None:
    torch.save(wrap(some_tensors()), tmp_path / "checkpoint.pth")
    assert_equal(read_weights(tmp_path / "checkpoint.pth"), some_tensors())


def test_a_prefix_that_not_all_names_have_belongs_to_them(tmp_path: Path) -> None:
    found = {"module.weight": torch.ones(1), "other.weight": torch.ones(1)}
    torch.save(found, tmp_path / "checkpoint.pth")
    assert_equal(read_weights(tmp_path / "checkpoint.pth"), found)


def test_a_run_gives_its_best_or_its_last_weights(
    tiny: ModuleSource, flowers: Path, tmp_path: Path
) -> None:
    folder, recipe = tmp_path / "run", Recipe(epochs=1, batch_size=16)
    data: Dataset = load_dataset(str(flowers), (3, 32, 32), cache_folder=None)
    ways = Ways(torch.device("cpu"))
    begin_run(tiny, data, recipe, folder, ways, spec=None, overwrite=False, display=Silent())
    last = torch.load(folder / "last.pt", weights_only=True)
    best = torch.load(folder / "best.pt", weights_only=True)
    best["network"]["classifier.1.bias"] += 1  # the only epoch was the best: tell them apart
    torch.save(best, folder / "best.pt")
    for source in (folder, f"{folder}:best", folder / "best.pt"):
        assert_equal(read_weights(source), best["network"])
    for source in (f"{folder}:last", folder / "last.pt"):
        assert_equal(read_weights(source), last["network"])
    (folder / "best.pt").unlink()
    assert "best.pt is missing" in refused(folder)
    assert "is not a run" in refused(flowers)
    assert "is missing" in refused(f"{tmp_path}/nowhere:last")
    assert "cannot read" in refused("x" * 5000)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_other_files_are_called_what_they_are(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    contents = {
        b"": "is empty",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n": "git-lfs",
        b"\n<!DOCTYPE html><html>": "is a web page",
        b"<html>Not found": "is a web page",
        b"\x1f\x8b\x08": "gunzip",
        b"\x89HDF\r\n\x1a\n": "HDF5",
        b"just some text, nothing else": (
            "no weights of a known form" if suffix == ".pth" else "its header is longer"
        ),
        b"PK\x03\x04 and no more": "cut short or damaged",
        b"\x80\x02 and no more": "cut short or damaged",
    }
    for content, said in contents.items():
        path.write_bytes(content)
        assert said in refused(path)


def test_pickled_modules_are_not_run_but_named(tmp_path: Path) -> None:
    path = tmp_path / "network.pt"
    torch.save(nn.Linear(2, 2), path)
    assert "a pickled torch.nn.modules.linear.Linear" in refused(path)
    assert "state_dict() instead" in refused(path)
    torch.save({"epoch": 3}, path)
    assert "no state_dict" in refused(path)
    torch.save([torch.ones(2)], path)
    assert "holds a list" in refused(path)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:FutureWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_torchscript_archive_is_not_a_state_dict(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), tmp_path / "script.pt")
    assert "TorchScript" in refused(tmp_path / "script.pt")


def test_tensors_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    bad = {f"layer{i}.weight": torch.tensor([1.0, float("nan")]) for i in range(5)}
    torch.save({"fine": torch.ones(1), **bad}, path)
    assert "layer0.weight, layer1.weight, layer2.weight and 2 more" in refused(path)
    torch.save({"a": torch.tensor(float("inf"), dtype=torch.bfloat16)}, path)
    assert "not finite in a" in refused(path)
    torch.save({"huge": torch.zeros(1).expand(1 << 20, 1 << 20)}, path)  # 4 TB in 4 bytes
    assert "not stored in full: huge" in refused(path)
    torch.save({"sparse": torch.eye(3).to_sparse()}, path)
    assert "not stored in full: sparse" in refused(path)


@given(st.data())
@PERSISTENT
def test_a_damaged_state_dict_never_gives_a_traceback(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "weights.pth"
    torch.save(
        some_tensors(), path, _use_new_zipfile_serialization=data.draw(st.booleans(), "zipped")
    )
    whole = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 4), "changes")):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)), "kept")])
    try:
        read_weights(path)
    except TrainError as error:
        assert error.exit_code == 2  # noqa: PT017 - it may be read as well


# --- safetensors ----------------------------------------------------------------------------------


def test_what_the_format_s_own_library_writes_is_read(tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.torch", reason="the format's own library")
    tensors = {f"a.{kind}": torch.arange(6).reshape(2, 3).to(DTYPES[kind]) for kind in DTYPES}
    tensors |= {
        "scalar": torch.tensor(3.5),
        "empty": torch.empty(0, 3),
        "odd": torch.ones(3).half(),
    }
    library.save_file(tensors, tmp_path / "a.safetensors", metadata={"format": "pt"})
    found = read_weights(tmp_path / "a.safetensors")
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert found[name].shape == tensor.shape
        assert torch.equal(found[name].double(), tensor.double())


def test_a_file_written_by_hand_is_read_also_where_it_is_not_aligned(tmp_path: Path) -> None:
    header = {
        "__metadata__": {"format": "pt"},
        "flag": {"dtype": "BOOL", "shape": [1], "data_offsets": [0, 1]},
        "b": {"dtype": "F32", "shape": [1, 2], "data_offsets": [1, 9]},
    }
    path = write_safetensors(tmp_path / "a", header, b"\x01" + struct.pack("<2f", 1.5, -2.0))
    found = read_weights(path)
    assert_equal(found, {"flag": torch.tensor([True]), "b": torch.tensor([[1.5, -2.0]])})
    assert found["b"].data_ptr() % 4 == 0  # as every processor wants it


TENSOR = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (b"{not json}", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[1]", "not a table"),
        ({"a": 1}, "where 'a' lies"),
        ({"a": TENSOR | {"data_offsets": [0, 8, 8]}}, "where 'a' lies"),
        ({"a": TENSOR | {"data_offsets": ["0", "8"]}}, "where 'a' lies"),
        ({"a": TENSOR | {"data_offsets": [-8, 0]}}, "a place for 8"),
        ({"a": TENSOR | {"data_offsets": [8, 0]}}, "a place for -8"),
        ({"a": TENSOR | {"data_offsets": [8, 16]}}, "overlap, or leave gaps"),
        ({"a": TENSOR | {"shape": [3]}}, "a shape for 12 bytes and a place for 8"),
        ({"a": TENSOR | {"shape": [-2, -1]}}, "a shape that no tensor has"),
        ({"a": TENSOR | {"shape": [2.0]}}, "a shape that no tensor has"),
        ({"a": TENSOR | {"shape": [True, 2]}}, "a shape that no tensor has"),
        ({"a": TENSOR | {"shape": [2, *[1] * 99]}}, "a shape that no tensor has"),
        ({"a": TENSOR | {"dtype": "F4"}}, "a kind 'F4'"),
        ({"a": TENSOR, "b": TENSOR}, "overlap, or leave gaps"),
        ({"a": TENSOR | {"shape": [4], "data_offsets": [0, 16]}}, "cut short, or longer"),
        ({"a": TENSOR | {"shape": [1], "data_offsets": [0, 4]}}, "cut short, or longer"),
        ({}, "cut short, or longer"),
    ],
)
def test_a_header_that_lies_is_refused(tmp_path: Path, header: Any, said: str) -> None:
    path = write_safetensors(tmp_path / "a.safetensors", header, bytes(8))
    assert said in refused(path)


def test_a_length_beyond_the_file_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    for length in (1, 3, 2**40, 2**64 - 1):
        path.write_bytes(struct.pack("<Q", length) + b"{}")
        assert "not a whole .safetensors" in refused(path)
    path.write_bytes(b"1234")
    assert "cut short" in refused(path)


NUMBERS = st.integers(-2, 20) | st.integers() | st.floats() | st.none() | st.booleans()
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from([*DTYPES, "F4", ""]) | NUMBERS,
        "shape": st.lists(NUMBERS, max_size=3) | NUMBERS,
        "data_offsets": st.lists(NUMBERS, max_size=3) | NUMBERS,
    },
)


@given(
    header=st.dictionaries(st.text(max_size=3), ENTRIES | NUMBERS, max_size=3) | st.binary(),
    data=st.binary(max_size=24),
    kept=st.integers(0, 400),
)
@PERSISTENT
def test_no_file_gives_more_than_a_value_error(
    tmp_path: Path, header: Any, data: bytes, kept: int
) -> None:
    path = write_safetensors(tmp_path / "a.safetensors", header, data)
    path.write_bytes(path.read_bytes()[:kept])
    try:
        tensors = read_safetensors(path)
    except ValueError:
        return
    assert sum(tensor.numel() * tensor.itemsize for tensor in tensors.values()) == len(data)


SIZES = st.lists(st.integers(0, 4), max_size=3)


@given(st.dictionaries(st.text(max_size=4), st.tuples(st.sampled_from(list(DTYPES)), SIZES)))
@PERSISTENT
def test_what_is_written_is_read(tmp_path: Path, wanted: dict[str, tuple[str, list[int]]]) -> None:
    header, data, expected = {}, b"", {}
    for name, (kind, shape) in wanted.items():
        tensor = torch.arange(torch.Size(shape).numel()).reshape(shape).to(DTYPES[kind])
        raw = bytes(tensor.contiguous().view(-1).view(torch.uint8).tolist())
        offsets = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": offsets}
        data, expected[name] = data + raw, tensor
    header.pop("__metadata__", None)
    path = write_safetensors(tmp_path / "a.safetensors", header, data)
    found = read_safetensors(path)
    assert found.keys() == header.keys()
    for name, tensor in found.items():
        assert tensor.dtype == expected[name].dtype
        assert tensor.shape == expected[name].shape
        assert torch.equal(tensor.double(), expected[name].double())
