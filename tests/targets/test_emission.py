"""Targets of several files, some of which are no text, through the whole command line."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest

from archspec.cli import main
from archspec.targets import TARGETS, Emission, Order
from archspec.targets.files import write_whole
from archspec.targets.torch import write
from tests.targets.test_gen import BROKEN, SMALL, names_in
from tests.targets.test_length import in_its_plain_form


class FakeTarget:
    """Writes a text and a binary file for each spec, the second in a folder."""

    name = "fake"
    shared = False

    def emit(self, networks: Sequence[Any], order: Order) -> Emission:
        (_, network, _), *_ = networks
        binary = "shared.bin" if self.shared else f"data/{order.stem}.bin"
        text = "".join(f"{node.path} {node.op_name}\n" for node in network.nodes)
        return Emission(
            {f"{order.stem}.txt": text.encode(), binary: bytes(range(len(network.nodes), 256))},
            (f"{len(network.nodes)}\nsteps",),
        )


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeTarget:
    target = FakeTarget()
    monkeypatch.setitem(TARGETS, "fake", target)
    return target


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "small.yaml").write_text(SMALL, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str], str]:
    """Exit code, lines on stdout, stderr of `archspec gen`, in this process."""
    with pytest.raises(SystemExit) as ended:
        main(["gen", "--target", "fake", *arguments])
    done = capfd.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, done.out.splitlines(), done.err


@pytest.mark.usefixtures("fake")
def test_all_files_of_a_spec_are_written(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, lines, notes = run(capfd, "small.yaml", "--out", "a")
    assert (code, notes) == (0, "small.yaml: 3 steps\n")
    assert lines == ["a/small.txt  written", "a/data/small.bin  written", "2 written"]
    assert (here / "a" / "small.txt").read_bytes() == b"conv conv2d\n1 flatten\nfc linear\n"
    assert (here / "a" / "data" / "small.bin").read_bytes() == bytes(range(3, 256))
    assert names_in(here / "a") == ["data", "small.txt"]
    assert names_in(here / "a" / "data") == ["small.bin"]

    (here / "a" / "small.txt").write_bytes(b"old")
    _, lines, _ = run(capfd, "small.yaml", "--out", "a")
    assert lines == [
        "a/small.txt  written",
        "a/data/small.bin  unchanged",
        "1 written, 1 unchanged",
    ]


@pytest.mark.usefixtures("fake")
def test_all_files_of_a_spec_are_compared(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, lines, _ = run(capfd, "small.yaml", "--check", "--out", ".")
    assert code == 1
    assert lines[:2] == ["small.txt  missing", "data/small.bin  missing"]
    assert names_in(here) == ["small.yaml"]

    run(capfd, "small.yaml", "--out", ".")
    code, lines, _ = run(capfd, "small.yaml", "--check", "--out", ".")
    assert (code, lines) == (0, ["small.txt  current", "data/small.bin  current", "2 current"])

    (here / "small.txt").write_bytes(b"conv conv2d\n1 flaten\nfc linear\n")
    (here / "data" / "small.bin").write_bytes(b"\0\1")
    code, lines, _ = run(capfd, "small.yaml", "--check", "--out", ".")
    assert code == 1
    assert lines == [
        "small.txt  not current",
        "    --- small.txt (found)",
        "    +++ small.txt (generated)",
        "    @@ -1,3 +1,3 @@",
        "     conv conv2d",
        "    -1 flaten",
        "    +1 flatten",
        "     fc linear",
        "data/small.bin  not current",
        "    differs (2 bytes, 253 bytes)",
        "2 not current",
        "run `archspec gen` to write them anew",
    ]


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize(
    "found",
    [b"conv conv2d\r\n1 flatten\r\nfc linear\r\n", b"conv conv2d\n1 flatten\nfc linear\xff\n"],
    ids=["other ends of lines", "no text"],
)
def test_what_has_no_lines_that_differ_is_told_by_size(
    found: bytes, here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run(capfd, "small.yaml", "--out", ".")
    (here / "small.txt").write_bytes(found)
    code, lines, _ = run(capfd, "small.yaml", "--check", "--out", ".")
    assert code == 1
    assert lines[:2] == ["small.txt  not current", f"    differs ({len(found)} bytes, 32 bytes)"]


def test_two_specs_that_share_one_of_their_files(
    here: Path, fake: FakeTarget, capfd: pytest.CaptureFixture[str]
) -> None:
    fake.shared = True
    (here / "other.yaml").write_text(SMALL, encoding="utf-8")
    code, lines, problem = run(capfd, "small.yaml", "other.yaml", "--out", ".")
    assert (code, lines) == (2, [])
    assert "small.yaml and other.yaml would both be shared.bin: rename one" in problem
    assert names_in(here) == ["other.yaml", "small.yaml"]


@pytest.mark.usefixtures("fake", "here")
def test_several_files_are_not_printed_as_one(capfd: pytest.CaptureFixture[str]) -> None:
    code, lines, problem = run(capfd, "small.yaml", "--stdout")
    assert (code, lines) == (2, [])
    assert "--stdout prints one file, and fake writes small.txt, small.bin" in problem


@pytest.mark.usefixtures("fake")
def test_files_of_any_suffix_that_belong_to_no_spec(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (here / "specs").mkdir()
    (here / "specs" / "small.yaml").write_text(SMALL, encoding="utf-8")
    run(capfd, "--out", "out")
    for name in ("old.txt", "old.md", ".old.txt"):
        (here / "out" / name).touch()
    _, _, told = run(capfd, "--check", "--out", "out")
    assert [line for line in told.splitlines() if "warning" in line] == [
        "warning: out/old.txt belongs to no spec"
    ]
    (here / "specs" / "old.yaml").write_text(BROKEN, encoding="utf-8")
    code, _, told = run(capfd, "--check", "--out", "out")
    assert code == 1
    assert "belongs to no spec" not in told


@pytest.mark.parametrize("arguments", [["--stdout"], [], ["--check"]], ids=str)
def test_the_plain_form_is_told_with_its_reason(
    arguments: list[str],
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(write, "_from_rows", in_its_plain_form)
    _, lines, told = run(capfd, "small.yaml", "--target", "torch", *arguments)
    assert told == "small.yaml: written in its plain form: it is a test\n"
    assert ("class Small(nn.Module):" in lines) == (arguments == ["--stdout"])
    assert (here / "generated" / "small.py").exists() == (arguments == [])


# --- all or nothing -------------------------------------------------------------------------------


@pytest.mark.parametrize("failing", [1, 2, 3])
@pytest.mark.parametrize("problem", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()], ids=repr)
def test_several_files_are_all_new_or_all_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int, problem: BaseException
) -> None:
    """Whichever of the renamings fails; the second file was not there."""
    files = [tmp_path / name for name in ("a.py", "b.bin", "c.txt")]
    files[0].write_bytes(b"old a")
    files[2].write_bytes(b"old c")
    files[2].chmod(0o640)
    replace, calls = Path.replace, []

    def fail(self: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == failing:
            raise problem
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(type(problem)):
        write_whole(dict.fromkeys(files, b"new"))
    assert len(calls) == failing
    assert names_in(tmp_path) == ["a.py", "c.txt"]
    assert (files[0].read_bytes(), files[2].read_bytes()) == (b"old a", b"old c")
    assert files[2].stat().st_mode & 0o777 == 0o640


def test_an_interrupt_just_behind_a_renaming_takes_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / "a", tmp_path / "b"]
    files[1].write_bytes(b"old")
    replace = Path.replace

    def interrupted(self: Path, target: Path) -> NoReturn:
        replace(self, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_whole(dict.fromkeys(files, b"new"))
    assert names_in(tmp_path) == ["b"]
    assert files[1].read_bytes() == b"old"


def test_nothing_is_renamed_before_all_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def fail(_: int) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_whole({tmp_path / "a": b"new", tmp_path / "b": b"new"})
    assert names_in(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"
