"""What the trainer costs on top of the steps themselves: paired with a bare loop, in one run.

    python benchmarks/bench_train.py

The bare loop does nothing but forward, backward and update, on batches that lie ready as tensors.
The trainer does the same number of steps of the same network from stored pictures: planning,
cutting out, normalising, counting and drawing its progress bar. Rounds of both alternate, so that
whatever else the machine does meets both. The target is a ratio of at least 0.95.
"""

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from rich.console import Console
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it
from torch.optim import Optimizer

from archspec import generate
from archspec.train.cache import cache_folder
from archspec.train.dataset import DEMO, Dataset, load_dataset
from archspec.train.display import Bar
from archspec.train.feeder import Bounds, Feeder, training_bounds
from archspec.train.fit import train_epoch
from archspec.train.interrupt import Interrupt
from archspec.train.metrics import Tally
from archspec.train.plan import Plan, training_plan
from archspec.train.recipe import build_optimizer, pick_device
from archspec.train.run import feeding, place_network
from archspec.train.source import ModuleSource, build_network, read_module, read_module_file

FLOWERS = Path(__file__).resolve().parents[2] / "shared" / "flowers"
NUM_READY = 4  # batches that the bare loop goes round


@dataclass(frozen=True)
class Setting:
    """Everything a round needs."""

    network: nn.Module
    optimizer: Optimizer
    feeder: Feeder
    plan: Plan
    bounds: list[Bounds]
    device: torch.device

    @property
    def num_images(self) -> int:
        """Pictures in a round."""
        return self.bounds[-1][1]


def main() -> None:
    """Measure, and print a line a figure."""
    wishes = parse_arguments()
    device = pick_device(wishes.device)
    source = read_source(wishes.network)
    dataset = load_dataset(wishes.data, source.input_shape, cache_folder())
    with feeding(dataset, source.input_shape, device) as feeder:
        setting = prepare(source, dataset, feeder, device, wishes.batch_size, wishes.steps)
        ready = list(feeder.batches(setting.plan, setting.bounds[:NUM_READY]))
        print(
            f"{source.name}, {wishes.data}, {device}, {torch.get_num_threads()} threads, ", end=""
        )
        print(f"{wishes.rounds} rounds of {len(setting.bounds)} × {wishes.batch_size} pictures")
        measure_bare(setting, ready)  # warm: kernels are chosen, memory is mapped
        bare, trainer = [], []
        for _ in range(wishes.rounds):
            bare.append(measure_bare(setting, ready))
            trainer.append(measure_trainer(setting))
        report(setting, bare, [seconds for seconds, _ in trainer])
        report_parts(setting, dataset, median(bare), [tally for _, tally in trainer], ready)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    default_data = str(FLOWERS) if FLOWERS.is_dir() else DEMO
    parser.add_argument("--network", default="alexnet_half", help="a spec or a generated module")
    parser.add_argument("--data", default=default_data, help="a folder of classes, or demo")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=16, help="steps in a round")
    parser.add_argument("--rounds", type=int, default=9)
    return parser.parse_args()


def read_source(network: str) -> ModuleSource:
    """A generated module's file, or a spec by name."""
    if network.endswith(".py"):
        return read_module_file(Path(network))
    return read_module(network, generate(network))


def prepare(
    source: ModuleSource,
    dataset: Dataset,
    feeder: Feeder,
    device: torch.device,
    batch_size: int,
    steps: int,
) -> Setting:
    """A new network, its optimiser, and the first `steps` batches of an epoch."""
    torch.manual_seed(0)
    network = place_network(build_network(source, len(dataset.classes)), device).train()
    optimizer = build_optimizer("adam", network.parameters(), lr=2e-4, weight_decay=0)
    places = torch.arange(len(dataset.names))
    plan = training_plan(dataset.pictures, places, feeder.input_size, seed=0, epoch=0)
    bounds = [b for b in training_bounds(len(plan), batch_size) if b[1] - b[0] == batch_size]
    return Setting(network, optimizer, feeder, plan, bounds[:steps], device)


def measure_bare(setting: Setting, ready: Sequence[tuple[Tensor, Tensor]]) -> float:
    """Seconds for a round of nothing but steps."""

    def loop() -> None:
        for step in range(len(setting.bounds)):
            images, labels = ready[step % len(ready)]
            setting.optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(setting.network(images), labels)
            loss.backward()  # type: ignore[no-untyped-call] # torch leaves it so
            setting.optimizer.step()

    return seconds_of(loop, setting.device)


def measure_trainer(setting: Setting) -> tuple[float, Tally]:
    """Seconds for a round of the trainer, drawing its bar on a terminal that nobody sees."""
    tally = Tally(setting.bounds, setting.device)
    with Path(os.devnull).open("w") as nowhere:
        bar = Bar(Console(file=nowhere, force_terminal=True, width=100), epochs=1)

        def epoch() -> None:
            bar.begin_epoch(1, setting.num_images)
            train_epoch(
                setting.network,
                setting.optimizer,
                setting.feeder,
                setting.plan,
                setting.bounds,
                tally,
                Interrupt(),
                bar,
            )
            bar.close()

        return seconds_of(epoch, setting.device), tally


def seconds_of(work: Callable[[], object], device: torch.device) -> float:
    """Wall-clock seconds of `work`, to the end of what it started on the device."""
    began = perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return perf_counter() - began


def report(setting: Setting, bare: Sequence[float], trainer: Sequence[float]) -> None:
    """Print both speeds and the ratio of the pairs."""
    ratios = sorted(alone / whole for alone, whole in zip(bare, trainer, strict=True))
    print(f"bare loop         {setting.num_images / median(bare):8.1f} images/s (median)")
    print(f"trainer           {setting.num_images / median(trainer):8.1f} images/s (median)")
    print(f"trainer ÷ bare    {median(ratios):8.3f} (median of pairs; {ratios[0]:.3f} … ", end="")
    print(f"{ratios[-1]:.3f}); of the fastest rounds {min(bare) / min(trainer):.3f}")


def report_parts(
    setting: Setting,
    dataset: Dataset,
    bare: float,
    tallies: Sequence[Tally],
    ready: Sequence[tuple[Tensor, Tensor]],
) -> None:
    """Print what the parts cost by themselves, as fractions of the bare loop."""
    feeder, plan, bounds, device = setting.feeder, setting.plan, setting.bounds, setting.device
    images, labels = ready[0]
    logits = setting.network(images).detach()
    loss = F.cross_entropy(logits, labels)

    def count() -> None:
        tally = Tally(bounds, device)
        for _ in bounds:
            tally.add(loss, logits, labels)
        tally.read()

    def draw_plan() -> None:
        training_plan(dataset.pictures, plan.places, feeder.input_size, seed=0, epoch=1)

    share = setting.num_images / len(plan)
    parts = {
        "waiting for data": median(tally.waited for tally in tallies),
        "cutting out alone": seconds_of(lambda: list(feeder.batches(plan, bounds)), device),
        "counting": seconds_of(count, device),
        "planning": seconds_of(draw_plan, device) * share,
    }
    for name, seconds in parts.items():
        print(f"{name:18}{seconds / bare:8.2%} of the bare loop")


if __name__ == "__main__":
    main()
