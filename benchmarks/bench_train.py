"""What the trainer costs on top of the steps themselves: paired with a bare loop, in one run.

    python benchmarks/bench_train.py
    python benchmarks/bench_train.py --network resnet18 --recipe alexnet2012 --set epochs=1
    python benchmarks/bench_train.py --amp bf16 --device cuda --batch-size 256 --steps 64

The bare loop does nothing but forward, backward and update, on batches that lie ready as tensors:
of the same network, in the same precision, with the same optimiser (see rounds.py). The trainer is
`fit` itself, over whole epochs of as many steps, from stored pictures: planning, cutting out,
colours, counting, drawing its bar, and refusing a diverged epoch. Apart from that, and named, are
what a bare loop has no counterpart for: evaluation (of one batch an epoch here) and saving (after
every epoch). A round of either alternates with one of the other, so that whatever else the machine
does meets both; beside the median of the pairs stands the ratio of the fastest rounds, which other
programs disturb least. Epochs here are short, so what an epoch costs once weighs more than in a
real run. The target is a ratio of at least 0.95, saving apart.

On a CPU `archspec train` lets its process keep the memory that a step frees (`train/memory.py`).
The ratio above is to a bare loop in the same process, which has that advantage, too. A bare loop as
people write it has not: it runs in a second process, in turn with the others, and stands apart.

On a machine that others use as well, `--clock cpu` counts seconds of the processor. They leave out
all waiting, for files, too: what is read has to lie in memory.
"""

import argparse
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch

# Run as a script, its neighbour is importable; mypy knows it as benchmarks.rounds.
from rounds import (  # type: ignore[import-not-found]
    bare_seconds,
    making_seconds,
    prepared,
    ratios,
    seconds_of,
    spell,
    trainer_round,
    use_clock,
)

from archspec.cli.overrides import read_overrides
from archspec.train.data.dataset import DEMO
from archspec.train.device import pick_device
from archspec.train.feeding.feeder import batch_bounds
from archspec.train.feeding.jitter import coloured
from archspec.train.memory import keep_freed_memory
from archspec.train.metrics import Tally
from archspec.train.recipe import Recipe
from archspec.train.recipe_file import DEFAULT, read_recipe

FLOWERS = Path(__file__).resolve().parents[2] / "shared" / "flowers"
Setting = Any  # the class stands in rounds.py
Batch = Any
Round = Any


def main() -> None:
    """Measure, and print a line a figure."""
    wishes = parse_arguments()
    use_clock(wishes.clock)
    device = pick_device(wishes.device)
    is_cpu = device.type == "cpu"
    with beside(wishes, wanted=is_cpu and not wishes.no_other) as other, TemporaryDirectory() as at:
        if is_cpu:
            keep_freed_memory()
        with setting_of(wishes, device, Path(at)) as setting:
            print_head(setting, wishes)
            ready, steps = setting.ready(), setting.recipe.epochs * len(setting.bounds)
            bare_seconds(setting, ready, steps)  # warm: kernels are chosen, memory is mapped
            trainer_round(setting)
            bare, trainer, plain = [], [], []
            for _ in range(wishes.rounds):
                bare.append(bare_seconds(setting, ready, steps))
                trainer.append(trainer_round(setting))
                plain.append(other(steps) if other else bare[-1])
            report(setting, bare, trainer)
            if other:
                report_memory(setting, bare, plain, trainer)
            report_parts(setting, median(bare), trainer, ready)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    default_data = str(FLOWERS) if FLOWERS.is_dir() else DEMO
    parser.add_argument("--network", default="alexnet_half", help="a spec or a generated module")
    parser.add_argument("--data", default=default_data, help="a folder of classes, or demo")
    parser.add_argument("--recipe", default=DEFAULT, help="a recipe's name or file")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="settings")
    parser.add_argument("--amp", help="off, auto, bf16 or fp16, instead of the recipe's")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batch-size", type=int, help="instead of the recipe's")
    parser.add_argument("--steps", type=int, default=16, help="steps in an epoch")
    parser.add_argument("--epochs", type=int, default=1, help="epochs in a round")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument(
        "--no-other", action="store_true", help="no bare loop in a process that gives memory back"
    )
    return parser.parse_args()


def wanted_recipe(wishes: argparse.Namespace) -> Recipe:
    """The recipe with what the command line says."""
    given = {"amp": wishes.amp, "batch_size": wishes.batch_size, "epochs": wishes.epochs}
    settings = {name: value for name, value in given.items() if value is not None}
    return read_recipe(wishes.recipe, read_overrides(wishes.settings) | settings)


@contextmanager
def setting_of(wishes: argparse.Namespace, device: torch.device, at: Path) -> Iterator[Setting]:
    """What the command line asks for, ready for rounds."""
    recipe = wanted_recipe(wishes)
    number = wishes.steps * (256 if recipe.batch_size == "auto" else recipe.batch_size)
    with prepared(wishes.network, wishes.data, recipe, device, at, number) as setting:
        yield setting


