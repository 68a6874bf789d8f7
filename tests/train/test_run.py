"""Whole runs: they learn, stop and go on, and leave a folder that can be read."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from archspec.train import run_folder
from archspec.train.data.dataset import Dataset, load_dataset
from archspec.train.device import pick_amp, pick_device
from archspec.train.errors import TrainError
from archspec.train.metrics import EpochMetrics
from archspec.train.recipe_file import read_recipe
from archspec.train.run import begin_run
from archspec.train.run_files import FAILURE
from archspec.train.source import ModuleSource, SpecText
from archspec.train.trained import evaluate_run, load_run, predict
from tests.train.processes import differences, end_state
from tests.train.running import CPU, RECIPE, STEPS, WAYS, Listener, begin, resume


@pytest.fixture
def data(flowers: Path) -> Dataset:
    return load_dataset(str(flowers), (3, 32, 32), cache_folder=None)


def assert_same(one: Path, other: Path) -> None:
    """Two runs have come to the same, bit for bit."""
    assert list(differences(end_state(one), end_state(other))) == []


def failure(folder: Path) -> str:
    found: str = json.loads((folder / FAILURE).read_text())["error"]
    return found


def test_the_demo_is_learnt(tiny: ModuleSource, tmp_path: Path) -> None:
    data = load_dataset("demo", (3, 32, 32), cache_folder=None)
    settings = {"epochs": 4, "batch_size": 32, "optimizer.lr": 3e-3, "augment": "none"}
    outcome = begin(tiny, data, tmp_path / "run", settings)
    assert outcome.progress.best is not None
    assert outcome.progress.best.val_accuracy > 0.55  # chance is 0.2
    losses = [metrics.train_loss for metrics in outcome.progress.history]
    assert losses[-1] < 0.8 * losses[0]


def test_a_run_folder_tells_everything(tiny: ModuleSource, data: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    display = Listener()
    outcome = begin_run(
        tiny,
        data,
        RECIPE,
        folder,
        WAYS,
        spec=SpecText("a: spec\n"),
        overwrite=False,
        display=display,
    )
    assert {path.name for path in folder.iterdir()} == {
        *("config.json", "recipe.yaml", "network.py", "spec.yaml", "split.json", "classes.json"),
        *("metrics.jsonl", "summary.json", "curves.png", "last.pt", "previous.pt", "best.pt"),
    }
    assert (folder / "network.py").read_text() == tiny.code
    assert (folder / "spec.yaml").read_text() == "a: spec\n"
    assert (folder / "recipe.yaml").read_text() in display.told
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [EpochMetrics(**line) for line in lines] == outcome.progress.history
    assert [(line["epoch"], line["step"]) for line in lines] == [(1, 5), (2, 10), (3, 15)]
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["num_train"], summary["num_val"], summary["epochs"]) == (36, 4, 3)
    assert summary["best"]["val_accuracy"] == max(line["val_accuracy"] for line in lines)
    assert summary["test"]["accuracy"] == summary["best"]["val_accuracy"]  # both of centre crops
    assert summary["num_params"] == summary["num_trained"] == 6146
    split = json.loads((folder / "split.json").read_text())
    assert len(split["val"]) == 4
    config = run_folder.read_config(folder)
    assert config.recipe == RECIPE == read_recipe(str(folder / "recipe.yaml"))
    assert config.classes == data.classes
    assert config.source == tiny


def test_the_same_seed_gives_the_same_run(
    tiny: ModuleSource, data: Dataset, tmp_path: Path
) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        begin(tiny, data, tmp_path / name, {"epochs": 1, "seed": seed})
    assert_same(tmp_path / "a", tmp_path / "b")
    weights = [end_state(tmp_path / name)["network"]["classifier.1.weight"] for name in "ac"]
    assert not torch.equal(*weights)


def test_a_run_killed_before_its_first_checkpoint_begins_again(
    tiny: ModuleSource, data: Dataset, tmp_path: Path
) -> None:
    begin(tiny, data, tmp_path / "whole", {"epochs": 1})
    begin(tiny, data, tmp_path / "killed", {"epochs": 1})
    for name in ("last.pt", "best.pt", "summary.json"):
        (tmp_path / "killed" / name).unlink()
    resume(data, tmp_path / "killed")
    assert_same(tmp_path / "killed", tmp_path / "whole")


def test_a_finished_run_can_be_given_more_epochs(
    tiny: ModuleSource, data: Dataset, tmp_path: Path
) -> None:
    begin(tiny, data, tmp_path / "whole", {"epochs": 2})
    begin(tiny, data, tmp_path / "longer", {"epochs": 1})
    resume(data, tmp_path / "longer", {"epochs": 2})
    assert_same(tmp_path / "longer", tmp_path / "whole")
    assert run_folder.read_config(tmp_path / "longer").recipe.epochs == 2
    assert read_recipe(str(tmp_path / "longer" / "recipe.yaml")).epochs == 2


def test_changed_pictures_are_not_resumed_on(
    tiny: ModuleSource, data: Dataset, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    begin(tiny, data, folder, {"epochs": 1})
    fewer = replace(data, names=data.names[1:], labels=data.labels[1:])
    repainted = replace(data, digest="other pixels under the same names")
    for other in (fewer, repainted):
        with pytest.raises(TrainError, match="have changed since the run began"):
            resume(other, folder)
    assert (folder / "summary.json").exists()  # nothing has been touched
    assert not (folder / FAILURE).exists()


def test_a_diverging_run_stops_at_a_named_step(
    tiny: ModuleSource, data: Dataset, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    message = r"the loss is (nan|inf) at step \d of epoch 1: .*layer (features|classifier)\.\d \("
    with pytest.raises(TrainError, match=message) as caught:
        begin(tiny, data, folder, {"optimizer": "sgd", "optimizer.lr": 1e30})
    assert not (folder / "last.pt").exists()  # nothing that has diverged is saved
    assert not (folder / "summary.json").exists()
    assert failure(folder) == str(caught.value)


def test_an_update_that_diverges_after_the_last_loss_is_not_saved(
    tiny: ModuleSource, data: Dataset, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    for lr in (1e30, 3e38):  # the weights themselves stay finite, or do not
        settings = {"batch_size": 64, "optimizer": "sgd", "optimizer.lr": lr}
        with pytest.raises(TrainError, match=r"not finite|validation loss is") as caught:
            begin(tiny, data, folder, settings)
        assert caught.value.exit_code == 1
        assert not (folder / "last.pt").exists()
        assert (folder / "metrics.jsonl").read_text() == ""
        rmtree(folder)


def test_a_resumed_run_that_diverges_keeps_its_checkpoints(
    tiny: ModuleSource, data: Dataset, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    begin(tiny, data, folder, {"epochs": 1, "batch_size": 64})
    checkpoint = torch.load(folder / "last.pt", weights_only=True)
    checkpoint["network"]["classifier.1.weight"].fill_(2e38)
    torch.save(checkpoint, folder / "last.pt")
    kept = {name: (folder / name).read_bytes() for name in ("last.pt", "best.pt", "metrics.jsonl")}
    message = r"at step 1 of epoch 2: layer classifier\.1 \(Linear\) has overflown\n.*diverged"
    with pytest.raises(TrainError, match=message):
        resume(data, folder, {"epochs": 2})
    assert {name: (folder / name).read_bytes() for name in kept} == kept
    assert not (folder / "summary.json").exists()  # it is no finished run any more
    assert "classifier.1" in failure(folder)


@pytest.mark.parametrize("ending", ["softmax", "log_softmax"])
def test_a_softmax_within_changes_nothing_but_is_told(
    tiny: ModuleSource, data: Dataset, tmp_path: Path, ending: str
) -> None:
    display = Listener()
    called = "self.classifier(torch.flatten(self.features(x), 1))"
    assert called in tiny.code
    code = tiny.code.replace(called, f"nn.functional.{ending}({called}, dim=1)")
    outcomes = [
        begin(replace(tiny, code=text), data, tmp_path / name, {"epochs": 2}, display=display)
        for name, text in (("plain", tiny.code), ("ending", code))
    ]
    names = {"softmax": "probabilities", "log_softmax": "logarithms of probabilities"}
    (message,) = [message for message in display.told if not message.startswith("recipe: 1")]
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
    begin(tiny, data, tmp_path / "run", {"epochs": 1})
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
    begin(tiny, data, folder, {"epochs": 1})
    killed = subprocess.Popen([sys.executable, "-c", ""])
    killed.wait()
    dead, alive = folder / f".last.pt.{killed.pid}.tmp", folder / f".last.pt.{os.getppid()}.tmp"
    mine = folder / ".notes.txt.1.tmp"
    for path in (dead, alive, mine):
        path.write_text("half")
    resume(data, folder)
    assert [path.exists() for path in (dead, alive, mine)] == [False, True, True]
    assert (folder / "summary.json").exists()


def test_a_run_is_not_overwritten_unasked(
    tiny: ModuleSource, data: Dataset, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    begin(tiny, data, folder, {"epochs": 1})
    (folder / "my notes.txt").write_text("mine")
    with pytest.raises(TrainError, match="holds a finished run"):
        begin(tiny, data, folder, {"epochs": 1})
    begin(tiny, data, folder, overwrite=True)
    assert (folder / "my notes.txt").read_text() == "mine"
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 3


def test_a_folder_of_other_things_is_never_taken(
    tiny: ModuleSource, data: Dataset, tmp_path: Path
) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(TrainError, match="holds other files and no run"):
        begin(tiny, data, tmp_path, overwrite=True)


def test_a_full_disk_is_told_and_the_last_checkpoint_kept(
    tiny: ModuleSource, data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    begin(tiny, data, folder, {"epochs": 1})
    before = (folder / "last.pt").read_bytes()
    monkeypatch.setattr(torch, "save", full_disk(torch.save))
    with pytest.raises(TrainError, match=r"cannot write .*best\.pt|last\.pt: No space left"):
        resume(data, folder, {"epochs": 2})
    assert (folder / "last.pt").read_bytes() == before
    assert not list(folder.glob("*.tmp")) + list(folder.glob(".*.tmp"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_disk_that_is_really_full_is_told(
    tiny: ModuleSource, data: Dataset, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    begin(tiny, data, folder, {"epochs": 1})
    (folder / f".best.pt.{os.getpid()}.tmp").symlink_to("/dev/full")
    (folder / f".last.pt.{os.getpid()}.tmp").symlink_to("/dev/full")
    with pytest.raises(TrainError, match=r"cannot write .*\.pt: No space left on device$"):
        resume(data, folder, {"epochs": 2})


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


@pytest.mark.parametrize("ema", [None, 0.9])
def test_evaluation_repeats_what_training_saw(
    tiny: ModuleSource, data: Dataset, tmp_path: Path, ema: float | None
) -> None:
    begin(tiny, data, tmp_path / "run", {"ema": ema})
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    for checkpoint in ("best", "last"):
        run = load_run(tmp_path / "run", CPU, checkpoint)
        assert run.epoch == summary[checkpoint]["epoch"]
        result = evaluate_run(run, data, CPU, only_held_out=True)
        assert result.num_images == 4
        assert result.accuracy == summary[checkpoint]["val_accuracy"]
        assert math.isclose(result.loss, summary[checkpoint]["val_loss"], rel_tol=1e-5)


def test_with_an_average_the_average_is_the_best(
    tiny: ModuleSource, data: Dataset, tmp_path: Path
) -> None:
    begin(tiny, data, tmp_path / "run", {"epochs": 1, "ema": 0.9})
    last, best = (
        torch.load(tmp_path / "run" / name, weights_only=True) for name in ("last.pt", "best.pt")
    )
    average = dict(last["average"]["tensors"])
    assert not list(differences(dict(best["network"]), average))
    assert list(differences(dict(last["network"]), average))


def test_the_schedules_rate_is_that_of_every_step(
    tiny: ModuleSource, data: Dataset, tmp_path: Path
) -> None:
    rates: list[list[float]] = []

    def look(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        rates.append([group["lr"] for group in optimizer.param_groups])

    settings = {
        "optimizer": {"name": "adamw", "lr": 1e-3, "weight_decay": 0.1},
        "optimizer.weight_decay_on": "weights",  # which makes two groups
        "schedule": {"name": "step", "every": 1, "gamma": 0.5, "warmup": 1},
    }
    handle = register_optimizer_step_pre_hook(look)
    try:
        outcome = begin(tiny, data, tmp_path / "run", settings)
    finally:
        handle.remove()
    climbed = [rate for rate, _ in rates[:5]]
    assert climbed == sorted(set(climbed))
    assert 0 < climbed[0] < climbed[-1] <= 1e-3
    assert rates[5:] == [[5e-4, 5e-4]] * 5 + [[2.5e-4, 2.5e-4]] * 5
    assert [metrics.lr for metrics in outcome.progress.history][1:] == [5e-4, 2.5e-4]


def test_a_run_that_does_not_get_better_stops_and_is_finished(
    tiny: ModuleSource, data: Dataset, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    rule = {"patience": 2, "min_delta": 100.0, "metric": "val_loss"}  # nothing is that much better
    outcome = begin(tiny, data, folder, {"epochs": 10, "early_stopping": rule})
    assert len(outcome.progress.history) == 3
    assert outcome.interrupted is None
    assert json.loads((folder / "summary.json").read_text())["epochs"] == 3
    before = (folder / "metrics.jsonl").read_text()
    resume(data, folder)
    assert (folder / "metrics.jsonl").read_text() == before
    assert (folder / "summary.json").exists()


REMEMBERING = """
        if self.training and x.device.type == "cpu":
            MASKS.append(self.classifier[0](torch.ones(64)).tolist())
