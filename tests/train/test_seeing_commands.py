"""`archspec eval`, `predict` and `show`: their files, their streams, and what they refuse."""

import csv
import json
import os
from io import StringIO
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import torch
from PIL import Image

from archspec.train.data.dataset import load_dataset
from archspec.train.data.decode import BrokenPicture, read_picture
from archspec.train.seeing.looking import look
from archspec.train.seeing.naming import Named, name_pictures, picture_files
from archspec.train.trained import evaluate_run, load_run, predict

Program = Any  # the fixture's type stands in conftest, which is not importable
CPU = torch.device("cpu")
SHORT_SIDE = 37  # at which pictures are kept for an input of 32

SPEC = """
archspec: 1
name: Tiny
input: [3, 32, 32]
vars: {num_classes: 2}
layers:
  - {name: conv, op: conv2d, out_channels: 6, kernel_size: 3, padding: 1, activation: relu}
  - {name: pool, op: max_pool, kernel_size: 2, stride: 2}
  - {op: flatten}
  - {name: fc, op: linear, out_features: num_classes}
"""


@pytest.fixture
def run(program: Program, tiny_file: Path, flowers: Path, tmp_path: Path) -> Path:
    program("train", tiny_file, "--data", flowers, "--epochs", 1, "--out", "run", "--quiet")
    return tmp_path / "run"


@pytest.fixture
def gallery(flowers: Path, tmp_path: Path) -> Path:
    """Pictures in folders in folders: 41 of them, one broken, and what is none."""
    gallery = tmp_path / "gallery"
    copytree(flowers, gallery / "below")
    (gallery / "a.PNG").write_bytes((flowers / "tulip" / "00.png").read_bytes())
    (gallery / "below" / "tulip" / "05.png").write_text("broken")
    (gallery / "notes.txt").write_text("no picture")
    (gallery / ".hidden.png").write_text("nor this")
    return gallery


def test_eval_writes_what_it_prints_and_pictures_of_it(
    program: Program, run: Path, flowers: Path
) -> None:
    done = program("eval", "run", "--split", "all")
    assert "run/eval: confusion.png, mistakes.png, eval.json" in done.stdout.replace(os.sep, "/")
    written = json.loads((run / "eval" / "eval.json").read_text())
    printed = json.loads(program("eval", "run", "--split", "all", "--format", "json").stdout)
    assert {key: written[key] for key in printed} == printed
    wrong = printed["num_images"] - sum(printed["confusion"][i][i] for i in (0, 1))
    assert len(written["mistakes"]) == min(wrong, 24) > 0
    chances = [mistake["probability"] for mistake in written["mistakes"]]
    assert chances == sorted(chances, reverse=True)
    trained = load_run(run, CPU)
    for mistake in written["mistakes"][:3]:
        assert mistake["file"].startswith(mistake["true"] + "/")
        picture = read_picture(flowers / mistake["file"], SHORT_SIDE, 3)
        chance = max(predict(trained, [picture], CPU)[0])
        assert abs(chance - mistake["probability"]) < 1e-5
    assert f"of {mistake['true']} taken for {mistake['predicted']}" in done.stdout
    for name in ("confusion.png", "mistakes.png"):
        with Image.open(run / "eval" / name) as picture_file:
            picture_file.load()
    program("eval", "run", "--out", "else/where", "--mistakes", 0)
    there = run.parent / "else" / "where" / "eval.json"
    assert json.loads(there.read_text())["mistakes"] == []
    (run.parent / "file").write_text("in the way")
    done = program("eval", "run", "--out", "file", expect=1)
    assert "cannot write file" in done.stderr
    assert "accuracy" in done.stdout


def test_predict_walks_folders_and_passes_broken_pictures_over(
    program: Program, run: Path, gallery: Path
) -> None:
    done = program("predict", "run", gallery, "--format", "json", "--top", 1, expect=1)
    found = {entry["file"]: entry["predictions"][0] for entry in json.loads(done.stdout)}
    assert len(found) == 40
    assert list(found) == sorted(found)
    broken = gallery / "below" / "tulip" / "05.png"
    assert done.stderr == f"{broken}: not a picture that can be read\n"
    rows = list(
        csv.reader(StringIO(program("predict", "run", gallery, "--format", "csv", expect=1).stdout))
    )
    assert rows[0] == ["file", "class", "probability"]
    assert {row[0]: row[1] for row in rows[1:]} == {f: best["class"] for f, best in found.items()}
    text = program("predict", "run", gallery, expect=1).stdout.splitlines()
    assert len(text) == 40
    assert text[0].split()[1] == found[str(gallery / "a.PNG")]["class"]
    alone = program("predict", "run", gallery / "a.PNG").stdout
    assert alone.count("%") == 2
    both = program("predict", "run", gallery / "a.PNG", "--format", "csv", "--top", 9).stdout
    assert both.splitlines()[0] == "file,class,probability,class_2,probability_2"
    del run


def test_what_predict_cannot_find(program: Program, run: Path, gallery: Path) -> None:
    (gallery / "empty").mkdir()
    assert "No such file" in program("predict", "run", "missing.png", expect=2).stderr
    done = program("predict", "run", gallery / "empty", expect=2)
    assert "no pictures in this folder" in done.stderr
    assert done.stdout == ""
    del run


def test_folders_are_walked_in_order(tmp_path: Path) -> None:
    for name in "jcafhbgedi":
        (tmp_path / "all" / name).mkdir(parents=True)
        (tmp_path / "all" / name / f"{name}.jpg").touch()
    files, unreadable = picture_files([tmp_path / "all"])
    assert "".join(file.stem for file in files) == "abcdefghij"
    assert not unreadable


