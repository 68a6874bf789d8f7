"""What `archspec prove` prints, and with which code it ends."""

import json
from io import StringIO
from pathlib import Path

import pytest

from archspec.proof.certificate import Certificate, Difference, Proof
from archspec.report.certificate import MOST_SHOWN, write_certificate
from archspec.report.page import Page
from tests.conftest import RunCli
from tests.proof.networks import TINY, TINY_MODULE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tiny.yaml").write_text(TINY, encoding="utf-8")
    (tmp_path / "tiny.py").write_text(TINY_MODULE, encoding="utf-8")
    wrong = TINY_MODULE.replace("padding=2, dilation=2", "padding=1")
    (tmp_path / "wrong.py").write_text(wrong, encoding="utf-8")
    return tmp_path


def test_a_certificate_for_a_person(run_cli: RunCli, folder: Path) -> None:
    done = run_cli("prove", "tiny.yaml", "--module", "tiny.py", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "Tiny  tiny.yaml"
    assert lines[2].startswith("tiny.py, on 3×48×40, torch ")
    assert "✓ MACs             357 160, half of FlopCounterMode's 714 320" in lines
    assert "– reference        the spec names none" in lines
    assert lines[-1] == "✓ 15 claims proven, 4 not applicable"
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in done.stdout


def test_a_failure_ends_with_1_and_shows_the_place(run_cli: RunCli, folder: Path) -> None:
    done = run_cli("prove", "tiny.yaml", "--module", "wrong.py", "--quick", cwd=folder)
    assert (done.returncode, done.stderr) == (1, "")
    assert "✗ receptive field  4 of 5 nodes with a finite field compared, 1 have another" in (
        done.stdout
    )
    assert "conv2: expected unit u sees rows 4·u − 12 to 4·u + 12," in done.stdout
    assert "✗ constants        not all of " in done.stdout
    assert "conv2: expected dilation=(2, 2), got (1, 1)" in done.stdout
    assert "✗ training step    not all of 1 output, 8 gradients, 3 buffers are as" in done.stdout
    assert done.stdout.endswith("\n✗ 3 failed, 11 claims proven, 5 not applicable\n")


def test_a_certificate_as_json(run_cli: RunCli, folder: Path) -> None:
    only = ("--only", "receptive_field", "--only", "macs")
    done = run_cli(
        "prove", "tiny.yaml", "--module", "wrong.py", "--format", "json", *only, cwd=folder
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.isascii()
    found = json.loads(done.stdout)
    claims = found.pop("claims")
    version = found.pop("torch")
    assert version
    assert found == {
        "schema": "archspec.prove/1",
        "name": "Tiny",
        "file": "tiny.yaml",
        "variant": None,
        "module": "wrong.py",
        "ok": False,
        "input": [3, 48, 40],
    }
    assert [(claim["claim"], claim["verdict"]) for claim in claims] == [
        ("macs", "proven"),
        ("receptive_field", "failed"),
    ]
    assert claims[1]["differences"][0] == {
        "where": "conv2",
        "expected": "unit u sees rows 4·u − 12 to 4·u + 12",
        "got": "unit u sees rows 4·u − 8 to 4·u + 8",
    }


def test_several_are_proven_one_after_the_other(run_cli: RunCli, folder: Path) -> None:
    specs = ("tiny.yaml", "nowhere", "lenet5")
    done = run_cli("prove", *specs, "--only", "macs", "--format", "json", cwd=folder)
    assert done.returncode == 2
    assert [found["name"] for found in json.loads(done.stdout)] == ["Tiny", "LeNet5"]
    lines = done.stderr.splitlines()
    assert lines[0] == "[1/3] tiny.yaml"
    assert lines[1] == "[2/3] nowhere"
    assert lines[2].startswith("error: there is no spec `nowhere`")
    assert lines[3:] == ["[3/3] lenet5"]


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("lenet5", "--quick", "--full"), 2, "not both"),
        (("nowhere",), 2, "there is no spec `nowhere`"),
        (("lenet5", "alexnet", "--module", "tiny.py"), 2, "name its SPEC, and no other"),
        (("tiny.yaml", "--module", "gone.py"), 2, "cannot read gone.py: No such file"),
        (("tiny.yaml", "--only", "speed"), 2, "no claim 'speed'"),
        (("lenet5", "--size", "64"), 2, "LeNet5 takes no pictures of 64×64"),
        (("broken.yaml",), 1, "error[AS204] unknown-op: there is no op `rule`"),
    ],
)
def test_what_cannot_be_proven_is_told_in_a_line(
    args: tuple[str, ...], code: int, message: str, run_cli: RunCli, folder: Path
) -> None:
    broken = TINY.replace("op: relu", "op: rule")
    (folder / "broken.yaml").write_text(broken, encoding="utf-8")
    done = run_cli("prove", *args, cwd=folder)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_faulty_spec_fails_before_torch_is_imported(run_cli: RunCli, folder: Path) -> None:
    """What `check` says of it is told. The `torch` of this folder cannot be imported."""
    (folder / "torch.py").write_text("raise SystemExit('torch was imported')\n", encoding="utf-8")
    (folder / "broken.yaml").write_text(TINY.replace("params: 1253", "params: 1254"), "utf-8")
    for wishes in ((), ("--format", "json"), ("--module", "tiny.py")):
        done = run_cli("prove", "broken.yaml", *wishes, cwd=folder)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("Tiny (broken.yaml): nothing is proven\n")
        assert "error[AS401] claim-fails: params is claimed to be 1 254" in done.stderr
        assert done.stderr.endswith("✗ 1 error\n")
    done = run_cli("prove", "tiny.yaml", cwd=folder)
    assert "torch was imported" in done.stderr