"""


def test_dropout_is_another_one_each_step_and_the_same_each_run(
    tiny: ModuleSource, data: Dataset, tmp_path: Path
) -> None:
    head, tail = tiny.code.split("        return self.classifier")
    code = f"MASKS = []\n{head}{REMEMBERING}        return self.classifier{tail}"
    source = replace(tiny, code=code)
    masks = []
    for name in ("a", "b"):
        begin(source, data, tmp_path / name, {"epochs": 2})
        masks.append(list(sys.modules["archspec_network_tiny"].__dict__["MASKS"]))
    assert masks[0] == masks[1]
    assert len(masks[0]) == 2 * STEPS
    assert len({tuple(mask) for mask in masks[0]}) == 2 * STEPS


def test_classes_are_matched_by_name(tiny: ModuleSource, data: Dataset, tmp_path: Path) -> None:
    begin(tiny, data, tmp_path / "run", {"epochs": 1})
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
    begin(tiny, data, folder, {"epochs": 1})
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
    begin(tiny, data, tmp_path / "run", {"epochs": 1})
    (tmp_path / "run" / "network.py").write_text(tiny.code.replace("stride=2", "stride=1"))
    with pytest.raises(TrainError, match="checkpoint of another network"):
        load_run(tmp_path / "run", CPU)


@pytest.mark.parametrize("name", ["tpu", "meta", "cuda:99", ""])
def test_devices_that_are_not_there_are_refused(name: str) -> None:
    with pytest.raises(TrainError, match="no device"):
        pick_device(name)


@pytest.mark.parametrize("wanted", ["off", "bf16"])
def test_a_precision_that_is_named_is_taken(wanted: str) -> None:
    assert pick_amp(wanted, CPU) == wanted


@pytest.mark.parametrize(("has_bf16", "expected"), [(True, "bf16"), (False, "off")])
def test_auto_is_the_precision_that_the_processor_computes_with(
    monkeypatch: pytest.MonkeyPatch, expected: str, *, has_bf16: bool
) -> None:
    found = {"amx_bf16": False, "avx512_bf16": has_bf16}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found, raising=False)
    assert pick_amp("auto", CPU) == expected
    with pytest.raises(TrainError, match="for GPUs"):
        pick_amp("fp16", CPU)


def test_mixed_precision_trains_and_goes_on_bit_for_bit(
    tiny: ModuleSource, data: Dataset, tmp_path: Path
) -> None:
    begin(tiny, data, tmp_path / "whole", {"epochs": 2, "amp": "bf16"})
    begin(tiny, data, tmp_path / "parts", {"epochs": 1, "amp": "bf16"})
    resume(data, tmp_path / "parts", {"epochs": 2})
    assert_same(tmp_path / "whole", tmp_path / "parts")
    begin(tiny, data, tmp_path / "exact", {"epochs": 2})
    assert list(differences(end_state(tmp_path / "whole"), end_state(tmp_path / "exact")))
