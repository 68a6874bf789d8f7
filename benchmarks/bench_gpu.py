"""How fast a GPU is kept busy: beside a loop in torchvision's style, and beside bare steps.

    python benchmarks/bench_gpu.py                                 four networks, about 5 minutes
    python benchmarks/bench_gpu.py --json out.json --networks resnet50 --rounds 5
    python benchmarks/bench_gpu.py --device cpu --small            does it run at all? (no GPU)

For AlexNet, VGG-16, ResNet-50 and MobileNetV2 at 224 × 224, in bf16, with one batch size, the same
weights to begin with, the same optimiser (SGD with momentum, fused) and the same augmentation
(random resized crop, mirror, normalise):

peer      torchvision's network on an ImageFolder of JPEG files, 16 workers (see peer.py)
trainer   `fit` as `archspec train` runs it, from pictures that were decoded once. In three forms:
          default    pictures lie on the GPU, convolutions are deterministic
          threads    pictures lie in memory, threads cut them out: sets too large for the GPU
          benchmark  as default, but cuDNN takes its fastest algorithms, as for the peer: what the
                     promise of equal runs from equal seeds costs
bare      steps alone, on tensors that lie ready on the GPU (see rounds.py), deterministic

All take whole epochs in turn, after one each that does not count. What is fair about it:

- The peer decodes every picture in every epoch: that is what such a loop does. The trainer decodes
  once and keeps the pixels; that time stands apart ("decoded once"). A run of a single epoch has
  less from it. The pictures are as large as photographs of data sets, in file and pixels.
- The peer's clock begins when all workers have delivered a batch, since epochs here are short. The
  trainer's runs over whole epochs: planning, counting, drawing the bar, looking at the weights.
- Neither evaluates nor saves in the time that counts.
- The target is 2 × the peer for AlexNet, 1.1 × for ResNet-50, and 0.95 × bare steps.

MFU is that of the trainer (see utilisation.py); a device whose peak is not known has none.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

# Run as a script, its neighbours are importable; mypy knows them as benchmarks.NAME.
from peer import (  # type: ignore[import-not-found]
    Speed,
    fastest_convolutions,
    image_loader,
    make_peer,
)
from PIL import Image
from rounds import (  # type: ignore[import-not-found]
    bare_seconds,
    making_seconds,
    prepared,
    seconds_of,
    spell,
    trainer_round,
    with_feeder,
)
from utilisation import mfu, peak  # type: ignore[import-not-found]

from archspec import check
from archspec.train.data.dataset import load_dataset
from archspec.train.data.demo import FLOWERS, draw_flower
from archspec.train.device import pick_device
from archspec.train.feeding.feeder import Batch, Feeder
from archspec.train.recipe import Recipe, Sgd

NETWORKS = {  # ours, and what torchvision calls the same
    "alexnet_one_tower": "alexnet",
    "vgg16": "vgg16",
    "resnet50": "resnet50",
    "mobilenet_v2": "mobilenet_v2",
}
FORMS = ("default", "threads", "benchmark")
INPUT = (3, 224, 224)
NUM_PICTURES = 2048
SIZES = ((320, 240), (500, 375), (375, 500), (500, 333), (480, 360))  # width, height
SMALL = {"batch_size": 2, "steps": 2, "rounds": 1, "workers": 1, "pictures": 40}
Setting = Any  # the class stands in rounds.py


@dataclass
class Measured:
    """Pictures a second of one network in every round, by who made them."""

    network: str
    macs: int
    peer: list[float] = field(default_factory=list)
    peer_whole_epoch: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    trainer: dict[str, list[float]] = field(default_factory=dict)
    batches_alone: dict[str, float] = field(default_factory=dict)


def main() -> None:
    """Measure, print a table a network, and write JSON."""
    wishes = parse_arguments()
    device = required(wishes)
    with ExitStack() as stack:
        root = Path(stack.enter_context(TemporaryDirectory()))
        folder = Path(wishes.data) if wishes.data else root / "pictures"
        if not wishes.data:
            draw_pictures(folder, wishes.pictures)
        cache = root / "cache"
        decoding = seconds_of(lambda: load_dataset(str(folder), INPUT, cache_folder=cache), device)
        head = conditions(wishes, device, decoding)
        print_head(head)
        loader = image_loader(folder, wishes.batch_size, wishes.steps, wishes.workers, device)
        rows = []
        for name in wishes.networks:
            row = measure(name, str(folder), loader, cache, device, wishes)
            rows.append(report(row, head["peak"]))
            if wishes.json:  # also what there is when somebody breaks it off
                wishes.json.write_text(json.dumps({**head, "networks": rows}, indent=2))


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--networks", nargs="+", choices=tuple(NETWORKS), default=tuple(NETWORKS))
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=FORMS)
    parser.add_argument("--data", help="a folder of classes; otherwise pictures are drawn")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=48, help="steps in an epoch")
    parser.add_argument("--rounds", type=int, default=2, help="epochs of each that count")
    parser.add_argument("--workers", type=int, default=16, help="processes that decode, peer only")
    parser.add_argument("--pictures", type=int, default=NUM_PICTURES, help="that are drawn")
    parser.add_argument("--small", action="store_true", help="next to nothing, to see it run")
    parser.add_argument("--json", type=Path, metavar="FILE")
    wishes = parser.parse_args()
    for name, value in SMALL.items() if wishes.small else ():
        setattr(wishes, name, value)
    return wishes


def required(wishes: argparse.Namespace) -> torch.device:
    """The device; ends the program with 2 where something that it needs is not there."""
    if find_spec("torchvision") is None:
        sys.exit(refused("this benchmark compares with torchvision: install archspec[vision]"))
    if wishes.device.startswith("cuda") and not torch.cuda.is_available():
        sys.exit(refused("no CUDA device: `--device cpu --small` only shows that it runs"))
    return pick_device(wishes.device)


def refused(message: str) -> int:
    """Tell why nothing is measured."""
    print(message, file=sys.stderr)
    return 2


# --- pictures -------------------------------------------------------------------------------------


def draw_pictures(folder: Path, number: int) -> None:
    """Flowers as JPEG files of the size of photographs, in a folder a class."""
    for name in FLOWERS:
        (folder / name).mkdir(parents=True)
    with ProcessPoolExecutor() as pool:
        list(pool.map(draw_one, [str(folder)] * number, range(number), chunksize=16))


def draw_one(folder: str, number: int) -> None:
    """One of them. Noise makes its file as large, and as slow to decode, as a photograph's."""
    name = tuple(FLOWERS)[number % len(FLOWERS)]
    drawn = Image.fromarray(draw_flower(name, number, 128))
    large = np.asarray(drawn.resize(SIZES[number % len(SIZES)], Image.Resampling.BICUBIC))
    noisy = large + np.random.default_rng(number).normal(0, 6, large.shape)
    picture = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
    picture.save(f"{folder}/{name}/{number:05d}.jpg", quality=90)


