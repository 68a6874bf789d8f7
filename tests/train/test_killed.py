"""Killed at any moment, a run goes on and ends as if nothing had happened, bit for bit."""

import random
from pathlib import Path

import pytest

from tests.train.processes import Ended, Launcher, differences, end_state

KILLS = 25
STARTING = 0.1  # of all kills come before the training
# Dropout, batch norm, an average, mixing, and a checkpoint after every step: all that has a state.
RECIPE = (
    *("tiny.py", "--data", "./flowers", "--epochs", 2, "--batch-size", 12, "--save-every", 0),
    *("--optimizer", "adamw", "--lr", 0.01, "--set", "schedule=cosine", "--set", "ema=0.9"),
    *("--set", "augment.mixup=0.2", "--set", "augment.brightness=0.3", "--set", "accumulate=2"),
)


@pytest.fixture
def place(tmp_path: Path, tiny_file: Path, flowers: Path) -> Path:
    """A folder with the network tiny.py and the pictures in flowers/."""
    assert tiny_file.parent == flowers.parent == tmp_path
    return tmp_path


class Killer:
    """Kills runs at random moments, most of them while they train, until `left` is 0."""

    def __init__(self, launch: Launcher, place: Path, size: int, strategy: str, kills: int) -> None:
        self.launch, self.place, self.size, self.left = launch, place, size, kills
        self.options = ("--quiet", "--strategy", strategy)
        self.random = random.Random(size)  # noqa: S311 - moments, not secrets
        self.in_training = 0
        self.duration = 0.0

    def start(self, folder: str, after: float | None = None, *, training: bool = True) -> Ended:
        """Begin a run or go on with it; kill it `after` seconds, of its training or of all."""
        begun = (self.place / folder / "config.json").exists()
        wishes = ("--resume",) if begun else RECIPE
        # As the training begins, its metrics are written anew.
        since = {"since": f"{folder}/metrics.jsonl"} if training else {}
        command = ("train", *wishes, "--out", folder, *self.options)
        return self.launch(self.place, *command, size=self.size, after=after, **since)

    def finish(self, folder: str) -> None:
        """Start a run again and again, until it is done."""
        done = None
        while done is None or not done.succeeded:
            training = self.random.random() > STARTING
            after = self.random.uniform(0, 0.7 * self.duration) if self.left else None
            done = self.start(folder, after, training=training)
            assert done.succeeded or -9 in done.codes, done.stderr
            if not done.succeeded:
                self.left -= 1
                self.in_training += training


@pytest.mark.parametrize(
    ("size", "strategy", "kills"), [(1, "ddp", KILLS), (2, "ddp", KILLS), (2, "fsdp", 8)]
)
def test_killed_at_random_moments(
    launch: Launcher, place: Path, size: int, strategy: str, kills: int
) -> None:
    killer = Killer(launch, place, size, strategy, kills)
    whole = killer.start("whole")
    assert whole.succeeded, whole.stderr
    killer.duration = whole.seconds
    expected = end_state(place / "whole")
    runs = 0
    while killer.left:
        runs += 1
        folder = f"broken-{runs}"
        killer.finish(folder)
        assert list(differences(expected, end_state(place / folder))) == []
        assert (place / folder / "summary.json").is_file()
        assert not list((place / folder).glob(".*.tmp"))
    assert killer.in_training > kills / 2
