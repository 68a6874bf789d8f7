"""`archspec` in forked processes, one or several, killed or not; and what a run has come to."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from archspec.train.checkpoint import load_checkpoint
from archspec.train.metrics import TIMINGS
from archspec.train.run_folder import code_digest, read_config

LAUNCHER = Path(__file__).with_name("launcher.py")


@dataclass(frozen=True)
class Ended:
    """The exit codes of all ranks (negative: the signal), what they said, how long it took."""

    codes: list[int]
    stdout: str
    stderr: str
    seconds: float

    @property
    def succeeded(self) -> bool:
        return not any(self.codes)


class Launcher:
    """Runs `archspec ARGV` in the folder `cwd`, in `size` processes; see launcher.py."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def __call__(self, cwd: Path, *argv: object, size: int = 1, **order: Any) -> Ended:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        texts = [str(argument) for argument in argv]
        order |= {"argv": texts, "cwd": str(cwd), "size": size}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return Ended(**json.loads(self.process.stdout.readline()))


@contextmanager
def launching() -> Iterator[Launcher]:
    """A launcher, with this checkout's archspec."""
    environment = {**os.environ, "PYTHONPATH": str(LAUNCHER.parents[2])}
    with subprocess.Popen(
        [sys.executable, str(LAUNCHER)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Launcher(process)
        assert process.stdin is not None
        process.stdin.close()


def end_state(folder: Path) -> dict[str, Any]:
    """What a run has come to: its last checkpoint, and its metrics, without what clocks measure."""
    digest = code_digest(read_config(folder).source)
    path = next(path for path in (folder / "last.pt", folder / "last.dcp") if path.exists())
    state = load_checkpoint(path, digest)
    best = load_checkpoint(folder / "best.pt", digest)
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return {
        **state,
        "history": [untimed(metrics) for metrics in state["history"]],
        "metrics": [untimed(json.loads(line)) for line in lines],
        "best": best["network"],
    }


def untimed(metrics: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metrics.items() if name not in TIMINGS}


def differences(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """Where two nested values differ, in any bit."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        if not torch.equal(one, other):
            yield path
    elif isinstance(one, dict) and isinstance(other, dict):
        if one.keys() != other.keys():
            yield f"{path}: {one.keys() ^ other.keys()}"
            return
        for key in one:
            yield from differences(one[key], other[key], f"{path}/{key}")
    elif isinstance(one, Sequence) and not isinstance(one, str) and len(one) == len(other):
        for place, (a, b) in enumerate(zip(one, other, strict=True)):
            yield from differences(a, b, f"{path}/{place}")
    elif one != other:
        yield f"{path}: {one!r} != {other!r}"


def distance(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """The largest difference between two state dicts, of the size of the larger weights."""
    assert one.keys() == other.keys()
    return max(float((one[key].double() - other[key].double()).abs().max()) for key in one) / max(
        float(value.double().abs().max()) for value in one.values() if value.is_floating_point()
    )