# --- measured -------------------------------------------------------------------------------------


def measure(
    name: str,
    data: str,
    loader: Any,
    cache: Path,
    device: torch.device,
    wishes: argparse.Namespace,
) -> Measured:
    """One network, all in turn, in as many rounds as are wished and one before."""
    recipe = Recipe(
        name="bench_gpu",
        epochs=1,
        batch_size=wishes.batch_size,
        optimizer=Sgd(lr=1e-3, momentum=0.9, weight_decay=1e-4),
        normalize="imagenet",
        amp="bf16",
    )
    number = wishes.steps * wishes.batch_size
    nowhere = cache  # nothing is saved
    with prepared(name, data, recipe, device, nowhere, number, cache) as setting:
        classes = setting.run.config.classes
        peer = make_peer(NETWORKS[name], len(classes), loader, device)
        setting.learner.network.load_state_dict(peer.network.state_dict())  # the same network
        with forms_of(setting, wishes.forms) as forms:
            row = Measured(name, macs_of(name, len(classes)))
            row.trainer = {form: [] for form in forms}
            ready = setting.ready()
            turn(Measured(name, 0, trainer={form: [] for form in forms}), peer, forms, ready)
            for _ in range(wishes.rounds):
                turn(row, peer, forms, ready)
            row.batches_alone = {form: number / making_seconds(one) for form, one in forms.items()}
    return row


