"""The seeded split: the same tenth of every class kept apart, whatever the order of the files."""

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from archspec.train.errors import TrainError

if TYPE_CHECKING:
    from archspec.train.data.dataset import Dataset

VAL_FRACTION = 0.1


@dataclass(frozen=True)
class Split:
    """Places of the pictures to train on and of those held out, both ascending."""

    train: tuple[int, ...]
    val: tuple[int, ...]


def stratified_split(
    names: Sequence[str],
    labels: Sequence[int],
    seed: int,
    fraction: float = VAL_FRACTION,
    classes: Sequence[str] | None = None,
) -> Split:
    """Hold out `fraction` of every class, at least one picture and never all of them.

    A picture's rank is the hash of the seed and its name: the split depends neither on the order
    of the files nor on a library's generator, and a new picture leaves nearly all others where
    they were. Raises TrainError for a class with fewer than two pictures, which it calls by its
    name in `classes`, or by its folder.
    """
    members = defaultdict(list)
    for place, label in enumerate(labels):
        members[label].append(place)
    val: set[int] = set()
    for label, places in members.items():
        if len(places) < 2:
            name = classes[label] if classes else names[places[0]].partition("/")[0]
            raise TrainError(f"class {name!r} has 1 picture: a split needs 2", exit_code=2)
        ranked = sorted(places, key=lambda place: _rank(seed, names[place]))
        val.update(ranked[: min(max(1, round(len(places) * fraction)), len(places) - 1)])
    train = tuple(place for place in range(len(names)) if place not in val)
    return Split(train, tuple(sorted(val)))


def dataset_split(dataset: "Dataset", seed: int, fraction: float = VAL_FRACTION) -> Split:
    """The dataset's own division into training and validation, else `stratified_split`."""
    if dataset.fixed_split is not None:
        return dataset.fixed_split
    return stratified_split(dataset.names, dataset.labels, seed, fraction, dataset.classes)


def _rank(seed: int, name: str) -> bytes:
    return sha256(os.fsencode(f"{seed}\0{name}")).digest()


def names_digest(names: Sequence[str]) -> str:
    """A digest of a list of picture names, to tell whether two runs saw the same ones."""
    return sha256(os.fsencode("\n".join(sorted(names)))).hexdigest()
