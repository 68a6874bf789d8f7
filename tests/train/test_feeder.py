"""Batches: what the plan says, however many threads and processes make them, and nothing lost."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from archspec.train.data.pictures import Image, Pictures
from archspec.train.errors import TrainError
from archspec.train.feeding.colour import HALF, IMAGENET, measure_colours
from archspec.train.feeding.cutting import cut_out
from archspec.train.feeding.feeder import (
    AHEAD,
    Batch,
    Bounds,
    Feeder,
    batch_bounds,
    on_side_stream,
    share_bounds,
    training_bounds,
)
from archspec.train.feeding.jitter import coloured
from archspec.train.feeding.plan import Plan, centre_plan, training_plan
from archspec.train.feeding.resident import on_device
from archspec.train.recipe import Augment

Collection = Callable[..., Pictures]
CPU = torch.device("cpu")
COLOURS = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.2, "pca": 0.1}
MOVES = {"rotation": 20.0, "shift": 0.1, "stretch": 0.2}
AUGMENTS = {
    "tutorial": Augment(),
    "colours": Augment.model_validate(COLOURS),
    "moves": Augment.model_validate(MOVES),
    "mixup": Augment(mixup=0.4),
    "all": Augment.model_validate({**COLOURS, **MOVES, "erase": 0.5, "mixup": 0.4, "cutmix": 1.0}),
}


@contextmanager
def feeding(pictures: Pictures, size: tuple[int, int] = (17, 19)) -> Iterator[Feeder]:
    colours = measure_colours(pictures, range(len(pictures)))
    labels = range(len(pictures))
    feeder = Feeder(pictures, labels, size, CPU, IMAGENET, colours)
    yield feeder
    feeder.close()


def a_plan(pictures: Pictures, augment: Augment, times: int = 8) -> Plan:
    places = torch.arange(len(pictures)).repeat(times)
    return training_plan(pictures, places, (17, 19), seed=0, epoch=0, augment=augment)


def joined(batches: list[Batch]) -> list[Tensor]:
    """Images, labels, partners and weights of all batches."""
    return [torch.cat(column) for column in zip(*(batch.tensors for batch in batches), strict=True)]


def test_batches_hold_what_the_plan_says(collection: Collection) -> None:
    pictures = collection()
    feeder = Feeder(pictures, [4, 3, 2, 1, 0], (32, 32), CPU)
    plan = centre_plan(pictures, torch.tensor([3, 0, 4]), (32, 32))
    batches = list(feeder.batches(plan, batch_bounds(3, 2)))
    assert [batch.num_global for batch in batches] == [2, 1]
    assert batches[0].partners is batches[0].weights is None
    images, labels = joined(batches)
    assert labels.tolist() == [1, 4, 0]
    for image, place, box in zip(images, [3, 0, 4], plan.boxes.tolist(), strict=True):
        pixels = torch.from_numpy(cut_out(pictures[place], box, (32, 32), mirror=False).copy())
        assert torch.allclose(image, pixels.permute(2, 0, 1) / 127.5 - 1, atol=1e-6)
    feeder.close()


@pytest.mark.parametrize("augment", AUGMENTS.values(), ids=AUGMENTS)
def test_processes_together_show_what_one_shows(collection: Collection, augment: Augment) -> None:
    pictures = collection()
    plan, bounds = a_plan(pictures, augment), training_bounds(40, 7)
    with feeding(pictures) as feeder:
        alone = list(feeder.batches(plan, bounds))
        for world in (2, 3, 9):  # with nine, some get nothing of a batch
            shares = [list(feeder.batches(plan, bounds, (rank, world))) for rank in range(world)]
            for step, whole in enumerate(alone):
                parts = [share[step] for share in shares]
                assert [part.num_global for part in parts] == [len(whole.labels)] * world
                for found, expected in zip(joined(parts), whole.tensors, strict=True):
                    assert torch.equal(found, expected)


@pytest.mark.parametrize("augment", AUGMENTS.values(), ids=AUGMENTS)
def test_threads_do_not_change_a_batch(collection: Collection, augment: Augment) -> None:
    pictures = collection()
    plan, found = a_plan(pictures, augment), []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        with feeding(pictures) as feeder:
            assert feeder.num_workers == threads
            found.append(joined(list(feeder.batches(plan, batch_bounds(40, 16)))))
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))


def test_a_batch_can_be_shown_again_alone(collection: Collection) -> None:
    """As a run that goes on within an epoch does."""
    pictures = collection()
    plan, bounds = a_plan(pictures, AUGMENTS["all"]), training_bounds(40, 7)
    with feeding(pictures) as feeder:
        whole, rest = (list(feeder.batches(plan, some)) for some in (bounds, bounds[4:]))
    pairs = zip(joined(whole[4:]), joined(rest), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)


def test_partners_come_before_in_the_whole_batch(collection: Collection) -> None:
    pictures = collection()
    plain, mixed = (a_plan(pictures, Augment(mixup=alpha)) for alpha in (0, 0.4))
    assert mixed.weights is not None
    with feeding(pictures) as feeder:
        own, found = (next(feeder.batches(plan, [(4, 11)])) for plan in (plain, mixed))
    share = float(mixed.weights[4])
    assert found.partners is not None
    assert found.weights is not None
    assert torch.equal(found.partners, own.labels.roll(1))
    assert found.weights.tolist() == pytest.approx([share] * 7)
    expected = share * own.images + (1 - share) * own.images.roll(1, dims=0)
    assert torch.allclose(found.images, expected, atol=1e-5)


def test_every_batch_of_both_mixes_by_its_own_draw(collection: Collection) -> None:
    pictures = collection()
    plan = a_plan(pictures, Augment(mixup=0.4, cutmix=1.0))
    plain = replace(plan, weights=None, pasted=None)
    bounds, seen = batch_bounds(40, 5), set()
    with feeding(pictures) as feeder:
        pairs = zip(feeder.batches(plan, bounds), feeder.batches(plain, bounds), strict=True)
        for found, own in pairs:
            assert found.weights is not None
            share, before = float(found.weights[0]), own.images.roll(1, dims=0)
            blended = share * own.images + (1 - share) * before
            is_mixup = torch.allclose(found.images, blended, atol=1e-5)
            seen.add(is_mixup)
            if not is_mixup:
                is_own = (found.images == own.images).all(dim=1)
                assert float(is_own[0].double().mean()) == pytest.approx(share, abs=0.02)
                assert bool((is_own | (found.images == before).all(dim=1)).all())
    assert seen == {True, False}


def test_erased_pixels_are_the_mean(collection: Collection) -> None:
    pictures = collection()
    plan = a_plan(pictures, Augment(erase=1.0))
    assert plan.erased is not None
    with feeding(pictures) as feeder:
        (images, _) = joined(list(feeder.batches(plan, batch_bounds(40, 16))))
    for image, (top, left, height, width) in zip(images, plan.erased.tolist(), strict=True):
        assert height > 0
        assert not image[:, top : top + height, left : left + width].any()
    assert bool(images.abs().sum() > 0)


def test_pictures_on_a_device_become_the_same_batches(collection: Collection) -> None:
    pictures = collection()
    plan = a_plan(pictures, AUGMENTS["all"])
    with feeding(pictures) as feeder:
        host = joined(list(feeder.batches(plan, batch_bounds(40, 16))))
        feeder.resident = on_device(pictures, CPU)
        device = joined(list(feeder.batches(plan, batch_bounds(40, 16))))
    assert all(torch.equal(*pair) for pair in zip(host[1:], device[1:], strict=True))
    difference = (host[0] - device[0]).abs() * 0.229 * 255
    assert float(difference.mean()) < 0.5
    assert float(difference.quantile(0.999)) < 4  # a hue may turn a rounding into more


def test_colours_are_those_of_the_plan(collection: Collection) -> None:
    pictures = collection()
    jittered = a_plan(pictures, AUGMENTS["colours"])
    with feeding(pictures) as feeder:
        (images, _) = joined(list(feeder.batches(jittered, batch_bounds(40, 16))))
        rows = [
            cut_out(pictures[int(place)], box, (17, 19), mirror=bool(flip))
            for place, box, flip in zip(
                jittered.places, jittered.boxes.tolist(), jittered.mirrored, strict=True
            )
        ]
        pixels = torch.stack([torch.from_numpy(row.copy()) for row in rows]).permute(0, 3, 1, 2)
        expected = coloured(pixels.contiguous(), jittered, IMAGENET, feeder.colours)
    assert torch.equal(images, expected)


# --- ahead ----------------------------------------------------------------------------------------


class Streamed(Pictures):
    """Pictures that tell who asks for them; the third cannot be read."""

    is_streamed = True

    def __getitem__(self, index: int) -> Image:
        ASKED.append((index, threading.current_thread().name))
        if index == 3:
            raise TrainError("it cannot be read any more")
        return super().__getitem__(index)


ASKED: list[tuple[int, str]] = []


def test_streamed_pictures_are_prepared_ahead_in_threads(collection: Collection) -> None:
    ASKED.clear()
    pictures = Streamed(**vars(collection(3, [(20, 20)] * 3)))
    plan = centre_plan(pictures, torch.arange(3).repeat(4), (17, 19))
    feeder = Feeder(pictures, [0, 1, 2], (17, 19), CPU)
    batches = feeder.batches(plan, batch_bounds(12, 2))
    assert next(batches).labels.tolist() == [0, 1]
    feeder._pool.submit(int).result()  # behind everything that was asked for
    assert len(ASKED) == 2 * (1 + AHEAD)
    assert all(thread.startswith("cut-out") for _, thread in ASKED)
    rest = [batch.labels.tolist() for batch in batches]
    assert rest == [[2, 0], [1, 2], [0, 1], [2, 0], [1, 2]]
    feeder.close()


def test_a_picture_that_cannot_be_read_is_told(collection: Collection) -> None:
    pictures = Streamed(**vars(collection(3, [(20, 20)] * 4)))
    plan = centre_plan(pictures, torch.arange(4), (17, 19))
    feeder = Feeder(pictures, [0] * 4, (17, 19), CPU)
    with pytest.raises(TrainError, match="cannot be read"):
        list(feeder.batches(plan, batch_bounds(4, 2)))
    feeder.close()


class Stream:
    """Stands for a CUDA stream, and tells what happens on it."""

    def __init__(self, log: list[str], name: str) -> None:
        self.log, self.name = log, name
        self.events = 0

    def wait_stream(self, other: "Stream") -> None:
        self.log.append(f"{self.name} waits for {other.name}")

    def record_event(self) -> str:
        self.events += 1
        self.log.append(f"event {self.events}")
        return f"event {self.events}"

    def wait_event(self, event: str) -> None:
        self.log.append(f"{self.name} waits for {event}")


class Recorded(Tensor):
    """A tensor that tells which stream uses it."""

    told: list[str]

    def record_stream(self, stream: Any) -> None:
        self.told.append(f"{stream.name} uses {int(self)}")


def test_a_batch_is_made_on_its_own_stream_one_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[str] = []
    main, side = Stream(log, "main"), Stream(log, "side")

    @contextmanager
    def stream(given: Stream) -> Iterator[None]:
        log.append(f"on {given.name}")
        yield
        log.append(f"off {given.name}")

    monkeypatch.setattr(torch.cuda, "Stream", lambda _: side)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: main)
    monkeypatch.setattr(torch.cuda, "stream", stream)

    def batches() -> Iterator[Batch]:
        for i in range(2):
            log.append(f"make {i}")
            images = torch.tensor(i).as_subclass(Recorded)
            images.told = log
            yield Batch(images, images, 1)

    for batch in on_side_stream(batches(), CPU):
        number = int(batch.images)
        log.append(f"step {number}")
    assert log == [
        "side waits for main",
        *("on side", "make 0", "event 1", "off side"),
        *("on side", "make 1", "event 2", "off side"),
        *("main waits for event 1", "main uses 0", "main uses 0", "step 0"),
        *("on side", "event 3", "off side"),
        *("main waits for event 2", "main uses 1", "main uses 1", "step 1"),
    ]


# --- bounds ---------------------------------------------------------------------------------------


@given(st.integers(0, 300), st.integers(1, 40))
def test_bounds_leave_nothing_out(number: int, batch_size: int) -> None:
    for bounds in (batch_bounds(number, batch_size), training_bounds(number, batch_size)):
        assert len(bounds) == -(-number // batch_size)
        assert_chained(bounds, 0, number)
    sizes = [end - begin for begin, end in training_bounds(number, batch_size)]
    assert not sizes or max(sizes) - min(sizes) <= 1
    assert not sizes or max(sizes) <= batch_size


@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 9))
def test_shares_leave_nothing_out(begin: int, number: int, world: int) -> None:
    shares = [share_bounds(begin, begin + number, (rank, world)) for rank in range(world)]
    assert_chained(shares, begin, begin + number)
    sizes = [last - first for first, last in shares]
    assert max(sizes) - min(sizes) <= 1


def assert_chained(bounds: list[Bounds], begin: int, end: int) -> None:
    for first, last in bounds:
        assert first == begin
        begin = last
    assert begin == end


def test_a_batch_is_worked_off_in_parts() -> None:
    numbers = torch.arange(7)
    batch = Batch(numbers, numbers + 10, 14, numbers + 20, numbers + 30)
    parts = batch.parts(3)
    assert [len(part.labels) for part in parts] == [2, 2, 3]
    assert all(part.num_global == 14 for part in parts)
    assert all(torch.equal(*pair) for pair in zip(joined(parts), batch.tensors, strict=True))
    assert [len(part.labels) for part in batch.parts(9)] == [1] * 7
    empty = Batch(numbers[:0], numbers[:0], 3)
    assert [len(part.labels) for part in empty.parts(2)] == [0]
    assert parts[0].partners is not None
    assert empty.parts(1)[0].partners is None


def test_normalisation_is_half_unless_asked(collection: Collection) -> None:
    feeder = Feeder(collection(1), [0] * 5, (8, 8), CPU)
    assert feeder.normalize == HALF
    feeder.close()
