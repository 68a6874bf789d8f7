"""Stopped in the middle of an epoch or at its end, a run goes on bit for bit, however it trains."""

import random
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch

from archspec.train.data.dataset import Dataset, load_dataset
from archspec.train.source import ModuleSource
from tests.train.processes import differences, end_state
from tests.train.running import begin, resume, stopped

OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"name": "sgd", "lr": 0.01},
    "momentum": {"name": "sgd", "lr": 0.01, "momentum": 0.9},
    "nesterov": {"name": "sgd", "lr": 0.01, "momentum": 0.9, "form": "nesterov"},
    "averaged": {"name": "sgd", "lr": 0.01, "momentum": 0.9, "form": "averaged"},
    "adam": {"name": "adam", "lr": 1e-3, "weight_decay": 1e-3},
    "adamw": {"name": "adamw", "lr": 1e-3, "weight_decay": 0.1, "weight_decay_on": "weights"},
    "rmsprop": {"name": "rmsprop", "lr": 1e-3, "momentum": 0.5, "l1": 1e-4},
}
SCHEDULES: dict[str, dict[str, Any]] = {
    "constant": {"name": "constant"},
    "step": {"name": "step", "every": 0.5, "gamma": 0.7},
    "exponential": {"name": "exponential", "gamma": 0.5},
    "cosine": {"name": "cosine", "warmup": 0.5},
    "one_cycle": {"name": "one_cycle"},
}
# Of 36 pictures: 3 steps an epoch.
EVERYTHING = {
    "epochs": 2,
    "batch_size": 12,
    "accumulate": 2,
    "ema": 0.9,
    "clip_grad_norm": 1.0,
    "augment.mixup": 0.4,
    "augment.cutmix": 1.0,
    "augment.brightness": 0.3,
    "augment.erase": 0.3,
}
CASES = list(product(OPTIMIZERS, SCHEDULES))


@pytest.fixture
def data(flowers: Path) -> Dataset:
    return load_dataset(str(flowers), (3, 32, 32), cache_folder=None)


@pytest.mark.parametrize(("optimizer", "schedule"), CASES)
def test_every_optimizer_and_schedule_goes_on_bit_for_bit(
    tiny: ModuleSource,
    data: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    optimizer: str,
    schedule: str,
) -> None:
    kinds = {"optimizer": OPTIMIZERS[optimizer], "schedule": SCHEDULES[schedule]}
    settings = {**EVERYTHING, **kinds}
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    begin(tiny, data, whole, settings)
    after = 2 + CASES.index((optimizer, schedule)) % 4  # of 6 steps; after 3 an epoch ends
    outcome = stopped(monkeypatch, tiny, data, parts, settings, after)
    assert outcome.interrupted == 130
    assert len(outcome.progress.history) == after // 3
    assert (outcome.progress.tally is None) == (after == 3)
    assert not (parts / "summary.json").exists()
    torch.manual_seed(random.randrange(1000))  # noqa: S311 - whatever else has used the generator
    assert resume(data, parts).interrupted is None
    assert list(differences(end_state(parts), end_state(whole))) == []
    assert (parts / "summary.json").exists()
