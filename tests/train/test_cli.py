"""The commands: what they print, what they refuse, and how they stop."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import copy, copyfile, copytree
from typing import Any

import pytest
import torch

from archspec.cli.evaluate import as_text
from archspec.train.data.dataset import load_dataset
from archspec.train.display import Silent
from archspec.train.evaluation import Evaluation
from archspec.train.interrupt import listening
from archspec.train.metrics import Reading
from archspec.train.recipe import Sgd
from archspec.train.recipe_file import read_recipe
from archspec.train.source import ModuleSource, build_network, read_module_file
from tests.train.processes import Launcher, differences, end_state
from tests.train.running import begin, resume

Program = Any  # the fixture's type stands in conftest, which is not importable


def test_from_pictures_to_predictions(program: Program, tiny_file: Path, flowers: Path) -> None:
    options = ("--epochs", 15, "--batch-size", 8, "--lr", 0.005, "--no-augment")
    done = program("train", tiny_file, "--data", flowers, *options)
    lines = done.stdout.splitlines()
    epochs = [line.split()[1] for line in lines if line.startswith("epoch ")]
    assert epochs == [f"{i}/15" for i in range(1, 16)]
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


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_finishes_the_step_and_the_run_goes_on(
    launch: Launcher, tiny_file: Path, flowers: Path, tmp_path: Path, number: int, code: int
) -> None:
    command = ("train", tiny_file, "--data", flowers, "--out", "my run", "--epochs", 100000)
    moment: dict[str, Any] = {"since": "my run/best.pt", "after": 0.05}
    done = launch(tmp_path, *command, "--batch-size", 4, signal=number, **moment)
    assert done.codes == [code]
    interrupted, how = done.stderr.splitlines()
    assert how == "go on with: archspec train --resume --out 'my run'"
    lines = (tmp_path / "my run" / "metrics.jsonl").read_text().splitlines()
    assert interrupted == f"interrupted after {len(lines)} whole epochs; saved"
    assert not (tmp_path / "my run" / "summary.json").exists()
    assert not (tmp_path / "my run" / "failure.json").exists()
    # Nothing of what was learnt is lost, and the end is that of a run that nobody has stopped.
    config = json.loads((tmp_path / "my run" / "config.json").read_text())
    config["recipe"]["epochs"] = number_of_epochs = len(lines) + 2
    (tmp_path / "my run" / "config.json").write_text(json.dumps(config))
    done = launch(tmp_path, "train", "--resume", "--out", "my run")
    assert done.succeeded, done.stderr
    # The number is aligned: in a run of ten epochs the ninth has a blank before it.
    assert done.stdout.split()[1].startswith(f"{len(lines) + 1}/")
    again = (tmp_path / "my run" / "metrics.jsonl").read_text().splitlines()
    assert again[: len(lines)] == lines
    whole = (*command[:-3], "whole", "--epochs", number_of_epochs, "--batch-size", 4)
    assert launch(tmp_path, *whole).succeeded
    assert list(differences(end_state(tmp_path / "my run"), end_state(tmp_path / "whole"))) == []


@pytest.fixture
def with_ctrl_c() -> Iterator[None]:
    """Ctrl-C is heard, also in tests that a shell has started in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("with_ctrl_c")
