"""The loop that others write: torchvision's network on an ImageFolder, as in its references.

Nothing of archspec is in it. It is the good form of that loop, not the naive one: workers that
persist and prefetch, pinned memory, channels last, bf16 by autocast, a fused optimiser, cuDNN's
fastest algorithms, and losses that are added up on the device and read once an epoch.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - everybody's name for it
from torch.utils.data import DataLoader, RandomSampler

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Speed:
    """Pictures a second: of the steps once all workers have delivered, and of the whole epoch."""

    steady: float
    whole: float


class Peer:
    """A network of torchvision's and its optimiser, trained on batches of `loader`."""

    def __init__(self, network: nn.Module, loader: DataLoader[Any], device: torch.device) -> None:
        self.network = network.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload] # PyTorch lists not all forms
        self.loader = loader
        self.device = device
        self.optimizer = torch.optim.SGD(
            network.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4, fused=True
        )

    def epoch(self) -> Speed:
        """Train on all batches; the clock of the steady speed begins after the first ones.

        Each worker prepares a batch of its own, so the first batches of an epoch come late and all
        at once. Epochs here are short: what a long one would not notice is left out.
        """
        totals = torch.zeros(2, dtype=torch.float64, device=self.device)
        skipped = min(max(1, self.loader.num_workers), len(self.loader) // 2)
        began = steady_since = perf_counter()
        with fastest_convolutions(self.device):
            for number, (images, labels) in enumerate(self.loader):
                if number == skipped:
                    self._finish()
                    steady_since = perf_counter()
                self._step(images, labels, totals)
            totals.tolist()
            self._finish()
        ended = perf_counter()
        size, number = self.loader.batch_size or 1, len(self.loader)
        return Speed(
            steady=(number - skipped) * size / (ended - steady_since),
            whole=number * size / (ended - began),
        )

    def _step(self, images: Tensor, labels: Tensor, totals: Tensor) -> None:
        images = images.to(self.device, non_blocking=True)
        images = images.contiguous(memory_format=torch.channels_last)
        labels = labels.to(self.device, non_blocking=True)
        with torch.autocast(self.device.type, torch.bfloat16):
            output = self.network(images)
            loss = F.cross_entropy(output, labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call] # torch leaves it so
        self.optimizer.step()
        totals[0] += loss.detach()
        totals[1] += (output.detach().argmax(dim=1) == labels).sum()

    def _finish(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def image_loader(
    folder: Path, batch_size: int, steps: int, workers: int, device: torch.device
) -> DataLoader[Any]:
    """Batches of torchvision's ImageFolder, decoded, cropped and normalised by worker processes.

    An epoch has so many steps: a folder with fewer pictures is gone through again.
    """
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import (
        Compose,
        Normalize,
        RandomHorizontalFlip,
        RandomResizedCrop,
        ToTensor,
    )

    steps_of_a_picture = [RandomResizedCrop(224), RandomHorizontalFlip(), ToTensor()]
    pictures = ImageFolder(str(folder), Compose([*steps_of_a_picture, Normalize(MEAN, STD)]))
    return DataLoader(
        pictures,
        batch_size=batch_size,
        sampler=RandomSampler(pictures, num_samples=steps * batch_size),
        num_workers=workers,
        pin_memory=device.type == "cuda",
        persistent_workers=workers > 0,
    )


def make_peer(name: str, num_classes: int, loader: DataLoader[Any], device: torch.device) -> Peer:
    """The network of that name in torchvision, with random weights."""
    from torchvision.models import get_model

    return Peer(get_model(name, weights=None, num_classes=num_classes), loader, device)


@contextmanager
def fastest_convolutions(device: torch.device) -> Iterator[None]:
    """Within it, cuDNN tries its algorithms and takes the fastest, also one that is not exact."""
    if device.type != "cuda":
        yield
        return
    cudnn = torch.backends.cudnn
    before = cudnn.benchmark, cudnn.deterministic
    cudnn.benchmark, cudnn.deterministic = True, False
    try:
        yield
    finally:
        cudnn.benchmark, cudnn.deterministic = before
