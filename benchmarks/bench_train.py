"""What the trainer costs on top of the steps themselves: paired with a bare loop, in one run.

    python benchmarks/bench_train.py

The bare loop does nothing but forward, backward and update, on batches that lie ready as tensors.
The trainer is `fit` itself, over whole epochs of as many steps of the same network, from stored
pictures: planning, cutting out, normalising, counting, drawing its bar, and refusing a diverged
epoch. Apart from that, and named, are what a bare loop has no counterpart for: evaluation (of one
batch an epoch here) and saving (last.pt, best.pt and metrics.jsonl, after every epoch). A round of
either alternates with one of the other, so that whatever else the machine does meets both. Epochs
here are short, so what an epoch costs once weighs more than in a real run. The target is a ratio
of at least 0.95, saving apart.
"""

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
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
from archspec.train.feeder import Bounds, Feeder, batch_bounds
from archspec.train.fit import Progress, fit
from archspec.train.interrupt import Interrupt
from archspec.train.metrics import Tally
from archspec.train.outputs import Outputs
from archspec.train.plan import Plan, training_plan
from archspec.train.recipe import build_optimizer, pick_device
from archspec.train.run import feeding, place_network, saver
from archspec.train.source import ModuleSource, build_network, read_module, read_module_file

FLOWERS = Path(__file__).resolve().parents[2] / "shared" / "flowers"
NUM_READY = 4  # batches that the bare loop goes round


@dataclass(frozen=True)
class Setting:
    """Everything a round needs: `epochs` epochs over the pictures at `train`."""

    network: nn.Module
    optimizer: Optimizer
    feeder: Feeder
    train: Tensor
    val: Tensor
    num_classes: int
    batch_size: int
    epochs: int
    device: torch.device

    @property
    def plan(self) -> Plan:
        """What an epoch shows."""
        return training_plan(
            self.feeder.pictures, self.train, self.feeder.input_size, seed=0, epoch=0
        )

    @property
    def bounds(self) -> list[Bounds]:
        """The batches of an epoch."""
        return batch_bounds(len(self.train), self.batch_size)

    @property
    def num_images(self) -> int:
        """Pictures in a round."""
        return self.epochs * len(self.train)


@dataclass(frozen=True)
class Round:
    """Seconds of `fit`: all but what follows, evaluation, saving; `waited` is within the first."""

    training: float
    evaluation: float
    saving: float
    waited: float


