"""Many specs are written at once: in order, as one by one, and whatever goes wrong is told."""

import os
import subprocess
import sys
from ast import literal_eval
from pathlib import Path

import pytest

import archspec
from archspec.cli import cores
from tests.conftest import RunCli

SCRIPT = """
import os
from archspec.cli import cores

cores._cores = lambda: 2

def work(item):
    if item == 3:
        raise ValueError("in a process of its own")
    if item == 5 and os.getpid() != PARENT and KILLED:
        os._exit(1)
    return None if item == 4 else (item, os.getpid() != PARENT)

def here(item):
    return (item, False)

PARENT, KILLED = os.getpid(), bool(int(os.environ["KILLED"]))
print(list(cores.for_each(work, list(range(8)), here)))
"""


def run(*, killed: bool) -> list[tuple[int, bool]]:
    environment = {**os.environ, "KILLED": str(int(killed))}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found: list[tuple[int, bool]] = literal_eval(done.stdout)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")
def test_results_come_in_order_and_what_failed_is_done_here() -> None:
    assert run(killed=False) == [(i, i not in (3, 4)) for i in range(8)]


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")
def test_a_process_that_is_killed_leaves_the_rest_to_this_one() -> None:
    found = run(killed=True)
    assert [item for item, _ in found] == list(range(8))
    assert found[5] == (5, False)


def test_few_are_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "_cores", lambda: 4)
    here = os.getpid()
    done = cores.for_each(lambda _: None, [1, 2], lambda _: os.getpid())
    assert list(done) == [here, here]


def test_many_specs_are_written_as_one_by_one(tmp_path: Path, run_cli: RunCli) -> None:
    """With an error among them, which is told; the others are written."""
    row = "{op: OP, out_channels: 4, kernel_size: 3}"
    text = f"archspec: 1\nname: Net\ninput: [3, 8, 8]\nlayers:\n  - {row}\n"
    names = [f"net{i}" for i in range(8)]
    for name in names:
        op = "conv" if name == "net5" else "conv2d"
        spec = text.replace("OP", op)
        (tmp_path / f"{name}.yaml").write_text(spec, encoding="utf-8")
    done = run_cli("gen", *(f"{name}.yaml" for name in names), cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("unknown-op") == 1
    assert "net5.yaml" in done.stderr
    kept = [name for name in names if name != "net5"]
    lines = [f"generated/{name}.py  written" for name in kept]
    assert done.stdout.splitlines() == [*lines, "7 written, 1 with errors"]
    for name in kept:
        written = (tmp_path / "generated" / f"{name}.py").read_text(encoding="utf-8")
        assert written == archspec.generate(tmp_path / f"{name}.yaml")
