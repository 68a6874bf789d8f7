"""The split keeps a tenth of every class, and only names and seed decide which."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.train.data.split import stratified_split
from archspec.train.errors import TrainError

SIZES = st.lists(st.integers(2, 60), min_size=2, max_size=6)


def named(sizes: list[int]) -> tuple[list[str], list[int]]:
    pairs = [(f"c{c}/{i}.jpg", c) for c, size in enumerate(sizes) for i in range(size)]
    return [name for name, _ in pairs], [label for _, label in pairs]


@given(SIZES, st.integers(0, 2**40))
def test_every_picture_is_in_one_part_and_every_class_in_both(sizes: list[int], seed: int) -> None:
    names, labels = named(sizes)
    split = stratified_split(names, labels, seed)
    assert sorted(split.train + split.val) == list(range(len(names)))
    for label, size in enumerate(sizes):
        held_out = sum(labels[place] == label for place in split.val)
        assert held_out == max(1, round(size / 10))


@given(SIZES, st.integers(0, 2**40), st.randoms(use_true_random=False))
def test_the_order_of_the_files_does_not_matter(
    sizes: list[int], seed: int, shuffler: random.Random
) -> None:
    names, labels = named(sizes)
    split = stratified_split(names, labels, seed)
    order = list(range(len(names)))
    shuffler.shuffle(order)
    again = stratified_split([names[i] for i in order], [labels[i] for i in order], seed)
    assert {names[order[place]] for place in again.val} == {names[place] for place in split.val}


def test_another_seed_holds_out_others() -> None:
    names, labels = named([100, 100])
    assert stratified_split(names, labels, 0) != stratified_split(names, labels, 1)


def test_a_new_picture_moves_at_most_one_other() -> None:
    names, labels = named([50, 50])
    before = {names[place] for place in stratified_split(names, labels, 0).val}
    split = stratified_split([*names, "c0/new.jpg"], [*labels, 0], 0)
    after = {[*names, "c0/new.jpg"][place] for place in split.val}
    assert len(before - after) <= 1


def test_a_class_of_one_picture_is_refused() -> None:
    with pytest.raises(TrainError, match="'b' has 1 picture"):
        stratified_split(["a/1", "a/2", "b/1"], [0, 0, 1], 0)
