"""`archspec gen`: what it writes, when it leaves files alone, and how it tells what is wrong."""

import errno
import os
import stat
from pathlib import Path
from typing import NoReturn

import pytest

import archspec
from archspec.targets.files import write_whole
from tests.conftest import RunCli

SMALL = """\
archspec: 1
name: Small
input: [3, 8, 8]
vars: {num_classes: 10}
layers:
  - {name: conv, op: conv2d, out_channels: 4, kernel_size: 3}
  - {op: flatten}
  - {name: fc, op: linear, out_features: num_classes}
"""
BROKEN = SMALL.replace("kernel_size: 3", "kernel_size: 30").replace("op: flatten", "op: flaten")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A directory with a spec in it."""
    (tmp_path / "small-net.yaml").write_text(SMALL, encoding="utf-8")
    return tmp_path


def names_in(folder: Path) -> list[str]:
    """What is in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_once(here: Path, run_cli: RunCli) -> None:
    first = run_cli("gen", "small-net.yaml", "--target", "torch", "--out", "a/b", cwd=here)
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout == "a/b/small_net.py  written\n1 written\n"
    file = here / "a" / "b" / "small_net.py"
    assert file.read_text(encoding="utf-8") == archspec.generate(here / "small-net.yaml")
    before = file.stat()
    again = run_cli("gen", "small-net.yaml", "--out", "a/b", cwd=here)
    assert again.stdout == "a/b/small_net.py  unchanged\n1 unchanged\n"
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert names_in(file.parent) == ["small_net.py"]


def test_without_a_spec_all_are_written(tmp_path: Path, root: Path, run_cli: RunCli) -> None:
    done = run_cli("gen", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    specs = {path.stem for path in (root / "specs").glob("*.yaml")}
    assert {path.stem for path in (tmp_path / "generated").iterdir()} == specs
    assert done.stdout.splitlines()[-1] == f"{len(specs)} written"


def test_the_project_s_own_files_are_current(root: Path, run_cli: RunCli) -> None:
    done = run_cli("gen", "--check", cwd=root)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_stdout_has_the_code_and_nothing_else(here: Path, run_cli: RunCli) -> None:
    done = run_cli("gen", "small-net.yaml", "--stdout", cwd=here)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == archspec.generate(here / "small-net.yaml")
    assert names_in(here) == ["small-net.yaml"]


def test_a_narrow_stdout_gets_the_same_bytes(here: Path, run_cli: RunCli) -> None:
    narrow = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    done = run_cli("gen", "small-net.yaml", "--stdout", cwd=here, env=narrow)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == archspec.generate(here / "small-net.yaml")


def test_set_changes_a_variable(here: Path, run_cli: RunCli) -> None:
    done = run_cli("gen", "small-net.yaml", "--stdout", "--set", "num_classes=5", cwd=here)
    assert "def __init__(self, num_classes: int = 5) -> None:" in done.stdout


def test_check_tells_what_differs_and_writes_nothing(here: Path, run_cli: RunCli) -> None:
    missing = run_cli("gen", "small-net.yaml", "--check", cwd=here)
    assert missing.returncode == 1
    assert missing.stdout.splitlines()[0] == "generated/small_net.py  missing"
    assert not (here / "generated").exists()

    run_cli("gen", "small-net.yaml", cwd=here)
    assert run_cli("gen", "small-net.yaml", "--check", cwd=here).returncode == 0

    file = here / "generated" / "small_net.py"
    edited = file.read_text(encoding="utf-8").replace("kernel_size=3", "kernel_size=5")
    file.write_text(edited, encoding="utf-8")
    drifted = run_cli("gen", "small-net.yaml", "--check", cwd=here)
    assert drifted.returncode == 1
    assert "generated/small_net.py  not current" in drifted.stdout
    assert "    -        self.conv = nn.Conv2d(3, 4, kernel_size=5)" in drifted.stdout
    assert "    +        self.conv = nn.Conv2d(3, 4, kernel_size=3)" in drifted.stdout
    assert file.read_text(encoding="utf-8") == edited


def test_a_file_of_no_spec_is_named(tmp_path: Path, run_cli: RunCli) -> None:
    run_cli("gen", cwd=tmp_path)
    (tmp_path / "generated" / "old.py").touch()
    done = run_cli("gen", "--check", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == "warning: generated/old.py belongs to no spec\n"


def test_errors_are_located_and_the_others_are_written(here: Path, run_cli: RunCli) -> None:
    (here / "broken.yaml").write_text(BROKEN, encoding="utf-8")
    (here / "generated").mkdir()
    old = here / "generated" / "broken.py"
    old.write_text("old\n", encoding="utf-8")
    done = run_cli("gen", "broken.yaml", "small-net.yaml", cwd=here)
    assert done.returncode == 1
    assert "broken.yaml:6:" in done.stderr
    assert "broken.yaml:7:" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == "generated/small_net.py  written\n1 written, 1 with errors\n"
    assert old.read_text(encoding="utf-8") == "old\n"
    printed = run_cli("gen", "broken.yaml", "--stdout", cwd=here)
    assert (printed.returncode, printed.stdout) == (1, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonexistent"], "there is no spec `nonexistent`"),
        (["small-net.yaml", "--target", "tensorflow"], "there is torch"),
        (["small-net.yaml", "alexnet", "--stdout"], "--stdout prints the code of one spec"),
        (["--stdout"], "--stdout prints the code of one spec"),
        (["small-net.yaml", "--stdout", "--check"], "--stdout prints the code of one spec"),
        (["small-net.yaml", "small_net.yaml"], "would both be generated/small_net.py"),
        (["small-net.yaml", "--out", "small_net.yaml"], "cannot write small_net.yaml"),
        (["small-net.yaml", "--set", "num_classes"], "--set takes VAR=VALUE"),
    ],
    ids=str,
)
def test_wrong_usage(here: Path, run_cli: RunCli, arguments: list[str], message: str) -> None:
    (here / "small_net.yaml").write_text(SMALL, encoding="utf-8")
    done = run_cli("gen", *arguments, cwd=here)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(here: Path, run_cli: RunCli) -> None:
    (here / "generated").mkdir(mode=0o500)
    done = run_cli("gen", "small-net.yaml", cwd=here)
    assert done.returncode == 2
    assert "Permission denied" in done.stderr


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    file = tmp_path / "net.py"
    file.write_text("old\n", encoding="utf-8")
    owner = os if step == "fsync" else Path
    monkeypatch.setattr(owner, step, fail)
    with pytest.raises(OSError, match="No space left"):
        write_whole({file: b"new\n" * 1000})
    assert file.read_text(encoding="utf-8") == "old\n"
    assert names_in(tmp_path) == ["net.py"]


@pytest.mark.skipif(os.name == "nt", reason="permissions are POSIX")
def test_permissions_are_those_of_any_new_file_or_stay(tmp_path: Path) -> None:
    file, other = tmp_path / "net.py", tmp_path / "other"
    other.touch()
    write_whole({file: b"new\n"})
    assert stat.S_IMODE(file.stat().st_mode) == stat.S_IMODE(other.stat().st_mode)
    file.chmod(0o640)
    write_whole({file: b"newer\n"})
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert file.read_text(encoding="utf-8") == "newer\n"
