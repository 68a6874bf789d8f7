"""What augmentation costs: images a second of each kind, paired with torchvision in one run.

    python benchmarks/bench_augment.py

Ours is all that stands between stored pictures and a step: the plan of an epoch, and its batches
from the feeder. torchvision's is a pipeline of transforms.v2, with the same augmentation, called
with each stored picture as a tensor of bytes, and the batch stacked from what it gives. Both start
from pictures decoded before, in one process, on the threads that PyTorch has. A round of either
alternates with one of the other, so that whatever else the machine does meets both; the ratio is
the median of the pairs. Rotation goes first with torchvision, so that both rotate the picture and
not the crop.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from archspec.train.data.cache import cache_folder
from archspec.train.data.dataset import DEMO, Dataset, load_dataset
from archspec.train.feeding.colour import IMAGENET, Colours, measure_colours
from archspec.train.feeding.feeder import Feeder, batch_bounds
from archspec.train.feeding.plan import training_plan
from archspec.train.recipe import Augment

FLOWERS = Path(__file__).resolve().parents[2] / "shared" / "flowers"
JITTER = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4}
HUE = {"hue": 0.1}
ROTATION = {"rotation": 15.0}
KINDS: dict[str, dict[str, float]] = {
    "crop and mirror": {},
    "+ jitter": JITTER,
    "+ jitter and hue": JITTER | HUE,
    "+ rotation": ROTATION,
    "all": JITTER | HUE | ROTATION | {"erase": 0.25, "mixup": 0.2, "cutmix": 1.0},
    "all, with AlexNet's noise": JITTER | HUE | ROTATION | {"pca": 0.1, "erase": 0.25},
}
WITHOUT_PEER = {"pca"}  # torchvision has no such thing
Work = Callable[[], None]


@dataclass(frozen=True)
class Setting:
    """The pictures at `places` in batches of `batch_size`, each cut to `side` × `side`."""

    dataset: Dataset
    colours: Colours
    places: Tensor
    batch_size: int
    side: int


def main() -> None:
    """Measure, and print a line a kind."""
    wishes = parse_arguments()
    dataset = load_dataset(
        wishes.data, (3, wishes.side, wishes.side), cache_folder=cache_folder(), keep="memory"
    )
    number = min(wishes.images, len(dataset.names))
    places = torch.randperm(len(dataset.names), generator=torch.Generator().manual_seed(0))[:number]
    colours = measure_colours(dataset.pictures, places)
    setting = Setting(dataset, colours, places, wishes.batch_size, wishes.side)
    threads = torch.get_num_threads()
    print(f"{wishes.data}: {number} pictures at {wishes.side}, {threads} threads, images/s")
    for kind, asked in KINDS.items():
        measure(kind, Augment.model_validate(asked), setting, wishes.rounds)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    default_data = str(FLOWERS) if FLOWERS.is_dir() else DEMO
    parser.add_argument("--data", default=default_data, help="a folder of classes, or demo")
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--images", type=int, default=256, help="pictures in a round, at most")
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


def measure(kind: str, augment: Augment, setting: Setting, rounds: int) -> None:
    """Print images a second of one kind, and the ratio to torchvision's where it has one."""
    ours = our_round(augment, setting)
    peer = None if WITHOUT_PEER & KINDS[kind].keys() else peer_round(augment, setting)
    works = [ours] if peer is None else [ours, peer]
    for work in works:
        work()  # warm: pages are mapped, threads are there
    seconds = [[seconds_of(work) for work in works] for _ in range(rounds)]
    number = len(setting.places)
    columns = [number / median(column) for column in zip(*seconds, strict=True)]
    line = f"{kind:26}{columns[0]:8.0f}"
    if peer is not None:
        ratios = [theirs / own for own, theirs in seconds]
        line += f"   torchvision {columns[1]:6.0f}   ratio {median(ratios):5.2f} ({spread(ratios)})"
    print(line)


def spread(ratios: list[float]) -> str:
    """The middle half of the ratios."""
    if len(ratios) < 2:
        return "one pair"
    low, _, high = quantiles(ratios, n=4, method="inclusive")
    return f"half of them in {low:.2f} … {high:.2f}"


def seconds_of(work: Work) -> float:
    """Wall-clock seconds of `work`."""
    began = perf_counter()
    work()
    return perf_counter() - began


def our_round(augment: Augment, setting: Setting) -> Work:
    """An epoch of the trainer's batches."""
    dataset, size = setting.dataset, (setting.side, setting.side)
    device = torch.device("cpu")
    feeder = Feeder(dataset.pictures, dataset.labels, size, device, IMAGENET, setting.colours)
    bounds = batch_bounds(len(setting.places), setting.batch_size)

    def work() -> None:
        plan = training_plan(
            dataset.pictures, setting.places, size, seed=0, epoch=0, augment=augment
        )
        for _ in feeder.batches(plan, bounds):
            pass

    return work


def peer_round(augment: Augment, setting: Setting) -> Work:
    """The same augmentation with torchvision's transforms, picture by picture."""
    pipeline, mix = peer_pipeline(augment, setting.side, len(setting.dataset.classes))
    places, labels = setting.places.tolist(), torch.tensor(setting.dataset.labels)
    bounds = batch_bounds(len(places), setting.batch_size)

    def work() -> None:
        for begin, end in bounds:
            chosen = places[begin:end]
            pictures = [
                torch.from_numpy(setting.dataset.pictures[i].copy()).permute(2, 0, 1)
                for i in chosen
            ]
            images = torch.stack([pipeline(picture) for picture in pictures])
            if mix is not None:
                mix(images, labels[chosen])

    return work


def peer_pipeline(augment: Augment, side: int, num_classes: int) -> tuple[Any, Any]:
    """The transforms of torchvision for a picture, and those for a batch if it is mixed."""
    from torchvision.transforms import v2

    steps: list[Any] = []
    if augment.rotation:
        bilinear = v2.InterpolationMode.BILINEAR
        steps.append(v2.RandomRotation(augment.rotation, interpolation=bilinear))
    steps += [v2.RandomResizedCrop(side, antialias=True), v2.RandomHorizontalFlip()]
    if augment.brightness:
        factors = (augment.brightness, augment.contrast, augment.saturation, augment.hue)
        steps.append(v2.ColorJitter(*factors))
    steps.append(v2.ToDtype(torch.float32, scale=True))
    steps.append(v2.Normalize(list(IMAGENET.mean), list(IMAGENET.std)))
    if augment.erase:
        steps.append(v2.RandomErasing(augment.erase))
    if not augment.mixup:
        return v2.Compose(steps), None
    mixes = [
        v2.MixUp(alpha=augment.mixup, num_classes=num_classes),
        v2.CutMix(alpha=augment.cutmix, num_classes=num_classes),
    ]
    return v2.Compose(steps), v2.RandomChoice(mixes)


if __name__ == "__main__":
    main()
