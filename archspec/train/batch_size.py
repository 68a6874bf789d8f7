"""The batch size that uses a device well, found by trying: `batch_size: auto`."""

from collections.abc import Callable
from time import perf_counter

import torch

from archspec.train.device import is_out_of_memory
from archspec.train.feeding.feeder import Batch
from archspec.train.learner import Learner, train_step

SMALLEST, LARGEST = 8, 4096
GOOD_ENOUGH = 0.95  # of the best speed: a smaller batch makes more steps of an epoch
STEPS = 3
MIN_STEPS = 16  # an epoch should have, whatever the device could hold


def find_batch_size(
    learner: Learner, input_shape: tuple[int, int, int], num_classes: int, num_train: int
) -> int:
    """The smallest of 8, 16, 32 … that trains at 95 % of the best speed, in pictures a second.

    Each is worked off in the learner's parts, and begins with 8 a part. Sizes are doubled until
    memory runs out, speed falls, or an epoch of `num_train` pictures would
    have fewer than 16 steps. `learner` is worn out by it: give it one of its own.
    """
    learner.train()
    smallest = SMALLEST * learner.accumulate
    largest = max(smallest, min(LARGEST, num_train // MIN_STEPS))
    speeds: dict[int, float] = {}
    size = smallest
    while size <= largest:
        batch = random_batch(learner, size, input_shape, num_classes)
        speed = measured_speed(learner, batch)
        if speed is None:
            break
        speeds[size] = speed
        if speed < GOOD_ENOUGH * max(speeds.values()):
            break
        size *= 2
    best = max(speeds.values(), default=0.0)
    return min((s for s, speed in speeds.items() if speed >= GOOD_ENOUGH * best), default=smallest)


def random_batch(
    learner: Learner, size: int, input_shape: tuple[int, int, int], num_classes: int
) -> Batch:
    """A batch of noise, with labels."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(size, *input_shape, generator=generator)
    labels = torch.randint(num_classes, (size,), generator=generator)
    placed = images.to(learner.device).contiguous(memory_format=torch.channels_last)
    return Batch(placed, labels.to(learner.device), num_global=size)


def measured_speed(learner: Learner, batch: Batch) -> float | None:
    """Pictures a second, after a first step; None where memory does not suffice."""

    def steps(number: int) -> None:
        for _ in range(number):
            train_step(learner, batch, lr=0.0)
        if learner.device.type == "cuda":
            torch.cuda.synchronize(learner.device)

    try:
        steps(1)  # kernels are chosen, memory is taken
        seconds = seconds_of(lambda: steps(STEPS))
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return None
    return STEPS * len(batch.labels) / seconds


def seconds_of(work: Callable[[], object]) -> float:
    """Wall-clock seconds of `work`."""
    began = perf_counter()
    work()
    return perf_counter() - began