def main() -> None:
    """Measure, and print a line a figure."""
    wishes = parse_arguments()
    device = pick_device(wishes.device)
    source = read_source(wishes.network)
    dataset = load_dataset(wishes.data, source.input_shape, cache_folder())
    with feeding(dataset, source.input_shape, device) as feeder, TemporaryDirectory() as folder:
        setting = prepare(source, dataset, feeder, device, wishes)
        ready = list(feeder.batches(setting.plan, setting.bounds[:NUM_READY]))
        threads = torch.get_num_threads()
        print(
            f"{source.name}, {wishes.data}, {device}, {threads} threads: {wishes.rounds} rounds of"
        )
        steps = len(setting.bounds)
        print(f"{setting.epochs} epochs of {steps} steps of {setting.batch_size} pictures")
        measure_bare(setting, ready)  # warm: kernels are chosen, memory is mapped
        bare, trainer = [], []
        for _ in range(wishes.rounds):
            bare.append(measure_bare(setting, ready))
            trainer.append(measure_trainer(setting, Path(folder)))
        report(setting, bare, trainer)
        report_parts(setting, median(bare), trainer, ready)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    default_data = str(FLOWERS) if FLOWERS.is_dir() else DEMO
    parser.add_argument("--network", default="alexnet_half", help="a spec or a generated module")
    parser.add_argument("--data", default=default_data, help="a folder of classes, or demo")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=16, help="steps in an epoch, at most")
    parser.add_argument("--epochs", type=int, default=1, help="epochs in a round")
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
    wishes: argparse.Namespace,
) -> Setting:
    """A new network, its optimiser, and pictures for an epoch of whole batches."""
    torch.manual_seed(0)
    network = place_network(build_network(source, len(dataset.classes)), device).train()
    optimizer = build_optimizer("adam", network.parameters(), lr=2e-4, weight_decay=0)
    places = torch.randperm(len(dataset.names))
    val, rest = places[: wishes.batch_size], places[wishes.batch_size :]
    steps = min(wishes.steps, len(rest) // wishes.batch_size)
    return Setting(
        network,
        optimizer,
        feeder,
        rest[: steps * wishes.batch_size],
        val,
        len(dataset.classes),
        wishes.batch_size,
        wishes.epochs,
        device,
    )


def measure_bare(setting: Setting, ready: Sequence[tuple[Tensor, Tensor]]) -> float:
    """Seconds for a round of nothing but steps."""
    setting.network.train()  # where `fit` leaves it in evaluation

    def loop() -> None:
        for step in range(setting.epochs * len(setting.bounds)):
            images, labels = ready[step % len(ready)]
            setting.optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(setting.network(images), labels)
            loss.backward()  # type: ignore[no-untyped-call] # torch leaves it so
            setting.optimizer.step()

    return seconds_of(loop, setting.device)


def measure_trainer(setting: Setting, folder: Path) -> Round:
    """A round of `fit`, drawing its bar on a terminal that nobody sees."""
    progress, saving = Progress(), 0.0
    write = saver(folder, setting.network, setting.optimizer, "benchmark")

    def save(progress: Progress) -> None:
        nonlocal saving
        saving += seconds_of(lambda: write(progress), setting.device)

    with Path(os.devnull).open("w") as nowhere:
        bar = Bar(Console(file=nowhere, force_terminal=True, width=100), setting.epochs)

        def whole() -> None:
            fit(
                setting.network,
                Outputs.SCORES,
                setting.optimizer,
                setting.feeder,
                setting.train,
                setting.val,
                num_classes=setting.num_classes,
                epochs=setting.epochs,
                batch_size=setting.batch_size,
                seed=0,
                augment=True,
                progress=progress,
                interrupt=Interrupt(),
                display=bar,
                save=save,
            )

        seconds = seconds_of(whole, setting.device)
    evaluation = sum(metrics.val_seconds for metrics in progress.history)
    waited = sum(metrics.data_wait * metrics.seconds for metrics in progress.history)
    return Round(seconds - evaluation - saving, evaluation, saving, waited)


def seconds_of(work: Callable[[], object], device: torch.device) -> float:
    """Wall-clock seconds of `work`, to the end of what it started on the device."""
    began = perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return perf_counter() - began


def report(setting: Setting, bare: Sequence[float], trainer: Sequence[Round]) -> None:
    """Print both speeds, and the ratios of the pairs without and with saving."""
    training = [one.training for one in trainer]
    saving = [one.training + one.saving for one in trainer]
    print(f"bare loop         {setting.num_images / median(bare):8.1f} images/s (median)")
    print(f"trainer           {setting.num_images / median(training):8.1f} images/s (median)")
    for name, seconds in {"trainer ÷ bare": training, "and with saving": saving}.items():
        ratios = [alone / whole for alone, whole in zip(bare, seconds, strict=True)]
        print(f"{name:18}{median(ratios):8.3f} (median of pairs; {_spread(ratios)})")


def _spread(ratios: Sequence[float]) -> str:
    if len(ratios) < 2:
        return "one pair"
    low, _, high = quantiles(ratios, n=4, method="inclusive")
    return f"half of them in {low:.3f} … {high:.3f}"


def report_parts(
    setting: Setting,
    bare: float,
    trainer: Sequence[Round],
    ready: Sequence[tuple[Tensor, Tensor]],
) -> None:
    """Print what the parts of a round cost by themselves, as fractions of the bare loop."""
    feeder, plan, bounds, device = setting.feeder, setting.plan, setting.bounds, setting.device
    images, labels = ready[0]
    logits = setting.network(images).detach()
    loss = F.cross_entropy(logits, labels)

    def count() -> None:
        tally = Tally(bounds, device)
        for _ in bounds:
            tally.add(loss, logits, labels)
        tally.read()

    def cut_out() -> None:
        for _ in feeder.batches(plan, bounds):
            pass

    parts = {
        "waiting for data": median(one.waited for one in trainer),
        "cutting out alone": setting.epochs * seconds_of(cut_out, device),
        "counting": setting.epochs * seconds_of(count, device),
        "planning": setting.epochs * seconds_of(lambda: setting.plan, device),
        "evaluation, apart": median(one.evaluation for one in trainer),
        "saving, apart": median(one.saving for one in trainer),
    }
    for name, seconds in parts.items():
        print(f"{name:18}{seconds / bare:8.2%} of the bare loop")


if __name__ == "__main__":
    main()
