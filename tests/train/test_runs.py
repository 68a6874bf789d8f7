"""The table of runs: made of files alone, whatever state they are in."""

import csv
import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from archspec.train.errors import TrainError
from archspec.train.run_files import read_classes, write_classes, write_failure
from archspec.train.seeing.runs_table import differing, flattened, in_order, read_runs

Program = Any  # the fixture's type stands in conftest, which is not importable
RECIPE = {"epochs": 3, "optimizer": {"name": "adam", "lr": 0.1}, "augment": {"mirror": 0.5}}


def make_run(
    folder: Path,
    accuracies: list[float],
    recipe: dict[str, Any] | None = None,
    *,
    summary: bool = True,
) -> Path:
    folder.mkdir(parents=True)
    config = {"name": "tiny", "data": "/my/flowers", "recipe": recipe or RECIPE}
    (folder / "config.json").write_text(json.dumps(config))
    epochs = [
        {
            "epoch": number,
            "val_accuracy": accuracy,
            "val_loss": 2.0 / number,
            "images_per_second": 100.0 * number,
            "seconds": 1.0,
        }
        for number, accuracy in enumerate(accuracies, start=1)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(epoch) + "\n" for epoch in epochs))
    if summary:
        (folder / "summary.json").write_text(json.dumps({"device": "cpu"}))
    return folder


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """Six runs: two finished, and one each stopped early, unfinished, failed and broken."""
    parent = tmp_path / "runs"
    sgd = RECIPE | {"optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9}}
    make_run(parent / "a", [0.2, 0.8, 0.7])
    make_run(parent / "deep" / "er" / "b", [0.5, 0.6, 0.9], sgd)
    make_run(parent / "c", [0.3, 0.4])
    make_run(parent / "d", [], summary=False)
    failed = make_run(parent / "e", [0.1], summary=False)
    write_failure(failed, "the loss is nan")
    (parent / "f").mkdir()
    (parent / "f" / "config.json").write_text('{"recipe": 3}')
    (parent / ".hidden").mkdir()
    (parent / ".hidden" / "config.json").write_text("{}")
    return parent


def test_every_run_is_read_in_the_state_it_is_in(parent: Path) -> None:
    rows = {row.name: row for row in read_runs(parent)}
    assert {name: row.state for name, row in rows.items()} == {
        "a": "finished",
        "deep/er/b": "finished",
        "c": "stopped early",
        "d": "unfinished",
        "e": "failed",
        "f": "broken",
    }
    a = rows["a"]
    assert (a.epochs, a.planned, a.accuracy, a.best_epoch) == (3, 3, 0.8, 2)
    assert (a.loss, a.images_per_second, a.device) == (2 / 3, 200.0, "cpu")
    assert rows["d"].accuracy is rows["d"].loss is rows["d"].images_per_second is None
    assert rows["e"].problem == "the loss is nan"
    assert "config.json" in rows["f"].problem


def test_only_what_differs_of_recipes_is_a_column(parent: Path) -> None:
    rows = read_runs(parent)
    assert differing(rows) == ["optimizer", "optimizer.lr", "optimizer.momentum"]
    assert differing([row for row in rows if row.name in "ac"]) == []
    nested = {"crop": {"name": "scaled", "short_side": [256, 480]}, "ema": None}
    assert dict(flattened(nested)) == {
        "crop": "scaled",
        "crop.short_side": "256 480",
        "ema": None,
    }


def test_what_it_is_sorted_by(parent: Path) -> None:
    rows = read_runs(parent)

    def order(by: str) -> str:
        return "".join(row.name[-1] for row in in_order(rows, by))

    assert order("accuracy") == "bacedf"
    assert order("loss") == "abcedf"
    assert order("name") == "acdbef"
    os.utime(parent / "c" / "config.json", (4e9, 4e9))
    rows = read_runs(parent)
    assert order("when")[0] == "c"


def test_a_line_that_is_being_written_is_left_out(parent: Path) -> None:
    with (parent / "a" / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 4, "val_acc')
    row = next(row for row in read_runs(parent) if row.name == "a")
    assert (row.epochs, row.state) == (3, "finished")


def test_of_two_equally_accurate_epochs_the_one_of_lower_loss_is_best(tmp_path: Path) -> None:
    make_run(tmp_path / "a", [0.8, 0.8, 0.7])
    assert read_runs(tmp_path)[0].best_epoch == 2


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("config.json", "{"),
        ("config.json", "[]"),
        ("config.json", "{}"),
        ("config.json", '{"name": 1, "data": 1, "recipe": {"epochs": "x"}}'),
        ("metrics.jsonl", "nonsense\n"),
        ("metrics.jsonl", "3\n"),
        ("metrics.jsonl", '{"epoch": 1}\n'),
        ("metrics.jsonl", '{"epoch": 1, "val_accuracy": "x", "val_loss": []}\n'),
        ("summary.json", ""),
        ("config.json", "[" * 100_000),
    ],
)
def test_whatever_a_file_holds_it_is_told(parent: Path, file: str, text: str) -> None:
    (parent / "a" / file).write_text(text)
    row = next(row for row in read_runs(parent) if row.name == "a")
    assert row.state == "broken"
    assert row.problem


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_the_table_fits_the_terminal(
    parent: Path, program: Program, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    make_run(parent / ("a very long name " * 8).strip(), [0.99])
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = program("runs", parent).stdout.splitlines()
    assert max(map(len, lines)) <= columns
    assert lines[0].split()[:3] == ["run", "accuracy", "state"]
    assert lines[1].startswith("a very")
    assert "99.0%" in lines[1]
    assert ("optimizer.lr" in lines[0]) == (columns > 80)


def test_text_json_and_csv_tell_the_same(
    parent: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)  # which a runner of tests may have set
    text = program("runs", parent).stdout
    assert text.splitlines()[1].startswith("deep/er/b")
    assert "optimizer.momentum" in text.splitlines()[0]
    assert "e failed: the loss is nan" in text
    found = json.loads(program("runs", parent, "--format", "json").stdout)
    assert found[0]["run"] == "deep/er/b"
    assert found[0]["recipe"]["optimizer"] == "sgd"
    rows = list(csv.DictReader(StringIO(program("runs", parent, "--format", "csv").stdout)))
    assert [row["run"] for row in rows] == [record["run"] for record in found]
    assert rows[0]["optimizer.lr"] == "0.01"
    assert "No such file" in program("runs", "nowhere", expect=2).stderr


def test_torch_is_not_loaded_for_it(parent: Path) -> None:
    code = (
        "import sys\nfrom archspec.cli import main\n"
        "try:\n    main(['runs', sys.argv[1]])\n"
        "finally:\n    assert not {'torch', 'numpy', 'PIL'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(parent)], check=True, capture_output=True)


def test_the_class_index_file(tmp_path: Path) -> None:
    classes = tuple(f"class {number}" for number in range(12))
    write_classes(tmp_path, classes)
    path = tmp_path / "classes.json"
    assert json.loads(path.read_text())["11"] == "class 11"
    assert read_classes(path) == classes
    for text in ('{"0": "a", "2": "b"}', '{"0": 1}', "[]", '{"00": "a"}'):
        path.write_text(text)
        with pytest.raises(TrainError, match=r"classes\.json"):
            read_classes(path)
