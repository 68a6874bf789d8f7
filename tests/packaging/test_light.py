"""The commands that everybody runs all the time load no heavy library."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("PIL", "numpy", "rich", "torch", "torchvision")

# A fresh process runs one command line and reports on stderr what it has loaded by then.
LOADED_BY = """
import atexit, json, sys
atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))
from archspec.cli import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    "command",
    [
        "--help",
        "list",
        "check alexnet",
        "check alexnet --format json",
        "check alexnet --explain",
        "check resnet",
        "check --all",
        "gen alexnet --target torch --stdout",
        "gen resnet --stdout",
        "gen",
        "runs .",
    ],
)
def test_a_core_command_loads_no_heavy_library(command: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED_BY, *command.split()],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stderr.splitlines()[-1])
    assert "archspec.cli" in loaded
    assert not set(HEAVY) & set(loaded)


def test_reading_a_recipe_loads_no_heavy_library() -> None:
    code = (
        "import json, sys; from archspec.train.recipe_file import changed, read_recipe\n"
        "changed(read_recipe('tutorial'), {'optimizer': 'sgd'})\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    assert not set(HEAVY) & set(json.loads(done.stdout))


def test_the_library_itself_loads_nothing_before_it_is_asked() -> None:
    code = "import archspec, sys, json; print(json.dumps(sorted(sys.modules)))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    ).stdout
    assert not {*HEAVY, "pydantic", "yaml", "jinja2", "typer"} & set(json.loads(loaded))