def test_the_second_ctrl_c_ends_at_once(
    tiny: ModuleSource, flowers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Impatient(Silent):
        def show(self, _: Reading) -> None:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    data = load_dataset(str(flowers), (3, 32, 32), cache_folder=None)
    monkeypatch.setattr("archspec.train.fit.SHOW_EVERY", -1)
    with pytest.raises(KeyboardInterrupt):
        begin(tiny, data, tmp_path / "run", display=Impatient())
    assert not (tmp_path / "run" / "last.pt").exists()  # not even the step was saved
    resume(data, tmp_path / "run")
    begin(tiny, data, tmp_path / "whole")
    assert list(differences(end_state(tmp_path / "run"), end_state(tmp_path / "whole"))) == []


@pytest.mark.usefixtures("with_ctrl_c")
@pytest.mark.parametrize(("patiently", "number"), [(True, signal.SIGINT), (False, signal.SIGTERM)])
def test_what_schedulers_and_torchrun_send_twice_is_one_wish(
    number: signal.Signals, *, patiently: bool
) -> None:
    with listening(patiently=patiently) as interrupt:
        signal.raise_signal(number)
        signal.raise_signal(number)
    assert interrupt.requested
    assert interrupt.exit_code == 128 + number


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
    assert not (tmp_path / "run" / "previous.pt").exists()
    done = program("train", "--resume", "--out", "run")
    assert "run has no checkpoint yet: the run begins again" in done.stderr
    assert done.stdout.startswith("epoch 1/1")


def test_what_diverges_or_cannot_be_trained_exits_with_1(
    program: Program, tiny_file: Path, flowers: Path, tmp_path: Path
) -> None:
    command = ("train", tiny_file, "--data", flowers, "--epochs", 2, "--batch-size", 64)
    done = program(*command, "--lr", 1e30, "--out", "run", expect=1)
    assert "a lower learning rate (--lr) or a warm-up may mend it" in done.stderr
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
    command = ("train", tiny_file, "--data", flowers, "--epochs", 2, "--out", "run")
    program(*command, "--batch-size", "auto", "--amp", "auto")
    resume = ("train", "--resume", "--out", "run")
    refused = {
        ("--lr", 0.1): "begun with another optimizer.lr",
        ("--optimizer", "sgd"): "begun with another optimizer",
        ("--seed", 1): "begun with another seed",
        ("--batch-size", 16): "begun with another batch_size",
        ("--no-augment",): "begun with another augment",
        ("--set", "schedule=cosine"): "begun with another schedule",
        ("--epochs", 1): "begun for 2 epochs",
    }
    for options, message in refused.items():
        assert message in program(*resume, *options, expect=2).stderr
    other = tiny_file.with_name("other.py")
    other.write_text(tiny_file.read_text() + "\n# changed\n")
    assert "is not the network" in program("train", other, *resume[1:], expect=2).stderr
    # What was said at the start may be said again.
    same = ("--lr", 0.0002, "--batch-size", "auto", "--amp", "auto", "--set", "epochs=3")
    assert "epoch 3/3" in program("train", tiny_file, *resume[1:], *same).stdout


def test_the_recipe_is_printed_and_kept_and_gives_the_same_run(
    program: Program, tiny_file: Path, flowers: Path, tmp_path: Path
) -> None:
    command = ("train", tiny_file, "--data", flowers, "--out")
    given = ("--epochs", 7, "--lr", 0.1, "--batch-size", "auto", "--optimizer", "sgd")
    sets = ("--set", "epochs=1", "--set", "optimizer.momentum=0.9", "--set", "schedule=cosine")
    done = program(*command, "a", "--recipe", "alexnet2012", *given, *sets)
    kept = (tmp_path / "a" / "recipe.yaml").read_text()
    assert kept in done.stdout
    recipe = read_recipe(str(tmp_path / "a" / "recipe.yaml"))
    assert isinstance(recipe.optimizer, Sgd)
    # --set is more exact than an option, and an option than the recipe.
    assert (recipe.epochs, recipe.optimizer.lr, recipe.batch_size) == (1, 0.1, 8)
    assert (recipe.optimizer.momentum, recipe.optimizer.weight_decay) == (0.9, 5e-4)
    assert (recipe.schedule.name, recipe.augment.pca, recipe.test.name) == ("cosine", 0.1, "ten")
    program(*command, "b", "--recipe", "a/recipe.yaml", "--quiet")
    assert list(differences(end_state(tmp_path / "a"), end_state(tmp_path / "b"))) == []


def test_transfer_from_a_run_trains_a_new_head(
    program: Program, tiny_file: Path, flowers: Path, tmp_path: Path
) -> None:
    program("train", tiny_file, "--data", "demo", "--epochs", 1, "--out", "first", "--quiet")
    command = ("train", tiny_file, "--data", flowers, "--weights", "first", "--epochs", 1)
    done = program(*command, "--transfer", "head", "--out", "second")
    assert "the head is made anew" in done.stdout
    assert "trained are classifier: 1 026 of 6 146 parameters" in done.stdout
    report = json.loads((tmp_path / "second" / "transfer.json").read_text())
    assert {entry["status"] for entry in report["entries"]} == {"loaded", "new"}
    first, second = (
        torch.load(tmp_path / name / file, weights_only=True)["network"]
        for name, file in (("first", "best.pt"), ("second", "last.pt"))
    )
    for name, tensor in second.items():
        assert torch.equal(tensor, first[name]) == name.startswith("features"), name
    assert second["classifier.1.weight"].shape == (2, 512)
    assert first["classifier.1.weight"].shape == (5, 512)
    # It goes on without the file, also when it was killed before its first epoch.
    whole = end_state(tmp_path / "second")
    (tmp_path / "first").rename(tmp_path / "gone")
    (tmp_path / "second" / "previous.pt").replace(tmp_path / "second" / "last.pt")
    program("train", "--resume", "--out", "second", "--quiet")
    assert list(differences(end_state(tmp_path / "second"), whole)) == []
    (tmp_path / "second" / "last.pt").unlink()
    (tmp_path / "second" / "previous.pt").unlink()
    done = program("train", "--resume", "--out", "second", expect=2)
    assert "no longer the weights that it began with" in done.stderr


def test_transfer_from_a_state_dict_freezes_what_is_asked(
    program: Program, tiny_file: Path, flowers: Path, tmp_path: Path
) -> None:
    network = build_network(read_module_file(tiny_file), 2)
    state = {f"module.{name}": tensor for name, tensor in network.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "weights.pth")
    command = ("train", tiny_file, "--data", flowers, "--epochs", 1, "--weights", "weights.pth")
    done = program(*command, "--freeze", "features.0", "--freeze", "features.1", "--out", "run")
    assert "trained are features.3, classifier" in done.stdout
    assert "the statistics of 1 norm stay" in done.stdout
    after = torch.load(tmp_path / "run" / "last.pt", weights_only=True)["network"]
    for name, tensor in network.state_dict().items():
        is_frozen = name.startswith(("features.0", "features.1"))
        assert torch.equal(tensor, after[name]) == is_frozen, name
    refused = {
        ("--freeze", "nothing.*"): "nothing.*",
        ("--weights", "missing.pth"): "missing.pth is missing",
        ("--transfer", "some"): "--set transfer: has to be",
    }
    for options, message in refused.items():
        assert message in program(*command, *options, "--out", "refused", expect=2).stderr
        assert not (tmp_path / "refused").exists()
    done = program(*command[:-2], "--transfer", "head", "--out", "refused", expect=2)
    assert "--weights" in done.stderr


def test_tables_and_divided_folders_are_trained_on_as_they_say(
    program: Program, tiny_file: Path, flowers: Path, tmp_path: Path
) -> None:
    files = sorted(flowers.rglob("*.png"))
    rows = [f"{file},{file.parent.name},{'val' if file.stem < '05' else 'train'}" for file in files]
    (tmp_path / "table.csv").write_text("\n".join(["path,label,split", *rows]))
    for file in files:
        part = tmp_path / "divided" / ("val" if file.stem < "05" else "train") / file.parent.name
        part.mkdir(parents=True, exist_ok=True)
        copy(file, part / file.name)
    for data in ("table.csv", "divided"):
        options = ("--data", data, "--epochs", 1, "--out", f"run-{data}", "--quiet")
        program("train", tiny_file, *options)
        summary = json.loads((tmp_path / f"run-{data}" / "summary.json").read_text())
        assert (summary["num_train"], summary["num_val"]) == (30, 10)
        split = json.loads((tmp_path / f"run-{data}" / "split.json").read_text())
        assert {Path(name).stem for name in split["val"]} == {f"{n:02d}" for n in range(5)}
        found = json.loads(program("eval", f"run-{data}", "--format", "json").stdout)
        assert found["num_images"] == 10
        assert found["accuracy"] == summary["best"]["val_accuracy"]
        again = program("train", "--resume", "--out", f"run-{data}", "--epochs", 2)
        assert "epoch 2/2" in again.stdout


def test_where_pictures_are_kept_changes_nothing(
    program: Program, tiny_file: Path, flowers: Path, tmp_path: Path
) -> None:
    command = ("train", tiny_file, "--data", flowers, "--epochs", 2, "--quiet", "--out")
    program(*command, "memory", "--keep", "memory")
    whole = end_state(tmp_path / "memory")
    for keep in ("disk", "stream"):
        program(*command, keep, "--keep", keep)
        assert list(differences(end_state(tmp_path / keep), whole)) == []
        mixed = f"{keep}-then-memory"
        program(*command, mixed, "--keep", keep, "--epochs", 1)
        resume = ("train", "--resume", "--out", mixed, "--keep", "memory", "--quiet")
        program(*resume, "--epochs", 2)
        assert list(differences(end_state(tmp_path / mixed), whole)) == []


def test_tensorboard_that_is_missing_is_told_before_anything_is_written(
    program: Program,
    tiny_file: Path,
    flowers: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    command = ("train", tiny_file, "--data", flowers, "--tensorboard", "--out", "run")
    assert "pip install tensorboard" in program(*command, expect=2).stderr
    assert not (tmp_path / "run").exists()


def test_a_run_that_fails_says_why_until_it_is_taken_up_again(
    program: Program, tiny_file: Path, flowers: Path, tmp_path: Path
) -> None:
    command = ("train", tiny_file, "--data", flowers, "--epochs", 1, "--out", "run")
    program(*command, "--quiet")
    whole = (tmp_path / "run" / "last.pt").read_bytes()
    (tmp_path / "run" / "last.pt").write_bytes(whole[:1000])
    done = program("train", "--resume", "--out", "run", expect=2)
    assert done.stderr == "error: run/last.pt is damaged and cannot be loaded\n"
    assert "failed: run/last.pt is damaged" in " ".join(program("runs", ".").stdout.split())
    (tmp_path / "run" / "last.pt").write_bytes(whole)
    program("train", "--resume", "--out", "run")
    assert not (tmp_path / "run" / "failure.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train",), "name a SPEC or a generated module"),
        (("train", "tiny.py"), "--data DIR, or --data demo"),
        (("train", "tiny.py", "--data", "missing"), "cannot read missing: No such file"),
        (("train", "tiny.py", "--data", "one"), "one class"),
        (("train", "tiny.py", "--data", "empty"), "no pictures in the class folder"),
        (("train", "tiny.py", "--data", "flowers", "--epochs", "0"), "--set epochs: has to be"),
        (("train", "tiny.py", "--data", "flowers", "--epochs", "-3"), "--set epochs: has to be"),
        (
            ("train", "tiny.py", "--data", "flowers", "--optimizer", "lion"),
            "sgd, adam, adamw, rmsprop",
        ),
        (("train", "tiny.py", "--data", "flowers", "--device", "tpu"), "no device 'tpu'"),
        (("train", "tiny.py", "--data", "flowers", "--set", "width"), "takes VAR=VALUE"),
        (("train", "tiny.py", "--data", "flowers", "--set", "depth=3"), "takes no 'depth'"),
        (("train", "tiny.py", "--data", "flowers", "--set", "num_classes=3"), "the data has 2"),
        (("train", "tiny.py", "--data", "flowers", "--out", "tiny.py"), "is a file"),
        (("train", "tiny.py", "--data", "flowers", "--resume"), "--resume needs"),
        (("train", "tiny.py", "--data", "flowers", "--batch-size", "many"), "batch_size"),
        (("train", "tiny.py", "--data", "flowers", "--recipe", "tutoral"), "`tutorial`"),
        (("train", "tiny.py", "--data", "flowers", "--lr", "nan"), "--set optimizer.lr: has to"),
        (("train", "tiny.py", "--data", "flowers", "--amp", "fp16", "--device", "cpu"), "GPUs"),
        (("train", "--resume", "--recipe", "tutorial", "--out", "x"), "without --recipe"),
        (("train", "--resume", "--weights", "y", "--out", "x"), "without --weights"),
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
    assert "not a picture" in program("predict", "run", tiny_file, expect=1).stderr


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("lr=0.1", "did you mean `optimizer.lr`?"),
        ("epocs=3", "did you mean `epochs`?"),
        ("num_clases=3", "did you mean `num_classes`?"),
    ],
)
def test_a_mistyped_setting_is_answered_with_what_may_be_meant(
    program: Program, setting: str, told: str
) -> None:
    refused = program("train", "flower_net", "--data", "demo", "--set", setting, expect=2)
    assert "neither a recipe nor flower_net has it" in refused.stderr
    assert told in refused.stderr