def print_head(setting: Setting, wishes: argparse.Namespace) -> None:
    """Print what is measured."""
    recipe, device = setting.recipe, setting.device
    where = f"{device}, {torch.get_num_threads()} threads"
    if device.type == "cuda":
        where = torch.cuda.get_device_name(device)
    name = setting.run.config.source.name
    print(f"{name}, recipe {recipe.name}, amp {recipe.amp}, {wishes.data}, {where}")
    sizes = f"{len(setting.bounds)} steps of {recipe.batch_size} pictures"
    clock = {"wall": "the clock", "cpu": "the processor"}[wishes.clock]
    print(f"{wishes.rounds} rounds of {recipe.epochs} epochs of {sizes}, seconds of {clock}")


# --- the bare loop in another process -------------------------------------------------------------


@contextmanager
def beside(wishes: argparse.Namespace, *, wanted: bool) -> Iterator[Callable[[int], float] | None]:
    """The seconds of so many bare steps in a process that gives its memory back, as is usual."""
    if not wanted:
        yield None
        return
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(there, wishes, torch.get_num_threads()))
    process.start()
    there.close()  # so that its end is heard here

    def ask(steps: int) -> float:
        here.send(steps)
        seconds: float = here.recv()
        return seconds

    try:
        here.recv()  # it is ready
        yield ask
    finally:
        here.close()
        process.join()


def serve(pipe: Connection, wishes: argparse.Namespace, threads: int) -> None:
    """Measure as often as asked, until the other side is gone."""
    torch.set_num_threads(threads)
    use_clock(wishes.clock)
    device = pick_device(wishes.device)
    with TemporaryDirectory() as at, setting_of(wishes, device, Path(at)) as setting:
        ready = setting.ready()
        bare_seconds(setting, ready, len(ready))
        pipe.send("ready")
        while True:
            try:
                steps = pipe.recv()
            except EOFError:
                return
            pipe.send(bare_seconds(setting, ready, steps))


# --- told -----------------------------------------------------------------------------------------


def report(setting: Setting, bare: Sequence[float], trainer: Sequence[Round]) -> None:
    """Print both speeds, and the ratios of the pairs without and with saving."""
    training = [one.training for one in trainer]
    saving = [one.training + one.saving for one in trainer]
    tell_speed("bare loop", setting, bare)
    tell_speed("trainer", setting, training)
    print(f"{'trainer ÷ bare':32}{spell(ratios(bare, training))}")
    print(f"{'  fastest by fastest':32}{min(bare) / min(training):.3f}")
    print(f"{'  and with saving':32}{spell(ratios(bare, saving))}")


def report_memory(
    setting: Setting, bare: Sequence[float], plain: Sequence[float], trainer: Sequence[Round]
) -> None:
    """Print what keeping freed memory comes to."""
    training = [one.training for one in trainer]
    tell_speed("bare loop, memory given back", setting, plain)
    print(f"{'  bare loop ÷ that':32}{spell(ratios(plain, bare))}")
    print(f"{'  trainer ÷ that':32}{spell(ratios(plain, training))}")


def tell_speed(name: str, setting: Setting, seconds: Sequence[float]) -> None:
    """Print the median speed."""
    print(f"{name:30}{setting.num_images / median(seconds):7.1f} images/s")


def report_parts(
    setting: Setting, bare: float, trainer: Sequence[Round], ready: Sequence[Batch]
) -> None:
    """Print what the parts of a round cost by themselves, as fractions of the bare loop."""
    epochs = setting.recipe.epochs
    parts = {
        "waiting for data": median(one.waited for one in trainer),
        "making batches, alone": epochs * making_seconds(setting),
        "  their colours, alone": epochs * colouring_seconds(setting, ready),
        "counting": epochs * counting_seconds(setting),
        "planning": epochs * seconds_of(setting.plan, setting.device),
        "evaluation, apart": median(one.evaluation for one in trainer),
        "saving, apart": median(one.saving for one in trainer),
    }
    for name, seconds in parts.items():
        print(f"{name:30}{seconds / bare:8.2%} of the bare loop")


def colouring_seconds(setting: Setting, ready: Sequence[Batch]) -> float:
    """What is done to the colours of an epoch's batches: jitter, noise, normalisation."""
    feeder, plan = setting.feeder, setting.plan()
    pixels = ready[0].images.byte()  # any will do

    def colour() -> None:
        for begin, end in batch_bounds(len(plan), len(pixels)):
            rows = plan.part(begin, end)
            coloured(pixels[: len(rows)], rows, feeder.normalize, feeder.colours)

    seconds: float = seconds_of(colour, setting.device)
    return seconds


def counting_seconds(setting: Setting) -> float:
    """What is counted of an epoch's steps."""

    def count() -> None:
        tally = Tally(setting.bounds)
        for _ in setting.bounds:
            tally.add(1.0, 1)
        tally.read()

    seconds: float = seconds_of(count, setting.device)
    return seconds


if __name__ == "__main__":
    main()
