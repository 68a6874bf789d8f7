"""Weights from files: a run, a state_dict of PyTorch, safetensors; read as data, never as code."""

import warnings
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import torch
from torch import Tensor

from archspec.train import checkpoint_files, run_files
from archspec.train.errors import TrainError
from archspec.train.pickled import foreign_class
from archspec.train.transfer.safetensors import read_safetensors

CHECKPOINTS = {"best": "best.pt", "last": "last.pt"}
# Where programs keep a state_dict within what they save; the first that is there is taken.
NESTED = (
    *("state_dict", "model_state_dict", "model_state", "model", "network", "net"),
    *("ema", "ema_state_dict", "state_dict_ema", "model_ema"),
)
DEEPEST = 3
WRAPPED = "module."  # in front of every name that DataParallel, or a torch average, has saved
COMPILED = "_orig_mod."  # torch.compile's, wherever a compiled module stands
NUM_AVERAGED = "n_averaged"  # what torch's AveragedModel counts in, beside the module
NUM_NAMED = 3  # of many tensors in a message
ZIP, PICKLE = b"PK\x03\x04", b"\x80"
# What a download turns into when it goes wrong, by how the file begins.
OTHERS = (
    (b"version https://git-lfs", "is a pointer to a file in git-lfs: `git lfs pull` fetches it"),
    (b"<", "is a web page: the download gave a page and not the file"),
    (b"\x1f\x8b", "is compressed: unpack it with gunzip"),
    (b"\x89HDF", "is an HDF5 file, as Keras writes them: export a state_dict instead"),
)
RESAVE = "save network.state_dict() instead"


def read_weights(source: str | Path) -> dict[str, Tensor]:
    """The tensors by name, on the CPU, of a run (`RUN`, `RUN:last`) or of a file.

    A file is a checkpoint of a run, a state_dict (also within a checkpoint) that `torch.save`
    wrote, or .safetensors; its contents decide, not its name. Prefixes of DataParallel and
    torch.compile are taken off. Tensors may be mapped: copy them before the file changes. Raises
    TrainError with what the file is instead, or with the tensors that are not finite.
    """
    try:
        path = _locate(str(source))
        tensors = _plain(_read(path))
    except OSError as error:
        raise TrainError(f"cannot read {source}: {error.strerror or error}", 2) from error
    _refuse_unusable(path, tensors)
    return tensors


def plain_name(name: str) -> str:
    """A tensor's or module's name without what wrappers have put into it."""
    return name.replace(COMPILED, "").removeprefix(WRAPPED)


def _locate(source: str) -> Path:
    """The file that `source` names: itself, or a checkpoint in the run's folder."""
    path = Path(source)
    folder, _, checkpoint = source.rpartition(":")
    if not path.exists() and checkpoint in CHECKPOINTS and Path(folder).is_dir():
        path = Path(folder)
    else:
        checkpoint = "best"
    if path.is_dir():
        if not (path / run_files.CONFIG).is_file():
            raise TrainError(f"{path} is not a run: no {run_files.CONFIG} in it", exit_code=2)
        sharded = path / f"{checkpoint}{checkpoint_files.FOLDER}"
        if sharded.is_dir():
            return sharded
        path /= CHECKPOINTS[checkpoint]
    if not path.is_file():
        raise TrainError(f"{path} is missing: no weights to begin with", exit_code=2)
    return path


def _read(path: Path) -> dict[str, Tensor]:
    if path.is_dir():
        return _state_dict(checkpoint_files.read_checkpoint(path)) or {}
    with path.open("rb") as file:
        start = file.read(64)
    if start.startswith(ZIP):
        return _of_torch(path, mapped=True)
    if start.startswith(PICKLE):
        return _of_torch(path, mapped=False)
    if start[4:9] != b"\0\0\0\0{":  # the upper half of a length, and a table of contents
        _refuse_others(path, start)
    try:
        return read_safetensors(path)
    except ValueError as error:
        raise TrainError(f"{path} is not a whole .safetensors file: {error}", 2) from error