def test_lost_best_weights_are_replaced_by_the_last(
    program: Program, tiny_file: Path, flowers: Path
) -> None:
    program("train", tiny_file, "--data", flowers, "--epochs", 2, "--out", "run")
    best = Path("run/best.pt")
    for damage in (b"cut", None):
        if damage is None:
            best.unlink()
        else:
            best.write_bytes(damage)
        resumed = program("train", "--resume", "--out", "run")
        assert "the weights of the last epoch take their place" in resumed.stderr
        assert "nothing is left to train: the run ended at epoch 2" in resumed.stdout
        program("eval", "run")


def test_best_weights_of_another_run_are_noticed(
    program: Program, tiny_file: Path, flowers: Path
) -> None:
    for seed, out in enumerate(("run", "other")):
        program("train", tiny_file, "--data", flowers, "--epochs", 1, "--seed", seed, "--out", out)
    copyfile("other/best.pt", "run/best.pt")
    resumed = program("train", "--resume", "--out", "run")
    assert "does not hold the weights of epoch 1, the best" in resumed.stderr


def test_auto_is_accepted_on_resuming_only_where_it_was_said(
    program: Program, tiny_file: Path, flowers: Path
) -> None:
    program("train", tiny_file, "--data", flowers, "--epochs", 1, "--out", "run")
    command = ("train", "--resume", "--out", "run", "--batch-size", "auto")
    assert "begun with another batch_size" in program(*command, expect=2).stderr


def test_what_is_neither_loaded_nor_trained_is_named(
    program: Program, tiny_file: Path, flowers: Path
) -> None:
    program("train", tiny_file, "--data", flowers, "--epochs", 1, "--out", "run")
    tensors = torch.load("run/best.pt", weights_only=True)["network"]
    del tensors["features.3.bias"]
    torch.save(tensors, "part.pth")
    command = ("train", tiny_file, "--data", flowers, "--epochs", 1, "--weights", "part.pth")
    done = program(*command, "--freeze", "features.*", "--out", "frozen")
    assert "left as they began: features.3.bias\n" in done.stderr
    done = program(*command, "--out", "trained")
    assert "left as they began" not in done.stderr