@pytest.mark.parametrize("only_held_out", [True, False])
def test_pictures_looked_at_one_by_one_come_to_the_evaluation(
    run: Path, flowers: Path, *, only_held_out: bool
) -> None:
    trained, dataset = (
        load_run(run, CPU),
        load_dataset(str(flowers), (3, 32, 32), cache_folder=None),
    )
    looked = look(trained, dataset, CPU, only_held_out=only_held_out)
    result = evaluate_run(trained, dataset, CPU, only_held_out=only_held_out)
    assert looked.evaluation.confusion == result.confusion
    assert abs(looked.evaluation.loss - result.loss) < 1e-6
    names = {dataset.names[place] for place in looked.places.tolist()}
    assert names == (trained.held_out if only_held_out else set(dataset.names))
    picture = dataset.pictures[int(looked.places[3])]
    wanted = predict(trained, [picture], CPU)[0]
    assert looked.probabilities[3].tolist() == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("columns", [40, 60])
def test_the_table_of_predictions_fits_the_terminal(
    program: Program, run: Path, gallery: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert len(os.fspath(gallery / "below" / "sunflower" / "00.png")) > 40
    for arguments in ((gallery,), (gallery, "--top", 2), (gallery / "a.PNG",)):
        expect = int(arguments[0] == gallery)
        lines = program("predict", "run", *arguments, expect=expect).stdout.splitlines()
        table = [line for line in lines if "%" in line]
        assert max(map(len, table)) <= columns
    del run


def test_batches_give_what_single_pictures_give(run: Path, gallery: Path) -> None:
    trained = load_run(run, CPU)
    files, _ = picture_files([gallery])
    for file, named in zip(files, name_pictures(trained, files, CPU, 2), strict=True):
        if isinstance(named, BrokenPicture):
            assert file.name == "05.png"
            continue
        assert isinstance(named, Named)
        row = predict(trained, [read_picture(file, SHORT_SIDE, 3)], CPU)[0]
        assert named.file == str(file)
        assert sorted(row, reverse=True) == pytest.approx([p for _, p in named.ranked], abs=1e-5)


def test_only_a_few_pictures_are_in_memory(
    run: Path, gallery: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = []

    def count(root: Path, names: list[str], short_side: int, channels: int) -> Any:
        for name in names:
            decoded.append(name)
            yield read_picture(root / name, short_side, channels)

    monkeypatch.setattr("archspec.train.seeing.naming.decode_all", count)
    files = [gallery / "a.PNG"] * 1000
    assert isinstance(next(name_pictures(load_run(run, CPU), files, CPU, 1)), Named)
    assert len(decoded) <= 64


def test_show_draws_all_there_is_of_a_layer(program: Program, run: Path, gallery: Path) -> None:
    done = program("show", "run", gallery / "a.PNG")
    assert ["features.3", "Conv2d", "32×8×8", "–", "–"] in map(str.split, done.stdout.splitlines())
    assert "no spec tells what units see" in done.stdout
    assert (run / "show" / "a-features.3-gradcam.png").is_file()
    done = program("show", "run", gallery / "a.PNG", "--layer", "features.0", "--unit", "0,15")
    names = {path.name for path in (run / "show").glob("a-features.0-*")}
    whats = ("features", "filters", "gradcam", "field")
    assert names == {f"a-features.0-{what}.png" for what in whats}
    assert "sees 2 x 3 pixels (measured): rows 0 to 1, columns 29 to 31" in done.stdout
    options = ("--layer", "classifier.1", "--out", "v.png")
    assert "a vector of 2" in program("show", "run", gallery / "a.PNG", *options).stdout
    assert (run.parent / "v.png").is_file()
    tulip = ("--class", "tulip", "--what", "gradcam")
    assert ": tulip: " in program("show", "run", gallery / "a.PNG", *tulip).stdout


def test_show_computes_fields_from_the_runs_spec(
    program: Program, flowers: Path, tmp_path: Path
) -> None:
    (tmp_path / "tiny.yaml").write_text(SPEC)
    program("train", "tiny.yaml", "--data", flowers, "--epochs", 1, "--out", "run", "--quiet")
    picture = flowers / "tulip" / "00.png"
    lines = program("show", "run", picture).stdout.splitlines()
    assert [line.split() for line in lines[:2]] == [
        ["layer", "kind", "output", "sees", "stride"],
        ["conv", "Conv2d", "6×32×32", "3", "1"],
    ]
    assert any(line.split()[3:] == ["everything", "–"] for line in lines[:8])
    unit = ("--layer", "pool", "--what", "field", "--unit", "0,0")
    done = program("show", "run", picture, *unit)
    assert "sees 4 x 4 pixels: rows -1 to 2, columns -1 to 2" in done.stdout
    assert "44% of it outside of the picture: 1 above, 1 left" in done.stdout
    options = ("--layer", "flatten")
    assert (
        "flatten is a step of forward" in program("show", "run", picture, *options, expect=2).stderr
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--layer", "feature.3"), "did you mean features.3"),
        (("--layer", "relu"), "did you mean features.2 or features.4?"),
        (("--layer", "classifier.1", "--what", "gradcam"), "classifier.1 gives a vector"),
        (("--layer", "classifier.1", "--what", "field"), "sees all of the picture"),
        (("--layer", "features.2", "--what", "filters"), "features.2 is a ReLU"),
        (("--class", "tulp"), "did you mean 'tulip'?"),
        (("--unit", "3"), "--unit takes Y,X"),
        (("--what", "field", "--unit", "8,0"), "features.3 has units 0,0 to 7,7, and no 8,0"),
    ],
)
def test_what_show_refuses(
    program: Program, run: Path, gallery: Path, options: tuple[str, ...], message: str
) -> None:
    done = program("show", "run", gallery / "a.PNG", *options, expect=2)
    assert message in done.stderr
    assert not (run / "show").exists()