def _refuse_others(path: Path, start: bytes) -> None:
    """Say what a file is that begins like neither form; one called .safetensors may be damaged."""
    what = next((what for begin, what in OTHERS if start.lstrip().startswith(begin)), None)
    if what or not start:
        raise TrainError(f"{path} {what or 'is empty'}", exit_code=2)
    if path.suffix != ".safetensors":
        raise TrainError(f"{path} holds no weights of a known form (.pth or .safetensors)", 2)


def _of_torch(path: Path, *, mapped: bool) -> dict[str, Tensor]:
    """The state_dict in what `torch.save` has written: a zip, or a pickle before PyTorch 1.6."""
    if mapped:
        _refuse_other_archives(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, about old forms; it reads them all the same
            found = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # a damaged pickle makes torch raise whatever it likes
        raise TrainError(f"{path} {_what_is_wrong(error)}", exit_code=2) from error
    if isinstance(found, Mapping) and (tensors := _state_dict(found)):
        return tensors
    raise TrainError(f"{path} holds a {type(found).__name__} and no state_dict: {RESAVE}", 2)


def _refuse_other_archives(path: Path) -> None:
    """Turn away zips that torch.save did not write; it stores its records without compression."""
    try:
        with ZipFile(path) as archive:
            records = archive.infolist()
    except (BadZipFile, ValueError, NotImplementedError) as error:
        raise TrainError(f"{path} is cut short or damaged: fetch it again", exit_code=2) from error
    names = {record.filename.rpartition("/")[2] for record in records}
    if "constants.pkl" in names:
        raise TrainError(f"{path} is a TorchScript archive: {RESAVE}", exit_code=2)
    if "data.pkl" not in names or any(record.compress_type != ZIP_STORED for record in records):
        raise TrainError(f"{path} is a zip that torch.save has not written", exit_code=2)


def _what_is_wrong(error: Exception) -> str:
    kind = foreign_class(error)
    if kind is None:
        return "is cut short or damaged: fetch it again"
    return f"holds a pickled {kind}, and unpickling it would run its code: {RESAVE}"


def _state_dict(found: Mapping[Any, Any], depth: int = 1) -> dict[str, Tensor] | None:
    """The tensors of the nested state_dict, or of `found` itself."""
    inner = [found[key] for key in NESTED if isinstance(found.get(key), Mapping)]
    for mapping in inner if depth < DEEPEST else ():
        if tensors := _state_dict(mapping, depth + 1):
            return tensors
    named = {name: value for name, value in found.items() if isinstance(name, str)}
    return {name: value for name, value in named.items() if isinstance(value, Tensor)} or None


def _plain(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Without `module.`, where it stands in front of all names, and so is no network's own."""
    plain = {name.replace(COMPILED, ""): tensor for name, tensor in tensors.items()}
    counted = plain.get(NUM_AVERAGED)
    if counted is not None and counted.dim() == 0:
        del plain[NUM_AVERAGED]
    while plain and all(name.startswith(WRAPPED) for name in plain):
        plain = {name.removeprefix(WRAPPED): tensor for name, tensor in plain.items()}
    return plain


def _refuse_unusable(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Turn away what is no dense tensor, and numbers that are not finite."""
    if not tensors:
        raise TrainError(f"{path} holds no tensors", exit_code=2)
    odd = [name for name, tensor in tensors.items() if not _is_dense(tensor)]
    if odd:
        raise TrainError(f"{path} has tensors that are not stored in full: {_some(odd)}", 2)
    bad = [n for n, tensor in tensors.items() if tensor.numel() and not tensor.isfinite().all()]
    if bad:
        raise TrainError(
            f"{path} has numbers that are not finite in {_some(bad)}: "
            "the training that wrote it had diverged",
            exit_code=2,
        )


def _is_dense(tensor: Tensor) -> bool:
    """Whether every number lies in memory of its own: one repeated could stand for terabytes."""
    if tensor.layout is not torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
        return False
    return tensor.untyped_storage().nbytes() >= prod(tensor.shape) * tensor.itemsize


def _some(names: list[str]) -> str:
    shown = ", ".join(name[:80] for name in names[:NUM_NAMED])
    more = len(names) - NUM_NAMED
    return f"{shown} and {more} more" if more > 0 else shown
