"""The commands: what they print, what they refuse, and how they stop."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from archspec.cli.evaluate import as_text
from archspec.train.evaluation import Evaluation
from archspec.train.interrupt import listening

CHECKOUT = str(Path(__file__).resolve().parents[2])
Program = Any  # the fixture's type stands in conftest, which is not importable


def test_from_pictures_to_predictions(program: Program, tiny_file: Path, flowers: Path) -> None:
    options = ("--epochs", 8, "--batch-size", 8, "--lr", 0.01, "--no-augment")
    done = program("train", tiny_file, "--data", flowers, *options)
    lines = done.stdout.splitlines()
    assert [line.split()[1] for line in lines[:8]] == [f"{i}/8" for i in range(1, 9)]
    assert "runs/tiny-1" in lines[-1]

    found = json.loads(program("eval", "runs/tiny-1", "--format", "json").stdout)
    assert list(found) == ["accuracy", "loss", "num_images", "per_class", "confusion"]
    assert found["num_images"] == sum(map(sum, found["confusion"])) == 4
    assert found["per_class"]["tulip"]["num_images"] == sum(found["confusion"][1]) == 2

    everything = ("--data", flowers, "--split", "all", "--format", "json")
    assert json.loads(program("eval", "runs/tiny-1", *everything).stdout)["num_images"] == 40
    text = program("eval", "runs/tiny-1", "--data", flowers).stdout
    assert "the pictures held out of" in text
    assert f"{found['accuracy']:.1%}" in text

    pictures = [flowers / "tulip/03.png", flowers / "sunflower/03.png"]
    done = program("predict", "runs/tiny-1", *pictures, "--format", "json")
    predicted = json.loads(done.stdout)
    assert [entry["file"] for entry in predicted] == [str(path) for path in pictures]
    best = [entry["predictions"][0] for entry in predicted]
    assert [entry["class"] for entry in best] == ["tulip", "sunflower"]
    for entry in predicted:
        assert abs(sum(p["probability"] for p in entry["predictions"]) - 1) < 1e-5
    text = program("predict", "runs/tiny-1", *pictures, "--top", 1).stdout
    assert text.count("%") == 2

    other = program("train", tiny_file, "--data", flowers, "--epochs", 1, "--quiet")
    assert other.stdout == other.stderr == ""
    assert (flowers.parent / "runs" / "tiny-2" / "summary.json").is_file()


def test_other_pictures_are_all_looked_at(
    program: Program, tiny_file: Path, flowers: Path, tmp_path: Path
) -> None:
    program("train", tiny_file, "--data", flowers, "--epochs", 1, "--out", "run")
    flowers.rename(tmp_path / "moved")
    options = ("--data", tmp_path / "moved", "--format", "json")
    assert json.loads(program("eval", "run", *options).stdout)["num_images"] == 40
    held_out = program("eval", "run", *options, "--split", "val")
    assert json.loads(held_out.stdout)["num_images"] == 4
    assert "No such file" in program("eval", "run", expect=2).stderr


def test_ctrl_c_saves_and_the_run_goes_on(
    program: Program, tiny_file: Path, flowers: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "archspec", "train", str(tiny_file), "--data", str(flowers)]
    process = subprocess.Popen(
        [*command, "--epochs", "100000", "--out", "my run"],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": CHECKOUT},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        for _ in range(3):
            assert process.stdout.readline().startswith("epoch")
        time.sleep(0.05)  # somewhere within an epoch
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert stderr.splitlines()[-1] == "go on with: archspec train --resume --out 'my run'"
    lines = (tmp_path / "my run" / "metrics.jsonl").read_text().splitlines()
    config = json.loads((tmp_path / "my run" / "config.json").read_text())
    config["recipe"]["epochs"] = len(lines) + 2
    (tmp_path / "my run" / "config.json").write_text(json.dumps(config))
    done = program("train", "--resume", "--out", "my run")
    # The number is aligned: in a run of ten epochs the ninth has a blank before it.
    assert done.stdout.split()[1].startswith(f"{len(lines) + 1}/")
    again = (tmp_path / "my run" / "metrics.jsonl").read_text().splitlines()
    assert again[: len(lines)] == lines
    assert len(again) == len(lines) + 2


def test_an_ignored_ctrl_c_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with listening() as interrupt:
            signal.raise_signal(signal.SIGINT)
        assert not interrupt.requested
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_names_that_are_not_utf8(program: Program, tiny_file: Path, flowers: Path) -> None:
    try:
        for name in ("sunflower", "tulip"):
            (flowers / name / "00.png").rename(flowers / name / os.fsdecode(b"\xff00.png"))
            (flowers / name).rename(flowers / os.fsdecode(name.encode() + b"\xfe"))
    except OSError:
        pytest.skip("the file system takes UTF-8 only")
    program("train", tiny_file, "--data", flowers, "--epochs", 1, "--out", "run")
    assert "epoch 2/2" in program("train", "--resume", "--out", "run", "--epochs", 2).stdout
    found = json.loads(program("eval", "run", "--format", "json").stdout)
    assert list(found["per_class"]) == ["sunflower\udcfe", "tulip\udcfe"]
    picture = flowers / os.fsdecode(b"tulip\xfe") / os.fsdecode(b"\xff00.png")
    assert "tulip\\udcfe" in program("predict", "run", picture).stdout
    assert json.loads(program("predict", "run", picture, "--format", "json").stdout)
    assert "tulip\\udcfe" in program("eval", "run").stdout


def test_a_run_that_never_saved_says_that_it_begins_again(
    program: Program, tiny_file: Path, flowers: Path, tmp_path: Path
) -> None:
    program("train", tiny_file, "--data", flowers, "--epochs", 1, "--out", "run")
    (tmp_path / "run" / "last.pt").unlink()
    done = program("train", "--resume", "--out", "run")
    assert "run has no last.pt yet: the run begins again" in done.stderr
    assert done.stdout.startswith("epoch 1/1")


def test_what_diverges_or_cannot_be_trained_exits_with_1(
    program: Program, tiny_file: Path, flowers: Path, tmp_path: Path
) -> None:
    command = ("train", tiny_file, "--data", flowers, "--epochs", 2, "--batch-size", 64)
    done = program(*command, "--lr", 1e30, "--out", "run", expect=1)
    assert "a lower --lr may mend it" in done.stderr
    assert not (tmp_path / "run" / "best.pt").exists()
    one = tiny_file.read_text().replace(
        "nn.BatchNorm2d(width)", "nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(width)"
    )
    tiny_file.write_text(one)
    options = ("--batch-size", 1, "--out", "small")
    done = program("train", tiny_file, "--data", flowers, *options, expect=1)
    assert "cannot be trained on batches of 1" in done.stderr
    assert not (tmp_path / "small").exists()


def test_class_names_are_whole_where_there_is_room() -> None:
    result = Evaluation(0.5, [[3, 0], [1, 2]])
    head = as_text(result, ("dandelion", "sunflower"), 80).splitlines()[0]
    assert head.endswith("dandelion sunflower")
    head = as_text(result, ("dandelion", "sunflower"), 52).splitlines()[0]
    assert head.endswith("dande sunfl")


def test_broken_pictures_are_named(program: Program, tiny_file: Path, flowers: Path) -> None:
    (flowers / "tulip/00.png").write_text("broken")
    command = ("train", tiny_file, "--data", flowers, "--epochs", 1)
    done = program(*command)
    assert "left out 1 broken pictures" in done.stderr
    assert "tulip/00.png: not a picture that can be read" in done.stderr
    refused = program(*command, "--strict", expect=2)
    assert "tulip/00.png" in refused.stderr


def test_what_resume_may_not_change(program: Program, tiny_file: Path, flowers: Path) -> None:
    program("train", tiny_file, "--data", flowers, "--epochs", 2, "--out", "run")
    resume = ("train", "--resume", "--out", "run")
    assert "begun with --lr 0.0002" in program(*resume, "--lr", 0.1, expect=2).stderr
    assert "begun for 2 epochs" in program(*resume, "--epochs", 1, expect=2).stderr
    other = tiny_file.with_name("other.py")
    other.write_text(tiny_file.read_text() + "\n# changed\n")
    assert "is not the network" in program("train", other, *resume[1:], expect=2).stderr
    assert "epoch 3/3" in program(*resume, "--epochs", 3, "--lr", 0.0002).stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train",), "name a SPEC or a generated module"),
        (("train", "tiny.py"), "--data DIR, or --data demo"),
        (("train", "tiny.py", "--data", "missing"), "cannot read missing: No such file"),
        (("train", "tiny.py", "--data", "one"), "one class"),
        (("train", "tiny.py", "--data", "empty"), "no pictures in the class folder"),
        (("train", "tiny.py", "--data", "flowers", "--epochs", "0"), "at least 1"),
        (("train", "tiny.py", "--data", "flowers", "--epochs", "-3"), "at least 1"),
        (("train", "tiny.py", "--data", "flowers", "--optimizer", "lion"), "adam, adamw, sgd"),
        (("train", "tiny.py", "--data", "flowers", "--device", "tpu"), "no device 'tpu'"),
        (("train", "tiny.py", "--data", "flowers", "--set", "width"), "takes VAR=VALUE"),
        (("train", "tiny.py", "--data", "flowers", "--set", "depth=3"), "takes no 'depth'"),
        (("train", "tiny.py", "--data", "flowers", "--set", "num_classes=3"), "the data has 2"),
        (("train", "tiny.py", "--data", "flowers", "--out", "tiny.py"), "is a file"),
        (("train", "tiny.py", "--data", "flowers", "--resume"), "--resume needs"),
        (("train", "--resume", "--overwrite", "--out", "x"), "not both"),
        (("train", "--resume", "--out", "x", "--set", "width=3"), "without --set"),
        (("train", "--resume", "--out", "x", "--strict"), "without --strict"),
        (("train", "--resume", "--out", "missing"), "missing is not a run"),
        (("train", "missing.py", "--data", "flowers"), "cannot read missing.py"),
        (("eval", "flowers"), "flowers is not a run"),
        (("predict", "flowers", "tiny.py"), "flowers is not a run"),
    ],
)
def test_what_cannot_be_done_is_told_before_anything_is_written(
    program: Program,
    tiny_file: Path,
    flowers: Path,
    tmp_path: Path,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    copytree(flowers / "tulip", tmp_path / "one" / "tulip")
    (tmp_path / "empty" / "a").mkdir(parents=True)
    before = tiny_file.read_text()
    done = program(*arguments, expect=2)
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert done.stdout == ""
    assert tiny_file.read_text() == before
    assert not (tmp_path / "runs").exists()


def test_a_missing_or_broken_picture_is_named(
    program: Program, tiny_file: Path, flowers: Path
) -> None:
    program("train", tiny_file, "--data", flowers, "--epochs", 1, "--out", "run")
    assert "none.png: No such file" in program("predict", "run", "none.png", expect=2).stderr
    assert "not a picture" in program("predict", "run", tiny_file, expect=2).stderr