def test_what_is_faulty_does_not_hide_the_others(run_cli: RunCli, folder: Path) -> None:
    (folder / "broken.yaml").write_text(TINY.replace("op: relu", "op: rule"), encoding="utf-8")
    specs = ("broken.yaml", "tiny.yaml")
    done = run_cli("prove", *specs, "--only", "macs", "--format", "json", cwd=folder)
    assert done.returncode == 1
    assert [found["name"] for found in json.loads(done.stdout)] == ["Tiny"]
    assert "there is no op `rule`" in done.stderr


def certificate(differences: int, text: str = "this and that") -> Certificate:
    found = tuple(Difference(f"layer{i}", "8×9", "8×10") for i in range(differences))
    proofs = (
        Proof("shapes", "failed", text, found),
        Proof("parameters", "proven", text),
        Proof("compile", "not applicable", text),
    )
    return Certificate("N\x1b[31m", "n.yaml", "small", None, None, (3, 8, 8), "2.9", proofs)


def written(shown: Certificate, *, width: int | None = None, unicode: bool = True) -> list[str]:
    stream = StringIO()
    write_certificate(Page(stream, width=width, unicode=unicode), shown)
    return stream.getvalue().splitlines()


def test_many_differences_are_counted() -> None:
    lines = written(certificate(MOST_SHOWN + 3))
    assert lines[0] == "N␛[31m  n.yaml:small"
    assert lines[3] == "✗ shapes           this and that"
    assert lines[4] == " " * 19 + "layer0: expected 8×9, got 8×10"
    assert lines[3 + MOST_SHOWN + 1] == " " * 19 + "and 3 more"
    assert lines[-1] == "✗ 1 failed, 1 claim proven, 1 not applicable"


@pytest.mark.parametrize("width", [20, 30, 50, 80])
def test_narrow_pages_wrap(width: int) -> None:
    lines = written(certificate(2, "word " * 30), width=width)
    assert max(map(len, lines)) <= width


def test_a_stream_without_unicode_gets_ascii() -> None:
    lines = written(certificate(1), unicode=False)
    assert all(line.isascii() for line in lines)
    assert lines[3] == "x  shapes           this and that"
