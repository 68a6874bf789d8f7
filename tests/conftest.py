"""What all tests share: one torch thread, hypothesis profiles, the program as a subprocess."""

import os

# Before anything imports torch: two busy test processes with two threads each are 30 times slower.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("local", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "local"))


class RunCli(Protocol):
    """Runs `archspec` with these arguments in a process of its own."""

    def __call__(
        self,
        *args: str | Path,
        cwd: Path | None = None,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
        timeout: float = 300,
    ) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder beside the checkout with reference figures and photographs."""
    path = ROOT.parent / "shared"
    if not path.is_dir():
        pytest.skip("no ../shared beside the checkout: it holds reference figures and photographs")
    return path


@pytest.fixture(scope="session")
def terminal() -> dict[str, str]:
    """The environment of a plain terminal, 80 columns wide: output is the same on any machine."""
    plain = {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb", "PYTHONUTF8": "1"}
    return {**os.environ, **plain}


@pytest.fixture(scope="session")
def run_cli(terminal: Mapping[str, str]) -> RunCli:
    """Run `archspec ARGS…` as a program; the caller looks at returncode, stdout and stderr."""

    def run(
        *args: str | Path,
        cwd: Path | None = None,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
        timeout: float = 300,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "archspec", *args],
            cwd=cwd or ROOT,
            env={**terminal, **(env or {})},
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            timeout=timeout,
            check=False,
        )

    return run
