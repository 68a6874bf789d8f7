"""What a training process frees, it keeps."""

import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from archspec.train import memory

Program = Any  # the fixture's type stands in conftest, which is not importable

# Each turn writes to 64 MB and frees them, as a step does with the gradients of a large layer.
TURNS = """
import resource, sys
import numpy as np
from archspec.train.memory import keep_freed_memory

def turn():
    blocks = [np.ones(8_000_000, dtype=np.uint8) for _ in range(8)]

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

kept = sys.argv[1] == "keep" and keep_freed_memory()
turn()
before = faults()
for _ in range(5):
    turn()
print(kept, faults() - before)
"""


def turns(how: str) -> tuple[bool, int]:
    """Whether memory is kept, and how many pages five turns had to ask the system for."""
    command = [sys.executable, "-c", TURNS, how]
    checkout = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=checkout)
    kept, faults = done.stdout.split()
    return kept == "True", int(faults)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_freed_memory_is_used_again() -> None:
    _, before = turns("leave")
    kept, after = turns("keep")
    assert kept
    assert after < before / 10


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    assert not memory.keep_freed_memory()


def test_the_command_asks_for_it(
    program: Program, tiny_file: Path, flowers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(memory, "keep_freed_memory", lambda: asked.append("yes"))
    program("train", tiny_file, "--data", flowers, "--epochs", 1, "--device", "cpu")
    assert asked == ["yes"]