def macs_of(name: str, num_classes: int) -> int:
    """Multiply-accumulates of a forward pass, a picture."""
    macs = check(name, {"num_classes": num_classes}).totals.macs
    assert macs is not None
    return macs


@contextmanager
def forms_of(setting: Setting, wanted: tuple[str, ...]) -> Iterator[dict[str, Setting]]:
    """The trainer in each of its forms, with one network."""
    feeder = setting.feeder
    threads = Feeder(
        feeder.pictures,
        setting.run.dataset.labels,
        feeder.input_size,
        feeder.device,
        feeder.normalize,
        feeder.colours,
    )
    threads.resident = None
    try:
        other = with_feeder(setting, threads)
        yield {form: other if form == "threads" else setting for form in wanted}
    finally:
        threads.close()


def turn(row: Measured, peer: Any, forms: dict[str, Setting], ready: Sequence[Batch]) -> None:
    """A round: an epoch of the peer, one of each form of the trainer, and as many bare steps."""
    speed: Speed = peer.epoch()
    row.peer.append(speed.steady)
    row.peer_whole_epoch.append(speed.whole)
    setting = next(iter(forms.values()))
    for form, one in forms.items():
        fast = fastest_convolutions(one.device) if form == "benchmark" else nullcontext()
        with fast:
            seconds = trainer_round(one, save_it=False).training
        row.trainer[form].append(one.num_images / seconds)
    steps = len(setting.bounds)
    row.bare.append(setting.num_images / bare_seconds(setting, ready, steps))


# --- told -----------------------------------------------------------------------------------------


def conditions(wishes: argparse.Namespace, device: torch.device, decoding: float) -> dict[str, Any]:
    """What the figures depend on."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    return {
        "device": name,
        "peak": peak(name),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call] # torch leaves it so
        "batch_size": wishes.batch_size,
        "steps": wishes.steps,
        "rounds": wishes.rounds,
        "workers": wishes.workers,
        "decoded_once_seconds": decoding,
    }


def print_head(head: dict[str, Any]) -> None:
    """Print the conditions."""
    print(", ".join(f"{name} {value}" for name, value in head.items()))
    if head["peak"] is None:
        print("the peak of this device is not known: no MFU")


def report(row: Measured, device_peak: float | None) -> dict[str, Any]:
    """Print a network's figures, and give them as JSON has them."""
    print(f"\n{row.network}: {row.macs / 1e9:.2f} G MACs, images/s, ratios with their middle half")
    print(f"  {'peer':20}{median(row.peer):9.0f}   whole epochs {median(row.peer_whole_epoch):.0f}")
    print(f"  {'bare steps':20}{median(row.bare):9.0f}{shown(row, row.bare, device_peak)}")
    for form, speeds in row.trainer.items():
        beside = [a / b for a, b in zip(speeds, row.peer, strict=True)]
        alone = [a / b for a, b in zip(speeds, row.bare, strict=True)]
        print(f"  {f'trainer, {form}':20}{median(speeds):9.0f}{shown(row, speeds, device_peak)}")
        # Bare steps have deterministic convolutions: no measure of what does without.
        bare = "" if form == "benchmark" else f"   ÷ bare {spell(alone)}"
        print(f"  {'':20}÷ peer {spell(beside)}{bare}")
        print(f"  {'':20}batches alone {row.batches_alone[form]:.0f} images/s")
    sys.stdout.flush()
    used = {form: mfu(row.macs, median(s), device_peak) for form, s in row.trainer.items()}
    return asdict(row) | {"mfu": used}


def shown(row: Measured, speeds: list[float], device_peak: float | None) -> str:
    """`   MFU 41.2 %`, where it is known."""
    value = mfu(row.macs, median(speeds), device_peak)
    return "" if value is None else f"   MFU {value:.1%}"


if __name__ == "__main__":
    main()
