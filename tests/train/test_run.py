"""Whole runs: they learn, stop and go on, and leave a folder that can be read."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest
import torch
from torch import Tensor

from archspec.train import run_folder
from archspec.train.dataset import Dataset, load_dataset
from archspec.train.display import Silent
from archspec.train.errors import TrainError
from archspec.train.interrupt import Interrupt
from archspec.train.metrics import EpochMetrics, Reading
from archspec.train.recipe import Recipe, check_recipe, pick_device
from archspec.train.run import Outcome, begin_run, resume_run
from archspec.train.source import ModuleSource
from archspec.train.trained import evaluate_run, load_run, predict

CPU = torch.device("cpu")
RECIPE = Recipe(epochs=3, batch_size=8, lr=1e-3)


class Stopper(Silent):
    """Presses Ctrl-C during training: once, after `steps` readings in all."""

    def __init__(self, interrupt: Interrupt, steps: int) -> None:
        self.interrupt = interrupt
        self.left = steps

    def show(self, _: Reading) -> None:
        self.left -= 1
        self.interrupt.requested |= self.left == 0

    def end_epoch(self, _: EpochMetrics) -> None:
        self.left -= 1
        self.interrupt.requested |= self.left == 0


@pytest.fixture
def data(flowers: Path) -> Dataset:
    return load_dataset(str(flowers), (3, 32, 32), None)


def begin(source: ModuleSource, data: Dataset, folder: Path, **changes: Any) -> Outcome:
    recipe, display = replace(RECIPE, **changes), Silent()
    return begin_run(source, data, recipe, CPU, folder, spec=None, overwrite=False, display=display)


def end_state(folder: Path) -> dict[str, Any]:
    """The last checkpoint without what a clock has measured."""
    state: dict[str, Any] = torch.load(folder / run_folder.LAST, weights_only=True)
    for metrics in state["history"]:
        for name in ("images_per_second", "seconds", "val_seconds", "data_wait"):
            del metrics[name]
    return state


def assert_same(one: Any, other: Any) -> None:
    """Equal bit for bit, through all nested values."""
    assert type(one) is type(other)
    if isinstance(one, Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list):
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    else:
        assert one == other


def test_the_demo_is_learnt(tiny: ModuleSource, tmp_path: Path) -> None:
    data = load_dataset("demo", (3, 32, 32), None)
    recipe = Recipe(epochs=4, lr=3e-3, augment=False)
    outcome = begin_run(
        tiny, data, recipe, CPU, tmp_path / "run", spec=None, overwrite=False, display=Silent()
    )
    assert outcome.progress.best is not None
    assert outcome.progress.best.val_accuracy > 0.55  # chance is 0.2
    losses = [metrics.train_loss for metrics in outcome.progress.history]
    assert losses[-1] < 0.8 * losses[0]


def test_a_run_folder_tells_everything(tiny: ModuleSource, data: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    outcome = begin_run(
        tiny, data, RECIPE, CPU, folder, spec="a: spec\n", overwrite=False, display=Silent()
    )
    assert {path.name for path in folder.iterdir()} == set(run_folder.FILES)
    assert (folder / "network.py").read_text() == tiny.code
    assert (folder / "spec.yaml").read_text() == "a: spec\n"
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [EpochMetrics(**line) for line in lines] == outcome.progress.history
    assert [(line["epoch"], line["step"]) for line in lines] == [(1, 5), (2, 10), (3, 15)]
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["num_train"], summary["num_val"], summary["epochs"]) == (36, 4, 3)
    assert summary["best"]["val_accuracy"] == max(line["val_accuracy"] for line in lines)
    split = json.loads((folder / "split.json").read_text())
    assert len(split["val"]) == 4
    config = run_folder.read_config(folder)
    assert config.recipe == RECIPE
    assert config.classes == data.classes
    assert config.source == tiny


def test_the_same_seed_gives_the_same_run(
    tiny: ModuleSource, data: Dataset, tmp_path: Path
) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        begin(tiny, data, tmp_path / name, epochs=1, seed=seed)
    assert_same(end_state(tmp_path / "a"), end_state(tmp_path / "b"))
    weights = [end_state(tmp_path / name)["network"]["classifier.1.weight"] for name in "ac"]
    assert not torch.equal(*weights)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("stop_after", [1, 3, 6, 8, 13])  # in epochs 1, 1, 1 (at its end), 2, 3
def test_a_stopped_run_goes_on_bit_for_bit(
    tiny: ModuleSource,
    data: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    optimizer: str,
    stop_after: int,
) -> None:
    recipe = replace(RECIPE, optimizer=optimizer, weight_decay=1e-3)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    begin_run(tiny, data, recipe, CPU, whole, spec=None, overwrite=False, display=Silent())
    outcome = stopped(monkeypatch, tiny, data, recipe, parts, stop_after)
    assert outcome.interrupted
    assert len(outcome.progress.history) == stop_after // 6  # 5 readings and an end an epoch
    assert not (parts / "summary.json").exists()
    torch.manual_seed(99)  # whatever else has used the generator
    config = run_folder.read_config(parts)
    resumed = resume_run(config, data, CPU, parts, display=Silent())
    assert not resumed.interrupted
    assert_same(end_state(parts), end_state(whole))
    best = [torch.load(f / run_folder.BEST, weights_only=True) for f in (parts, whole)]
    assert_same(*best)
    assert (parts / "summary.json").exists()
    assert len((parts / "metrics.jsonl").read_text().splitlines()) == recipe.epochs


def stopped(
    monkeypatch: pytest.MonkeyPatch,
    source: ModuleSource,
    data: Dataset,
    recipe: Recipe,
    folder: Path,
    after: int,
) -> Outcome:
    """A run that is interrupted after so many readings, one of which follows every step."""
    interrupt = Interrupt()
    with monkeypatch.context() as patch:
        patch.setattr("archspec.train.run.listening", lambda: nullcontext(interrupt))
        patch.setattr("archspec.train.fit.READ_EVERY", 0)
        stopper = Stopper(interrupt, after)
        return begin_run(
            source, data, recipe, CPU, folder, spec=None, overwrite=False, display=stopper
        )


def test_a_run_killed_before_its_first_checkpoint_begins_again(
    tiny: ModuleSource, data: Dataset, tmp_path: Path
) -> None:
    begin(tiny, data, tmp_path / "whole", epochs=1)
    begin(tiny, data, tmp_path / "killed", epochs=1)
    for name in (run_folder.LAST, run_folder.BEST, run_folder.SUMMARY):
        (tmp_path / "killed" / name).unlink()
    config = run_folder.read_config(tmp_path / "killed")
    resume_run(config, data, CPU, tmp_path / "killed", display=Silent())
    assert_same(end_state(tmp_path / "killed"), end_state(tmp_path / "whole"))


def test_a_finished_run_can_be_given_more_epochs(
    tiny: ModuleSource, data: Dataset, tmp_path: Path
) -> None:
    begin(tiny, data, tmp_path / "whole", epochs=2)
    begin(tiny, data, tmp_path / "longer", epochs=1)
    config = run_folder.read_config(tmp_path / "longer")
    longer = replace(config, recipe=replace(config.recipe, epochs=2))
    resume_run(longer, data, CPU, tmp_path / "longer", display=Silent())
    assert_same(end_state(tmp_path / "longer"), end_state(tmp_path / "whole"))
    assert run_folder.read_config(tmp_path / "longer").recipe.epochs == 2


def test_changed_pictures_are_not_resumed_on(
    tiny: ModuleSource, data: Dataset, tmp_path: Path
) -> None:
    begin(tiny, data, tmp_path / "run", epochs=1)
    fewer = replace(data, names=data.names[1:], labels=data.labels[1:])
    config = run_folder.read_config(tmp_path / "run")
    with pytest.raises(TrainError, match="have changed since the run began"):
        resume_run(config, fewer, CPU, tmp_path / "run", display=Silent())
    pixels = data.pictures.pixels.copy()
    pixels[1000] ^= 1  # the names are the same
    repainted = replace(data, pictures=replace(data.pictures, pixels=pixels))
    with pytest.raises(TrainError, match="have changed since the run began"):
        resume_run(config, repainted, CPU, tmp_path / "run", display=Silent())


def test_a_diverging_run_stops_at_a_named_step(
    tiny: ModuleSource, data: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(TrainError, match=r"the loss is (nan|inf) at step \d of epoch 1"):
        begin(tiny, data, tmp_path / "run", optimizer="sgd", lr=1e30)
    assert not (tmp_path / "run" / "last.pt").exists()  # nothing that has diverged is saved


def test_an_update_that_diverges_after_the_last_loss_is_not_saved(
    tiny: ModuleSource, data: Dataset, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    for lr in (1e30, 3e38):  # the weights themselves stay finite, or do not
        with pytest.raises(TrainError, match=r"not finite|validation loss is") as caught:
            begin(tiny, data, folder, batch_size=64, optimizer="sgd", lr=lr)
        assert caught.value.exit_code == 1
        assert not (folder / "last.pt").exists()
        assert (folder / "metrics.jsonl").read_text() == ""
        rmtree(folder)


def test_a_resumed_run_that_diverges_keeps_its_checkpoints(
    tiny: ModuleSource, data: Dataset, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    begin(tiny, data, folder, epochs=1, batch_size=64)
    kept = {name: (folder / name).read_bytes() for name in ("last.pt", "best.pt", "metrics.jsonl")}
    checkpoint = torch.load(folder / "last.pt", weights_only=True)
    checkpoint["optimizer"]["param_groups"][0]["lr"] = 1e30
    torch.save(checkpoint, folder / "last.pt")
    kept["last.pt"] = (folder / "last.pt").read_bytes()
    config = run_folder.read_config(folder)
    longer = replace(config, recipe=replace(config.recipe, epochs=2))
    with pytest.raises(TrainError, match="diverged"):
        resume_run(longer, data, CPU, folder, display=Silent())
    assert {name: (folder / name).read_bytes() for name in kept} == kept
    assert not (folder / "summary.json").exists()  # it is no finished run any more


@pytest.mark.parametrize("ending", ["softmax", "log_softmax"])
def test_a_softmax_within_changes_nothing_but_is_told(
    tiny: ModuleSource, data: Dataset, tmp_path: Path, ending: str
) -> None:
    told: list[str] = []

    class Listener(Silent):
        def tell(self, message: str) -> None:
            told.append(message)

    called = "self.classifier(torch.flatten(self.features(x), 1))"
    assert called in tiny.code
    code = tiny.code.replace(called, f"nn.functional.{ending}({called}, dim=1)")
    recipe = replace(RECIPE, epochs=2)
    outcomes = [
        begin_run(
            replace(tiny, code=text),
            data,
            recipe,
            CPU,
            tmp_path / name,
            spec=None,
            overwrite=False,
            display=Listener(),
        )
        for name, text in (("plain", tiny.code), ("ending", code))
    ]
    names = {"softmax": "probabilities", "log_softmax": "logarithms of probabilities"}
    (message,) = told
    assert message.startswith(f"the network puts out {names[ending]}:")
    plain, other = (outcome.progress.history[-1] for outcome in outcomes)
    assert math.isclose(plain.train_loss, other.train_loss, rel_tol=1e-3)
    assert math.isclose(plain.val_loss, other.val_loss, rel_tol=1e-3)
    runs = [load_run(tmp_path / name, CPU, "last") for name in ("plain", "ending")]
    rows = [predict(run, [data.pictures[0]], CPU)[0] for run in runs]
    assert rows[0] == pytest.approx(rows[1], abs=1e-3)
    assert sum(rows[1]) == pytest.approx(1, abs=1e-5)
    losses = [evaluate_run(run, data, CPU, only_held_out=True).loss for run in runs]
    assert losses[1] == pytest.approx(other.val_loss, rel=1e-5)


def test_weights_that_overflow_are_told_when_they_are_used(
    tiny: ModuleSource, data: Dataset, tmp_path: Path
) -> None:
    begin(tiny, data, tmp_path / "run", epochs=1)
    run = load_run(tmp_path / "run", CPU)
    with torch.no_grad():
        run.network.get_parameter("classifier.1.bias").fill_(math.nan)
    with pytest.raises(TrainError, match=r"loss on .* is nan"):
        evaluate_run(run, data, CPU, only_held_out=True)
    with pytest.raises(TrainError, match="not finite"):
        predict(run, [data.pictures[0]], CPU)


def test_what_a_killed_run_left_over_is_removed(
    tiny: ModuleSource, data: Dataset, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    begin(tiny, data, folder, epochs=1)
    killed = subprocess.Popen([sys.executable, "-c", ""])
    killed.wait()
    dead, alive = folder / f".last.pt.{killed.pid}.tmp", folder / f".last.pt.{os.getppid()}.tmp"
    mine = folder / ".notes.txt.1.tmp"
    for path in (dead, alive, mine):
        path.write_text("half")
    resume_run(run_folder.read_config(folder), data, CPU, folder, display=Silent())
    assert [path.exists() for path in (dead, alive, mine)] == [False, True, True]
    assert (folder / "summary.json").exists()


def test_a_run_is_not_overwritten_unasked(
    tiny: ModuleSource, data: Dataset, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    begin(tiny, data, folder, epochs=1)
    (folder / "my notes.txt").write_text("mine")
    with pytest.raises(TrainError, match="holds a finished run"):
        begin(tiny, data, folder, epochs=1)
    begin_run(tiny, data, RECIPE, CPU, folder, spec=None, overwrite=True, display=Silent())
    assert (folder / "my notes.txt").read_text() == "mine"
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 3


def test_a_folder_of_other_things_is_never_taken(
    tiny: ModuleSource, data: Dataset, tmp_path: Path
) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(TrainError, match="holds other files and no run"):
        begin_run(tiny, data, RECIPE, CPU, tmp_path, spec=None, overwrite=True, display=Silent())


def test_a_full_disk_is_told_and_the_last_checkpoint_kept(
    tiny: ModuleSource, data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    begin(tiny, data, folder, epochs=1)
    before = (folder / "last.pt").read_bytes()
    config = run_folder.read_config(folder)
    longer = replace(config, recipe=replace(config.recipe, epochs=2))
    monkeypatch.setattr(torch, "save", full_disk(torch.save))
    with pytest.raises(TrainError, match=r"cannot write .*best\.pt|last\.pt: No space left"):
        resume_run(longer, data, CPU, folder, display=Silent())
    assert (folder / "last.pt").read_bytes() == before
    assert not list(folder.glob("*.tmp")) + list(folder.glob(".*.tmp"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_disk_that_is_really_full_is_told(
    tiny: ModuleSource, data: Dataset, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    begin(tiny, data, folder, epochs=1)
    config = run_folder.read_config(folder)
    (folder / f".best.pt.{os.getpid()}.tmp").symlink_to("/dev/full")
    (folder / f".last.pt.{os.getpid()}.tmp").symlink_to("/dev/full")
    longer = replace(config, recipe=replace(config.recipe, epochs=2))
    with pytest.raises(TrainError, match=r"cannot write .*\.pt: No space left on device$"):
        resume_run(longer, data, CPU, folder, display=Silent())


def full_disk(save: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """`save`, into files that take 1000 bytes."""

    class Full:
        def __init__(self, file: Any) -> None:
            self.file, self.left = file, 1000

        def write(self, data: bytes) -> int:
            self.left -= len(data)
            if self.left < 0:
                raise OSError(28, "No space left on device")
            return int(self.file.write(data))

        def flush(self) -> None:
            self.file.flush()

    return lambda checkpoint, file: save(checkpoint, Full(file))


def test_evaluation_repeats_what_training_saw(
    tiny: ModuleSource, data: Dataset, tmp_path: Path
) -> None:
    begin(tiny, data, tmp_path / "run")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    for checkpoint in ("best", "last"):
        run = load_run(tmp_path / "run", CPU, checkpoint)
        assert run.epoch == summary[checkpoint]["epoch"]
        result = evaluate_run(run, data, CPU, only_held_out=True)
        assert result.num_images == 4
        assert result.accuracy == summary[checkpoint]["val_accuracy"]
        assert math.isclose(result.loss, summary[checkpoint]["val_loss"], rel_tol=1e-5)


def test_classes_are_matched_by_name(tiny: ModuleSource, data: Dataset, tmp_path: Path) -> None:
    begin(tiny, data, tmp_path / "run", epochs=1)
    run = load_run(tmp_path / "run", CPU)
    expected = evaluate_run(run, data, CPU, only_held_out=False)
    turned = replace(data, classes=data.classes[::-1], labels=tuple(1 - n for n in data.labels))
    assert evaluate_run(run, turned, CPU, only_held_out=False).confusion == expected.confusion
    with pytest.raises(TrainError, match=r"a class 'lily' that the run does not know"):
        evaluate_run(run, replace(data, classes=("lily", "tulip")), CPU, only_held_out=False)


@pytest.mark.parametrize("name", ["best.pt", "config.json", "network.py", "split.json"])
def test_a_damaged_run_is_told(
    tiny: ModuleSource, data: Dataset, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "run"
    begin(tiny, data, folder, epochs=1)
    whole = (folder / name).read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", None):
        (folder / name).unlink()
        if damaged is not None:
            (folder / name).write_bytes(damaged)
        else:
            assert not (folder / name).exists()
        with pytest.raises(TrainError) as caught:
            load_run(folder, CPU)
        assert caught.value.exit_code == 2
        assert str(folder) in str(caught.value)
        (folder / name).write_bytes(whole)
    assert load_run(folder, CPU).epoch == 1


def test_a_checkpoint_of_another_network_is_refused(
    tiny: ModuleSource, data: Dataset, tmp_path: Path
) -> None:
    begin(tiny, data, tmp_path / "run", epochs=1)
    (tmp_path / "run" / "network.py").write_text(tiny.code.replace("stride=2", "stride=1"))
    with pytest.raises(TrainError, match="checkpoint of another network"):
        load_run(tmp_path / "run", CPU)


@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": 0},
        {"epochs": -1},
        {"batch_size": 0},
        {"lr": 0.0},
        {"lr": math.nan},
        {"weight_decay": -1.0},
        {"optimizer": "lion"},
    ],
)
def test_recipes_that_make_no_sense_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(TrainError) as caught:
        check_recipe(replace(Recipe(), **changes))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["tpu", "meta", "cuda:99", ""])
def test_devices_that_are_not_there_are_refused(name: str) -> None:
    with pytest.raises(TrainError, match="no device"):
        pick_device(name)
