"""Runs within this process, on the CPU."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from archspec.train import fit
from archspec.train.assemble import Ways
from archspec.train.data.dataset import Dataset
from archspec.train.display import Silent
from archspec.train.interrupt import Interrupt
from archspec.train.metrics import EpochMetrics, Reading
from archspec.train.recipe import Adam, Recipe
from archspec.train.recipe_file import changed
from archspec.train.run import Outcome, begin_run, resume_run
from archspec.train.run_folder import read_config
from archspec.train.source import ModuleSource

CPU = torch.device("cpu")
WAYS = Ways(CPU)
# Of the 40 drawn flowers 36 are trained on: 5 steps an epoch.
RECIPE = Recipe(epochs=3, batch_size=8, optimizer=Adam(lr=1e-3))
STEPS = 5

Settings = dict[str, Any]


class Listener(Silent):
    """Keeps what a person would have been told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.warned: list[str] = []

    def tell(self, message: str) -> None:
        self.told.append(message)

    def warn(self, message: str) -> None:
        self.warned.append(message)


class Stopper(Listener):
    """Presses Ctrl-C during training: once, after `steps` steps in all."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.interrupt = Interrupt()
        self.left = steps

    def show(self, _: Reading) -> None:
        self.left -= 1
        self.interrupt.requested |= self.left == 0

    def end_epoch(self, _: EpochMetrics) -> None:
        """Nothing: steps are counted."""


def begin(
    source: ModuleSource,
    data: Dataset,
    folder: Path,
    settings: Settings | None = None,
    *,
    overwrite: bool = False,
    ways: Ways = WAYS,
    display: Silent | None = None,
    **more: Any,
) -> Outcome:
    """A new run with RECIPE, in which `settings` are other values by dotted name."""
    recipe = changed(RECIPE, settings or {})
    given: dict[str, Any] = {"spec": None, "overwrite": overwrite, "display": display or Silent()}
    return begin_run(source, data, recipe, folder, ways, **given, **more)


def resume(
    data: Dataset, folder: Path, settings: Settings | None = None, display: Silent | None = None
) -> Outcome:
    """Go on with a run, with other values of its recipe."""
    config = read_config(folder)
    config = replace(config, recipe=changed(config.recipe, settings or {}))
    return resume_run(config, data, folder, WAYS, display=display or Silent())


def stopped(
    monkeypatch: pytest.MonkeyPatch,
    source: ModuleSource,
    data: Dataset,
    folder: Path,
    settings: Settings,
    after: int,
) -> Outcome:
    """A run that ends after so many steps, two or more, because somebody has asked it to."""
    stopper = Stopper(after - 1)  # heard at the next step
    with monkeypatch.context() as patch:
        patch.setattr("archspec.train.run.listening", lambda **_: nullcontext(stopper.interrupt))
        patch.setattr(fit, "SHOW_EVERY", -1)
        return begin(source, data, folder, settings, display=stopper)
